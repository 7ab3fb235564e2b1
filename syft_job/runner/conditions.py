"""Problems of the runner as a whole: each is announced once when it begins and once when it is over.

The runner's loop and the thread that stands by both report here, so a lock guards what is known.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Mapping

from syft_job.errors import StoreError


class Conditions:
    """The present problems, each under a key of its own.

    Args:
        announce: called with one line for each beginning and each end.
    """

    def __init__(self, announce: Callable[[str], None]) -> None:
        self._announce = announce
        self._guard = threading.Lock()
        self._now: dict[Hashable, str] = {}

    def __contains__(self, key: Hashable) -> bool:
        with self._guard:
            return key in self._now

    def begin(self, key: Hashable, text: str) -> None:
        """Announce a problem, unless that was done already."""
        with self._guard:
            if key in self._now:
                return
            self._now[key] = text
        self._announce(f"⚠ {text}")

    def end(self, key: Hashable) -> None:
        """Announce that a problem is over, if it was announced."""
        with self._guard:
            text = self._now.pop(key, None)
        if text is not None:
            self._announce(f"✓ This is over, and everything goes on: {text.partition('. ')[0].rstrip('.')}.")

    def only(self, kind: str, present: Mapping[Hashable, str]) -> None:
        """Begin each problem of ``kind`` that is present, and end those that are not present any more."""
        for key, text in present.items():
            self.begin((kind, key), text)
        with self._guard:
            gone = [key for key in self._now if isinstance(key, tuple) and key[0] == kind and key[1] not in present]
        for key in gone:
            self.end(key)


def errno_of(error: Exception) -> int | None:
    """Return the error number of the disk, which may differ later; None if the error is a finding about the data."""
    number = error.context.get("errno") if isinstance(error, StoreError) else getattr(error, "errno", None)
    return number if isinstance(number, int) else None
