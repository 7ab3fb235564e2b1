"""What may go: never what is needed, the oldest first, by age and by size."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syft_job.policies.retention import Kept, Kind, select

KINDS = st.sets(st.sampled_from(Kind))
AGES = st.integers(0, 1000)
SIZES = st.integers(0, 1000)
LIMITS = {"older_than": st.none() | AGES, "keep_size": st.none() | st.integers(0, 5000)}
DAY = 86400.0


@st.composite
def shelves(draw: st.DrawFn) -> list[Kept]:
    number = draw(st.integers(0, 12))
    why = st.sampled_from(["", "", "it is not over"])
    return [
        Kept(draw(st.sampled_from(Kind)), f"{n}", "", draw(SIZES), float(draw(AGES)), draw(why)) for n in range(number)
    ]


def one(name: str, *, size: int = 1, age: float = 0.0, why: str = "", kind: Kind = Kind.RESULTS) -> Kept:
    return Kept(kind, name, "", size, age, why)


def names(chosen: list[Kept]) -> list[str]:
    return [kept.name for kept in chosen]


def left(kept: list[Kept], chosen: list[Kept], kind: Kind) -> list[Kept]:
    return [kept_one for kept_one in kept if kept_one.kind is kind and kept_one not in chosen]


@given(kept=shelves(), kinds=KINDS, **LIMITS)
def test_what_is_needed_or_not_asked_for_never_goes(kept, kinds, older_than, keep_size):
    chosen = select(kept, kinds, older_than=older_than, keep_size=keep_size)
    assert len(set(chosen)) == len(chosen)
    assert set(chosen) <= set(kept)
    assert all(thing.may_go and thing.kind in kinds for thing in chosen)


@given(kept=shelves(), kinds=KINDS, older_than=AGES)
def test_by_age_exactly_the_old_ones_go(kept, kinds, older_than):
    chosen = select(kept, kinds, older_than=older_than)
    assert set(chosen) == {k for k in kept if k.may_go and k.kind in kinds and k.age >= older_than}


@given(kept=shelves(), kinds=KINDS, **LIMITS)
def test_afterwards_no_kind_is_larger_than_asked_unless_the_rest_is_needed(kept, kinds, older_than, keep_size):
    chosen = select(kept, kinds, older_than=older_than, keep_size=keep_size)
    for kind in kinds:
        rest = left(kept, chosen, kind)
        if keep_size is not None and sum(k.size for k in rest) > keep_size:
            assert not any(k.may_go for k in rest)


@given(kept=shelves(), kinds=KINDS, keep_size=st.integers(0, 5000))
def test_for_size_no_more_goes_than_must_and_the_oldest_first(kept, kinds, keep_size):
    chosen = select(kept, kinds, keep_size=keep_size)
    for kind in kinds:
        gone = [k for k in chosen if k.kind is kind]
        rest = left(kept, chosen, kind)
        if gone:
            assert sum(k.size for k in rest) + gone[-1].size > keep_size
        for kept_one in rest:
            assert not kept_one.may_go or all(k.age >= kept_one.age for k in gone)


@given(kept=shelves(), kinds=KINDS, **LIMITS)
def test_a_second_look_finds_nothing_more(kept, kinds, older_than, keep_size):
    chosen = select(kept, kinds, older_than=older_than, keep_size=keep_size)
    rest = [k for k in kept if k not in chosen]
    assert select(rest, kinds, older_than=older_than, keep_size=keep_size) == []


@given(kept=shelves(), kinds=KINDS, **LIMITS)
def test_the_order_in_which_things_are_found_does_not_matter(kept, kinds, older_than, keep_size):
    chosen = select(kept, kinds, older_than=older_than, keep_size=keep_size)
    assert select(list(reversed(kept)), kinds, older_than=older_than, keep_size=keep_size) == chosen


def test_without_a_limit_everything_goes_that_may():
    kept = [one("old", age=DAY), one("new"), one("needed", why="it is not over"), one("job", kind=Kind.JOBS)]
    assert names(select(kept, {Kind.RESULTS})) == ["old", "new"]


def test_what_is_needed_counts_for_the_size():
    kept = [one("needed", size=90, why="it is not over"), one("old", size=5, age=2), one("new", size=5, age=1)]
    assert names(select(kept, {Kind.RESULTS}, keep_size=95)) == ["old"]
    assert names(select(kept, {Kind.RESULTS}, keep_size=10)) == ["old", "new"]


def test_each_kind_has_the_size_to_itself():
    kept = [one("results", size=60), one("workspace", size=60, kind=Kind.WORKSPACES)]
    assert select(kept, set(Kind), keep_size=60) == []


@pytest.mark.parametrize(("age", "goes"), [(DAY - 1, False), (DAY, True), (DAY + 1, True)])
def test_exactly_as_old_is_old(age, goes):
    assert bool(select([one("it", age=age)], {Kind.RESULTS}, older_than=DAY)) is goes


def test_age_and_size_are_two_reasons_to_go():
    kept = [one("ancient", age=9, size=1), one("old", age=5, size=50), one("new", age=1, size=50)]
    assert names(select(kept, {Kind.RESULTS}, older_than=8, keep_size=1000)) == ["ancient"]
    assert names(select(kept, {Kind.RESULTS}, older_than=8, keep_size=60)) == ["ancient", "old"]
