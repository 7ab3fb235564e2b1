"""Look at what lies below a trusted directory that others write to, such as the shared folder.

Each function takes a trusted start and the components below it, and opens them one after the other without following a
link. Nothing is changed. `Path.exists()` and its kind follow links on the way and must not be used there.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import BinaryIO

from syft_job.errors import UnreadableJob

from .directories import directory
from .entries import READ, kind_of, look
from .entry_names import require_entry_name
from .listing import first_names
from .os_errors import astray, trouble


def names_below(start: Path | int, *parts: str, limit: int) -> list[str] | None:
    """Return the names in the directory ``parts`` below ``start``, unsorted; no link is followed below ``start``.

    Args:
        start: a trusted directory.
        parts: the components below it.
        limit: how many names are returned at most; which ones of more is up to the file system.

    Returns:
        None where it is not there, or where something on the way is a link or no directory.

    Raises:
        StoreError: it cannot be read.
    """
    try:
        with directory(start, *parts) as opened:
            return first_names(opened, limit=limit)
    except (FileNotFoundError, NotADirectoryError, UnreadableJob):
        return None
    except OSError as error:
        raise trouble(f"read the folder {'/'.join(parts)!r}", error) from error


def is_directory(start: Path | int, *parts: str) -> bool:
    """Return whether ``parts`` below ``start`` is a real directory, reached without following a link.

    Raises:
        StoreError: the disk cannot tell.
    """
    try:
        with directory(start, *parts):
            return True
    except (FileNotFoundError, NotADirectoryError, UnreadableJob):
        return False


def status_of(start: Path | int, *parts: str) -> os.stat_result | None:
    """Return the status of ``parts`` below ``start``, no link followed; None where it is not there.

    Raises:
        StoreError: the disk cannot tell.
    """
    *inside, name = parts
    try:
        with directory(start, *inside) as opened:
            return look(opened, name)
    except (FileNotFoundError, NotADirectoryError, UnreadableJob):
        return None


def open_plain(path: Path, *, below: Path) -> BinaryIO:
    """Open the plain file ``path`` for reading; no link is followed below ``below``, and nothing blocks.

    Args:
        path: the file.
        below: a directory above it whose own path is trusted, such as the shared folder or a home.

    Raises:
        FileNotFoundError: it is not there.
        UnreadableJob: it, or something on the way, is a link or of another kind.
    """
    *inside, name = path.relative_to(below).parts or ("",)
    require_entry_name(name)
    with directory(below, *inside) as opened:
        try:
            descriptor = os.open(name, READ, dir_fd=opened)
        except FileNotFoundError:
            raise
        except OSError as error:
            raise astray(opened, name, error) from error
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise UnreadableJob(f"{name!r} is {kind_of(found)}, not a plain file")
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise
