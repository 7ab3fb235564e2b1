"""The states of a job, their labels, and the derivation of a state from the facts about a job.

A state is never stored. `derive_state` is a maximum over facts, so their order does not matter and one fact more never
moves a job backwards. Which facts count (signatures, digests, the ledger) is decided by the code that gathers them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from operator import attrgetter
from typing import Final, Literal, NamedTuple


class JobState(StrEnum):
    """The state of a job; the last six are terminal."""

    CREATED = "created"
    SUBMITTED = "submitted"
    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    TIMED_OUT = "timed_out"
    LOST = "lost"
    REJECTED = "rejected"

    @property
    def is_terminal(self) -> bool:
        """Whether nothing more happens to the job by itself."""
        return self in TERMINAL

    @property
    def is_finished(self) -> bool:
        """Whether an attempt has run and is over, however it went."""
        return self in FINISHED


FINISHED: Final = frozenset({JobState.SUCCEEDED, JobState.FAILED, JobState.TIMED_OUT, JobState.LOST})
TERMINAL: Final = FINISHED | {JobState.CANCELLED, JobState.REJECTED}
OUTCOMES: Final[dict[str, JobState]] = {state.value: state for state in (*sorted(FINISHED), JobState.CANCELLED)}
"""The outcomes that a finished attempt can have."""

UNREADABLE: Final = "unreadable"
"""The status of a directory that cannot be read as a job. It is no state: nothing is derived from such a directory."""
Source = JobState | Literal["unreadable"]
"""What a transition can start from."""


class StateLabels(NamedTuple):
    """What one state is called in each vocabulary."""

    status: str
    backend: str
    platform: str
    note: str


STATE_LABELS: Final[dict[JobState, StateLabels]] = {
    JobState.CREATED: StateLabels("arriving", "pending", "Created", "files are still missing"),
    JobState.SUBMITTED: StateLabels("inbox", "pending", "Quoted", "complete; waits for the owner's decision"),
    JobState.QUEUED: StateLabels("approved", "pending", "Queued", "approved; the runner will start it"),
    JobState.RUNNING: StateLabels("running", "running", "Running", "an attempt has begun"),
    JobState.SUCCEEDED: StateLabels("done", "successful", "Succeeded", "the attempt ended with return code 0"),
    JobState.FAILED: StateLabels("done", "failed", "Failed", "the attempt ended with another return code"),
    JobState.TIMED_OUT: StateLabels("done", "failed", "Failed", "the attempt was stopped at its time limit"),
    JobState.LOST: StateLabels("done", "finished_unknown", "Failed", "the attempt began and left no evidence"),
    JobState.CANCELLED: StateLabels("cancelled", "failed", "Cancelled", "withdrawn, or stopped by the owner"),
    JobState.REJECTED: StateLabels("rejected", "failed", "Failed", "the owner rejected it"),
}


class FactKind(StrEnum):
    """The kinds of facts from which a state is derived."""

    ARRIVING = "arriving"
    SUBMITTED = "submitted"
    APPROVED = "approved"
    PERMITTED = "permit"
    WITHDRAWN = "withdrawn"
    RUNNING = "running"
    DONE = "done"
    CANCELLED = "cancelled"
    REJECTED = "rejected"


RANKS: Final[dict[FactKind, int]] = {
    FactKind.ARRIVING: 0,
    FactKind.SUBMITTED: 1,
    FactKind.APPROVED: 2,
    FactKind.PERMITTED: 2,
    FactKind.WITHDRAWN: 3,
    FactKind.RUNNING: 4,
    FactKind.DONE: 5,
    FactKind.CANCELLED: 6,
    FactKind.REJECTED: 7,
}
"""A rejection outranks an approval, and the owner's decisions outrank the submitter's withdrawal."""

_STATE_OF: Final[dict[FactKind, JobState]] = {
    FactKind.ARRIVING: JobState.CREATED,
    FactKind.SUBMITTED: JobState.SUBMITTED,
    FactKind.APPROVED: JobState.QUEUED,
    FactKind.PERMITTED: JobState.QUEUED,
    FactKind.WITHDRAWN: JobState.CANCELLED,
    FactKind.RUNNING: JobState.RUNNING,
    FactKind.CANCELLED: JobState.CANCELLED,
    FactKind.REJECTED: JobState.REJECTED,
}
"""The state that each kind of fact stands for; that of `FactKind.DONE` is its outcome."""

PERMITS: Final = frozenset({FactKind.APPROVED, FactKind.PERMITTED})
"""The kinds that permit an attempt."""


class Fact(NamedTuple):
    """One fact that counts: from a marker, from the ledger or from the files that have arrived.

    Attributes:
        kind: what is so.
        attempt: the attempt that it is about, counted from 1; for a permit the attempt that is permitted.
        outcome: a key of `OUTCOMES` for `FactKind.DONE`; empty for the others.
    """

    kind: FactKind
    attempt: int = 1
    outcome: str = ""

    @property
    def height(self) -> tuple[int, int]:
        """What decides between facts: the attempt first, then the rank of the kind."""
        return self.attempt, RANKS[self.kind]

    @property
    def state(self) -> JobState:
        """The state of a job of which this is the highest fact."""
        return OUTCOMES[self.outcome] if self.kind is FactKind.DONE else _STATE_OF[self.kind]


_ARRIVING: Final = Fact(FactKind.ARRIVING)
_height: Final = attrgetter("height")


class Position(NamedTuple):
    """Where a job stands: its state, in which attempt, and whether its submitter withdrew it."""

    state: JobState
    attempt: int = 1
    withdrawn: bool = False


def derive_state(facts: Iterable[Fact]) -> Position:
    """Derive the state: that of the fact with the greatest (attempt, rank) among those of permitted attempts.

    Attempt 1 needs no permit to be shown (whether it may start is another question). A withdrawal belongs to the newest
    attempt, whatever its own number.
    """
    facts = list(facts)
    permitted = {1}
    is_withdrawn = False
    for fact in facts:
        if fact.kind in PERMITS:
            permitted.add(fact.attempt)
        elif fact.kind is FactKind.WITHDRAWN:
            is_withdrawn = True
    counting = [fact for fact in facts if fact.attempt in permitted and fact.kind is not FactKind.WITHDRAWN]
    highest = max(counting, key=_height, default=_ARRIVING)
    state = highest.state
    if is_withdrawn and RANKS[highest.kind] < RANKS[FactKind.WITHDRAWN]:
        state = JobState.CANCELLED
    return Position(state, highest.attempt, is_withdrawn)


@dataclass(frozen=True, slots=True)
class JobFacts:
    """Everything about one job that decides which transitions are possible.

    Attributes:
        name: the job's name, for messages.
        position: the derived state.
        is_unreadable: the directory cannot be read as a job.
        is_start_recorded: the ledger has the start of the present attempt and not its end: it may begin any moment.
        is_deposited: the ledger has a deposit.
        is_cleaned: the ledger has the removal of the job.
    """

    name: str
    position: Position
    is_unreadable: bool = False
    is_start_recorded: bool = False
    is_deposited: bool = False
    is_cleaned: bool = False

    @property
    def source(self) -> Source:
        """What a transition would start from."""
        return UNREADABLE if self.is_unreadable else self.position.state

    @property
    def status(self) -> str:
        """The status word for people."""
        return UNREADABLE if self.is_unreadable else STATE_LABELS[self.position.state].status
