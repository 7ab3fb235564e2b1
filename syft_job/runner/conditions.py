"""What is in the runner's way now: told once when it begins and once when it is over, not at each look.

The runner's loop and the thread that stands by both report here, so a lock guards what is known.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Mapping

from syft_job.errors import StoreError


class Conditions:
    """The troubles of the moment, each under a key of its own.

    Args:
        say: called with one line for each beginning and each end.
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._guard = threading.Lock()
        self._now: dict[Hashable, str] = {}

    def __contains__(self, key: Hashable) -> bool:
        with self._guard:
            return key in self._now

    def begin(self, key: Hashable, words: str) -> None:
        """Say that something is in the way, unless it was said already."""
        with self._guard:
            if key in self._now:
                return
            self._now[key] = words
        self._say(f"⚠ {words}")

    def end(self, key: Hashable) -> None:
        """Say that something is not in the way any more, if it was."""
        with self._guard:
            words = self._now.pop(key, None)
        if words is not None:
            self._say(f"✓ This is over, and everything goes on: {words.partition('. ')[0].rstrip('.')}.")

    def only(self, kind: str, found: Mapping[Hashable, str]) -> None:
        """Begin each trouble of ``kind`` that was found, and end those that were not found any more."""
        for key, words in found.items():
            self.begin((kind, key), words)
        with self._guard:
            gone = [key for key in self._now if isinstance(key, tuple) and key[0] == kind and key[1] not in found]
        for key in gone:
            self.end(key)


def errno_of(error: Exception) -> int | None:
    """The disk's own word, which may be another one later; None where the error is a finding about our data."""
    found = error.context.get("errno") if isinstance(error, StoreError) else getattr(error, "errno", None)
    return found if isinstance(found, int) else None
