"""Check that the output was delivered in full: only then is a review complete.

Writing into a pipe succeeds as soon as the kernel has the bytes. So for a pipe this waits until its reader has read
all of them, and checks that the reader still exists. A terminal or a file has them when they are written.
"""

from __future__ import annotations

import array
import os
import select
import stat
import sys
import time
from typing import Final

READ_WITHIN_S: Final = 60.0
"""How many seconds the reader of a pipe may take where stderr is no terminal; after that the review is not complete. At
a terminal the reader may be a pager, and the user can end the wait."""
_LINGER_S: Final = 0.05
"""A reader that stops reading early (`head`) ends within this; one that reads on waits for the end of the pipe."""
_POLL_S: Final = 0.005
_LONGEST_POLL_S: Final = 0.1


def is_delivered_in_full() -> bool:
    """Write out what is buffered for stdout and return True if all of it reached the reader.

    Raises:
        OSError: it cannot be written: the disk is full, or the reader of the pipe is gone (BrokenPipeError).
    """
    stream = sys.stdout
    if stream is None:
        return False  # it was closed before the program started, and print() writes nothing
    stream.flush()
    try:
        descriptor = stream.fileno()
        is_pipe = stat.S_ISFIFO(os.fstat(descriptor).st_mode)
    except (OSError, ValueError):
        return True  # an object in memory, as in a notebook
    return _is_read_to_the_end(descriptor) if is_pipe else True


def _is_read_to_the_end(pipe: int) -> bool:
    is_watched = sys.stderr is not None and sys.stderr.isatty()
    end = time.monotonic() + READ_WITHIN_S
    pause_s = _POLL_S
    while _unread(pipe):
        if _has_no_reader(pipe, pause_s) or (time.monotonic() >= end and not is_watched):
            return False
        pause_s = min(pause_s * 1.1, _LONGEST_POLL_S)
    return not _has_no_reader(pipe, _LINGER_S)


def _unread(pipe: int) -> int:
    """How many bytes of a pipe its reader has not read yet; 0 where this system cannot report it."""
    import fcntl
    import termios

    count = array.array("i", [0])
    try:
        fcntl.ioctl(pipe, termios.FIONREAD, count)
    except OSError:
        return 0
    return count[0]


def _has_no_reader(pipe: int, wait_s: float) -> bool:
    """Return True if the last reader of a pipe closed it, at once or within ``wait_s`` seconds."""
    watch = select.poll()
    watch.register(pipe, 0)  # errors are reported in any case
    return any(event & select.POLLERR for _, event in watch.poll(wait_s * 1000))
