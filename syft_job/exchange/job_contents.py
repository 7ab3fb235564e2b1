"""What lies in a job directory beside its manifest: what moved, what is not listed, and the files of the older layout.

It looks at names, kinds, sizes and, for the older layout, contents; it follows no link. What the files mean for the
job's state is decided elsewhere; whether the listed ones have arrived is the business of `arrival`.
"""

from __future__ import annotations

import os
import stat
import time

from syft_job import fs
from syft_job.errors import InvalidName, UnreadableJob
from syft_job.format.manifest import CONFIG, RUN, FileEntry, JobSpec, SubmissionLimits
from syft_job.format.markers import OWNERS_NAMES, WITHDRAWN
from syft_job.model import names
from syft_job.model.names import InnerPath
from syft_job.model.quoting import quoted

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
Trace = tuple[tuple[str, int, int, int, int], ...]
"""Of everything in a job directory: path, mtime and ctime in nanoseconds, inode, size."""
_TRACED_AT_MOST = 64
_BESIDE_AT_MOST = 1000
"""How many entries beside the listed ones a folder may hold before the listed ones are looked for one by one."""
_DIGESTS_AT_MOST = 2000
_CHECKED_EVERY = 256


class NotHashed(UnreadableJob):
    """The files of a job of the older layout have not been hashed yet."""


class FileDigests:
    """The digests of files of the older layout, for lists: each file is hashed once per change.

    Never for a decision: what a review, an approval or a copy is about is hashed each time. Holds the digests of at
    most 2,000 files; the oldest are forgotten first.

    Args:
        settles: seconds for which a file must not have changed before its times tell a later change.
    """

    def __init__(self, settles: float) -> None:
        self._settles = settles
        self._known: dict[tuple[int, int, int, int], FileEntry] = {}
        self._left = 0

    def allow(self, size: int) -> None:
        """Allow so many bytes to be hashed from now on; what was left of an earlier allowance ends."""
        self._left = size

    def entry(self, directory: int, name: str, status: os.stat_result) -> FileEntry:
        """The size and digest of a plain file, remembered or hashed now.

        Raises:
            NotHashed: hashing it would take more than is allowed.
        """
        key = (status.st_ino, status.st_ctime_ns, status.st_mtime_ns, status.st_size)
        known = self._known.get(key)
        if known is not None:
            return known
        if status.st_size > self._left:
            raise NotHashed(f"{quoted(name)} of {status.st_size} bytes is more than may be hashed now")
        self._left -= status.st_size
        before = time.time()
        entry = FileEntry(*fs.hash_file(directory, name, max_bytes=status.st_size))
        if before - max(status.st_mtime, status.st_ctime) > self._settles:
            while len(self._known) >= _DIGESTS_AT_MOST:
                del self._known[next(iter(self._known))]
            self._known[key] = entry
        return entry


def is_ruin(job: int) -> bool:
    """Whether an open directory is no job, as nothing is in it but empty files, empty folders and a sync tool's own.

    A tool that carries no empty files does not carry their removal either, so they stay where all else was removed.
    """
    try:
        return all(_is_nothing(entry) for entry in fs.walk(job, max_entries=_TRACED_AT_MOST))
    except UnreadableJob:
        return False  # that much is no remainder


def trace(parent: int, name: str, *, settled: float | None = None) -> Trace | None:
    """What tells whether anything in the job directory ``name`` of the open folder ``parent`` moved; reads no file.

    None where it is no directory, holds too much, or something in it moved after ``settled`` (seconds since 1970).
    """
    found: list[tuple[str, int, int, int, int]] = []
    try:
        if not _trace(parent, name, found):
            return None
    except OSError:
        return None
    if settled is not None and max(max(entry[1:3]) for entry in found) >= settled * 1e9:
        return None
    return tuple(found)


def _trace(parent: int, name: str, found: list[tuple[str, int, int, int, int]]) -> bool:
    """Add everything in the directory to ``found``; returns False as soon as it is more than is traced."""
    ahead = [(os.open(name, _DIRECTORY, dir_fd=parent), "")]
    try:
        while ahead:
            opened, inside = ahead.pop()
            try:
                status = os.fstat(opened)
                found.append((inside, status.st_mtime_ns, status.st_ctime_ns, status.st_ino, 0))
                try:
                    inner_names = sorted(fs.list_names(opened, limit=_TRACED_AT_MOST - len(found)))
                except UnreadableJob:
                    return False
                for inner in inner_names:
                    status = os.stat(inner, dir_fd=opened, follow_symlinks=False)
                    if stat.S_ISDIR(status.st_mode):
                        ahead.append((os.open(inner, _DIRECTORY, dir_fd=opened), f"{inside}{inner}/"))
                    else:
                        found.append(
                            (inside + inner, status.st_mtime_ns, status.st_ctime_ns, status.st_ino, status.st_size)
                        )
                if len(found) + len(ahead) > _TRACED_AT_MOST:
                    return False
            finally:
                os.close(opened)
    finally:
        for opened, _ in ahead:
            os.close(opened)
    return True


def older_files(job: int, limits: SubmissionLimits, digests: FileDigests | None = None) -> dict[InnerPath, FileEntry]:
    """Hash all plain files of a directory of the older layout that are not the owner's.

    Args:
        job: the open directory.
        limits: what is accepted.
        digests: for a list only, what is remembered of files that did not change.

    Raises:
        NotHashed: they are more than ``digests`` may hash now.
        UnreadableJob: something there is no plain file, or there is more than ``limits`` allow.
    """
    files: dict[InnerPath, FileEntry] = {}
    left = limits.total_bytes
    for entry in fs.walk(job, max_entries=limits.files * 2):
        top = entry.path.partition("/")[0]
        if top in OWNERS_NAMES or _is_litter(entry.path):
            continue
        if entry.is_dir:
            continue
        if len(files) % _CHECKED_EVERY == _CHECKED_EVERY - 1:
            fs.check_interrupted()  # empty files hold no chunk to check at; a small job is read to its end
        try:
            path = names.normalize_inner_path(entry.path)
        except InvalidName as error:
            raise UnreadableJob(str(error)) from error
        if path != entry.path or not entry.is_file:
            raise UnreadableJob(f"{entry.path!r} is {fs.describe_type(entry.stat)}, not a plain file")
        folder, _, name = path.rpartition("/")
        with fs.open_directory(job, *(folder.split("/") if folder else ())) as inner:
            if digests is not None and entry.stat.st_size <= left:
                files[path] = digests.entry(inner, name, entry.stat)
            else:
                files[path] = FileEntry(*fs.hash_file(inner, name, max_bytes=left))
        left -= files[path].size
        if len(files) > limits.files:
            raise UnreadableJob(f"there are more than {limits.files} files")
    if both := names.find_collision(files):
        raise UnreadableJob(f"{both[0]!r} and {both[1]!r} are one file on some machines")
    return files


def unlisted(job: int, asked: JobSpec, limits: SubmissionLimits) -> list[str]:
    """What lies in the submitter's part of a job directory without being part of the submission."""
    listed = set(asked.files) | {CONFIG, WITHDRAWN}
    found = []
    for entry in fs.walk(job, max_entries=limits.files * 4):
        if entry.path.partition("/")[0] in OWNERS_NAMES or entry.is_dir or entry.path in listed:
            continue
        if not _is_litter(entry.path):
            found.append(entry.path)
    return found


def _is_nothing(entry: fs.Entry) -> bool:
    is_empty = entry.is_file and entry.stat.st_size == 0 and entry.path not in (CONFIG, RUN)
    return entry.is_dir or is_empty or _is_litter(entry.path)


def _is_litter(path: str) -> bool:
    """Whether a path is a sync tool's, or lies in a folder that is."""
    return any(names.is_sync_artefact(part) for part in path.split("/"))
