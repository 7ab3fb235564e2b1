"""Which listed files of a job have arrived, and what is known of those that have not.

A file counts as arrived if it is a plain file with the listed size whose content is on this disk. A file that a cloud
client shows and has not downloaded ("online-only", a placeholder) has the listed size and no content; it has not
arrived. Contents are not hashed here. The cost is one `stat` for each listed file; directories are listed only to
explain what is missing, for a few files, and at most `MAX_ENTRIES` names of each.
"""

from __future__ import annotations

import hashlib
import os
import stat
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from itertools import islice
from typing import Final, NamedTuple

from syft_job import fs
from syft_job.errors import UnreadableJob
from syft_job.format.manifest import FileEntry
from syft_job.model.names import InnerPath

MAX_NAMED: Final = 3
"""How many of the missing files are named."""
MAX_ENTRIES: Final = 1000
"""How many names of a directory are compared with that of a missing file."""
MAX_HOLE_CHECKS: Final = 256
"""How many files without blocks are opened for each job; one placeholder among them is enough to wait for."""
MAX_ZERO_BYTES: Final = 1 << 20
MAX_ZERO_CHECKS: Final = 16
"""How many sparse files of one job are compared with zeros: at most 16 MiB are hashed."""
_DATALESS: Final = 0x40000000
"""``SF_DATALESS`` of macOS: the content of the file is in the cloud."""


class Arrival(NamedTuple):
    """The number of listed files that are here, and a clause about each of the first ones that are not."""

    have: int
    missing: tuple[str, ...]


class _Checks:
    """The remaining expensive checks that one read of a job may make."""

    def __init__(self) -> None:
        self.holes = iter(range(MAX_HOLE_CHECKS))
        self.zeros = iter(range(MAX_ZERO_CHECKS))


class _Gap(NamedTuple):
    folder: str
    name: str
    status: os.stat_result | None
    listed: int

    @property
    def path(self) -> str:
        return f"{self.folder}/{self.name}" if self.folder else self.name


def check(job_fd: int, files: Mapping[InnerPath, FileEntry]) -> Arrival:
    """Count the listed files that are here; an empty one may have been dropped by the transport.

    Args:
        job_fd: the open job directory.
        files: the listed files by their path.

    Raises:
        UnreadableJob: one of them is no plain file.
    """
    by_folder: dict[str, list[tuple[str, FileEntry]]] = {}
    for path, entry in files.items():
        folder, _, name = path.rpartition("/")
        by_folder.setdefault(folder, []).append((name, entry))
    checks = _Checks()
    gaps: list[_Gap] = []
    missing = 0
    for folder, entries in by_folder.items():
        for gap in _gaps(job_fd, folder, entries, checks):
            missing += 1
            if len(gaps) < MAX_NAMED:
                gaps.append(gap)
    clauses = [_explain(job_fd, gap) for gap in gaps]
    if missing > len(gaps):
        clauses.append(f"{missing - len(gaps)} more are not here")
    return Arrival(len(files) - missing, tuple(clauses))


def _gaps(job_fd: int, folder: str, entries: Iterable[tuple[str, FileEntry]], checks: _Checks) -> Iterator[_Gap]:
    try:
        with fs.open_directory(job_fd, *(folder.split("/") if folder else ())) as opened:
            for name, entry in entries:
                status = fs.stat_entry(opened, name)
                if status is None:
                    is_here = entry.size == 0
                elif not stat.S_ISREG(status.st_mode):
                    path = f"{folder}/{name}" if folder else name
                    raise UnreadableJob(f"{path!r} is {fs.describe_type(status)}, not a plain file")
                else:
                    is_here = status.st_size == entry.size and not _is_placeholder(opened, name, entry, status, checks)
                if not is_here:
                    yield _Gap(folder, name, status, entry.size)
    except FileNotFoundError:
        yield from (_Gap(folder, name, None, entry.size) for name, entry in entries if entry.size)


def _is_placeholder(opened: int, name: str, entry: FileEntry, status: os.stat_result, checks: _Checks) -> bool:
    """Return True if the file has a size and no content on this disk.

    On Linux that is a file that occupies no blocks and is one hole from its beginning to its end. Some sync tools
    write zeros as holes, so a file that is listed with the hash of that many zeros is no placeholder; files above
    `MAX_ZERO_BYTES` are not compared.
    """
    if getattr(status, "st_flags", 0) & _DATALESS:
        return True
    if status.st_size == 0 or status.st_blocks != 0 or next(checks.holes, None) is None:
        return False
    if not fs.is_hole(opened, name):
        return False
    is_compared = entry.size <= MAX_ZERO_BYTES and next(checks.zeros, None) is not None
    return not (is_compared and _hash_of_zeros(entry.size) == entry.sha256)


@lru_cache(maxsize=64)
def _hash_of_zeros(size: int) -> str:
    return hashlib.sha256(bytes(size)).hexdigest()


def _explain(job_fd: int, gap: _Gap) -> str:
    if gap.status is not None and gap.status.st_size == gap.listed:
        return f"{gap.path!r} is not downloaded yet: only a placeholder of the cloud client is here"
    if gap.status is not None and gap.status.st_size == 0:
        return f"{gap.path!r} is empty so far, and {gap.listed} bytes are listed"
    if gap.status is not None:
        return f"{gap.path!r} has {gap.status.st_size} of {gap.listed} bytes"
    try:
        with fs.open_directory(job_fd, *(gap.folder.split("/") if gap.folder else ())) as opened:
            return _explain_missing(opened, gap)
    except (FileNotFoundError, UnreadableJob):
        return f"{gap.path!r} is not here"


def _explain_missing(opened: int, gap: _Gap) -> str:
    if fs.stat_entry(opened, f".{gap.name}.icloud") is not None:
        return f"{gap.path!r} is not downloaded yet: only its iCloud placeholder is here"
    if gap.name.isascii():
        return f"{gap.path!r} is not here"  # it has no other Unicode form
    with fs.translate_os_errors(f"list the folder of {gap.path!r}"), os.scandir(opened) as entries:
        for entry in islice(entries, MAX_ENTRIES):
            # Normalisation is quadratic in the worst case, and names of the kernel have at most 255 bytes.
            if entry.name != gap.name and unicodedata.normalize("NFC", entry.name) == gap.name:
                return (
                    f"{gap.path!r} is not here, but its twin in another Unicode form is: something on the way renamed"
                    f" it. Rename {entry.name!a} to {gap.name!a}"
                )
    return f"{gap.path!r} is not here"
