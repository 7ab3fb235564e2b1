"""Walking through a tree below an open directory: no link followed, and not without an end."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

from syft_job.errors import UnreadableJob

from .directories import directory
from .entries import look
from .read_meter import METER


class Entry(NamedTuple):
    """One thing found by `walk`: its path below the start, and its stat without following links."""

    path: str
    stat: os.stat_result

    @property
    def is_file(self) -> bool:
        """Whether it is a plain file."""
        return stat.S_ISREG(self.stat.st_mode)

    @property
    def is_dir(self) -> bool:
        """Whether it is a real directory."""
        return stat.S_ISDIR(self.stat.st_mode)


def walk(place: int, *, most: int, levels: int = 64, passed_over: list[str] | None = None) -> Iterator[Entry]:
    """Everything below the directory ``place``, parents first and in name order; links are told, not followed.

    With ``passed_over``, what is too deep or too much is named there and left out instead of raised.

    Of a tree with more than ``most`` entries that are passed over, which ones are found is up to the file system.

    Raises:
        UnreadableJob: there are more than ``most`` things, or they lie deeper than ``levels``.
    """
    count = 0
    ahead: list[str] = [""]
    while ahead:
        inside = ahead.pop()
        if inside.count("/") >= levels:
            _refuse(f"{inside[:60]!r}… lies deeper than {levels} folders", passed_over)
            continue
        try:
            with directory(place, *(inside.split("/") if inside else ())) as opened:
                with os.scandir(opened) as entries:  # no more of them than can be wanted, however many there are
                    names = [entry.name for entry in islice(entries, most - count + 1)]
                METER.entries += len(names)
                found = [(name, status) for name in names if (status := look(opened, name)) is not None]
        except FileNotFoundError:
            continue  # went away while we looked
        folders = []
        for name, status in sorted(found):
            count += 1
            if count > most:
                _refuse(f"there are more than {most} files and folders", passed_over)
                return
            path = f"{inside}/{name}" if inside else name
            yield Entry(path, status)
            if stat.S_ISDIR(status.st_mode):
                folders.append(path)
        ahead.extend(reversed(folders))


def _refuse(reason: str, passed_over: list[str] | None) -> None:
    if passed_over is None:
        raise UnreadableJob(reason)
    passed_over.append(reason)
