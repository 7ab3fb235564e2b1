"""Rerun by the owner: a permit for the attempt after the one that is over."""

from __future__ import annotations

from pathlib import Path

from syft_job.errors import InvalidTransition, UnreadableJob
from syft_job.exchange import release
from syft_job.exchange.participant import Participant
from syft_job.exchange.release import Grants
from syft_job.format.markers import LOGS, OUTPUTS
from syft_job.model.containment import ContainmentLevel, parse_allow
from syft_job.model.events import Event, MarkerKind
from syft_job.model.job_ref import JobRef
from syft_job.model.transitions import Verb

from .marker_writer import (
    Transaction,
    publishing,
    record_event,
    remove_files_of_earlier_attempt,
    unblock,
    write_marker,
)
from .permit import permitting_line
from .transaction import transaction


def rerun(participant: Participant, ref: JobRef, share: Grants = Grants()) -> tuple[str, ...]:  # noqa: B008 - frozen
    """Permit the next attempt of a finished job; earlier grants end and earlier results leave the folder.

    It is permitted under the containment for which the finished attempt was approved. The permit names the outcome of
    that attempt, unless ``tell_outcome="when_shared"`` withholds it: where nothing was shared, it is never published.

    Returns:
        What was removed: of "logs directory", "outputs directory", "done marker file" those that existed.

    Raises:
        InvalidTransition: it is not over, or this home has no approval of what the folder holds now.
    """
    with transaction(participant, ref, Verb.RERUN) as txn:
        record, names = txn.record, txn.snapshot.names
        allow = _approved_containment(participant, txn)
        held = participant.home.attempt_paths(record.id, record.attempt).results
        existed = (
            ("logs directory", (held / "logs").is_dir() or not names.isdisjoint(LOGS.values())),
            ("outputs directory", _has_entries(held / OUTPUTS) or OUTPUTS in names),
            ("done marker file", MarkerKind.DONE in names),
        )
        is_withheld = participant.home.ledger.is_outcome_withheld(record.id, record.attempt)
        release.withdraw_grants(txn.dir_fd)
        marker = record_event(
            participant,
            txn,
            Event.ATTEMPT_PERMITTED,
            by="rerun",
            outcome=None if is_withheld else record.state.value,
            epoch=participant.home.epoch,
            allow=allow.to_json(),
            share=share.to_json(),
        )
        with publishing(txn, Event.ATTEMPT_PERMITTED):
            write_marker(txn.dir_fd, marker)
            unblock(participant, txn)
            remove_files_of_earlier_attempt(txn.dir_fd)
        return tuple(name for name, has_existed in existed if has_existed)


def _approved_containment(participant: Participant, txn: Transaction) -> ContainmentLevel:
    """The containment for which the finished attempt was approved.

    A rerun decides nothing about content, so the approval must be of what the folder holds now. A job of the older
    layout can be done without any approval here, and its digest moves with its files.

    Raises:
        InvalidTransition: there is no such approval.
    """
    record = txn.record
    permit = permitting_line(participant.home.ledger.lines(record.id), record.attempt)
    if permit is None:
        reason = "this home has no approval of it"
    elif permit.said["mark"].get("digest") != record.digest:
        reason = "its files are not those that were approved"
    else:
        try:
            return parse_allow(permit.said["mark"].get("allow", {}))
        except UnreadableJob as error:
            reason = f"its approval cannot be used: {error}"
    raise InvalidTransition(
        f"'{record.name}' is {record.status} and cannot be rerun: {reason}. Ask for it to be submitted anew.",
        name=record.name,
        status=record.status,
    )


def _has_entries(path: Path) -> bool:
    return path.is_dir() and any(path.iterdir())
