"""Long file work of the runner: copying results, removing trees. A bounded pool of threads does it; no lock is held.

The runner's loop asks for a piece of work repeatedly, under one key, until it gets the result; meanwhile other jobs
start and end. Only the loop changes the ledger and puts results in place. What a thread made when the pool is closed,
or when the process is killed, has a temporary name and is removed later, so that it may be abandoned at any time.

All state is shared between the loop, the thread that stands by, and the workers; `_changed` guards it. Work is called,
and its values are closed, without that lock.
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
_CLEANUP = ""
"""The submitter of work that removes what is not needed any more."""
_MAX_UNCLAIMED_S = 30.0
"""A result that is not asked for after so long is given up: its job went away meanwhile."""


class Closable(Protocol):
    """The result of a piece of work."""

    def close(self) -> object:
        """Give up what was not put in place."""


_T = TypeVar("_T", bound=Closable)


@dataclass(frozen=True, slots=True)
class Finished(Generic[_T]):
    """A piece of work is done; ``value`` is its result."""

    value: _T


class Transfers(Protocol):
    """Where long file work is done."""

    def result(self, key: Hashable, submitter: str, act: Callable[[], _T], *, in_folder: bool) -> Finished[_T] | None:
        """Return the result of ``act``; None while it is being done. Its exceptions are raised here.

        Args:
            key: names this piece of work; asked again under the same key, it is not done twice at a time.
            submitter: the person it is done for; submitters are served in turn.
            act: the work; it may be interrupted at any point.
            in_folder: whether it touches the shared folder, which may hang.
        """

    def remove_later(self, trees: fs.PendingRemovals) -> None:
        """Remove trees that were renamed away."""

    def background(self, submitter: str, act: Callable[[], None], *, in_folder: bool) -> None:
        """Do something submitter result is not needed; errors are kept for `pop_errors`."""

    def pop_errors(self) -> list[str]:
        """Return the errors of background work since the last call."""

    def is_pending(self, key: Hashable) -> bool:
        """Return True if the work of that key was begun and its result was not fetched yet."""

    @property
    def is_idle(self) -> bool:
        """Whether nothing is being done and no result waits to be fetched."""

    def close(self) -> None:
        """Accept no more work, and give up what is not done."""


class Inline:
    """Does everything at once, in the calling thread: for calls that take one step or one job after the other."""

    def __init__(self) -> None:
        self._errors: list[str] = []

    def result(
        self,
        key: Hashable,  # noqa: ARG002 - the interface
        submitter: str,  # noqa: ARG002
        act: Callable[[], _T],
        *,
        in_folder: bool,  # noqa: ARG002
    ) -> Finished[_T] | None:
        """Do it."""
        return Finished(act())

    def remove_later(self, trees: fs.PendingRemovals) -> None:
        """Remove them now; the caller holds no lock."""
        self.background("", trees.remove, in_folder=False)

    def background(self, submitter: str, act: Callable[[], None], *, in_folder: bool) -> None:  # noqa: ARG002
        """Do it now."""
        try:
            act()
        except (SyftJobError, OSError) as error:
            self._errors.append(str(error))

    def pop_errors(self) -> list[str]:
        """Return the errors since the last call."""
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
    submitter: str | None = None
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
        self._changed = threading.Condition()
        self._stop = threading.Event()
        self._tasks: dict[Hashable, _Task] = {}
        self._waiting: dict[str, deque[_Task]] = {}
        self._background = 0
        self._in_folder = 0
        self._is_removing = False
        self._threads = 0
        self._idle = 0
        self._errors: list[str] = []

    def result(self, key: Hashable, submitter: str, act: Callable[[], _T], *, in_folder: bool) -> Finished[_T] | None:
        """See `Transfers`."""
        with self._changed:
            task = self._tasks.get(key)
            if task is None and not self._stop.is_set():
                self._give_up_unclaimed()
                task = self._tasks[key] = _Task(key, act, in_folder)
                self._enqueue(submitter, task)
            if task is None or not task.is_done:
                return None
            del self._tasks[key]
        if task.error is not None:
            raise task.error
        return Finished(task.value)  # type: ignore[arg-type]  # it is what `act` returned

    def remove_later(self, trees: fs.PendingRemovals) -> None:
        """See `Transfers`."""
        self._add_background(_CLEANUP, _Task(object(), trees.remove, in_folder=True, close=trees.close))

    def background(self, submitter: str, act: Callable[[], None], *, in_folder: bool) -> None:
        """See `Transfers`."""
        self._add_background(submitter, _Task(object(), act, in_folder))

    def pop_errors(self) -> list[str]:
        """See `Transfers`."""
        with self._changed:
            errors, self._errors = self._errors, []
        return errors

    def is_pending(self, key: Hashable) -> bool:
        """See `Transfers`."""
        with self._changed:
            return key in self._tasks

    @property
    def is_idle(self) -> bool:
        """See `Transfers`."""
        with self._changed:
            now = time.monotonic()
            wanted = [task for task in self._tasks.values() if now - task.done_at < _MAX_UNCLAIMED_S]
            return not wanted and not self._background

    def close(self) -> None:
        """Accept no more work, interrupt what is being done at its next step, and give up all results."""
        self._stop.set()
        with self._changed:
            given_up = [task for task in self._tasks.values() if task.is_done]
            given_up += [task for queue in self._waiting.values() for task in queue]
            self._tasks.clear()
            self._waiting.clear()
            self._changed.notify_all()
        for task in given_up:
            _give_up(task)

    def _add_background(self, submitter: str, task: _Task) -> None:
        with self._changed:
            if not self._stop.is_set():
                self._background += 1
                self._enqueue(submitter, task)
                return
        _give_up(task)

    def _give_up_unclaimed(self) -> None:
        """Let a worker close results that are not asked for any more: they hold space and descriptors."""
        oldest = time.monotonic() - _MAX_UNCLAIMED_S
        for task in [task for task in self._tasks.values() if task.done_at < oldest]:
            del self._tasks[task.key]
            self._background += 1
            self._enqueue(_CLEANUP, _Task(object(), partial(_give_up, task), in_folder=True))

    def _enqueue(self, submitter: str, task: _Task) -> None:
        self._waiting.setdefault(submitter, deque()).append(task)
        if sum(map(len, self._waiting.values())) > self._idle and self._threads < WORKERS:
            self._threads += 1
            threading.Thread(target=self._work, name="syft-job-transfer", daemon=True).start()
        self._changed.notify()

    def _work(self) -> None:
        with fs.interruptible(self._stop):
            while (task := self._take()) is not None:
                try:
                    task.value = task.act()
                except BaseException as error:  # noqa: BLE001 - raised again in the thread that asks for the result
                    task.error = error
                self._finish(task)

    def _take(self) -> _Task | None:
        """Return the next piece of work, from each submitter in turn; None when the pool is closed."""
        with self._changed:
            while not self._stop.is_set():
                is_folder_full = self._in_folder >= FOLDER_WORKERS
                for submitter, queue in self._waiting.items():
                    if submitter == _CLEANUP and self._is_removing:
                        continue  # how much there is to remove is up to submitters: one worker at a time
                    # Work in the home does not wait behind work in a folder that may hang.
                    task = next((task for task in queue if not (task.in_folder and is_folder_full)), None)
                    if task is None:
                        continue
                    queue.remove(task)
                    del self._waiting[submitter]
                    if queue:
                        self._waiting[submitter] = queue  # behind the others
                    self._in_folder += task.in_folder
                    self._is_removing = self._is_removing or submitter == _CLEANUP
                    task.submitter = submitter
                    return task
                self._idle += 1
                self._changed.wait()
                self._idle -= 1
            return None

    def _finish(self, task: _Task) -> None:
        with self._changed:
            task.is_done, task.done_at = True, time.monotonic()
            self._in_folder -= task.in_folder
            if task.submitter == _CLEANUP:
                self._is_removing = False
            is_background = self._tasks.get(task.key) is not task
            is_abandoned = is_background and self._stop.is_set()
            if is_background and not is_abandoned:
                self._background -= 1
                if task.error is not None:
                    self._errors.append(str(task.error))
            self._changed.notify_all()
        if is_abandoned:
            _give_up(task)
        self._wake()


def _give_up(task: _Task) -> None:
    """Close the result and the input of a piece of work."""
    with suppress(SyftJobError, OSError):  # what stays has a temporary name and is removed later
        if task.close is not None:
            task.close()
        if task.value is not None:
            task.value.close()
