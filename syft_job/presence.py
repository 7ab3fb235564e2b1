"""Which files of a job are here: whole, on their way, or something else than files.

It looks at names, kinds, sizes and, for the older layout, contents; it follows no link. What the files mean for the
job's state is decided elsewhere.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping

from . import disk, names
from .errors import InvalidName, UnreadableJob
from .markers import OWNERS_NAMES, WITHDRAWN
from .names import InnerPath
from .spec import CONFIG, RUN, FileEntry, JobSpec, Limits

Trace = tuple[tuple[str, int, int, int, int], ...]
"""Of everything in a job directory: path, mtime and ctime in nanoseconds, inode, size."""
_TRACED_AT_MOST = 64


def arrived(job: int, files: Mapping[InnerPath, FileEntry]) -> int:
    """How many of the listed files are here with their size; an empty one may have been dropped on the way.

    Raises:
        UnreadableJob: one of them is no plain file.
    """
    have = 0
    folders: dict[str, dict[str, os.stat_result]] = {}
    for path, entry in files.items():
        folder, _, name = path.rpartition("/")
        if folder not in folders:
            folders[folder] = _stats(job, folder)
        found = folders[folder].get(name)
        if found is None:
            have += entry.size == 0
        elif not stat.S_ISREG(found.st_mode):
            raise UnreadableJob(f"{path!r} is {disk.kind_of(found)}, not a plain file")
        else:
            have += found.st_size == entry.size
    return have


def is_ruin(job: int) -> bool:
    """Whether an open directory is no job, as nothing is in it but empty files, empty folders and a sync tool's own.

    A tool that carries no empty files does not carry their removal either, so they stay where all else was removed.
    """
    try:
        return all(_is_nothing(entry) for entry in disk.walk(job, most=_TRACED_AT_MOST))
    except UnreadableJob:
        return False  # that much is no remainder


def trace(parent: int, name: str, *, settled: float | None = None) -> Trace | None:
    """What tells whether anything in the job directory ``name`` of the open folder ``parent`` moved; reads no file.

    None where it is no directory, holds too much, or something in it moved after ``settled`` (seconds since 1970).
    """
    found: list[tuple[str, int, int, int, int]] = []
    try:
        _trace(parent, name, "", found)
    except OSError:
        return None
    newest = max(max(entry[1:3]) for entry in found)
    if len(found) > _TRACED_AT_MOST or (settled is not None and newest >= settled * 1e9):
        return None
    return tuple(found)


def _trace(parent: int, name: str, inside: str, found: list[tuple[str, int, int, int, int]]) -> None:
    opened = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
    try:
        status = os.fstat(opened)
        found.append((inside, status.st_mtime_ns, status.st_ctime_ns, status.st_ino, 0))
        for inner in sorted(os.listdir(opened)):
            status = os.stat(inner, dir_fd=opened, follow_symlinks=False)
            if stat.S_ISDIR(status.st_mode):
                _trace(opened, inner, f"{inside}{inner}/", found)
            else:
                found.append((inside + inner, status.st_mtime_ns, status.st_ctime_ns, status.st_ino, status.st_size))
            if len(found) > _TRACED_AT_MOST:
                return
    finally:
        os.close(opened)


def older_files(job: int, limits: Limits) -> dict[InnerPath, FileEntry]:
    """Hash all plain files of a directory of the older layout that are not the owner's.

    Raises:
        UnreadableJob: something there is no plain file, or there is more than ``limits`` allow.
    """
    files: dict[InnerPath, FileEntry] = {}
    left = limits.total_bytes
    for entry in disk.walk(job, most=limits.files * 2):
        top = entry.path.partition("/")[0]
        if top in OWNERS_NAMES or _is_litter(entry.path):
            continue
        if entry.is_dir:
            continue
        try:
            path = names.inner_path(entry.path)
        except InvalidName as error:
            raise UnreadableJob(str(error)) from error
        if path != entry.path or not entry.is_file:
            raise UnreadableJob(f"{entry.path!r} is {disk.kind_of(entry.stat)}, not a plain file")
        folder, _, name = path.rpartition("/")
        with disk.directory(job, *(folder.split("/") if folder else ())) as inner:
            copied = disk.hash_file(inner, name, most=left)
        files[path] = FileEntry(copied.size, copied.sha256)
        left -= copied.size
        if len(files) > limits.files:
            raise UnreadableJob(f"there are more than {limits.files} files")
    if both := names.first_collision(files):
        raise UnreadableJob(f"{both[0]!r} and {both[1]!r} are one file on some machines")
    return files


def unlisted(job: int, asked: JobSpec, limits: Limits) -> list[str]:
    """What lies in the submitter's part of a job directory without being part of the submission."""
    listed = set(asked.files) | {CONFIG, WITHDRAWN}
    found = []
    for entry in disk.walk(job, most=limits.files * 4):
        if entry.path.partition("/")[0] in OWNERS_NAMES or entry.is_dir or entry.path in listed:
            continue
        if not _is_litter(entry.path):
            found.append(entry.path)
    return found


def _is_nothing(entry: disk.Entry) -> bool:
    is_empty = entry.is_file and entry.stat.st_size == 0 and entry.path not in (CONFIG, RUN)
    return entry.is_dir or is_empty or _is_litter(entry.path)


def _is_litter(path: str) -> bool:
    """Whether a path is a sync tool's, or lies in a folder that is."""
    return any(names.is_litter(part) for part in path.split("/"))


def _stats(job: int, folder: str) -> dict[str, os.stat_result]:
    try:
        with disk.directory(job, *(folder.split("/") if folder else ())) as inner:
            return {name: found for name in os.listdir(inner) if (found := disk.look(inner, name)) is not None}
    except FileNotFoundError:
        return {}
