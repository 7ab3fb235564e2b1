"""Looking at what lies in an open directory, and reading it: plain files of bounded size, no link followed."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from syft_job.errors import UnreadableJob

from .entry_names import require_entry_name
from .os_errors import astray, path_words, trouble
from .read_meter import METER

CHUNK = 1 << 20
_A_LITTLE = 16 << 10
DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def look(place: int, name: str) -> os.stat_result | None:
    """The stat of ``name`` in the directory ``place``, links not followed; None when it is not there.

    Raises:
        UnreadableJob: ``name`` is not the name of one entry.
    """
    require_entry_name(name)
    try:
        return os.stat(name, dir_fd=place, follow_symlinks=False)
    except (FileNotFoundError, NotADirectoryError):
        return None


def kind_of(found: os.stat_result) -> str:
    """What a thing is, in words for people."""
    kinds = (
        (stat.S_ISREG, "a plain file"),
        (stat.S_ISDIR, "a directory"),
        (stat.S_ISLNK, "a symbolic link"),
        (stat.S_ISFIFO, "a FIFO"),
        (stat.S_ISSOCK, "a socket"),
    )
    return next((words for is_kind, words in kinds if is_kind(found.st_mode)), "a device")


def read(place: int, name: str, *, limit: int) -> bytes | None:
    """The bytes of the plain file ``name`` in the directory ``place``; None when it is not there.

    Raises:
        UnreadableJob: it is a link, a FIFO, a device or a directory, or longer than ``limit`` bytes.
    """
    require_entry_name(name)
    try:  # spelled out, because a listing does this once a job
        descriptor = os.open(name, READ, dir_fd=place)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise astray(place, name, error) from error
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise UnreadableJob(f"{name!r} is {kind_of(found)}, not a plain file")
        if found.st_size > limit:
            raise UnreadableJob(f"{name!r} is {found.st_size} bytes long; at most {limit} are read")
        data = os.read(descriptor, found.st_size + 1)
        while len(data) != found.st_size and len(data) <= limit and (more := os.read(descriptor, CHUNK)):
            data += more  # it came in pieces, or grows while it is read
        METER.bytes += len(data)
        if len(data) > limit:
            raise UnreadableJob(f"{name!r} grows while it is read; at most {limit} bytes are read")
        return data
    except OSError as error:
        raise trouble(f"read {path_words(place, name)}", error) from error
    finally:
        os.close(descriptor)


def is_hole(place: int, name: str) -> bool:
    """Return True if the plain file ``name`` holds no data on this disk: one hole from its beginning to its end.

    False where the file system cannot tell, and where it is no plain file any more.

    Raises:
        UnreadableJob: ``name`` is not the name of one entry.
    """
    require_entry_name(name)
    try:
        descriptor = os.open(name, READ, dir_fd=place)
    except OSError:
        return False  # whoever reads it says why it cannot be opened
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return False
        os.lseek(descriptor, 0, os.SEEK_DATA)
    except OSError as error:
        return error.errno == errno.ENXIO
    finally:
        os.close(descriptor)
    return False


def is_full(path: Path) -> bool:
    """Whether next to nothing can be written below ``path`` any more; False where nobody can tell."""
    try:
        found = os.statvfs(path)
    except OSError:
        return False
    has_no_inodes = found.f_files > 0 and found.f_favail == 0
    return has_no_inodes or found.f_bavail * found.f_frsize < _A_LITTLE


@contextmanager
def plain_file(place: int, name: str, most: int) -> Iterator[int]:
    """Open a plain file of at most ``most`` bytes for reading, without following a link and without blocking."""
    require_entry_name(name)
    try:
        descriptor = os.open(name, READ, dir_fd=place)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise astray(place, name, error) from error
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise UnreadableJob(f"{name!r} is {kind_of(found)}, not a plain file")
        refuse_longer(name, found.st_size, most)
        yield descriptor
    finally:
        os.close(descriptor)


def refuse_longer(name: str, size: int, most: int) -> None:
    """Refuse with `UnreadableJob` what is longer than is accepted."""
    if size > most:
        raise UnreadableJob(f"{name!r} is longer than the {most} bytes that are accepted")
