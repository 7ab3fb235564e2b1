"""Arguments that no other user of the machine may read: passed to a process through a file without a name.

Each user can read each process's command line in `/proc`; a descriptor is readable by its holders only.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from syft_job.execution.command import PRIVATE_FD, Command

_LOWEST_FD: Final = 10
"""The supervisor's shell uses the descriptors below; a POSIX shell can name no others."""


@dataclass(frozen=True, slots=True)
class ProcessArguments:
    """The command line of a process to start, and the descriptors that it inherits."""

    argv: list[str]
    pass_fds: tuple[int, ...]


@contextmanager
def open_private_arguments(command: Command) -> Iterator[ProcessArguments]:
    """Open the private arguments of ``command``, if it has any, for a process that is started inside the block.

    Raises:
        OSError: the descriptor cannot be made.
    """
    if not command.private_argv:
        yield ProcessArguments(list(command.argv), ())
        return
    index = command.argv.index(PRIVATE_FD)
    content = b"".join(os.fsencode(argument) + b"\0" for argument in command.private_argv)
    low = os.memfd_create("arguments")
    try:
        descriptor = fcntl.fcntl(low, fcntl.F_DUPFD_CLOEXEC, _LOWEST_FD)
    finally:
        os.close(low)
    try:
        with os.fdopen(descriptor, "wb", closefd=False) as file:
            file.write(content)
        os.lseek(descriptor, 0, os.SEEK_SET)
        argv = [*command.argv[:index], str(descriptor), *command.argv[index + 1 :]]
        yield ProcessArguments(argv, (descriptor,))
    finally:
        os.close(descriptor)
