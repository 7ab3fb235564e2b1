"""A hook that is called before each change to the disk, so that crash tests can kill the process at the k-th one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

_before_write: Callable[[str], None] | None = None


@contextmanager
def hook_writes(before_write: Callable[[str], None]) -> Iterator[None]:
    """Call ``before_write`` ahead of every change to the disk that this process makes inside the block.

    Args:
        before_write: gets the change in two words, such as "rename config.yaml". An exception that it raises prevents
            the change.
    """
    global _before_write  # noqa: PLW0603 - there is one hook per process
    earlier, _before_write = _before_write, before_write
    try:
        yield
    finally:
        _before_write = earlier


def announce_write(change: str) -> None:
    """Call the hook, if there is one; each function of this package that changes the disk calls this first."""
    if _before_write is not None:
        _before_write(change)
