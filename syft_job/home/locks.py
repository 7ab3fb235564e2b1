"""The two locks of a home: one that each verb holds for milliseconds, and one that a runner holds while it runs.

Both are held by the process (flock(2) through `filelock`) and freed by its end. The home lock comes first: a
process that holds it may take any other lock. While it is held, no tree is removed.
"""

from __future__ import annotations

import fcntl
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from syft_job import fs
from syft_job.errors import RunnerBusy, StoreError

from .paths import HomePaths

LOCK_TIMEOUT_S = 30.0
_LOCK_POLL_INTERVAL_S = 0.001
"""How often a waiting process tries again: the lock is held for milliseconds, and a runner's start waits for it."""
_CANCELLATION_CHECK_INTERVAL_S = 0.25
"""How long a thread waits for the lock before it checks whether its work was cancelled."""
_RUNNER_LOCK_TIMEOUT_S = 0.5
"""How long a runner waits for its lock: longer than `RunnerLock.holder_pid` holds it."""


class HomeLock:
    """The lock of a home; re-entrant within a thread, exclusive between threads and between processes.

    Args:
        path: the lock file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._guard = threading.Lock()  # for the lock object, which the first thread creates
        self._lock: Any = None
        self._pid = 0

    @contextmanager
    def held(self, timeout_s: float = LOCK_TIMEOUT_S) -> Iterator[None]:
        """Hold the lock inside the block. A tree that is removed inside is removed after it (`fs.defer_removals`).

        Args:
            timeout_s: seconds to wait for another process or thread that holds it.

        Raises:
            StoreError: it was not free within that time, or the home cannot be written.
            Interrupted: the work of this thread was cancelled.
        """
        lock = self._process_lock()
        with fs.defer_removals():
            self._acquire(lock, timeout_s)
            try:
                yield
            finally:
                lock.release()

    @property
    def is_held(self) -> bool:
        """Whether the calling thread holds the lock."""
        return self._lock is not None and bool(self._lock.is_locked)

    def reset(self) -> None:
        """Drop the lock object, as a forked child must that ends without releasing what it inherited."""
        self._lock = None

    def _acquire(self, lock: Any, timeout_s: float) -> None:
        from filelock import Timeout

        deadline = time.monotonic() + timeout_s
        while True:
            remaining = max(0.0, deadline - time.monotonic())
            try:
                lock.acquire(timeout=min(remaining, _CANCELLATION_CHECK_INTERVAL_S))
            except Timeout as error:
                fs.check_interrupted()
                if remaining <= _CANCELLATION_CHECK_INTERVAL_S:
                    raise StoreError(
                        f"The home {self._path.parent} has been locked for {timeout_s:.0f} s by another process. Try"
                        " again."
                    ) from error
            except OSError as error:
                raise fs.store_error(f"lock the home {str(self._path.parent)!r}", error) from error
            else:
                return

    def _process_lock(self) -> Any:
        """Return the lock object of this process; one that a forked child inherited is replaced."""
        from filelock import FileLock

        with self._guard:
            if self._lock is None or self._pid != os.getpid():
                # Each thread has a descriptor of its own, so that threads exclude each other.
                self._lock = FileLock(self._path, mode=0o600, poll_interval=_LOCK_POLL_INTERVAL_S, thread_local=True)
                self._pid = os.getpid()
            return self._lock


class RunnerLock:
    """The lock that lets one runner serve a datasite. No verb waits for it.

    Args:
        paths: the paths of the home.
        datasite: which datasite is served, for messages.
    """

    def __init__(self, paths: HomePaths, datasite: str) -> None:
        self._paths = paths
        self._datasite = datasite

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold the lock inside the block, and record this process as its holder.

        Raises:
            RunnerBusy: another process holds it.
            StoreError: the home cannot be written.
        """
        from filelock import FileLock, Timeout

        lock = FileLock(self._paths.runner_lock, timeout=_RUNNER_LOCK_TIMEOUT_S, mode=0o600)
        try:
            lock.acquire()
        except Timeout as error:
            pid = self._recorded_pid() or "of an unknown number"
            raise RunnerBusy(
                f"Another runner (process {pid}) serves {self._datasite}. One is enough; stop it first if this one is"
                " to take over."
            ) from error
        except OSError as error:
            raise fs.store_error(f"lock the home {str(self._paths.home)!r}", error) from error
        try:
            pid_file = self._paths.runner_pid.name
            with fs.open_directory(self._paths.home) as dir_fd:
                fs.write_file(dir_fd, pid_file, f"{os.getpid()}\n".encode(), mode=0o600, temporary=f".{pid_file}.tmp")
            yield
        finally:
            lock.release()

    def holder_pid(self) -> int | None:
        """Return the process id of the runner that holds the lock, 0 if it is not known; None if no runner does.

        Raises:
            OSError: the lock file cannot be opened.
        """
        try:
            descriptor = os.open(self._paths.runner_lock, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        except FileNotFoundError:
            return None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return self._recorded_pid()
        else:
            return None
        finally:
            os.close(descriptor)

    def _recorded_pid(self) -> int:
        """Return the process that last recorded itself as the holder; 0 if there is none, or if it has ended."""
        try:
            pid = int(self._paths.runner_pid.read_text("ascii"))
            os.kill(pid, 0)
        except PermissionError:
            return pid  # it exists, and belongs to another user
        except (OSError, ValueError, OverflowError):
            return 0
        return pid
