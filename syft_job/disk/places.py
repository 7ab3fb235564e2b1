"""Directories: opened one part after the other without following links, and made."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .counting import tick
from .entry_names import require_entry_name
from .looking import DIRECTORY
from .words import astray, path_words, trouble


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
                _make(descriptor, part, mode, durable=durable)
                inner = _open_made(descriptor, part)
            except OSError as error:
                raise astray(descriptor, part, error) from error
            os.close(descriptor)
            descriptor = inner
        yield descriptor
    finally:
        os.close(descriptor)


def make_directory(path: Path, *, mode: int = 0o700) -> None:
    """Make ``path`` and its missing parents; the last one gets ``mode``.

    Raises:
        StoreError: it cannot be made.
    """
    if path.is_dir():
        return
    tick(f"mkdir {path.name}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.mkdir(mode=mode, exist_ok=True)
        path.chmod(mode)
        sync_directory(path.parent)
    except OSError as error:
        raise trouble(f"make the folder {str(path)!r}", error) from error


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


def _open_made(descriptor: int, part: str) -> int:
    try:
        return os.open(part, DIRECTORY, dir_fd=descriptor)
    except OSError as error:
        raise astray(descriptor, part, error) from error


def _make(descriptor: int, name: str, mode: int, *, durable: bool) -> None:
    tick(f"mkdir {name}")
    try:
        os.mkdir(name, mode, dir_fd=descriptor)
        if durable:
            os.fsync(descriptor)
    except FileExistsError:
        return  # another process made it first
    except OSError as error:
        raise trouble(f"make {path_words(descriptor, name, 'a folder in ')}", error) from error


def sync_directory(path: Path) -> None:
    """Make the names in the directory at ``path`` durable."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
