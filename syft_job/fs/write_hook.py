"""Each change to the disk is counted before it is made, so that a test can stop the process at the k-th."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

_before_write: Callable[[str], None] | None = None


@contextmanager
def count_writes(before: Callable[[str], None]) -> Iterator[None]:
    """Call ``before(what)`` ahead of every change to the disk made inside the block; for crash tests."""
    global _before_write  # noqa: PLW0603 - one hook per process is the point
    earlier, _before_write = _before_write, before
    try:
        yield
    finally:
        _before_write = earlier


def tick(what: str) -> None:
    """Say what is about to be changed; a test may end the process here."""
    if _before_write is not None:
        _before_write(what)
