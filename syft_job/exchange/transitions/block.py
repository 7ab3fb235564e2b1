"""The marker `blocked`: published while an approved job cannot start, removed by everything that ends that."""

from __future__ import annotations

from syft_job.errors import BlockedCategory
from syft_job.exchange.participant import Participant
from syft_job.format import markers
from syft_job.format.markers import BLOCKED
from syft_job.model.events import MarkerKind
from syft_job.model.job_ref import JobRef
from syft_job.model.states import JobState

from .marker_writer import is_directory, write_marker
from .transaction import transaction


def publish_blocked(participant: Participant, ref: JobRef, job: str, attempt: int, category: BlockedCategory) -> bool:
    """Publish that an approved attempt cannot start, with the category of the reason.

    It is no decision: the ledger has no line about it, and nothing is derived from the marker.

    Args:
        participant: the owner.
        ref: the job.
        job: the id of the submission that could not be started; another one is left alone.
        attempt: which attempt could not be started.
        category: why.

    Returns:
        Whether the marker was written; False where the job has moved on.

    Raises:
        JobNotFoundError: the directory is gone.
        StoreError: the folder or the home cannot be used.
    """
    with transaction(participant, ref, None) as txn:
        record = txn.record
        is_current = (record.id, record.attempt, record.state) == (job, attempt, JobState.QUEUED)
        if not is_current or not participant.owns(ref) or participant.home.ledger.is_under_way(job, attempt):
            return False
        if is_directory(txn.dir_fd, BLOCKED):
            return False  # the submitter's own; removing it may take long, and the home is locked
        key = participant.answering_key(txn.snapshot.spec)
        marker = markers.make(
            MarkerKind.BLOCKED, ref, key, digest=record.digest, attempt=attempt, category=category.value
        )
        write_marker(txn.dir_fd, marker)
        return True
