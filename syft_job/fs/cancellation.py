"""Cooperative cancellation of long file work.

A thread that must end soon after an event is set (SIGTERM, the end of a runner) does its work inside `interruptible`.
The functions of this package that can take long (copying, hashing, removing a tree) call `check_interrupted` at chunk
and entry boundaries, and loops over many jobs call it before each job. It raises `Interrupted` there, so only work that
may be killed there and repeated is run this way. Short work that must reach its end runs in `interruptible(None)`.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Interrupted(BaseException):
    """Raised by `check_interrupted`. Not an `Exception`: a handler for broken jobs must not catch a cancellation."""


class _Current(threading.local):
    event: threading.Event | None = None


_current = _Current()


@contextmanager
def interruptible(event: threading.Event | None) -> Iterator[None]:
    """Let the file work of this thread inside the block raise `Interrupted` once ``event`` is set.

    Args:
        event: set by any thread to cancel the work; None forbids cancellation inside the block.
    """
    earlier, _current.event = _current.event, event
    try:
        yield
    finally:
        _current.event = earlier


def check_interrupted() -> None:
    """Return unless the work of this thread has been cancelled.

    Raises:
        Interrupted: the event of the enclosing `interruptible` is set.
    """
    event = _current.event
    if event is not None and event.is_set():
        raise Interrupted
