"""Guards the runner against a folder that hangs: the loop runs in a thread of its own, and only it is held up.

A network file system whose server is gone can block a thread for ever, and no signal ends that. So no thread that
touches the folder is waited for without a limit: the thread that stands by answers signals, reports the problem, and
meanwhile does what needs no folder.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

from syft_job.fs.probe import BackgroundCall, FolderProbe

from .conditions import Conditions

PATIENCE = 5.0
"""Seconds that one piece of work may take before the folder is probed."""

_TICK = 0.5
_FAREWELL = 1.0
"""Seconds to wait for a loop that is to end while the folder does not answer."""
_LONG_FAREWELL = 30.0
"""The same where the folder answers and yet something in it holds the loop up."""


class HangGuard:
    """Stands by while a loop works.

    Args:
        root: the shared folder.
        conditions: where it is reported that the folder does not answer.
    """

    def __init__(self, root: Path, conditions: Conditions) -> None:
        self._root = root
        self._conditions = conditions
        self._busy_since: float | None = None
        self._probe: FolderProbe | None = None

    def busy(self) -> None:
        """Note, for the loop, that a piece of work begins."""
        self._busy_since = time.monotonic()

    def idle(self) -> None:
        """Note, for the loop, that it only waits from now on."""
        self._busy_since = None

    def while_running(
        self,
        loop: Callable[[], None],
        stop: threading.Event,
        *,
        meanwhile: Callable[[], object],
        farewell: Callable[[], object],
    ) -> None:
        """Run ``loop`` in a thread, and return when it ended, or when ``stop`` is set and the folder holds it.

        Args:
            loop: ends soon after ``stop`` is set, unless something holds it.
            stop: set it from another thread to end the loop.
            meanwhile: done again and again while the loop is held up; it must not touch the folder.
            farewell: done once, where the loop is left behind; it must not touch the folder.
        """
        call = BackgroundCall(loop, "syft-job-loop")
        try:
            if not self._stand_by(call.ended, stop, meanwhile):
                farewell()
        except BaseException:
            stop.set()
            call.ended.wait(_FAREWELL)
            raise
        if call.ended.is_set():
            call.result()

    def _stand_by(self, ended: threading.Event, stop: threading.Event, meanwhile: Callable[[], object]) -> bool:
        """Return True when the loop ended, False when it is to end and does not."""
        stopped_at = None
        while not ended.wait(_TICK):
            began = self._busy_since
            silent = 0.0 if began is None else time.monotonic() - began
            if stop.is_set():
                stopped_at = stopped_at or time.monotonic()
                waited = min(silent, time.monotonic() - stopped_at)
                if waited > _LONG_FAREWELL or (silent > _FAREWELL and not self._answers()):
                    return False
            elif silent > PATIENCE:
                if self._answers():
                    self._conditions.end(_Silence)
                else:
                    self._conditions.begin(
                        _Silence,
                        f"The folder {str(self._root)!r} does not answer. Running jobs continue and are collected;"
                        " everything else waits until it answers. See whether its server can be reached.",
                    )
                meanwhile()
            else:
                self._conditions.end(_Silence)
        return True

    def _answers(self) -> bool:
        """Return True if the folder answers within a moment; one that does not is not probed a second time."""
        if self._probe is None:
            self._probe = FolderProbe(self._root)
        if not self._probe.ended.wait(_TICK):
            return False
        self._probe = None
        return True


class _Silence:
    """The key of the condition that the folder does not answer."""
