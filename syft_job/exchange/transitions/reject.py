"""Rejection by the owner."""

from __future__ import annotations

from syft_job.exchange.participant import Participant
from syft_job.model.events import Event
from syft_job.model.job_ref import JobRef
from syft_job.model.transitions import Verb

from .marker_writer import record_and_publish
from .transaction import transaction


def reject(participant: Participant, ref: JobRef, reason: str) -> None:
    """Reject a job; the reason is for the submitter to read."""
    with transaction(participant, ref, Verb.REJECT) as txn:
        record_and_publish(participant, txn, Event.REJECTED, by=participant.email, reason=reason)
