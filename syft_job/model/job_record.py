"""The row of one job, as one reading of its directory found it.

A `JobRecord` is frozen: a hundred thousand of them are in memory at once, so it holds what a list shows and what
decides, and no file contents. The readers of job directories make it, and it never changes.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from syft_job.errors import BlockedCategory

from .job_ref import JobRef
from .states import STATE_LABELS, UNREADABLE, Fact, JobState, Position


class Stamp(NamedTuple):
    """The values by which a change of a directory is noticed: mtime and ctime in nanoseconds, and its inode."""

    mtime: int
    ctime: int
    inode: int


@dataclass(frozen=True, slots=True)
class Layout:
    """What the layout of a job directory provides. Every reader asks for the property that it needs.

    Attributes:
        is_signed: the manifest and the markers carry signatures.
        lists_files: the manifest lists every file with size and digest, and the job's digest is the manifest's; else
            the files of a snapshot are those that were found and hashed, and the job's digest covers exactly them.
        may_hold_results: a runner may have written results into the directory that no `shared` lists.
    """

    is_signed: bool = True
    lists_files: bool = True
    may_hold_results: bool = False


SIGNED_LAYOUT = Layout()
"""The layout of format 1."""


class JobRecord(NamedTuple):
    """One job at one reading. A tuple, because that is made several times faster than a frozen dataclass.

    Attributes:
        place: owner, submitter and name, from the path.
        id: 32 hex digits, the key of this submission; another `config.yaml` is another id.
        digest: what an approval is bound to; empty where it is not known yet.
        position: state and attempt.
        submitted_at: the submitter's claim, as written, or None.
        when: the claim in seconds since 1970, never later than the reading; minus infinity where there is none.
        problem: why the directory cannot be read as a job; empty for a readable one.
        have, total: how many of the listed files are here, while they arrive.
        missing: a clause about each of the first listed files that are not here, and how many more there are.
        findings: what a person should know about it, one sentence each.
        has_forged_approval: there is an `approved` that does not count.
        layout: what the layout of the directory provides.
        blocked: why an approved job cannot start now; None where it can, or where that is not known.
        reason: why it was rejected, cancelled or withdrawn, cut to 200 characters; empty where a marker was not read.
        recorded: the facts of the ledger that the state was derived from; the owner's only.
        stamp: the directory's, when everything that decides was read; None when it must be read again.
    """

    place: JobRef
    id: str
    digest: str
    position: Position
    submitted_at: str | None = None
    when: float = float("-inf")
    problem: str = ""
    have: int = 0
    total: int = 0
    missing: tuple[str, ...] = ()
    findings: tuple[str, ...] = ()
    has_forged_approval: bool = False
    layout: Layout = SIGNED_LAYOUT
    blocked: BlockedCategory | None = None
    reason: str = ""
    recorded: tuple[Fact, ...] = ()
    stamp: Stamp | None = None

    @property
    def state(self) -> JobState:
        """The job's state."""
        return self.position.state

    @property
    def attempt(self) -> int:
        """Which attempt the state belongs to, counted from 1."""
        return self.position.attempt

    @property
    def status(self) -> str:
        """One coarse word for people. An `approved` that does not count shows as approved, and a finding names it."""
        if self.problem and self.state in (JobState.CREATED, JobState.SUBMITTED):
            return UNREADABLE
        if self.has_forged_approval and self.state is JobState.SUBMITTED:
            return STATE_LABELS[JobState.QUEUED].status
        return STATE_LABELS[self.state].status

    @property
    def owner(self) -> str:
        """The address of the owner of the datasite."""
        return self.place.owner

    @property
    def submitter(self) -> str:
        """The address of the submitter."""
        return self.place.submitter

    @property
    def name(self) -> str:
        """The job's name."""
        return self.place.name

    def location(self, root: Path) -> Path:
        """The job's directory below ``root``."""
        return self.place.under(root)


@dataclass(frozen=True, slots=True)
class StatusTransition:
    """One move of a job from a state to another.

    Attributes:
        job_id: the job's id.
        old_state: the state before; None where it was not known.
        new_state: the state after.
        timestamp: seconds since 1970.
        reason: in a few words for people.
        place: which job.
    """

    job_id: str
    old_state: JobState | None
    new_state: JobState
    timestamp: float
    reason: str
    place: JobRef
