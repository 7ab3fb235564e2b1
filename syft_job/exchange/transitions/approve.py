"""The owner's approval: of one digest, for one containment, after everything that the manifest lists was hashed.

Invariants:

- Nothing is recorded while a listed file is missing or differs from the manifest.
- Where this home has a note about a review of the job, the review was complete and of this very digest.
- The containment in `allow` is not weaker than the one that the review showed, unless that is asked for by name.
"""

from __future__ import annotations

from syft_job.errors import Action, ChangedSinceSeen, InvalidTransition, NotAllowed, Remedy
from syft_job.exchange import listed_files
from syft_job.exchange.job_reader import JobSnapshot
from syft_job.exchange.listed_files import ListedStamps
from syft_job.exchange.participant import Participant
from syft_job.exchange.release import Grants
from syft_job.home import review_notes
from syft_job.model.containment import ContainmentLevel
from syft_job.model.events import Event
from syft_job.model.job_record import JobRecord
from syft_job.model.job_ref import JobRef
from syft_job.model.transitions import Verb

from .marker_writer import record_and_publish
from .transaction import transaction

_HASHED_UNDER_LOCK_BYTES = 4 << 20
_HASHED_UNDER_LOCK_FILES = 64
"""With more than this, files are hashed before the home is locked: a runner would wait for the lock."""


def approve(
    participant: Participant,
    ref: JobRef,
    *,
    seen: str | None,
    allow: ContainmentLevel,
    allow_weaker: bool = False,
    require_review: bool = False,
    reason: str | None = None,
    share: Grants = Grants(),  # noqa: B008 - frozen
    method: str = "manual",
) -> bool:
    """Approve exactly the digest ``seen``; from a rejected job it opens the next attempt.

    Args:
        participant: the owner.
        ref: the job.
        seen: the digest that was shown, 64 hex digits; None takes the present one.
        allow: the containment under which the job may run; a stronger one is allowed, too.
        allow_weaker: whether ``allow`` may be weaker than what the review showed.
        require_review: refuse where this home has no complete review of the job.
        reason: a note for the record.
        share: what is released when the job is over.
        method: how it was approved, for the record.

    Returns:
        Whether the job was reviewed before.

    Raises:
        ChangedSinceSeen: the folder holds another digest than was shown or reviewed.
        InvalidTransition: not all of it is here, it cannot be read, or a listed file differs from the manifest.
        NotAllowed: this is not the owner, or a review is missing or was not complete.
    """
    root = participant.home.root
    hashed: ListedStamps | None = None
    while True:
        with transaction(participant, ref, Verb.APPROVE) as txn:
            snapshot, record = txn.snapshot, txn.record
            _refuse_other_digest(record, seen)
            _refuse_incomplete(record)
            is_reviewed = _is_reviewed(
                participant, record, allow, allow_weaker=allow_weaker, require_review=require_review
            )
            is_small = _is_hashed_under_lock(snapshot)
            if is_small:
                _refuse_differences(record, listed_files.hashes_match(snapshot, root))
            elif hashed is not None and hashed != listed_files.stamps_of(snapshot, root):
                raise ChangedSinceSeen(
                    f"Files of '{ref.name}' changed while they were checked; nothing was approved. Try again.",
                    name=ref.name,
                )
            if is_small or hashed is not None:
                record_and_publish(
                    participant,
                    txn,
                    Event.APPROVED,
                    by=participant.email,
                    epoch=participant.home.epoch,
                    method=method,
                    reviewed=is_reviewed,
                    allow=allow.to_json(),
                    reason=reason,
                    share=share.to_json(),
                )
                return is_reviewed
        hashed = listed_files.stamps_of(snapshot, root)
        _refuse_differences(record, listed_files.hashes_match(snapshot, root))


def _is_hashed_under_lock(snapshot: JobSnapshot) -> bool:
    """Return True if hashing takes next to no time. A job whose manifest lists no files was hashed when it was read."""
    if snapshot.spec is None or not snapshot.record.layout.lists_files:
        return True
    is_small = snapshot.spec.total_bytes <= _HASHED_UNDER_LOCK_BYTES
    return is_small and len(snapshot.spec.files) <= _HASHED_UNDER_LOCK_FILES


def _refuse_other_digest(record: JobRecord, seen: str | None) -> None:
    if seen is not None and seen != record.digest:
        raise ChangedSinceSeen(
            f"'{record.name}' changed since you looked; nothing was approved.",
            remedy=Remedy("Look at it again", Action.REVIEW, job=str(record.place)),
            name=record.name,
            seen=seen,
            digest=record.digest,
        )


def _refuse_incomplete(record: JobRecord) -> None:
    if record.problem or record.have != record.total:
        raise InvalidTransition(
            f"'{record.name}' is {record.status}, and what would be approved is not here:"
            f" {record.problem or 'some of its files have not arrived'}. Wait until it is whole, then decide.",
            name=record.name,
            status=record.status,
        )


def _refuse_differences(record: JobRecord, differences: list[str]) -> None:
    if differences:
        named = "; ".join(differences[:5]) + (f"; and {len(differences) - 5} more" if len(differences) > 5 else "")
        raise InvalidTransition(
            f"'{record.name}' cannot be approved: its folder holds other content than its manifest lists ({named})."
            " Wait until the submitted files are here, review them then, or reject the job.",
            name=record.name,
            differences=differences,
        )


def _is_reviewed(
    participant: Participant, record: JobRecord, allow: ContainmentLevel, *, allow_weaker: bool, require_review: bool
) -> bool:
    """Check the approval against the note about the review; returns whether there is one.

    Raises:
        ChangedSinceSeen: the review was of another digest, or showed a stronger containment.
        NotAllowed: the review was not complete, or is required and missing.
    """
    note = review_notes.read_note(participant.home, record.place)
    name = record.name
    if note is None:
        if require_review:
            raise NotAllowed(f"'{name}' was not reviewed yet; nothing was approved. Review it first.", name=name)
        return False
    if note.digest != record.digest:
        raise ChangedSinceSeen(
            f"'{name}' changed since you looked: the last review was of the digest {note.digest}, and the folder holds"
            f" {record.digest}. Nothing was approved. Review it again.",
            name=name,
            seen=note.digest,
            digest=record.digest,
        )
    if not note.is_complete:
        raise NotAllowed(
            f"'{name}' was not reviewable when it was last shown: files differed from its manifest, so what you saw is"
            " not what would run. Nothing was approved. Review it again.",
            name=name,
        )
    if not allow_weaker and not allow.is_at_least(note.level):
        raise ChangedSinceSeen(
            f"The review of '{name}' showed that it would run in {note.level}; on this machine it would now run in"
            f" {allow}. Nothing was approved. Review it again.",
            name=name,
        )
    return True
