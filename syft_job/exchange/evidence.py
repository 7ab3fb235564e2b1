"""The evidence about one job: what its directory, the owner's ledger and the home hold. Nothing is concluded here.

`snapshot_of` in `job_snapshot` is the pure function from evidence to a record.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from syft_job.format import manifest
from syft_job.format.manifest import JobSpec
from syft_job.format.markers import BLOCKED, WITHDRAWN
from syft_job.model.blocked_reason import Blocked
from syft_job.model.events import Event
from syft_job.model.job_record import SIGNED_LAYOUT, Layout
from syft_job.model.job_ref import JobRef
from syft_job.model.states import Fact, FactKind, JobState, Position, derive_state

from . import key_holder, marker_check
from .arrival import Arrival
from .job_directory import JobDirectory
from .marker_check import Checked, MarkerReport
from .participant import Participant


class LocalClaim(NamedTuple):
    """An attempt that was started from this home, and whether its claim is there: then it has begun."""

    attempt: int
    exists: bool


class Statements(NamedTuple):
    """What ledger and markers state about a submission.

    Attributes:
        recorded: the facts of the ledger; the owner's only.
        markers: the owner's markers that were checked.
        withdrawal: the submitter's `withdrawn`, checked; None where there is none.
        claim: the claim of the present attempt; None where it was not started from this home.
    """

    recorded: tuple[Fact, ...]
    markers: MarkerReport
    withdrawal: Checked | None = None
    claim: LocalClaim | None = None

    @property
    def facts(self) -> list[Fact]:
        """The stated facts. For an attempt that was started from this home, `running` is told by its claim.

        A power cut can keep the marker `running` and lose the claim; the claim is authoritative.
        """
        stated = self.markers.facts
        if self.claim is not None:
            stated = [fact for fact in stated if fact.kind is not FactKind.RUNNING]
            stated += [Fact(FactKind.RUNNING, self.claim.attempt)] if self.claim.exists else []
        facts = [*self.recorded, *stated] if self.recorded else stated
        if self.withdrawal is not None and self.withdrawal.is_valid:
            facts.append(Fact(FactKind.WITHDRAWN))
        return facts

    @property
    def findings(self) -> list[str]:
        """What is wrong with the markers that were checked."""
        if self.withdrawal is None or self.withdrawal.is_valid:
            return self.markers.findings
        return [*self.markers.findings, self.withdrawal.message]


class Block(NamedTuple):
    """Why an approved job cannot start: the owner's marker `blocked`, checked, and the reason in the owner's home."""

    marker: Checked | None = None
    recorded: Blocked | None = None


class SubmissionReader:
    """Reads the evidence about the submission in an opened job directory, piece by piece.

    Args:
        directory: the open job directory.
        spec: the manifest; None where there is none that can be read.
        digest: what an approval is bound to; empty where it is not known.
        participant: who reads.

    Attributes:
        is_owner: the participant is the owner of the job.
        submission_id: the id of the submission.
        recorded: the facts of the owner's ledger; none for another participant.
    """

    __slots__ = ("digest", "directory", "is_owner", "participant", "recorded", "spec", "submission_id")

    def __init__(self, directory: JobDirectory, spec: JobSpec | None, digest: str, participant: Participant) -> None:
        self.directory = directory
        self.spec = spec
        self.digest = digest
        self.participant = participant
        self.is_owner = participant.owns(directory.ref)
        self.submission_id = manifest.job_id(directory.ref, directory.config or b"")
        self.recorded = participant.home.ledger.facts(self.submission_id) if self.is_owner else ()

    def markers(self, *, full: bool) -> MarkerReport:
        """Check the owner's markers, for the owner against the ledger; in a list only those that decide."""
        fd, ref, names = self.directory.fd, self.directory.ref, self.directory.names
        participant, digest = self.participant, self.digest
        keys, limits = participant.owner_keys(ref, self.spec), participant.limits
        if not self.is_owner:
            report = None if full else marker_check.check_deciding_markers(fd, ref, digest, keys, names, limits)
            return report or marker_check.check_markers(fd, ref, digest, keys, names, limits, full=full)
        vouched = frozenset(fact.kind for fact in self.recorded)
        report = marker_check.check_markers(fd, ref, digest, keys, names, limits, vouched=vouched, full=full)
        has_given_up = not keys.isdisjoint(_given_up_keys(participant, ref.owner))
        return (
            marker_check.require_recorded(report, participant.home.ledger, self.submission_id)
            if has_given_up
            else report
        )

    def withdrawal(self) -> Checked | None:
        """Check the submitter's `withdrawn`; None where there is none, or no manifest that it could belong to."""
        directory = self.directory
        if WITHDRAWN not in directory.names or not directory.config:
            return None
        return marker_check.check_withdrawal(directory.fd, directory.ref, directory.config, self.participant.limits)

    def claim(self) -> LocalClaim | None:
        """The claim of the present attempt; None where the ledger has no start of it."""
        home = self.participant.home
        if not self.recorded or Event.STARTED not in home.ledger.events(self.submission_id):
            return None
        attempt = derive_state(self.recorded).attempt
        return LocalClaim(attempt, home.attempt_paths(self.submission_id, attempt).claim.exists())

    def unpublished(self, position: Position) -> tuple[str, ...]:
        """A finding for each marker that the owner's ledger has and the folder lacks."""
        if not self.is_owner:
            return ()
        return unpublished_markers(self.directory, self.submission_id, self.recorded, position, self.participant)

    def block(self, position: Position) -> Block:
        """Why the job cannot start now, by the marker `blocked` and, for the owner, by the home."""
        directory, participant = self.directory, self.participant
        marker = None
        if BLOCKED in directory.names:
            keys = participant.owner_keys(directory.ref, self.spec)
            marker = marker_check.check_blocked(
                directory.fd, directory.ref, self.digest, keys, participant.limits, position.attempt
            )
        is_recorded_here = self.is_owner and position.state is JobState.QUEUED
        return Block(marker, participant.home.read_blocked(self.submission_id) if is_recorded_here else None)

    def key_warnings(self, *, full: bool) -> list[str]:
        """Findings about the keys that the submission was signed with and submitted to; a list has the second only."""
        config, ref = self.directory.config, self.directory.ref
        if self.spec is None or not config:
            return []
        doubt = self.participant.doubt(ref, self.spec)
        warnings = [] if doubt is None else [doubt]
        if full and (warning := _submitters_key_warning(config, ref, self.participant)) is not None:
            warnings.insert(0, warning)
        return warnings


class Evidence(NamedTuple):
    """Everything that was read about one submission, and the position that follows from the stated facts.

    Attributes:
        source: what it was read with; its directory may be closed by now.
        statements: what ledger and markers state.
        position: state and attempt.
        problem: why the directory cannot be read as a job; empty for a readable one.
        arrival: how many of the listed files are here; None where that was not looked at.
        total: how many files are listed, where ``arrival`` was looked at.
        remarks: findings about the manifest and the layout.
        warnings: findings about the keys.
        unpublished: a finding for each of the owner's markers that the ledger has and the folder lacks.
        block: why it cannot start.
        layout: what the layout of the directory provides.
        has_forged_approval: an `approved` is there that does not count.
        is_settled: the stamp of the directory covers everything else that decides.
    """

    source: SubmissionReader
    statements: Statements
    position: Position
    problem: str
    arrival: Arrival | None
    total: int
    remarks: Sequence[str]
    warnings: Sequence[str]
    unpublished: Sequence[str]
    block: Block | None
    layout: Layout = SIGNED_LAYOUT
    has_forged_approval: bool = False
    is_settled: bool = True

    @property
    def checked_markers(self) -> list[Checked]:
        """All markers that were checked."""
        checked = self.statements.markers.checked
        others = (self.statements.withdrawal, self.block.marker if self.block is not None else None)
        return [*checked, *(marker for marker in others if marker is not None)]


def implied_permits(facts: Iterable[Fact]) -> list[Fact]:
    """The permits that the owner's signed markers of later attempts imply; the permits may still be arriving."""
    return [Fact(FactKind.PERMITTED, fact.attempt) for fact in facts if fact.attempt > 1]


def unpublished_markers(
    directory: JobDirectory, submission_id: str, recorded: Iterable[Fact], position: Position, participant: Participant
) -> tuple[str, ...]:
    """A finding for each marker that the owner's ledger has and the folder lacks."""
    return marker_check.missing(directory.fd, participant.home, submission_id, recorded, position, directory.names)


def _submitters_key_warning(config: bytes, ref: JobRef, participant: Participant) -> str | None:
    key = manifest.submitters_key(config, ref, participant.limits)
    if key is None:
        return "config.yaml carries no valid signature of its submitter"
    if key in _given_up_keys(participant, ref.submitter):
        return (
            f"{ref.submitter} gave up the key that signed config.yaml, because others may have it: ask them"
            " whether it is theirs"
        )
    if key_holder.relation_to(participant, key, ref.submitter) is key_holder.Relation.OTHER:
        return (
            f"config.yaml is signed with a key that is not a key of {ref.submitter}: ask them whether the job is"
            " theirs before you decide"
        )
    return None


def _given_up_keys(participant: Participant, person: str) -> frozenset[str]:
    history = participant.chain_of(person)
    return history.compromised_keys if history is not None else frozenset()
