"""A review as an object that shows itself: the text that a person reads before deciding."""

from __future__ import annotations

from dataclasses import dataclass

from syft_job import review
from syft_job.config import SyftJobConfig
from syft_job.folder import look
from syft_job.place import Place
from syft_job.review import Review
from syft_job.runner.terms import terms_of
from syft_job.viewer import Viewer

from . import text


@dataclass(frozen=True, slots=True)
class ShownReview:
    """What would run, as data in ``found`` and as text in ``str()``; never shortened."""

    found: Review

    @property
    def digest(self) -> str:
        """What a yes is said to."""
        return self.found.digest

    def __str__(self) -> str:
        return text.review(self.found)

    def __repr__(self) -> str:
        return str(self)


def show(viewer: Viewer, place: Place, config: SyftJobConfig) -> ShownReview:
    """Gather the review of a job; for its owner with the conditions of this machine.

    Raises:
        FileNotFoundError: the directory is gone.
    """
    if not viewer.owns(place):
        return ShownReview(review.review(viewer, place))
    terms = terms_of(config, look(viewer.home.root, place, viewer).spec)
    return ShownReview(review.review(viewer, place, conditions=terms.conditions, warnings=terms.warnings))
