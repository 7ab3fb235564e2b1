"""Count what this thread has read from shared folders: bytes of files and entries of directories.

The counters only grow. A caller that bounds or tests the cost of some work calls `read_counts()` before and after it
and compares; the two numbers are the same on every machine, which seconds are not.
"""

from __future__ import annotations

import threading
from typing import NamedTuple


class ReadCounts(NamedTuple):
    """What one thread has read so far: bytes of file content, and directory entries that were listed."""

    bytes: int
    entries: int


class _Meter(threading.local):
    bytes = 0
    entries = 0


METER = _Meter()
"""The counters of the calling thread; the read functions of this package add to it."""


def read_counts() -> ReadCounts:
    """Return what the calling thread has read until now."""
    return ReadCounts(METER.bytes, METER.entries)
