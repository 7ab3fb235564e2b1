"""An opened job directory: its descriptor, the names in it and the bytes of its manifest, none of them interpreted.

No link is followed, nothing blocks, and no more names or bytes are read than the limits allow.
"""

from __future__ import annotations

import os
import time

from syft_job import fs
from syft_job.errors import UnreadableJob
from syft_job.format.manifest import CONFIG, RUN
from syft_job.format.markers import OWNERS_NAMES, WITHDRAWN
from syft_job.model.job_record import Stamp
from syft_job.model.job_ref import JobRef

from .job_contents import is_remainder
from .participant import Participant

_DIRECTORY_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
_EMPTY_BEGINNINGS = (b"", b"\0")
_MAX_OTHER_ENTRIES = 1000
"""How many entries a job's directory may hold beside as many files as are accepted."""
_DECIDING_NAMES = frozenset({*OWNERS_NAMES, CONFIG, WITHDRAWN, RUN})


class JobDirectory:
    """A job directory that is open; the caller who opened it closes ``fd``.

    Attributes:
        ref: which job.
        fd: the descriptor of the directory.
        names: the names in it; of a directory with too many, those that decide about the job.
        config: the bytes of `config.yaml`; None where it has not arrived.
        problem: why names or manifest could not be read; empty where they could.
        opened_ns: when it was opened, in nanoseconds since 1970.
        stamp: its stamp, if it has not changed for long enough that a later change moves the stamp; else None.
    """

    __slots__ = ("config", "fd", "names", "opened_ns", "problem", "ref", "stamp")

    def __init__(self, ref: JobRef, fd: int, opened_ns: int) -> None:
        self.ref = ref
        self.fd = fd
        self.opened_ns = opened_ns
        self.names: frozenset[str] = frozenset()
        self.config: bytes | None = None
        self.problem = ""
        self.stamp: Stamp | None = None

    def read(self, participant: Participant) -> None:
        """Read the names and the manifest.

        Raises:
            FileNotFoundError: it holds no job.
            OSError, StoreError: the disk does not return it.
        """
        fd, limits = self.fd, participant.limits
        status = os.fstat(fd)
        try:
            size = status.st_size if participant.has_sized_directories else None
            self.names = frozenset(fs.list_names(fd, limit=limits.files + _MAX_OTHER_ENTRIES, size=size))
        except UnreadableJob as error:
            # Decisions about such a job stay in force, so the names that decide are looked for one by one.
            self.names = frozenset(name for name in _DECIDING_NAMES if fs.stat_entry(fd, name) is not None)
            self.problem = f"the job's folder cannot be read to its end: {error}"
        if CONFIG not in self.names and is_remainder(fd):
            raise FileNotFoundError(f"'{self.ref.name}' is a folder without a job in it")
        if self.opened_ns - status.st_mtime_ns > participant.settles * 1e9:
            self.stamp = Stamp(status.st_mtime_ns, status.st_ctime_ns, status.st_ino)
        try:
            config = fs.read_file(fd, CONFIG, limit=limits.config_bytes)
        except UnreadableJob as error:
            self.config, self.problem = b"", str(error)
            return
        if config is not None and config[:1] in _EMPTY_BEGINNINGS and not config.strip(b"\0"):
            return  # only its name is here, or a placeholder; the content is still to arrive
        self.config = config


def open_job(parent_fd: int, ref: JobRef, participant: Participant) -> JobDirectory:
    """Open the directory ``ref.name`` in the open submitter's folder ``parent_fd`` and read its names and manifest.

    Raises:
        FileNotFoundError: there is no such directory, or no job in it.
        UnreadableJob: it is no directory.
        OSError, StoreError: the disk does not return it.
    """
    opened_ns = time.time_ns()
    try:
        fd = os.open(ref.name, _DIRECTORY_FLAGS, dir_fd=parent_fd)
    except FileNotFoundError:
        raise
    except OSError as error:
        status = fs.stat_entry(parent_fd, ref.name)
        kind = fs.describe_type(status) if status is not None else "gone"
        raise UnreadableJob(f"the job's folder is {kind} and cannot be opened as a folder") from error
    directory = JobDirectory(ref, fd, opened_ns)
    try:
        directory.read(participant)
    except BaseException:
        os.close(fd)
        raise
    return directory
