"""Which of the things that are kept may go, by age and by size.

A pure choice among things that somebody else has measured. It removes nothing, and never chooses what is still needed.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """What is kept."""

    RESULTS = "results"
    WORKSPACES = "workspaces"
    HISTORY = "history"
    JOBS = "jobs"


@dataclass(frozen=True, slots=True)
class Kept:
    """One thing that takes up room.

    Attributes:
        kind: what it is.
        name: which one; no two of a kind have the same.
        job: the id of the submission that it belongs to; empty where that cannot be told.
        size: bytes.
        age: seconds since it was last of use; never negative.
        why: why it is still needed; empty where it may go.
    """

    kind: Kind
    name: str
    job: str
    size: int
    age: float
    why: str = ""

    @property
    def may_go(self) -> bool:
        """Whether nothing needs it any more."""
        return not self.why


def select(
    kept: Iterable[Kept],
    kinds: Collection[Kind],
    *,
    older_than: float | None = None,
    keep_size: int | None = None,
) -> list[Kept]:
    """Choose what is to be removed, the oldest first; what is still needed is never chosen.

    Args:
        kept: everything that is there, the needed included: it counts for the size.
        kinds: of which kinds something may go; each kind is looked at by itself.
        older_than: seconds; what is at least so old goes.
        keep_size: bytes; of what is left after that, the oldest go until no more than this stays.

    Without either, everything of these kinds goes that is not needed.
    """
    chosen: list[Kept] = []
    everything = list(kept)
    for kind in sorted(set(kinds)):
        of_kind = sorted((one for one in everything if one.kind is kind), key=_oldest_first)
        left = sum(one.size for one in of_kind)
        for one in of_kind:
            is_old = older_than is not None and one.age >= older_than
            is_too_much = keep_size is not None and left > keep_size
            if one.may_go and (is_old or is_too_much or (older_than is None and keep_size is None)):
                chosen.append(one)
                left -= one.size
    return sorted(chosen, key=_oldest_first)


def _oldest_first(one: Kept) -> tuple[float, str, str]:
    return (-one.age, one.kind, one.name)
