"""What is remembered of one submitter's folder between two looks at it."""

from __future__ import annotations

import time
from collections.abc import Iterator

from syft_job.format.key_history import KeyHistory
from syft_job.model.job_record import JobRecord, Stamp
from syft_job.model.lifecycle import JobState

from .job_contents import Trace
from .legacy_layout import FileDigests
from .sweep_budget import LEAST_SHARE, REFILL_SECONDS

_CREATED, _SUBMITTED = JobState.CREATED, JobState.SUBMITTED  # compared by identity, once a job


class SubmitterIndex:
    """The records of one submitter's jobs, and what the next sweep needs to know.

    A name is in at most one of: ``records`` (looked at), ``beyond`` (waiting, above the limit for one submitter:
    counted and not looked at until there is room), ``open`` alone (not looked at yet, or gone).

    Args:
        digests: the cached digests of files that no manifest lists.

    Attributes:
        names: the directories in the folder, as of ``stamp``.
        is_cut: the folder holds more entries than are listed.
        is_new: nothing of it was looked at yet.
        is_ordered: ``beyond`` is in the order of submission, and what is in it is newer than what has records.
        open: the names that each sweep looks at: new ones, and jobs that are not over.
        round_robin: of those that are over, which ones come next in a sweep.
        stale: names whose record must be read again, however it looks.
        resume: the name at which the next look begins, because the last one used up its budget there.
        base: the part of the budget's base that is left, below 0 where the last job cost more than was left.
        swept: when it was last refilled, on the monotonic clock.
        unseen: how many names the last look did not come to.
        used_up: which part of its budget the last look used up; empty where none.
        waiting: how many of ``records`` wait for a decision.
    """

    __slots__ = (
        "base",
        "beyond",
        "digests",
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

    def put(self, record: JobRecord) -> None:
        """Remember the record of a job in place of an earlier one."""
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
        """Remember the first record of a job that is over, as the stamp of its directory tells."""
        name = record.place[2]
        self.records[name] = record
        self.open.pop(name, None)
        if self.beyond:
            self.beyond.pop(name, None)

    def drop(self, name: str) -> bool:
        """Forget the record of a job; returns whether there was one."""
        self.traces.pop(name, None)
        self.stale.discard(name)
        earlier = self.records.pop(name, None)
        if earlier is None:
            return False
        self.waiting -= is_waiting(earlier)
        return True

    def put_beyond(self, name: str) -> bool:
        """Count a waiting job without keeping its record; returns whether there was a record."""
        self.open.pop(name, None)
        self.beyond[name] = None
        return self.drop(name)

    def forget(self, name: str) -> bool:
        """Forget everything about a name that is gone; returns whether there was a record."""
        self.open.pop(name, None)
        self.beyond.pop(name, None)
        return self.drop(name)


def is_waiting(record: JobRecord) -> bool:
    """Whether a job waits for its files or for the owner's decision: as many as its submitter likes do."""
    state = record.position.state
    return state is _SUBMITTED or state is _CREATED


def is_decided(record: JobRecord) -> bool:
    """Whether the owner decided about a job, so that the submitter alone cannot make many like it."""
    if record.said:  # the owner's own ledger
        return True
    return not is_waiting(record) and not record.position.withdrawn and record.layout.is_signed
