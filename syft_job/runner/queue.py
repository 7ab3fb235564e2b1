"""The queue of approved jobs that wait for a slot: fair between submitters, oldest first within one.

It holds references, no records: a job is read again when its turn comes.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Collection, Iterable

from syft_job.model.job_ref import JobRef


class JobQueue:
    """Approved jobs that wait for a slot."""

    def __init__(self) -> None:
        self._waiting: dict[str, dict[JobRef, None]] = {}

    def __contains__(self, ref: JobRef) -> bool:
        return ref in self._waiting.get(ref.submitter, ())

    def join(self, ref: JobRef) -> None:
        """Put a job behind the others of its submitter; one that waits already keeps its position."""
        self._waiting.setdefault(ref.submitter, {}).setdefault(ref)

    def leave(self, ref: JobRef) -> None:
        """Take a job out of the queue; harmless if it is not in it."""
        waiting = self._waiting.get(ref.submitter)
        if waiting is not None:
            waiting.pop(ref, None)
            if not waiting:
                del self._waiting[ref.submitter]

    def has_waiting(self, paused: Collection[str] = ()) -> bool:
        """Return True if a job waits whose submitter is not paused."""
        return "*" not in paused and any(submitter not in paused for submitter in self._waiting)

    def next(self, running: Counter[str], paused: Collection[str] = ()) -> JobRef | None:
        """Take out the first job of the submitter who has the fewest running now; None if no job may start.

        Args:
            running: how many attempts of each submitter run.
            paused: submitters whose jobs stay in the queue; ``"*"`` is everybody.
        """
        if "*" in paused:
            return None
        eligible = [submitter for submitter in self._waiting if submitter not in paused]
        if not eligible:
            return None
        # A submitter who was served goes to the end, so that equals take turns.
        chosen = min(eligible, key=lambda submitter: running[submitter])
        ref = next(iter(self._waiting[chosen]))
        others = self._waiting.pop(chosen)
        del others[ref]
        if others:
            self._waiting[chosen] = others
        return ref


def in_turn(refs: Iterable[JobRef]) -> list[JobRef]:
    """Return the jobs of all submitters in turn, each submitter's in the order in which they came."""
    queues: dict[str, deque[JobRef]] = {}
    for ref in refs:
        queues.setdefault(ref.submitter, deque()).append(ref)
    ordered = []
    turns = deque(queues.values())
    while turns:
        queue = turns.popleft()
        ordered.append(queue.popleft())
        if queue:
            turns.append(queue)
    return ordered
