"""Staged results: copied under a temporary name while no lock is held, renamed into place under the lock.

A `StagedDirectory` is held (`fs.mark_in_use`) until it is closed, so that no other process takes it for an abandoned
one; if its process is killed, the next `fs.remove_temporaries` removes it. Nothing reads a staged directory under its
temporary name, and in the shared folder other users cannot open it. There it is made beside the submitters' folders,
where the datasite's rule file grants nothing: in the job's own directory its submitter could read results that are
shared with others only.

Staged results belong to one attempt of one submission in one directory. The caller who renames them into place holds
the home's lock and checks `StagedResults.fits` first.
"""

from __future__ import annotations

import os
import stat
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from syft_job import fs
from syft_job.errors import StoreError
from syft_job.format.manifest import FileEntry, SubmissionLimits
from syft_job.format.markers import LOGS, OUTPUTS
from syft_job.fs.probe import probe
from syft_job.home.home import Home
from syft_job.model import names
from syft_job.model.job_record import JobRecord
from syft_job.model.job_ref import JOBS, JobRef
from syft_job.model.names import InnerPath

from .result_tree import copy_tree

LOGS_FOLDER = "logs"


@dataclass(frozen=True, slots=True)
class Need:
    """The results to stage, and of which attempt."""

    job: str
    attempt: int
    outputs: bool
    logs: bool


class StagedDirectory:
    """A new directory under a temporary name, held by this process. Close it; what is still in it is removed then.

    Args:
        home: its lock keeps other processes from removing temporary names.
        parent: the directory to make it in: a path, and names below it that are opened without following links.
        mode: permissions of the new directory.
        locked: make it under the home's lock, as is needed where another process may remove temporary names.
    """

    def __init__(self, home: Home, parent: Path, *inside: str, mode: int = 0o700, locked: bool = True) -> None:
        self.name = fs.temporary_name()
        self._held = ExitStack()
        with ExitStack() as opened:
            self.parent = opened.enter_context(fs.open_directory(parent, *inside))
            opened.push(self._held)
            if locked:
                if inside:
                    self._remove_leftovers(home)
                with home.locked():
                    self.descriptor = self._make(mode)
            else:
                self.descriptor = self._make(mode)
            self._opened = opened.pop_all()
        self._is_open = True

    def _remove_leftovers(self, home: Home) -> None:
        """Remove what killed processes left here; what cannot be removed stays and does no harm."""
        with fs.translate_os_errors("list the folder of new results"), os.scandir(self.parent) as entries:
            has_leftovers = any(fs.is_temporary(entry.name) for entry in entries)
        if has_leftovers:
            with suppress(StoreError), home.locked():
                fs.remove_temporaries(self.parent)  # what another process writes into is held

    def _make(self, mode: int) -> int:
        fs.make_new_directory(self.parent, self.name, mode=mode)
        descriptor = self._held.enter_context(fs.open_directory(self.parent, self.name))
        fs.mark_in_use(descriptor)
        return descriptor

    def put_in_place(self, name: str) -> None:
        """Rename the directory itself to ``name``, durably; what has that name is removed."""
        fs.remove(self.parent, name)
        fs.rename(self.parent, self.name, self.parent, name)

    def close(self) -> None:
        """Remove what was not put in place."""
        if self._is_open:
            self._is_open = False
            with self._opened:
                self._held.close()
                fs.discard(self.parent, self.name)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class StagedResults(StagedDirectory):
    """Copies of the results of one attempt, on the file system of the job's directory, for renaming into it.

    Args:
        home: the owner's.
        place: the job.
        need: what is to be copied, and of which attempt.
        limits: what passes.
        source: the directory with ``outputs`` and ``logs``; by default where the home holds those of the attempt.

    Raises:
        FileNotFoundError: the job's directory is gone.
        UnreadableJob: the results hold a link, a device, a permission file, or more than ``limits`` allow.
        StoreError: the folder cannot be written.
    """

    def __init__(
        self, home: Home, place: JobRef, need: Need, limits: SubmissionLimits, source: Path | None = None
    ) -> None:
        probe(home.root)  # a folder that hangs must not be met with the lock in hand
        super().__init__(home, home.root, *_parent_of_copies(home.root, place))
        self.need = need
        self.outputs: dict[InnerPath, FileEntry] = {}
        self.logs: dict[InnerPath, FileEntry] = {}
        self._placed: set[str] = set()
        source = source or home.attempt_paths(need.job, need.attempt).results
        try:
            self.job = self._opened.enter_context(fs.open_directory(home.root, *place.parts))
            if need.outputs:
                with fs.open_directory(self.descriptor, OUTPUTS, create=True, durable=False) as target:
                    if (source / OUTPUTS).exists():
                        with fs.open_directory(source, OUTPUTS) as tree:
                            self.outputs = copy_tree(tree, target, limits)
            if need.logs and (source / LOGS_FOLDER).is_dir():
                with fs.open_directory(source, LOGS_FOLDER) as logs:
                    self._copy_logs(logs, limits)
        except BaseException:
            self.close()
            raise

    def _copy_logs(self, logs: int, limits: SubmissionLimits) -> None:
        for name in LOGS.values():
            if fs.stat_entry(logs, name) is not None:
                copied = fs.copy_file(
                    logs, name, self.descriptor, name, max_bytes=limits.total_bytes, mode=0o644, durable=True
                )
                self.logs[names.normalize_inner_path(name)] = FileEntry(copied.size, copied.sha256)

    def fits(self, record: JobRecord, job: int, need: Need) -> bool:
        """Return True if this is what ``need`` asks for, of the present attempt, in the open directory ``job``."""
        here, there = os.fstat(self.job), os.fstat(job)
        return (
            (here.st_dev, here.st_ino) == (there.st_dev, there.st_ino)
            and (self.need.job, self.need.attempt) == (record.id, record.attempt) == (need.job, need.attempt)
            and self.need.outputs >= need.outputs
            and self.need.logs >= need.logs
        )

    def put_outputs_in_place(self) -> dict[InnerPath, FileEntry]:
        """Make the copied outputs the ``outputs`` of the job, as a whole; returns their sizes and digests. Idempotent.

        Raises:
            StoreError: the folder cannot be written.
        """
        if OUTPUTS not in self._placed:
            fs.remove(self.job, OUTPUTS)
            fs.rename(self.descriptor, OUTPUTS, self.job, OUTPUTS)
            self._placed.add(OUTPUTS)
        return self.outputs

    def put_logs_in_place(self) -> dict[InnerPath, FileEntry]:
        """Make the copied logs those of the job; returns their sizes and digests. Idempotent.

        Raises:
            StoreError: the folder cannot be written.
        """
        for name in sorted(self.logs.keys() - self._placed):
            status = fs.stat_entry(self.job, name)
            if status is not None and not stat.S_ISREG(status.st_mode):
                fs.remove(self.job, name)
            fs.rename(self.descriptor, name, self.job, name)
            self._placed.add(name)
        return self.logs


def _parent_of_copies(root: Path, place: JobRef) -> tuple[str, ...]:
    """The directory below ``root`` to make the copies in: beside the submitters' folders, if renaming works from there.

    Where a job's directory is on another file system than the datasite, it is the job's directory.
    """
    with fs.open_directory(root, *place.parts) as job, fs.open_directory(root, place.owner, *JOBS) as jobs:
        return (place.owner, *JOBS) if os.fstat(job).st_dev == os.fstat(jobs).st_dev else place.parts
