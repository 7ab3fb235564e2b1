"""Where something can move a job now: which directories the runner watches.

News of the owner's hand and of every attempt comes through the home: the ledger grows, and a supervisor writes to its
claim when it begins and when it is over. A job's own directory is watched only while what others do in it matters, so
that what one job costs does not depend on how many others wait.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from syft_job import fs
from syft_job.errors import StoreError
from syft_job.exchange.job_index import MAX_DIRECTORIES
from syft_job.format.manifest import CODE
from syft_job.format.markers import OWNERS_NAMES
from syft_job.fs.watch import Watch
from syft_job.home.home import Home
from syft_job.model import names
from syft_job.model.job_ref import JOBS, JobRef

_HOMES_OWN_NEWS = frozenset({"ledger.jsonl", "paused"})


class JobWatch:
    """Keeps a `Watch` on the directories of a datasite and its home that matter.

    Args:
        watch: what wakes the runner.
        home: the owner's home.
    """

    def __init__(self, watch: Watch, home: Home) -> None:
        self._watch = watch
        self._root = home.root
        self._owner = home.email
        self._jobs = home.root.joinpath(home.email, *JOBS)
        watch.add(home.path, _HOMES_OWN_NEWS.__contains__)
        watch.add(home.paths.claims)

    def sweep(self, submitters: Iterable[str]) -> list[JobRef]:
        """Watch the submitters' folders, which may have come or come back; returns what lies in those that are new."""
        self._watch.add(self._jobs, names.is_address)
        return [place for submitter in submitters for place in self._watch_folder(submitter)]

    def watch_job(self, place: JobRef) -> bool:
        """Watch a job from now on; returns whether it was not watched before: then it must be looked at once more."""
        self._watch.add(self._jobs / place.submitter, _is_no_litter)
        is_new = [self._watch.add(directory, _is_theirs) for directory in self._directories(place)]
        return any(is_new)

    def leave_job(self, place: JobRef) -> None:
        """Watch a job no more: it is over, or went away."""
        for directory in self._directories(place):
            self._watch.drop(directory)

    def places(self) -> set[JobRef]:
        """Which jobs moved since the last call, as far as events tell. The home's own news name no job."""
        found = set()
        for path in self._watch.pop_changes():
            parts = path.relative_to(self._jobs).parts if path.is_relative_to(self._jobs) else ()
            if len(parts) == 1:
                found |= set(self._watch_folder(parts[0], is_new=True))
            elif parts:
                found.add(JobRef(self._owner, parts[0], parts[1]))
        return found

    def _watch_folder(self, submitter: str, *, is_new: bool = False) -> list[JobRef]:
        """Watch a submitter's folder; returns what lies in it, if it was not watched before or is said to be new."""
        path = self._jobs / submitter
        is_new = self._watch.add(path, _is_no_litter) or is_new
        if not is_new:
            return []
        return [JobRef(self._owner, submitter, name) for name in self._listed(submitter) if _is_no_litter(name)]

    def _listed(self, submitter: str) -> list[str]:
        try:
            return fs.names_below(self._root, self._owner, *JOBS, submitter, limit=MAX_DIRECTORIES) or []
        except StoreError:
            return []  # the sweep says what is the matter

    def _directories(self, place: JobRef) -> tuple[Path, Path]:
        location = place.under(self._root)
        return location, location / CODE.rstrip("/")


def _is_theirs(name: str) -> bool:
    """Whether a name in a job's directory is not the owner's: what the owner says is told by the ledger."""
    return name not in OWNERS_NAMES and _is_no_litter(name)


def _is_no_litter(name: str) -> bool:
    return not names.is_sync_artefact(name)
