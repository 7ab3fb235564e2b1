"""The files that a submission consists of, compared with those in the folder: by content, and by their stamps."""

from __future__ import annotations

import os
from pathlib import Path

from syft_job import fs
from syft_job.errors import UnreadableJob
from syft_job.format.manifest import SubmissionLimits, files_digest

from .job_snapshot import JobSnapshot
from .legacy_layout import hash_files

ListedStamps = dict[str, tuple[int, ...] | None]
"""For each listed file what changes with its content: inode, size, mtime and ctime; None where it is not there."""


def hashes_match(snapshot: JobSnapshot, root: Path) -> list[str]:
    """The listed files that are not here as submitted, each with the reason."""
    if snapshot.spec is None:
        return [snapshot.record.problem or "config.yaml is missing"]
    differences = []
    for path, entry in snapshot.spec.files.items():
        *inside, name = path.split("/")
        try:
            with fs.open_directory(root, *snapshot.record.place.parts, *inside) as folder_fd:
                if tuple(fs.hash_file(folder_fd, name, max_bytes=entry.size)) != tuple(entry):
                    differences.append(f"{path}: its content is not what was submitted")
        except FileNotFoundError:
            differences += [f"{path}: it has not arrived"] if entry.size else []
        except UnreadableJob as error:
            differences.append(f"{path}: {error}")
    return differences


def is_same_file_set(snapshot: JobSnapshot, job_fd: int, limits: SubmissionLimits) -> bool:
    """Return True if no other files than those of the snapshot can belong to the submission now.

    Where the manifest lists the files, other ones never do. Where it does not, the files are hashed again.

    Raises:
        UnreadableJob: a file there cannot be part of a job.
    """
    record = snapshot.record
    return record.layout.lists_files or files_digest(hash_files(job_fd, limits)) == record.digest


def stamps_of(snapshot: JobSnapshot, root: Path) -> ListedStamps:
    """The stamps of the listed files now: equal ones before and after a check show that no content changed between."""
    if snapshot.spec is None:
        return {}
    stamps: ListedStamps = {}
    by_folder: dict[tuple[str, ...], list[str]] = {}
    for path in snapshot.spec.files:
        *inside, name = path.split("/")
        by_folder.setdefault(tuple(inside), []).append(name)
    for folder, names in by_folder.items():
        try:
            with fs.open_directory(root, *snapshot.record.place.parts, *folder) as folder_fd:
                statuses = {name: fs.stat_entry(folder_fd, name) for name in names}
        except (FileNotFoundError, UnreadableJob):
            statuses = dict.fromkeys(names)
        for name, status in statuses.items():
            stamps["/".join((*folder, name))] = None if status is None else _stamp(status)
    return stamps


def _stamp(status: os.stat_result) -> tuple[int, ...]:
    return (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
