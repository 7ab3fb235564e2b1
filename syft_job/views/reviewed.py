"""A review as an object that shows itself: the text that a person reads before deciding."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

from syft_job import review, review_notes
from syft_job.config import SyftJobConfig
from syft_job.containment import ContainmentLevel
from syft_job.place import Place
from syft_job.review import Review
from syft_job.review_notes import ReviewNote
from syft_job.runner.containment import level_of
from syft_job.runner.terms import terms_of
from syft_job.viewer import Viewer

from . import text


@dataclass(frozen=True)
class ShownReview:
    """What would run, as data in ``found`` and as text in ``str()``; never shortened.

    ``level`` is the containment that it shows; None to others than the owner.
    """

    found: Review
    level: ContainmentLevel | None = None

    @property
    def digest(self) -> str:
        """What a yes is said to."""
        return self.found.digest

    @cached_property
    def text(self) -> str:
        """The whole review, for a terminal or a page."""
        return text.review(self.found)

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        return str(self)


def show(viewer: Viewer, place: Place, config: SyftJobConfig) -> ShownReview:
    """Gather the review of a job; for its owner with the conditions of this machine.

    Raises:
        FileNotFoundError: the directory is gone.
    """
    found = review.review(viewer, place)
    if not viewer.owns(place):
        return ShownReview(found)
    terms = terms_of(config, found.spec)  # of the very manifest that is shown
    found = replace(found, conditions=terms.conditions, warnings=terms.warnings)
    return ShownReview(found, level_of(terms.sandbox))


def record(viewer: Viewer, shown: ShownReview) -> None:
    """Record that a review was delivered in full; call it only then. What cannot be shown as text is not recorded.

    One of files that differ from the manifest is recorded as not complete. Only the owner's reviews are recorded.

    Raises:
        StoreError: the home cannot be written.
    """
    place, level = shown.found.record.place, shown.level
    if level is None or not shown.text:
        return
    viewer.home.make()
    is_complete = shown.found.why_not_reviewable is None
    review_notes.write_note(viewer.home, place, ReviewNote(shown.digest, is_complete, level))
