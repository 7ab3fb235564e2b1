"""The loop works in a thread of its own, and whoever started it stands by: a folder that hangs holds only the loop.

A network file system whose server is gone can keep a thread for ever, and no signal gets it out. So nobody who touches
the folder is waited for without an end: the one who stands by answers signals, says what is the matter, and does in the
meantime what needs no folder.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

from syft_job.fs.probe import BackgroundCall, FolderProbe

from .conditions import Conditions

PATIENCE = 5.0
"""Seconds that one piece of work may take before it is asked whether the folder answers at all."""

_TICK = 0.5
_FAREWELL = 1.0
"""How long a loop that is to end is waited for while the folder does not answer."""
_LONG_FAREWELL = 30.0
"""The same where the folder answers, and yet something in it holds the loop up."""


class HangGuard:
    """Stands by while a loop works.

    Args:
        root: the shared folder.
        troubles: where it is told that the folder does not answer.
    """

    def __init__(self, root: Path, troubles: Conditions) -> None:
        self._root = root
        self._conditions = troubles
        self._busy_since: float | None = None
        self._knock: FolderProbe | None = None

    def busy(self) -> None:
        """Told by the loop: a piece of work begins."""
        self._busy_since = time.monotonic()

    def idle(self) -> None:
        """Told by the loop: it only waits from now on."""
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
            stop: set by whoever wants it to end.
            meanwhile: done again and again while the loop is held up; it must not touch the folder.
            farewell: done once, where the loop is left behind; it must not touch the folder.
        """
        errand = BackgroundCall(loop, "syft-job-loop")
        try:
            if not self._stand_by(errand.ended, stop, meanwhile):
                farewell()
        except BaseException:
            stop.set()
            errand.ended.wait(_FAREWELL)
            raise
        if errand.ended.is_set():
            errand.result()

    def _stand_by(self, ended: threading.Event, stop: threading.Event, meanwhile: Callable[[], object]) -> bool:
        """Return True when the loop ended, False when it is to end and does not."""
        told = None
        while not ended.wait(_TICK):
            began = self._busy_since
            silent = 0.0 if began is None else time.monotonic() - began
            if stop.is_set():
                told = told or time.monotonic()
                waited = min(silent, time.monotonic() - told)
                if waited > _LONG_FAREWELL or (silent > _FAREWELL and not self._answers()):
                    return False
            elif silent > PATIENCE:
                if self._answers():
                    self._conditions.end(_Silence)
                else:
                    self._conditions.begin(
                        _Silence,
                        f"The folder {str(self._root)!r} does not answer. What runs goes on and is brought home;"
                        " everything else waits until it answers. See whether its server can be reached.",
                    )
                meanwhile()
            else:
                self._conditions.end(_Silence)
        return True

    def _answers(self) -> bool:
        """Whether the folder answers within a moment; one that does not is not asked a second time."""
        if self._knock is None:
            self._knock = FolderProbe(self._root)
        if not self._knock.ended.wait(_TICK):
            return False
        self._knock = None
        return True


class _Silence:
    """The key of the trouble that the folder does not answer."""
