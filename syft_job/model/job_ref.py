"""Where a job lies, and what that says: root, owner, submitter, name.

The place is the claim, not the proof: it says whose place it is, never who wrote there. Pure text and paths; nothing
here touches the disk.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from syft_job.errors import ConfigError, InvalidName, UnreadableJob

from . import names

JOBS = ("app_data", "job")
PUBLIC = ("public", "syft_job")
MAX_OWNERS = 10_000
"""How many datasites below the root are looked at, beside one's own."""


class JobRef(NamedTuple):
    """The three names that make a job's place below the root."""

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
    """``path`` with the home directory in the place of a leading ``~`` or ``~user``.

    Raises:
        ConfigError: (a ValueError) there is no such user, or the user has no home directory.
    """
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise ConfigError(f"{os.fspath(path)!r}: this machine knows no home directory for it") from error


def place_of(root: Path, location: Path) -> JobRef:
    """Read owner, submitter and name off a job directory's path.

    Raises:
        UnreadableJob: the path is no job's place below ``root``, or one of its names is not allowed.
    """
    try:
        parts = location.relative_to(root).parts
    except ValueError as error:
        raise UnreadableJob(f"{location} does not lie below {root}") from error
    if len(parts) != 5 or parts[1:3] != JOBS:
        raise UnreadableJob(f"{location} is no job's place: that is {root}/OWNER/app_data/job/SUBMITTER/NAME")
    return checked(JobRef(parts[0], parts[3], parts[4]))


def checked(place: JobRef) -> JobRef:
    """Return ``place`` if its three names are such as syft_job writes.

    Raises:
        UnreadableJob: one of them is not.
    """
    for person in (place.owner, place.submitter):
        if not names.is_address(person):
            raise UnreadableJob(f"the folder name {person!r} is not an e-mail address in lower case")
    try:
        normal = names.job_name(place.name)
    except InvalidName as error:
        raise UnreadableJob(str(error)) from error
    if normal != place.name:
        raise UnreadableJob(f"the job's folder name {place.name!r} is not in Unicode normal form C")
    return place
