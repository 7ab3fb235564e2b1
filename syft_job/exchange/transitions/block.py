"""The marker `blocked`: published while an approved job cannot start, removed by everything that ends that."""

from __future__ import annotations

from syft_job.errors import BlockedCategory
from syft_job.exchange.participant import Participant
from syft_job.format import markers
from syft_job.format.markers import BLOCKED
from syft_job.model.job_ref import JobRef
from syft_job.model.lifecycle import JobState

from .marker_writer import is_directory, put
from .transaction import transaction


def publish_blocked(participant: Participant, place: JobRef, job: str, attempt: int, category: BlockedCategory) -> bool:
    """Tell the submitter that an approved attempt cannot start, in one word.

    It is no decision: the ledger has no line about it, and nothing is derived from the marker.

    Args:
        participant: the owner.
        place: the job.
        job: the id of the submission that could not be started; another one is left alone.
        attempt: which attempt could not be started.
        category: why.

    Returns:
        Whether the marker was written; False where the job has moved on.

    Raises:
        JobNotFoundError: the directory is gone.
        StoreError: the folder or the home cannot be used.
    """
    with transaction(participant, place, None) as now:
        record = now.look.record
        is_current = (record.id, record.attempt, record.state) == (job, attempt, JobState.QUEUED)
        if not is_current or not participant.owns(place) or participant.home.ledger.is_under_way(job, attempt):
            return False
        if is_directory(now.job, BLOCKED):
            return False  # the submitter's own doing; removing it may take long, and the home is locked
        key = participant.answering_key(now.look.spec)
        put(
            now.job,
            markers.make(BLOCKED, place, key, digest=record.digest, attempt=attempt, category=category.value),
        )
        return True
