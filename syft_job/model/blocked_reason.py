"""Why an approved job is blocked: a full reason for the owner, and a category from a closed list for the submitter.

The owner keeps the full reason in the home. The submitter reads only the category, in the owner's marker `blocked`,
because a reason may name paths, people or programs of the owner's machine (docs/reference/format.md §Markers).
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from syft_job.errors import BlockedCategory, ChangedSinceSeen, NotStarted, StoreError, UnreadableJob

DESCRIPTIONS: Final = {
    BlockedCategory.SANDBOX: "the owner's machine offers less containment than was approved or is required",
    BlockedCategory.INTERPRETER: "the owner's machine has no usable interpreter for it",
    BlockedCategory.FILES: "submitted files are missing or differ from what was approved",
    BlockedCategory.APPROVAL: "the owner's home has no valid approval of it; the owner must approve it again",
    BlockedCategory.STORAGE: "a disk of the owner is full, read-only or fails",
    BlockedCategory.OTHER: "something on the owner's machine prevents it; the owner can see what",
}
"""What each category means, for the submitter. No description depends on the owner's data."""

_CATEGORIES = frozenset(category.value for category in BlockedCategory)
_RECORDED = re.compile(r"\[([a-z_]{1,32})\] (.*)", re.DOTALL)


class Blocked(NamedTuple):
    """Why a job is blocked.

    Attributes:
        category: from the closed list.
        reason: the full reason if this participant may read it, else the description of the category.
    """

    category: BlockedCategory
    reason: str

    def to_text(self) -> str:
        """Return the record that the home keeps: ``[category] reason``, one line or several."""
        return f"[{self.category}] {self.reason}"

    @classmethod
    def from_text(cls, text: str) -> Blocked:
        """Parse a record of the home; releases before categories recorded a reason alone."""
        match = _RECORDED.fullmatch(text)
        if match is None or match[1] not in _CATEGORIES:
            return cls(BlockedCategory.OTHER, text)
        return cls(BlockedCategory(match[1]), match[2])


def category_of(error: Exception) -> BlockedCategory:
    """Return the category of the error that prevented the start of an approved job."""
    if isinstance(error, NotStarted):
        return error.category
    if isinstance(error, ChangedSinceSeen | UnreadableJob):
        return BlockedCategory.FILES
    if isinstance(error, StoreError) and "errno" not in error.context:
        return BlockedCategory.OTHER  # the home is locked, damaged or foreign, which is not the fault of a disk
    if isinstance(error, StoreError | OSError):
        return BlockedCategory.STORAGE
    return BlockedCategory.OTHER


def parse_category(value: object) -> BlockedCategory:
    """Return the category that a marker names; ``OTHER`` for one of a later release, or if there is none."""
    return BlockedCategory(value) if isinstance(value, str) and value in _CATEGORIES else BlockedCategory.OTHER
