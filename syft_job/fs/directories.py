"""Open and create directories, one component after the other, without following a symbolic link."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from syft_job.errors import StoreError

from .entries import DIRECTORY_FLAGS
from .entry_names import require_entry_name
from .modes import open_closed_directory, settle_mode
from .os_errors import describe_path, open_error, store_error
from .write_hook import announce_write


@contextmanager
def open_directory(
    start: Path | int, *parts: str, create: bool = False, mode: int = 0o755, durable: bool = True
) -> Iterator[int]:
    """Open the directory ``parts`` below ``start``, following no symbolic link on the way, and yield its descriptor.

    Args:
        start: a trusted path, such as one that the user gave, or an open directory.
        parts: the components below it, each the name of one entry.
        create: create the components that are missing.
        mode: the permission bits of those; see `modes.settle_mode`.
        durable: synchronise the directory above each of those. False where the caller synchronises it, or where a
            power cut may take the new directory back.

    Raises:
        FileNotFoundError: it is missing, and ``create`` is false.
        UnreadableJob: a component is a symbolic link or no directory, or is not the name of one entry.
        StoreError: it cannot be opened or created.
    """
    for part in parts:
        require_entry_name(part)
    dir_fd = os.dup(start) if isinstance(start, int) else _open_start(start)
    try:
        for part in parts:
            try:
                inner_fd = os.open(part, DIRECTORY_FLAGS, dir_fd=dir_fd)
            except FileNotFoundError:
                if not create:
                    raise
                is_new = _make_component(dir_fd, part, mode, durable=durable)
                inner_fd = _open_made(dir_fd, part, mode if is_new else None)
            except OSError as error:
                raise open_error(dir_fd, part, error) from error
            os.close(dir_fd)
            dir_fd = inner_fd
        yield dir_fd
    finally:
        os.close(dir_fd)


def make_directory(path: Path, *, mode: int = 0o700) -> None:
    """Create the private directory ``path`` and its missing parents, all with ``mode`` whatever the umask is.

    Raises:
        StoreError: it cannot be created, or another user has placed something there.
    """
    if path.is_dir():
        return
    announce_write(f"mkdir {path.name}")
    try:
        _make_missing(path, mode)
    except OSError as error:
        raise store_error(f"make the folder {str(path)!r}", error) from error


def _make_missing(path: Path, mode: int) -> None:
    """Create the missing components one by one, each in the open directory above it.

    Raises:
        OSError: a component cannot be created or opened.
        StoreError: another user created a component in the meantime.
    """
    existing = next(parent for parent in path.parents if parent.is_dir())
    dir_fd = os.open(existing, os.O_RDONLY | os.O_DIRECTORY)
    try:
        for part in path.relative_to(existing).parts:
            is_new = _mkdir(dir_fd, part, mode)
            inner_fd = _open_new(dir_fd, part, mode if is_new else None)
            owner_uid = os.fstat(inner_fd).st_uid
            if owner_uid != os.geteuid():
                os.close(inner_fd)
                raise StoreError(
                    f"Another user (uid {owner_uid}) made the folder {part!r} on the way to {str(path)!r} just now."
                    " Choose a directory that other users cannot write to."
                )
            if is_new:
                os.fsync(dir_fd)
            os.close(dir_fd)
            dir_fd = inner_fd
    finally:
        os.close(dir_fd)


def make_new_directory(dir_fd: int, name: str, *, mode: int = 0o755) -> None:
    """Create the directory ``name`` in an open directory; the name must be free.

    Args:
        dir_fd: the open directory.
        name: the name of one entry in it.
        mode: the permission bits; see `modes.settle_mode`.

    Raises:
        FileExistsError: the name is taken.
        StoreError: it cannot be created.
        UnreadableJob: ``name`` is not the name of one entry.
    """
    require_entry_name(name)
    announce_write(f"mkdir {name}")
    try:
        os.mkdir(name, mode, dir_fd=dir_fd)
        os.close(_open_new(dir_fd, name, mode))
    except FileExistsError:
        raise
    except OSError as error:
        raise store_error(f"make {describe_path(dir_fd, name, 'a folder in ')}", error) from error


def fsync_directory(dir_fd: int) -> None:
    """Make the names in an open directory durable.

    Raises:
        StoreError: the directory cannot be synchronised.
    """
    try:
        os.fsync(dir_fd)
    except OSError as error:
        raise store_error(f"make {describe_path(dir_fd)} durable", error) from error


def fsync_directory_at(path: Path) -> None:
    """Make the names in the directory at a trusted ``path`` durable.

    Raises:
        OSError: the directory cannot be opened or synchronised.
    """
    dir_fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(dir_fd)
    finally:
        os.close(dir_fd)


def _open_start(start: Path) -> int:
    try:
        return os.open(start, os.O_RDONLY | os.O_DIRECTORY)
    except (FileNotFoundError, NotADirectoryError):
        raise
    except OSError as error:
        raise store_error(f"open {str(start)!r}", error) from error


def _open_made(dir_fd: int, name: str, mode: int | None) -> int:
    try:
        return _open_new(dir_fd, name, mode)
    except OSError as error:
        raise open_error(dir_fd, name, error) from error


def _open_new(dir_fd: int, name: str, mode: int | None) -> int:
    """Open the directory ``name`` without following a link, and give it ``mode`` unless that is None.

    Args:
        dir_fd: the open directory that holds it.
        name: its name there.
        mode: the bits of a directory that was created just now; None for one that was there before.
    """
    try:
        inner_fd = os.open(name, DIRECTORY_FLAGS, dir_fd=dir_fd)
    except PermissionError:
        if mode is None:
            raise
        inner_fd = open_closed_directory(dir_fd, name)  # the umask took the owner's own bits
    if mode is not None:
        settle_mode(inner_fd, mode)
    return inner_fd


def _make_component(dir_fd: int, name: str, mode: int, *, durable: bool) -> bool:
    """Create a directory; return False if another process created it first."""
    announce_write(f"mkdir {name}")
    try:
        is_new = _mkdir(dir_fd, name, mode)
        if is_new and durable:
            os.fsync(dir_fd)
    except OSError as error:
        raise store_error(f"make {describe_path(dir_fd, name, 'a folder in ')}", error) from error
    return is_new


def _mkdir(dir_fd: int, name: str, mode: int) -> bool:
    try:
        os.mkdir(name, mode, dir_fd=dir_fd)
    except FileExistsError:
        return False
    return True
