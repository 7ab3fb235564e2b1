"""Putting back what the ledger says and the folder lacks: the markers and results that a folder lost or never got."""

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
from syft_job.model.lifecycle import Fact, JobState

from .marker_writer import (
    MARKER_OF_EVENT,
    Transaction,
    are_forgotten,
    is_untidy,
    lacks,
    marker_of,
    publish_deposit,
    put,
    running_marker,
    tidy,
    unblock,
)


def is_out_of_order(participant: Participant, look: JobSnapshot) -> bool:
    """Whether the ledger has something that the folder does not say, or says wrongly, or half a file was left there."""
    record = look.record
    ledger = participant.home.ledger
    if not participant.owns(record.place) or "clean" in ledger.events(record.id):
        return False
    if any(map(fs.is_temporary, look.names)) or _is_blocked_no_more(look):
        return True
    counting = {(item.marker.kind, item.marker.attempt) for item in look.markers if item.ignored is None}
    wanted = {
        ("attempt" if fact.kind == "permit" else fact.kind, fact.attempt)
        for fact in marker_check.expected(ledger.facts(record.id), record.position)
        if not (fact.kind == "done" and ledger.is_tacit(record.id, fact.attempt))
    }
    if record.state is JobState.RUNNING:
        wanted.add(("running", record.attempt))
    if ledger.released(record.id) == record.attempt and not are_forgotten(participant, record.id, record.attempt):
        wanted.add(("shared", record.attempt))
        if _is_shared_of_before(participant, look):
            return True
    return not wanted <= counting


class Restored(NamedTuple):
    """What `restore_missing` did, and what it could not do without copies of results."""

    names: tuple[str, ...]
    need: Need | None


def restore_missing(
    participant: Participant, now: Transaction, *, staged: StagedResults | None = None, is_published: bool = False
) -> Restored:
    """Lay every marker that the ledger has and the folder lacks.

    Args:
        participant: the owner.
        now: the job, under the home's lock.
        staged: copies of the results, for a folder that lacks these, too; without them results are not published again.
        is_published: `shared` was laid just now.

    Returns:
        The names of what was laid, and which results have to be staged for what is still missing.
    """
    record = now.look.record
    if "clean" in participant.home.ledger.events(record.id):
        return Restored((), None)
    # Under the home's lock nobody of the owner's hand is writing here but into folders that it holds, and the
    # submitter's has another name for it.
    fs.remove_temporaries(now.job)
    if _is_blocked_no_more(now.look):
        unblock(participant, now)
    lines = participant.home.ledger.lines(record.id)
    names: list[str] = []
    need_outputs, granted = _results_to_publish(participant, now, is_published=is_published)
    need = Need(record.id, record.attempt, need_outputs or bool(granted.outputs), bool(granted.logs))
    if staged is not None and not staged.fits(record, now.job, need):
        staged = None
    for fact in marker_check.expected(participant.home.ledger.facts(record.id), record.position):
        line = _line_of(lines, fact)
        if line is None or (line.event == "over" and participant.home.ledger.is_tacit(record.id, line.attempt)):
            continue
        if line.event == "deposit":
            if lacks(now, "done", line.attempt) or (need_outputs and staged is not None):
                publish_deposit(participant, now, staged if need_outputs else None)
                names.append("done")
            continue
        kind = MARKER_OF_EVENT.get(line.event, "done")
        if lacks(now, kind, line.attempt):
            put(now.job, marker_of(participant, now, kind, line.attempt, line.said["mark"]))
            names.append(kind)
    if record.state is JobState.QUEUED and record.attempt > 1 and is_untidy(now.look.names):
        tidy(now.job)
    if record.state is JobState.RUNNING and lacks(now, "running", record.attempt):
        put(now.job, running_marker(participant, now))
        names.append("running")
    if granted and staged is not None:
        release.publish(participant, now.look, granted, staged)
        names.append("shared")
    is_missing = staged is None and (need.outputs or need.logs)
    return Restored(tuple(names), need if is_missing else None)


def _results_to_publish(participant: Participant, now: Transaction, *, is_published: bool) -> tuple[bool, Grants]:
    """Whether deposited outputs are gone from the folder, and the grants whose `shared` is gone or of before."""
    record = now.look.record
    if are_forgotten(participant, record.id, record.attempt):
        return False, Grants()
    is_bare = OUTPUTS not in now.look.names and any(
        line.event == "deposit" and line.attempt == record.attempt for line in participant.home.ledger.lines(record.id)
    )
    granted = release.granted(participant, record.id, record.attempt)
    is_wrong = lacks(now, "shared", record.attempt) or _is_shared_of_before(participant, now.look)
    is_missing = record.state.is_finished and is_wrong and not is_published
    return is_bare, granted if is_missing else Grants()


def _is_blocked_no_more(look: JobSnapshot) -> bool:
    """Whether our `blocked` is there although the job does not wait for its start: withdrawn, or killed half way.

    What a submitter put there under this name is left alone: it counts for nothing, and removing it again and again
    would be work at their command.
    """
    return look.record.state is not JobState.QUEUED and look.marker(BLOCKED) is not None


def _is_shared_of_before(participant: Participant, look: JobSnapshot) -> bool:
    """Whether the `shared` there was said of this attempt before the last one: something brought it back."""
    record, shared = look.record, look.marker("shared")
    if shared is None or shared.attempt != record.attempt:
        return False
    lines = participant.home.ledger.lines(record.id)
    said = [line.said["mark"] for line in lines if line.event == "released" and line.attempt == record.attempt]
    return release.unsealed(shared) in said[:-1]


def _line_of(lines: list[LedgerLine], fact: Fact) -> LedgerLine | None:
    events = {
        "approved": ("approve",),
        "rejected": ("reject",),
        "cancelled": ("cancel",),
        "permit": ("permit",),
        "done": ("over", "deposit"),
    }[fact.kind]
    return next((line for line in lines if line.event in events and line.attempt == fact.attempt), None)
