"""What permits an attempt to start: an approval of it, or a permit after the attempt before it.

Invariants of `require_permit`, all decided by the owner's ledger and not by markers:

- A job that was cleaned never starts again.
- The permit was given under the epoch of the present home, for the digest that the folder holds now.
- No earlier attempt is unfinished.
- The containment that is offered is not weaker than the approved one.
"""

from __future__ import annotations

from collections.abc import Sequence

from syft_job.errors import BlockedCategory, NotStarted, UnreadableJob
from syft_job.exchange.job_reader import JobSnapshot
from syft_job.exchange.participant import Participant
from syft_job.home.ledger import LedgerLine
from syft_job.model.containment import ContainmentLevel, parse_allow
from syft_job.model.events import Event
from syft_job.model.states import PERMITS


def permitting_line(lines: Sequence[LedgerLine], attempt: int) -> LedgerLine | None:
    """Return the last line of a job's ledger that permits ``attempt``; None where there is none."""
    permits = (line for line in reversed(lines) if line.fact is not None and line.fact.kind in PERMITS)
    return next((line for line in permits if line.concerned_attempt == attempt), None)


def require_permit(participant: Participant, snapshot: JobSnapshot, *, offered: ContainmentLevel) -> LedgerLine:
    """Return the line of the ledger that permits the job's present attempt to start, here and now.

    Args:
        participant: the owner.
        snapshot: the job as it is in the folder.
        offered: the containment under which the attempt would run.

    Raises:
        NotStarted: there is none, it does not hold here and now, or it was given for a stronger containment.
    """
    record = snapshot.record
    lines = participant.home.ledger.lines(record.id)
    if any(line.event == Event.CLEANED for line in lines):
        raise NotStarted(
            "it was cleaned, and what was cleaned never runs again; ask for it to be submitted anew",
            category=BlockedCategory.APPROVAL,
        )
    permit = permitting_line(lines, record.attempt)
    if permit is None:
        raise NotStarted(
            "this home has no record of an approval of it; approve it here, or restore the home",
            category=BlockedCategory.APPROVAL,
        )
    mark = permit.said["mark"]
    if mark.get("epoch") != participant.home.epoch:
        raise NotStarted(
            "it was approved before this home was adopted; reject and approve it anew",
            category=BlockedCategory.APPROVAL,
        )
    if mark.get("digest") != record.digest:
        raise NotStarted(
            "the folder holds other content than was approved; it waits until the approved content is back",
            category=BlockedCategory.FILES,
        )
    finished = {line.attempt for line in lines if line.event == Event.FINISHED}
    started = {line.attempt for line in lines if line.event == Event.STARTED}
    if any(attempt < record.attempt for attempt in started - finished):
        raise NotStarted("an earlier attempt is not over yet")
    _refuse_weaker(mark.get("allow", {}), offered)
    return permit


def _refuse_weaker(allow: object, offered: ContainmentLevel) -> None:
    """Return if ``offered`` is at least the containment that an approval was given for.

    Raises:
        NotStarted: it is weaker, or the approval does not state clearly what it was given for.
    """
    try:
        approved = parse_allow(allow)
    except UnreadableJob as error:
        raise NotStarted(
            f"its approval cannot be used: {error}; reject and approve it anew", category=BlockedCategory.APPROVAL
        ) from error
    if not offered.is_at_least(approved):
        raise NotStarted(
            f"it was approved to run in {approved}, and this runner offers {offered}. See syft-job doctor for what is"
            " missing, repair it and restart the runner; or reject the job and approve it anew for no sandbox:"
            " syft-job approve --allow-bare",
            category=BlockedCategory.SANDBOX,
        )
