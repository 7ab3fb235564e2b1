"""What people say about a job: no, not any more, once more. Approvals are in `approval`."""

from __future__ import annotations

from pathlib import Path

from syft_job import fs
from syft_job.errors import InvalidTransition, UnreadableJob
from syft_job.exchange import release
from syft_job.exchange.participant import Participant
from syft_job.exchange.release import Grants
from syft_job.format import manifest, markers
from syft_job.format.markers import LOGS, OUTPUTS, WITHDRAWN
from syft_job.model.containment import ContainmentLevel, parse_allow
from syft_job.model.job_ref import JobRef
from syft_job.model.lifecycle import Event, Role

from .attempts import permitting_line
from .marker_writer import Transaction, put, say, say_and_put, telling, tidy, unblock
from .transaction import transaction

CANCEL_REQUEST = "cancel"
"""A file of this name in an attempt's workspace asks its supervisor to stop it."""


def reject(participant: Participant, place: JobRef, reason: str) -> None:
    """Say no; the reason is for the submitter to read."""
    with transaction(participant, place, Event.REJECT) as now:
        say_and_put(participant, now, "reject", now.look.record.attempt, by=participant.email, reason=reason)


def withdraw(participant: Participant, place: JobRef, reason: str = "") -> None:
    """Take one's own submission back; a running attempt is stopped by the owner's runner."""
    with transaction(participant, place, Event.WITHDRAW) as now:
        key = participant.home.key_for(manifest.submitters_key(now.look.config, place, participant.limits))
        if key is None:
            raise UnreadableJob(
                f"'{place.name}' was not sealed with a key of this home, so a withdrawal would not count."
                f" Ask {place.owner} to reject it.",
                name=place.name,
            )
        markers.require_publishable({"reason": reason})
        marker = markers.make(
            WITHDRAWN, place, key, digest=manifest.digest_of(now.look.config), attempt=1, reason=reason or None
        )
        fs.write_file(now.job, WITHDRAWN, markers.to_bytes(marker), temporary=f".{WITHDRAWN}.tmp")


def cancel(participant: Participant, place: JobRef, reason: str | None = None, *roles: Role) -> None:
    """Stop a job: nothing starts any more, and what runs is ended with everything it started."""
    with transaction(participant, place, Event.CANCEL, *roles) as now:
        record = now.look.record
        marker = say(participant, now, "cancel", record.attempt, by=participant.email, reason=reason)
        ask_to_stop(participant, record.id, record.attempt)  # whether or not the folder can be told
        with telling(now, "cancel"):
            put(now.job, marker)
            unblock(participant, now)


def ask_to_stop(participant: Participant, job: str, attempt: int) -> None:
    """Tell the supervisor of an attempt to end it; harmless when there is none."""
    workspace = participant.home.attempt_paths(job, attempt).workspace
    if workspace.is_dir():
        with fs.open_directory(workspace) as opened:
            fs.write_file(opened, CANCEL_REQUEST, b"cancel\n", mode=0o600)


def rerun(participant: Participant, place: JobRef, share: Grants = Grants()) -> tuple[str, ...]:  # noqa: B008 - frozen
    """Permit the next attempt of a finished job; earlier grants end and earlier results leave the folder.

    It is permitted under the containment for which the finished attempt was approved. The permit tells how that attempt
    ended, unless ``tell_outcome="when_shared"`` withholds it: where nothing was shared, it is never published.

    Returns:
        What was set aside: of "logs directory", "outputs directory", "done marker file" those that existed.

    Raises:
        InvalidTransition: it is not over, or this home has no approval of what the folder holds now.
    """
    with transaction(participant, place, Event.RERUN) as now:
        record = now.look.record
        allow = _approved_containment(participant, now)
        held = participant.home.attempt_paths(record.id, record.attempt).results
        existed = (
            ("logs directory", (held / "logs").is_dir() or any(name in now.look.names for name in LOGS.values())),
            ("outputs directory", _has_entries(held / OUTPUTS) or OUTPUTS in now.look.names),
            ("done marker file", "done" in now.look.names),
        )
        is_withheld = participant.home.ledger.is_tacit(record.id, record.attempt)
        release.withdraw_grants(now.job)
        marker = say(
            participant,
            now,
            "permit",
            record.attempt,
            by="rerun",
            outcome=None if is_withheld else record.state.value,
            epoch=participant.home.epoch,
            allow=allow.to_json(),
            share=share.to_json(),
        )
        with telling(now, "permit"):
            put(now.job, marker)
            unblock(participant, now)
            tidy(now.job)
        return tuple(words for words, was_there in existed if was_there)


def _approved_containment(participant: Participant, now: Transaction) -> ContainmentLevel:
    """The containment for which the finished attempt was approved.

    A rerun decides nothing about content, so the approval must be of what the folder holds now. A job of the older
    layout can be done without any approval here, and its digest moves with its files.

    Raises:
        InvalidTransition: there is no such approval.
    """
    record = now.look.record
    line = permitting_line(participant.home.ledger.lines(record.id), record.attempt)
    reason = ""
    if line is None:
        reason = "this home has no approval of it"
    elif line.said["mark"].get("digest") != record.digest:
        reason = "its files are not those that were approved"
    else:
        try:
            return parse_allow(line.said["mark"].get("allow", {}))
        except UnreadableJob as error:
            reason = f"its approval cannot be used: {error}"
    raise InvalidTransition(
        f"'{record.name}' is {record.status} and cannot be rerun: {reason}. Ask for it to be submitted anew.",
        name=record.name,
        status=record.status,
    )


def _has_entries(path: Path) -> bool:
    return path.is_dir() and any(path.iterdir())
