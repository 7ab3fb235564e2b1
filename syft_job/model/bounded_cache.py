"""Remember what was computed from bytes, within a total size: a cache that no input can make larger.

`functools.lru_cache` counts entries; where the keys come from other people, their size is unknown, so this one counts
the bytes of the keys. The value of an entry is assumed to be at most some constant times its key.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

Value = TypeVar("Value")


class BytesCache(Generic[Value]):
    """The most recently used results, as many as have keys of ``max_bytes`` together."""

    def __init__(self, max_bytes: int, *, overhead_bytes: int = 512) -> None:
        self.max_bytes = max_bytes
        self.size = 0
        """The bytes that the present entries count."""
        self._overhead = overhead_bytes
        self._entries: OrderedDict[tuple[bytes, Hashable], Value] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, data: bytes, rest: Hashable, compute: Callable[[], Value]) -> Value:
        """Return what is remembered of ``(data, rest)``, or the result of ``compute``; an exception is not remembered.

        Data that is larger than the whole cache is computed each time.
        """
        key = (data, rest)
        with self._lock:
            if key in self._entries:
                self._entries.move_to_end(key)
                return self._entries[key]
        value = compute()
        weight = len(data) + self._overhead
        if weight > self.max_bytes:
            return value
        with self._lock:
            if key not in self._entries:
                self.size += weight
            self._entries[key] = value
            while self.size > self.max_bytes:
                (old, _), _ = self._entries.popitem(last=False)
                self.size -= len(old) + self._overhead
        return value

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._entries.clear()
            self.size = 0
