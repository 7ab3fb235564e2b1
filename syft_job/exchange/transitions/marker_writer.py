"""Recording an event and publishing its marker, in this order; and removing what an earlier attempt left.

Invariants:

- The ledger is written first. An error after that says that the event holds although its marker is not written yet.
- What cannot be signed or read by others is refused before anything is recorded.
- A marker replaces anything that a submitter may have put in its place.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from syft_job import fs
from syft_job.errors import StoreError
from syft_job.exchange import release
from syft_job.exchange.job_reader import JobSnapshot
from syft_job.exchange.participant import Participant
from syft_job.exchange.result_staging import StagedResults
from syft_job.format import markers
from syft_job.format.markers import BLOCKED, LOGS, OUTPUTS, Marker
from syft_job.model.events import EVENTS, Event, MarkerKey, MarkerKind
from syft_job.model.job_record import JobRecord
from syft_job.model.job_ref import JobRef
from syft_job.model.states import JobState
from syft_job.model.transitions import Transition

_MARKERS_OF_AN_END = (MarkerKind.DONE.value, MarkerKind.RUNNING.value, MarkerKind.CANCELLED.value)
"""The markers that say how far an attempt came; they are removed, in this order, when the next one is permitted."""
_FILES_OF_AN_ATTEMPT = frozenset(
    {*_MARKERS_OF_AN_END, MarkerKind.SHARED, OUTPUTS, "logs", markers.RULES, *LOGS.values()}
)


@dataclass(frozen=True, slots=True)
class Transaction:
    """One transition in progress: the job as it was read under the home's lock, and its open directory.

    Attributes:
        snapshot: the job.
        dir_fd: its open directory.
        transition: the row of the table that was checked; None where nothing is decided.
    """

    snapshot: JobSnapshot
    dir_fd: int
    transition: Transition | None = None

    @property
    def record(self) -> JobRecord:
        """The job's row."""
        return self.snapshot.record

    @property
    def id(self) -> str:
        """The submission's id."""
        return self.record.id

    @property
    def ref(self) -> JobRef:
        """The job's key."""
        return self.record.place

    @property
    def attempt(self) -> int:
        """The attempt that the transition is about."""
        position = self.record.position
        return position.attempt if self.transition is None else self.transition.attempt_after(position)


def record_and_publish(participant: Participant, txn: Transaction, event: Event, **fields: Any) -> None:
    """Record an event in the ledger, durably, and then write its marker.

    Raises:
        ConfigError: the marker could not be signed or read by others; nothing was recorded.
        StoreError: nothing was recorded; or it is recorded, and the marker could not be written yet.
    """
    marker = record_event(participant, txn, event, **fields)
    with publishing(txn, event):
        write_marker(txn.dir_fd, marker)
        unblock(participant, txn)


def record_event(participant: Participant, txn: Transaction, event: Event, **fields: Any) -> Marker:
    """Record an event about the transaction's attempt in the ledger, durably.

    Args:
        participant: the owner.
        txn: the transition in progress.
        event: one that a marker publishes.
        fields: the marker's content beside digest, attempt and time; fields that are None are left out.

    Returns:
        The marker that publishes it.

    Raises:
        ConfigError: the marker could not be signed or read by others; nothing was recorded.
    """
    recorded_attempt = EVENTS[event].recorded_attempt(txn.attempt)
    body = {name: value for name, value in fields.items() if value is not None}
    body |= {"at": markers.now(), "digest": txn.record.digest, "attempt": recorded_attempt}
    markers.require_publishable(body)
    participant.home.ledger.say(txn.id, recorded_attempt, event, place=list(txn.ref), mark=body)
    return marker_of(participant, txn, event, recorded_attempt, body)


@contextmanager
def publishing(txn: Transaction, event: Event) -> Iterator[None]:
    """Write the files that publish a recorded event; an error that leaves says that the event holds nevertheless.

    Raises:
        StoreError: the folder could not be written yet.
    """
    name = txn.record.name
    try:
        with fs.translate_os_errors(f"write into the folder of '{name}'"):
            yield
    except StoreError as error:
        raise StoreError(
            f"'{name}' {EVENTS[event].effect}: the ledger has it, and it holds. Only its folder could not be"
            f" written yet; the runner does that as soon as it can. {error}",
            **error.context,
        ) from error


def marker_of(
    participant: Participant, txn: Transaction, event: Event, recorded_attempt: int, body: Mapping[str, Any]
) -> Marker:
    """Build the signed marker that publishes an event.

    Args:
        participant: the owner.
        txn: the transition in progress.
        event: one that a marker publishes.
        recorded_attempt: the number under which the event is recorded.
        body: the ledger's ``mark``, with its digest.
    """
    kind = EVENTS[event].marker
    if kind is None:
        raise AssertionError(f"no marker publishes {event}")
    fields = {name: value for name, value in body.items() if name not in ("digest", "attempt")}
    key = participant.answering_key(txn.snapshot.spec)
    return markers.make(kind, txn.ref, key, digest=body["digest"], attempt=recorded_attempt, **fields)


def running_marker(participant: Participant, txn: Transaction) -> Marker:
    """Build the signed marker of an attempt that has begun."""
    return marker_of(participant, txn, Event.RUNNING, txn.record.attempt, {"digest": txn.record.digest})


def write_marker(dir_fd: int, marker: Marker) -> None:
    """Write a marker into the open job directory, in place of anything that a submitter may have put there."""
    folder, _, name = marker.key.path.rpartition("/")
    if not folder:
        _replace_file(dir_fd, name, marker)
        return
    status = fs.stat_entry(dir_fd, folder)
    if status is not None and fs.describe_type(status) != "a directory":
        fs.remove(dir_fd, folder)
    with fs.open_directory(dir_fd, folder, create=True) as inner:
        fs.remove_temporaries(inner)
        _replace_file(inner, name, marker)


def _replace_file(dir_fd: int, name: str, marker: Marker) -> None:
    if is_directory(dir_fd, name):
        fs.remove(dir_fd, name)
    fs.write_file(dir_fd, name, markers.to_bytes(marker))


def unblock(participant: Participant, txn: Transaction) -> None:
    """Remove the record that the job is blocked: the marker from the folder and the reason from the home.

    A directory of that name is the submitter's; it counts for nothing and may be large, so it stays.
    """
    if BLOCKED in txn.snapshot.names and not is_directory(txn.dir_fd, BLOCKED):
        fs.remove(txn.dir_fd, BLOCKED)
    if participant.home.read_blocked(txn.id) is not None:
        participant.home.record_blocked_reason(txn.id, None)


def is_directory(dir_fd: int, name: str) -> bool:
    """Whether ``name`` in the open job directory is a directory."""
    status = fs.stat_entry(dir_fd, name)
    return status is not None and fs.describe_type(status) == "a directory"


def lacks_marker(txn: Transaction, key: MarkerKey) -> bool:
    """Whether the folder has no valid marker of this kind and attempt."""
    return not any(item.is_valid and item.marker.key == key for item in txn.snapshot.markers)


def has_files_of_an_attempt(names: frozenset[str]) -> bool:
    """Whether files of an attempt, or what a submitter put in their place, are among the names in the directory."""
    return not names.isdisjoint(_FILES_OF_AN_ATTEMPT)


def remove_files_of_earlier_attempt(dir_fd: int) -> None:
    """Remove the end of an earlier attempt, its results and its grants from the folder."""
    release.withdraw_grants(dir_fd)
    for name in _MARKERS_OF_AN_END:
        fs.remove(dir_fd, name)
    release.take_back(dir_fd)


def are_results_deleted(participant: Participant, job: str, attempt: int) -> bool:
    """Whether the owner removed the held results of an attempt to free their room."""
    ledger = participant.home.ledger
    return Event.RESULTS_DELETED in ledger.events(job) and any(
        line.event == Event.RESULTS_DELETED and line.attempt == attempt for line in ledger.lines(job)
    )


def publish_deposit(participant: Participant, txn: Transaction, staged: StagedResults | None) -> None:
    """Publish a deposit: the results, from copies of those that the home holds, and then the markers.

    Without ``staged`` the results in the folder stay as they are.
    """
    lines = participant.home.ledger.lines(txn.id)
    line = next(line for line in lines if line.event == Event.DEPOSITED)
    mark = line.said["mark"]
    if staged is not None:
        staged.put_outputs_in_place()
    at = str(line.said["at"])
    if mark["approves"]:
        approval = {
            "by": mark["by"],
            "at": at,
            "method": "deposit",
            "epoch": participant.home.epoch,
            "digest": mark["digest"],
        }
        write_marker(txn.dir_fd, marker_of(participant, txn, Event.APPROVED, line.attempt, approval))
    # The minute is no more precise than the `done` of a run: see `markers.this_minute`.
    done = {"at": at[:16] + "Z", "outcome": JobState.SUCCEEDED.value, "digest": mark["digest"]}
    write_marker(txn.dir_fd, marker_of(participant, txn, Event.DEPOSITED, line.attempt, done))
