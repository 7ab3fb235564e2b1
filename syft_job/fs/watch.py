"""File events as hints: wake a loop when something changed in one of a set of directories.

Events get lost, are doubled, and arrive early, so an event is only a reason to look; where no events arrive at all, a
sweep is due after each poll interval. Directories are watched one by one, never recursively.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from watchdog import events
from watchdog.observers import Observer

from syft_job.errors import SyftJobError

from .directories import open_directory

MAX_WATCHES = 256
"""More directories than this are left to the sweep: each watch costs a thread."""
MAX_BLIND_INTERVAL_S = 5.0
"""The longest time between two sweeps where file events do not report every change."""
_STOP_CHECK_INTERVAL_S = 0.2
"""How often `Watch.wait` checks whether it must stop."""
_CHANGE_EVENTS = [
    events.DirCreatedEvent,
    events.DirDeletedEvent,
    events.DirMovedEvent,
    events.FileClosedEvent,
    events.FileCreatedEvent,
    events.FileDeletedEvent,
    events.FileMovedEvent,
]
"""The events that are subscribed to. Opening and reading are not among them: each event costs three threads work."""

NameFilter = Callable[[str], bool] | None
"""Which names in a directory are reported; None for all of them."""

# watchdog warns of races when it stops; without a logging handler, Python would print that to stderr.
logging.getLogger("watchdog").addHandler(logging.NullHandler())


class Watch:
    """Wake a loop when something changed in one of a set of directories, or when a sweep is due.

    Args:
        poll_interval: seconds after which a sweep is due, whatever the events report.
        growing: report each write to a file, not only that a writer closed it.
        root: the shared folder; a directory below it is watched only if no symbolic link leads there.
        remote: the directories are on a network file system, which reports no change of other machines.

    Attributes:
        poll_interval: as given.
        is_blind: a directory that exists is not watched, because of `MAX_WATCHES` or because the system refused.
        refusal: the error with which the system last refused to watch a directory that exists.
    """

    def __init__(
        self, poll_interval: float, *, growing: bool = False, root: Path | None = None, remote: bool = False
    ) -> None:
        self.poll_interval = poll_interval
        self.is_blind = False
        self.refusal: OSError | None = None
        self._is_remote = remote
        self._root = root
        self._event_types = [*_CHANGE_EVENTS, events.FileModifiedEvent] if growing else _CHANGE_EVENTS
        self._observer: Any = Observer()
        self._watches: dict[str, tuple[Any, int]] = {}
        self._filters: dict[str, NameFilter] = {}
        self._changed: set[Path] = set()
        self._is_woken = False
        self._condition = threading.Condition()
        self._last_sweep = float("-inf")

    def __enter__(self) -> Self:
        self._observer.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._observer.stop()
        self._observer.join()

    def add(self, directory: Path, name_filter: NameFilter = None) -> bool:
        """Watch one more directory if it exists and `MAX_WATCHES` allows it; a missing one is left to the sweep.

        Args:
            directory: the directory.
            name_filter: which names in it are reported.

        Returns:
            True if it was not watched before, so that the caller must look at it once more.
        """
        path = str(directory)
        if path in self._watches:
            if self._watches[path][1] == _inode_of_path(path):
                self._filters[path] = name_filter
                return False
            self.drop(directory)  # it was replaced by another directory
        inode = self._inode(directory)
        self._filters[path] = name_filter
        if inode is None:
            return False
        if len(self._watches) >= MAX_WATCHES:
            self.is_blind = True
            return False
        try:
            watch = self._observer.schedule(_EventHandler(self), path, recursive=False, event_filter=self._event_types)
        except OSError as error:
            if self._inode(directory) is not None:  # otherwise it was removed
                self.is_blind, self.refusal = True, error
            return False
        if self._inode(directory) != inode:  # replaced by a link or another directory in the meantime
            self._observer.unschedule(watch)
            return False
        self._watches[path] = (watch, inode)
        return True

    def drop(self, directory: Path) -> None:
        """Stop watching a directory; do nothing if it is not watched."""
        path = str(directory)
        self._filters.pop(path, None)
        if path in self._watches:
            watch, _ = self._watches.pop(path)
            self._observer.unschedule(watch)

    def watch_only(self, directories: Mapping[Path, NameFilter]) -> bool:
        """Watch exactly these directories, as far as `MAX_WATCHES` allows.

        Args:
            directories: each with the filter of its names; the first ones are the most important.

        Returns:
            True if one of them was not watched before.
        """
        self.is_blind = False
        wanted = {str(directory) for directory in directories}
        for path in [path for path in self._filters if path not in wanted]:
            self.drop(Path(path))
        is_new = [self.add(directory, name_filter) for directory, name_filter in directories.items()]
        return any(is_new)

    @property
    def interval(self) -> float:
        """Seconds between two sweeps: the poll interval, or less where events do not report every change."""
        is_incomplete = self.is_blind or self._is_remote
        return min(self.poll_interval, MAX_BLIND_INTERVAL_S) if is_incomplete else self.poll_interval

    def begin_sweep_if_due(self) -> bool:
        """Return True if a sweep is due; then a new interval begins and the changes until now are forgotten."""
        now = time.monotonic()
        if now - self._last_sweep < self.interval:
            return False
        self._last_sweep = now
        with self._condition:
            self._changed.clear()
        return True

    def pop_changes(self) -> set[Path]:
        """Return the paths that changed since the last call, and forget them."""
        with self._condition:
            changed, self._changed = self._changed, set()
        return changed

    def wait(self, stop: threading.Event | None = None, *, at_most: float = float("inf")) -> bool:
        """Wait until something changed, `wake` was called, a sweep is due, ``stop`` is set, or the time is up.

        Args:
            stop: another reason to return, noticed within 0.2 s.
            at_most: seconds to wait.

        Returns:
            True if something changed or `wake` was called.
        """
        until = min(self._last_sweep + self.interval, time.monotonic() + at_most)
        with self._condition:
            while (
                not self._changed
                and not self._is_woken
                and not (stop is not None and stop.is_set())
                and (remaining := until - time.monotonic()) > 0
            ):
                self._condition.wait(min(remaining, _STOP_CHECK_INTERVAL_S))
            is_woken, self._is_woken = self._is_woken, False
            return bool(self._changed) or is_woken

    def wake(self) -> None:
        """Let the present call of `wait`, or the next one, return at once; any thread may call this."""
        with self._condition:
            self._is_woken = True
            self._condition.notify_all()

    def record_change(self, path: Path) -> None:
        """Record that ``path`` changed, unless its directory's filter excludes its name; any thread may call this."""
        name_filter = self._filters.get(str(path.parent))
        if name_filter is not None and not name_filter(path.name):
            return
        with self._condition:
            self._changed.add(path)
            self._condition.notify_all()

    def _inode(self, directory: Path) -> int | None:
        """Return the inode of a directory; None if it is missing, or a link below the shared folder leads to it."""
        root = self._root
        try:
            if root is None or not directory.is_relative_to(root):
                return os.stat(directory).st_ino
            with open_directory(root, *directory.relative_to(root).parts) as dir_fd:
                return os.fstat(dir_fd).st_ino
        except (OSError, SyftJobError):
            return None


def _inode_of_path(path: str) -> int | None:
    """Return the inode of a path that is watched already, with one system call; None if it is missing.

    That no link leads there was checked when the watch was added.
    """
    try:
        return os.stat(path).st_ino
    except OSError:
        return None


class _EventHandler(events.FileSystemEventHandler):
    def __init__(self, watch: Watch) -> None:
        self._watch = watch

    def on_any_event(self, event: events.FileSystemEvent) -> None:
        for path in (event.src_path, event.dest_path):
            if path:
                self._watch.record_change(Path(os.fsdecode(path)))
