"""The home of one participant for one shared folder: keys, ledger, claims, held results, locks.

There is one home per address and shared folder, never inside the shared folder, and closed to other users. `Home` only
holds the parts together; each has a module of its own: `paths` (every file name), `locations`, `safety`, `identity`,
`locks`, `keyring`, `ledger`, `workspaces`, `pauses`, `blocked_reasons`, `review_notes`.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

from syft_job import fs
from syft_job.errors import BlockedCategory
from syft_job.format.key_history import KeyHistory
from syft_job.format.signing import Key
from syft_job.model.blocked_reason import Blocked
from syft_job.model.job_ref import JOBS

from . import locations, pauses
from .blocked_reasons import read_blocked, write_blocked
from .identity import identity_mismatch, read_identity, write_identity
from .keyring import Keyring
from .ledger import Ledger
from .locks import LOCK_TIMEOUT_S, HomeLock, RunnerLock
from .paths import AttemptPaths, HomePaths
from .safety import HomeSafety, PrivateDirectory
from .workspaces import Workspaces

_homes: dict[tuple[Path, Path], Home] = {}


class Home:
    """The private directory of one participant for one shared folder.

    Args:
        path: the directory, which need not exist.
        root: the shared folder.
        email: the participant's address.
        real_root: the shared folder without symbolic links, where the caller has resolved it already.
    """

    def __init__(self, path: Path, root: Path, email: str, *, real_root: Path | None = None) -> None:
        self.path = path
        self.root = root
        self.email = email
        self.paths = HomePaths(path)
        self.safety = HomeSafety(path, root, real_root)
        self.lock = HomeLock(self.paths.lock)
        self._runner_lock = RunnerLock(self.paths, f"{email} in {root}")
        self._workspaces = Workspaces(path, self.safety)
        self._guard = threading.Lock()  # for the ledger, which the first thread opens
        self._ledger: Ledger | None = None

    @classmethod
    def of(cls, root: Path, email: str) -> Home:
        """Return the home of ``email`` for the shared folder ``root``; nothing is created on disk.

        There is one object per process, so that its lock is re-entrant and its ledger is read once.
        """
        real_root = root.resolve()
        path = locations.home_directory(email, real_root)
        return _homes.setdefault((path, root), cls(path, root, email, real_root=real_root))

    # Existence and safety

    @property
    def exists(self) -> bool:
        """Whether it was made.

        Raises:
            StoreError: it exists and must not be used; see `require_safe`.
        """
        with fs.translate_os_errors(f"use the home {str(self.path)!r}"):
            try:
                is_made = self.paths.identity.is_file()
            except PermissionError:
                self.require_safe()  # whose message is better, if it belongs to another user
                raise
        if is_made:
            self.require_safe()
        return is_made

    def make(self) -> None:
        """Create the home if it does not exist: directories, and an identity with a random epoch, but no key.

        Raises:
            StoreError: it cannot be created, or must not be used; see `require_safe`.
        """
        if self.exists:
            return
        self.require_safe(again=True)
        fs.make_directory(self.path, mode=0o700)
        self.require_safe(again=True)  # another user may have been faster
        for directory in (self.paths.claims, self.paths.held_results):
            fs.make_directory(directory, mode=0o700)
        with self.locked():
            if not self.exists:
                write_identity(self.paths, self.root, self.email)

    def require_safe(self, *, again: bool = False) -> None:
        """Return if no other user of this machine can read or replace what this home holds, or direct its runner.

        Args:
            again: check even if it was checked before in this process, as the start of a runner does.

        Raises:
            StoreError: another user could, or home, checkpoints and shared folder contain one another; see `safety`.
        """
        self.safety.require_safe(again=again)

    def find_unsafe_entry(self) -> fs.UnsafePath | None:
        """Return the first file that another user could change, or None; see `HomeSafety.find_unsafe_entry`."""
        return self.safety.find_unsafe_entry()

    def private_directories(self) -> list[PrivateDirectory]:
        """Return the directories that no other user may write to: home, checkpoints and workspaces.

        Raises:
            ConfigError: see `workspaces`.
        """
        return [*self.safety.private_directories(), self._workspaces.private_directory()]

    # Identity

    def identity(self) -> dict[str, Any]:
        """Return the content of `home.json`.

        Raises:
            StoreError: it cannot be read, or the home must not be used; see `require_safe`.
        """
        self.require_safe()
        return read_identity(self.paths)

    @property
    def epoch(self) -> str:
        """The present epoch of the home; permits of another epoch start nothing."""
        return str(self.identity()["epoch"])

    def foreign_reason(self) -> str | None:
        """Return why this home must start nothing here: it was copied, moved or restored; None if it belongs here."""
        return identity_mismatch(self.identity(), self.path, self.root) or self.ledger.why_older()

    def adopt(self) -> str:
        """Make this home belong to this machine and directory, and return its new epoch; earlier permits are void."""
        with self.locked():
            write_identity(self.paths, self.root, self.email)
            self.ledger.write_checkpoint()
        return self.epoch

    # Ledger and keys

    @property
    def ledger(self) -> Ledger:
        """The record of every decision and event of this participant.

        Raises:
            StoreError: the home must not be used; see `require_safe`.
        """
        if self._ledger is not None and self.safety.is_checked:
            return self._ledger  # a listing asks for each job
        self.safety.require_safe_if_present()
        if self._ledger is None:
            with self._guard:
                if self._ledger is None:
                    self._ledger = Ledger(self.paths.ledger, locations.checkpoint_path(self.path))
        return self._ledger

    @cached_property
    def keyring(self) -> Keyring:
        """The keys of this participant; raises as `ledger`."""
        self.safety.require_safe_if_present()
        return Keyring(self.paths, self.root, self.email)

    def key(self) -> Key:
        """Return the present signing key; it is created and published on first use.

        Raises:
            ConfigError: another key is published for this address, or a newer one than this home has.
            StoreError: the home or the shared folder cannot be written.
        """
        self.make()
        with self.locked(), fs.translate_os_errors(f"use the home {str(self.path)!r}"):
            history = self.keyring.history
            if history is not None and self.keyring.is_settled and (key := self.keyring.private(history.present)):
                return key
            return self.keyring.settle()

    def key_for(self, public: str | None) -> Key | None:
        """Return the present or earlier key with this public half; None if this home does not hold it."""
        if public is None or public not in self.keyring.held_keys:
            return None
        with self.locked():
            return self.keyring.private(public)

    def rotate_key(self, *, compromised: bool = False) -> KeyHistory:
        """Rotate the signing key and publish the new one. Jobs submitted to an earlier key are answered with that key.

        Args:
            compromised: declare all keys until now compromised, so that their signatures count no more.

        Returns:
            The key history with the new key.

        Raises:
            ConfigError: there is no key yet, or another key than this home's is published.
        """
        self.make()
        with self.locked():
            return self.keyring.rotate(compromised=compromised)

    def republish_key_if_missing(self) -> str | None:
        """Publish the present key again if it is missing or an earlier one was restored over it.

        Nothing is published into a datasite without a directory for jobs: such a datasite is not mounted.

        Returns:
            What is wrong with the published key, if it is another person's to decide; else None.

        Raises:
            StoreError: the shared folder cannot be written.
        """
        if self.keyring.is_published:  # without the lock, which would be held for ever in a folder that hangs
            return None
        with self.locked():
            problem = self.keyring.published_key_problem()
            if problem is None:
                self.keyring.publish(only_beside=JOBS[0])
        return problem

    # Locks

    @contextmanager
    def locked(self, timeout_s: float = LOCK_TIMEOUT_S) -> Iterator[None]:
        """Hold the home's lock for the few milliseconds of one verb, with an up-to-date ledger; re-entrant in a thread.

        Args:
            timeout_s: seconds to wait for another process or thread.

        Raises:
            StoreError: it was not free within that time, or the home must not be used or cannot be written.
        """
        self.safety.require_unchanged()
        with self.lock.held(timeout_s):
            self.ledger.refresh()
            yield

    @contextmanager
    def runner_locked(self) -> Iterator[None]:
        """Hold the lock that lets one runner serve this datasite; no verb waits for it.

        Raises:
            RunnerBusy: another process holds it.
            ConfigError, StoreError: other users could direct what runs; see `require_safe` and `workspaces`.
        """
        self.require_safe(again=True)
        self.require_safe_workspaces()
        with self._runner_lock.held():
            yield

    def runner_pid(self) -> int | None:
        """Return the process id of the runner that serves this datasite, 0 if it is not known; None if none does."""
        return self._runner_lock.holder_pid()

    # Attempts

    def attempt_paths(self, submission_id: str, attempt: int) -> AttemptPaths:
        """Return the paths of one attempt: claim, held results and workspace.

        Args:
            submission_id: the id of the submission, 32 hex digits.
            attempt: the number of the attempt, from 1.
        """
        return AttemptPaths(submission_id, attempt, self.paths, lambda: self.workspaces)

    @property
    def workspaces(self) -> Path:
        """The directory of all workspaces.

        Raises:
            ConfigError: ``SYFT_JOB_WORK`` overlaps with the shared folder or the home.
            StoreError: other users could write there or on the way there.
        """
        return self._workspaces.path

    @property
    def workspace_mode(self) -> int:
        """The permission bits of a directory on the way to a job."""
        return self._workspaces.mode

    def require_safe_workspaces(self) -> None:
        """Check the directory of workspaces again, as the start of a runner and each attempt do.

        Raises:
            ConfigError, StoreError: see `workspaces`.
        """
        self._workspaces.require_safe()

    # Blocked jobs and pauses

    def blocked_reason(self, submission_id: str) -> str | None:
        """Return the full reason why an approved submission is blocked; None if it is not."""
        blocked = self.read_blocked(submission_id)
        return None if blocked is None else blocked.reason

    def read_blocked(self, submission_id: str) -> Blocked | None:
        """Return category and reason why an approved submission is blocked; None if it is not."""
        return read_blocked(self.paths, submission_id)

    def record_blocked_reason(
        self, submission_id: str, reason: str | None, category: BlockedCategory = BlockedCategory.OTHER
    ) -> None:
        """Record why a submission is blocked, or with None that it is not any more.

        Raises:
            StoreError: the home cannot be written.
        """
        write_blocked(self.paths, submission_id, None if reason is None else Blocked(category, reason))

    def paused(self) -> frozenset[str]:
        """Return the submitters whose approved jobs are not started; ``"*"`` stands for all."""
        return pauses.read_pauses(self.paths)

    def pause(self, submitter: str = pauses.EVERYONE) -> None:
        """Start no more jobs of ``submitter`` until `resume`; running jobs go on.

        Args:
            submitter: an address, or ``"*"`` for all submitters.

        Raises:
            InvalidName: it is neither.
        """
        submitter = pauses.parse_submitter(submitter)
        self.make()
        with self.locked():
            pauses.write_pauses(self.paths, self.paused() | {submitter})

    def resume(self, submitter: str = pauses.EVERYONE) -> None:
        """Start the jobs of ``submitter`` again; ``"*"`` ends every pause."""
        self.make()
        with self.locked():
            remaining = frozenset[str]() if submitter == pauses.EVERYONE else self.paused() - {submitter}
            pauses.write_pauses(self.paths, remaining)
