"""From evidence to what is known of a job: `JobSnapshot` with its record. Pure functions; nothing is read here."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass

from syft_job.errors import BlockedCategory, UnreadableJob
from syft_job.format import manifest
from syft_job.format.manifest import CONFIG, JobSpec
from syft_job.format.markers import WITHDRAWN, Marker
from syft_job.model import names
from syft_job.model.blocked_reason import DESCRIPTIONS, parse_category
from syft_job.model.events import ATTEMPTS
from syft_job.model.job_record import JobRecord
from syft_job.model.job_ref import JobRef, require_valid
from syft_job.model.quoting import shortened
from syft_job.model.states import JobState, Position

from .evidence import Block, Evidence
from .job_directory import JobDirectory
from .marker_check import Checked

EMPTY_CONFIG = "config.yaml is here without its content, which has not arrived yet"
_NO_CONFIG = "config.yaml has not arrived yet"
_REASON_MARKERS = {JobState.REJECTED: ("rejected",), JobState.CANCELLED: (WITHDRAWN, "cancelled")}
"""The markers that may hold a reason, by the state that they lead to."""
_MAX_REASON_CHARS = 200
_MAX_FINDINGS = 50
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class JobSnapshot:
    """One full read of a job directory: the record and what it was made of."""

    record: JobRecord
    spec: JobSpec | None
    config: bytes
    names: frozenset[str]
    markers: tuple[Checked, ...] = ()

    def marker(self, kind: str) -> Marker | None:
        """The counting marker of ``kind`` that belongs to the present attempt or is not bound to one."""
        counting = [item.marker for item in self.markers if item.is_valid and item.marker.kind == kind]
        return max(counting, key=lambda marker: marker.attempt, default=None)

    @property
    def reason(self) -> str:
        """Why the job was rejected, cancelled or withdrawn, in full; empty where no reason was given."""
        return _reason(self.markers, self.record.position)


def snapshot_of(evidence: Evidence) -> JobSnapshot:
    """What follows from the evidence about a job, for a decision."""
    directory = evidence.source.directory
    markers = tuple(evidence.checked_markers)
    return JobSnapshot(record_of(evidence), evidence.source.spec, directory.config or b"", directory.names, markers)


def record_of(evidence: Evidence) -> JobRecord:
    """What follows from the evidence about a job, for a list."""
    source, statements, position, arrival = evidence.source, evidence.statements, evidence.position, evidence.arrival
    directory, spec = source.directory, source.spec
    blocked: BlockedCategory | None = None
    block_findings: Sequence[str] = ()
    if evidence.block is not None:
        blocked, block_findings = _conclude_block(evidence.block, position, is_owner=source.is_owner)
    findings = [*evidence.remarks, *statements.findings, *evidence.warnings, *evidence.unpublished, *block_findings]
    have, missing = arrival if arrival is not None else (0, ())
    if directory.config is None:
        have = sum(not names.is_sync_artefact(name) for name in directory.names)
    is_settled = (
        position.state.is_terminal
        and evidence.is_settled
        and not evidence.problem
        and is_covered_by_stamp(directory, findings, is_owner=source.is_owner)
    )
    submitted_at = spec.submitted_at if spec is not None else None
    return JobRecord(
        place=directory.ref,
        id=source.submission_id,
        digest=source.digest,
        position=position,
        submitted_at=submitted_at,
        when=manifest.timestamp(submitted_at, latest=time.time()),
        problem=shortened(evidence.problem),
        have=have,
        total=evidence.total,
        missing=missing,
        findings=_bounded(findings) if findings else (),
        has_forged_approval=evidence.has_forged_approval,
        layout=evidence.layout,
        blocked=blocked,
        reason=_cut_reason(_reason(evidence.checked_markers, position)) if position.state in _REASON_MARKERS else "",
        recorded=statements.recorded,
        stamp=directory.stamp if is_settled else None,
    )


def manifest_remarks(directory: JobDirectory) -> list[str]:
    """The finding about a manifest that has not arrived; none about one that has."""
    if directory.config is not None:
        return []
    return [EMPTY_CONFIG if CONFIG in directory.names else _NO_CONFIG]


def is_covered_by_stamp(directory: JobDirectory, findings: Sequence[str], *, is_owner: bool) -> bool:
    """Return True if the directory's own stamp moves with everything that decides.

    A permit that arrives in `attempts` does not move it. The owner knows the permits from the ledger, and a missing one
    is found by the runner, which sweeps all jobs in turn.
    """
    return ATTEMPTS not in directory.names or (is_owner and not findings)


def unreadable_record(ref: JobRef, problem: str) -> JobRecord:
    """The record of a job of which nothing can be read."""
    return JobRecord(ref, manifest.job_id(ref, b""), "", Position(JobState.CREATED), problem=shortened(problem))


def failed_record(ref: JobRef, error: Exception) -> JobRecord:
    """The record of a job that could not be read because of an error that should not happen."""
    _log.debug("Reading the job %s failed.", ref, exc_info=error)
    description = shortened(f"{type(error).__name__}: {error}")
    return unreadable_record(
        ref, f"reading it failed with {description}. Please report this; a debug log has the whole traceback"
    )


def misnamed_record(ref: JobRef) -> JobRecord:
    """The record of a directory whose name cannot be a job's: nothing in it is read."""
    try:
        require_valid(ref)
        problem = ""
    except UnreadableJob as error:
        problem = str(error)
    printable = ref._replace(name=os.fsencode(ref.name).decode("utf-8", "backslashreplace"))
    return JobRecord(ref, manifest.job_id(printable, b""), "", Position(JobState.CREATED), problem=problem)


def _conclude_block(block: Block, position: Position, *, is_owner: bool) -> tuple[BlockedCategory | None, list[str]]:
    """The category under which the job is blocked, and the findings; an owner's marker that does not count is one."""
    findings: list[str] = []
    category = None
    if block.marker is not None and not block.marker.is_valid:
        findings.append(block.marker.message)
    elif block.marker is not None and position.state is JobState.QUEUED:
        category = parse_category(block.marker.marker.body.get("category"))
    if is_owner:
        if block.recorded is None:
            return None, findings
        return block.recorded.category, [*findings, f"approved, but not started: {block.recorded.reason}"]
    if category is not None:
        findings.append(f"blocked ({category}): it is approved and cannot start: {DESCRIPTIONS[category]}")
    return category, findings


def _reason(markers: Sequence[Checked], position: Position) -> str:
    """The reason in the marker that ended the job without a result; empty where none was given."""
    for kind in _REASON_MARKERS.get(position.state, ()):
        for item in markers:
            marker = item.marker
            is_present = kind == WITHDRAWN or marker.attempt == position.attempt
            reason = marker.body.get("reason")
            if item.is_valid and marker.kind == kind and is_present and isinstance(reason, str) and reason:
                return reason
    return ""


def _cut_reason(reason: str) -> str:
    return reason if len(reason) <= _MAX_REASON_CHARS else reason[: _MAX_REASON_CHARS - 1] + "…"


def _bounded(findings: Sequence[str]) -> tuple[str, ...]:
    """Findings for a record: without repetitions, and no more and no longer than is kept for each of many jobs."""
    different = dict.fromkeys(findings)
    if len(different) <= _MAX_FINDINGS:
        return tuple(map(shortened, different))
    first = [shortened(finding) for finding in list(different)[:_MAX_FINDINGS]]
    return (*first, f"and {len(different) - _MAX_FINDINGS} more findings")
