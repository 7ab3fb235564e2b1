"""Recovery of a job's directory: write the markers and results that the ledger has and the folder lacks.

A folder lacks them where the process was killed between the ledger and the marker, where the folder was away, or where
a submitter or a sync tool removed or altered them. Recovery decides nothing: the ledger has decided.
"""

from __future__ import annotations

from typing import NamedTuple

from syft_job import fs
from syft_job.exchange import marker_check, release
from syft_job.exchange.job_reader import JobSnapshot
from syft_job.exchange.participant import Participant
from syft_job.exchange.release import Grants
from syft_job.exchange.result_staging import Need, StagedResults
from syft_job.format.markers import BLOCKED, OUTPUTS
from syft_job.home.ledger import LedgerLine
from syft_job.model.events import Event, MarkerKey, MarkerKind, marker_of_fact
from syft_job.model.states import Fact, FactKind, JobState

from .marker_writer import (
    Transaction,
    are_results_deleted,
    has_files_of_an_attempt,
    lacks_marker,
    marker_of,
    publish_deposit,
    remove_files_of_earlier_attempt,
    running_marker,
    unblock,
    write_marker,
)


def is_out_of_order(participant: Participant, snapshot: JobSnapshot) -> bool:
    """Whether the folder lacks something of the ledger or contradicts it, or has a file that was not finished."""
    record = snapshot.record
    ledger = participant.home.ledger
    if not participant.owns(record.place) or Event.CLEANED in ledger.events(record.id):
        return False
    if any(map(fs.is_temporary, snapshot.names)) or _is_blocked_no_more(snapshot):
        return True
    valid = {item.marker.key for item in snapshot.markers if item.is_valid}
    wanted = {
        marker_of_fact(fact)
        for fact in marker_check.expected(ledger.facts(record.id), record.position)
        if not (fact.kind is FactKind.DONE and ledger.is_outcome_withheld(record.id, fact.attempt))
    }
    if record.state is JobState.RUNNING:
        wanted.add(MarkerKey(MarkerKind.RUNNING, record.attempt))
    is_released = ledger.released(record.id) == record.attempt
    if is_released and not are_results_deleted(participant, record.id, record.attempt):
        wanted.add(MarkerKey(MarkerKind.SHARED, record.attempt))
        if _is_shared_outdated(participant, snapshot):
            return True
    return not wanted <= valid


class Restored(NamedTuple):
    """What `restore_missing` did, and what it could not do without copies of results."""

    names: tuple[str, ...]
    need: Need | None


def restore_missing(
    participant: Participant, txn: Transaction, *, staged: StagedResults | None = None, is_published: bool = False
) -> Restored:
    """Write every marker that the ledger has and the folder lacks.

    Args:
        participant: the owner.
        txn: the job, under the home's lock.
        staged: copies of the results, for a folder that lacks these, too; without them results are not published again.
        is_published: `shared` was written just now.

    Returns:
        The kinds of what was written, and which results have to be staged for what is still missing.
    """
    record, ledger = txn.record, participant.home.ledger
    if Event.CLEANED in ledger.events(record.id):
        return Restored((), None)
    # Under the home's lock no process of the owner writes here except into directories that it holds, and the
    # submitter's temporary files have other names.
    fs.remove_temporaries(txn.dir_fd)
    if _is_blocked_no_more(txn.snapshot):
        unblock(participant, txn)
    names: list[str] = []
    need_outputs, granted = _results_to_publish(participant, txn, is_published=is_published)
    need = Need(record.id, record.attempt, need_outputs or bool(granted.outputs), bool(granted.logs))
    if staged is not None and not staged.fits(record, txn.dir_fd, need):
        staged = None
    lines = ledger.lines(record.id)
    for fact in marker_check.expected(ledger.facts(record.id), record.position):
        line = _line_of(lines, fact)
        if line is None or _is_withheld(participant, line):
            continue
        key = marker_of_fact(fact)
        is_missing = lacks_marker(txn, key)
        if line.event == Event.DEPOSITED:
            if is_missing or (need_outputs and staged is not None):
                publish_deposit(participant, txn, staged if need_outputs else None)
                names.append(key.kind.value)
        elif is_missing:
            write_marker(txn.dir_fd, marker_of(participant, txn, Event(line.event), line.attempt, line.said["mark"]))
            names.append(key.kind.value)
    if record.state is JobState.QUEUED and record.attempt > 1 and has_files_of_an_attempt(txn.snapshot.names):
        remove_files_of_earlier_attempt(txn.dir_fd)
    if record.state is JobState.RUNNING and lacks_marker(txn, MarkerKey(MarkerKind.RUNNING, record.attempt)):
        write_marker(txn.dir_fd, running_marker(participant, txn))
        names.append(MarkerKind.RUNNING.value)
    if granted and staged is not None:
        release.publish(participant, txn.snapshot, granted, staged)
        names.append(MarkerKind.SHARED.value)
    is_missing_results = staged is None and (need.outputs or need.logs)
    return Restored(tuple(names), need if is_missing_results else None)


def _results_to_publish(participant: Participant, txn: Transaction, *, is_published: bool) -> tuple[bool, Grants]:
    """Whether deposited outputs are gone from the folder, and the grants whose `shared` is gone or outdated."""
    record = txn.record
    if are_results_deleted(participant, record.id, record.attempt):
        return False, Grants()
    has_no_outputs = OUTPUTS not in txn.snapshot.names and any(
        line.event == Event.DEPOSITED and line.attempt == record.attempt
        for line in participant.home.ledger.lines(record.id)
    )
    granted = release.granted(participant, record.id, record.attempt)
    lacks_shared = lacks_marker(txn, MarkerKey(MarkerKind.SHARED, record.attempt))
    is_wrong = lacks_shared or _is_shared_outdated(participant, txn.snapshot)
    is_missing = record.state.is_finished and is_wrong and not is_published
    return has_no_outputs, granted if is_missing else Grants()


def _is_withheld(participant: Participant, line: LedgerLine) -> bool:
    """Whether a line is the end of an attempt whose outcome is withheld. A deposit has nothing to withhold."""
    return line.event == Event.FINISHED and participant.home.ledger.is_outcome_withheld(line.id, line.attempt)


def _is_blocked_no_more(snapshot: JobSnapshot) -> bool:
    """Whether the owner's `blocked` is there although the job does not wait for its start: withdrawn, or killed.

    What a submitter put there under this name is left alone: it counts for nothing, and removing it again and again
    would be work at their command.
    """
    return snapshot.record.state is not JobState.QUEUED and snapshot.marker(BLOCKED) is not None


def _is_shared_outdated(participant: Participant, snapshot: JobSnapshot) -> bool:
    """Whether the `shared` there was recorded for this attempt before the last one: something restored an old file."""
    record, shared = snapshot.record, snapshot.marker(MarkerKind.SHARED)
    if shared is None or shared.attempt != record.attempt:
        return False
    lines = participant.home.ledger.lines(record.id)
    recorded = [line.said["mark"] for line in lines if line.event == Event.RELEASED and line.attempt == record.attempt]
    return release.unsealed(shared) in recorded[:-1]


def _line_of(lines: list[LedgerLine], fact: Fact) -> LedgerLine | None:
    """The first line that contributes a fact of this kind about this attempt."""
    for line in lines:
        contributed = line.fact
        if contributed is not None and (contributed.kind, contributed.attempt) == (fact.kind, fact.attempt):
            return line
    return None
