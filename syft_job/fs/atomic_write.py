"""Write files: atomically, and durably where a power cut must not take them back.

Invariants:

1. A reader sees the old content of a name or the new one, never a part of it: content is written under a temporary
   name, synchronised, and renamed.
2. What `write_file`, `create_file` and `append_line` acknowledged with ``durable`` is still there after a power cut:
   the file is synchronised before its name, and the directory after it.
3. An error leaves no partial content under the name that was asked for.
"""

from __future__ import annotations

import os
from pathlib import Path

from .directories import fsync_directory_at
from .entry_names import require_entry_name
from .modes import settle_mode
from .os_errors import describe_path, store_error
from .removal import remove
from .temporary_names import temporary_name
from .write_hook import announce_write

CREATE_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_BLOCK_BYTES = 64 << 10


def write_file(
    dir_fd: int, name: str, data: bytes, *, mode: int = 0o644, durable: bool = True, temporary: str | None = None
) -> None:
    """Write ``data`` as the file ``name`` in an open directory atomically, replacing a file or link of that name.

    Args:
        dir_fd: the open directory.
        name: the name of one entry in it.
        data: the whole content.
        mode: the permission bits; see `modes.settle_mode`.
        durable: synchronise the file and the directory before returning.
        temporary: the temporary name to use, for a directory in which temporary files are never removed, or are
            removed by another program. A file that an interrupted writer left under it is replaced, so there may be
            one writer at a time. By default each call takes a new random name.

    Raises:
        StoreError: the disk is full, read-only or broken; the name still has its earlier content, unless only
            synchronising the directory failed, which the message states.
        UnreadableJob: ``name`` is not the name of one entry.
    """
    require_entry_name(name)
    if temporary is not None:
        remove(dir_fd, temporary)
    temporary = temporary or temporary_name()
    try:
        announce_write(f"create {name}")
        _write_new(dir_fd, temporary, data, mode=mode, durable=durable)
        announce_write(f"rename {name}")
        os.replace(temporary, name, src_dir_fd=dir_fd, dst_dir_fd=dir_fd)
        if durable:
            _fsync_entry(dir_fd, name)
    except OSError as error:
        _unlink_quietly(dir_fd, temporary)
        raise store_error(f"write {describe_path(dir_fd, name)}", error) from error


def create_file(dir_fd: int, name: str, data: bytes, *, mode: int = 0o644, durable: bool = True) -> None:
    """Create the file ``name`` with ``data``; never replace anything.

    It is written under its final name, so use it in a directory that no reader knows yet, or for a file whose mere
    existence is the event (a claim).

    Args:
        dir_fd: the open directory.
        name: the name of one entry in it.
        data: the whole content.
        mode: the permission bits; see `modes.settle_mode`.
        durable: synchronise the file before returning; the directory is left to the caller.

    Raises:
        FileExistsError: the name is taken.
        StoreError: the disk is full, read-only or broken.
        UnreadableJob: ``name`` is not the name of one entry.
    """
    require_entry_name(name)
    announce_write(f"create {name}")
    try:
        _write_new(dir_fd, name, data, mode=mode, durable=durable)
    except FileExistsError:
        raise
    except OSError as error:
        raise store_error(f"write {describe_path(dir_fd, name)}", error) from error


def _write_new(dir_fd: int, name: str, data: bytes, *, mode: int, durable: bool) -> None:
    file = os.open(name, CREATE_FLAGS, mode, dir_fd=dir_fd)
    try:
        settle_mode(file, mode)
        write_all(file, data)
        if durable:
            os.fsync(file)
    finally:
        os.close(file)


def append_line(path: Path, line: bytes) -> int:
    """Append one line durably to a private file, and return the offset in bytes at which it begins.

    An incomplete last line was left by a crash and never acknowledged, so it is cut off first.

    Args:
        path: the file, which is created with mode 0600 if it is missing. Only this user writes to it.
        line: the line, with its newline.

    Raises:
        StoreError: it cannot be written; the file is as before.
    """
    announce_write(f"append {path.name}")
    try:
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            end = complete_lines_size(file)
            if end == 0:
                settle_mode(file, 0o600)
            os.ftruncate(file, end)
            os.lseek(file, end, os.SEEK_SET)
            try:
                write_all(file, line)
                os.fsync(file)
            except OSError:
                os.ftruncate(file, end)
                raise
            if end == 0:
                fsync_directory_at(path.parent)
        finally:
            os.close(file)
    except OSError as error:
        raise store_error(f"write to {path}", error) from error
    return end


def complete_lines_size(file: int) -> int:
    """Return the size in bytes of the complete lines at the start of an open file; an unfinished last line is left out.

    Raises:
        OSError: the file cannot be read.
    """
    end = os.fstat(file).st_size
    while end:
        begin = max(0, end - _BLOCK_BYTES)
        newline = os.pread(file, end - begin, begin).rfind(b"\n")
        if newline >= 0:
            return begin + newline + 1
        end = begin
    return 0


def rename(src_fd: int, name: str, dst_fd: int, new_name: str, *, durable: bool = True) -> None:
    """Move a file or directory within one file system, replacing a file or an empty directory.

    Args:
        src_fd: the open directory that holds it.
        name: its name there.
        dst_fd: the open directory that will hold it.
        new_name: its name there.
        durable: synchronise the target directory before returning.

    Raises:
        StoreError: it cannot be moved.
        UnreadableJob: one of the names is not the name of one entry.
    """
    require_entry_name(name)
    require_entry_name(new_name)
    announce_write(f"rename {new_name}")
    try:
        os.rename(name, new_name, src_dir_fd=src_fd, dst_dir_fd=dst_fd)
    except OSError as error:
        raise store_error(f"put {describe_path(dst_fd, new_name)} in place", error) from error
    if durable:
        _fsync_entry(dst_fd, new_name)


def _fsync_entry(dir_fd: int, name: str) -> None:
    """Make the new name of an entry durable; it stays in place even if this fails.

    Raises:
        StoreError: the directory cannot be synchronised.
    """
    try:
        os.fsync(dir_fd)
    except OSError as error:
        raise store_error(f"make {describe_path(dir_fd, name)} durable, though it is in place", error) from error


def write_all(file: int, data: bytes | memoryview) -> None:
    """Write all of ``data`` to an open file; write(2) may take only a part of it at once.

    Raises:
        OSError: the disk is full, read-only or broken.
    """
    view = memoryview(data)
    while view:
        view = view[os.write(file, view) :]


def _unlink_quietly(dir_fd: int, temporary: str) -> None:
    try:
        os.unlink(temporary, dir_fd=dir_fd)
    except OSError:
        return  # never created, or the folder is gone; readers ignore temporary names
