"""The review that `approve` requires: shown in full, delivered in full, of the content that is approved.

Nothing here approves. Each function returns when the requirement is met, and raises otherwise.
"""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING, Final

from syft_job.errors import Action, ChangedSinceSeen, NotAllowed, Remedy

from .console import is_terminal, red
from .context import CommandContext
from .delivery import is_delivered_in_full
from .documents import job_json, review_json

if TYPE_CHECKING:
    from syft_job.client import JobClient
    from syft_job.job import JobInfo
    from syft_job.model.job_record import JobRecord
    from syft_job.views.review_text import ShownReview

_APPROVABLE: Final = ("inbox", "approved", "rejected")


def require_digest(job: JobInfo, digest: str) -> None:
    """Require that the job has this digest.

    Raises:
        ChangedSinceSeen: it has another one.
    """
    record = job.record
    if record.digest != digest:
        raise ChangedSinceSeen(
            f"'{record.name}' has the digest {record.digest}, not {digest}; nothing was approved.",
            remedy=Remedy("Look at it", Action.REVIEW, job=str(record.place)),
        )


def require_reviews(client: JobClient, jobs: list[JobInfo]) -> None:
    """Require a complete review of the present content of each job, before any of them is approved.

    Raises:
        NotAllowed: a review is missing.
        ChangedSinceSeen: a job changed after its review.
    """
    records = [job.record for job in jobs]
    missing = [record for record in records if _may_be_approved(client, record) and not _is_reviewed(client, record)]
    if missing:
        refs = ", ".join(f"'{record.place}'" for record in missing)
        raise NotAllowed(
            f"Nothing was approved: there is no complete review of {refs}. Review each first, for example: syft-job"
            f" review '{missing[0].place}'. To approve without reviews: --unreviewed"
        )


def require_review(context: CommandContext, client: JobClient, job: JobInfo, *, is_confirmed: bool) -> None:
    """Require a complete review of one job; where there is none, show the job and ask for confirmation.

    Args:
        context: a program (``--json``) is shown nothing and asked nothing.
        client: the owner's.
        job: the job to approve.
        is_confirmed: do not ask after the review (``--yes``).

    Raises:
        NotAllowed: the job was not reviewed, or not confirmed.
        ChangedSinceSeen: the job changed after its review.
    """
    record = job.record
    if not _may_be_approved(client, record) or _is_reviewed(client, record):
        return
    if context.json:
        raise NotAllowed(
            f"'{record.name}' was not reviewed yet; nothing was approved. Review it first (syft-job review"
            f" '{record.place}'), or approve it without a review: --unreviewed."
        )
    shown = show_review(context, client, job)
    if refusal := shown.found.why_not_reviewable:
        record_delivered_review(client, shown)  # as one that counts as none
        raise NotAllowed(f"'{record.name}' is not reviewable; nothing was approved. {refusal}")
    if not is_confirmed and not (is_terminal(sys.stdin) and is_terminal()):
        raise NotAllowed(
            f"'{record.name}' was shown just now for the first time; nothing was approved. Add --yes, or review it"
            f" (syft-job review '{record.place}') and approve it after that."
        )
    if not is_delivered_in_full():
        raise NotAllowed(f"The review of '{record.name}' was not read to its end; nothing was approved.")
    if not is_confirmed and not _ask_for_confirmation():
        raise NotAllowed(f"Nothing was approved; '{record.name}' stays in the inbox.")
    record_delivered_review(client, shown)


def show_review(context: CommandContext, client: JobClient, job: JobInfo) -> ShownReview:
    """Print the review of a job. It is complete only once it was delivered and `record_delivered_review` was called."""
    shown = job.prepare_review()
    review = shown.found
    if context.json:
        context.answer({"job": job_json(client, review.record), "review": review_json(review)})
    else:
        for line in str(shown).rstrip("\n").split("\n"):
            print(red(line) if line.lstrip().startswith("‼") else line)
    return shown


def record_delivered_review(client: JobClient, shown: ShownReview) -> None:
    """Record a review that was delivered in full."""
    from syft_job.review import record_review

    record_review(client.participant, shown.found)


def _may_be_approved(client: JobClient, record: JobRecord) -> bool:
    """Return False where the approval will be refused whatever was reviewed; that refusal is better than a question."""
    return client.participant.owns(record.place) and record.status in _APPROVABLE


def _is_reviewed(client: JobClient, record: JobRecord) -> bool:
    """Return True if a complete review of the present content is recorded.

    Raises:
        ChangedSinceSeen: the recorded review is of other content.
    """
    from syft_job.home.review_notes import read_note

    note = read_note(client.home, record.place) if client.home.exists else None
    if note is None:
        return False
    if note.digest != record.digest:
        raise ChangedSinceSeen(
            f"'{record.name}' changed since you looked; nothing was approved.",
            remedy=Remedy("Look at it again", Action.REVIEW, job=str(record.place)),
        )
    return note.is_complete


def _ask_for_confirmation() -> bool:
    """Ask on the terminal. What was typed before the question is discarded, because it cannot be an answer to it."""
    _discard_typed_ahead()
    try:
        answer = input("Approve exactly this? [y/N] ")
    except EOFError:
        print()
        return False
    return answer.strip().lower() in ("y", "yes")


def _discard_typed_ahead() -> None:
    import termios

    sys.stdout.flush()
    with contextlib.suppress(termios.error, OSError, ValueError):  # no terminal
        termios.tcflush(sys.stdin, termios.TCIFLUSH)
