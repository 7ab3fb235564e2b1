"""What the runner says about an attempt: it may start, it is about to, it has begun, it is over."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from syft_job.errors import BlockedCategory, ChangedSinceSeen, JobNotFoundError, NotStarted, UnreadableJob
from syft_job.exchange.job_reader import JobSnapshot
from syft_job.exchange.participant import Participant
from syft_job.format import markers
from syft_job.home.ledger import LedgerLine
from syft_job.model.containment import ContainmentLevel, parse_allow
from syft_job.model.job_ref import JobRef
from syft_job.model.lifecycle import Event, Role

from .marker_writer import is_untidy, tidy, unblock
from .transaction import restore, transaction

_AT_HOME_SECONDS = 5.0
"""How long the end of an attempt waits for the home's lock: a verb that a folder holds up may have it."""


def permitting_line(lines: Sequence[LedgerLine], attempt: int) -> LedgerLine | None:
    """The last line of a job's ledger that permits its attempt ``attempt``: an approval of it, or a rerun before it."""
    opens = {"approve": 0, "permit": 1}
    found = [line for line in lines if line.event in opens and line.attempt + opens[line.event] == attempt]
    return found[-1] if found else None


def permit(participant: Participant, look: JobSnapshot, *, offered: ContainmentLevel) -> LedgerLine:
    """The line of the ledger that permits the job's present attempt to start, here and now.

    Args:
        participant: the owner.
        look: the job as it is in the folder.
        offered: the containment under which the attempt would run.

    Raises:
        NotStarted: there is none, it does not hold here and now, or it was given for a stronger containment.
    """
    record = look.record
    lines = participant.home.ledger.lines(record.id)
    found = permitting_line(lines, record.attempt)
    if any(line.event == "clean" for line in lines):
        raise NotStarted(
            "it was cleaned, and what was cleaned never runs again; ask for it to be submitted anew",
            category=BlockedCategory.APPROVAL,
        )
    if found is None:
        raise NotStarted(
            "this home has no record of a yes to it; approve it here, or restore the home",
            category=BlockedCategory.APPROVAL,
        )
    mark = found.said["mark"]
    if mark.get("epoch") != participant.home.epoch:
        raise NotStarted(
            "the yes was given before this home was adopted; reject and approve it anew",
            category=BlockedCategory.APPROVAL,
        )
    if mark.get("digest") != record.digest:
        raise NotStarted(
            "what lies in the folder is not what the yes was said to; it waits until the bytes are back",
            category=BlockedCategory.FILES,
        )
    over = {line.attempt for line in lines if line.event == "over"}
    if any(line.event == "start" and line.attempt < record.attempt and line.attempt not in over for line in lines):
        raise NotStarted("an earlier attempt is not over yet")
    _refuse_weaker(mark.get("allow", {}), offered)
    return found


def _refuse_weaker(allow: object, offered: ContainmentLevel) -> None:
    """Return if ``offered`` is at least the containment that an approval was given for.

    Raises:
        NotStarted: it is weaker, or the approval does not say clearly what it was given for.
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


def start(
    participant: Participant, place: JobRef, expected: str, digest: str, *, offered: ContainmentLevel, **said: Any
) -> int:
    """Say in the ledger that an attempt is about to start; returns its number. Saying it twice is harmless.

    ``offered`` is the containment under which it will run; the line names its sandbox.

    Raises:
        ChangedSinceSeen: the folder holds another submission than the one that was prepared.
        NotStarted: the ledger holds no permit for it under that containment.
    """
    with transaction(participant, place, Event.START, Role.RUNNER) as now:
        record = now.look.record
        if (record.id, record.digest) != (expected, digest):
            raise ChangedSinceSeen(f"'{place.name}' is another submission by now; nothing was started.")
        permit(participant, now.look, offered=offered)
        if is_untidy(now.look.names):
            tidy(now.job)
        unblock(participant, now)
        lines = participant.home.ledger.lines(record.id)
        if not any(line.event == "start" and line.attempt == record.attempt for line in lines):
            participant.home.ledger.say(
                record.id, record.attempt, "start", place=list(place), sandbox=offered.sandbox, **said
            )
        return record.attempt


def finish(participant: Participant, place: JobRef, job: str, attempt: int, outcome: str, **said: Any) -> None:
    """Say that an attempt is over and how, and tell the folder; see `record_finish`."""
    record_finish(participant, place, job, attempt, outcome, **said)
    try:
        restore(participant, place)
    except JobNotFoundError:
        return  # the folder went away; the ledger has it, and the sweep puts the marker when it is back


def record_finish(
    participant: Participant,
    place: JobRef,
    job: str,
    attempt: int,
    outcome: str,
    *,
    tacit: bool = False,
    owed: bool = False,
    **said: Any,
) -> None:
    """Say in the ledger that an attempt is over and how; its results must be safe at home already.

    ``tacit`` keeps `done` from the folder until something is shared. The folder is not touched.
    """
    participant.home.make()
    with participant.home.locked(_AT_HOME_SECONDS):
        said_of_it = {line.event for line in participant.home.ledger.lines(job) if line.attempt == attempt}
        if "over" not in said_of_it:
            owed = owed and outcome != "cancelled" and "cancel" not in said_of_it  # nobody is promised what was stopped
            if tacit:
                participant.home.ledger.say(job, attempt, "tacit")
            body = {"at": markers.this_minute(), "outcome": outcome, "attempt": attempt}
            body["digest"] = _digest_said(participant, job)
            participant.home.ledger.say(
                job, attempt, "over", outcome=outcome, owed=owed, place=list(place), mark=body, **said
            )


def _digest_said(participant: Participant, job: str) -> str:
    """The digest that the owner's hand spoke of last; the folder may be away."""
    marks = [line.said.get("mark", {}) for line in participant.home.ledger.lines(job)]
    return next((str(mark["digest"]) for mark in reversed(marks) if "digest" in mark), "")
