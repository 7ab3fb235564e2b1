"""What `AttemptMachine` needs of its users: the files of an attempt, and the operations that differ between them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Final, Protocol, TypeVar

from .command import Command
from .evidence import ExitRecord

JOB: Final = "job"
EXIT_RECORD: Final = "verdict"
HANDLE: Final = "handle.json"
STREAMS: Final = ("stdout", "stderr")


@dataclass(frozen=True, slots=True)
class AttemptPaths:
    """The name of an attempt at its backend, its claim, and its workspace with the files in it."""

    label: str
    claim: Path
    workspace: Path

    @property
    def job(self) -> Path:
        """The directory in which the command runs."""
        return self.workspace / JOB

    @property
    def exit_record(self) -> Path:
        """The file that the supervisor writes last."""
        return self.workspace / EXIT_RECORD

    @property
    def handle(self) -> Path:
        """The handle of the last launch, as JSON."""
        return self.workspace / HANDLE

    def log(self, stream: str) -> Path:
        """The live log of ``stdout`` or ``stderr``."""
        return self.workspace / stream


class HasPaths(Protocol):
    """An attempt of any user of the machine."""

    @property
    def paths(self) -> AttemptPaths:
        """Its name and its files."""
        ...


class Permission(Enum):
    """Whether an attempt may be launched, now that it was not or that its launch came to nothing."""

    GRANTED = "granted"
    ENDED = "ended"
    """It was cancelled, or its job is another one by now: it must never begin."""
    UNKNOWN = "unknown"
    """That cannot be read now: nothing happens."""


@dataclass(frozen=True, slots=True)
class Collected:
    """The results of an attempt are kept. ``left_out`` names what of them was not, with the reasons.

    ``is_large`` is true where the workspace takes long to remove.
    """

    left_out: tuple[str, ...] = ()
    is_large: bool = False


class Prepared(Protocol):
    """An attempt that can be launched."""

    @property
    def command(self) -> Command:
        """What the backend is to start."""
        ...

    def record_start(self, host: str | None) -> None:
        """Record the start in the ledger; doing so again changes nothing. Where it is refused, undo the preparation.

        ``host`` is the machine that alone can judge the attempt, None where any can.
        """
        ...

    def open_workspace(self) -> None:
        """Give the workspace to the user that the command runs as; called last before the launch."""
        ...


AttemptT_contra = TypeVar("AttemptT_contra", bound=HasPaths, contravariant=True)


class AttemptOperations(Protocol[AttemptT_contra]):
    """What differs between the users of the machine. Each operation may be repeated after a kill at any point."""

    def is_started(self, attempt: AttemptT_contra) -> bool:
        """Return True if the ledger has the start of the attempt and not its end."""
        ...

    def is_cancelled(self, attempt: AttemptT_contra) -> bool:
        """Return True if the ledger has a cancellation of the attempt."""
        ...

    def permission(self, attempt: AttemptT_contra) -> Permission:
        """Return whether the attempt may be launched now."""
        ...

    def prepare(self, attempt: AttemptT_contra) -> Prepared:
        """Make the workspace of the attempt and the command that runs in it.

        Raises:
            NotStarted: it may not start, or not now.
        """
        ...

    def recorded_host(self, attempt: AttemptT_contra) -> str | None:
        """Return the machine that the start in the ledger names."""
        ...

    def announce_start(self, attempt: AttemptT_contra) -> None:
        """Announce that the attempt runs, or ran; called once for each attempt and process."""
        ...

    def collect(self, attempt: AttemptT_contra, record: ExitRecord | None) -> Collected | None:
        """Keep the results and logs; None while that is being done elsewhere, until it is called again."""
        ...

    def record_end(
        self, attempt: AttemptT_contra, outcome: str, record: ExitRecord | None, collected: Collected
    ) -> None:
        """Record the end in the ledger and announce it."""
        ...

    def publish(self, attempt: AttemptT_contra) -> None:
        """Publish what the ledger has; what cannot be published now is published later."""
        ...

    def remove_workspace(self, attempt: AttemptT_contra, collected: Collected) -> None:
        """Remove the workspace; the results are kept and the end is in the ledger."""
        ...
