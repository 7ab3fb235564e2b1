"""What each sweep checks before it reads jobs: space, the folder itself, the published key, the folder's rules.

Each problem is a condition: it is announced when it begins and when it is over.
"""

from __future__ import annotations

import errno

from syft_job import fs
from syft_job.errors import StoreError, SyftJobError, UnreadableJob
from syft_job.exchange import datasite
from syft_job.exchange.job_index import JobIndex
from syft_job.model.job_ref import JOBS

from .conditions import Conditions


class SweepChecks:
    """The checks of one datasite.

    Args:
        owner: the address of the datasite.
        store: the index of its jobs.
        conditions: where problems are reported.
    """

    def __init__(self, owner: str, store: JobIndex, conditions: Conditions) -> None:
        self.has_seen_folder = False
        """Whether the folder of jobs was there at the last sweep."""
        self._owner = owner
        self._store = store
        self._home = store.participant.home
        self._conditions = conditions
        self._has_upgraded_rules = False

    def run(self, *, is_running: bool) -> None:
        """Do all checks; ``is_running`` is whether an attempt runs, which needs space in its workspace.

        Raises:
            StoreError: the folder is away.
        """
        self._check_space(is_running=is_running)
        self._require_folder()
        self._republish_key()
        self._upgrade_rules()

    def _check_space(self, *, is_running: bool) -> None:
        """Report a full disk of workspaces: a supervisor cannot even write its exit record there."""
        if is_running and fs.is_disk_full(self._home.workspaces):
            self._conditions.begin(
                "room",
                f"The disk of the workspaces {str(self._home.workspaces)!r} is full. What runs may fail, and how it"
                " ends is noted only when there is room again. Free some space.",
            )
        else:
            self._conditions.end("room")

    def _require_folder(self) -> None:
        """Refuse to take a folder that is away for one without jobs: an unmounted one leaves an empty directory.

        Raises:
            StoreError: the folder of jobs is away, and it was there before.
        """
        jobs = self._store.root.joinpath(self._owner, *JOBS)
        with fs.translate_os_errors(f"read {str(jobs)!r}"):
            is_there = fs.is_directory(self._store.root, self._owner, *JOBS)
        if not is_there and (self.has_seen_folder or next(self._home.ledger.jobs(), None) is not None):
            raise StoreError(
                f"The folder is away: there is no {'/'.join((self._owner, *JOBS))} in {str(self._store.root)!r}."
                " See whether it is mounted, and whether it is the right one.",
                errno=errno.ENOENT,
            )
        self.has_seen_folder = is_there

    def _republish_key(self) -> None:
        """Keep the present key published; other problems of it are reported, and stop nothing."""
        try:
            problem = self._home.republish_key_if_missing()
        except (SyftJobError, OSError) as error:
            problem = str(error)
        self._conditions.only("key", {} if problem is None else {problem: problem})

    def _upgrade_rules(self) -> None:
        """Once a run, let submitters read the markers that this release writes and an earlier one did not know."""
        if self._has_upgraded_rules:
            return
        try:
            with fs.translate_os_errors(f"write the rules of {self._owner!r}"):
                datasite.upgrade_rules(self._store.root, self._owner)
        except (FileNotFoundError, UnreadableJob):
            return  # there is no folder of jobs yet; or doctor names what is in the place of the rules
        except StoreError as error:
            self._conditions.begin("rules", f"Submitters cannot read why a job is blocked. {error}")
            return
        self._conditions.end("rules")
        self._has_upgraded_rules = True
