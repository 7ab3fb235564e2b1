"""What the ledger of this participant's own datasite tells a sweep: which jobs it has decided, and which changed.

Only the owner's ledger tells of a job that it does not wait without reading its directory. For other datasites there is
no ledger, and every answer here is empty.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress

from syft_job.errors import JobNotFoundError

from .participant import Participant

SubmitterKey = tuple[str, str]
"""Owner and submitter: which submitter's folder in which datasite."""


class RecordedDecisions:
    """The ledger as the sweeps of one index see it.

    Args:
        participant: whose ledger it is.

    Attributes:
        changed_ids: the submissions that the ledger has a new line about since the last sweep.
    """

    def __init__(self, participant: Participant) -> None:
        self._participant = participant
        self.changed_ids: set[str] = set()
        self._mark = 0
        self._previous_mark = 0
        self._decided: dict[SubmitterKey, tuple[int, frozenset[str]]] = {}
        self._approved: dict[SubmitterKey, set[str]] | None = None
        """The names of approved jobs that are not over; read once in a sweep, where it is needed."""

    def begin_sweep(self, *, is_first: bool) -> None:
        """Read the ledger anew; at the first sweep nothing counts as changed, because everything is read."""
        self._previous_mark = self._mark
        self._approved = None
        self.changed_ids = set()
        if not self._participant.home.exists:
            return
        ledger = self._participant.home.ledger
        ledger.refresh()
        end = ledger.end  # another thread may append more during the sweep
        if not is_first:
            self.changed_ids = ledger.changed_since(self._mark)
        self._mark = end

    def repeat_changes(self) -> None:
        """Let the next sweep see the changes of this one again, because this one did not reach all of them."""
        self._mark = self._previous_mark

    def forget(self, key: SubmitterKey) -> None:
        """Forget a submitter whose folder is gone."""
        self._decided.pop(key, None)

    def changed_names(self, key: SubmitterKey) -> list[str]:
        """The names of a submitter's jobs that the ledger has a new line about."""
        names = []
        for submission_id in self.changed_ids:
            with suppress(JobNotFoundError):  # its line was cut off again
                *whose, name = self._participant.home.ledger.place_of(submission_id)
                names += [name] if tuple(whose) == key else []
        return names

    def decided_names(self, key: SubmitterKey) -> frozenset[str]:
        """The names of a submitter's jobs that the ledger has any line about."""
        ledger = self._participant.home.ledger
        end, names = self._decided.get(key, (0, frozenset()))
        if end > ledger.end:
            end, names = 0, frozenset()
        if end < ledger.end and self._participant.home.exists:
            names |= ledger.names_of(*key, since=end)
            self._decided[key] = (ledger.end, names)
        return names

    def approved_among(self, names: Iterable[str], key: SubmitterKey) -> set[str]:
        """Those of ``names`` under which the own datasite has a job that is approved and not over."""
        if key[0] != self._participant.email:
            return set()
        decided = self.decided_names(key)
        candidates = {name for name in names if name in decided}
        if not candidates:
            return candidates
        if self._approved is None:
            self._approved = self._read_approved()
        return candidates & self._approved.get(key, set())

    def _read_approved(self) -> dict[SubmitterKey, set[str]]:
        ledger = self._participant.home.ledger
        approved: dict[SubmitterKey, set[str]] = {}
        for submission_id in ledger.approved():
            with suppress(JobNotFoundError):  # its line was cut off again
                owner, submitter, name = ledger.place_of(submission_id)
                approved.setdefault((owner, submitter), set()).add(name)
        return approved
