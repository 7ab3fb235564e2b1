"""Polls a backend at growing intervals where each poll costs something: 2, 4, 8 … 60 seconds.

In between, the answers of the last poll stand. A change, a new attempt or a cancellation starts again with the shortest
interval. A backend whose polls cost nothing (`JobABC.has_free_polls`) is asked each time.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from typing import Final

from syft_job.execution.evidence import Evidence, Launched

from .base import JobABC, JobHandle

FIRST_INTERVAL_S: Final = 2.0
MAX_INTERVAL_S: Final = 60.0


class BackOffPoller:
    """Answers evidence for many attempts and asks the backend for it no more often than is due.

    It may be used by several threads.

    Args:
        backend: the backend that ran the attempts.
        clock: monotonic seconds.
    """

    def __init__(self, backend: JobABC, clock: Callable[[], float] = time.monotonic) -> None:
        self._backend = backend
        self._clock = clock
        self._lock = threading.Lock()
        self._answers: dict[JobHandle, Evidence] = {}
        self._interval_s = FIRST_INTERVAL_S
        self._due_at: float | None = None
        """When the backend is asked next; None is at once."""

    def poll(self, handles: Iterable[JobHandle]) -> dict[JobHandle, Evidence]:
        """Return what is known about each attempt; one that was not polled yet counts as launched."""
        wanted = list(handles)
        if self._backend.has_free_polls:
            return self._backend.poll(wanted)
        with self._lock:
            self._answers = {handle: self._answers.get(handle, Launched()) for handle in wanted}
            if wanted and (self._due_at is None or self._clock() >= self._due_at):
                self._ask(wanted)
            return dict(self._answers)

    def expedite(self) -> None:
        """Start again with the shortest interval: something was launched or cancelled."""
        with self._lock:
            self._interval_s = FIRST_INTERVAL_S
            if self._due_at is not None:
                self._due_at = min(self._due_at, self._clock() + FIRST_INTERVAL_S)

    def _ask(self, wanted: list[JobHandle]) -> None:
        answers = self._backend.poll(wanted)
        has_changed = any(answers[handle] != self._answers[handle] for handle in wanted)
        self._answers = answers
        # Each interval is twice the one before it; the first one follows a change.
        self._interval_s = FIRST_INTERVAL_S if has_changed else self._interval_s
        self._due_at = self._clock() + self._interval_s
        self._interval_s = min(2 * self._interval_s, MAX_INTERVAL_S)
