"""What is known about an attempt: one frozen type for each situation, and the exit record of a finished attempt.

A backend answers with these types for the attempts that were launched (`JobABC.poll`). `execution.attempt` adds what
the ledger knows, that an attempt was not launched yet or is cancelled, and decides by the type alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

LOST: Final = "lost"
"""The outcome of an attempt that began and of which neither a process nor an exit record is left."""
CANCELLED: Final = "cancelled"


@dataclass(frozen=True, slots=True)
class ExitRecord:
    """How an attempt ended. ``returncode`` is 128 + signal where a signal ended it, as in every shell.

    ``timed_out``, ``cancelled`` and ``too_big`` are the reasons for which the supervisor ended it. ``log_cut`` is true
    where not all that was printed is kept, ``left_behind`` where processes that left its session still run (only
    without a sandbox), ``sandbox_failed`` where its sandbox could not be set up, so that the command never started.
    """

    returncode: int
    timed_out: bool
    cancelled: bool
    log_cut: bool
    left_behind: bool
    started_at: datetime
    ended_at: datetime
    too_big: bool = False
    sandbox_failed: bool = False

    @property
    def succeeded(self) -> bool:
        """Whether the command ended by itself with code 0."""
        return self.returncode == 0 and not (self.timed_out or self.cancelled or self.too_big or self.sandbox_failed)

    @property
    def outcome(self) -> str:
        """The outcome as the ledger and the marker `done` name it."""
        if self.cancelled:
            return CANCELLED
        if self.timed_out:
            return "timed_out"
        return "succeeded" if self.succeeded else "failed"


@dataclass(frozen=True, slots=True)
class NotLaunched:
    """The ledger has no start of the attempt, or its end already: no backend was asked to run it now."""


@dataclass(frozen=True, slots=True)
class Launched:
    """A backend was asked to run the attempt, and it has not begun.

    ``is_stale`` is true where nothing is left that could still begin it, so that it must be launched again.
    """

    is_stale: bool = False
    is_cancelled: bool = False


@dataclass(frozen=True, slots=True)
class Running:
    """The attempt has begun and has not ended."""

    is_cancelled: bool = False


@dataclass(frozen=True, slots=True)
class Ended:
    """The attempt is over and left an exit record."""

    record: ExitRecord


@dataclass(frozen=True, slots=True)
class Forfeited:
    """The attempt was given up before it began (`JobABC.forfeit`) and can never begin."""


@dataclass(frozen=True, slots=True)
class Vanished:
    """The attempt has begun, nothing of it is left, and there is no exit record."""


@dataclass(frozen=True, slots=True)
class Unknown:
    """The backend cannot judge the attempt now; ``error`` is the reason. Nothing may be concluded from it."""

    error: Exception


Evidence = NotLaunched | Launched | Running | Ended | Forfeited | Vanished | Unknown


def is_active(evidence: Evidence) -> bool:
    """Return True if the attempt runs, or may still begin without being launched again."""
    match evidence:
        case Running() | Launched(is_stale=False):
            return True
        case _:
            return False
