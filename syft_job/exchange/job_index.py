"""The jobs of all datasites under a root: an index that is read again only where something changed.

Each submitter's folder is swept by itself (`SubmitterSweep`) within a budget of its own; all submitters together share
a multiple of one base, so that no number of them can stall a sweep. For the owner, a new line in the ledger is a reason
to read a job again, too.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path

from syft_job import fs
from syft_job.errors import JobNotFoundError, StoreError, UnreadableJob
from syft_job.model import names
from syft_job.model.job_record import JobRecord
from syft_job.model.job_ref import JOBS, MAX_OWNERS, JobRef

from . import submitter_index
from .job_reader import read_summary
from .job_snapshot import misnamed_record
from .legacy_layout import FileDigests
from .participant import Participant
from .recorded_decisions import RecordedDecisions, SubmitterKey
from .submitter_index import SubmitterIndex
from .submitter_sweep import SubmitterSweep, is_job_name
from .sweep_budget import SweepBudget

MAX_SUBMITTERS = 10_000
"""How many submitters' folders of one datasite are looked at, beside those that are known already."""
_SHARED_BASES = 4.0
"""How many times the base of a budget all submitters together may use up in one sweep: those of one's own datasite, and
those of all the others."""
_LATE_SHARE = 0.1
_MIN_SHARE = 0.02
"""The part of a base for each further submitter, when as much or twice as much is used up: enough for ordinary jobs."""
_UNDECIDED_FOR_OTHERS = 10
"""Where there is no ledger of a datasite: how many times the limit of waiting jobs counts as ordinary cost."""


class JobIndex:
    """The jobs of all datasites under one root, as one participant sees them.

    Args:
        root: the shared folder.
        participant: the participant.

    Attributes:
        unread: why the jobs of a submitter (in an owner's datasite) could not be read at the last sweep.
    """

    def __init__(self, root: Path, participant: Participant) -> None:
        self.root = root
        self.participant = participant
        self.unread: dict[SubmitterKey, str] = {}
        self._indexes: dict[SubmitterKey, SubmitterIndex] = {}
        self._decisions = RecordedDecisions(participant)
        self._ordered: list[JobRecord] = []
        self._is_order_stale = True
        self._reread: dict[JobRef, None] = {}
        """The jobs that were read again since `sweep` began."""
        self._crowded: set[str] = set()
        """The owners whose datasite held more submitters' folders at the last sweep than are looked at."""
        self._first: dict[str, str] = {}
        """For an owner, the submitter whose turn it is to be first, because the last sweep used up the shared part."""

    def records(self) -> list[JobRecord]:
        """All jobs, newest submission first, those without a proper time last; the list is the caller's.

        Raises:
            FileNotFoundError: the root is not there.
            StoreError: the folder cannot be read.
        """
        self._sweep(self._owners())
        indexes = self._indexes.values()
        if self._is_order_stale or any(index.has_changed for index in indexes):
            self._ordered = [record for index in indexes for record in index.records.values()]
            self._ordered.sort(key=lambda record: (-record.when, record.place))
            self._is_order_stale = False
            for index in indexes:
                index.has_changed = False
        return self._ordered.copy()

    def unfinished(self, owner: str) -> list[JobRecord]:
        """The jobs in ``owner``'s datasite that are not over, oldest submission first.

        Raises:
            StoreError: the folder cannot be read.
        """
        self._sweep([owner])
        records = [record for record in self._known(owner) if not record.state.is_terminal]
        records.sort(key=lambda record: (record.when, record.place))
        return records

    def finished(self, owner: str) -> list[JobRecord]:
        """The jobs of ``owner`` that were over at the last sweep."""
        return [record for record in self._known(owner) if record.state.is_terminal]

    def sweep(self, owner: str, at_most: int) -> list[JobRef]:
        """Look at the jobs of ``owner`` that are new or not over, and at about ``at_most`` of the others, in turn.

        Returns:
            Those that were read again: they are new, or changed, or have no stamp that covers all that decides.

        Raises:
            StoreError: the folder cannot be read.
        """
        self._reread.clear()
        self._sweep([owner], at_most)
        return list(self._reread)

    def knows(self, place: JobRef) -> bool:
        """Whether there was a job at ``place`` at the last sweep."""
        index = self._indexes.get((place.owner, place.submitter))
        return index is not None and place.name in index.records

    def record_of(self, place: JobRef) -> JobRecord | None:
        """The record of the job at ``place`` as of the last sweep, or None."""
        index = self._indexes.get((place.owner, place.submitter))
        return None if index is None else index.records.get(place.name)

    def submitters(self, owner: str) -> list[str]:
        """Who had a folder in ``owner``'s datasite at the last sweep."""
        return [submitter for place_owner, submitter in self._indexes if place_owner == owner]

    def get(self, place: JobRef, *, hash_at_most: int | None = None) -> JobRecord:
        """One job, read now.

        Args:
            place: which job.
            hash_at_most: how many bytes may be hashed where its manifest lists no files; by default as many as a job
                may have.

        Raises:
            JobNotFoundError: there is no such directory.
        """
        self.participant.forget_keys()
        if self.participant.owns(place) and self.participant.home.exists:
            self.participant.home.ledger.refresh()  # another process may have appended to it
        try:
            with (
                fs.translate_os_errors(f"read {str(place.under(self.root))!r}"),
                fs.open_directory(self.root, *place.parts[:-1]) as parent_fd,
            ):
                if not is_job_name(place.name) and fs.stat_entry(parent_fd, place.name) is not None:
                    return misnamed_record(place)
                digests = self._digests_of(place)
                digests.allow(self.participant.limits.total_bytes if hash_at_most is None else hash_at_most)
                return read_summary(parent_fd, place, self.participant, digests)
        except FileNotFoundError as error:
            raise JobNotFoundError(f"There is no job '{place}' in the datasite of {place.owner}.") from error

    def refresh(self, place: JobRef, known: JobRecord | None) -> JobRecord:
        """The record of one job as it is now: ``known`` itself where nothing changed since.

        Raises:
            JobNotFoundError: there is no such directory.
        """
        if known is not None and known.stamp is not None:
            home = self.participant.home
            if home.exists:
                home.ledger.refresh()
            try:
                status = os.stat(place.under(self.root), follow_symlinks=False)
            except FileNotFoundError:
                status = None
            is_same = status is not None and (status.st_mtime_ns, status.st_ctime_ns, status.st_ino) == known.stamp
            if is_same and (known.owner != self.participant.email or known.recorded == home.ledger.facts(known.id)):
                return known
        return self.get(place)

    def left_out(self) -> dict[SubmitterKey, int]:
        """How many waiting jobs are not listed, by owner and submitter: those above the limit for one submitter."""
        return {key: len(index.beyond) for key, index in self._indexes.items() if index.beyond}

    def not_looked_at(self) -> dict[SubmitterKey, str]:
        """What the last sweep did not reach, in words, by owner and submitter; later sweeps reach it in turn."""
        reasons: dict[SubmitterKey, str] = {}
        for key, index in self._indexes.items():
            parts = []
            if index.used_up:
                parts.append(
                    f"{index.unseen} {'job was' if index.unseen == 1 else 'jobs were'} not looked at, because the"
                    f" budget of one submitter is used up ({index.used_up}); the next look comes to them in turn"
                )
            if index.is_cut:
                max_entries = submitter_index.MAX_DIRECTORIES
                parts.append(f"the folder holds more than {max_entries} entries, and only so many are looked at")
            if parts:
                reasons[key] = "; ".join(parts)
        for owner in self._crowded:
            reasons[owner, "others"] = (
                f"there are more than {MAX_SUBMITTERS} submitters' folders, and not all are looked at"
            )
        return reasons

    def unlisted(self, name: str) -> list[JobRef]:
        """Where there is a job called ``name`` that a list of the last sweep lacks, so that the name is ambiguous."""
        if not is_job_name(name):
            return []
        refs = []
        for key in sorted({*self.left_out(), *self.not_looked_at(), *self.unread}):
            index = self._indexes.get(key)
            is_listed = index is not None and name in index.records
            with suppress(StoreError):  # a folder that cannot be read is in the notes
                if not is_listed and fs.is_directory(self.root, *(ref := JobRef(*key, name)).parts):
                    refs.append(ref)
        return refs

    def notes(self) -> list[str]:
        """What a list of the last sweep lacks, one sentence for each submitter and reason."""
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
            owners = [entry.name for entry in islice(entries, MAX_OWNERS) if names.is_address(entry.name)]
        return sorted({*owners, self.participant.email})

    def _sweep(self, owners: Iterable[str], at_most: int | None = None) -> None:
        """Sweep the folders of all submitters in the datasites of ``owners``."""
        self._decisions.begin_sweep(is_first=not self._indexes)
        self.participant.forget_keys()
        self.unread.clear()
        self._crowded.clear()
        there: set[SubmitterKey] = set()
        shares = {True: _SHARED_BASES, False: _SHARED_BASES}
        try:
            for owner in owners:
                is_own = owner == self.participant.email
                for submitter, folder_fd in self._submitters(owner):
                    there.add((owner, submitter))
                    if shares[is_own] <= 0:
                        self._first.setdefault(owner, submitter)
                    shares[is_own] -= self._sweep_submitter(folder_fd, (owner, submitter), shares[is_own], at_most)
        except BaseException:  # a folder that is away, or an interruption
            self._decisions.repeat_changes()
            raise
        if self.unread:
            self._decisions.repeat_changes()
            there |= self.unread.keys()
        swept = set(owners)
        for key in [key for key in self._indexes if key[0] in swept and key not in there]:
            del self._indexes[key]
            self._decisions.forget(key)
            self._is_order_stale = True

    def _sweep_submitter(self, folder_fd: int, key: SubmitterKey, shared_left: float, at_most: int | None) -> float:
        """Sweep the open folder of one submitter; returns which part of a base that took."""
        index = self._indexes.get(key)
        if index is None:
            index = self._indexes[key] = SubmitterIndex(FileDigests(self.participant.settles))
        budget = SweepBudget(
            share=min(_share(shared_left), index.refill()), most_undecided=self._max_ordinary_undecided(key[0])
        )
        in_turn = None if at_most is None else self._part_of(index, at_most)
        owner, submitter = key
        try:
            with fs.translate_os_errors(f"read {str(self.root.joinpath(owner, *JOBS, submitter))!r}"):
                sweep = SubmitterSweep(index, folder_fd, key, self.participant, self._decisions, budget, self._reread)
                sweep.run(in_turn)
        except StoreError as error:
            self.unread[key] = str(error)
        used = budget.base_used()
        index.base -= used
        return used

    def _part_of(self, index: SubmitterIndex, at_most: int) -> int:
        """How many of ``at_most`` jobs of all submitters are of this one, in proportion to the records."""
        total = sum(len(other.records) for other in self._indexes.values())
        return -(-at_most * len(index.records) // max(1, total))

    def _digests_of(self, place: JobRef) -> FileDigests:
        index = self._indexes.get((place.owner, place.submitter))
        return FileDigests(self.participant.settles) if index is None else index.digests

    def _max_ordinary_undecided(self, owner: str) -> int:
        limit = self.participant.limits.unfinished
        return 2 * limit if owner == self.participant.email else _UNDECIDED_FOR_OTHERS * limit

    def _submitters(self, owner: str) -> Iterator[tuple[str, int]]:
        """The submitters' folders in ``owner``'s datasite, open one at a time; links are skipped.

        One that cannot be read is noted in ``unread``, and the others go on.
        """
        try:
            with fs.open_directory(self.root, owner, *JOBS) as jobs_fd:
                for submitter in self._submitter_names(jobs_fd, owner):
                    try:
                        with fs.open_directory(jobs_fd, submitter) as folder_fd:
                            yield submitter, folder_fd
                    except (FileNotFoundError, UnreadableJob):
                        continue  # went away, or is no folder: nothing in it can be a job
                    except StoreError as error:
                        self.unread[owner, submitter] = str(error)
        except (FileNotFoundError, UnreadableJob):
            return

    def _submitter_names(self, jobs_fd: int, owner: str) -> list[str]:
        """The names of the submitters' folders, beginning with the one whose turn it is."""
        with fs.translate_os_errors(f"read {str(self.root.joinpath(owner, *JOBS))!r}"):
            listed = fs.first_names(jobs_fd, limit=MAX_SUBMITTERS + 1)
        if len(listed) > MAX_SUBMITTERS:
            self._crowded.add(owner)
            listed += self.submitters(owner)
        submitters = sorted({name for name in listed if names.is_address(name)})
        first = self._first.pop(owner, None)
        if first is None:
            return submitters
        return [name for name in submitters if name >= first] + [name for name in submitters if name < first]


def _share(left: float) -> float:
    """Which part of a base the next submitter gets, where ``left`` bases are left for all."""
    if left > 0:
        return min(1.0, max(left, _LATE_SHARE))
    return _LATE_SHARE if left > -_SHARED_BASES else _MIN_SHARE
