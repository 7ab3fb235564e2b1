"""A review as an object that shows itself: the text that a person reads before deciding."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from syft_job.model.containment import ContainmentLevel
from syft_job.review import Review

from . import text


@dataclass(frozen=True)
class ShownReview:
    """What would run, as data in ``found`` and as text in ``str()``; never shortened."""

    found: Review

    @property
    def digest(self) -> str:
        """The digest that an approval would name."""
        return self.found.digest

    @property
    def level(self) -> ContainmentLevel | None:
        """The containment that it shows; None to others than the owner."""
        return self.found.level

    @cached_property
    def text(self) -> str:
        """The whole review, for a terminal or a page."""
        return text.review(self.found)

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        return str(self)
