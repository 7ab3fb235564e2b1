"""The interface of sandboxes: wrap a command, and state what the wrapping contains and which limits it enforces."""

from __future__ import annotations

import os
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from syft_job.execution.command import Command

from .protected import ProtectedPath

STANDARD_PATH: Final = "/usr/local/bin:/usr/bin:/bin"
_PASSED_VARIABLES: Final = frozenset(
    "LANG TZ LC_ALL LC_ADDRESS LC_COLLATE LC_CTYPE LC_IDENTIFICATION LC_MEASUREMENT LC_MESSAGES LC_MONETARY LC_NAME"
    " LC_NUMERIC LC_PAPER LC_TELEPHONE LC_TIME".split()
)
"""The variables of the runner that are passed to a job: language and time zone. Each is named, because sshd forwards
any variable whose name begins with ``LC_`` and people send tokens under such names."""


@dataclass(frozen=True, slots=True)
class Workspace:
    """The directory in which a job runs, and what else it may read.

    Attributes:
        root: its working directory, with `run.sh`, `code/` and `outputs/`. Logs, claim and exit record are elsewhere.
        readable: declared data, shown read-only under its own path.
        interpreter: the Python that the job finds, if it is not the system's; None for a job that needs none.
        protected: the paths of the job's datasite that must not be shown, in addition to those of the user.
    """

    root: Path
    readable: tuple[Path, ...] = ()
    interpreter: Path | None = None
    protected: tuple[ProtectedPath, ...] = ()


@dataclass(frozen=True, slots=True)
class Containment:
    """One aspect of containment.

    Attributes:
        what: the aspect, in one word.
        holds: whether the sandbox contains it.
        words: a sentence for reviewers.
    """

    what: str
    holds: bool
    words: str


class Sandbox(Hashable, Protocol):
    """Wraps a command, and states what the wrapping contains and enforces."""

    @property
    def name(self) -> str:
        """One word for reviews, records and the command line."""
        ...

    @property
    def contains(self) -> tuple[Containment, ...]:
        """What it contains and what not, for reviews."""
        ...

    @property
    def enforces(self) -> frozenset[str]:
        """The names of the limits that are enforced, from `resources.ALL_LIMITS`."""
        ...

    def __call__(self, command: Command, workspace: Workspace) -> Command:
        """Return the command that starts ``command`` in the sandbox.

        Raises:
            ConfigError: the sandbox does not work here, or the job would see what it must not.
        """
        ...

    def prepare(self, workspace: Workspace) -> None:
        """Give the workspace to the user that the job will run as.

        Raises:
            StoreError: that fails.
        """
        ...


def clean_env(extra: Mapping[str, str], *, home: Path) -> dict[str, str]:
    """Return the environment of a job: an explicit list of variables, and nothing else of this process.

    Args:
        extra: variables to add.
        home: the value of ``HOME``.
    """
    passed = {name: value for name, value in os.environ.items() if name in _PASSED_VARIABLES}
    return {"PATH": STANDARD_PATH, "LANG": "C.UTF-8"} | passed | {"HOME": str(home), "TMPDIR": "/tmp"} | dict(extra)  # noqa: S108


def command_environment(command: Command, home: Path) -> dict[str, str]:
    """Return the environment that a command declares, or else the minimal one of `clean_env`."""
    return clean_env({}, home=home) if command.env is None else dict(command.env)
