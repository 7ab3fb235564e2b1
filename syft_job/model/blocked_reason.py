"""Blocked jobs: approved ones that cannot start now, and why, in one word of a closed list.

The owner keeps the full reason in the home. The submitter reads only the category, in the owner's marker `blocked`,
because a reason may name paths, people or programs of the owner's machine (docs/reference/format.md §Markers).
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from syft_job.errors import BlockedCategory, ChangedSinceSeen, NotStarted, StoreError, UnreadableJob

WORDS: Final = {
    BlockedCategory.SANDBOX: "the owner's machine offers less containment than was approved or is required",
    BlockedCategory.INTERPRETER: "the owner's machine has no usable interpreter for it",
    BlockedCategory.FILES: "submitted files are missing or differ from what was approved",
    BlockedCategory.APPROVAL: "the owner's home has no valid approval of it; the owner must approve it again",
    BlockedCategory.STORAGE: "a disk of the owner is full, read-only or fails",
    BlockedCategory.OTHER: "something on the owner's machine prevents it; the owner can see what",
}
"""What each category means, for the submitter. Nothing in here depends on the owner's data."""

_CATEGORIES = frozenset(category.value for category in BlockedCategory)
_RECORDED = re.compile(r"\[([a-z_]{1,32})\] (.*)", re.DOTALL)


class Blocked(NamedTuple):
    """Why a job is blocked: the category, and the full reason where this participant may know it."""

    category: BlockedCategory
    reason: str

    def to_text(self) -> str:
        """The record that the home keeps: ``[category] reason``, one line or several."""
        return f"[{self.category}] {self.reason}"

    @classmethod
    def from_text(cls, text: str) -> Blocked:
        """Read a record of the home; one of a release before categories is a reason alone."""
        match = _RECORDED.fullmatch(text)
        if match is None or match[1] not in _CATEGORIES:
            return cls(BlockedCategory.OTHER, text)
        return cls(BlockedCategory(match[1]), match[2])


def category_of(error: Exception) -> BlockedCategory:
    """Classify the error that prevented the start of an approved job."""
    if isinstance(error, NotStarted):
        return error.category
    if isinstance(error, ChangedSinceSeen | UnreadableJob):
        return BlockedCategory.FILES
    if isinstance(error, StoreError) and "errno" not in error.context:
        return BlockedCategory.OTHER  # the home is locked, damaged or foreign, which no disk is to blame for
    if isinstance(error, StoreError | OSError):
        return BlockedCategory.STORAGE
    return BlockedCategory.OTHER


def category_from(value: object) -> BlockedCategory:
    """The category that a marker names; a word of a later release, or no word at all, is ``OTHER``."""
    return BlockedCategory(value) if isinstance(value, str) and value in _CATEGORIES else BlockedCategory.OTHER
