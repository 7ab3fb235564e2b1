"""`JobsList`: jobs in order, found by position, slice or name."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import overload

from syft_job.exchange.job_finder import find_job
from syft_job.model.job_record import JobRecord
from syft_job.model.job_ref import JobRef
from syft_job.views import text

from .errors import JobNotFoundError
from .job import JobInfo


class JobsList:
    """A list of jobs that prints itself and finds jobs by name.

    Args:
        jobs: the jobs in the order of the display; ``[i]`` as displayed is ``jobs[i]``.
        root_email: the owner whose datasite is displayed first.
        notes: sentences to display below the list.
        missing: which jobs the list lacks, one sentence each; part of the message if a job is not found.
    """

    def __init__(
        self, jobs: Iterable[JobInfo], root_email: str, *, notes: Sequence[str] = (), missing: Sequence[str] = ()
    ) -> None:
        self._items: list[JobInfo | JobRecord] = list(jobs)
        self._make: Callable[[JobRecord], JobInfo] | None = None
        self.root_email = root_email
        self.notes = tuple(notes)
        self._missing = tuple(missing)
        self._unlisted: Callable[[str], Sequence[JobRef]] | None = None

    @classmethod
    def of_records(
        cls,
        records: list[JobRecord],
        root_email: str,
        make: Callable[[JobRecord], JobInfo],
        notes: Sequence[str] = (),
        *,
        missing: Sequence[str] = (),
        unlisted: Callable[[str], Sequence[JobRef]] | None = None,
    ) -> JobsList:
        """A list over records, each made a `JobInfo` on first access.

        ``unlisted`` returns the jobs of a name that exist and are not in the list.
        """
        jobs = cls([], root_email, notes=notes, missing=missing)
        jobs._items = list(records)
        jobs._make = make
        jobs._unlisted = unlisted
        return jobs

    @property
    def jobs(self) -> list[JobInfo]:
        """The jobs as a plain list."""
        return list(self)

    def __len__(self) -> int:
        return len(self._items)

    def __iter__(self) -> Iterator[JobInfo]:
        return (self._job(index) for index in range(len(self._items)))

    @overload
    def __getitem__(self, index: int | str) -> JobInfo: ...

    @overload
    def __getitem__(self, index: slice) -> JobsList: ...

    def __getitem__(self, index: int | str | slice) -> JobInfo | JobsList:
        """One job by position or by name, or a slice as another list.

        A name is ``"name"``, ``"submitter/name"``, ``"owner/submitter/name"``, or the first digits of an id.

        Raises:
            IndexError: there is no such position.
            JobNotFoundError: (a ValueError) no job has this name.
            AmbiguousJob: (a JobNotFoundError) several have.
            TypeError: the index is of another type.
        """
        if isinstance(index, str):
            return self._job(self._find(index))
        if isinstance(index, slice):
            part = JobsList([], self.root_email, notes=self.notes, missing=self._missing)
            part._items, part._make, part._unlisted = self._items[index], self._make, self._unlisted
            return part
        if isinstance(index, bool) or not isinstance(index, int):
            raise TypeError(f"a job is found by position, slice or name, not by {type(index).__name__}")
        if not -len(self._items) <= index < len(self._items):
            raise IndexError(f"there is no job {index}; the list has {len(self._items)}{self._not_listed()}")
        return self._job(index % len(self._items))

    def __contains__(self, job: object) -> bool:
        return any(item == job for item in self)

    def __str__(self) -> str:
        rows = [_row(item) for item in self._items]
        return text.overview(rows, self.root_email, self.notes)

    def __repr__(self) -> str:
        return f"JobsList({len(self)} jobs)"

    def _job(self, index: int) -> JobInfo:
        item = self._items[index]
        if isinstance(item, JobInfo):
            return item
        assert self._make is not None  # noqa: S101 - `of_records` sets it
        job = self._items[index] = self._make(item)
        return job

    def _not_listed(self) -> str:
        """An addition to the message that a job is not in the list, where the list is known to lack some."""
        return f" Not all jobs are listed: {'; '.join(self._missing)}." if self._missing else ""

    def _find(self, name: str) -> int:
        # Only a list that is known to lack jobs asks for them: looking costs a call for each folder it lacks.
        position = find_job(name, map(_identity, self._items), self._unlisted if self._missing else None)
        if position is None:
            raise JobNotFoundError(f"There is no job '{name}' in this list.{self._not_listed()}", name=name)
        return position


def _row(item: JobInfo | JobRecord) -> tuple[str, str, str, str]:
    """A row of the overview: of a record as it was listed, of a `JobInfo` as the job is now."""
    owner, submitter, name = _ref(item)
    return (owner, name, item.status, submitter)


def _ref(item: JobInfo | JobRecord) -> JobRef:
    if isinstance(item, JobInfo):
        return JobRef(item.datasite_owner_email, item.submitted_by, item.name)
    return item.place


def _identity(item: JobInfo | JobRecord) -> tuple[JobRef, str]:
    job_id = item._known_id if isinstance(item, JobInfo) else item.id  # noqa: SLF001 - reads nothing, unlike `id`
    return _ref(item), job_id
