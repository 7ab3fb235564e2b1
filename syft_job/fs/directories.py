"""Directories: opened one part after the other without following links, and made."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from syft_job.errors import StoreError

from .entries import DIRECTORY
from .entry_names import require_entry_name
from .modes import open_closed_directory, settle_mode
from .os_errors import astray, path_words, trouble
from .write_hook import tick


@contextmanager
def directory(
    start: Path | int, *parts: str, create: bool = False, mode: int = 0o755, durable: bool = True
) -> Iterator[int]:
    """Open the directory ``parts`` below ``start``, no link followed on the way; yields its descriptor.

    ``start`` itself is a path that the user gave, or an open descriptor, and is trusted. What ``create`` makes is
    durable, unless the caller sees to that or nobody misses it.

    Raises:
        FileNotFoundError: it is not there (and ``create`` is false).
        UnreadableJob: something on the way is a link or no directory, or a part is not the name of one entry.
    """
    for part in parts:
        require_entry_name(part)
    descriptor = os.dup(start) if isinstance(start, int) else _opened(start)
    try:
        for part in parts:
            try:
                inner = os.open(part, DIRECTORY, dir_fd=descriptor)
            except FileNotFoundError:
                if not create:
                    raise
                is_new = _make(descriptor, part, mode, durable=durable)
                inner = _open_made(descriptor, part, mode if is_new else None)
            except OSError as error:
                raise astray(descriptor, part, error) from error
            os.close(descriptor)
            descriptor = inner
        yield descriptor
    finally:
        os.close(descriptor)


def make_directory(path: Path, *, mode: int = 0o700) -> None:
    """Make the private directory ``path`` and its missing parents, all with ``mode`` whatever the umask is.

    Raises:
        StoreError: it cannot be made, or another user has placed something there.
    """
    if path.is_dir():
        return
    tick(f"mkdir {path.name}")
    try:
        _make_missing(path, mode)
    except OSError as error:
        raise trouble(f"make the folder {str(path)!r}", error) from error


def _make_missing(path: Path, mode: int) -> None:
    """Make the missing components one by one, each in the open directory above it."""
    existing = next(parent for parent in path.parents if parent.is_dir())
    descriptor = os.open(existing, os.O_RDONLY | os.O_DIRECTORY)
    try:
        for part in path.relative_to(existing).parts:
            is_new = _mkdir(descriptor, part, mode)
            inner = _open_new(descriptor, part, mode if is_new else None)
            owner = os.fstat(inner).st_uid
            if owner != os.geteuid():
                os.close(inner)
                raise StoreError(
                    f"Another user (uid {owner}) made the folder {part!r} on the way to {str(path)!r} just now."
                    " Choose a directory that other users cannot write to."
                )
            if is_new:
                os.fsync(descriptor)
            os.close(descriptor)
            descriptor = inner
    finally:
        os.close(descriptor)


def make_new_directory(place: int, name: str, *, mode: int = 0o755) -> None:
    """Make the directory ``name`` in the directory ``place``.

    Raises:
        FileExistsError: something of that name is there.
        StoreError: it cannot be made.
        UnreadableJob: ``name`` is not the name of one entry.
    """
    require_entry_name(name)
    tick(f"mkdir {name}")
    try:
        os.mkdir(name, mode, dir_fd=place)
        os.close(_open_new(place, name, mode))
    except FileExistsError:
        raise
    except OSError as error:
        raise trouble(f"make {path_words(place, name, 'a folder in ')}", error) from error


def sync(place: int) -> None:
    """Make the names in the directory ``place`` durable.

    Raises:
        StoreError: the disk says no.
    """
    try:
        os.fsync(place)
    except OSError as error:
        raise trouble(f"make {path_words(place)} durable", error) from error


def _opened(start: Path) -> int:
    try:
        return os.open(start, os.O_RDONLY | os.O_DIRECTORY)
    except (FileNotFoundError, NotADirectoryError):
        raise
    except OSError as error:
        raise trouble(f"open {str(start)!r}", error) from error


def _open_made(descriptor: int, part: str, mode: int | None) -> int:
    try:
        return _open_new(descriptor, part, mode)
    except OSError as error:
        raise astray(descriptor, part, error) from error


def _open_new(descriptor: int, part: str, mode: int | None) -> int:
    """Open the directory ``part``, no link followed; with ``mode`` it was made just now and gets what that says."""
    try:
        opened = os.open(part, DIRECTORY, dir_fd=descriptor)
    except PermissionError:
        if mode is None:
            raise
        opened = open_closed_directory(descriptor, part)  # the umask took our own bits
    if mode is not None:
        settle_mode(opened, mode)
    return opened


def _make(descriptor: int, name: str, mode: int, *, durable: bool) -> bool:
    """Make a directory; returns False where another process made it first."""
    tick(f"mkdir {name}")
    try:
        is_new = _mkdir(descriptor, name, mode)
        if is_new and durable:
            os.fsync(descriptor)
    except OSError as error:
        raise trouble(f"make {path_words(descriptor, name, 'a folder in ')}", error) from error
    return is_new


def _mkdir(descriptor: int, name: str, mode: int) -> bool:
    try:
        os.mkdir(name, mode, dir_fd=descriptor)
    except FileExistsError:
        return False
    return True


def sync_directory(path: Path) -> None:
    """Make the names in the directory at ``path`` durable."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
