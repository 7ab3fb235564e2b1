"""The files that a manifest lists, held against those in the folder: by content, and by their stamps."""

from __future__ import annotations

import os
from pathlib import Path

from syft_job import fs
from syft_job.errors import UnreadableJob

from .job_reader import JobSnapshot

ListedStamps = dict[str, tuple[int, ...] | None]
"""For each listed file what changes with its content: inode, size, mtime and ctime; None where it is not there."""


def hashes_match(look: JobSnapshot, root: Path) -> list[str]:
    """The listed files that are not here as submitted, each with the reason."""
    if look.spec is None:
        return [look.record.problem or "config.yaml is missing"]
    wrong = []
    for path, entry in look.spec.files.items():
        *inside, name = path.split("/")
        try:
            with fs.open_directory(root, *look.record.place.parts, *inside) as opened:
                if tuple(fs.hash_file(opened, name, max_bytes=entry.size)) != tuple(entry):
                    wrong.append(f"{path}: its content is not what was submitted")
        except FileNotFoundError:
            wrong += [f"{path}: it has not arrived"] if entry.size else []
        except UnreadableJob as error:
            wrong.append(f"{path}: {error}")
    return wrong


def stamps_of(look: JobSnapshot, root: Path) -> ListedStamps:
    """The stamps of the listed files now: equal ones before and after a check show that no content changed between."""
    if look.spec is None:
        return {}
    stamps: ListedStamps = {}
    by_folder: dict[tuple[str, ...], list[str]] = {}
    for path in look.spec.files:
        *inside, name = path.split("/")
        by_folder.setdefault(tuple(inside), []).append(name)
    for inside_parts, names in by_folder.items():
        try:
            with fs.open_directory(root, *look.record.place.parts, *inside_parts) as opened:
                found = {name: fs.stat_entry(opened, name) for name in names}
        except (FileNotFoundError, UnreadableJob):
            found = dict.fromkeys(names)
        for name, status in found.items():
            stamps["/".join((*inside_parts, name))] = None if status is None else _stamp(status)
    return stamps


def _stamp(status: os.stat_result) -> tuple[int, ...]:
    return (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
