"""What the jobs of one submitter may cost in one sweep, so that no submitter can stall the others.

Costs are counted in bytes that were read, directory entries that were listed and processor time of this thread. Time
that a slow disk takes is not counted, because it is not the submitter's doing. A submitter begins with a base amount;
each job that is looked at takes what it cost and gives back what an ordinary one may cost, up to the base. So any
number of ordinary jobs leaves the base untouched, and expensive ones use it up. The check is made between two jobs;
what one job may cost is bounded by the limits for one job.
"""

from __future__ import annotations

import time
from typing import NamedTuple

from syft_job.fs import METER, read_counts


class Cost(NamedTuple):
    """An amount of reading: bytes, directory entries, and seconds of processor time."""

    bytes: float
    entries: float
    cpu_seconds: float


BASE = Cost(8 << 20, 100_000, 0.15)
"""What the jobs of a submitter may cost in one sweep beside what ordinary ones do."""
UNDECIDED_JOB = Cost(32 << 10, 128, 0.001)
"""What a job may cost that its owner has not decided about, for as many of them as ``most_undecided``."""
DECIDED_JOB = Cost(64 << 10, 256, 0.005)
"""What a job may cost that its owner decided about: how many of them there are is up to the owner."""
REFILL_SECONDS = 3.0
"""In how many seconds a base that was used up is there again: a submitter gets 5 % of a processor, however often one
looks, and looking again a moment later costs next to nothing."""
LEAST_SHARE = 0.1
"""With less than this of the base there again, none of it is given yet."""
_JOBS_PER_SETTLEMENT = 16
_SOON = Cost(256 << 10, 1024, 0.0)
"""The budget is settled after so many jobs, or as soon as these took so many bytes or entries: reading the clock once a
job would cost more than the rest of the check."""


class SweepBudget:
    """The budget of one submitter in one sweep.

    Args:
        share: which part of the base is given, up to 1; with 0 it is used up from the start.
        most_undecided: for how many jobs without a decision of the owner the ordinary cost is given back.

    Attributes:
        used_up: which part of the budget is used up, in words; an empty text while none is.
    """

    __slots__ = (
        "_base",
        "_bytes",
        "_clock",
        "_cpu",
        "_decided",
        "_entries",
        "_left",
        "_meter",
        "_most_bytes",
        "_most_entries",
        "_reads",
        "_undecided",
        "used_up",
    )

    def __init__(self, *, share: float = 1.0, most_undecided: int) -> None:
        self.used_up = "" if share > 0 else "the looks of the last seconds took it all"
        self._base = Cost(int(BASE.bytes * share), int(BASE.entries * share), BASE.cpu_seconds * share)
        self._bytes, self._entries, self._cpu = self._base
        self._left = most_undecided
        self._meter = METER
        self.start()

    def start(self) -> None:
        """Count from now on: what was done until now is not the jobs' cost."""
        self._decided = self._undecided = 0
        self._reads = read_counts()
        self._most_bytes, self._most_entries = self._reads.bytes + _SOON.bytes, self._reads.entries + _SOON.entries
        self._clock = time.thread_time()

    def charge_job(self, *, is_decided: bool) -> None:
        """Take what was read since the last call and give back what an ordinary job may cost."""
        if is_decided:
            self._decided += 1
        else:
            self._undecided += 1
        meter = self._meter
        if (
            self._decided + self._undecided >= _JOBS_PER_SETTLEMENT
            or meter.bytes > self._most_bytes
            or meter.entries > self._most_entries
        ):
            self._settle()

    def settle_job(self, *, is_decided: bool) -> None:
        """Take what was read since `start` for one job, at once: for who does other work between two jobs."""
        if is_decided:
            self._decided += 1
        else:
            self._undecided += 1
        self._settle()

    def base_used(self) -> float:
        """The part of the whole `BASE` that was used, from 0 to 2: the last job may cost more than was left."""
        self._settle()
        used = (
            (self._base.bytes - self._bytes) / BASE.bytes,
            (self._base.entries - self._entries) / BASE.entries,
            (self._base.cpu_seconds - self._cpu) / BASE.cpu_seconds,
        )
        return min(2.0, max(0.0, *used))

    def _settle(self) -> None:
        before, clock, decided = self._reads, self._clock, self._decided
        undecided = min(self._undecided, max(0, self._left))
        self._left -= self._undecided
        self.start()
        base, now = self._base, self._reads
        self._bytes = min(base.bytes, self._bytes + _given(decided, undecided, 0) - now.bytes + before.bytes)
        self._entries = min(base.entries, self._entries + _given(decided, undecided, 1) - now.entries + before.entries)
        self._cpu = min(base.cpu_seconds, self._cpu + _given(decided, undecided, 2) - self._clock + clock)
        if self._bytes < 0:
            self.used_up = f"{base.bytes / (1 << 20):.1f} MiB read beside ordinary jobs"
        elif self._entries < 0:
            self.used_up = f"{base.entries} directory entries beside ordinary jobs"
        elif self._cpu < 0:
            self.used_up = f"{base.cpu_seconds:.2f} s of processor time beside ordinary jobs"


def _given(decided: int, undecided: int, part: int) -> float:
    return decided * DECIDED_JOB[part] + undecided * UNDECIDED_JOB[part]
