"""A person's private side: keys, ledger, workspaces, held results, locks.

One home per address and root, never inside the shared folder, closed to everybody else. This module keeps these things
and knows whether the home is the one that counts here; what is done with them is decided elsewhere.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

from syft_job import fs
from syft_job.errors import BlockedCategory, ConfigError, RunnerBusy, StoreError, UnreadableJob
from syft_job.format.codec import dump, load_json
from syft_job.format.key_history import KeyHistory
from syft_job.format.signing import Key
from syft_job.model import names
from syft_job.model.blocked_reason import Blocked
from syft_job.model.job_ref import JOBS, JobRef, expand_user

from .keyring import EARLIER, Keyring
from .ledger import Ledger

FORMAT = 1
_IDENTITY_LIMIT = 64 << 10
_LOCK_SECONDS = 30.0
_LOCK_LOOKS = 0.001
"""How often somebody who waits for the lock looks: it is held for milliseconds, and a runner's start waits for it."""
_LOCK_SLICE_SECONDS = 0.25
"""How long a thread waits for the lock before it looks whether its work is to end."""
_GLANCE_SECONDS = 0.5
"""How long a runner waits for its lock: longer than somebody takes who only looks whether it is held."""


class Home:
    """The private folder of one person for one root."""

    def __init__(self, path: Path, root: Path, email: str, *, real_root: Path | None = None) -> None:
        self.path = path
        self._given_real_root = real_root
        self.root = root
        self.email = email
        self._guard = threading.Lock()  # for what is made on first use, by whichever thread comes first
        self._lock: Any = None
        self._locks_process = 0
        self._ledger: Ledger | None = None
        self._safe_for: tuple[int, ...] | None = None

    @classmethod
    def of(cls, root: Path, email: str) -> Home:
        """The home of ``email`` for the folder ``root``, one object per process; nothing is made on disk yet."""
        real_root = root.resolve()
        tag = hashlib.sha256(os.fsencode(real_root)).hexdigest()[:12]
        path = homes() / f"{email}-{tag}"
        # One object per process, so that its lock is re-entrant and its ledger is read once.
        return _homes.setdefault((path, root), cls(path, root, email, real_root=real_root))

    @property
    def exists(self) -> bool:
        """Whether it was made already.

        Raises:
            ConfigError, StoreError: it is there and must not be used; see `require_safe`.
        """
        with fs.in_words(f"use the home {str(self.path)!r}"):
            try:
                is_made = (self.path / "home.json").is_file()
            except PermissionError:
                self.require_safe()  # which says so if it is another user's
                raise
        if is_made:
            self.require_safe()
        return is_made

    def require_safe(self, *, again: bool = False) -> None:
        """Return if no other user of this machine can read or replace what this home holds, or direct its runner.

        Checked once per process, because it costs several system calls per directory; and again for another effective
        user, and under the lock for another directory in the home's place.

        Args:
            again: check even if it was checked before, as the start of a runner does.

        Raises:
            StoreError: the home, the checkpoint of its ledger, a directory on the way to one of them, or a file in
                them belongs to another user or can be written by others; or one of them and the shared folder contain
                one another.
        """
        if not again and self._safe_for is not None and self._safe_for[0] == os.geteuid():
            return
        self._refuse_overlap()
        for name, path, setting in self._home_folders():
            fs.require_safe(path, name, setting=setting)
        if unsafe := self.find_unsafe_entry():
            raise StoreError(f"The home {str(self.path)!r} is not safe from other users: {unsafe}.")
        self._safe_for = self._stamp()

    def find_unsafe_entry(self) -> fs.UnsafePath | None:
        """The first file of the home, of its earlier keys or of the checkpoints that another user could change.

        A home that others could write to once may still hold what they put there; closing it does not end that.
        """
        for folder in (self.path, self.path / EARLIER, checkpoint_folder()):
            if unsafe := fs.find_unsafe_entry(folder):
                return unsafe
        return None

    def _stamp(self) -> tuple[int, ...]:
        """What the check of `require_safe` holds for: the user, and the directory if there is one."""
        try:
            found = os.stat(self.path)
        except FileNotFoundError:
            return (os.geteuid(),)
        return (os.geteuid(), found.st_dev, found.st_ino, found.st_uid, found.st_mode)

    def private_folders(self) -> list[tuple[str, Path, str]]:
        """The folders that no other user may write to: what each is, its path, the variable that chooses another.

        Raises:
            ConfigError: see `workspaces`.
        """
        return [*self._home_folders(), ("the folder of workspaces", self._chosen_workspaces(), "SYFT_JOB_WORK")]

    def _home_folders(self) -> list[tuple[str, Path, str]]:
        return [
            ("the home", self.path, "SYFT_JOB_HOME"),
            ("the folder of the ledgers' checkpoints", checkpoint_folder(), "SYFT_JOB_HOME"),
        ]

    @cached_property
    def _real_root(self) -> Path:
        """The shared folder without links on the way; not asked again, because a folder that hangs holds who asks."""
        return self._given_real_root or self.root.resolve()

    def _refuse_overlap(self) -> None:
        home, root, checkpoints = self.path.resolve(), self._real_root, checkpoint_folder().resolve()
        if home.is_relative_to(root):
            raise StoreError(
                f"The home {self.path} would be inside the shared folder. Set SYFT_JOB_HOME to a private folder."
            )
        if root.is_relative_to(home):
            raise StoreError(
                f"The shared folder {self.root} would be inside the home {self.path}, which is private. Set"
                " SYFT_JOB_HOME to another folder."
            )
        if checkpoints.is_relative_to(root) or root.is_relative_to(checkpoints):
            raise StoreError(
                f"The checkpoints of ledgers would be in {checkpoint_folder()}, which overlaps with the shared folder"
                f" {self.root}. Set SYFT_JOB_HOME to a private folder."
            )

    def _require_safe_if_there(self) -> None:
        """Check what another process, or another user, has made; there is nothing to check before that."""
        if os.path.lexists(self.path):
            self.require_safe()

    @property
    def ledger(self) -> Ledger:
        """Everything that this person's hand ever said."""
        if self._ledger is not None and self._safe_for is not None:
            return self._ledger  # a listing asks for each job
        self._require_safe_if_there()
        if self._ledger is None:
            with self._guard:
                if self._ledger is None:
                    tag = hashlib.sha256(os.fsencode(self.path.resolve())).hexdigest()[:32]
                    self._ledger = Ledger(self.path / "ledger.jsonl", checkpoint_folder() / tag)
        return self._ledger

    def make(self) -> None:
        """Make the home if it is not there: folders, a random epoch; the key is made when it is first used.

        Raises:
            StoreError: it cannot be made, or must not be used; see `require_safe`.
        """
        if self.exists:
            return
        self.require_safe(again=True)
        fs.make_directory(self.path, mode=0o700)
        self.require_safe(again=True)  # someone else may have been faster
        for inner in ("begun", "held"):
            fs.make_directory(self.path / inner, mode=0o700)
        with self.locked():
            if not self.exists:
                self._write_identity()

    def identity(self) -> dict[str, Any]:
        """The content of `home.json`.

        Raises:
            StoreError: it cannot be read, or must not be used; see `require_safe`.
        """
        self.require_safe()
        try:
            said = load_json((self.path / "home.json").read_bytes(), limit=_IDENTITY_LIMIT)
        except OSError as error:
            raise fs.trouble(f"read the home's own file {str(self.path / 'home.json')!r}", error) from error
        except UnreadableJob as error:
            raise StoreError(f"The home's own file {self.path / 'home.json'} cannot be read: {error}") from error
        if not isinstance(said, dict) or said.get("format") != FORMAT:
            raise StoreError(f"{self.path / 'home.json'} is of a format that this version does not know")
        return said

    @property
    def epoch(self) -> str:
        """The home's present epoch: permits of another one start nothing."""
        return str(self.identity()["epoch"])

    def foreign_reason(self) -> str | None:
        """None where this home is the one that was made or adopted here; else what shows that it was copied."""
        said = self.identity()
        if said.get("machine") != _machine():
            return "it was made on another machine"
        if said.get("inode") != self.path.stat().st_ino:
            return "it is a copy, or was restored from one"
        if said.get("root") != _path_text(self.root.resolve()):
            return f"it serves the folder {said.get('root')}"
        return self.ledger.why_older()

    def adopt(self) -> str:
        """Make this home the one that counts here and start a new epoch; earlier permits start nothing any more."""
        with self.locked():
            self._write_identity()
            self.ledger.write_checkpoint()
        return self.epoch

    @cached_property
    def keyring(self) -> Keyring:
        """Where this person's keys lie."""
        self._require_safe_if_there()
        return Keyring(self.path, self.root, self.email)

    def key(self) -> Key:
        """This person's present key, made and published on first use.

        Raises:
            ConfigError: a different key is published for this address already, or a newer one than this home has.
        """
        self.make()
        with self.locked(), fs.in_words(f"use the home {str(self.path)!r}"):
            chain = self.keyring.chain
            known = self.keyring.private(chain.present) if chain is not None and self.keyring.is_settled else None
            return known or self.keyring.settle()

    def key_for(self, public: str | None) -> Key | None:
        """The key with this public half, present or earlier, if this home holds it."""
        if public is None or public not in self.keyring.held:
            return None
        with self.locked():
            return self.keyring.private(public)

    def rotate_key(self, *, compromised: bool = False) -> KeyHistory:
        """Make a new key the present one and publish it; the earlier ones stay, to answer what was submitted to them.

        Args:
            compromised: say of all keys until now that they are not to be relied on any more.

        Raises:
            ConfigError: there is no key yet, or another one than this home's is published.
        """
        self.make()
        with self.locked():
            return self.keyring.rotate(compromised=compromised)

    def republish_key_if_missing(self) -> str | None:
        """Publish the present key again where it is gone or an earlier one was brought back; says what is wrong else.

        Only beside a place for jobs: a datasite without one is away.

        Raises:
            StoreError: the folder cannot be written.
        """
        if self.keyring.is_published:  # looked at without the lock, which a folder that hangs would hold
            return None
        with self.locked():
            trouble = self.keyring.trouble()
            if trouble is None:
                self.keyring.publish(beside=JOBS[0])
        return trouble

    @contextmanager
    def locked(self, patience: float = _LOCK_SECONDS) -> Iterator[None]:
        """Hold the home's lock for the few milliseconds of one verb; re-entrant within a thread.

        Threads exclude each other like processes do. A tree that is removed inside is only renamed away, and is removed
        when the lock is free again (`disk.removals_deferred`).

        Args:
            patience: seconds to wait for somebody else who holds it.

        Raises:
            StoreError: somebody else has held it for so long, or the home cannot be written.
        """
        with fs.in_words(f"lock the home {str(self.path)!r}"):
            if self._safe_for != self._stamp():
                self.require_safe(again=True)
        lock = self._lock_of_process()
        with fs.removals_deferred():
            self._acquire(lock, patience)
            try:
                self.ledger.refresh()
                yield
            finally:
                lock.release()

    def _acquire(self, lock: Any, patience: float) -> None:
        from filelock import Timeout

        deadline = time.monotonic() + patience
        while True:
            left = max(0.0, deadline - time.monotonic())
            try:
                lock.acquire(timeout=min(left, _LOCK_SLICE_SECONDS))
            except Timeout as error:
                fs.check_interrupted()
                if left <= _LOCK_SLICE_SECONDS:
                    raise StoreError(
                        f"The home {self.path} has been locked for {patience:.0f} s by another process. Try again."
                    ) from error
            except OSError as error:
                raise fs.trouble(f"lock the home {str(self.path)!r}", error) from error
            else:
                return

    def _lock_of_process(self) -> Any:
        from filelock import FileLock

        with self._guard:
            if self._lock is None or self._locks_process != os.getpid():  # a lock does not survive a fork
                # Each thread has a descriptor of its own, so that threads exclude each other.
                path = self.path / "home.lock"
                self._lock = FileLock(path, mode=0o600, poll_interval=_LOCK_LOOKS, thread_local=True)
                self._locks_process = os.getpid()
            return self._lock

    @contextmanager
    def serving(self) -> Iterator[None]:
        """Hold the lock that lets one runner serve this datasite; no verb waits for it.

        Raises:
            RunnerBusy: another process holds it.
            ConfigError, StoreError: other users could direct what runs; see `require_safe` and `workspaces`.
        """
        self.require_safe(again=True)
        self.require_safe_workspaces()
        from filelock import FileLock, Timeout

        lock = FileLock(self.path / "runner.lock", timeout=_GLANCE_SECONDS, mode=0o600)
        try:
            lock.acquire()
        except Timeout as error:
            who = self._holder() or "of an unknown number"
            raise RunnerBusy(
                f"Another runner (process {who}) serves {self.email} in {self.root}. One is enough; stop it first if"
                " this one is to take over."
            ) from error
        except OSError as error:
            raise fs.trouble(f"lock the home {str(self.path)!r}", error) from error
        try:
            with fs.directory(self.path) as opened:
                said = f"{os.getpid()}\n".encode()
                fs.put(opened, "runner.pid", said, mode=0o600, temporary=".runner.pid.tmp")
            yield
        finally:
            lock.release()

    def served_by(self) -> int | None:
        """The process that serves this datasite now, 0 where its number is not known; None where nobody does."""
        try:
            descriptor = os.open(self.path / "runner.lock", os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        except FileNotFoundError:
            return None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return self._holder()
        else:
            return None
        finally:
            os.close(descriptor)

    def _holder(self) -> int:
        """The process that noted last that it serves; 0 where none did, or where that one is gone."""
        try:
            process = int((self.path / "runner.pid").read_text("ascii"))
            os.kill(process, 0)
        except PermissionError:
            return process  # it is there, and somebody else's
        except (OSError, ValueError, OverflowError):
            return 0
        return process

    def begun(self, job: str, attempt: int) -> Path:
        """The file whose exclusive creation lets attempt ``attempt`` begin."""
        return self.path / "begun" / f"{job}.{attempt}"

    def held(self, job: str, attempt: int) -> Path:
        """Where the results of an attempt lie until they are released, and after."""
        return self.path / "held" / f"{job}.{attempt}"

    def work(self, job: str, attempt: int) -> Path:
        """Where an attempt really runs."""
        return self.workspaces / f"{job}.{attempt}"

    @cached_property
    def workspaces(self) -> Path:
        """The folder of all workspaces; for root it lies where a dropped user can reach it.

        Raises:
            ConfigError: ``SYFT_JOB_WORK`` overlaps with the shared folder or the home.
            StoreError: other users could write there or on the way there.
        """
        path = self._chosen_workspaces()
        fs.require_safe(path, "the folder of workspaces", setting="SYFT_JOB_WORK")
        return path

    def _chosen_workspaces(self) -> Path:
        chosen = os.environ.get("SYFT_JOB_WORK")
        if chosen:
            path = expand_user(chosen).absolute() / self.path.name
            self._refuse_workspaces(path)
            return path
        if os.geteuid() != 0:
            return self.path / "work"
        path = Path("/var/lib/syft_job/work") / self.path.name
        self._refuse_workspaces(path)
        return path

    def require_safe_workspaces(self) -> None:
        """Check the folder of workspaces anew: at the start of a runner, and before each attempt.

        Raises:
            ConfigError, StoreError: see `workspaces`.
        """
        fs.require_safe(self.workspaces, "the folder of workspaces", setting="SYFT_JOB_WORK")

    @property
    def workspace_mode(self) -> int:
        """The mode of directories on the way to a workspace: root drops jobs to a user that must pass through them."""
        return fs.PASSABLE if os.geteuid() == 0 else 0o700

    def _refuse_workspaces(self, path: Path) -> None:
        """Refuse a folder of workspaces in which others find the running jobs, or whose tidying removes something else.

        Raises:
            ConfigError: it equals, contains or lies in the shared folder, the home, or the folder of checkpoints.
        """
        work = path.resolve()
        for name, place in (
            ("the shared folder", self._real_root),
            ("the home", self.path.resolve()),
            ("the folder of the ledgers' checkpoints", checkpoint_folder().resolve()),
        ):
            if work.is_relative_to(place) or place.is_relative_to(work):
                raise ConfigError(
                    f"SYFT_JOB_WORK: the workspaces would be in {path}, which overlaps with {name} {place}. Set it to"
                    " a folder of its own."
                )

    def blocked_reason(self, job: str) -> str | None:
        """Why the runner does not start an approved submission, in its words; None where nothing is in the way."""
        found = self.blocked(job)
        return None if found is None else found.reason

    def blocked(self, job: str) -> Blocked | None:
        """Why the runner could not start an approved submission when it last tried; None where nothing prevents it."""
        try:
            return Blocked.from_text((self.path / "aside" / job).read_text("utf-8").strip())
        except FileNotFoundError:
            return None

    def record_blocked_reason(
        self, job: str, reason: str | None, category: BlockedCategory = BlockedCategory.OTHER
    ) -> None:
        """Remember, or with None forget, why a submission is not started."""
        fs.make_directory(self.path / "aside", mode=0o700)
        with fs.directory(self.path / "aside") as opened:
            if reason is None:
                fs.remove(opened, job)
            else:
                fs.put(
                    opened,
                    job,
                    Blocked(category, reason).to_text().encode("utf-8", "backslashreplace") + b"\n",
                    mode=0o600,
                )

    def paused(self) -> frozenset[str]:
        """Whose approved jobs are not started for the time being; ``"*"`` is everybody's."""
        try:
            return frozenset((self.path / "paused").read_text("utf-8").split())
        except FileNotFoundError:
            return frozenset()

    def pause(self, who: str = "*") -> None:
        """Start no more jobs of ``who`` until `resume`; what runs goes on.

        Raises:
            InvalidName: it is neither an address nor ``"*"``.
        """
        who = who if who == "*" else names.address(who)
        self.make()
        with self.locked():
            self._set_paused(self.paused() | {who})

    def resume(self, who: str = "*") -> None:
        """Start jobs of ``who`` again; ``"*"`` ends every pause."""
        self.make()
        with self.locked():
            self._set_paused(frozenset() if who == "*" else self.paused() - {who})

    def _set_paused(self, people: frozenset[str]) -> None:
        with fs.directory(self.path) as opened:
            fs.put(opened, "paused", "".join(f"{who}\n" for who in sorted(people)).encode(), mode=0o600)

    def _write_identity(self) -> None:
        said = {
            "format": FORMAT,
            "epoch": secrets.token_hex(16),
            "machine": _machine(),
            "inode": self.path.stat().st_ino,
            "root": _path_text(self.root.resolve()),
            "owner": self.email,
        }
        with fs.directory(self.path) as opened:
            fs.put(opened, "home.json", dump(said), mode=0o600)


def _path_text(path: Path) -> str:
    """The path as text that does not depend on the locale: its bytes read as UTF-8, others written as escapes."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


_homes: dict[tuple[Path, Path], Home] = {}


def homes() -> Path:
    """The folder of all homes of this user: ``SYFT_JOB_HOME``, or the user's data folder."""
    chosen = os.environ.get("SYFT_JOB_HOME")
    if chosen:
        return expand_user(chosen).absolute()
    import platformdirs

    return Path(platformdirs.user_data_dir("syft_job", appauthor=False)) / "homes"


def checkpoint_folder() -> Path:
    """Where it is noted how far each ledger goes: apart from the homes, so that a restored home does not bring it."""
    if os.environ.get("SYFT_JOB_HOME"):
        return homes() / ".witness"
    import platformdirs

    return Path(platformdirs.user_state_dir("syft_job", appauthor=False)) / "witness"


def config_folder() -> Path:
    """This user's folder for configuration files."""
    import platformdirs

    return Path(platformdirs.user_config_dir("syft_job", appauthor=False))


def user_folders() -> tuple[Path, ...]:
    """The folders in which this user's programs keep data, settings, state and caches; homes are there by default."""
    import platformdirs

    found = (
        platformdirs.user_data_dir(),
        platformdirs.user_config_dir(),
        platformdirs.user_state_dir(),
        platformdirs.user_cache_dir(),
    )
    return tuple(Path(folder) for folder in found)


def paused_words(paused: frozenset[str]) -> str:
    """Who is paused, in a few words."""
    who = "everybody" if "*" in paused else ", ".join(sorted(paused))
    return f"paused: approved jobs of {who} are not started until syft-job resume"


def seen_name(place: JobRef) -> str:
    """The name of the file below `reviewed` (and of earlier releases below `seen`) about the job at ``place``."""
    return hashlib.sha256(os.fsencode("\n".join(place))).hexdigest()[:32]


def _machine() -> str:
    for path in ("/etc/machine-id", "/var/lib/dbus/machine-id"):
        try:
            identity = Path(path).read_text("ascii").strip()
        except OSError:
            continue
        if identity:
            break
    else:
        identity = os.uname().nodename
    return hashlib.sha256(b"syft-job machine\n" + identity.encode()).hexdigest()[:32]
