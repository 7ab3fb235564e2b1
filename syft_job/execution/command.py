"""What to start: a program with its arguments, its environment, its limits and the files that record its attempt."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from syft_job.model.resources import ResourceLimits

PRIVATE_FD: Final = "{private-fd}"
"""Stands in a command's ``argv`` for the descriptor on which its ``private_argv`` are read."""


@dataclass(frozen=True, slots=True)
class Command:
    """What to start, and which files record its attempt. A sandbox turns one command into another.

    ``env`` None inherits, a mapping replaces. ``stdout`` and ``stderr`` None are those of the caller where it waits;
    where it does not, the output is dropped. ``claim`` is created exclusively before anything else happens; a
    supervisor that finds it there does nothing. ``exit_record`` is written last. Without these two a backend keeps them
    in a directory of its own. ``results`` is a directory whose files survive a power cut wherever the exit record does.
    ``label`` names the attempt at the backend.
    ``private_argv`` are arguments that no other user of the machine may read, so they stand in no command line: the
    backend writes them, each with a NUL after it, to a file without a name, and puts the number of its descriptor where
    `PRIVATE_FD` stands in ``argv`` (as ``bwrap --args FD`` reads them).
    ``contained`` is true where no process can outlive the first one (a process namespace), so that the supervisor need
    not search for any. That process must be the sandbox's own: it writes a line to the descriptor 8 before it starts
    the job, and without that line the sandbox counts as failed.
    """

    argv: tuple[str, ...]
    cwd: Path | None = None
    env: Mapping[str, str] | None = None
    stdout: Path | None = None
    stderr: Path | None = None
    limits: ResourceLimits = field(default_factory=ResourceLimits)
    claim: Path | None = None
    exit_record: Path | None = None
    results: Path | None = None
    label: str = ""
    contained: bool = False
    private_argv: tuple[str, ...] = ()
