"""How much this thread has read from shared folders: bytes of files and entries of directories.

The counters only grow. A caller that wants to bound or to test the cost of some work takes `reads()` before and after
it and compares; the two numbers are the same on every machine, which seconds are not.
"""

from __future__ import annotations

import threading
from typing import NamedTuple


class Reads(NamedTuple):
    """What one thread has read so far: bytes of file content, and directory entries that were listed."""

    bytes: int
    entries: int


class _Meter(threading.local):
    bytes = 0
    entries = 0


METER = _Meter()
"""Read functions of this package add to it."""


def reads() -> Reads:
    """Return what the calling thread has read until now."""
    return Reads(METER.bytes, METER.entries)
