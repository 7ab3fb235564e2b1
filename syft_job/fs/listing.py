"""List a directory that other people can fill: never more than a given number of entries is read."""

from __future__ import annotations

import os
from itertools import islice
from operator import attrgetter
from pathlib import Path

from syft_job.errors import UnreadableJob

from .read_meter import METER

_NAME = attrgetter("name")
_SMALL_DIRECTORY_BYTES = 16 << 10
"""A directory of this `st_size` is small: no file system needs less than ten bytes for an entry."""


def list_names(directory: int | Path, *, limit: int, size: int | None = None) -> list[str]:
    """Return the names in a directory, unsorted.

    Args:
        directory: an open descriptor, or a path.
        limit: the number of entries above which the directory is refused.
        size: the directory's `st_size`, on a file system where that grows with the entries: a small one is read in one
            call, which takes half the time.

    Raises:
        UnreadableJob: there are more than ``limit`` entries.
        OSError: as `os.scandir`.
    """
    if size is not None and size <= _SMALL_DIRECTORY_BYTES:
        names = os.listdir(directory)
    else:
        with os.scandir(directory) as entries:  # not by `first_names`, because a listing does this once a job
            names = list(map(_NAME, islice(entries, limit + 1)))
    METER.entries += len(names)
    if len(names) > limit:
        raise UnreadableJob(f"it holds more than {limit} entries")
    return names


def first_names(directory: int | Path, *, limit: int) -> list[str]:
    """Return at most ``limit`` names of a directory, unsorted; the file system decides which ones of more.

    Raises:
        OSError: as `os.scandir`.
    """
    with os.scandir(directory) as entries:
        names = [entry.name for entry in islice(entries, limit)]
    METER.entries += len(names)
    return names
