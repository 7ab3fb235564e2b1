"""Listing a directory that somebody else can fill: never more than a given number of entries is read."""

from __future__ import annotations

import os
from itertools import islice
from operator import attrgetter
from pathlib import Path

from syft_job.errors import UnreadableJob

from .metering import METER

_NAME = attrgetter("name")


def list_names(directory: int | Path, *, limit: int) -> list[str]:
    """Return the names in a directory, unsorted.

    Args:
        directory: an open descriptor, or a path.
        limit: how many entries are read at most.

    Raises:
        UnreadableJob: there are more than ``limit`` entries.
        OSError: as `os.scandir`.
    """
    with os.scandir(directory) as entries:  # spelled out, because a listing does this once a job
        names = list(map(_NAME, islice(entries, limit + 1)))
    METER.entries += len(names)
    if len(names) > limit:
        raise UnreadableJob(f"it holds more than {limit} entries")
    return names


def first_names(directory: int | Path, *, limit: int) -> list[str]:
    """Return at most ``limit`` names of a directory, unsorted: which ones of more is up to the file system."""
    with os.scandir(directory) as entries:
        names = [entry.name for entry in islice(entries, limit)]
    METER.entries += len(names)
    return names
