"""Deposit by the owner: the answer to a job is a result that was made by hand, and the job does not run."""

from __future__ import annotations

import os
from contextlib import ExitStack
from pathlib import Path

from syft_job import fs
from syft_job.errors import InvalidTransition, PathMissing, StoreError, UnreadableJob
from syft_job.exchange import release
from syft_job.exchange.participant import Participant
from syft_job.exchange.release import Grants
from syft_job.exchange.result_staging import Need, StagedDirectory
from syft_job.exchange.result_tree import copy_tree, why_not
from syft_job.format.markers import OUTPUTS
from syft_job.model import names
from syft_job.model.events import Event, MarkerKind
from syft_job.model.job_ref import JobRef
from syft_job.model.states import JobState
from syft_job.model.transitions import Verb

from .marker_writer import Transaction, publish_deposit, publishing, unblock
from .transaction import stage, transaction


def deposit(participant: Participant, ref: JobRef, source: Path) -> Path:
    """Answer a job with a result: a file or a folder is copied to `outputs/`, and the job is done.

    Everything is copied before the home's lock is taken, and put in place under it.

    Returns:
        The path of the result in the job's directory.

    Raises:
        PathMissing: there is nothing at ``source``.
        UnreadableJob: it holds links, devices or more than the limits allow.
        InvalidTransition: the job changed while the result was copied.
    """
    with transaction(participant, ref, Verb.DEPOSIT) as txn:
        need = Need(txn.id, txn.attempt, outputs=True, logs=True)
    source = Path(os.path.abspath(source))
    if not source.exists():
        raise PathMissing(f"There is nothing at {source} to deposit.", path=str(source))
    held = participant.home.attempt_paths(need.job, need.attempt).results
    with ExitStack() as copies:
        copies.enter_context(fs.translate_os_errors(f"deposit {str(source)!r}"))
        deposited = copies.enter_context(StagedDirectory(participant.home, held.parent))
        _copy_to_home(deposited, source, participant)
        staged, refusal = None, None
        try:
            staged = copies.enter_context(stage(participant, ref, need, held.parent / deposited.name))
        except StoreError as error:
            refusal = error  # of the folder; the deposit holds all the same, and the runner publishes it later
        txn = copies.enter_context(transaction(participant, ref, Verb.DEPOSIT))
        is_same = (txn.id, txn.attempt) == (need.job, need.attempt)
        if not is_same or (staged is not None and not staged.fits(txn.record, txn.dir_fd, need)):
            raise InvalidTransition(
                f"'{ref.name}' changed while the result was copied; nothing was deposited. Look at it again.",
                name=ref.name,
            )
        deposited.put_in_place(held.name)
        promised = release.promised(participant, need.job, need.attempt)
        _record(participant, txn, promised)
        with publishing(txn, Event.DEPOSITED):
            if refusal is not None:
                raise refusal
            publish_deposit(participant, txn, staged)
            unblock(participant, txn)
            if promised and staged is not None:
                release.publish(participant, txn.snapshot, promised, staged)
        return ref.under(participant.home.root) / OUTPUTS / names.normalize_inner_path(source.name)


def _record(participant: Participant, txn: Transaction, promised: Grants) -> None:
    is_approved = any(item.is_valid and item.marker.kind is MarkerKind.APPROVED for item in txn.snapshot.markers)
    participant.home.ledger.say(
        txn.id,
        txn.attempt,
        Event.DEPOSITED,
        outcome=JobState.SUCCEEDED.value,
        is_release_pending=bool(promised),
        place=list(txn.ref),
        mark={
            "by": participant.email,
            "method": "deposit",
            "digest": txn.record.digest,
            "approves": not is_approved,
        },
    )


def _copy_to_home(deposited: StagedDirectory, source: Path, participant: Participant) -> None:
    """Copy what is deposited into the home first, as a whole, so that it can be published again after a crash.

    Raises:
        PathMissing: it changed meanwhile.
        UnreadableJob: it holds links, devices or more than the limits allow.
    """
    try:
        with (
            fs.open_directory(source.parent) as parent_fd,
            fs.open_directory(deposited.descriptor, OUTPUTS, create=True, mode=0o700) as outputs_fd,
        ):
            status = os.stat(source.name, dir_fd=parent_fd)  # what the owner names may be a link
            if refused := why_not(source.name, fs.Entry(source.name, status)):
                raise UnreadableJob(f"{refused}. Deposit something else.")
            name = names.normalize_inner_path(source.name)
            if source.is_dir():
                with (
                    fs.open_directory(source) as src_fd,
                    fs.open_directory(outputs_fd, name, create=True, mode=0o700) as dst_fd,
                ):
                    copy_tree(src_fd, dst_fd, participant.limits, private=True)
            else:
                target = source.resolve()
                with fs.open_directory(target.parent) as src_fd:
                    max_bytes = participant.limits.total_bytes
                    fs.copy_file(src_fd, target.name, outputs_fd, name, max_bytes=max_bytes, durable=True)
                    fs.fsync_directory(outputs_fd)
    except FileNotFoundError as error:
        raise PathMissing(
            f"{source} changed while it was copied; nothing was deposited. Try again when it is whole.",
            path=str(source),
        ) from error
