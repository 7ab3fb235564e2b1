"""Walk the tree below an open directory, following no symbolic link, within bounds of entries and depth."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

from syft_job.errors import UnreadableJob

from .directories import open_directory
from .entries import stat_entry
from .read_meter import METER


class Entry(NamedTuple):
    """One entry that `walk` yields: its path below the start, and its status without following links."""

    path: str
    stat: os.stat_result

    @property
    def is_file(self) -> bool:
        """Whether it is a regular file."""
        return stat.S_ISREG(self.stat.st_mode)

    @property
    def is_dir(self) -> bool:
        """Whether it is a real directory."""
        return stat.S_ISDIR(self.stat.st_mode)


def walk(dir_fd: int, *, max_entries: int, max_depth: int = 64, skipped: list[str] | None = None) -> Iterator[Entry]:
    """Yield everything below an open directory, parents first and in the order of names; links are not followed.

    Args:
        dir_fd: the open directory.
        max_entries: how many entries are yielded at most. Which ones of more is up to the file system.
        max_depth: how many directories deep the walk goes.
        skipped: a list to which one reason is added for each directory that is too deep, and for too many
            entries, instead of an error; what exceeds the bounds is then left out.

    Raises:
        UnreadableJob: there are more than ``max_entries`` entries, or some are deeper than ``max_depth``, and
            ``skipped`` is None.
    """
    count = 0
    pending: list[str] = [""]
    while pending:
        inside = pending.pop()
        if inside.count("/") >= max_depth:
            _report(f"{inside[:60]!r}… is deeper than {max_depth} folders", skipped)
            continue
        try:
            with open_directory(dir_fd, *(inside.split("/") if inside else ())) as inner_fd:
                with os.scandir(inner_fd) as scanned:  # one more than may be yielded, however many there are
                    names = [entry.name for entry in islice(scanned, max_entries - count + 1)]
                METER.entries += len(names)
                entries = [(name, status) for name in names if (status := stat_entry(inner_fd, name)) is not None]
        except FileNotFoundError:
            continue  # removed during the walk
        directories = []
        for name, status in sorted(entries):
            count += 1
            if count > max_entries:
                _report(f"there are more than {max_entries} files and folders", skipped)
                return
            path = f"{inside}/{name}" if inside else name
            yield Entry(path, status)
            if stat.S_ISDIR(status.st_mode):
                directories.append(path)
        pending.extend(reversed(directories))


def _report(reason: str, skipped: list[str] | None) -> None:
    if skipped is None:
        raise UnreadableJob(reason)
    skipped.append(reason)
