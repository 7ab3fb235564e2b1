"""One sweep of one submitter's folder, within the budget of that submitter.

A finished job whose directory has the stamp of its record is not opened again. Of jobs that are unfinished or still
arriving every file is looked at, and they are read again where one changed. What the budget does not reach keeps its
record, or has none yet, and comes first at the next sweep.
"""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Collection, Sequence

from syft_job import fs
from syft_job.errors import InvalidName, SyftJobError
from syft_job.model import names
from syft_job.model.events import Event
from syft_job.model.job_record import JobRecord
from syft_job.model.job_ref import JobRef
from syft_job.model.states import JobState

from .job_contents import trace
from .job_reader import read_summary
from .job_snapshot import failed_record, misnamed_record
from .participant import Participant
from .recorded_decisions import RecordedDecisions, SubmitterKey
from .submitter_index import SubmitterIndex, is_decided
from .sweep_budget import SweepBudget
from .waiting_limit import WaitingLimit

HASHED_BYTES = 16 << 20
"""How much is hashed for one submitter in one sweep, where manifests list no files."""


class SubmitterSweep:
    """One sweep of one submitter's folder.

    Args:
        index: what is known of the submitter; the sweep updates it.
        parent_fd: the open folder of the submitter.
        key: owner and submitter.
        participant: the participant.
        decisions: the ledger of the own datasite.
        budget: what the sweep may cost.
        reread: the jobs that were read again are added here.
    """

    __slots__ = (
        "_budget",
        "_changed_names",
        "_decisions",
        "_has_same_keys",
        "_index",
        "_is_owner",
        "_key",
        "_parent_fd",
        "_participant",
        "_reread",
        "_waiting",
    )

    def __init__(
        self,
        index: SubmitterIndex,
        parent_fd: int,
        key: SubmitterKey,
        participant: Participant,
        decisions: RecordedDecisions,
        budget: SweepBudget,
        reread: dict[JobRef, None],
    ) -> None:
        self._index = index
        self._parent_fd = parent_fd
        self._key = key
        self._participant = participant
        self._decisions = decisions
        self._budget = budget
        self._reread = reread
        owner, submitter = key
        self._is_owner = owner == participant.email
        limit = None if submitter == participant.email else participant.limits.unfinished
        self._waiting = WaitingLimit(index, key, limit, decisions, is_owner=self._is_owner)
        keys = participant.chain_of(owner)
        self._has_same_keys = index.keys == keys  # the owner's keys decide which markers count
        index.keys = keys
        self._changed_names: Collection[str] = ()

    def run(self, in_turn: int | None) -> None:
        """Look at the jobs that may have changed, until the budget is used up.

        Args:
            in_turn: how many of the finished jobs are looked at beside those that are new, changed or not over; None
                for all jobs.

        Raises:
            OSError, StoreError: the folder cannot be read.
        """
        index, budget, parent_fd = self._index, self._budget, self._parent_fd
        index.digests.allow(HASHED_BYTES)
        if index.beyond or in_turn is not None:
            self._changed_names = self._decisions.changed_names(self._key)
        due = self._due_names(in_turn)
        index.unseen, index.used_up = 0, ""
        budget.start()
        records, stale, changed_ids = index.records, index.stale, self._decisions.changed_ids
        max_waiting = self._waiting.maximum
        may_be_outdated = not self._has_same_keys or bool(changed_ids) or bool(stale)
        for at, name in enumerate(due):
            known = current = records.get(name)
            if may_be_outdated and known is not None:
                is_outdated = not self._has_same_keys or known.id in changed_ids or name in stale
                current = None if is_outdated else known
            if current is not None and (stamp := current.stamp) is not None:
                try:
                    status = os.stat(name, dir_fd=parent_fd, follow_symlinks=False)
                except FileNotFoundError:
                    index.drop(name)
                    index.open[name] = None  # it may come back, unless the folder above moved, too
                    continue
                if status.st_ctime_ns == stamp[1] and status.st_mtime_ns == stamp[0] and status.st_ino == stamp[2]:
                    continue
            elif (
                known is None
                and (index.waiting >= max_waiting or index.beyond)
                and self._waiting.excludes_unread(name, self._changed_names)
            ):
                continue
            if budget.used_up:
                for decided in self._leave_for_next(due[at:], budget.used_up):
                    self._read_job(decided)
                break
            if current is not None and current.stamp is None and self._is_unmoved(current):
                budget.charge_job(is_decided=is_decided(current))
                continue
            self._read_job(name)
        self._read_beyond_limit()

    def _due_names(self, in_turn: int | None) -> Sequence[str]:
        """The names to look at, those first that the last sweep did not reach."""
        index = self._index
        due: Sequence[str] = index.read_names(self._parent_fd, self._participant.settles)
        if in_turn is not None and self._has_same_keys:
            due = list(dict.fromkeys([*self._changed_names, *index.open, *index.next_in_turn(in_turn)]))
        if index.is_new and due:
            index.is_new = False
            index.resume = secrets.choice(due)  # so that another process reaches what this one does not
        if index.resume is not None:
            due = _rotated(due, index.resume)
            index.resume = None
        return due

    def _is_unmoved(self, known: JobRecord) -> bool:
        """Return True if a job without a stamp looks as it did when it was read."""
        seen = self._index.traces.get(known.name)
        return seen is not None and (trace(self._parent_fd, known.name), self._blocked_reason(known)) == seen

    def _read_job(self, name: str) -> None:
        """Read one job and remember its record."""
        fs.check_interrupted()
        index = self._index
        known = index.records.get(name)
        if index.stale:
            index.stale.discard(name)
        started = time.time()
        owner, submitter = self._key
        ref = JobRef(owner, submitter, name)
        try:
            if is_job_name(name):
                record = read_summary(self._parent_fd, ref, self._participant, index.digests)
            else:
                record = misnamed_record(ref)
        except FileNotFoundError:
            index.drop(name)
            index.beyond.pop(name, None)
            self._budget.charge_job(is_decided=False)
            return
        except (OSError, SyftJobError):
            raise
        except Exception as error:  # noqa: BLE001 - the job's row names it; one job must not stop the list
            record = failed_record(ref, error)
        if known is None and record.stamp is not None and not record.findings:
            index.put_settled(record)  # the usual case of a first sweep, without what follows
            self._budget.charge_job(is_decided=is_decided(record))
            return
        if known is None and self._waiting.excludes(record):
            index.put_beyond(name)
            self._budget.charge_job(is_decided=False)
            return
        if known is not None or not record.state.is_terminal or record.findings or record.problem:
            self._reread[ref] = None  # a new one that is over and in order is checked in turn
        if record.stamp is not None:
            index.open.pop(name, None)
        else:
            index.open[name] = None
            self._remember_trace(record, started)
        if known is None or record != known:
            index.put(record)
        self._budget.charge_job(is_decided=is_decided(record))

    def _leave_for_next(self, rest: Sequence[str], used_up: str) -> list[str]:
        """Note which names the sweep did not reach, so that the next one begins with them.

        Returns:
            Those that the owner's ledger has a new line about, and those that it has as approved and that were never
            read: they are read whatever the budget, since how many they are is up to the owner.
        """
        index, changed_ids = self._index, self._decisions.changed_ids
        index.resume, index.used_up = rest[0], used_up
        unknown = [name for name in rest if name not in index.records]
        approved = self._decisions.approved_among(unknown, self._key)
        decided = []
        for name in rest:
            known = index.records.get(name)
            if name in self._changed_names or name in approved or (known is not None and known.id in changed_ids):
                decided.append(name)
            elif known is None:
                index.unseen += name not in index.beyond
            else:
                if not self._has_same_keys:
                    index.stale.add(name)
                    index.open[name] = None
                index.unseen += known.stamp is None or name in index.stale
        return decided

    def _read_beyond_limit(self) -> None:
        """Read jobs above the limit of waiting jobs where there is room for them, oldest first."""
        index, budget = self._index, self._budget
        if not index.beyond:
            index.is_ordered = False
            return
        if budget.used_up:
            return
        if not index.is_ordered:
            self._waiting.keep_oldest(self._parent_fd)
        for name in self._waiting.pop_next():
            self._read_job(name)
            if budget.used_up:
                return

    def _remember_trace(self, record: JobRecord, started: float) -> None:
        """Remember what a job without a stamp looked like, where only its files decide about its record."""
        index = self._index
        index.traces.pop(record.name, None)
        settled = started - self._participant.settles
        if record.when >= settled or (self._is_owner and not record.layout.lists_files):
            return
        if self._is_owner and Event.STARTED in self._participant.home.ledger.events(record.id):
            return  # whether an attempt has begun is shown by a file in the home
        seen = trace(self._parent_fd, record.name, settled=settled)
        if seen is not None:
            index.traces[record.name] = (seen, self._blocked_reason(record))

    def _blocked_reason(self, record: JobRecord) -> str | None:
        """What decides beside the files and the keys: for the owner, why a queued job is blocked."""
        is_queued_here = self._is_owner and record.state is JobState.QUEUED
        return self._participant.home.blocked_reason(record.id) if is_queued_here else None


def is_job_name(name: str) -> bool:
    """Return True if a folder may be a job by its name."""
    try:
        return names.normalize_job_name(name) == name
    except InvalidName:
        return False


def _rotated(items: Sequence[str], first: str) -> Sequence[str]:
    """``items`` beginning with ``first``, where it is one of them."""
    if first not in items:
        return items
    at = items.index(first)
    return [*items[at:], *items[:at]]
