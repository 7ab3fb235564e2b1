"""Removal of a job that is over from the folder and the home; its ledger stays."""

from __future__ import annotations

import os

from syft_job import fs
from syft_job.errors import InvalidTransition
from syft_job.exchange import release
from syft_job.exchange.participant import Participant
from syft_job.format import manifest, markers
from syft_job.home import review_notes
from syft_job.model.events import Event
from syft_job.model.job_ref import JobRef
from syft_job.model.states import derive_state
from syft_job.model.transitions import Verb

from .marker_writer import Transaction
from .transaction import transaction


def clean(participant: Participant, ref: JobRef) -> None:
    """Remove a job that is over from the folder, and its results and workspaces from the home.

    Raises:
        InvalidTransition: it is not over, or an attempt of it is still being stopped.
    """
    with transaction(participant, ref, Verb.CLEAN) as txn:
        if any(job == txn.id for job, _ in participant.home.ledger.unfinished()):
            raise InvalidTransition(f"'{ref.name}' is still being stopped; clean it when that is over.", name=ref.name)
        _record(participant, txn)
        release.withdraw_grants(txn.dir_fd)
        lines = participant.home.ledger.lines(txn.id)
        dir_fd = os.dup(txn.dir_fd)
    try:
        # Without the lock, since the job and its submitter decide how much there is. Nothing uses it any more, and
        # `config.yaml` stays until everything else is gone: a process that is killed here leaves a job that is still
        # listed, and that can be cleaned once more.
        attempts = {attempt for line in lines for attempt in (line.attempt, line.concerned_attempt)}
        for base in (participant.home.paths.held_results, participant.home.workspaces):
            if base.is_dir():
                with fs.open_directory(base) as base_fd:
                    for attempt in sorted(attempts):
                        fs.remove(base_fd, f"{txn.id}.{attempt}")
        fs.remove_content(dir_fd, keep=manifest.CONFIG)
        _remove_directory(participant, ref, dir_fd)
    finally:
        os.close(dir_fd)


def _record(participant: Participant, txn: Transaction) -> None:
    """Record the removal, and before it that the job is over where only the folder has that."""
    record, ledger = txn.record, participant.home.ledger
    if not derive_state(ledger.facts(txn.id)).state.is_terminal:
        # Withdrawn by its submitter, or unreadable: both go with the folder, and the ledger keeps that it is over.
        mark = {"by": participant.email, "at": markers.now(), "digest": record.digest, "attempt": record.attempt}
        ledger.say(txn.id, record.attempt, Event.CANCELLED, place=list(txn.ref), mark=mark)
    ledger.say(txn.id, record.attempt, Event.CLEANED, place=list(txn.ref), by=participant.email)


def _remove_directory(participant: Participant, ref: JobRef, dir_fd: int) -> None:
    """Remove the job's directory, unless another one has its name by now."""
    removed = os.fstat(dir_fd)
    with participant.home.locked(), fs.open_directory(participant.home.root, *ref.parts[:-1]) as parent_fd:
        status = fs.stat_entry(parent_fd, ref.name)
        if status is not None and (status.st_dev, status.st_ino) == (removed.st_dev, removed.st_ino):
            fs.remove(dir_fd, manifest.CONFIG)
            fs.remove(parent_fd, ref.name)
        review_notes.remove_note(participant.home, ref)  # another submission of that name is another job
