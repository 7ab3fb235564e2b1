"""Writing files: whole or not at all, durable where they must be."""

from __future__ import annotations

import os
from pathlib import Path

from .directories import sync_directory
from .entry_names import require_entry_name
from .modes import settle_mode
from .os_errors import path_words, trouble
from .removal import remove, temporary_name
from .write_hook import tick

NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


def put(
    place: int, name: str, data: bytes, *, mode: int = 0o644, durable: bool = True, temporary: str | None = None
) -> None:
    """Write ``data`` as the file ``name`` in the directory ``place``: whole, durable, replacing what was there.

    ``temporary`` is a name of its own under which it is written first, for a place where others tidy, or where nobody
    does: what a writer that was stopped left under it is replaced. There may be one writer at a time.

    Raises:
        StoreError: the disk is full, read-only or broken; nothing half-written is left under the name.
        UnreadableJob: ``name`` is not the name of one entry.
    """
    require_entry_name(name)
    if temporary is not None:
        remove(place, temporary)
    temporary = temporary or temporary_name()
    try:
        tick(f"create {name}")
        _write_new(place, temporary, data, mode=mode, durable=durable)
        tick(f"rename {name}")
        os.replace(temporary, name, src_dir_fd=place, dst_dir_fd=place)
        if durable:
            _confirm(place, name)
    except OSError as error:
        forget(place, temporary)
        raise trouble(f"write {path_words(place, name)}", error) from error


def create(place: int, name: str, data: bytes, *, mode: int = 0o644, durable: bool = True) -> None:
    """Write a new file in a directory that is not published yet, so without the detour of a temporary name.

    Raises:
        FileExistsError: something of that name is there.
        StoreError: the disk is full, read-only or broken.
        UnreadableJob: ``name`` is not the name of one entry.
    """
    require_entry_name(name)
    tick(f"create {name}")
    try:
        _write_new(place, name, data, mode=mode, durable=durable)
    except FileExistsError:
        raise
    except OSError as error:
        raise trouble(f"write {path_words(place, name)}", error) from error


def _write_new(place: int, name: str, data: bytes, *, mode: int, durable: bool) -> None:
    descriptor = os.open(name, NEW, mode, dir_fd=place)
    try:
        settle_mode(descriptor, mode)
        write_all(descriptor, data)
        if durable:
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def append(path: Path, line: bytes) -> int:
    """Add one line to a file that only we write, durably; returns where it begins.

    A line that a crash left without its end was never acknowledged, so it is cut off first.

    Raises:
        StoreError: it cannot be written; the file is as before.
    """
    tick(f"append {path.name}")
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            end = whole_lines(descriptor)
            if end == 0:
                settle_mode(descriptor, 0o600)
            os.ftruncate(descriptor, end)
            os.lseek(descriptor, end, os.SEEK_SET)
            try:
                write_all(descriptor, line)
                os.fsync(descriptor)
            except OSError:
                os.ftruncate(descriptor, end)
                raise
            if end == 0:
                sync_directory(path.parent)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise trouble(f"write to {path}", error) from error
    return end


def whole_lines(descriptor: int) -> int:
    """How many bytes of an append-only file are whole lines."""
    end = os.fstat(descriptor).st_size
    while end:
        begin = max(0, end - 65536)
        found = os.pread(descriptor, end - begin, begin).rfind(b"\n")
        if found >= 0:
            return begin + found + 1
        end = begin
    return 0


def rename(place: int, name: str, to_place: int, to_name: str, *, durable: bool = True) -> None:
    """Move a file or a directory within one file system, replacing a file or an empty directory.

    Raises:
        StoreError: it cannot be moved.
        UnreadableJob: one of the names is not the name of one entry.
    """
    require_entry_name(name)
    require_entry_name(to_name)
    tick(f"rename {to_name}")
    try:
        os.rename(name, to_name, src_dir_fd=place, dst_dir_fd=to_place)
    except OSError as error:
        raise trouble(f"put {path_words(to_place, to_name)} in place", error) from error
    if durable:
        _confirm(to_place, to_name)


def _confirm(place: int, name: str) -> None:
    """Make the new name of something durable; that it is in place stands, whatever the disk says now."""
    try:
        os.fsync(place)
    except OSError as error:
        raise trouble(f"make {path_words(place, name)} durable, though it is in place", error) from error


def write_all(descriptor: int, data: bytes | memoryview) -> None:
    """Write all of it, in as many pieces as the system takes."""
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def forget(place: int, temporary: str) -> None:
    """Remove a file that did not become whole."""
    try:
        os.unlink(temporary, dir_fd=place)
    except OSError:
        return  # never created, or the folder is gone; readers take it for litter
