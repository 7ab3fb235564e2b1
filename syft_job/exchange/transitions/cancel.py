"""Cancellation by the owner, or by the runner for a job that was withdrawn while it ran."""

from __future__ import annotations

from syft_job import fs
from syft_job.exchange.participant import Participant
from syft_job.model.events import Event, Role
from syft_job.model.job_ref import JobRef
from syft_job.model.transitions import Verb

from .marker_writer import publishing, record_event, unblock, write_marker
from .transaction import transaction

CANCEL_REQUEST = "cancel"
"""A file of this name in an attempt's workspace asks its supervisor to stop it."""


def cancel(participant: Participant, ref: JobRef, reason: str | None = None, *roles: Role) -> None:
    """Stop a job: nothing starts any more, and a running attempt is ended with everything that it started."""
    with transaction(participant, ref, Verb.CANCEL, *roles) as txn:
        marker = record_event(participant, txn, Event.CANCELLED, by=participant.email, reason=reason)
        ask_to_stop(participant, txn.id, txn.attempt)  # also where the folder cannot be written
        with publishing(txn, Event.CANCELLED):
            write_marker(txn.dir_fd, marker)
            unblock(participant, txn)


def ask_to_stop(participant: Participant, job: str, attempt: int) -> None:
    """Ask the supervisor of an attempt to end it; harmless when there is none."""
    workspace = participant.home.attempt_paths(job, attempt).workspace
    if workspace.is_dir():
        with fs.open_directory(workspace) as dir_fd:
            fs.write_file(dir_fd, CANCEL_REQUEST, b"cancel\n", mode=0o600)
