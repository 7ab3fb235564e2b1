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

from syft_job import fs
from syft_job.errors import InvalidName, JobNotFoundError, StoreError, SyftJobError, UnreadableJob
from syft_job.model import names
from syft_job.model.job_record import JobRecord, Stamp
from syft_job.model.job_ref import JOBS, MAX_OWNERS, JobRef
from syft_job.model.lifecycle import JobState

from .job_contents import FileDigests, trace
from .job_reader import broken, misnamed, read_summary
from .participant import Participant
from .submitter_index import SubmitterIndex, is_decided, is_waiting
from .sweep_budget import SweepBudget

MAX_DIRECTORIES = 150_000
"""How many entries of one submitter's folder are listed."""
MAX_SUBMITTERS = 10_000
"""How many submitters' folders of one datasite are looked at, beside those that are known already."""
HASHED_BYTES = 16 << 20
"""How much of the older layout is hashed for one submitter in one sweep."""
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


class JobIndex:
    """The job folders of all datasites under one root, as one person sees them.

    Args:
        root: the folder that holds the datasites.
        participant: who looks.
    """

    def __init__(self, root: Path, participant: Participant) -> None:
        self.root = root
        self.participant = participant
        self._indexes: dict[tuple[str, str], SubmitterIndex] = {}
        self._ledger_mark = 0
        self._ordered: list[JobRecord] = []
        self._moved = True
        self._stirred: dict[JobRef, None] = {}
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
            everything = [record for index in self._indexes.values() for record in index.records.values()]
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

    def sweep(self, owner: str, at_most: int) -> list[JobRef]:
        """Look at the jobs of ``owner`` that are new or not over, and at about ``at_most`` of the others, in turn.

        Returns:
            Those that were read again: they are new, or moved, or their directory alone does not tell what they are.

        Raises:
            StoreError: the folder cannot be read.
        """
        self._stirred.clear()
        self._sweep([owner], at_most)
        return list(self._stirred)

    def knows(self, place: JobRef) -> bool:
        """Whether there was a job at ``place`` at the last look."""
        index = self._indexes.get((place.owner, place.submitter))
        return index is not None and place.name in index.records

    def record_of(self, place: JobRef) -> JobRecord | None:
        """The record of the job at ``place`` as of the last look, or None."""
        index = self._indexes.get((place.owner, place.submitter))
        return None if index is None else index.records.get(place.name)

    def submitters(self, owner: str) -> list[str]:
        """Who had a folder in ``owner``'s datasite at the last look."""
        return [submitter for place_owner, submitter in self._indexes if place_owner == owner]

    def get(self, place: JobRef, *, hash_at_most: int | None = None) -> JobRecord:
        """One job, looked at now.

        Args:
            place: which job.
            hash_at_most: how many bytes of the older layout may be hashed; by default as many as a job may have.

        Raises:
            JobNotFoundError: there is no such directory.
        """
        self.participant.forget_keys()
        if self.participant.owns(place) and self.participant.home.exists:
            self.participant.home.ledger.refresh()  # of what a runner in another process said since
        try:
            with (
                fs.translate_os_errors(f"read {str(place.under(self.root))!r}"),
                fs.open_directory(self.root, *place.parts[:-1]) as parent,
            ):
                if not _is_job_name(place.name) and fs.stat_entry(parent, place.name) is not None:
                    return misnamed(place)
                digests = self._digests_of(place)
                digests.allow(self.participant.limits.total_bytes if hash_at_most is None else hash_at_most)
                return read_summary(parent, place, self.participant, digests)
        except FileNotFoundError as error:
            raise JobNotFoundError(f"There is no job '{place}' in the datasite of {place.owner}.") from error

    def again(self, place: JobRef, known: JobRecord | None) -> JobRecord:
        """The record of one job as it is now: ``known`` itself where nothing moved since.

        Raises:
            JobNotFoundError: there is no such directory.
        """
        if known is not None and known.stamp is not None:
            home = self.participant.home
            if home.exists:
                home.ledger.refresh()
            try:
                found = os.stat(place.under(self.root), follow_symlinks=False)
            except FileNotFoundError:
                found = None
            is_same = found is not None and (found.st_mtime_ns, found.st_ctime_ns, found.st_ino) == known.stamp
            if is_same and (known.owner != self.participant.email or known.said == home.ledger.facts(known.id)):
                return known
        return self.get(place)

    def left_out(self) -> dict[tuple[str, str], int]:
        """How many waiting jobs are not listed, by owner and submitter: those above the limit for one submitter."""
        return {key: len(index.beyond) for key, index in self._indexes.items() if index.beyond}

    def not_looked_at(self) -> dict[tuple[str, str], str]:
        """What the last look did not come to, in words, by owner and submitter; it comes to it in turn."""
        words: dict[tuple[str, str], str] = {}
        for key, index in self._indexes.items():
            parts = []
            if index.used_up:
                parts.append(
                    f"{index.unseen} {'job was' if index.unseen == 1 else 'jobs were'} not looked at, because the"
                    f" budget of one submitter is used up ({index.used_up}); the next look comes to them in turn"
                )
            if index.is_cut:
                parts.append(f"the folder holds more than {MAX_DIRECTORIES} entries, and only so many are looked at")
            if parts:
                words[key] = "; ".join(parts)
        for owner in self._crowded:
            words[owner, "others"] = (
                f"there are more than {MAX_SUBMITTERS} submitters' folders, and not all are looked at"
            )
        return words

    def unlisted(self, name: str) -> list[JobRef]:
        """Where there is a job called ``name`` that a list of the last look lacks, so that the name is ambiguous."""
        if not _is_job_name(name):
            return []
        found = []
        for whose in sorted({*self.left_out(), *self.not_looked_at(), *self.unread}):
            index = self._indexes.get(whose)
            is_listed = index is not None and name in index.records
            with suppress(StoreError):  # a folder that cannot be read is in the notes
                if not is_listed and fs.is_directory(self.root, *(place := JobRef(*whose, name)).parts):
                    found.append(place)
        return found

    def notes(self) -> list[str]:
        """What a list of the last look lacks, one sentence for each submitter and reason."""
        limit = self.participant.limits.unfinished
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
        for (place_owner, _), index in self._indexes.items():
            if place_owner == owner:
                yield from index.records.values()

    def _owners(self) -> list[str]:
        with fs.translate_os_errors(f"read {str(self.root)!r}"), os.scandir(self.root) as entries:
            found = [entry.name for entry in islice(entries, MAX_OWNERS) if names.is_address(entry.name)]
        return sorted({*found, self.participant.email})

    def _sweep(self, owners: Iterable[str], at_most: int | None = None) -> None:
        mark = self._ledger_mark
        said_of = self._said_since()
        self._approved = None
        self.participant.forget_keys()
        self.unread.clear()
        self._crowded.clear()
        there = set()
        shares = {True: _SHARED_BASES, False: _SHARED_BASES}
        for owner in owners:
            is_own = owner == self.participant.email
            try:
                for submitter, parent in self._submitters(owner):
                    there.add((owner, submitter))
                    index = self._index(owner, submitter)
                    if shares[is_own] <= 0:
                        self._first.setdefault(owner, submitter)
                    share = min(_share(shares[is_own]), index.refill())
                    budget = SweepBudget(share=share, most_undecided=self._most_undecided(owner))
                    try:
                        with fs.translate_os_errors(f"read {str(self.root.joinpath(owner, *JOBS, submitter))!r}"):
                            self._look_at(index, parent, owner, submitter, said_of, at_most, budget)
                    except StoreError as error:
                        self.unread[owner, submitter] = str(error)
                    used = budget.base_used()
                    index.base -= used
                    shares[is_own] -= used
            except BaseException:  # a folder that is away, or an interruption
                self._ledger_mark = mark  # what was said meanwhile is looked at the next time
                raise
        if self.unread:
            self._ledger_mark = mark
            there |= self.unread.keys()
        swept = set(owners)
        for key in [key for key in self._indexes if key[0] in swept and key not in there]:
            del self._indexes[key]
            self._decided.pop(key, None)
            self._moved = True

    def _index(self, owner: str, submitter: str) -> SubmitterIndex:
        index = self._indexes.get((owner, submitter))
        if index is None:
            index = self._indexes[owner, submitter] = SubmitterIndex(FileDigests(self.participant.settles))
        return index

    def _digests_of(self, place: JobRef) -> FileDigests:
        index = self._indexes.get((place.owner, place.submitter))
        return FileDigests(self.participant.settles) if index is None else index.digests

    def _most_undecided(self, owner: str) -> int:
        limit = self.participant.limits.unfinished
        return 2 * limit if owner == self.participant.email else _UNDECIDED_FOR_OTHERS * limit

    def _submitters(self, owner: str) -> Iterator[tuple[str, int]]:
        """The submitters' folders in ``owner``'s datasite, open one at a time; links are passed over.

        One that cannot be read is noted in ``unread``, and the others go on.
        """
        try:
            with fs.open_directory(self.root, owner, *JOBS) as jobs:
                with fs.translate_os_errors(f"read {str(self.root.joinpath(owner, *JOBS))!r}"):
                    listed = fs.first_names(jobs, limit=MAX_SUBMITTERS + 1)
                if len(listed) > MAX_SUBMITTERS:
                    self._crowded.add(owner)
                    listed += [submitter for known, submitter in self._indexes if known == owner]
                found = sorted({name for name in listed if names.is_address(name)})
                first = self._first.pop(owner, None)
                if first is not None:
                    found = [name for name in found if name >= first] + [name for name in found if name < first]
                for submitter in found:
                    try:
                        with fs.open_directory(jobs, submitter) as parent:
                            yield submitter, parent
                    except (FileNotFoundError, UnreadableJob):
                        continue  # went away, or is no folder: nothing in it can be a job
                    except StoreError as error:
                        self.unread[owner, submitter] = str(error)
        except (FileNotFoundError, UnreadableJob):
            return

    def _said_since(self) -> set[str]:
        if not self.participant.home.exists:
            return set()
        ledger = self.participant.home.ledger
        ledger.refresh()
        end = ledger.end  # another thread may say more while we look
        changed = ledger.changed_since(self._ledger_mark) if self._indexes else set()
        self._ledger_mark = end
        return changed

    def _look_at(
        self,
        index: SubmitterIndex,
        parent: int,
        owner: str,
        submitter: str,
        said_of: set[str],
        at_most: int | None,
        budget: SweepBudget,
    ) -> None:
        """Look at the jobs of one submitter that may have moved, until the budget is used up."""
        records, stale, whose = index.records, index.stale, (owner, submitter)
        keys = self.participant.chain_of(owner)
        is_same_owner = index.keys == keys  # whose word a marker is was decided by these
        index.keys = keys
        index.digests.allow(HASHED_BYTES)
        spoken = self._spoken_of(said_of, whose) if index.beyond or at_most is not None else []
        wanted = self._wanted(index, parent, spoken, at_most if is_same_owner else None)
        limit = None if submitter == self.participant.email else self.participant.limits.unfinished
        index.unseen, index.used_up = 0, ""
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
                    self._drop(index, name)
                    index.open[name] = None  # it may come back, unless the folder above moved, too
                    continue
                if found.st_ctime_ns == stamp[1] and found.st_mtime_ns == stamp[0] and found.st_ino == stamp[2]:
                    continue
            elif (
                known is None
                and limit is not None
                and (index.waiting >= limit or index.beyond)
                and self._is_beyond(index, whose, name, limit, spoken)
            ):
                continue
            if budget.used_up:
                decided = self._leave_for_next(
                    index, wanted[at:], whose, said_of, spoken, is_same_owner=is_same_owner, why=budget.used_up
                )
                for one in decided:
                    self._look_at_one(index, parent, JobRef(owner, submitter, one), limit, budget)
                break
            if current is not None and current.stamp is None and self._is_unmoved(index, parent, current):
                budget.charge_job(is_decided=is_decided(current))
                continue
            self._look_at_one(index, parent, JobRef(owner, submitter, name), limit, budget)
        if not index.beyond:
            index.is_ordered = False
        elif not budget.used_up:
            if not index.is_ordered:
                self._prefer_oldest(index, parent, limit or 0)
            self._make_up(index, parent, whose, limit, budget)

    def _wanted(self, index: SubmitterIndex, parent: int, spoken: Iterable[str], at_most: int | None) -> Sequence[str]:
        """The names to look at, those first that the last look did not come to."""
        wanted: Sequence[str] = self._names(index, parent)
        if at_most is not None:
            wanted = self._due(index, spoken, at_most)
        if index.is_new and wanted:
            index.is_new = False
            index.resume = secrets.choice(wanted)  # so that what one process does not come to, another one does
        if index.resume is not None:
            wanted = _from(wanted, index.resume)
            index.resume = None
        return wanted

    def _is_beyond(
        self, index: SubmitterIndex, whose: tuple[str, str], name: str, limit: int, spoken: Collection[str]
    ) -> bool:
        """Whether a job without a record is only counted: it waits, and as many as are listed wait already."""
        if name in spoken:
            return False
        if name in index.beyond:
            return True
        # Only the owner's ledger tells of a job that it does not wait, without reading it.
        if index.waiting < limit or whose[0] != self.participant.email or name in self._decided_names(*whose):
            return False
        self._moved |= index.put_beyond(name)
        return True

    def _is_unmoved(self, index: SubmitterIndex, parent: int, known: JobRecord) -> bool:
        """Whether a job without a stamp looks as it did when it was read."""
        seen = index.traces.get(known.name)
        return seen is not None and (trace(parent, known.name), self._besides(known)) == seen

    def _look_at_one(
        self, index: SubmitterIndex, parent: int, place: JobRef, limit: int | None, budget: SweepBudget
    ) -> None:
        """Read one job and remember what it is."""
        fs.check_interrupted()
        name = place[2]
        known = index.records.get(name)
        if index.stale:
            index.stale.discard(name)
        looked = time.time()
        try:
            record = (
                read_summary(parent, place, self.participant, index.digests) if _is_job_name(name) else misnamed(place)
            )
        except FileNotFoundError:
            self._drop(index, name)
            index.beyond.pop(name, None)
            budget.charge_job(is_decided=False)
            return
        except (OSError, SyftJobError):
            raise
        except Exception as error:  # noqa: BLE001 - the job's row names it; one job must not stop the list
            record = broken(place, error)
        if known is None and record.stamp is not None and not record.findings:
            index.put_settled(record)  # the usual case of a first look, without what follows
            self._moved = True
            budget.charge_job(is_decided=is_decided(record))
            return
        if limit is not None and known is None and index.waiting >= limit and is_waiting(record):
            index.put_beyond(name)
            budget.charge_job(is_decided=False)
            return
        if known is not None or not record.state.is_terminal or record.findings or record.problem:
            self._stirred[place] = None  # one that is over, and new to us as it should be, is checked in turn
        if record.stamp is not None:
            index.open.pop(name, None)
        else:
            index.open[name] = None
            self._remember_trace(index, parent, record, looked)
        if known is None or record != known:
            index.put(record)
            self._moved = True
        budget.charge_job(is_decided=is_decided(record))

    def _leave_for_next(
        self,
        index: SubmitterIndex,
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
        index.resume, index.used_up = rest[0], why
        unknown = [name for name in rest if name not in index.records]
        approved = self._approved_among(unknown, whose)
        decided = []
        for name in rest:
            known = index.records.get(name)
            if name in spoken or name in approved or (known is not None and known.id in said_of):
                decided.append(name)
            elif known is None:
                index.unseen += name not in index.beyond
            else:
                if not is_same_owner:
                    index.stale.add(name)
                    index.open[name] = None
                index.unseen += known.stamp is None or name in index.stale
        return decided

    def _prefer_oldest(self, index: SubmitterIndex, parent: int, limit: int) -> None:
        """Of the jobs that wait, keep records of the oldest ones: the others go beyond the limit, in order."""
        waiting = [record.name for record in index.records.values() if is_waiting(record)]
        in_order = _oldest_first(parent, [*waiting, *index.beyond])
        for name in set(waiting).difference(in_order[:limit]):
            self._moved |= index.put_beyond(name)
        index.beyond = dict.fromkeys(name for name in in_order if name in index.beyond)
        index.is_ordered = True

    def _make_up(
        self, index: SubmitterIndex, parent: int, whose: tuple[str, str], limit: int | None, budget: SweepBudget
    ) -> None:
        """Look at jobs above the limit while there is room; and at some in turn, where no ledger tells of them."""
        in_turn = 0 if whose[0] == self.participant.email else _BEYOND_A_SWEEP
        for name in list(islice(index.beyond, limit if limit is not None else len(index.beyond))):
            has_room = limit is None or index.waiting < limit
            if budget.used_up or not (has_room or in_turn > 0):
                return
            in_turn -= not has_room
            del index.beyond[name]
            self._look_at_one(index, parent, JobRef(*whose, name), limit, budget)

    def _decided_names(self, owner: str, submitter: str) -> frozenset[str]:
        """The names of a submitter's jobs that the ledger of this person's own datasite speaks of."""
        ledger = self.participant.home.ledger
        known = self._decided.get((owner, submitter))
        if known is None or known[0] > ledger.end:
            known = (0, frozenset())
        if known[0] < ledger.end and self.participant.home.exists:
            more = ledger.names_of(owner, submitter, since=known[0])
            known = self._decided[owner, submitter] = (ledger.end, known[1] | more)
        return known[1]

    def _approved_among(self, names: Iterable[str], whose: tuple[str, str]) -> set[str]:
        """Those of ``names`` under which the ledger has a job in the own datasite that is approved and not over."""
        if whose[0] != self.participant.email:
            return set()
        decided = self._decided_names(*whose)
        candidates = {name for name in names if name in decided}
        if not candidates:
            return candidates
        if self._approved is None:
            self._approved = {}
            for job in self.participant.home.ledger.approved():
                with suppress(JobNotFoundError):  # its line was cut off again
                    owner, submitter, name = self.participant.home.ledger.place_of(job)
                    self._approved.setdefault((owner, submitter), set()).add(name)
        return candidates & self._approved.get(whose, set())

    def _spoken_of(self, said_of: set[str], whose: tuple[str, str]) -> list[str]:
        """The names of a submitter's jobs that the ledger speaks of anew."""
        spoken_of = []
        for job in said_of:
            with suppress(JobNotFoundError):  # its line was cut off again
                *their, name = self.participant.home.ledger.place_of(job)
                spoken_of += [name] if tuple(their) == whose else []
        return spoken_of

    def _due(self, index: SubmitterIndex, spoken_of: Iterable[str], at_most: int) -> list[str]:
        """The names to look at in a sweep: what the ledger speaks of anew, what is open, and some others in turn."""
        of_all = sum(len(other.records) for other in self._indexes.values())
        share = -(-at_most * len(index.records) // max(1, of_all))
        in_turn = list(islice(index.round_robin, share))
        if len(in_turn) < share:
            index.round_robin = iter(list(index.records))
        return list(dict.fromkeys([*spoken_of, *index.open, *in_turn]))

    def _remember_trace(self, index: SubmitterIndex, parent: int, record: JobRecord, looked: float) -> None:
        """Remember what a job without a stamp looked like, where nothing else than its files decides what it is."""
        index.traces.pop(record.name, None)
        is_owners = self.participant.owns(record.place)
        if record.when >= looked - self.participant.settles or (is_owners and record.older):
            return
        if is_owners and "start" in self.participant.home.ledger.events(record.id):
            return  # that an attempt begins is told by a file in the home
        seen = trace(parent, record.name, settled=looked - self.participant.settles)
        if seen is not None:
            index.traces[record.name] = (seen, self._besides(record))

    def _besides(self, record: JobRecord) -> str | None:
        """What decides beside the files and the keys: for the owner, why a job was set aside."""
        is_own = self.participant.owns(record.place)
        return self.participant.home.blocked_reason(record.id) if is_own and record.state is JobState.QUEUED else None

    def _names(self, index: SubmitterIndex, parent: int) -> list[str]:
        """The names in a submitter's folder; read again only when the folder moved."""
        looked = time.time_ns()
        found = os.fstat(parent)
        stamp = Stamp(found.st_mtime_ns, found.st_ctime_ns, found.st_ino)
        if index.stamp == stamp:
            return index.names
        with os.scandir(parent) as entries:
            some = list(islice(entries, MAX_DIRECTORIES + 1))
            listed = [
                entry.name
                for entry in some
                if not names.is_sync_artefact(entry.name)
                and (entry.is_symlink() or entry.is_dir(follow_symlinks=False))
            ]
        index.is_cut = len(some) > MAX_DIRECTORIES
        index.names = listed
        index.stamp = stamp if looked - found.st_mtime_ns > self.participant.settles * 1e9 else None
        there = set(listed)
        for name in [name for name in (*index.records, *index.open, *index.beyond) if name not in there]:
            if index.is_cut and name in index.records:
                listed.append(name)  # which entries are listed may change; one that is gone is met by its stat
            elif index.forget(name):
                self._moved = True
        records, beyond, opened = index.records, index.beyond, index.open
        new = [name for name in listed if name not in records and name not in beyond and name not in opened]
        opened |= dict.fromkeys(new)
        return index.names

    def _drop(self, index: SubmitterIndex, name: str) -> None:
        if index.drop(name):
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
        found = fs.stat_entry(parent, name)
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
        return names.normalize_job_name(name) == name
    except InvalidName:
        return False
