"""Which directories the runner watches for file events.

What the owner decides and what every attempt does shows in the home: the ledger grows, and a supervisor writes to its
claim when it begins and when it is over. A job's own directory is watched only while what others do in it matters, so
that the cost of one job does not depend on how many others wait.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from syft_job import fs
from syft_job.errors import StoreError
from syft_job.exchange.submitter_index import MAX_DIRECTORIES
from syft_job.format.manifest import CODE
from syft_job.format.markers import OWNERS_NAMES
from syft_job.fs.watch import Watch
from syft_job.home.home import Home
from syft_job.model import names
from syft_job.model.job_ref import JOBS, JobRef

_WATCHED_IN_HOME = frozenset({"ledger.jsonl", "paused"})


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
        watch.add(home.path, _WATCHED_IN_HOME.__contains__)
        watch.add(home.paths.claims)

    def sweep(self, submitters: Iterable[str]) -> list[JobRef]:
        """Watch the submitters' folders; returns the jobs in those that are new or came back."""
        self._watch.add(self._jobs, names.is_address)
        return [ref for submitter in submitters for ref in self._watch_folder(submitter)]

    def watch_job(self, ref: JobRef) -> bool:
        """Watch a job from now on; returns whether it was not watched before: then it must be read once more."""
        self._watch.add(self._jobs / ref.submitter, _is_no_litter)
        is_new = [self._watch.add(directory, _is_theirs) for directory in self._directories(ref)]
        return any(is_new)

    def leave_job(self, ref: JobRef) -> None:
        """Stop watching a job: it is over, or went away."""
        for directory in self._directories(ref):
            self._watch.drop(directory)

    def places(self) -> set[JobRef]:
        """Return the jobs with file events since the last call. Events of the home name no job."""
        refs = set()
        for path in self._watch.pop_changes():
            parts = path.relative_to(self._jobs).parts if path.is_relative_to(self._jobs) else ()
            if len(parts) == 1:
                refs |= set(self._watch_folder(parts[0], is_new=True))
            elif parts:
                refs.add(JobRef(self._owner, parts[0], parts[1]))
        return refs

    def _watch_folder(self, submitter: str, *, is_new: bool = False) -> list[JobRef]:
        """Watch a submitter's folder; returns the jobs in it, if it was not watched before or is known to be new."""
        path = self._jobs / submitter
        is_new = self._watch.add(path, _is_no_litter) or is_new
        if not is_new:
            return []
        return [JobRef(self._owner, submitter, name) for name in self._listed(submitter) if _is_no_litter(name)]

    def _listed(self, submitter: str) -> list[str]:
        try:
            return fs.names_below(self._root, self._owner, *JOBS, submitter, limit=MAX_DIRECTORIES) or []
        except StoreError:
            return []  # the sweep reports the reason

    def _directories(self, ref: JobRef) -> tuple[Path, Path]:
        location = ref.under(self._root)
        return location, location / CODE.rstrip("/")


def _is_theirs(name: str) -> bool:
    """Return True if a name in a job's directory is not the owner's: those show in the ledger."""
    return name not in OWNERS_NAMES and _is_no_litter(name)


def _is_no_litter(name: str) -> bool:
    return not names.is_sync_artefact(name)
