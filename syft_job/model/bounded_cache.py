"""A cache of what was computed from bytes, bounded by the total size of its keys.

`functools.lru_cache` counts entries, but the size of a key that comes from other people is unknown, so this cache
counts the bytes of the keys. The value of an entry is assumed to be at most some constant times its key.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

Value = TypeVar("Value")


class BytesCache(Generic[Value]):
    """The most recently used results, as many as have keys of ``max_bytes`` together.

    Args:
        max_bytes: the bound on the total size.
        overhead_bytes: what an entry counts in addition to its key.
    """

    def __init__(self, max_bytes: int, *, overhead_bytes: int = 512) -> None:
        self.max_bytes = max_bytes
        self.size = 0
        """The bytes that the present entries count, overhead included."""
        self._overhead = overhead_bytes
        self._entries: OrderedDict[tuple[bytes, Hashable], Value] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, data: bytes, rest: Hashable, compute: Callable[[], Value]) -> Value:
        """Return the cached result for ``(data, rest)``, or call ``compute`` and cache its result.

        Args:
            data: the part of the key whose size counts. If it is larger than the whole cache, nothing is cached.
            rest: the rest of the key.
            compute: an exception that it raises is passed on and not cached.
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
        """Remove all entries."""
        with self._lock:
            self._entries.clear()
            self.size = 0
