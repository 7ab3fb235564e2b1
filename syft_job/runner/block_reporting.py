"""Reporting blocked jobs: the reason into the owner's home, its category into the folder for the submitter.

Both are written only when they change, so that a thousand blocked jobs cost no write in a sweep. Neither is a decision,
so neither is a line of the ledger. That the folder cannot be written is announced once and holds nothing up.
"""

from __future__ import annotations

from collections.abc import Callable

from syft_job.errors import BlockedCategory, JobNotFoundError, SyftJobError
from syft_job.exchange import transitions
from syft_job.exchange.job_reader import JobSnapshot
from syft_job.model.blocked_reason import Blocked, category_of

from .attempt_files import Attempt
from .conditions import errno_of


class BlockedReports:
    """Tells the owner and the submitter why an approved job could not be started.

    Args:
        announce: called with one line when the folder refuses the marker.
    """

    def __init__(self, announce: Callable[[str], None]) -> None:
        self._announce = announce
        self._refusals: set[object] = set()

    def report(self, attempt: Attempt, snapshot: JobSnapshot, error: Exception) -> None:
        """Report why ``attempt`` could not be started; ``snapshot`` is the job as it was read before."""
        blocked = Blocked(category_of(error), str(error))
        self._report_at_home(attempt, blocked)
        marker = snapshot.marker("blocked")
        if marker is not None and (marker.attempt, marker.body.get("category")) == (attempt.number, blocked.category):
            return
        try:
            transitions.publish_blocked(attempt.participant, attempt.ref, attempt.job, attempt.number, blocked.category)
        except JobNotFoundError:
            return  # the directory went away; the sweep finds it when it is back
        except (SyftJobError, OSError) as refusal:
            kind = errno_of(refusal) or str(refusal)
            if kind not in self._refusals:
                self._refusals.add(kind)
                name, submitter = attempt.ref.name, attempt.ref.submitter
                self._announce(f"⚠ {submitter} cannot be told that '{name}' is blocked: {refusal}")
        else:
            self._refusals.clear()

    def _report_at_home(self, attempt: Attempt, blocked: Blocked) -> None:
        known = attempt.participant.home.read_blocked(attempt.job)
        # A failing disk words the same failure differently from try to try.
        is_known = known == blocked or (
            known is not None and known.category is blocked.category is BlockedCategory.STORAGE
        )
        if not is_known:
            attempt.participant.home.record_blocked_reason(attempt.job, blocked.reason, blocked.category)
