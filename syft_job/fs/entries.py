"""Examine and read the entries of an open directory: regular files of bounded size, no symbolic link followed.

"Plain file" in the messages means a regular file in the sense of POSIX: no link, FIFO, socket, device or directory.
Nothing here blocks on a FIFO, because files are opened with ``O_NONBLOCK``.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from syft_job.errors import UnreadableJob

from .entry_names import require_entry_name
from .os_errors import describe_path, open_error, store_error
from .read_meter import METER

CHUNK_BYTES = 1 << 20
"""How much is read or copied at once."""
DIRECTORY_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
READ_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_MIN_FREE_BYTES = 16 << 10
"""A disk with less free space than this counts as full."""


def stat_entry(dir_fd: int, name: str) -> os.stat_result | None:
    """Return the status of the entry ``name`` of an open directory, links not followed; None if it is missing.

    Raises:
        UnreadableJob: ``name`` is not the name of one entry.
        OSError: as `os.stat`, for any other reason.
    """
    require_entry_name(name)
    try:
        return os.stat(name, dir_fd=dir_fd, follow_symlinks=False)
    except (FileNotFoundError, NotADirectoryError):
        return None


def describe_type(status: os.stat_result) -> str:
    """Return the type of a directory entry for messages, such as "a symbolic link"."""
    types = (
        (stat.S_ISREG, "a plain file"),
        (stat.S_ISDIR, "a directory"),
        (stat.S_ISLNK, "a symbolic link"),
        (stat.S_ISFIFO, "a FIFO"),
        (stat.S_ISSOCK, "a socket"),
    )
    return next((description for is_type, description in types if is_type(status.st_mode)), "a device")


def read_file(dir_fd: int, name: str, *, limit: int) -> bytes | None:
    """Return the content of the regular file ``name`` of an open directory; None if it is missing.

    Args:
        dir_fd: the open directory.
        name: the name of one entry in it.
        limit: the size in bytes above which the file is refused, before it is read if its status shows it.

    Raises:
        UnreadableJob: it is no regular file, is longer than ``limit``, or ``name`` is not the name of one entry.
        StoreError: the disk fails.
    """
    require_entry_name(name)
    try:  # not by `open_regular_file`, because a listing does this once a job
        file = os.open(name, READ_FLAGS, dir_fd=dir_fd)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise open_error(dir_fd, name, error) from error
    try:
        status = os.fstat(file)
        if not stat.S_ISREG(status.st_mode):
            raise UnreadableJob(f"{name!r} is {describe_type(status)}, not a plain file")
        if status.st_size > limit:
            raise UnreadableJob(f"{name!r} is {status.st_size} bytes long; at most {limit} are read")
        data = os.read(file, status.st_size + 1)
        while len(data) != status.st_size and len(data) <= limit and (more := os.read(file, CHUNK_BYTES)):
            data += more  # read(2) returned a part, or the file grows
        METER.bytes += len(data)
        if len(data) > limit:
            raise UnreadableJob(f"{name!r} grows while it is read; at most {limit} bytes are read")
        return data
    except OSError as error:
        raise store_error(f"read {describe_path(dir_fd, name)}", error) from error
    finally:
        os.close(file)


def is_hole(dir_fd: int, name: str) -> bool:
    """Return True if the regular file ``name`` is one hole: it has a size but no data block on this disk.

    Return False if the file system does not report holes (lseek(2), ``SEEK_DATA``), or if it is no regular file.

    Raises:
        UnreadableJob: ``name`` is not the name of one entry.
    """
    require_entry_name(name)
    try:
        file = os.open(name, READ_FLAGS, dir_fd=dir_fd)
    except OSError:
        return False  # reading it reports why it cannot be opened
    try:
        if not stat.S_ISREG(os.fstat(file).st_mode):
            return False
        os.lseek(file, 0, os.SEEK_DATA)
    except OSError as error:
        return error.errno == errno.ENXIO
    finally:
        os.close(file)
    return False


def is_disk_full(path: Path) -> bool:
    """Return True if the file system of ``path`` has no free inode or less than 16 KiB; False if that is unknown."""
    try:
        status = os.statvfs(path)
    except OSError:
        return False
    has_no_inodes = status.f_files > 0 and status.f_favail == 0
    return has_no_inodes or status.f_bavail * status.f_frsize < _MIN_FREE_BYTES


@contextmanager
def open_regular_file(dir_fd: int, name: str, max_bytes: int) -> Iterator[int]:
    """Open a regular file of at most ``max_bytes`` for reading, without following a link and without blocking.

    Raises:
        FileNotFoundError: it is missing.
        UnreadableJob: it is no regular file, is longer, or ``name`` is not the name of one entry.
        StoreError: it cannot be opened.
    """
    require_entry_name(name)
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
        refuse_longer(name, status.st_size, max_bytes)
        yield file
    finally:
        os.close(file)


def refuse_longer(name: str, size: int, max_bytes: int) -> None:
    """Return if ``size`` is at most ``max_bytes``.

    Raises:
        UnreadableJob: it is larger; the message names the file.
    """
    if size > max_bytes:
        raise UnreadableJob(f"{name!r} is longer than the {max_bytes} bytes that are accepted")
