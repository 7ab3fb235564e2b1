"""Examine what is below a trusted directory that other people write to, such as the shared folder.

Each function takes a trusted start and the components below it, and opens them one after the other without following a
symbolic link. Nothing is changed. `Path.exists()` and its kind follow links on the way and must not be used there.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import BinaryIO

from syft_job.errors import UnreadableJob

from .directories import open_directory
from .entries import READ_FLAGS, describe_type, stat_entry
from .entry_names import require_entry_name
from .listing import first_names
from .os_errors import open_error, store_error


def names_below(start: Path | int, *parts: str, limit: int) -> list[str] | None:
    """Return the names in the directory ``parts`` below ``start``, unsorted; no link is followed below ``start``.

    Args:
        start: a trusted directory.
        parts: the components below it.
        limit: how many names are returned at most; the file system decides which ones of more.

    Returns:
        None if it is missing, or if a component is a link or no directory.

    Raises:
        StoreError: it cannot be read.
    """
    try:
        with open_directory(start, *parts) as dir_fd:
            return first_names(dir_fd, limit=limit)
    except (FileNotFoundError, NotADirectoryError, UnreadableJob):
        return None
    except OSError as error:
        raise store_error(f"read the folder {'/'.join(parts)!r}", error) from error


def is_directory(start: Path | int, *parts: str) -> bool:
    """Return True if ``parts`` below ``start`` is a real directory, reached without following a link.

    Raises:
        StoreError: it cannot be opened.
    """
    try:
        with open_directory(start, *parts):
            return True
    except (FileNotFoundError, NotADirectoryError, UnreadableJob):
        return False


def stat_below(start: Path | int, *parts: str) -> os.stat_result | None:
    """Return the status of ``parts`` below ``start``, following no link.

    Args:
        start: a trusted directory.
        parts: the components below it, at least one.

    Returns:
        None if it is missing, or if a component above it is a link or no directory.

    Raises:
        StoreError: a directory on the way cannot be opened.
    """
    *inside, name = parts
    try:
        with open_directory(start, *inside) as dir_fd:
            return stat_entry(dir_fd, name)
    except (FileNotFoundError, NotADirectoryError, UnreadableJob):
        return None


def open_file_below(path: Path, *, below: Path) -> BinaryIO:
    """Open the regular file ``path`` for reading; no link is followed below ``below``, and nothing blocks.

    Args:
        path: the file.
        below: a directory above it whose own path is trusted, such as the shared folder or a home.

    Raises:
        FileNotFoundError: it is missing.
        UnreadableJob: it is no regular file, or a directory on the way is a link or no directory.
        StoreError: it cannot be opened.
    """
    *inside, name = path.relative_to(below).parts or ("",)
    require_entry_name(name)
    with open_directory(below, *inside) as dir_fd:
        try:
            file = os.open(name, READ_FLAGS, dir_fd=dir_fd)
        except FileNotFoundError:
            raise
        except OSError as error:
            raise open_error(dir_fd, name, error) from error
    try:
        status = os.fstat(file)
        if not stat.S_ISREG(status.st_mode):
            raise UnreadableJob(f"{name!r} is {describe_type(status)}, not a plain file")
        return os.fdopen(file, "rb")
    except BaseException:
        os.close(file)
        raise
