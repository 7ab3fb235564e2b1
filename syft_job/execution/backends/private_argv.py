"""Arguments that no other user of the machine may read: handed to a process through a file without a name.

Each user can read each process's command line in `/proc`; a descriptor is readable by its holders only.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from .base import PRIVATE_FD, Command

_LOWEST_FD: Final = 10
"""The supervisor's shell uses the descriptors below; a POSIX shell can name no others."""


@dataclass(frozen=True, slots=True)
class Started:
    """What to start a process with: its command line, and the descriptors that it inherits."""

    argv: list[str]
    pass_fds: tuple[int, ...]


@contextmanager
def handed_over(command: Command) -> Iterator[Started]:
    """Open the private arguments of ``command`` for a process that is started inside; there may be none.

    Raises:
        OSError: the descriptor cannot be made.
    """
    if not command.private_argv:
        yield Started(list(command.argv), ())
        return
    where = command.argv.index(PRIVATE_FD)
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
        argv = [*command.argv[:where], str(descriptor), *command.argv[where + 1 :]]
        yield Started(argv, (descriptor,))
    finally:
        os.close(descriptor)
