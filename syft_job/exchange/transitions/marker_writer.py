"""Laying the owner's markers in a job's open directory, and taking what an earlier attempt left out of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

from syft_job import fs
from syft_job.errors import StoreError
from syft_job.exchange import release
from syft_job.exchange.job_reader import JobSnapshot
from syft_job.exchange.participant import Participant
from syft_job.exchange.result_staging import StagedResults
from syft_job.format import markers
from syft_job.format.markers import ATTEMPTS, BLOCKED, LOGS, OUTPUTS, Marker

MARKER_OF_EVENT = {"approve": "approved", "reject": "rejected", "cancel": "cancelled", "permit": "attempt"}

Spoken = Literal["approve", "reject", "cancel", "permit"]
_HOLDS = {
    "approve": "is approved",
    "reject": "is rejected",
    "cancel": "is cancelled",
    "permit": "is permitted once more",
    "deposit": "is answered with what you deposited",
}


@dataclass(frozen=True, slots=True)
class Transaction:
    """One act in progress: what was read under the lock, and the open job directory."""

    look: JobSnapshot
    job: int

    @property
    def id(self) -> str:
        """The submission's id."""
        return self.look.record.id


def say_and_put(participant: Participant, now: Transaction, event: Spoken, attempt: int, **said: Any) -> None:
    """Say an event in the ledger, durably, and only then lay its marker.

    Raises:
        StoreError: it could not be said; or it is said, and the folder could not be told yet.
    """
    marker = say(participant, now, event, attempt, **said)
    with telling(now, event):
        put(now.job, marker)
        unblock(participant, now)


def say(participant: Participant, now: Transaction, event: Spoken, attempt: int, **said: Any) -> Marker:
    """Say an event in the ledger, durably; returns the marker that is to publish it.

    Raises:
        ConfigError: its marker could not be signed or read by others; nothing is said.
    """
    place, digest = now.look.record.place, now.look.record.digest
    body = {key: value for key, value in said.items() if value is not None}
    body |= {"at": markers.now(), "digest": digest, "attempt": attempt}
    markers.require_publishable(body)
    participant.home.ledger.say(now.id, attempt, event, place=list(place), mark=body)
    return marker_of(participant, now, MARKER_OF_EVENT[event], attempt, body)


@contextmanager
def telling(now: Transaction, event: Spoken | Literal["deposit"]) -> Iterator[None]:
    """Tell the folder of an event that is said; who hears that it failed hears that the event holds nevertheless.

    Raises:
        StoreError: the folder could not be told yet.
    """
    try:
        with fs.translate_os_errors(f"tell the folder of '{now.look.record.name}'"):
            yield
    except StoreError as error:
        raise StoreError(
            f"It is said, and it holds: '{now.look.record.name}' {_HOLDS[event]}. Only the folder could not be told,"
            f" which the runner does as soon as it can. {error}",
            **error.context,
        ) from error


def marker_of(participant: Participant, now: Transaction, kind: str, attempt: int, body: dict[str, Any]) -> Marker:
    """The sealed marker that publishes what a line of the ledger has as its ``mark``."""
    said = {key: value for key, value in body.items() if key not in ("digest", "attempt")}
    key = participant.answering_key(now.look.spec)
    return markers.make(kind, now.look.record.place, key, digest=body["digest"], attempt=attempt, **said)


def running_marker(participant: Participant, now: Transaction) -> Marker:
    """The sealed marker of an attempt that has begun."""
    record = now.look.record
    return marker_of(participant, now, "running", record.attempt, {"digest": record.digest})


def put(job: int, marker: Marker) -> None:
    """Lay a marker, over anything that a submitter may have laid in its way."""
    if marker.kind == "attempt":
        found = fs.stat_entry(job, ATTEMPTS)
        if found is not None and fs.describe_type(found) != "a directory":
            fs.remove(job, ATTEMPTS)
        with fs.open_directory(job, ATTEMPTS, create=True) as inner:
            fs.remove_temporaries(inner)
            _put_file(inner, f"{marker.attempt}.json", marker)
    else:
        _put_file(job, marker.kind, marker)


def _put_file(place: int, name: str, marker: Marker) -> None:
    found = fs.stat_entry(place, name)
    if found is not None and fs.describe_type(found) == "a directory":
        fs.remove(place, name)
    fs.write_file(place, name, markers.to_bytes(marker))


def unblock(participant: Participant, now: Transaction) -> None:
    """Remove what says that the job is blocked: the marker from the folder and the reason from the home.

    A directory of that name is the submitter's; it counts for nothing and may be large, so it stays.
    """
    if BLOCKED in now.look.names and not is_directory(now.job, BLOCKED):
        fs.remove(now.job, BLOCKED)
    if participant.home.read_blocked(now.id) is not None:
        participant.home.record_blocked_reason(now.id, None)


def is_directory(job: int, name: str) -> bool:
    """Whether ``name`` in the open job directory is a directory."""
    found = fs.stat_entry(job, name)
    return found is not None and fs.describe_type(found) == "a directory"


def lacks(now: Transaction, kind: str, attempt: int) -> bool:
    """Whether no marker of this kind and attempt lies there that counts."""
    return not any(
        found.ignored is None and found.marker.kind == kind and found.marker.attempt == attempt
        for found in now.look.markers
    )


def is_untidy(names: frozenset[str]) -> bool:
    """Whether something of an earlier attempt, or something that a submitter laid in its place, lies there."""
    return bool(names & {"done", "running", "cancelled", "shared", OUTPUTS, "logs", markers.RULES, *LOGS.values()})


def tidy(job: int) -> None:
    """Take the end of an earlier attempt, its results and its grants out of the folder."""
    release.withdraw_grants(job)
    for name in ("done", "running", "cancelled"):
        fs.remove(job, name)
    release.take_back(job)


def are_forgotten(participant: Participant, job: str, attempt: int) -> bool:
    """Whether the owner removed the held results of an attempt to free their room."""
    ledger = participant.home.ledger
    return "forget" in ledger.events(job) and any(
        line.event == "forget" and line.attempt == attempt for line in ledger.lines(job)
    )


def publish_deposit(participant: Participant, now: Transaction, staged: StagedResults | None) -> None:
    """Lay what was deposited, from copies of what the home holds, and the markers that say so.

    Without ``staged`` the results in the folder stay as they are.
    """
    record = now.look.record
    line = next(line for line in participant.home.ledger.lines(record.id) if line.event == "deposit")
    said = line.said["mark"]
    if staged is not None:
        staged.put_outputs_in_place()
    at = str(line.said["at"])
    if said["approves"]:
        yes = {
            "by": said["by"],
            "at": at,
            "method": "deposit",
            "epoch": participant.home.epoch,
            "digest": said["digest"],
        }
        put(now.job, marker_of(participant, now, "approved", line.attempt, yes))
    done = {"at": at[:16] + "Z", "outcome": "succeeded", "digest": said["digest"]}
    put(now.job, marker_of(participant, now, "done", line.attempt, done))
