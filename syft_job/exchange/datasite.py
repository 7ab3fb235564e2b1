"""The permission file of a datasite: written once by its owner, and replaced where an earlier release wrote it."""

from __future__ import annotations

from pathlib import Path

from syft_job import fs
from syft_job.format import permissions
from syft_job.model.job_ref import JOBS


def publish_rules(jobs: int) -> None:
    """Write the permission file into the open folder of jobs, unless it is there already.

    Raises:
        StoreError: the folder cannot be written.
    """
    if fs.read_file(jobs, permissions.FILE_NAME, limit=permissions.MAX_FILE_BYTES) != permissions.datasite_rules():
        fs.write_file(jobs, permissions.FILE_NAME, permissions.datasite_rules())


def upgrade_rules(root: Path, owner: str) -> bool:
    """Replace the permission file where it is exactly what an earlier release wrote; anything else is left alone.

    Returns:
        Whether it was replaced.

    Raises:
        FileNotFoundError: there is no folder of jobs.
        UnreadableJob: the permission file is no plain file, or too large.
        StoreError: the folder cannot be read or written.
    """
    with fs.open_directory(root, owner, *JOBS) as jobs:
        rules = fs.read_file(jobs, permissions.FILE_NAME, limit=permissions.MAX_FILE_BYTES)
        if rules is None or not permissions.is_earlier_datasite_rules(rules):
            return False
        fs.write_file(jobs, permissions.FILE_NAME, permissions.datasite_rules())
        return True
