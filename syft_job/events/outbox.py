"""Telling whoever asked what happens to jobs, also across a kill: each move at least once.

Ends and releases are read off the ledger, and how far they were told is noted in the home. So a runner that follows one
that was killed tells what that one could not tell any more; what it could not note any more is told twice.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime

from syft_job import fs
from syft_job.home.home import Home
from syft_job.home.ledger import LedgerLine
from syft_job.model.events import Event
from syft_job.model.job_record import StatusTransition
from syft_job.model.job_ref import JobRef
from syft_job.model.states import Fact, FactKind, JobState

TOLD = "told"
RELEASED = "released"
ENDED = {
    JobState.SUCCEEDED: "succeeded",
    JobState.FAILED: "failed",
    JobState.TIMED_OUT: "was stopped at its time limit",
    JobState.CANCELLED: "was cancelled",
    JobState.LOST: "was lost: it had begun and left no evidence of its end",
}

Told = Callable[[StatusTransition], object]
ToldAll = Callable[[float], bool]
"""Wait at most so many seconds until everything that was handed over is told, too; whether it is."""


def end_of(home: Home, job: str, attempt: int, outcome: str) -> JobState:
    """The state in which an attempt ended. A no counts that was said while it was still ending by itself."""
    return JobState.CANCELLED if Fact(FactKind.CANCELLED, attempt) in home.ledger.facts(job) else JobState(outcome)


class Outbox:
    """Tells one person's moves, and notes in the home how far.

    Args:
        home: whose.
        told: called with each move.
        told_all: asked before anything is noted; None where ``told`` has told when it returns.
    """

    def __init__(self, home: Home, told: Told, told_all: ToldAll | None) -> None:
        self._home = home
        self._told = told
        self._told_all = told_all
        home.ledger.refresh()
        noted = _noted(home)
        # Who never asked before is not told what is long over.
        upto, running = noted or (home.ledger.end, set())
        self._running = set(running)  # what is noted must not move with it
        self._upto = min(upto, home.ledger.end)
        self._last_noted = noted
        self._note(0.0)

    def tell(self, moves: Iterable[StatusTransition]) -> None:
        """Tell the beginnings among ``moves``, and whatever the ledger has that was not told yet."""
        for move in moves:
            if move.new_state is JobState.RUNNING:
                begun = f"{move.job_id}.{self._newest(move.job_id)}"
                if begun not in self._running:
                    self._running.add(begun)
                    self._told(move)
        self._home.ledger.refresh()
        end = self._home.ledger.end
        for move in self._said():
            self._told(move)
        self._upto = end
        self._note(0.0)

    def end(self, seconds: float) -> None:
        """Wait at most ``seconds`` for what is still being told, and note how far that was."""
        self._note(seconds)

    def _note(self, seconds: float) -> None:
        if (self._upto, self._running) == self._last_noted:
            return
        if self._told_all is not None and not self._told_all(seconds):
            return
        said = json.dumps({"upto": self._upto, "running": sorted(self._running)}).encode()
        with fs.open_directory(self._home.path) as opened:
            fs.write_file(opened, TOLD, said + b"\n", mode=0o600)
        self._last_noted = (self._upto, set(self._running))

    def _said(self) -> Iterator[StatusTransition]:
        """The ends and the promised releases in the lines that were not told yet."""
        for line in self._home.ledger.lines_since(self._upto):
            if line.event == Event.FINISHED:
                state = end_of(self._home, line.id, line.attempt, line.said["outcome"])
                begun = f"{line.id}.{line.attempt}"
                if "started_at" in line.said and begun not in self._running:
                    # It began and ended before anybody could be told that it had begun.
                    yield _move(line, line, JobState.QUEUED, JobState.RUNNING, "begun")
                self._running.discard(begun)
                yield _move(line, line, JobState.RUNNING, state, ENDED[state])
            elif line.event == Event.RELEASED and (over := self._owed_by(line)) is not None:
                state = JobState(over.said["outcome"])
                yield _move(line, over, state, state, RELEASED)

    def _owed_by(self, released: LedgerLine) -> LedgerLine | None:
        """The end of the attempt that owed this release; None where it was owed no more: somebody shared by hand."""
        over = None
        for line in self._home.ledger.lines(released.id):
            if line.attempt != released.attempt:
                continue
            if line.event == Event.FINISHED and line.said.get("owed"):
                over = line
            elif line.event == Event.RELEASED:
                return over if line == released else None
        return None

    def _newest(self, job: str) -> int:
        return max((line.attempt for line in self._home.ledger.lines(job) if line.event == Event.STARTED), default=1)


def forget(home: Home) -> None:
    """Nobody asks any more: whoever asks next begins with what happens then."""
    if (home.path / TOLD).exists():
        with fs.open_directory(home.path) as opened:
            fs.remove(opened, TOLD)


def _noted(home: Home) -> tuple[int, set[str]] | None:
    try:
        said = json.loads((home.path / TOLD).read_bytes())
        return int(said["upto"]), set(said["running"])
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None


def _move(line: LedgerLine, placed: LedgerLine, old: JobState, new: JobState, reason: str) -> StatusTransition:
    at = datetime.fromisoformat(line.said["at"]).timestamp()
    return StatusTransition(line.id, old, new, at, reason, JobRef(*placed.said["place"]))
