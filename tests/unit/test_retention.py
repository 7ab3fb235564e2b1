"""The choice of retained items to remove: never a needed one, the oldest first, by age and by size."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syft_job.policies.retention import RetainedItem, RetentionKind, select

KINDS = st.sets(st.sampled_from(RetentionKind))
AGES = st.integers(0, 1000)
SIZES = st.integers(0, 1000)
LIMITS = {"older_than": st.none() | AGES, "keep_size": st.none() | st.integers(0, 5000)}
DAY = 86400.0


@st.composite
def item_lists(draw: st.DrawFn) -> list[RetainedItem]:
    number = draw(st.integers(0, 12))
    why = st.sampled_from(["", "", "it is running"])
    return [
        RetainedItem(draw(st.sampled_from(RetentionKind)), f"{n}", "", draw(SIZES), float(draw(AGES)), draw(why))
        for n in range(number)
    ]


def an_item(
    name: str, *, size: int = 1, age: float = 0.0, why: str = "", kind: RetentionKind = RetentionKind.RESULTS
) -> RetainedItem:
    return RetainedItem(kind, name, "", size, age, why)


def names_of(chosen: list[RetainedItem]) -> list[str]:
    return [item.name for item in chosen]


def remaining(items: list[RetainedItem], chosen: list[RetainedItem], kind: RetentionKind) -> list[RetainedItem]:
    return [item for item in items if item.kind is kind and item not in chosen]


@given(items=item_lists(), kinds=KINDS, **LIMITS)
def test_needed_items_and_other_kinds_are_never_chosen(items, kinds, older_than, keep_size):
    chosen = select(items, kinds, older_than=older_than, keep_size=keep_size)
    assert len(set(chosen)) == len(chosen)
    assert set(chosen) <= set(items)
    assert all(item.is_removable and item.kind in kinds for item in chosen)


@given(items=item_lists(), kinds=KINDS, older_than=AGES)
def test_by_age_exactly_the_old_items_are_chosen(items, kinds, older_than):
    chosen = select(items, kinds, older_than=older_than)
    assert set(chosen) == {
        item for item in items if item.is_removable and item.kind in kinds and item.age >= older_than
    }


@given(items=item_lists(), kinds=KINDS, **LIMITS)
def test_afterwards_no_kind_is_larger_than_allowed_unless_the_rest_is_needed(items, kinds, older_than, keep_size):
    chosen = select(items, kinds, older_than=older_than, keep_size=keep_size)
    for kind in kinds:
        rest = remaining(items, chosen, kind)
        if keep_size is not None and sum(item.size for item in rest) > keep_size:
            assert not any(item.is_removable for item in rest)


@given(items=item_lists(), kinds=KINDS, keep_size=st.integers(0, 5000))
def test_for_size_no_more_than_necessary_is_chosen_and_the_oldest_first(items, kinds, keep_size):
    chosen = select(items, kinds, keep_size=keep_size)
    for kind in kinds:
        gone = [item for item in chosen if item.kind is kind]
        rest = remaining(items, chosen, kind)
        if gone:
            assert sum(item.size for item in rest) + gone[-1].size > keep_size
        for survivor in rest:
            assert not survivor.is_removable or all(item.age >= survivor.age for item in gone)


@given(items=item_lists(), kinds=KINDS, **LIMITS)
def test_a_second_selection_chooses_nothing_more(items, kinds, older_than, keep_size):
    chosen = select(items, kinds, older_than=older_than, keep_size=keep_size)
    rest = [item for item in items if item not in chosen]
    assert select(rest, kinds, older_than=older_than, keep_size=keep_size) == []


@given(items=item_lists(), kinds=KINDS, **LIMITS)
def test_the_order_of_the_items_does_not_matter(items, kinds, older_than, keep_size):
    chosen = select(items, kinds, older_than=older_than, keep_size=keep_size)
    assert select(list(reversed(items)), kinds, older_than=older_than, keep_size=keep_size) == chosen


def test_without_a_limit_every_removable_item_is_chosen():
    items = [
        an_item("old", age=DAY),
        an_item("new"),
        an_item("needed", why="it is running"),
        an_item("job", kind=RetentionKind.JOBS),
    ]
    assert names_of(select(items, {RetentionKind.RESULTS})) == ["old", "new"]


def test_a_needed_item_counts_for_the_size():
    items = [
        an_item("needed", size=90, why="it is running"),
        an_item("old", size=5, age=2),
        an_item("new", size=5, age=1),
    ]
    assert names_of(select(items, {RetentionKind.RESULTS}, keep_size=95)) == ["old"]
    assert names_of(select(items, {RetentionKind.RESULTS}, keep_size=10)) == ["old", "new"]


def test_the_size_applies_to_each_kind_by_itself():
    items = [an_item("results", size=60), an_item("workspace", size=60, kind=RetentionKind.WORKSPACES)]
    assert select(items, set(RetentionKind), keep_size=60) == []


@pytest.mark.parametrize(("age", "is_chosen"), [(DAY - 1, False), (DAY, True), (DAY + 1, True)])
def test_the_age_limit_itself_is_old(age, is_chosen):
    assert bool(select([an_item("it", age=age)], {RetentionKind.RESULTS}, older_than=DAY)) is is_chosen


def test_age_and_size_each_choose_items():
    items = [an_item("ancient", age=9, size=1), an_item("old", age=5, size=50), an_item("new", age=1, size=50)]
    assert names_of(select(items, {RetentionKind.RESULTS}, older_than=8, keep_size=1000)) == ["ancient"]
    assert names_of(select(items, {RetentionKind.RESULTS}, older_than=8, keep_size=60)) == ["ancient", "old"]
