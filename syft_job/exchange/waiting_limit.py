"""How many of a submitter's waiting jobs are listed: those above the limit are counted, and read when there is room.

A submitter can make any number of jobs that wait for a decision, and each costs every reader a read and memory.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Sequence
from itertools import islice

from syft_job import fs
from syft_job.model.job_record import JobRecord

from .recorded_decisions import RecordedDecisions, SubmitterKey
from .submitter_index import SubmitterIndex, is_waiting

_MAX_READ_BEYOND = 20
"""How many jobs above the limit one sweep reads where no ledger tells that they changed."""


class WaitingLimit:
    """The limit of waiting jobs for one submitter.

    Args:
        index: what is known of the submitter.
        key: owner and submitter.
        limit: how many waiting jobs get records; None for any number.
        decisions: the ledger of the own datasite.
        is_owner: the datasite is the participant's own.

    Attributes:
        maximum: how many waiting jobs get records; infinity for any number.
    """

    __slots__ = ("_decisions", "_index", "_is_owner", "_key", "_limit", "maximum")

    def __init__(
        self,
        index: SubmitterIndex,
        key: SubmitterKey,
        limit: int | None,
        decisions: RecordedDecisions,
        *,
        is_owner: bool,
    ) -> None:
        self._index = index
        self._key = key
        self._limit = limit
        self.maximum = math.inf if limit is None else limit
        self._decisions = decisions
        self._is_owner = is_owner

    def excludes_unread(self, name: str, changed_names: Collection[str]) -> bool:
        """Return True if a job without a record is only counted; it is counted from now on."""
        index = self._index
        if self._limit is None or name in changed_names:
            return False
        if name in index.beyond:
            return True
        if index.waiting < self._limit or not self._is_owner or name in self._decisions.decided_names(self._key):
            return False
        index.put_beyond(name)
        return True

    def excludes(self, record: JobRecord) -> bool:
        """Return True if a job that was read for the first time is only counted."""
        return self._index.waiting >= self.maximum and is_waiting(record)

    def keep_oldest(self, parent_fd: int) -> None:
        """Of the jobs that wait, keep records of the oldest ones: the others go beyond the limit, in order."""
        index = self._index
        waiting = [record.name for record in index.records.values() if is_waiting(record)]
        in_order = _oldest_first(parent_fd, [*waiting, *index.beyond])
        for name in set(waiting).difference(in_order[: self._limit or 0]):
            index.put_beyond(name)
        index.beyond = dict.fromkeys(name for name in in_order if name in index.beyond)
        index.is_ordered = True

    def pop_next(self) -> Iterator[str]:
        """Take jobs that are only counted, to be read: while there is room, and some in turn where no ledger tells."""
        index, limit = self._index, self._limit
        in_turn = 0 if self._is_owner else _MAX_READ_BEYOND
        for name in list(islice(index.beyond, limit if limit is not None else len(index.beyond))):
            has_room = index.waiting < self.maximum
            if not has_room:
                if in_turn == 0:
                    return
                in_turn -= 1
            del index.beyond[name]
            yield name


def _oldest_first(parent_fd: int, names: Sequence[str]) -> list[str]:
    """Directories by the time of their last change, which for a waiting job is about that of its submission."""
    times = {}
    for name in names:
        status = fs.stat_entry(parent_fd, name)
        if status is not None:
            times[name] = status.st_mtime_ns
    return sorted(times, key=lambda name: (times[name], name))
