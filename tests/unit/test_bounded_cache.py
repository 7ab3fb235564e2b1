"""The cache that is bounded by the size of its keys."""

from __future__ import annotations

import pytest

from syft_job.model.bounded_cache import BytesCache


def test_a_result_is_cached_for_the_same_bytes_and_the_same_rest():
    cache: BytesCache[str] = BytesCache(10_000)
    computed: list[str] = []

    def compute(text: str) -> str:
        computed.append(text)
        return text

    assert cache.get(b"a", 1, lambda: compute("one")) == "one"
    assert cache.get(b"a", 1, lambda: compute("again")) == "one"
    assert cache.get(b"a", 2, lambda: compute("two")) == "two"
    assert cache.get(b"b", 1, lambda: compute("three")) == "three"
    assert computed == ["one", "two", "three"]
    cache.clear()
    assert cache.size == 0
    assert cache.get(b"a", 1, lambda: compute("recomputed")) == "recomputed"


def test_it_never_exceeds_its_size_and_evicts_the_least_recently_used_first():
    cache: BytesCache[int] = BytesCache(1000, overhead_bytes=10)
    for number in range(100):
        cache.get(bytes([number]) * 190, None, lambda number=number: number)  # type: ignore[misc]
        cache.get(b"\0" * 190, None, lambda: -1)  # used all the time
        assert cache.size <= 1000
    assert cache.get(b"\0" * 190, None, lambda: -2) == 0
    assert cache.get(b"\1" * 190, None, lambda: -2) == -2


def test_data_larger_than_the_cache_evicts_nothing():
    cache: BytesCache[int] = BytesCache(1000)
    cache.get(b"small", None, lambda: 1)
    assert cache.get(b"x" * 2000, None, lambda: 2) == 2
    assert cache.get(b"x" * 2000, None, lambda: 3) == 3
    assert cache.get(b"small", None, lambda: 4) == 1


def test_an_exception_is_not_cached():
    cache: BytesCache[int] = BytesCache(1000)

    def fail() -> int:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        cache.get(b"a", None, fail)
    assert cache.get(b"a", None, lambda: 1) == 1
    assert cache.size > 0
