"""Everything known about one job at one look.

A `JobRecord` is a frozen row: a hundred thousand of them are in memory at once, so it holds what a list shows and what
decides, and no file contents. It is made by whoever reads a job's directory and never changes.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from syft_job.errors import BlockedCategory

from .job_ref import JobRef
from .lifecycle import UNREADABLE, WORDS, Fact, JobState, Position


class Stamp(NamedTuple):
    """What tells whether a directory moved: mtime and ctime in nanoseconds, and its inode."""

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
    """One job at one look. A tuple, because that is made several times faster than a frozen dataclass.

    Attributes:
        place: owner, submitter and name, from the path.
        id: 32 hex digits that stand for this submission; another `config.yaml` is another id.
        digest: what a yes is said to; empty where it is not known yet.
        standing: state and attempt.
        submitted_at: the submitter's own claim, as written, or None.
        when: the claim in seconds since 1970, never later than the look; minus infinity where there is none.
        problem: why the directory cannot be read as a job; empty for a readable one.
        have, total: how many of the listed files are here, while they arrive.
        missing: a clause about each of the first listed files that are not here, and how many more there are.
        findings: what a person should know about it, one sentence each.
        forged_yes: an `approved` lies there that does not count.
        layout: what the layout of the directory provides.
        blocked: why an approved job cannot start now; None where it can, or where that is not known.
        reason: why it was rejected, cancelled or withdrawn, cut to 200 characters; empty where a marker was not read.
        said: the facts of the ledger that the state was derived from; the owner's only.
        stamp: the directory's, when everything that decides was read; None when it must be looked at again.
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
    forged_yes: bool = False
    layout: Layout = SIGNED_LAYOUT
    blocked: BlockedCategory | None = None
    reason: str = ""
    said: tuple[Fact, ...] = ()
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
        """One coarse word for people; an uncounted `approved` shows as approved and is told as a finding."""
        if self.problem and self.state in (JobState.CREATED, JobState.SUBMITTED):
            return UNREADABLE
        if self.forged_yes and self.state is JobState.SUBMITTED:
            return WORDS[JobState.QUEUED].status
        return WORDS[self.state].status

    @property
    def owner(self) -> str:
        """Whose datasite the job lies in."""
        return self.place.owner

    @property
    def submitter(self) -> str:
        """In whose folder of that datasite it lies."""
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
        old_state: where it was; None where it was not known before.
        new_state: where it is.
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
