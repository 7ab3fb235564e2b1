from __future__ import annotations

import pytest

from syft_job.model.bounded_cache import BytesCache


def test_what_was_computed_is_remembered_for_the_same_bytes_and_the_same_rest():
    cache: BytesCache[str] = BytesCache(10_000)
    made: list[str] = []

    def make(text: str) -> str:
        made.append(text)
        return text

    assert cache.get(b"a", 1, lambda: make("one")) == "one"
    assert cache.get(b"a", 1, lambda: make("again")) == "one"
    assert cache.get(b"a", 2, lambda: make("two")) == "two"
    assert cache.get(b"b", 1, lambda: make("three")) == "three"
    assert made == ["one", "two", "three"]
    cache.clear()
    assert cache.size == 0
    assert cache.get(b"a", 1, lambda: make("anew")) == "anew"


def test_it_never_holds_more_bytes_than_it_may_and_forgets_the_least_recent_first():
    cache: BytesCache[int] = BytesCache(1000, overhead_bytes=10)
    for number in range(100):
        cache.get(bytes([number]) * 190, None, lambda number=number: number)  # type: ignore[misc]
        cache.get(b"\0" * 190, None, lambda: -1)  # used all the time
        assert cache.size <= 1000
    assert cache.get(b"\0" * 190, None, lambda: -2) == 0
    assert cache.get(b"\1" * 190, None, lambda: -2) == -2


def test_what_is_larger_than_the_cache_displaces_nothing():
    cache: BytesCache[int] = BytesCache(1000)
    cache.get(b"small", None, lambda: 1)
    assert cache.get(b"x" * 2000, None, lambda: 2) == 2
    assert cache.get(b"x" * 2000, None, lambda: 3) == 3
    assert cache.get(b"small", None, lambda: 4) == 1


def test_an_error_is_not_remembered():
    cache: BytesCache[int] = BytesCache(1000)

    def fail() -> int:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        cache.get(b"a", None, fail)
    assert cache.get(b"a", None, lambda: 1) == 1
    assert cache.size > 0
