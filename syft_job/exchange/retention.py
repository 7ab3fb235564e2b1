"""Retention: what takes up disk space and whether it is still needed.

That is held results, workspaces, notes, and jobs that are over. They are measured, each with the reason for which it
must stay, and removed when chosen; `policies.retention` chooses. The ledger gets a line about each removal, and the
claims of attempts stay for ever, because they keep an attempt from beginning twice.
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Collection, Iterator
from contextlib import suppress
from pathlib import Path

from syft_job import fs
from syft_job.errors import NotAllowed, SyftJobError
from syft_job.home.paths import review_note_name
from syft_job.model import names
from syft_job.model.events import Event
from syft_job.model.job_ref import JOBS, JobRef
from syft_job.model.states import FactKind, JobState
from syft_job.policies.retention import RetainedItem, RetentionKind

from . import transitions
from .job_index import JobIndex
from .participant import Participant
from .submitter_index import MAX_DIRECTORIES

_MAX_MEASURED_ENTRIES = 10_000_000
"""Entries of one tree whose sizes are added up; more, and what is too deep, or cannot be read, counts for nothing."""
_OVER = frozenset({FactKind.DONE, FactKind.CANCELLED, FactKind.REJECTED})


class RetentionScan:
    """Everything of one owner that takes up disk space.

    Args:
        participant: the owner.
        store: the jobs of the folder.
    """

    def __init__(self, participant: Participant, store: JobIndex) -> None:
        self._participant = participant
        self._home = participant.home
        self._store = store
        self._places: dict[str, JobRef] = {}
        self._last_event_at: dict[str, float] = {}
        self._needed_notes: frozenset[str] | None = None

    def measure(self, kinds: Collection[RetentionKind]) -> list[RetainedItem]:
        """Everything of these kinds, the needed included.

        Raises:
            StoreError: the home cannot be read.
        """
        self._home.ledger.refresh()
        self._last_event_at = self._home.ledger.last_said(time.time())
        rooms = {
            RetentionKind.RESULTS: self._results,
            RetentionKind.WORKSPACES: self._workspaces,
            RetentionKind.HISTORY: self._history,
            RetentionKind.JOBS: self._jobs,
        }
        return [one for kind in sorted(set(kinds)) for one in rooms[kind]()]

    def remove(self, one: RetainedItem) -> bool:
        """Remove one thing; False where it is gone already, or needed again by now.

        Raises:
            InvalidTransition, NotAllowed, StoreError: see `transitions.clean`.
        """
        if one.kind is RetentionKind.JOBS:
            place = self._places.get(one.name)
            if place is None:
                raise NotAllowed(f"'{one.name}' was not measured; nothing was removed.")
            transitions.clean(self._participant, place)
            return True
        base, _, name = one.name.rpartition("/")
        folder = (self._home.workspaces if one.kind is RetentionKind.WORKSPACES else self._home.path / base).absolute()
        # Renamed under the lock, which is a moment; removing a large tree is not.
        temporary = fs.temporary_name()
        with fs.open_directory(folder) as opened:
            with self._home.locked():
                if fs.stat_entry(opened, name) is None or self._why(one.kind, one.name):
                    return False
                if one.kind is RetentionKind.RESULTS:
                    self._record_removal(name)
                fs.rename(opened, name, opened, temporary)
            fs.remove(opened, temporary)
        return True

    def _results(self) -> Iterator[RetainedItem]:
        yield from self._attempts(RetentionKind.RESULTS, self._home.paths.held_results, "held/")

    def _workspaces(self) -> Iterator[RetainedItem]:
        yield from self._attempts(RetentionKind.WORKSPACES, self._home.workspaces, "")

    def _attempts(self, kind: RetentionKind, base: Path, prefix: str) -> Iterator[RetainedItem]:
        for name in _listed(base):
            job, _, number = name.partition(".")
            if names.is_id_prefix(job) and number.isdigit():  # unfinished copies are the runner's to tidy
                size, age = _measured(base, name)
                # The clock may have stood years back when this was written.
                age = min(age, self._age(job, age))
                yield RetainedItem(kind, f"{prefix}{name}", job, size, age, self._why(kind, f"{prefix}{name}"))

    def _history(self) -> Iterator[RetainedItem]:
        self._needed_notes = self._notes_of_existing_jobs()
        for base in ("aside", "reviewed", "seen"):
            for name in _listed(self._home.path / base):
                if not name.startswith("."):
                    size, age = _measured(self._home.path / base, name)
                    job = name if base == "aside" else ""
                    yield RetainedItem(
                        RetentionKind.HISTORY,
                        f"{base}/{name}",
                        job,
                        size,
                        age,
                        self._why(RetentionKind.HISTORY, f"{base}/{name}"),
                    )

    def _jobs(self) -> Iterator[RetainedItem]:
        pending = {job for job, _ in (*self._home.ledger.unfinished(), *self._home.ledger.pending_releases())}
        for record in self._store.records():
            if not self._participant.owns(record.place):
                continue
            why = ""
            if record.problem or not record.state.is_terminal:
                why = f"it is {record.status}"
            elif record.id in pending:
                why = "its end or a release is still to come"
            name = f"{record.submitter}/{record.name}"
            self._places[name] = record.place
            size, age = _measured(self._home.root, *record.place.parts)
            yield RetainedItem(RetentionKind.JOBS, name, record.id, size, self._age(record.id, age), why)

    def _why(self, kind: RetentionKind, name: str) -> str:
        """Why a thing at home is still needed; empty where it may go."""
        if kind is RetentionKind.HISTORY:
            if self._needed_notes is None:
                return "the folder is away, so it is unknown whether its job still exists"
            return "its job is still there" if name in self._needed_notes else ""
        ledger = self._home.ledger
        job, _, number = name.rpartition("/")[2].partition(".")
        attempt = (job, int(number))
        if ledger.is_under_way(*attempt):
            return "it is not over"
        if attempt in ledger.pending_releases():
            return "a release of it is still to come"
        if not ledger.events(job) or Event.CLEANED in ledger.events(job):
            return ""
        ends = {FactKind.DONE} if kind is RetentionKind.RESULTS else _OVER
        if not any(fact.kind in ends and fact.attempt == attempt[1] for fact in ledger.facts(job)):
            return "the ledger has no end of it"
        return ""

    def _notes_of_existing_jobs(self) -> frozenset[str] | None:
        """The notes about jobs that still exist; None where that is unknown: the folder is away, or too large."""
        root, owner = self._home.root, self._participant.email
        submitters = fs.names_below(root, owner, *JOBS, limit=MAX_DIRECTORIES)
        if submitters is None or len(submitters) >= MAX_DIRECTORIES:
            return None
        records = self._store.records()
        places = {record.place for record in records}
        # A list leaves out what a submitter has too much of; the folder does not.
        for who in submitters:
            listed = fs.names_below(root, owner, *JOBS, who, limit=MAX_DIRECTORIES) or []
            if len(listed) >= MAX_DIRECTORIES:
                return None
            places |= {JobRef(owner, who, job) for job in listed}
        waits = (f"aside/{record.id}" for record in records if record.state is JobState.QUEUED)
        return frozenset(waits) | {f"reviewed/{review_note_name(place)}" for place in places}

    def _record_removal(self, name: str) -> None:
        job, _, number = name.partition(".")
        ledger = self._home.ledger
        if ledger.events(job):
            place = list(ledger.place_of(job))
            ledger.say(job, int(number), Event.RESULTS_DELETED, place=place, by=self._participant.email)

    def _age(self, job: str, otherwise: float) -> float:
        """Seconds since the last event that the owner recorded of a job; the submitter's claims do not count."""
        return max(0.0, time.time() - self._last_event_at[job]) if job in self._last_event_at else otherwise


def _listed(path: Path) -> list[str]:
    try:
        return sorted(os.listdir(path))
    except (FileNotFoundError, NotADirectoryError):
        return []


def _measured(start: Path, *parts: str) -> tuple[int, float]:
    """The bytes below ``parts`` of ``start``, links not followed, and the seconds since it was last changed."""
    top = fs.stat_below(start, *parts)
    if top is None:
        return 0, 0.0
    size = 0 if stat.S_ISDIR(top.st_mode) else top.st_size
    if stat.S_ISDIR(top.st_mode):
        with suppress(SyftJobError, OSError), fs.open_directory(start, *parts) as opened:
            for entry in fs.walk(opened, max_entries=_MAX_MEASURED_ENTRIES, skipped=[]):
                size += 0 if entry.is_dir else entry.stat.st_size
    return size, max(0.0, time.time() - top.st_mtime)
