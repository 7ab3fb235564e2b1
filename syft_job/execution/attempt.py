"""The life of an attempt: one machine that observes an attempt and takes the step that its evidence calls for.

`AttemptMachine.advance` is the whole of it. It observes (the ledger and the backend's answer), and does one thing for
each type of `Evidence`. Everything in it is idempotent: it may be killed anywhere and repeated, and no step depends on
what an earlier process remembered. What its users do differently is an `AttemptOperations`: the runner prepares a
verified copy of a job and publishes to the shared folder; a submitor prepares a directory and publishes nothing.

Invariants:
- The start is in the ledger before anything can claim the attempt, and a claim is made once, so an attempt begins at
  most once however often it is launched.
- Results are kept before the end is in the ledger, the end is in the ledger before it is published, and the workspace
  is removed last.
- An attempt is only recorded as lost where this machine may judge it.

`Unknown` evidence raises its error: the caller reports it and tries again.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Generic, TypeVar

from syft_job import fs
from syft_job.errors import NotStarted, SyftJobError

from .attempt_operations import AttemptOperations, AttemptPaths, Collected, HasPaths, Permission
from .backends.back_off import BackOffPoller
from .backends.base import JobABC, JobHandle
from .evidence import (
    CANCELLED,
    LOST,
    Ended,
    Evidence,
    ExitRecord,
    Forfeited,
    Launched,
    NotLaunched,
    Running,
    Unknown,
    Vanished,
    is_active,
)

AttemptT = TypeVar("AttemptT", bound=HasPaths)


class AttemptMachine(Generic[AttemptT]):
    """Launches, observes and finishes attempts.

    `advance` belongs to one thread. `collect` may be called by another one at the same time; `_memory` guards what both
    remember, and `_finishing` keeps them from finishing one attempt at once.

    Args:
        backend: what runs the attempts.
        operations: what its user does differently.
        patience_s: seconds between two tries of a launch that came to nothing, and between two cancellations.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        backend: JobABC,
        operations: AttemptOperations[AttemptT],
        patience_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._backend = backend
        self._operations = operations
        self._patience_s = patience_s
        self._clock = clock
        self._poller = BackOffPoller(backend, clock)
        self._memory = threading.Lock()
        self._finishing = threading.Lock()
        self._handles: dict[str, JobHandle] = {}
        self._active: set[str] = set()
        self._announced: set[str] = set()
        self._launched_at: dict[str, float] = {}
        self._cancelled_at: dict[str, float] = {}

    def poll(self, attempts: Iterable[AttemptT]) -> list[tuple[AttemptT, Evidence]]:
        """Return what is known about attempts that were started, asking the backend once for all of them."""
        handles: list[tuple[AttemptT, JobHandle | Unknown | None]] = []
        for attempt in attempts:
            try:
                handles.append((attempt, self._handle_of(attempt.paths)))
            except (SyftJobError, OSError) as error:
                handles.append((attempt, Unknown(error)))
        answers = self._poller.poll(handle for _, handle in handles if isinstance(handle, JobHandle))
        evidence: list[tuple[AttemptT, Evidence]] = []
        for attempt, handle in handles:
            match handle:
                case JobHandle():
                    evidence.append((attempt, answers[handle]))
                case Unknown():
                    evidence.append((attempt, handle))
                case None:  # it was never handed to its backend, as far as the backend can tell
                    evidence.append((attempt, Launched(is_stale=True)))
        with self._memory:
            self._active -= {attempt.paths.label for attempt, _ in evidence}
            self._active |= {attempt.paths.label for attempt, answer in evidence if is_active(answer)}
        return evidence

    def is_active(self, attempt: AttemptT) -> bool:
        """Return True if the attempt ran at the last poll, or was launched since, and is not finished."""
        with self._memory:
            return attempt.paths.label in self._active

    def advance(self, attempt: AttemptT, evidence: Evidence | None = None) -> None:
        """Take the step that the attempt is due for, if there is one.

        Args:
            attempt: the attempt.
            evidence: what `poll` returned for it; polled now where it is None.

        Raises:
            NotStarted: it may not start, or not now; or this machine cannot judge how it ended.
            SyftJobError, OSError: the step failed and can be repeated.
        """
        match self.observe(attempt, evidence):
            case NotLaunched():
                if self._operations.permission(attempt) is Permission.GRANTED:
                    self._launch(attempt)
            case Launched(is_stale=True):
                self._launch_again(attempt)
            case Launched(is_cancelled=True):
                self._cancel(attempt)
            case Launched():
                pass  # it begins by itself
            case Running(is_cancelled=True):
                self._cancel(attempt)
                self._announce_start(attempt)
            case Running():
                self._announce_start(attempt)
            case Ended(record):
                self._announce_start(attempt)
                self._finish(attempt, record.outcome, record)
            case Forfeited():
                self._finish(attempt, CANCELLED, None)
            case Vanished():
                self._finish(attempt, LOST, None)
            case Unknown(error):
                raise error

    def observe(self, attempt: AttemptT, evidence: Evidence | None = None) -> Evidence:
        """Return what is known about an attempt: what the ledger has, and the backend's answer."""
        if not self._operations.is_started(attempt):
            return NotLaunched()
        if evidence is None:
            [(_, evidence)] = self.poll([attempt])
        match evidence:
            case Launched() | Running():
                return replace(evidence, is_cancelled=self._operations.is_cancelled(attempt))
            case Vanished() if self._operations.recorded_host(attempt) not in {None, self._backend.host}:
                return Unknown(NotStarted("it was begun on another machine, and only that one can say how it ended"))
            case _:
                return evidence

    def collect(self, attempt: AttemptT, evidence: Evidence) -> None:
        """Finish an attempt that ended, as far as nothing is published; nothing happens while `advance` finishes one.

        Raises:
            SyftJobError, OSError: the evidence is an error, or the results cannot be kept now.
        """
        match evidence:
            case Unknown(error):
                raise error
            case Ended(record):
                self._collect_unless_finishing(attempt, record)
            case _:
                pass

    def _collect_unless_finishing(self, attempt: AttemptT, record: ExitRecord) -> None:
        if not self._finishing.acquire(blocking=False):
            return
        try:
            collected = self._collect_and_record(attempt, record.outcome, record)
        finally:
            self._finishing.release()
        if collected is not None:
            self._operations.remove_workspace(attempt, collected)

    def _launch(self, attempt: AttemptT) -> None:
        """Prepare the attempt, record its start, and hand it to the backend; it begins when its claim is made."""
        paths = attempt.paths
        with self._memory:
            self._launched_at[paths.label] = self._clock()
        prepared = self._operations.prepare(attempt)
        prepared.record_start(self._backend.host)
        prepared.open_workspace()
        handle = self._backend.submit(prepared.command)
        assert isinstance(handle, JobHandle)  # noqa: S101 - not a dry run
        with self._memory:
            self._handles[paths.label] = handle
            self._active.add(paths.label)
        self._poller.expedite()
        with fs.open_directory(paths.workspace) as dir_fd:
            fs.write_file(
                dir_fd, paths.handle.name, handle.model_dump_json().encode() + b"\n", mode=0o600, durable=False
            )

    def _launch_again(self, attempt: AttemptT) -> None:
        """Launch an attempt of which nothing is left that could begin it, or end it where it must not begin."""
        match self._operations.permission(attempt):
            case Permission.UNKNOWN:
                return
            case Permission.ENDED:
                handle = self._handle_of(attempt.paths)
                if handle is None or self._backend.forfeit(handle):
                    self._finish(attempt, CANCELLED, None)
                return
            case Permission.GRANTED:
                before = self._launched_at.get(attempt.paths.label)
        if before is not None and self._clock() - before < self._patience_s:
            return
        self._launch(attempt)
        if before is not None:
            raise NotStarted(
                "its supervisor ended without beginning it, and was started again. See whether"
                f" {str(attempt.paths.claim.parent)!r} can be written"
            )

    def _cancel(self, attempt: AttemptT) -> None:
        """Ask the backend to end the attempt; the process that cancelled it may have died before it did."""
        label, now = attempt.paths.label, self._clock()
        handle = self._handle_of(attempt.paths)
        before = self._cancelled_at.get(label)
        if handle is None or (before is not None and now - before < self._patience_s):
            return
        self._backend.cancel(handle)
        self._poller.expedite()
        with self._memory:
            self._cancelled_at[label] = now

    def _announce_start(self, attempt: AttemptT) -> None:
        with self._memory:
            if attempt.paths.label in self._announced:
                return
            self._announced.add(attempt.paths.label)
        self._operations.announce_start(attempt)

    def _finish(self, attempt: AttemptT, outcome: str, record: ExitRecord | None) -> None:
        with self._finishing:
            collected = self._collect_and_record(attempt, outcome, record)
        if collected is None:
            return  # it is being collected; `advance` is called again when that is done
        self._operations.publish(attempt)
        self._operations.remove_workspace(attempt, collected)

    def _collect_and_record(self, attempt: AttemptT, outcome: str, record: ExitRecord | None) -> Collected | None:
        """Keep the results, then record the end. None while the results are being copied."""
        if not self._operations.is_started(attempt):
            return Collected()  # the other thread did it
        collected = self._operations.collect(attempt, record)
        if collected is None:
            return None
        self._operations.record_end(attempt, outcome, record, collected)
        label = attempt.paths.label
        with self._memory:
            self._announced.discard(label)
            self._active.discard(label)
            for remembered in (self._handles, self._launched_at, self._cancelled_at):
                remembered.pop(label, None)
        return collected

    def _handle_of(self, paths: AttemptPaths) -> JobHandle | None:
        """The handle by which the backend is asked about an attempt; None where it was never handed over."""
        with self._memory:
            handle = self._handles.get(paths.label)
        if handle is None:
            handle = self._backend.find(
                paths.label, paths.claim, paths.exit_record, launched=_read_handle(paths.handle)
            )
            if handle is not None:
                with self._memory:
                    handle = self._handles.setdefault(paths.label, handle)
        return handle


def _read_handle(path: Path) -> JobHandle | None:
    """The handle of the last launch; None where none was written, or not in whole."""
    try:
        return JobHandle.model_validate_json(path.read_bytes())
    except (FileNotFoundError, ValueError):
        return None
