"""All job folders under a root, read again only where something moved.

A finished job whose directory has the stamp that was seen is not opened again; of jobs that are unfinished or still
arriving every file is looked at each time, and they are read again where one moved. For the owner, a line in the ledger
is a reason to look again, too.

Each submitter has a budget for each sweep. What it does not reach keeps its record, or has none yet, and comes first at
the next sweep. Of the jobs that wait for a decision, other people's lists hold so many of each submitter; the rest are
counted, and not looked at before there is room.
"""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path

from . import disk, names
from .budget import SweepBudget
from .errors import InvalidName, JobNotFoundError, StoreError, SyftJobError, UnreadableJob
from .folder import broken, glance, misnamed
from .lifecycle import JobState
from .place import JOBS, Place
from .presence import FileDigests, trace
from .record import JobRecord, Stamp
from .shelf import Shelf, is_decided, is_waiting
from .viewer import Viewer

MAX_DIRECTORIES = 150_000
"""How many entries of one submitter's folder are listed."""
MAX_SUBMITTERS = 10_000
"""How many submitters' folders of one datasite are looked at, beside those that are known already."""
HASHED_BYTES = 16 << 20
"""How much of the older layout is hashed for one submitter in one sweep."""
MAX_OWNERS = 10_000
"""How many datasites below the root are looked at, beside one's own."""
_SHARED_BASES = 4.0
"""How many times the base of a budget all submitters together may use up in one sweep: those of one's own datasite, and
those of all the others."""
_LATE_SHARE = 0.1
_LEAST_SHARE = 0.02
"""The part of a base for each further submitter, when as much or twice as much is used up: enough for ordinary jobs."""
_UNDECIDED_FOR_OTHERS = 10
"""For whom has no ledger of a datasite: how many times the limit of waiting jobs is looked at as ordinary cost."""
_BEYOND_A_SWEEP = 20
"""How many jobs above the limit are looked at in turn by whom no ledger tells that they moved."""


class JobStore:
    """The job folders of all datasites under one root, as one person sees them.

    Args:
        root: the folder that holds the datasites.
        viewer: who looks.
    """

    def __init__(self, root: Path, viewer: Viewer) -> None:
        self.root = root
        self.viewer = viewer
        self._shelves: dict[tuple[str, str], Shelf] = {}
        self._ledger_mark = 0
        self._ordered: list[JobRecord] = []
        self._moved = True
        self._stirred: dict[Place, None] = {}
        self.unread: dict[tuple[str, str], str] = {}
        """Why the jobs of a submitter (in an owner's datasite) could not be read at the last look."""
        self._crowded: set[str] = set()
        """The owners whose datasite held more submitters' folders at the last look than are looked at."""
        self._first: dict[str, str] = {}
        """For an owner, the submitter whose turn it is to be first, because the last sweep used up what all share."""
        self._decided: dict[tuple[str, str], tuple[int, frozenset[str]]] = {}
        self._approved: dict[tuple[str, str], set[str]] | None = None
        """The names of the own jobs that are approved and not over, where this sweep had to know them."""

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

    def record_of(self, place: Place) -> JobRecord | None:
        """The record of the job at ``place`` as of the last look, or None."""
        shelf = self._shelves.get((place.owner, place.submitter))
        return None if shelf is None else shelf.records.get(place.name)

    def submitters(self, owner: str) -> list[str]:
        """Who had a folder in ``owner``'s datasite at the last look."""
        return [submitter for place_owner, submitter in self._shelves if place_owner == owner]

    def get(self, place: Place, *, hash_at_most: int | None = None) -> JobRecord:
        """One job, looked at now.

        Args:
            place: which job.
            hash_at_most: how many bytes of the older layout may be hashed; by default as many as a job may have.

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
                    return misnamed(place)
                digests = self._digests_of(place)
                digests.allow(self.viewer.limits.total_bytes if hash_at_most is None else hash_at_most)
                return glance(parent, place, self.viewer, digests)
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
        return {key: len(shelf.beyond) for key, shelf in self._shelves.items() if shelf.beyond}

    def not_looked_at(self) -> dict[tuple[str, str], str]:
        """What the last look did not come to, in words, by owner and submitter; it comes to it in turn."""
        words: dict[tuple[str, str], str] = {}
        for key, shelf in self._shelves.items():
            parts = []
            if shelf.used_up:
                parts.append(
                    f"{shelf.unseen} {'job was' if shelf.unseen == 1 else 'jobs were'} not looked at, because the"
                    f" budget of one submitter is used up ({shelf.used_up}); the next look comes to them in turn"
                )
            if shelf.is_cut:
                parts.append(f"the folder holds more than {MAX_DIRECTORIES} entries, and only so many are looked at")
            if parts:
                words[key] = "; ".join(parts)
        for owner in self._crowded:
            words[owner, "others"] = (
                f"there are more than {MAX_SUBMITTERS} submitters' folders, and not all are looked at"
            )
        return words

    def unlisted(self, name: str) -> list[Place]:
        """Where there is a job called ``name`` that a list of the last look lacks, so that the name is ambiguous."""
        if not _is_job_name(name):
            return []
        found = []
        for whose in sorted({*self.left_out(), *self.not_looked_at(), *self.unread}):
            shelf = self._shelves.get(whose)
            is_listed = shelf is not None and name in shelf.records
            with suppress(StoreError):  # a folder that cannot be read is in the notes
                if not is_listed and disk.is_directory(self.root, *(place := Place(*whose, name)).parts):
                    found.append(place)
        return found

    def notes(self) -> list[str]:
        """What a list of the last look lacks, one sentence for each submitter and reason."""
        limit = self.viewer.limits.unfinished
        notes = [
            f"… and {count} more jobs of {submitter} to {owner} that wait: only the first {limit} are listed"
            for (owner, submitter), count in sorted(self.left_out().items())
        ]
        notes += [
            f"… and jobs of {submitter} to {owner}: {words}"
            for (owner, submitter), words in sorted(self.not_looked_at().items())
        ]
        notes += [
            f"… and the jobs of {submitter} to {owner}, which cannot be read now: {reason}"
            for (owner, submitter), reason in sorted(self.unread.items())
        ]
        return notes

    def _known(self, owner: str) -> Iterator[JobRecord]:
        for (place_owner, _), shelf in self._shelves.items():
            if place_owner == owner:
                yield from shelf.records.values()

    def _owners(self) -> list[str]:
        with disk.in_words(f"read {str(self.root)!r}"), os.scandir(self.root) as entries:
            found = [entry.name for entry in islice(entries, MAX_OWNERS) if names.is_address(entry.name)]
        return sorted({*found, self.viewer.email})

    def _sweep(self, owners: Iterable[str], at_most: int | None = None) -> None:
        mark = self._ledger_mark
        said_of = self._said_since()
        self._approved = None
        self.viewer.forget_keys()
        self.unread.clear()
        self._crowded.clear()
        there = set()
        shares = {True: _SHARED_BASES, False: _SHARED_BASES}
        for owner in owners:
            is_own = owner == self.viewer.email
            try:
                for submitter, parent in self._submitters(owner):
                    there.add((owner, submitter))
                    shelf = self._shelf(owner, submitter)
                    if shares[is_own] <= 0:
                        self._first.setdefault(owner, submitter)
                    share = min(_share(shares[is_own]), shelf.refill())
                    budget = SweepBudget(share=share, most_undecided=self._most_undecided(owner))
                    try:
                        with disk.in_words(f"read {str(self.root.joinpath(owner, *JOBS, submitter))!r}"):
                            self._look_at(shelf, parent, owner, submitter, said_of, at_most, budget)
                    except StoreError as error:
                        self.unread[owner, submitter] = str(error)
                    used = budget.base_used()
                    shelf.base -= used
                    shares[is_own] -= used
            except BaseException:  # a folder that is away, or an interruption
                self._ledger_mark = mark  # what was said meanwhile is looked at the next time
                raise
        if self.unread:
            self._ledger_mark = mark
            there |= self.unread.keys()
        swept = set(owners)
        for key in [key for key in self._shelves if key[0] in swept and key not in there]:
            del self._shelves[key]
            self._decided.pop(key, None)
            self._moved = True

    def _shelf(self, owner: str, submitter: str) -> Shelf:
        shelf = self._shelves.get((owner, submitter))
        if shelf is None:
            shelf = self._shelves[owner, submitter] = Shelf(FileDigests(self.viewer.settles))
        return shelf

    def _digests_of(self, place: Place) -> FileDigests:
        shelf = self._shelves.get((place.owner, place.submitter))
        return FileDigests(self.viewer.settles) if shelf is None else shelf.digests

    def _most_undecided(self, owner: str) -> int:
        limit = self.viewer.limits.unfinished
        return 2 * limit if owner == self.viewer.email else _UNDECIDED_FOR_OTHERS * limit

    def _submitters(self, owner: str) -> Iterator[tuple[str, int]]:
        """The submitters' folders in ``owner``'s datasite, open one at a time; links are passed over.

        One that cannot be read is noted in ``unread``, and the others go on.
        """
        try:
            with disk.directory(self.root, owner, *JOBS) as jobs:
                with disk.in_words(f"read {str(self.root.joinpath(owner, *JOBS))!r}"):
                    listed = disk.first_names(jobs, limit=MAX_SUBMITTERS + 1)
                if len(listed) > MAX_SUBMITTERS:
                    self._crowded.add(owner)
                    listed += [submitter for known, submitter in self._shelves if known == owner]
                found = sorted({name for name in listed if names.is_address(name)})
                first = self._first.pop(owner, None)
                if first is not None:
                    found = [name for name in found if name >= first] + [name for name in found if name < first]
                for submitter in found:
                    try:
                        with disk.directory(jobs, submitter) as parent:
                            yield submitter, parent
                    except (FileNotFoundError, UnreadableJob):
                        continue  # went away, or is no folder: nothing in it can be a job
                    except StoreError as error:
                        self.unread[owner, submitter] = str(error)
        except (FileNotFoundError, UnreadableJob):
            return

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
        self,
        shelf: Shelf,
        parent: int,
        owner: str,
        submitter: str,
        said_of: set[str],
        at_most: int | None,
        budget: SweepBudget,
    ) -> None:
        """Look at the jobs of one submitter that may have moved, until the budget is used up."""
        records, stale, whose = shelf.records, shelf.stale, (owner, submitter)
        keys = self.viewer.chain_of(owner)
        is_same_owner = shelf.keys == keys  # whose word a marker is was decided by these
        shelf.keys = keys
        shelf.digests.allow(HASHED_BYTES)
        spoken = self._spoken_of(said_of, whose) if shelf.beyond or at_most is not None else []
        wanted = self._wanted(shelf, parent, spoken, at_most if is_same_owner else None)
        limit = None if submitter == self.viewer.email else self.viewer.limits.unfinished
        shelf.unseen, shelf.used_up = 0, ""
        budget.start()
        is_busy = not is_same_owner or bool(said_of) or bool(stale)
        for at, name in enumerate(wanted):
            known = current = records.get(name)
            if is_busy and known is not None:
                must_read = not is_same_owner or known.id in said_of or name in stale
                current = None if must_read else known
            if current is not None and (stamp := current.stamp) is not None:
                try:
                    found = os.stat(name, dir_fd=parent, follow_symlinks=False)
                except FileNotFoundError:
                    self._drop(shelf, name)
                    shelf.open[name] = None  # it may come back, unless the folder above moved, too
                    continue
                if found.st_ctime_ns == stamp[1] and found.st_mtime_ns == stamp[0] and found.st_ino == stamp[2]:
                    continue
            elif (
                known is None
                and limit is not None
                and (shelf.waiting >= limit or shelf.beyond)
                and self._is_beyond(shelf, whose, name, limit, spoken)
            ):
                continue
            if budget.used_up:
                decided = self._leave_for_next(
                    shelf, wanted[at:], whose, said_of, spoken, is_same_owner=is_same_owner, why=budget.used_up
                )
                for one in decided:
                    self._look_at_one(shelf, parent, Place(owner, submitter, one), limit, budget)
                break
            if current is not None and current.stamp is None and self._is_unmoved(shelf, parent, current):
                budget.charge_job(is_decided=is_decided(current))
                continue
            self._look_at_one(shelf, parent, Place(owner, submitter, name), limit, budget)
        if not shelf.beyond:
            shelf.is_ordered = False
        elif not budget.used_up:
            if not shelf.is_ordered:
                self._prefer_oldest(shelf, parent, limit or 0)
            self._make_up(shelf, parent, whose, limit, budget)

    def _wanted(self, shelf: Shelf, parent: int, spoken: Iterable[str], at_most: int | None) -> Sequence[str]:
        """The names to look at, those first that the last look did not come to."""
        wanted: Sequence[str] = self._names(shelf, parent)
        if at_most is not None:
            wanted = self._due(shelf, spoken, at_most)
        if shelf.is_new and wanted:
            shelf.is_new = False
            shelf.resume = secrets.choice(wanted)  # so that what one process does not come to, another one does
        if shelf.resume is not None:
            wanted = _from(wanted, shelf.resume)
            shelf.resume = None
        return wanted

    def _is_beyond(self, shelf: Shelf, whose: tuple[str, str], name: str, limit: int, spoken: Collection[str]) -> bool:
        """Whether a job without a record is only counted: it waits, and as many as are listed wait already."""
        if name in spoken:
            return False
        if name in shelf.beyond:
            return True
        # Only the owner's ledger tells of a job that it does not wait, without reading it.
        if shelf.waiting < limit or whose[0] != self.viewer.email or name in self._decided_names(*whose):
            return False
        self._moved |= shelf.put_beyond(name)
        return True

    def _is_unmoved(self, shelf: Shelf, parent: int, known: JobRecord) -> bool:
        """Whether a job without a stamp looks as it did when it was read."""
        seen = shelf.traces.get(known.name)
        return seen is not None and (trace(parent, known.name), self._besides(known)) == seen

    def _look_at_one(self, shelf: Shelf, parent: int, place: Place, limit: int | None, budget: SweepBudget) -> None:
        """Read one job and remember what it is."""
        disk.check_interrupted()
        name = place[2]
        known = shelf.records.get(name)
        if shelf.stale:
            shelf.stale.discard(name)
        looked = time.time()
        try:
            record = glance(parent, place, self.viewer, shelf.digests) if _is_job_name(name) else misnamed(place)
        except FileNotFoundError:
            self._drop(shelf, name)
            shelf.beyond.pop(name, None)
            budget.charge_job(is_decided=False)
            return
        except (OSError, SyftJobError):
            raise
        except Exception as error:  # noqa: BLE001 - the job's row names it; one job must not stop the list
            record = broken(place, error)
        if known is None and record.stamp is not None and not record.findings:
            shelf.put_settled(record)  # the usual case of a first look, without what follows
            self._moved = True
            budget.charge_job(is_decided=is_decided(record))
            return
        if limit is not None and known is None and shelf.waiting >= limit and is_waiting(record):
            shelf.put_beyond(name)
            budget.charge_job(is_decided=False)
            return
        if known is not None or not record.state.is_terminal or record.findings or record.problem:
            self._stirred[place] = None  # one that is over, and new to us as it should be, is checked in turn
        if record.stamp is not None:
            shelf.open.pop(name, None)
        else:
            shelf.open[name] = None
            self._remember_trace(shelf, parent, record, looked)
        if known is None or record != known:
            shelf.put(record)
            self._moved = True
        budget.charge_job(is_decided=is_decided(record))

    def _leave_for_next(
        self,
        shelf: Shelf,
        rest: Sequence[str],
        whose: tuple[str, str],
        said_of: set[str],
        spoken: Collection[str],
        *,
        is_same_owner: bool,
        why: str,
    ) -> list[str]:
        """Note which names the look did not come to, so that the next one begins with them.

        Returns:
            Those that the owner's ledger speaks of anew, and those that it has as approved and that were never looked
            at: they are looked at whatever the budget, since how many they are is up to the owner.
        """
        shelf.resume, shelf.used_up = rest[0], why
        unknown = [name for name in rest if name not in shelf.records]
        approved = self._approved_among(unknown, whose)
        decided = []
        for name in rest:
            known = shelf.records.get(name)
            if name in spoken or name in approved or (known is not None and known.id in said_of):
                decided.append(name)
            elif known is None:
                shelf.unseen += name not in shelf.beyond
            else:
                if not is_same_owner:
                    shelf.stale.add(name)
                    shelf.open[name] = None
                shelf.unseen += known.stamp is None or name in shelf.stale
        return decided

    def _prefer_oldest(self, shelf: Shelf, parent: int, limit: int) -> None:
        """Of the jobs that wait, keep records of the oldest ones: the others go beyond the limit, in order."""
        waiting = [record.name for record in shelf.records.values() if is_waiting(record)]
        in_order = _oldest_first(parent, [*waiting, *shelf.beyond])
        for name in set(waiting).difference(in_order[:limit]):
            self._moved |= shelf.put_beyond(name)
        shelf.beyond = dict.fromkeys(name for name in in_order if name in shelf.beyond)
        shelf.is_ordered = True

    def _make_up(
        self, shelf: Shelf, parent: int, whose: tuple[str, str], limit: int | None, budget: SweepBudget
    ) -> None:
        """Look at jobs above the limit while there is room; and at some in turn, where no ledger tells of them."""
        in_turn = 0 if whose[0] == self.viewer.email else _BEYOND_A_SWEEP
        for name in list(islice(shelf.beyond, limit if limit is not None else len(shelf.beyond))):
            has_room = limit is None or shelf.waiting < limit
            if budget.used_up or not (has_room or in_turn > 0):
                return
            in_turn -= not has_room
            del shelf.beyond[name]
            self._look_at_one(shelf, parent, Place(*whose, name), limit, budget)

    def _decided_names(self, owner: str, submitter: str) -> frozenset[str]:
        """The names of a submitter's jobs that the ledger of this person's own datasite speaks of."""
        ledger = self.viewer.home.ledger
        known = self._decided.get((owner, submitter))
        if known is None or known[0] > ledger.end:
            known = (0, frozenset())
        if known[0] < ledger.end and self.viewer.home.exists:
            more = ledger.names_of(owner, submitter, since=known[0])
            known = self._decided[owner, submitter] = (ledger.end, known[1] | more)
        return known[1]

    def _approved_among(self, names: Iterable[str], whose: tuple[str, str]) -> set[str]:
        """Those of ``names`` under which the ledger has a job in the own datasite that is approved and not over."""
        if whose[0] != self.viewer.email:
            return set()
        decided = self._decided_names(*whose)
        candidates = {name for name in names if name in decided}
        if not candidates:
            return candidates
        if self._approved is None:
            self._approved = {}
            for job in self.viewer.home.ledger.approved():
                with suppress(JobNotFoundError):  # its line was cut off again
                    owner, submitter, name = self.viewer.home.ledger.place_of(job)
                    self._approved.setdefault((owner, submitter), set()).add(name)
        return candidates & self._approved.get(whose, set())

    def _spoken_of(self, said_of: set[str], whose: tuple[str, str]) -> list[str]:
        """The names of a submitter's jobs that the ledger speaks of anew."""
        spoken_of = []
        for job in said_of:
            with suppress(JobNotFoundError):  # its line was cut off again
                *their, name = self.viewer.home.ledger.place_of(job)
                spoken_of += [name] if tuple(their) == whose else []
        return spoken_of

    def _due(self, shelf: Shelf, spoken_of: Iterable[str], at_most: int) -> list[str]:
        """The names to look at in a sweep: what the ledger speaks of anew, what is open, and some others in turn."""
        of_all = sum(len(other.records) for other in self._shelves.values())
        share = -(-at_most * len(shelf.records) // max(1, of_all))
        in_turn = list(islice(shelf.turn, share))
        if len(in_turn) < share:
            shelf.turn = iter(list(shelf.records))
        return list(dict.fromkeys([*spoken_of, *shelf.open, *in_turn]))

    def _remember_trace(self, shelf: Shelf, parent: int, record: JobRecord, looked: float) -> None:
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

    def _names(self, shelf: Shelf, parent: int) -> list[str]:
        """The names in a submitter's folder; read again only when the folder moved."""
        looked = time.time_ns()
        found = os.fstat(parent)
        stamp = Stamp(found.st_mtime_ns, found.st_ctime_ns, found.st_ino)
        if shelf.stamp == stamp:
            return shelf.names
        with os.scandir(parent) as entries:
            some = list(islice(entries, MAX_DIRECTORIES + 1))
            listed = [
                entry.name
                for entry in some
                if not names.is_litter(entry.name) and (entry.is_symlink() or entry.is_dir(follow_symlinks=False))
            ]
        shelf.is_cut = len(some) > MAX_DIRECTORIES
        shelf.names = listed
        shelf.stamp = stamp if looked - found.st_mtime_ns > self.viewer.settles * 1e9 else None
        there = set(listed)
        for name in [name for name in (*shelf.records, *shelf.open, *shelf.beyond) if name not in there]:
            if shelf.is_cut and name in shelf.records:
                listed.append(name)  # which entries are listed may change; one that is gone is met by its stat
            elif shelf.forget(name):
                self._moved = True
        records, beyond, opened = shelf.records, shelf.beyond, shelf.open
        new = [name for name in listed if name not in records and name not in beyond and name not in opened]
        opened |= dict.fromkeys(new)
        return shelf.names

    def _drop(self, shelf: Shelf, name: str) -> None:
        if shelf.drop(name):
            self._moved = True


def _share(left: float) -> float:
    """Which part of the base the next submitter gets, where so many bases are left for all."""
    if left > 0:
        return min(1.0, max(left, _LATE_SHARE))
    return _LATE_SHARE if left > -_SHARED_BASES else _LEAST_SHARE


def _oldest_first(parent: int, jobs: Sequence[str]) -> list[str]:
    """Directories by the time of their last change, which for one that waits is about that of its submission."""
    times = {}
    for name in jobs:
        found = disk.look(parent, name)
        if found is not None:
            times[name] = found.st_mtime_ns
    return sorted(times, key=lambda name: (times[name], name))


def _from(items: Sequence[str], first: str) -> Sequence[str]:
    """``items`` in turn, beginning with ``first``, where it is one of them."""
    if first not in items:
        return items
    at = items.index(first)
    return [*items[at:], *items[:at]]


def _is_job_name(name: str) -> bool:
    """Whether a folder may be a job by its name; whose folders it lies in was looked at before."""
    try:
        return names.job_name(name) == name
    except InvalidName:
        return False
