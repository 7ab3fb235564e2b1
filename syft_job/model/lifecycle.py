"""States, ranks and the table of transitions: what a job is, and who may do what to it.

The table is data. `state_of` derives a job's state from the facts that count, for display and runner alike; `allowed`
is the only place that decides whether an event may happen. The reference page `docs/reference/lifecycle.md` is
generated from here. Which facts count (seals, digests, the ledger) is decided by whoever gathers them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final, Literal, NamedTuple

from syft_job.errors import Action, InvalidTransition, NotAllowed, Remedy


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
        return self in _TERMINAL

    @property
    def is_finished(self) -> bool:
        """Whether an attempt has run and is over, however it went."""
        return self in FINISHED


FINISHED = frozenset({JobState.SUCCEEDED, JobState.FAILED, JobState.TIMED_OUT, JobState.LOST})
_TERMINAL = FINISHED | {JobState.CANCELLED, JobState.REJECTED}


class StateLabels(NamedTuple):
    """What one state is called in each vocabulary."""

    status: str
    backend: str
    platform: str
    note: str


WORDS: dict[JobState, StateLabels] = {
    JobState.CREATED: StateLabels("arriving", "pending", "Created", "files are still missing"),
    JobState.SUBMITTED: StateLabels("inbox", "pending", "Quoted", "complete; waits for the owner's yes"),
    JobState.QUEUED: StateLabels("approved", "pending", "Queued", "approved; the runner will start it"),
    JobState.RUNNING: StateLabels("running", "running", "Running", "an attempt has begun"),
    JobState.SUCCEEDED: StateLabels("done", "successful", "Succeeded", "the attempt ended with return code 0"),
    JobState.FAILED: StateLabels("done", "failed", "Failed", "the attempt ended with another return code"),
    JobState.TIMED_OUT: StateLabels("done", "failed", "Failed", "the attempt was stopped at its time limit"),
    JobState.LOST: StateLabels("done", "finished_unknown", "Failed", "the attempt began and left no evidence"),
    JobState.CANCELLED: StateLabels("cancelled", "failed", "Cancelled", "withdrawn, or stopped by the owner"),
    JobState.REJECTED: StateLabels("rejected", "failed", "Failed", "the owner said no"),
}

Kind = Literal["arriving", "submitted", "approved", "permit", "withdrawn", "running", "done", "cancelled", "rejected"]

RANKS: dict[str, int] = {
    "arriving": 0,
    "submitted": 1,
    "approved": 2,
    "permit": 2,
    "withdrawn": 3,
    "running": 4,
    "done": 5,
    "cancelled": 6,
    "rejected": 7,
}
"""A no outranks a yes, and the owner's word outranks the submitter's."""

_STATES: dict[str, JobState] = {
    "arriving": JobState.CREATED,
    "submitted": JobState.SUBMITTED,
    "approved": JobState.QUEUED,
    "permit": JobState.QUEUED,
    "withdrawn": JobState.CANCELLED,
    "running": JobState.RUNNING,
    "cancelled": JobState.CANCELLED,
    "rejected": JobState.REJECTED,
}

OUTCOMES: dict[str, JobState] = {state.value: state for state in (*sorted(FINISHED), JobState.CANCELLED)}
"""What `done` may say."""


class Fact(NamedTuple):
    """One thing that counts: a marker or a line of the ledger.

    A ``permit`` of attempt n is `attempts/n.json`: it permits attempt n+1. ``outcome`` is given with ``done`` only.
    """

    kind: str
    attempt: int = 1
    outcome: str = ""


class Position(NamedTuple):
    """What a job is: its state, in which attempt, and whether its submitter took it back."""

    state: JobState
    attempt: int = 1
    withdrawn: bool = False


def state_of(facts: Iterable[Fact]) -> Position:
    """Derive the state: the greatest (attempt, rank) among the facts of permitted attempts.

    The order of the facts does not matter, and one fact more never moves a job backwards. Attempt 1 needs no permit
    to be shown (whether it may start is another question); a withdrawal belongs to the newest attempt.
    """
    facts = list(facts)
    permitted = {1}
    for fact in facts:
        if fact.kind == "approved":
            permitted.add(fact.attempt)
        elif fact.kind == "permit":
            permitted.add(fact.attempt + 1)
    best = (1, RANKS["arriving"])
    state = JobState.CREATED
    withdrawn = False
    for fact in facts:
        if fact.kind == "withdrawn":
            withdrawn = True
            continue
        attempt = fact.attempt + 1 if fact.kind == "permit" else fact.attempt
        place = (attempt, RANKS[fact.kind])
        if attempt in permitted and place > best:
            best = place
            state = OUTCOMES[fact.outcome] if fact.kind == "done" else _STATES[fact.kind]
    if withdrawn and best[1] < RANKS["withdrawn"]:
        state = JobState.CANCELLED
    return Position(state, best[0], withdrawn)


class Event(StrEnum):
    """Everything that can happen to a job."""

    SUBMIT = "submit"
    APPROVE = "approve"
    REJECT = "reject"
    WITHDRAW = "withdraw"
    DEPOSIT = "deposit"
    START = "start"
    FINISH = "finish"
    RELEASE = "release"
    CANCEL = "cancel"
    RERUN = "rerun"
    SHARE = "share"
    CLEAN = "clean"


class Role(StrEnum):
    """The hands that act on a job."""

    SUBMITTER = "submitter"
    OWNER = "owner"
    RUNNER = "runner"


UNREADABLE: Final = "unreadable"
From = JobState | Literal["unreadable"]


@dataclass(frozen=True, slots=True)
class Transition:
    """One row of the table: from where, what, by whom, what is written in which order, to where."""

    event: Event
    sources: tuple[From, ...]
    who: tuple[Role, ...]
    writes: tuple[str, ...]
    target: str
    condition: str = ""


_S = JobState
_DONE: tuple[From, ...] = (_S.SUCCEEDED, _S.FAILED, _S.TIMED_OUT, _S.LOST)

TABLE: tuple[Transition, ...] = (
    Transition(Event.SUBMIT, (_S.CREATED,), (Role.SUBMITTER,), ("config.yaml",), "SUBMITTED"),
    Transition(
        Event.APPROVE,
        (_S.SUBMITTED,),
        (Role.OWNER,),
        ("ledger", "approved"),
        "QUEUED",
        "the digest is the one last shown or reviewed; all listed files are as the manifest says",
    ),
    Transition(
        Event.APPROVE,
        (_S.REJECTED,),
        (Role.OWNER,),
        ("ledger", "approved"),
        "QUEUED, next attempt",
        "the owner changed their mind; not withdrawn, not cleaned",
    ),
    Transition(
        Event.REJECT,
        (_S.CREATED, _S.SUBMITTED, _S.QUEUED, UNREADABLE),
        (Role.OWNER,),
        ("ledger", "rejected"),
        "REJECTED",
        "the ledger does not say that it starts",
    ),
    Transition(
        Event.WITHDRAW,
        (_S.CREATED, _S.SUBMITTED, _S.QUEUED, _S.RUNNING, UNREADABLE),
        (Role.SUBMITTER,),
        ("withdrawn",),
        "CANCELLED",
        "a running attempt is stopped by the runner, which then says `cancelled`",
    ),
    Transition(
        Event.DEPOSIT,
        (_S.SUBMITTED, _S.QUEUED),
        (Role.OWNER,),
        ("ledger", "outputs/", "approved if absent", "done"),
        "SUCCEEDED",
        "the ledger does not say that it starts",
    ),
    Transition(
        Event.START,
        (_S.QUEUED,),
        (Role.RUNNER,),
        ("workspace", "ledger", "begun", "running"),
        "RUNNING",
        "the permit is this home's; no earlier attempt is unfinished; the copy has the digest",
    ),
    Transition(Event.FINISH, (_S.RUNNING,), (Role.RUNNER,), ("held results", "ledger", "done"), "as it ended"),
    Transition(
        Event.RELEASE,
        _DONE,
        (Role.RUNNER,),
        ("released files", "shared", "syft.pub.yaml", "ledger"),
        "unchanged",
        "as the yes said",
    ),
    Transition(Event.CANCEL, (_S.QUEUED, _S.RUNNING), (Role.OWNER, Role.RUNNER), ("ledger", "cancelled"), "CANCELLED"),
    Transition(
        Event.RERUN,
        (*_DONE, _S.CANCELLED),
        (Role.OWNER,),
        ("syft.pub.yaml and shared removed", "ledger", "attempts/n.json", "released files and markers removed"),
        "QUEUED, next attempt",
        "not withdrawn, not cleaned, not after a deposit",
    ),
    Transition(
        Event.SHARE,
        _DONE,
        (Role.OWNER,),
        ("released files", "shared", "syft.pub.yaml", "ledger"),
        "unchanged",
    ),
    Transition(
        Event.CLEAN,
        (*_DONE, _S.CANCELLED, _S.REJECTED, UNREADABLE),
        (Role.OWNER,),
        ("ledger", "code and results removed", "the directory removed"),
        "unchanged",
    ),
)

_WHAT_TO_DO: dict[tuple[Event, str], str | Remedy] = {
    (Event.APPROVE, "done"): Remedy("To run it again", Action.RERUN),
    (Event.APPROVE, "approved"): "It will run as soon as a runner serves this datasite",
    (Event.APPROVE, "cancelled"): Remedy("To run it again", Action.RERUN),
    (Event.APPROVE, "arriving"): "Wait until all its files are here",
    (Event.DEPOSIT, "running"): Remedy("To stop it", Action.CANCEL),
    (Event.DEPOSIT, "done"): Remedy("Its result stays. To permit another attempt", Action.RERUN),
    (Event.REJECT, "running"): Remedy("To stop it", Action.CANCEL),
    (Event.RERUN, "inbox"): Remedy("To run it", Action.APPROVE),
    (Event.RERUN, "approved"): "It has not run yet",
    (Event.RERUN, "rejected"): Remedy("If you changed your mind", Action.APPROVE),
    (Event.RERUN, "running"): Remedy("To stop it", Action.CANCEL),
    (Event.SHARE, "approved"): "There is nothing to share before it has run",
    (Event.CANCEL, "inbox"): Remedy("To refuse it", Action.REJECT),
}

_NEEDED: dict[Event, str] = {
    Event.APPROVE: "in the inbox",
    Event.DEPOSIT: "in the inbox or approved",
    Event.RERUN: "done",
    Event.SHARE: "done",
    Event.CANCEL: "approved or running",
    Event.CLEAN: "over",
}


def allowed(
    position: Position,
    event: Event,
    roles: Iterable[Role],
    *,
    name: str,
    unreadable: bool = False,
    starting: bool = False,
    deposited: bool = False,
    cleaned: bool = False,
) -> None:
    """Return if ``event`` may happen to the job ``name`` by somebody with ``roles``; the state is checked first.

    ``starting`` says that the ledger has the start of the present attempt and not its end: it may begin any moment.

    Raises:
        InvalidTransition: the job is not in a state from which it may.
        NotAllowed: it may, but not by this person.
    """
    source: From = UNREADABLE if unreadable else position.state
    status = UNREADABLE if unreadable else WORDS[position.state].status
    rows = [row for row in TABLE if row.event is event and source in row.sources]
    if not rows:
        needed = f", not {_NEEDED[event]}" if event in _NEEDED else f"; it cannot be changed by {event.value!r} now"
        hint = _WHAT_TO_DO.get((event, status))
        remedy = replace(hint, job=name) if isinstance(hint, Remedy) else None
        advice = f" {hint}." if isinstance(hint, str) else ""
        raise InvalidTransition(f"'{name}' is {status}{needed}.{advice}", remedy=remedy, name=name, status=status)
    if starting and event in (Event.REJECT, Event.DEPOSIT):
        remedy = Remedy("To stop it", Action.CANCEL, job=name)
        raise InvalidTransition(f"'{name}' is {status} and starts just now.", remedy=remedy, name=name)
    if event in (Event.RERUN, Event.APPROVE) and position.withdrawn:
        raise InvalidTransition(
            f"'{name}' is {status} and was withdrawn by its submitter. They can submit it anew.", name=name
        )
    if event is not Event.CLEAN and cleaned:
        # Its directory can still be there: it is removed after the ledger has the decision, without the lock.
        raise InvalidTransition(f"'{name}' is {status} and was cleaned: its code is gone. Ask for it anew.", name=name)
    if event is Event.RERUN and deposited:
        raise InvalidTransition(
            f"'{name}' is {status} by a deposited result; it never ran, so it cannot run again.", name=name
        )
    roles = set(roles)
    if not any(roles.intersection(row.who) for row in rows):
        hands = " or ".join(sorted({"the submitter" if who is Role.SUBMITTER else "the owner" for who in rows[0].who}))
        raise NotAllowed(f"Only {hands} of '{name}' may {event.value} it.", name=name, event=event.value)
