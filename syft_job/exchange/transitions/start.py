"""Start of an attempt: its line in the ledger, before the supervisor claims it."""

from __future__ import annotations

from typing import Any

from syft_job.errors import ChangedSinceSeen
from syft_job.exchange.participant import Participant
from syft_job.model.containment import ContainmentLevel
from syft_job.model.events import Event, Role
from syft_job.model.job_ref import JobRef
from syft_job.model.transitions import Verb

from .marker_writer import has_files_of_an_attempt, remove_files_of_earlier_attempt, unblock
from .permit import require_permit
from .transaction import transaction


def start(
    participant: Participant, ref: JobRef, submission: str, digest: str, *, offered: ContainmentLevel, **fields: Any
) -> int:
    """Record that the job's present attempt is about to start. Recording it twice is harmless.

    Args:
        participant: the owner.
        ref: the job.
        submission: the id of the submission that was prepared.
        digest: its digest.
        offered: the containment under which it will run; the line names its sandbox.
        fields: further fields of the line.

    Returns:
        The number of the attempt.

    Raises:
        ChangedSinceSeen: the folder holds another submission than the one that was prepared.
        NotStarted: the ledger holds no permit for it under that containment.
    """
    with transaction(participant, ref, Verb.START, Role.RUNNER) as txn:
        record, ledger = txn.record, participant.home.ledger
        if (record.id, record.digest) != (submission, digest):
            raise ChangedSinceSeen(f"'{ref.name}' is another submission by now; nothing was started.")
        require_permit(participant, txn.snapshot, offered=offered)
        if has_files_of_an_attempt(txn.snapshot.names):
            remove_files_of_earlier_attempt(txn.dir_fd)
        unblock(participant, txn)
        lines = ledger.lines(record.id)
        if not any(line.event == Event.STARTED and line.attempt == record.attempt for line in lines):
            ledger.say(record.id, record.attempt, Event.STARTED, place=list(ref), sandbox=offered.sandbox, **fields)
        return record.attempt
