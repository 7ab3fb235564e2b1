"""A review together with the text that its reader gets."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from syft_job.model.containment import ContainmentLevel
from syft_job.review import Review

from . import text


@dataclass(frozen=True)
class ShownReview:
    """What would run, as data in ``found``, and as text by ``str()``; never shortened."""

    found: Review

    @property
    def digest(self) -> str:
        """The digest that an approval would be bound to."""
        return self.found.digest

    @property
    def level(self) -> ContainmentLevel | None:
        """The containment that the review shows; None for others than the owner."""
        return self.found.level

    @cached_property
    def text(self) -> str:
        """The whole review as text."""
        return text.review(self.found)

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        return str(self)
