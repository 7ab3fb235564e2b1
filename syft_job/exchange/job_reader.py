"""Read one job directory for a participant.

`look` reads everything; `read_summary` reads as much as a list needs. Reading changes nothing, follows no link and
never blocks; a problem of a directory becomes part of its record.
"""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path

from syft_job import fs
from syft_job.errors import StoreError, UnreadableJob
from syft_job.format import manifest
from syft_job.format.manifest import JobSpec
from syft_job.format.markers import BLOCKED, WITHDRAWN
from syft_job.model.job_record import JobRecord
from syft_job.model.job_ref import JobRef, require_valid
from syft_job.model.states import Fact, FactKind, JobState, Position, derive_state

from . import arrival, evidence, legacy_layout, marker_check
from .arrival import Arrival
from .evidence import Evidence, Statements, SubmissionReader
from .job_directory import JobDirectory, open_job
from .job_snapshot import (
    JobSnapshot,
    failed_record,
    is_covered_by_stamp,
    manifest_remarks,
    misnamed_record,
    record_of,
    snapshot_of,
    unreadable_record,
)
from .legacy_layout import FileDigests
from .participant import Participant

__all__ = ["JobSnapshot", "look", "read_summary"]

_SUBMITTED_AT = b'\n  "submitted_at": "'
_MAX_TIME_BYTES = 64


def look(root: Path, ref: JobRef, participant: Participant) -> JobSnapshot:
    """Read the job directory of ``ref`` in full: every marker is checked.

    Raises:
        FileNotFoundError: there is no such directory.
    """
    participant.forget_keys()
    with fs.open_directory(root, *ref.parts[:-1]) as parent_fd:
        try:
            require_valid(ref)
        except UnreadableJob as error:
            if fs.stat_entry(parent_fd, ref.name) is None:
                raise FileNotFoundError(f"there is no folder {ref.name!a}") from error
            return JobSnapshot(misnamed_record(ref), None, b"", frozenset())
        try:
            directory = open_job(parent_fd, ref, participant)
        except UnreadableJob as error:
            return JobSnapshot(unreadable_record(ref, str(error)), None, b"", frozenset())
        try:
            return snapshot_of(_gather(directory, participant, full=True))
        finally:
            os.close(directory.fd)


def read_summary(
    parent_fd: int, ref: JobRef, participant: Participant, digests: FileDigests | None = None
) -> JobRecord:
    """Read the job directory ``ref.name`` in the open submitter's folder ``parent_fd`` as far as a list needs.

    For the owner, the ledger vouches for a finished job, so its `config.yaml` is not even parsed. An error with one
    job is its record's ``problem``, so that it stops no list.

    Args:
        parent_fd: the open folder of the submitter.
        ref: which job.
        participant: the participant.
        digests: the cached digests of files that no manifest lists, and how much may be hashed; None hashes all.

    Raises:
        FileNotFoundError: there is no such directory.
    """
    try:
        try:
            directory = open_job(parent_fd, ref, participant)
        except UnreadableJob as error:
            return unreadable_record(ref, str(error))
        try:
            record = _recorded_end(directory, participant) if participant.email == ref.owner else None
            return record or record_of(_gather(directory, participant, full=False, digests=digests))
        finally:
            os.close(directory.fd)
    except FileNotFoundError:
        raise
    except (OSError, StoreError) as error:
        return unreadable_record(ref, f"the disk does not give it: {error}")
    except Exception as error:  # noqa: BLE001 - the job's row names it; one job must not stop the list
        return failed_record(ref, error)


def _gather(
    directory: JobDirectory, participant: Participant, *, full: bool, digests: FileDigests | None = None
) -> Evidence:
    """Parse the manifest and gather the evidence in the way of its layout."""
    spec, problem = None, directory.problem
    if directory.config and not problem:
        try:
            spec = manifest.parse(directory.config, participant.limits)
        except UnreadableJob as error:
            problem = str(error)
    if spec is not None and not spec.lists_files:
        return legacy_layout.gather(directory, spec, participant, digests)
    return _gather_signed(directory, spec, problem, participant, full=full)


def _gather_signed(
    directory: JobDirectory, spec: JobSpec | None, problem: str, participant: Participant, *, full: bool
) -> Evidence:
    """The evidence about a job of the signed layout; files are looked at where they can decide, or for ``full``."""
    digest = manifest.digest_of(directory.config) if directory.config else ""
    source = SubmissionReader(directory, spec, digest, participant)
    statements = Statements(source.recorded, source.markers(full=full), source.withdrawal(), source.claim())
    facts = statements.facts
    if not source.is_owner:
        facts += evidence.implied_permits(facts)
    position = derive_state(facts)
    arrived, total = None, 0
    if spec is not None and (full or position.state is JobState.CREATED):
        total = len(spec.files)
        try:
            arrived = arrival.check(directory.fd, spec.files)
        except UnreadableJob as error:
            arrived, problem = Arrival(0, ()), problem or str(error)
        if arrived.have == total and not problem:
            position = derive_state([*facts, Fact(FactKind.SUBMITTED)])
    is_block_read = digest and (position.state is JobState.QUEUED or (full and BLOCKED in directory.names))
    return Evidence(
        source=source,
        statements=statements,
        position=position,
        problem=problem,
        arrival=arrived,
        total=total,
        remarks=manifest_remarks(directory),
        warnings=source.key_warnings(full=full),
        unpublished=source.unpublished(position),
        block=source.block(position) if is_block_read else None,
        has_forged_approval=statements.markers.has_forged_approval,
    )


def _recorded_end(directory: JobDirectory, participant: Participant) -> JobRecord | None:
    """The record of a job that has ended by the owner's own ledger; None where the ledger has no end of it.

    These bytes were read in full when the owner decided about them, so they are not parsed again. (A manifest that
    begins as JSON lists its files, or was no job that could be decided about.)
    """
    config, ref = directory.config, directory.ref
    if not config or not config.startswith(b"{"):
        return None
    submission_id = manifest.job_id(ref, config)
    recorded, released = participant.home.ledger.facts_and_release(submission_id)
    position, marker_names = _by_ledger(recorded)
    if not position.state.is_terminal or WITHDRAWN in directory.names:
        return None
    findings: tuple[str, ...] = ()
    if not marker_names <= directory.names or position.attempt > 1 or released:
        findings = evidence.unpublished_markers(directory, submission_id, recorded, position, participant)
    submitted_at = _submission_time(config)
    return JobRecord(
        ref,
        submission_id,
        manifest.digest_of(config),
        position,
        submitted_at,
        manifest.timestamp(submitted_at, latest=directory.opened_ns / 1e9),
        findings=findings,
        recorded=recorded,
        stamp=directory.stamp if is_covered_by_stamp(directory, findings, is_owner=True) else None,
    )


def _submission_time(config: bytes) -> str | None:
    """The submission time in bytes that `JobSpec.sealed` wrote; None where it is written in another way."""
    at = config.find(_SUBMITTED_AT)
    if at < 0:
        return None
    begin = at + len(_SUBMITTED_AT)
    end = config.find(b'"', begin, begin + _MAX_TIME_BYTES + 1)
    return None if end < 0 else config[begin:end].decode("utf-8", "replace")


@lru_cache(maxsize=4096)
def _by_ledger(recorded: tuple[Fact, ...]) -> tuple[Position, frozenset[str]]:
    """The position that these facts give a job, and the names of the markers that should be in the folder."""
    position = derive_state(recorded)
    expected = marker_check.expected(recorded, position)
    return position, frozenset(fact.kind for fact in expected if fact.kind is not FactKind.PERMITTED)
