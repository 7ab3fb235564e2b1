"""All job folders under a root, read again only where something moved.

A finished job whose directory has the stamp that was seen is not opened again; of jobs that are unfinished or still
arriving every file is looked at each time, and they are read again where one moved. For the owner, a line in the ledger
is a reason to look again, too.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path

from . import disk, names
from .errors import InvalidName, JobNotFoundError, StoreError, UnreadableJob
from .folder import glance
from .keys import Chain
from .lifecycle import JobState, Standing
from .place import JOBS, Place, checked
from .presence import Trace, trace
from .record import JobRecord, Stamp
from .spec import job_id
from .viewer import Viewer


class _Shelf:
    """What is remembered of one submitter's folder."""

    __slots__ = ("keys", "more", "names", "open", "records", "stamp", "traces", "turn")

    def __init__(self) -> None:
        self.keys: Chain | None = None
        self.stamp: Stamp | None = None
        self.names: list[str] = []
        self.records: dict[str, JobRecord] = {}
        self.traces: dict[str, tuple[Trace, str | None]] = {}
        self.open: dict[str, None] = {}
        """The names that are looked at in each sweep: new ones, and jobs that are not over."""
        self.turn: Iterator[str] = iter(())
        """Of those that are over, who comes next in a sweep."""
        self.more = 0


class JobStore:
    """The job folders of all datasites under one root, as one person sees them.

    Args:
        root: the folder that holds the datasites.
        viewer: who looks.
    """

    def __init__(self, root: Path, viewer: Viewer) -> None:
        self.root = root
        self.viewer = viewer
        self._shelves: dict[tuple[str, str], _Shelf] = {}
        self._ledger_mark = 0
        self._ordered: list[JobRecord] = []
        self._moved = True
        self._stirred: dict[Place, None] = {}
        self.unread: dict[tuple[str, str], str] = {}
        """Why the jobs of a submitter (in an owner's datasite) could not be read at the last look."""

    def records(self) -> list[JobRecord]:
        """All jobs, newest submission first, those without a proper time last; the list is the caller's.

        Raises:
            FileNotFoundError: the root is not there.
            StoreError: the folder cannot be read.
        """
        self._sweep(self._owners())
        if self._moved:
            everything = [record for shelf in self._shelves.values() for record in shelf.records.values()]
            everything.sort(key=lambda record: (-record.when, record.place))
            self._ordered = everything
            self._moved = False
        return self._ordered.copy()

    def unfinished(self, owner: str) -> list[JobRecord]:
        """The jobs in ``owner``'s datasite that are not over, oldest submission first.

        Raises:
            StoreError: the folder cannot be read.
        """
        self._sweep([owner])
        found = [record for record in self._known(owner) if not record.state.is_terminal]
        found.sort(key=lambda record: (record.when, record.place))
        return found

    def finished(self, owner: str) -> list[JobRecord]:
        """The jobs of ``owner`` that were over at the last look."""
        return [record for record in self._known(owner) if record.state.is_terminal]

    def sweep(self, owner: str, at_most: int) -> list[Place]:
        """Look at the jobs of ``owner`` that are new or not over, and at about ``at_most`` of the others, in turn.

        Returns:
            Those that were read again: they are new, or moved, or their directory alone does not tell what they are.

        Raises:
            StoreError: the folder cannot be read.
        """
        self._stirred.clear()
        self._sweep([owner], at_most)
        return list(self._stirred)

    def knows(self, place: Place) -> bool:
        """Whether there was a job at ``place`` at the last look."""
        shelf = self._shelves.get((place.owner, place.submitter))
        return shelf is not None and place.name in shelf.records

    def submitters(self, owner: str) -> list[str]:
        """Who had a folder in ``owner``'s datasite at the last look."""
        return [submitter for place_owner, submitter in self._shelves if place_owner == owner]

    def get(self, place: Place) -> JobRecord:
        """One job, looked at now.

        Raises:
            JobNotFoundError: there is no such directory.
        """
        self.viewer.forget_keys()
        if self.viewer.owns(place) and self.viewer.home.exists:
            self.viewer.home.ledger.refresh()  # of what a runner in another process said since
        try:
            with (
                disk.in_words(f"read {str(place.under(self.root))!r}"),
                disk.directory(self.root, *place.parts[:-1]) as parent,
            ):
                if not _is_job_name(place.name) and disk.look(parent, place.name) is not None:
                    return _misnamed(place)
                return glance(parent, place, self.viewer)
        except FileNotFoundError as error:
            raise JobNotFoundError(f"There is no job '{place}' in the datasite of {place.owner}.") from error

    def again(self, place: Place, known: JobRecord | None) -> JobRecord:
        """The record of one job as it is now: ``known`` itself where nothing moved since.

        Raises:
            JobNotFoundError: there is no such directory.
        """
        if known is not None and known.stamp is not None:
            home = self.viewer.home
            if home.exists:
                home.ledger.refresh()
            try:
                found = os.stat(place.under(self.root), follow_symlinks=False)
            except FileNotFoundError:
                found = None
            is_same = found is not None and (found.st_mtime_ns, found.st_ctime_ns, found.st_ino) == known.stamp
            if is_same and (known.owner != self.viewer.email or known.said == home.ledger.facts(known.id)):
                return known
        return self.get(place)

    def left_out(self) -> dict[tuple[str, str], int]:
        """How many waiting jobs are not listed, by owner and submitter: those above the limit for one submitter."""
        return {key: shelf.more for key, shelf in self._shelves.items() if shelf.more}

    def _known(self, owner: str) -> Iterator[JobRecord]:
        for (place_owner, _), shelf in self._shelves.items():
            if place_owner == owner:
                yield from shelf.records.values()

    def _owners(self) -> list[str]:
        with disk.in_words(f"read {str(self.root)!r}"), os.scandir(self.root) as entries:
            return sorted(entry.name for entry in entries if names.is_address(entry.name))

    def _sweep(self, owners: Iterable[str], at_most: int | None = None) -> None:
        mark = self._ledger_mark
        said_of = self._said_since()
        self.viewer.forget_keys()
        self.unread.clear()
        there = set()
        for owner in owners:
            try:
                for submitter, parent in _submitters(self.root, owner, self.unread):
                    there.add((owner, submitter))
                    shelf = self._shelves.setdefault((owner, submitter), _Shelf())
                    try:
                        with disk.in_words(f"read {str(self.root.joinpath(owner, *JOBS, submitter))!r}"):
                            self._look_at(shelf, parent, owner, submitter, said_of, at_most)
                    except StoreError as error:
                        self.unread[owner, submitter] = str(error)
            except BaseException:  # a folder that is away, or an interruption
                self._ledger_mark = mark  # what was said meanwhile is looked at the next time
                raise
        if self.unread:
            self._ledger_mark = mark
            there |= self.unread.keys()
        swept = set(owners)
        for key in [key for key in self._shelves if key[0] in swept and key not in there]:
            del self._shelves[key]
            self._moved = True

    def _said_since(self) -> set[str]:
        if not self.viewer.home.exists:
            return set()
        ledger = self.viewer.home.ledger
        ledger.refresh()
        end = ledger.end  # another thread may say more while we look
        changed = ledger.changed_since(self._ledger_mark) if self._shelves else set()
        self._ledger_mark = end
        return changed

    def _look_at(
        self, shelf: _Shelf, parent: int, owner: str, submitter: str, said_of: set[str], at_most: int | None
    ) -> None:
        records = shelf.records
        keys = self.viewer.chain_of(owner)
        is_same_owner = shelf.keys == keys  # whose word a marker is was decided by these
        shelf.keys = keys
        is_same = not shelf.more
        wanted: Iterable[str] = self._names(shelf, parent)
        if at_most is not None and is_same_owner:
            wanted = self._due(shelf, (owner, submitter), said_of, at_most)
        for name in wanted:
            disk.check_interrupted()
            known = records.get(name)
            if known is not None and known.id not in said_of and is_same_owner:
                stamp = known.stamp
                if stamp is not None:
                    try:
                        found = os.stat(name, dir_fd=parent, follow_symlinks=False)
                    except FileNotFoundError:
                        self._drop(shelf, name)
                        shelf.open[name] = None  # it may come back, unless the folder above moved, too
                        continue
                    if found.st_ctime_ns == stamp[1] and found.st_mtime_ns == stamp[0] and found.st_ino == stamp[2]:
                        continue
                elif name in shelf.traces and (trace(parent, name), self._besides(known)) == shelf.traces[name]:
                    continue
            looked = time.time()
            place = Place(owner, submitter, name)
            try:
                record = glance(parent, place, self.viewer) if _is_job_name(name) else _misnamed(place)
            except FileNotFoundError:
                self._drop(shelf, name)
                continue
            if known is not None or not record.state.is_terminal or record.findings or record.problem:
                self._stirred[place] = None  # one that is over, and new to us as it should be, is checked in turn
            if record.stamp is not None:
                shelf.open.pop(name, None)
            else:
                shelf.open[name] = None
                self._remember_trace(shelf, parent, record, looked)
            if record != known:
                records[name] = record
                self._moved = True
                is_same = False
        if not is_same:
            self._bound(shelf)

    def _due(self, shelf: _Shelf, whose: tuple[str, str], said_of: set[str], at_most: int) -> list[str]:
        """The names to look at in a sweep: what is open, what the ledger speaks of anew, and some others in turn."""
        of_all = sum(len(other.records) for other in self._shelves.values())
        share = -(-at_most * len(shelf.records) // max(1, of_all))
        in_turn = list(islice(shelf.turn, share))
        if len(in_turn) < share:
            shelf.turn = iter(list(shelf.records))
        spoken_of = []
        for job in said_of:
            with suppress(JobNotFoundError):  # its line was cut off again
                *their, name = self.viewer.home.ledger.place_of(job)
                spoken_of += [name] if tuple(their) == whose else []
        return list(dict.fromkeys([*shelf.open, *spoken_of, *in_turn]))

    def _remember_trace(self, shelf: _Shelf, parent: int, record: JobRecord, looked: float) -> None:
        """Remember what a job without a stamp looked like, where nothing else than its files decides what it is."""
        shelf.traces.pop(record.name, None)
        is_owners = self.viewer.owns(record.place)
        if record.when >= looked - self.viewer.settles or (is_owners and record.older):
            return
        if is_owners and "start" in self.viewer.home.ledger.events(record.id):
            return  # that an attempt begins is told by a file in the home
        seen = trace(parent, record.name, settled=looked - self.viewer.settles)
        if seen is not None:
            shelf.traces[record.name] = (seen, self._besides(record))

    def _besides(self, record: JobRecord) -> str | None:
        """What decides beside the files and the keys: for the owner, why a job was set aside."""
        is_own = self.viewer.owns(record.place)
        return self.viewer.home.aside(record.id) if is_own and record.state is JobState.QUEUED else None

    def _names(self, shelf: _Shelf, parent: int) -> list[str]:
        """The names in a submitter's folder; read again only when the folder moved."""
        looked = time.time_ns()
        found = os.fstat(parent)
        stamp = Stamp(found.st_mtime_ns, found.st_ctime_ns, found.st_ino)
        if shelf.stamp == stamp:
            return shelf.names
        with os.scandir(parent) as entries:
            shelf.names = [
                entry.name
                for entry in entries
                if not names.is_litter(entry.name) and (entry.is_symlink() or entry.is_dir(follow_symlinks=False))
            ]
        shelf.stamp = stamp if looked - found.st_mtime_ns > self.viewer.settles * 1e9 else None
        there = set(shelf.names)
        for name in [name for name in (*shelf.records, *shelf.open) if name not in there]:
            self._drop(shelf, name)
            shelf.open.pop(name, None)
        shelf.open |= dict.fromkeys(name for name in shelf.names if name not in shelf.records)
        return shelf.names

    def _drop(self, shelf: _Shelf, name: str) -> None:
        shelf.traces.pop(name, None)
        if shelf.records.pop(name, None) is not None:
            self._moved = True

    def _bound(self, shelf: _Shelf) -> None:
        """Keep at most the limit of one submitter's jobs that wait for a yes; count the rest."""
        limit = self.viewer.limits.unfinished
        shelf.more = 0
        if len(shelf.records) <= limit:
            return
        waits = (JobState.CREATED, JobState.SUBMITTED)
        records = (shelf.records.get(name) for name in shelf.open)
        waiting = [record for record in records if record is not None and record.state in waits]
        if len(waiting) > limit:
            waiting.sort(key=lambda record: (record.when, record.name))
            for record in waiting[limit:]:
                self._drop(shelf, record.name)
            shelf.more = len(waiting) - limit


def _submitters(root: Path, owner: str, unread: dict[tuple[str, str], str]) -> Iterator[tuple[str, int]]:
    """The submitters' folders in ``owner``'s datasite, open one at a time; links are passed over.

    One that cannot be read is noted in ``unread``, and the others go on.
    """
    try:
        with disk.directory(root, owner, *JOBS) as jobs:
            with disk.in_words(f"read {str(root.joinpath(owner, *JOBS))!r}"):
                found = sorted(name for name in os.listdir(jobs) if names.is_address(name))
            for submitter in found:
                try:
                    with disk.directory(jobs, submitter) as parent:
                        yield submitter, parent
                except (FileNotFoundError, UnreadableJob):
                    continue  # went away, or is no folder: nothing in it can be a job
                except StoreError as error:
                    unread[owner, submitter] = str(error)
    except (FileNotFoundError, UnreadableJob):
        return


def _is_job_name(name: str) -> bool:
    """Whether a folder may be a job by its name; whose folders it lies in was looked at before."""
    try:
        return names.job_name(name) == name
    except InvalidName:
        return False


def _misnamed(place: Place) -> JobRecord:
    try:
        checked(place)
    except UnreadableJob as error:
        problem = str(error)
    spelled = place._replace(name=os.fsencode(place.name).decode("utf-8", "backslashreplace"))
    return JobRecord(place, job_id(spelled, b""), "", Standing(JobState.CREATED), problem=problem)
