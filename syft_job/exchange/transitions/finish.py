"""End of an attempt: its line in the ledger once the results are held, and then `done`."""

from __future__ import annotations

from typing import Any

from syft_job.errors import JobNotFoundError
from syft_job.exchange.participant import Participant
from syft_job.format import markers
from syft_job.model.events import Event
from syft_job.model.job_ref import JobRef
from syft_job.model.states import JobState

from .transaction import restore

_LOCK_TIMEOUT_S = 5.0
"""How long the end of an attempt waits for the home's lock: a command that waits for a folder may hold it."""


def finish(participant: Participant, ref: JobRef, job: str, attempt: int, outcome: str, **options: Any) -> None:
    """Record that an attempt is over and publish it; the arguments are those of `record_finish`."""
    record_finish(participant, ref, job, attempt, outcome, **options)
    try:
        restore(participant, ref)
    except JobNotFoundError:
        return  # the folder is away; the ledger has the end, and a sweep writes the marker when the folder is back


def record_finish(
    participant: Participant,
    ref: JobRef,
    job: str,
    attempt: int,
    outcome: str,
    *,
    withhold_outcome: bool = False,
    is_release_promised: bool = False,
    **fields: Any,
) -> None:
    """Record in the ledger that an attempt is over; its results must be held already. The folder is not touched.

    An attempt that is over already stays as it ended.

    Args:
        participant: the owner.
        ref: the job.
        job: the submission's id.
        attempt: which attempt.
        outcome: a key of `OUTCOMES`.
        withhold_outcome: write no `done` until something is shared.
        is_release_promised: whether the permit promised a release. Nothing is released of a cancelled attempt.
        fields: further fields of the line.
    """
    ledger = participant.home.ledger
    participant.home.make()
    with participant.home.locked(_LOCK_TIMEOUT_S):
        events = {line.event for line in ledger.lines(job) if line.attempt == attempt}
        if Event.FINISHED in events:
            return
        is_cancelled = outcome == JobState.CANCELLED or Event.CANCELLED in events
        if withhold_outcome:
            ledger.say(job, attempt, Event.OUTCOME_WITHHELD)
        ledger.say(
            job,
            attempt,
            Event.FINISHED,
            outcome=outcome,
            is_release_pending=is_release_promised and not is_cancelled,
            place=list(ref),
            mark={
                "at": markers.this_minute(),
                "outcome": outcome,
                "attempt": attempt,
                "digest": _last_digest(participant, job),
            },
            **fields,
        )


def _last_digest(participant: Participant, job: str) -> str:
    """The digest in the newest line of a submission that has one; the folder may be away."""
    marks = [line.said.get("mark", {}) for line in participant.home.ledger.lines(job)]
    return next((str(mark["digest"]) for mark in reversed(marks) if "digest" in mark), "")
