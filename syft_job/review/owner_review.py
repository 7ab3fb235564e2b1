"""The owner's review: what would run, under the conditions of this machine; and the record that it was delivered."""

from __future__ import annotations

from dataclasses import replace

from syft_job.config import SyftJobConfig
from syft_job.exchange.participant import Participant
from syft_job.execution.plan import plan_for
from syft_job.home import review_notes
from syft_job.home.review_notes import ReviewNote
from syft_job.model.job_ref import JobRef

from .collect import Review, collect


def review(participant: Participant, ref: JobRef, config: SyftJobConfig) -> Review:
    """Collect what the job would run; for its owner with the conditions of this machine.

    Raises:
        FileNotFoundError: the directory does not exist any more.
    """
    collected = collect(participant, ref)
    if not participant.owns(ref):
        return collected
    plan = plan_for(config, collected.spec)  # for the manifest that is shown
    return replace(collected, conditions=plan.conditions, warnings=plan.warnings, level=plan.containment)


def record_review(participant: Participant, delivered: Review) -> None:
    """Record that a review was delivered in full; the caller has delivered it.

    A review of files that differ from the manifest is recorded as not complete. Only reviews of the owner are recorded.

    Raises:
        StoreError: the home cannot be written.
    """
    if delivered.level is None:
        return
    participant.home.make()
    is_complete = delivered.why_not_reviewable is None
    review_notes.write_note(
        participant.home, delivered.record.place, ReviewNote(delivered.digest, is_complete, delivered.level)
    )
