"""What the runner says about an attempt: it may start, it is about to, it has begun, it is over."""

from __future__ import annotations

from typing import Any

from syft_job import markers
from syft_job.errors import ChangedSinceSeen, JobNotFoundError, NotStarted
from syft_job.folder import Look
from syft_job.ledger import LedgerLine
from syft_job.lifecycle import Event, Who
from syft_job.place import Place
from syft_job.viewer import Viewer

from .laying import is_untidy, tidy, unblock
from .turns import restore, turn

_AT_HOME_SECONDS = 5.0
"""How long the end of an attempt waits for the home's lock: a verb that a folder holds up may have it."""


def permit(viewer: Viewer, look: Look) -> LedgerLine:
    """The line of the ledger that permits the job's present attempt to start, here and now.

    Raises:
        NotStarted: there is none, or it does not hold here and now.
    """
    record = look.record
    lines = viewer.home.ledger.lines(record.id)
    opens = {"approve": 0, "permit": 1}
    found = [line for line in lines if line.event in opens and line.attempt + opens[line.event] == record.attempt]
    if any(line.event == "clean" for line in lines):
        raise NotStarted("it was cleaned, and what was cleaned never runs again; ask for it to be submitted anew")
    if not found:
        raise NotStarted("this home has no record of a yes to it; approve it here, or restore the home")
    yes = found[-1].said["mark"]
    if yes.get("epoch") != viewer.home.epoch:
        raise NotStarted("the yes was given before this home was adopted; reject and approve it anew")
    if yes.get("digest") != record.digest:
        raise NotStarted("what lies in the folder is not what the yes was said to; it waits until the bytes are back")
    over = {line.attempt for line in lines if line.event == "over"}
    if any(line.event == "start" and line.attempt < record.attempt and line.attempt not in over for line in lines):
        raise NotStarted("an earlier attempt is not over yet")
    return found[-1]


def start(viewer: Viewer, place: Place, expected: str, digest: str, **said: Any) -> int:
    """Say in the ledger that an attempt is about to start; returns its number. Saying it twice is harmless.

    Raises:
        ChangedSinceSeen: the folder holds another submission than the one that was prepared.
        NotStarted: the ledger holds no permit for it.
    """
    with turn(viewer, place, Event.START, Who.RUNNER) as now:
        record = now.look.record
        if (record.id, record.digest) != (expected, digest):
            raise ChangedSinceSeen(f"'{place.name}' is another submission by now; nothing was started.")
        permit(viewer, now.look)
        if is_untidy(now.look.names):
            tidy(now.job)
        unblock(viewer, now)
        lines = viewer.home.ledger.lines(record.id)
        if not any(line.event == "start" and line.attempt == record.attempt for line in lines):
            viewer.home.ledger.say(record.id, record.attempt, "start", place=list(place), **said)
        return record.attempt


def finish(viewer: Viewer, place: Place, job: str, attempt: int, outcome: str, **said: Any) -> None:
    """Say that an attempt is over and how, and tell the folder; see `say_over`."""
    say_over(viewer, place, job, attempt, outcome, **said)
    try:
        restore(viewer, place)
    except JobNotFoundError:
        return  # the folder went away; the ledger has it, and the sweep puts the marker when it is back


def say_over(
    viewer: Viewer,
    place: Place,
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
    viewer.home.make()
    with viewer.home.locked(_AT_HOME_SECONDS):
        said_of_it = {line.event for line in viewer.home.ledger.lines(job) if line.attempt == attempt}
        if "over" not in said_of_it:
            owed = owed and outcome != "cancelled" and "cancel" not in said_of_it  # nobody is promised what was stopped
            if tacit:
                viewer.home.ledger.say(job, attempt, "tacit")
            body = {"at": markers.this_minute(), "outcome": outcome, "attempt": attempt}
            body["digest"] = _digest_said(viewer, job)
            viewer.home.ledger.say(
                job, attempt, "over", outcome=outcome, owed=owed, place=list(place), mark=body, **said
            )


def _digest_said(viewer: Viewer, job: str) -> str:
    """The digest that the owner's hand spoke of last; the folder may be away."""
    marks = [line.said.get("mark", {}) for line in viewer.home.ledger.lines(job)]
    return next((str(mark["digest"]) for mark in reversed(marks) if "digest" in mark), "")
