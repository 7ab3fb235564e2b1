"""The key of a job, (owner, submitter, name), and the path of its directory in the shared folder.

A path only claims whose job it is; it never proves who wrote there. Text and paths only: nothing here touches the disk.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from syft_job.errors import ConfigError, InvalidName, UnreadableJob

from . import names

JOBS = ("app_data", "job")
"""The directory of jobs below a datasite, component by component."""
PUBLIC = ("public", "syft_job")
"""The public directory of syft_job below a datasite, component by component."""
MAX_OWNERS = 10_000
"""How many datasites of other people below the root are read."""


class JobRef(NamedTuple):
    """The key of a job.

    Attributes:
        owner: the address of the datasite's owner.
        submitter: the address of the submitter.
        name: the name of the job.
    """

    owner: str
    submitter: str
    name: str

    @property
    def parts(self) -> tuple[str, ...]:
        """The job directory's path below the root, component by component."""
        return (self.owner, *JOBS, self.submitter, self.name)

    def under(self, root: Path) -> Path:
        """The job directory below ``root``."""
        return root.joinpath(*self.parts)

    def __str__(self) -> str:
        return f"{self.submitter}/{self.name}"


def expand_user(path: str | os.PathLike[str]) -> Path:
    """Return ``path`` with a leading ``~`` or ``~user`` replaced by the user's home directory.

    Raises:
        ConfigError: (a ValueError) there is no such user, or the user has no home directory.
    """
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise ConfigError(f"{os.fspath(path)!r}: this machine knows no home directory for it") from error


def parse_location(root: Path, location: Path) -> JobRef:
    """Return the key of the job whose directory is at ``location``.

    Args:
        root: the shared folder.
        location: the path of a job directory below it.

    Raises:
        UnreadableJob: it is no path of a job directory below ``root``, or one of its names is not allowed.
    """
    try:
        parts = location.relative_to(root).parts
    except ValueError as error:
        raise UnreadableJob(f"{location} is not below {root}") from error
    if len(parts) != 5 or parts[1:3] != JOBS:
        raise UnreadableJob(
            f"{location} is not the path of a job directory, which is {root}/OWNER/app_data/job/SUBMITTER/NAME"
        )
    return require_valid(JobRef(parts[0], parts[3], parts[4]))


def require_valid(job_ref: JobRef) -> JobRef:
    """Return ``job_ref`` if its three names are in the normal form in which syft_job writes them.

    Raises:
        UnreadableJob: one of them is not.
    """
    for person in (job_ref.owner, job_ref.submitter):
        if not names.is_address(person):
            raise UnreadableJob(f"the folder name {person!r} is not an e-mail address in lower case")
    try:
        normal = names.normalize_job_name(job_ref.name)
    except InvalidName as error:
        raise UnreadableJob(str(error)) from error
    if normal != job_ref.name:
        raise UnreadableJob(f"the job's folder name {job_ref.name!r} is not in Unicode normal form C")
    return job_ref
