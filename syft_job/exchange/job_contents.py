"""The entries of a job directory beside its manifest: what changed, what is not listed, and whether it holds a job.

Names, kinds, sizes and times are looked at, never contents; no link is followed. Whether the listed files have arrived
is decided by `arrival`.
"""

from __future__ import annotations

import os
import stat

from syft_job import fs
from syft_job.errors import UnreadableJob
from syft_job.format.manifest import CONFIG, RUN, JobSpec, SubmissionLimits
from syft_job.format.markers import OWNERS_NAMES, WITHDRAWN
from syft_job.model import names

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
Trace = tuple[tuple[str, int, int, int, int], ...]
"""Of everything in a job directory: path, mtime and ctime in nanoseconds, inode, size."""
_MAX_TRACED = 64


def is_remainder(job_fd: int) -> bool:
    """Return True if the open directory is no job: it holds only empty files, empty folders and files of sync tools.

    A tool that transports no empty files does not transport their removal either, so they stay where a job was removed.
    """
    try:
        return all(_is_negligible(entry) for entry in fs.walk(job_fd, max_entries=_MAX_TRACED))
    except UnreadableJob:
        return False  # a remainder does not hold that much


def trace(parent_fd: int, name: str, *, settled: float | None = None) -> Trace | None:
    """The stamps of everything in the job directory ``name`` of the open folder ``parent_fd``; no file is read.

    None where it is no directory, holds too much, or something in it changed after ``settled`` (seconds since 1970).
    """
    entries: list[tuple[str, int, int, int, int]] = []
    try:
        if not _trace(parent_fd, name, entries):
            return None
    except OSError:
        return None
    if settled is not None and max(max(entry[1:3]) for entry in entries) >= settled * 1e9:
        return None
    return tuple(entries)


def _trace(parent_fd: int, name: str, traced: list[tuple[str, int, int, int, int]]) -> bool:
    """Add everything in the directory to ``traced``; returns False as soon as it is more than is traced."""
    ahead = [(os.open(name, _DIRECTORY, dir_fd=parent_fd), "")]
    try:
        while ahead:
            opened, inside = ahead.pop()
            try:
                status = os.fstat(opened)
                traced.append((inside, status.st_mtime_ns, status.st_ctime_ns, status.st_ino, 0))
                try:
                    inner_names = sorted(fs.list_names(opened, limit=_MAX_TRACED - len(traced)))
                except UnreadableJob:
                    return False
                for inner in inner_names:
                    status = os.stat(inner, dir_fd=opened, follow_symlinks=False)
                    if stat.S_ISDIR(status.st_mode):
                        ahead.append((os.open(inner, _DIRECTORY, dir_fd=opened), f"{inside}{inner}/"))
                    else:
                        traced.append(
                            (inside + inner, status.st_mtime_ns, status.st_ctime_ns, status.st_ino, status.st_size)
                        )
                if len(traced) + len(ahead) > _MAX_TRACED:
                    return False
            finally:
                os.close(opened)
    finally:
        for opened, _ in ahead:
            os.close(opened)
    return True


def unlisted(job_fd: int, spec: JobSpec, limits: SubmissionLimits) -> list[str]:
    """The paths in the submitter's part of a job directory that are not part of the submission."""
    listed = set(spec.files) | {CONFIG, WITHDRAWN}
    paths = []
    for entry in fs.walk(job_fd, max_entries=limits.files * 4):
        if entry.path.partition("/")[0] in OWNERS_NAMES or entry.is_dir or entry.path in listed:
            continue
        if not is_litter_path(entry.path):
            paths.append(entry.path)
    return paths


def is_litter_path(path: str) -> bool:
    """Return True if the path is a file of a sync tool, or is in a folder of one."""
    return any(names.is_sync_artefact(part) for part in path.split("/"))


def _is_negligible(entry: fs.Entry) -> bool:
    is_empty = entry.is_file and entry.stat.st_size == 0 and entry.path not in (CONFIG, RUN)
    return entry.is_dir or is_empty or is_litter_path(entry.path)
