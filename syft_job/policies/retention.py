"""Retention: which of the retained items may be removed, by age and by size.

A pure choice among items that the caller has measured. It removes nothing, and never chooses an item that is needed.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from enum import StrEnum


class RetentionKind(StrEnum):
    """The kinds of retained items."""

    RESULTS = "results"
    WORKSPACES = "workspaces"
    HISTORY = "history"
    JOBS = "jobs"


@dataclass(frozen=True, slots=True)
class RetainedItem:
    """One item that takes up space.

    Attributes:
        kind: what it is.
        name: which one; unique within its kind.
        job: the id of the submission that it belongs to; empty if it is not known.
        size: bytes.
        age: seconds since it was last used; never negative.
        why: why it is still needed; empty if it may be removed.
    """

    kind: RetentionKind
    name: str
    job: str
    size: int
    age: float
    why: str = ""

    @property
    def is_removable(self) -> bool:
        """Whether nothing needs it any more."""
        return not self.why


def select(
    items: Iterable[RetainedItem],
    kinds: Collection[RetentionKind],
    *,
    older_than: float | None = None,
    keep_size: int | None = None,
) -> list[RetainedItem]:
    """Choose what is to be removed, the oldest first; an item that is needed is never chosen.

    Without ``older_than`` and ``keep_size``, everything of these kinds is chosen that is not needed.

    Args:
        items: all retained items, the needed ones included: they count for the size.
        kinds: the kinds of which something may be removed; each kind is considered by itself.
        older_than: seconds; items of at least this age are chosen.
        keep_size: bytes; of the other items, the oldest are chosen until the rest has at most this size.
    """
    chosen: list[RetainedItem] = []
    all_items = list(items)
    for kind in sorted(set(kinds)):
        of_kind = sorted((item for item in all_items if item.kind is kind), key=_oldest_first)
        remaining_size = sum(item.size for item in of_kind)
        for item in of_kind:
            is_old = older_than is not None and item.age >= older_than
            is_too_much = keep_size is not None and remaining_size > keep_size
            is_unlimited = older_than is None and keep_size is None
            if item.is_removable and (is_old or is_too_much or is_unlimited):
                chosen.append(item)
                remaining_size -= item.size
    return sorted(chosen, key=_oldest_first)


def _oldest_first(item: RetainedItem) -> tuple[float, str, str]:
    return (-item.age, item.kind, item.name)
