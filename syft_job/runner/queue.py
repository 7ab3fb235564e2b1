"""The line of approved jobs that wait for their turn: fair between submitters, oldest first within one.

It holds places, no records: what a job is, is looked at again when its turn comes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection

from syft_job.model.job_ref import JobRef


class JobQueue:
    """Approved jobs that wait until there is room for them."""

    def __init__(self) -> None:
        self._waiting: dict[str, dict[JobRef, None]] = {}

    def __contains__(self, place: JobRef) -> bool:
        return place in self._waiting.get(place.submitter, ())

    def join(self, place: JobRef) -> None:
        """Wait behind the others of the same submitter; one that waits already keeps its place."""
        self._waiting.setdefault(place.submitter, {}).setdefault(place)

    def leave(self, place: JobRef) -> None:
        """Wait no more."""
        waiting = self._waiting.get(place.submitter)
        if waiting is not None:
            waiting.pop(place, None)
            if not waiting:
                del self._waiting[place.submitter]

    def has_waiting(self, paused: Collection[str] = ()) -> bool:
        """Return True if a job waits whose submitter is not paused."""
        return "*" not in paused and any(submitter not in paused for submitter in self._waiting)

    def next(self, running: Counter[str], paused: Collection[str] = ()) -> JobRef | None:
        """Take the first job of the submitter who has the fewest running now; None when nobody may go.

        Args:
            running: how many attempts of each submitter run.
            paused: submitters whose jobs stay in the line; ``"*"`` is everybody.
        """
        if "*" in paused:
            return None
        able = [submitter for submitter in self._waiting if submitter not in paused]
        if not able:
            return None
        # Whoever was served goes to the end, so that equals take turns.
        chosen = min(able, key=lambda submitter: running[submitter])
        place = next(iter(self._waiting[chosen]))
        others = self._waiting.pop(chosen)
        del others[place]
        if others:
            self._waiting[chosen] = others
        return place
