"""Long file work of the runner: copying results, removing trees. A bounded pool of threads does it; no lock is held.

The runner's loop asks for a piece of work again and again, under one key, until it gets what came of it; meanwhile
other jobs start and end. Only the loop, with what it got, changes the ledger and puts things in place. What a thread
did when the pool is closed, or when the process is killed, has a temporary name and is removed later, so that it may be
abandoned at any time.

All state is shared between the loop, the thread that stands by, and the workers; `_bell` guards it. Work is called, and
its values are closed, without that lock.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Hashable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Generic, Protocol, TypeVar

from syft_job import fs
from syft_job.errors import SyftJobError

WORKERS = 3
FOLDER_WORKERS = 2
"""How many workers may be in the shared folder at once: one that hangs must not keep results from getting home."""
_NOBODY = ""
"""For whom what is not needed any more is removed."""
_UNASKED_SECONDS = 30.0
"""After this long nothing waits any more for what a thread made: its job went away meanwhile."""


class Closable(Protocol):
    """What a piece of work makes."""

    def close(self) -> object:
        """Give up what was not put in place."""


_T = TypeVar("_T", bound=Closable)


@dataclass(frozen=True, slots=True)
class Finished(Generic[_T]):
    """What came of a piece of work."""

    value: _T


class Transfers(Protocol):
    """Where long file work is done."""

    def result(self, key: Hashable, whose: str, act: Callable[[], _T], *, in_folder: bool) -> Finished[_T] | None:
        """What came of ``act``; None while it is being done. What it raised is raised.

        Args:
            key: names this piece of work; asked again under the same key, it is not done twice at a time.
            whose: the submitter for whom it is done; submitters are served in turn.
            act: the work; it may be interrupted at any point.
            in_folder: whether it touches the shared folder, which may hang.
        """

    def remove_later(self, trees: fs.PendingRemovals) -> None:
        """Remove trees that were renamed away."""

    def background(self, whose: str, act: Callable[[], None], *, in_folder: bool) -> None:
        """Do something of which only an error is of interest (see `pop_errors`)."""

    def pop_errors(self) -> list[str]:
        """What could not be done in the background since the last call."""

    def is_pending(self, key: Hashable) -> bool:
        """Whether the work of that key was begun, and what came of it was not asked for yet."""

    @property
    def is_idle(self) -> bool:
        """Whether nothing is being done and nothing waits to be asked for."""

    def close(self) -> None:
        """Take no more work, and give up what is not done."""


class Inline:
    """Does everything at once, in the thread that asks: for calls that take one step or one job after the other."""

    def __init__(self) -> None:
        self._errors: list[str] = []

    def result(
        self,
        key: Hashable,  # noqa: ARG002 - the interface
        whose: str,  # noqa: ARG002
        act: Callable[[], _T],
        *,
        in_folder: bool,  # noqa: ARG002
    ) -> Finished[_T] | None:
        """Do it."""
        return Finished(act())

    def remove_later(self, trees: fs.PendingRemovals) -> None:
        """Remove them now; the caller holds no lock."""
        self.background("", trees.remove, in_folder=False)

    def background(self, whose: str, act: Callable[[], None], *, in_folder: bool) -> None:  # noqa: ARG002
        """Do it now."""
        try:
            act()
        except (SyftJobError, OSError) as error:
            self._errors.append(str(error))

    def pop_errors(self) -> list[str]:
        """What could not be done since the last call."""
        errors, self._errors = self._errors, []
        return errors

    def is_pending(self, key: Hashable) -> bool:  # noqa: ARG002
        """Nothing is ever left to do."""
        return False

    @property
    def is_idle(self) -> bool:
        """Nothing is ever left to do."""
        return True

    def close(self) -> None:
        """Nothing is ever left to give up."""


@dataclass(slots=True, eq=False)
class _Task:
    key: Hashable
    act: Callable[[], Closable | None]
    in_folder: bool
    whose: str | None = None
    close: Callable[[], object] | None = None
    is_done: bool = False
    done_at: float = float("inf")
    value: Closable | None = None
    error: BaseException | None = None


class Pool:
    """A bounded pool of daemon threads; a thread that a folder holds for ever keeps no process from ending.

    Args:
        wake: called, from a worker, whenever something is done.
    """

    def __init__(self, wake: Callable[[], object]) -> None:
        self._wake = wake
        self._bell = threading.Condition()
        self._stop = threading.Event()
        self._tasks: dict[Hashable, _Task] = {}
        self._waiting: dict[str, deque[_Task]] = {}
        self._background = 0
        self._in_folder = 0
        self._is_removing = False
        self._threads = 0
        self._idle = 0
        self._errors: list[str] = []

    def result(self, key: Hashable, whose: str, act: Callable[[], _T], *, in_folder: bool) -> Finished[_T] | None:
        """See `Transfers`."""
        with self._bell:
            task = self._tasks.get(key)
            if task is None and not self._stop.is_set():
                self._give_up_unasked()
                task = self._tasks[key] = _Task(key, act, in_folder)
                self._enqueue(whose, task)
            if task is None or not task.is_done:
                return None
            del self._tasks[key]
        if task.error is not None:
            raise task.error
        return Finished(task.value)  # type: ignore[arg-type]  # it is what `act` returned

    def remove_later(self, trees: fs.PendingRemovals) -> None:
        """See `Transfers`."""
        self._add_background(_NOBODY, _Task(object(), trees.remove, in_folder=True, close=trees.close))

    def background(self, whose: str, act: Callable[[], None], *, in_folder: bool) -> None:
        """See `Transfers`."""
        self._add_background(whose, _Task(object(), act, in_folder))

    def pop_errors(self) -> list[str]:
        """See `Transfers`."""
        with self._bell:
            errors, self._errors = self._errors, []
        return errors

    def is_pending(self, key: Hashable) -> bool:
        """See `Transfers`."""
        with self._bell:
            return key in self._tasks

    @property
    def is_idle(self) -> bool:
        """See `Transfers`."""
        with self._bell:
            now = time.monotonic()
            is_asked_for = [task for task in self._tasks.values() if now - task.done_at < _UNASKED_SECONDS]
            return not is_asked_for and not self._background

    def close(self) -> None:
        """Take no more work, interrupt what is being done at its next step, and give up what came of the rest."""
        self._stop.set()
        with self._bell:
            given_up = [task for task in self._tasks.values() if task.is_done]
            given_up += [task for queue in self._waiting.values() for task in queue]
            self._tasks.clear()
            self._waiting.clear()
            self._bell.notify_all()
        for task in given_up:
            _give_up(task)

    def _add_background(self, whose: str, task: _Task) -> None:
        with self._bell:
            if not self._stop.is_set():
                self._background += 1
                self._enqueue(whose, task)
                return
        _give_up(task)

    def _give_up_unasked(self) -> None:
        """Let a worker close what was done a while ago and nobody asks for: it keeps room and descriptors."""
        oldest = time.monotonic() - _UNASKED_SECONDS
        for task in [task for task in self._tasks.values() if task.done_at < oldest]:
            del self._tasks[task.key]
            self._background += 1
            self._enqueue(_NOBODY, _Task(object(), partial(_give_up, task), in_folder=True))

    def _enqueue(self, whose: str, task: _Task) -> None:
        self._waiting.setdefault(whose, deque()).append(task)
        if sum(map(len, self._waiting.values())) > self._idle and self._threads < WORKERS:
            self._threads += 1
            threading.Thread(target=self._work, name="syft-job-transfer", daemon=True).start()
        self._bell.notify()

    def _work(self) -> None:
        with fs.interruptible(self._stop):
            while (task := self._take()) is not None:
                try:
                    task.value = task.act()
                except BaseException as error:  # noqa: BLE001 - raised again in the thread that asks for the result
                    task.error = error
                self._put_down(task)

    def _take(self) -> _Task | None:
        """The next piece of work, from each submitter in turn; None when the pool is closed."""
        with self._bell:
            while not self._stop.is_set():
                is_folder_full = self._in_folder >= FOLDER_WORKERS
                for whose, queue in self._waiting.items():
                    if whose == _NOBODY and self._is_removing:
                        continue  # how much there is to remove is up to submitters: one worker at a time
                    # Work in the home does not wait behind work in a folder that may hang.
                    task = next((task for task in queue if not (task.in_folder and is_folder_full)), None)
                    if task is None:
                        continue
                    queue.remove(task)
                    del self._waiting[whose]
                    if queue:
                        self._waiting[whose] = queue  # behind the others
                    self._in_folder += task.in_folder
                    self._is_removing = self._is_removing or whose == _NOBODY
                    task.whose = whose
                    return task
                self._idle += 1
                self._bell.wait()
                self._idle -= 1
            return None

    def _put_down(self, task: _Task) -> None:
        with self._bell:
            task.is_done, task.done_at = True, time.monotonic()
            self._in_folder -= task.in_folder
            if task.whose == _NOBODY:
                self._is_removing = False
            is_background = self._tasks.get(task.key) is not task
            is_abandoned = is_background and self._stop.is_set()
            if is_background and not is_abandoned:
                self._background -= 1
                if task.error is not None:
                    self._errors.append(str(task.error))
            self._bell.notify_all()
        if is_abandoned:
            _give_up(task)
        self._wake()


def _give_up(task: _Task) -> None:
    """Close what a piece of work made, or was given."""
    with suppress(SyftJobError, OSError):  # what stays has a temporary name and is removed later
        if task.close is not None:
            task.close()
        if task.value is not None:
            task.value.close()
