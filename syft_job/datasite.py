"""The permission file of a datasite: written once by its owner, and replaced where an earlier release wrote it."""

from __future__ import annotations

from pathlib import Path

from . import acl, disk
from .place import JOBS


def publish_rules(jobs: int) -> None:
    """Write the permission file into the open folder of jobs, unless it is there already.

    Raises:
        StoreError: the folder cannot be written.
    """
    if disk.read(jobs, acl.FILE_NAME, limit=acl.FILE_BYTES) != acl.datasite_rules():
        disk.put(jobs, acl.FILE_NAME, acl.datasite_rules())


def upgrade_rules(root: Path, owner: str) -> bool:
    """Replace the permission file where it is exactly what an earlier release wrote; anything else is left alone.

    Returns:
        Whether it was replaced.

    Raises:
        FileNotFoundError: there is no folder of jobs.
        UnreadableJob: the permission file is no plain file, or too large.
        StoreError: the folder cannot be read or written.
    """
    with disk.directory(root, owner, *JOBS) as jobs:
        rules = disk.read(jobs, acl.FILE_NAME, limit=acl.FILE_BYTES)
        if rules is None or not acl.is_earlier_datasite_rules(rules):
            return False
        disk.put(jobs, acl.FILE_NAME, acl.datasite_rules())
        return True
