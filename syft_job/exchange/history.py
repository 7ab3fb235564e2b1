"""The history of a submission: from the ledger for its owner, from the markers that count for others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from syft_job.format.markers import people_in_share
from syft_job.model.events import Event, MarkerKind, label_of
from syft_job.model.job_record import JobRecord
from syft_job.model.states import JobState
from syft_job.model.text import escape_line

from .job_snapshot import JobSnapshot
from .participant import Participant

END_REMARKS = {
    "sandbox_failed": "its sandbox could not be set up, so nothing of it ran: see logs --err and syft-job doctor",
    "too_big": "it was ended because its folder held more than it may",
    "log_cut": "not all that it printed is kept",
    "left_behind": "processes of it live on",
}
"""What the ledger may record about the end of an attempt beside its outcome, for people."""

_MARKER_ORDER = ("approved", "blocked", "withdrawn", "running", "done", "shared", "cancelled", "rejected", "attempt")
"""The order of the markers of one attempt; the times of `done` are too coarse to give it."""

_DETAILS = ("by", "method", "reason", "category", "sandbox", "returncode")
"""The fields of a ledger line or a marker that are shown under their own name."""


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """One event of a submission: when, what, of which attempt, and details."""

    at: str
    what: str
    attempt: int
    detail: str = ""

    def __str__(self) -> str:
        text = f"{self.at}  {self.what} (attempt {self.attempt})" + (f": {self.detail}" if self.detail else "")
        return escape_line(text)


def read_history(participant: Participant, snapshot: JobSnapshot) -> list[HistoryEntry]:
    """The events of a submission, oldest first: from the ledger for its owner, from the markers for others."""
    record = snapshot.record
    entries = []
    if record.submitted_at:
        entries.append(HistoryEntry(record.submitted_at, f"submitted by {record.submitter}", 1, "their clock"))
    is_recorded_here = participant.owns(record.place) and participant.home.exists
    return entries + (_recorded_events(participant, record) if is_recorded_here else _published_events(snapshot))


def reason_of(participant: Participant, record: JobRecord) -> str:
    """Why a job was rejected, cancelled or withdrawn, as it was given; empty where no reason was given.

    The owner's own reason is read from the ledger, because a listing does not open the markers that it vouches for.
    """
    event = {JobState.REJECTED: Event.REJECTED, JobState.CANCELLED: Event.CANCELLED}.get(record.state)
    if event is None or record.position.withdrawn or not participant.owns(record.place):
        return record.reason
    lines = [line for line in participant.home.ledger.lines(record.id) if line.event == event]
    reason = lines[-1].said.get("mark", {}).get("reason") if lines else None
    return reason if isinstance(reason, str) else ""


def _recorded_events(participant: Participant, record: JobRecord) -> list[HistoryEntry]:
    entries = []
    for line in participant.home.ledger.lines(record.id):
        marker = line.said.get("mark", {})
        at = str(line.said.get("at") or marker.get("at", ""))
        label = label_of(line.event)
        entries.append(HistoryEntry(at, label, line.attempt, _detail(line.said, marker)))
    return entries


def _published_events(snapshot: JobSnapshot) -> list[HistoryEntry]:
    markers = [item.marker for item in snapshot.markers if item.is_valid]
    markers.sort(key=lambda marker: (marker.attempt, _MARKER_ORDER.index(marker.kind)))
    return [
        HistoryEntry(
            marker.at,
            label_of(Event.ATTEMPT_PERMITTED) if marker.kind is MarkerKind.ATTEMPT else marker.kind.value,
            marker.attempt,
            _detail({}, marker.body),
        )
        for marker in markers
    ]


def _detail(line: Mapping[str, Any], marker: Mapping[str, Any]) -> str:
    """The details of an event, from the ledger's line and from the body of its marker; either may be empty."""
    parts = []
    outcome = line.get("outcome") or marker.get("outcome")
    if outcome:
        parts.append(JobState(outcome).value.replace("_", " "))
    for key in _DETAILS:
        value = line.get(key, marker.get(key))
        if value not in (None, ""):
            parts.append(f"{key} {value}")
    if marker.get("reviewed") is False:
        parts.append("without a review")
    if isinstance(allow := marker.get("allow"), Mapping) and "sandbox" in allow:
        parts.append(f"for the sandbox {allow['sandbox']} or a stronger one")
    parts += [remark for key, remark in END_REMARKS.items() if line.get(key)]
    source = line if line.get("share") else marker
    people = {what: people_in_share(source, what) for what in ("outputs", "logs")}
    parts += [f"{what} to {', '.join(people[what])}" for what in people if people[what]]
    return ", ".join(parts)
