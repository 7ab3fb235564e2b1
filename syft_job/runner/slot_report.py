"""The runner's report that approved jobs wait for a free slot (`home.slots`), written only when that changes."""

from __future__ import annotations

import time
from contextlib import suppress

from syft_job.errors import SyftJobError
from syft_job.home.home import Home
from syft_job.home.slots import BusySlots, write_busy_slots


class SlotReport:
    """What this runner reported last.

    Args:
        home: the owner's.
    """

    def __init__(self, home: Home) -> None:
        self._home = home
        self._reported: bool | None = None
        """Whether jobs wait, as it was reported; None before the first report, since an earlier runner left another."""

    def update(self, *, is_full: bool, count: int) -> None:
        """Report that jobs wait for one of ``count`` slots, or that none does; one that fails now is made later."""
        if self._reported == is_full:
            return
        with suppress(SyftJobError, OSError):
            write_busy_slots(self._home, BusySlots(count, time.time()) if is_full else None)
            self._reported = is_full
