"""Taking a job that is over out of the folder and the home."""

from __future__ import annotations

import os

from syft_job import fs
from syft_job.errors import InvalidTransition
from syft_job.exchange import release
from syft_job.exchange.participant import Participant
from syft_job.format import manifest, markers
from syft_job.home import review_notes
from syft_job.model.job_ref import JobRef
from syft_job.model.lifecycle import Event, state_of

from .transaction import transaction


def clean(participant: Participant, place: JobRef) -> None:
    """Remove a job that is over from the folder, and its results and workspaces from the home; the ledger stays."""
    with transaction(participant, place, Event.CLEAN) as now:
        record = now.look.record
        if any(job == record.id for job, _ in participant.home.ledger.unfinished()):
            raise InvalidTransition(
                f"'{place.name}' is still being stopped; clean it when that is over.", name=place.name
            )
        if not state_of(participant.home.ledger.facts(record.id)).state.is_terminal:
            # Taken back by its submitter, or unreadable, which goes with the folder: the ledger keeps that it is over.
            body = {"by": participant.email, "at": markers.now(), "digest": record.digest, "attempt": record.attempt}
            participant.home.ledger.say(record.id, record.attempt, "cancel", place=list(place), mark=body)
        participant.home.ledger.say(record.id, record.attempt, "clean", place=list(place), by=participant.email)
        release.withdraw_grants(now.job)
        lines = participant.home.ledger.lines(record.id)
        job = os.dup(now.job)
    try:
        # Without the lock, since the job and its submitter decide how much there is. Nothing uses it any more, and
        # `config.yaml` stays until everything else is gone: a process that is killed here leaves a job that is still
        # listed, and that can be cleaned once more.
        numbers = {number for line in lines for number in (line.attempt, line.attempt + 1)}  # a permit opens the next
        for base in (participant.home.paths.held_results, participant.home.workspaces):
            if base.is_dir():
                with fs.open_directory(base) as opened:
                    for number in sorted(numbers):
                        fs.remove(opened, f"{record.id}.{number}")
        fs.remove_content(job, keep=manifest.CONFIG)
        _remove_directory(participant, place, job)
    finally:
        os.close(job)


def _remove_directory(participant: Participant, place: JobRef, job: int) -> None:
    """Remove the job's directory, unless another one has its name by now."""
    found = os.fstat(job)
    with participant.home.locked(), fs.open_directory(participant.home.root, *place.parts[:-1]) as parent:
        there = fs.stat_entry(parent, place.name)
        if there is not None and (there.st_dev, there.st_ino) == (found.st_dev, found.st_ino):
            fs.remove(job, manifest.CONFIG)
            fs.remove(parent, place.name)
        review_notes.remove_note(participant.home, place)  # another submission of that name is another job
