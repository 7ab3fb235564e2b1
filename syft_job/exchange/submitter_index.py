"""What is known of one submitter's folder between two sweeps: the records of the jobs, and which to look at next."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from itertools import islice

from syft_job.format.key_history import KeyHistory
from syft_job.model import names
from syft_job.model.job_record import JobRecord, Stamp
from syft_job.model.states import JobState

from .job_contents import Trace
from .legacy_layout import FileDigests
from .sweep_budget import LEAST_SHARE, REFILL_SECONDS

MAX_DIRECTORIES = 150_000
"""How many entries of one submitter's folder are listed."""
_CREATED, _SUBMITTED = JobState.CREATED, JobState.SUBMITTED  # compared by identity, once a job


class SubmitterIndex:
    """The records of one submitter's jobs, and what the next sweep needs to know.

    A name is in at most one of: ``records`` (read), ``beyond`` (waiting, above the limit for one submitter: counted
    and not read until there is room), ``open`` alone (not read yet, or gone).

    Args:
        digests: the cached digests of files that no manifest lists.

    Attributes:
        names: the directories in the folder, as of ``stamp``.
        is_cut: the folder holds more entries than are listed.
        has_changed: a record was added, replaced or dropped since this was last set to False.
        is_new: nothing in it was read yet.
        is_ordered: ``beyond`` is in the order of submission, and what is in it is newer than what has records.
        open: the names that each sweep looks at: new ones, and jobs that are not over.
        round_robin: which of the records come next in a sweep that looks at some of them.
        stale: names whose record must be read again, however it looks.
        resume: the name at which the next sweep begins, because the last one used up its budget there.
        base: the part of the budget's base that is left, below 0 where the last job cost more than was left.
        swept: when it was last refilled, on the monotonic clock.
        unseen: how many names the last sweep did not reach.
        used_up: which part of its budget the last sweep used up; empty where none.
        waiting: how many of ``records`` wait for a decision.
    """

    __slots__ = (
        "base",
        "beyond",
        "digests",
        "has_changed",
        "is_cut",
        "is_new",
        "is_ordered",
        "keys",
        "names",
        "open",
        "records",
        "resume",
        "round_robin",
        "stale",
        "stamp",
        "swept",
        "traces",
        "unseen",
        "used_up",
        "waiting",
    )

    def __init__(self, digests: FileDigests) -> None:
        self.digests = digests
        self.keys: KeyHistory | None = None
        self.stamp: Stamp | None = None
        self.names: list[str] = []
        self.has_changed = True
        self.is_cut = False
        self.is_new = True
        self.is_ordered = False
        self.records: dict[str, JobRecord] = {}
        self.traces: dict[str, tuple[Trace, str | None]] = {}
        self.open: dict[str, None] = {}
        self.beyond: dict[str, None] = {}
        self.round_robin: Iterator[str] = iter(())
        self.stale: set[str] = set()
        self.resume: str | None = None
        self.base = 1.0
        self.swept = time.monotonic()
        self.unseen = 0
        self.used_up = ""
        self.waiting = 0

    def refill(self) -> float:
        """Add to ``base`` what the time since the last call gives; returns the part that may be used now."""
        now = time.monotonic()
        self.base = min(1.0, self.base + (now - self.swept) / REFILL_SECONDS)
        self.swept = now
        return self.base if self.base >= LEAST_SHARE else 0.0

    def read_names(self, folder_fd: int, settles: float) -> list[str]:
        """The names of the directories in the open folder; they are listed again only if the folder changed.

        Args:
            folder_fd: the open folder of the submitter.
            settles: seconds without a change after which the folder's stamp shows a later one.

        Raises:
            OSError: the folder cannot be read.
        """
        started_ns = time.time_ns()
        status = os.fstat(folder_fd)
        stamp = Stamp(status.st_mtime_ns, status.st_ctime_ns, status.st_ino)
        if self.stamp == stamp:
            return self.names
        with os.scandir(folder_fd) as entries:
            read = list(islice(entries, MAX_DIRECTORIES + 1))
            listed = [
                entry.name
                for entry in read
                if not names.is_sync_artefact(entry.name)
                and (entry.is_symlink() or entry.is_dir(follow_symlinks=False))
            ]
        self.is_cut = len(read) > MAX_DIRECTORIES
        self.names = listed
        self.stamp = stamp if started_ns - status.st_mtime_ns > settles * 1e9 else None
        self._adopt_names(listed)
        return listed

    def _adopt_names(self, listed: list[str]) -> None:
        """Forget the names that are gone, and open the new ones."""
        records, beyond, opened = self.records, self.beyond, self.open
        there = set(listed)
        for name in [name for name in (*records, *opened, *beyond) if name not in there]:
            if self.is_cut and name in records:
                listed.append(name)  # which entries of too many are listed may change; its stat tells if it is gone
            else:
                self.forget(name)
        new = [name for name in listed if name not in records and name not in beyond and name not in opened]
        opened |= dict.fromkeys(new)

    def next_in_turn(self, count: int) -> list[str]:
        """The next ``count`` of the records' names; after the last one it begins anew."""
        in_turn = list(islice(self.round_robin, count))
        if len(in_turn) < count:
            self.round_robin = iter(list(self.records))
        return in_turn

    def put(self, record: JobRecord) -> None:
        """Remember the record of a job in place of an earlier one."""
        self.has_changed = True
        name = record.place[2]
        earlier = self.records.get(name)
        if earlier is not None:
            self.waiting -= is_waiting(earlier)
        if record.stamp is None and is_waiting(record):  # one with a stamp is over
            self.waiting += 1
        self.records[name] = record
        if self.beyond:
            self.beyond.pop(name, None)

    def put_settled(self, record: JobRecord) -> None:
        """Remember the first record of a job that is over and whose directory has a stamp."""
        self.has_changed = True
        name = record.place[2]
        self.records[name] = record
        self.open.pop(name, None)
        if self.beyond:
            self.beyond.pop(name, None)

    def drop(self, name: str) -> None:
        """Forget the record of a job."""
        self.traces.pop(name, None)
        self.stale.discard(name)
        earlier = self.records.pop(name, None)
        if earlier is not None:
            self.has_changed = True
            self.waiting -= is_waiting(earlier)

    def put_beyond(self, name: str) -> None:
        """Count a waiting job without keeping its record."""
        self.open.pop(name, None)
        self.beyond[name] = None
        self.drop(name)

    def forget(self, name: str) -> None:
        """Forget everything about a name that is gone."""
        self.open.pop(name, None)
        self.beyond.pop(name, None)
        self.drop(name)


def is_waiting(record: JobRecord) -> bool:
    """Return True if a job waits for its files or for a decision; its submitter alone can make any number of these."""
    state = record.position.state
    return state is _SUBMITTED or state is _CREATED


def is_decided(record: JobRecord) -> bool:
    """Return True if the owner decided about a job, so that the submitter alone cannot make many like it."""
    if record.recorded:  # the owner's own ledger
        return True
    return not is_waiting(record) and not record.position.withdrawn and record.layout.is_signed
