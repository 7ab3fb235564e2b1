"""What a sandbox is: a command in, a wrapped command out, and what may be promised about it."""

from __future__ import annotations

import os
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from syft_job.execution.command import Command

from .protected import ProtectedPlace

STANDARD_PATH: Final = "/usr/local/bin:/usr/bin:/bin"
_LANGUAGE_AND_TIME: Final = frozenset(
    "LANG TZ LC_ALL LC_ADDRESS LC_COLLATE LC_CTYPE LC_IDENTIFICATION LC_MEASUREMENT LC_MESSAGES LC_MONETARY LC_NAME"
    " LC_NUMERIC LC_PAPER LC_TELEPHONE LC_TIME".split()
)
"""The variables of the runner that a job has, too. Each is named: sshd forwards any variable whose name begins with
``LC_``, so that people send tokens under such names."""


@dataclass(frozen=True, slots=True)
class Workspace:
    """Where a job runs: ``root`` is its working directory, with `run.sh`, `code/` and `outputs/`, and nothing else.

    Logs, claim and verdict lie elsewhere. ``readable`` is declared data, shown read-only under its own path.
    ``interpreter`` is the Python that the job is to find, if it is not the system's; None for a job that needs none.
    ``protected`` are the places of the job's datasite that must not be shown, beside those of the user.
    """

    root: Path
    readable: tuple[Path, ...] = ()
    interpreter: Path | None = None
    protected: tuple[ProtectedPlace, ...] = ()


@dataclass(frozen=True, slots=True)
class Containment:
    """One thing that a sandbox does (``holds``) or does not do, in words for a reviewer."""

    what: str
    holds: bool
    words: str


class Sandbox(Hashable, Protocol):
    """A command in, a wrapped command out, and what may be promised about it."""

    @property
    def name(self) -> str:
        """One word for reviews, records and the command line."""
        ...

    @property
    def contains(self) -> tuple[Containment, ...]:
        """What is contained and what is not."""
        ...

    @property
    def enforces(self) -> frozenset[str]:
        """The names of the limits that hold (`limits.EVERY`)."""
        ...

    def __call__(self, command: Command, workspace: Workspace) -> Command:
        """Return the command that starts ``command`` inside."""
        ...

    def prepare(self, workspace: Workspace) -> None:
        """Give the workspace to whom the job will run as."""
        ...


def clean_env(extra: Mapping[str, str], *, home: Path) -> dict[str, str]:
    """Return the environment of a job: an explicit list, and ``extra``. Nothing else of this process is in it."""
    kept = {name: value for name, value in os.environ.items() if name in _LANGUAGE_AND_TIME}
    return {"PATH": STANDARD_PATH, "LANG": "C.UTF-8"} | kept | {"HOME": str(home), "TMPDIR": "/tmp"} | dict(extra)  # noqa: S108


def environment(command: Command, home: Path) -> dict[str, str]:
    """What the command is to see: what it says itself, else the least that there is."""
    return clean_env({}, home=home) if command.env is None else dict(command.env)
