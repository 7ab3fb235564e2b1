"""Something moved there: file events as hints about where to look.

Events are lost, doubled and early, so they only wake a loop that reads for itself; where there are none at all, a sweep
each poll interval does. Directories are watched one by one, never recursively.
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

from syft_job import fs
from syft_job.errors import SyftJobError

MOST_WATCHES = 256
"""More directories than this are left to the sweep: each watch costs a thread."""
MAX_BLIND_INTERVAL_S = 5.0
"""How often a sweep is due at least where some change may not be reported by file events."""
_LOOKS_UP = 0.2
"""Seconds after which a wait sees that it is to stop."""
_MOVES = [
    events.DirCreatedEvent,
    events.DirDeletedEvent,
    events.DirMovedEvent,
    events.FileClosedEvent,
    events.FileCreatedEvent,
    events.FileDeletedEvent,
    events.FileMovedEvent,
]
"""What the kernel is asked for: that a file was opened or read is no news, and each event costs three threads work."""

Matters = Callable[[str], bool] | None
"""Which names in a directory matter; None for all of them."""

# watchdog warns of races at its own end; with no logging set up, Python would print that to stderr.
logging.getLogger("watchdog").addHandler(logging.NullHandler())


class Watch:
    """Wakes a loop when something moved in one of a set of directories, or when a sweep is due.

    Args:
        poll_interval: seconds after which a sweep is due, whatever the events say.
        growing: whether a file that is being written has moved already, or only when it is whole.
        root: the shared folder; what is below it is watched only where no symbolic link leads there.
        remote: the directories are on a network file system, which reports no change of other machines.
    """

    def __init__(
        self, poll_interval: float, *, growing: bool = False, root: Path | None = None, remote: bool = False
    ) -> None:
        self.poll_interval = poll_interval
        self.is_blind = False
        self.refusal: OSError | None = None
        """Why the system refused to watch a directory that is there, at the last refusal."""
        self._is_remote = remote
        self._root = root
        self._kinds = [*_MOVES, events.FileModifiedEvent] if growing else _MOVES
        self._observer: Any = Observer()
        self._watches: dict[str, tuple[Any, int]] = {}
        self._matters: dict[str, Matters] = {}
        self._moved: set[Path] = set()
        self._is_woken = False
        self._bell = threading.Condition()
        self._swept = float("-inf")

    def __enter__(self) -> Self:
        self._observer.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._observer.stop()
        self._observer.join()

    def add(self, directory: Path, matters: Matters = None) -> bool:
        """Watch one more directory, if there is room and it is there; one that is missing is left to the sweep.

        Args:
            directory: the directory.
            matters: which names in it do.

        Returns:
            Whether it was not watched before, so that the caller must look at it once more.
        """
        path = str(directory)
        if path in self._watches:
            if self._watches[path][1] == _inode_of_name(path):
                self._matters[path] = matters
                return False
            self.drop(directory)  # another directory lies there by now
        inode = self._inode(directory)
        self._matters[path] = matters
        if inode is None:
            return False
        if len(self._watches) >= MOST_WATCHES:
            self.is_blind = True
            return False
        try:
            watch = self._observer.schedule(_Told(self), path, recursive=False, event_filter=self._kinds)
        except OSError as error:
            if self._inode(directory) is not None:  # else it went away
                self.is_blind, self.refusal = True, error
            return False
        if self._inode(directory) != inode:  # a link or another directory took its place while it was watched
            self._observer.unschedule(watch)
            return False
        self._watches[path] = (watch, inode)
        return True

    def drop(self, directory: Path) -> None:
        """Watch a directory no more; harmless where it is not watched."""
        path = str(directory)
        self._matters.pop(path, None)
        if path in self._watches:
            watch, _ = self._watches.pop(path)
            self._observer.unschedule(watch)

    def only(self, directories: Mapping[Path, Matters]) -> bool:
        """Watch exactly these directories, as far as there is room.

        Args:
            directories: each with the names in it that matter; the first ones are the most important.

        Returns:
            Whether one of them was not watched before.
        """
        self.is_blind = False
        wanted = {str(directory) for directory in directories}
        for path in [path for path in self._matters if path not in wanted]:
            self.drop(Path(path))
        is_new = [self.add(directory, matters) for directory, matters in directories.items()]
        return any(is_new)

    @property
    def interval(self) -> float:
        """Seconds between two sweeps: the poll interval, or less where not every change is reported."""
        is_deaf = self.is_blind or self._is_remote
        return min(self.poll_interval, MAX_BLIND_INTERVAL_S) if is_deaf else self.poll_interval

    def is_sweep_due(self) -> bool:
        """Whether the interval is over; if so, it begins anew and what moved is forgotten."""
        now = time.monotonic()
        if now - self._swept < self.interval:
            return False
        self._swept = now
        with self._bell:
            self._moved.clear()
        return True

    def moved(self) -> set[Path]:
        """The paths that moved since the last call."""
        with self._bell:
            moved, self._moved = self._moved, set()
        return moved

    def wait(self, stop: threading.Event | None = None, *, at_most: float = float("inf")) -> bool:
        """Return when something moved, `wake` was called, a sweep is due, ``stop`` is set (seen within 0.2 s), or the
        time is up.

        Args:
            stop: another reason to return.
            at_most: seconds to wait.

        Returns:
            Whether something moved or `wake` was called.
        """
        until = min(self._swept + self.interval, time.monotonic() + at_most)
        with self._bell:
            while (
                not self._moved
                and not self._is_woken
                and not (stop is not None and stop.is_set())
                and (left := until - time.monotonic()) > 0
            ):
                self._bell.wait(min(left, _LOOKS_UP))
            is_woken, self._is_woken = self._is_woken, False
            return bool(self._moved) or is_woken

    def wake(self) -> None:
        """Let the present wait, or the next one, return at once; may be called by any thread."""
        with self._bell:
            self._is_woken = True
            self._bell.notify_all()

    def _inode(self, directory: Path) -> int | None:
        """The inode of a directory; None where there is none, or where a link below the shared folder leads there."""
        root = self._root
        try:
            if root is None or not directory.is_relative_to(root):
                return os.stat(directory).st_ino
            with fs.directory(root, *directory.relative_to(root).parts) as opened:
                return os.fstat(opened).st_ino
        except (OSError, SyftJobError):
            return None

    def tell(self, path: Path) -> None:
        """Take note that something moved at ``path``, if it matters."""
        matters = self._matters.get(str(path.parent))
        if matters is not None and not matters(path.name):
            return
        with self._bell:
            self._moved.add(path)
            self._bell.notify_all()


def _inode_of_name(path: str) -> int | None:
    """One system call for what is watched already; whether a link leads there was found out before."""
    try:
        return os.stat(path).st_ino
    except OSError:
        return None


class _Told(events.FileSystemEventHandler):
    def __init__(self, watch: Watch) -> None:
        self._watch = watch

    def on_any_event(self, event: events.FileSystemEvent) -> None:
        for path in (event.src_path, event.dest_path):
            if path:
                self._watch.tell(Path(os.fsdecode(path)))
