"""Listing a directory that somebody else can fill: never more than a given number of entries is read."""

from __future__ import annotations

import os
from itertools import islice

from syft_job.errors import UnreadableJob

from .metering import METER


def list_names(directory: int | str, *, limit: int, what: str = "it") -> list[str]:
    """Return the names in a directory, unsorted.

    Args:
        directory: an open descriptor, or a path.
        limit: how many entries are read at most; a directory with more is refused after that many.
        what: how an error calls the directory.

    Raises:
        UnreadableJob: there are more than ``limit`` entries.
        OSError: as `os.scandir`.
    """
    with os.scandir(directory) as entries:
        names = [entry.name for entry in islice(entries, limit + 1)]
    METER.entries += len(names)
    if len(names) > limit:
        raise UnreadableJob(f"{what} holds more than {limit} entries")
    return names
