"""The table of transitions: which verb may be applied to a job in which state, by whom, and what it records.

The table is data. Its guards are predicates over one `JobFacts`, and `check_transition` is the only place that decides
whether a verb may be applied. The reference page `docs/reference/lifecycle.md` is generated from it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from enum import Enum, StrEnum
from typing import Final

from syft_job.errors import Action, InvalidTransition, NotAllowed, Remedy

from .events import Event, Role
from .states import FINISHED, UNREADABLE, JobFacts, JobState, Position, Source


class Verb(StrEnum):
    """Everything that can be done to a job. What is recorded of it is an `Event`."""

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


class Target(Enum):
    """Where a transition leads when that is no single state."""

    UNCHANGED = "unchanged"
    OUTCOME = "as it ended"


@dataclass(frozen=True, slots=True)
class Guard:
    """One condition of a transition.

    Attributes:
        holds: returns whether a job meets it.
        condition: the condition in words, for the reference page.
        refusal: the message where it is not met; `{name}` and `{status}` are the job's.
        remedy: what to do instead; None where nothing helps.
    """

    holds: Callable[[JobFacts], bool]
    condition: str
    refusal: str
    remedy: Remedy | None = None


NOT_STARTING: Final = Guard(
    lambda job: not job.is_start_recorded,
    "the ledger does not have its start",
    "'{name}' is {status} and is about to start.",
    Remedy("To stop it", Action.CANCEL),
)
NOT_WITHDRAWN: Final = Guard(
    lambda job: not job.position.withdrawn,
    "not withdrawn",
    "'{name}' is {status} and was withdrawn by its submitter. They can submit it anew.",
)
# The directory of a cleaned job can still be there: it is removed after the ledger has the decision, without the lock.
NOT_CLEANED: Final = Guard(
    lambda job: not job.is_cleaned,
    "not cleaned",
    "'{name}' is {status} and was cleaned: its code is gone. Ask for it anew.",
)
NOT_DEPOSITED: Final = Guard(
    lambda job: not job.is_deposited,
    "not after a deposit",
    "'{name}' is {status} by a deposited result; it never ran, so it cannot run again.",
)


@dataclass(frozen=True, slots=True)
class Transition:
    """One row of the table.

    Attributes:
        verb: what is done.
        event: what is recorded.
        sources: the states from which it is possible.
        roles: who may do it.
        writes: what is written, in this order.
        target: the state after it.
        opens_next_attempt: whether it is about the attempt after the present one.
        guards: the conditions over `JobFacts`, checked in this order.
        conditions: further conditions, which the verb itself checks, in words.
    """

    verb: Verb
    event: Event
    sources: tuple[Source, ...]
    roles: tuple[Role, ...]
    writes: tuple[str, ...]
    target: JobState | Target
    opens_next_attempt: bool = False
    guards: tuple[Guard, ...] = (NOT_CLEANED,)
    conditions: tuple[str, ...] = ()

    def attempt_after(self, position: Position) -> int:
        """Return the number of the attempt that the transition is about: the next one where the present is over."""
        return position.attempt + 1 if self.opens_next_attempt else position.attempt


_S = JobState
_FINISHED: Final = (_S.SUCCEEDED, _S.FAILED, _S.TIMED_OUT, _S.LOST)

TRANSITIONS: Final = (
    Transition(Verb.SUBMIT, Event.SUBMITTED, (_S.CREATED,), (Role.SUBMITTER,), ("config.yaml",), _S.SUBMITTED),
    Transition(
        Verb.APPROVE,
        Event.APPROVED,
        (_S.SUBMITTED,),
        (Role.OWNER,),
        ("ledger", "approved"),
        _S.QUEUED,
        guards=(NOT_WITHDRAWN, NOT_CLEANED),
        conditions=(
            "the digest is the one last shown or reviewed",
            "all listed files are as the manifest says",
        ),
    ),
    Transition(
        Verb.APPROVE,
        Event.APPROVED,
        (_S.REJECTED,),
        (Role.OWNER,),
        ("ledger", "approved"),
        _S.QUEUED,
        opens_next_attempt=True,
        guards=(NOT_WITHDRAWN, NOT_CLEANED),
        conditions=(
            "the digest is the one last shown or reviewed",
            "all listed files are as the manifest says",
        ),
    ),
    Transition(
        Verb.REJECT,
        Event.REJECTED,
        (_S.CREATED, _S.SUBMITTED, _S.QUEUED, UNREADABLE),
        (Role.OWNER,),
        ("ledger", "rejected"),
        _S.REJECTED,
        guards=(NOT_STARTING, NOT_CLEANED),
    ),
    Transition(
        Verb.WITHDRAW,
        Event.WITHDRAWN,
        (_S.CREATED, _S.SUBMITTED, _S.QUEUED, _S.RUNNING, UNREADABLE),
        (Role.SUBMITTER,),
        ("withdrawn",),
        _S.CANCELLED,
        conditions=("a running attempt is stopped by the runner, which then records `cancelled`",),
    ),
    Transition(
        Verb.DEPOSIT,
        Event.DEPOSITED,
        (_S.SUBMITTED, _S.QUEUED),
        (Role.OWNER,),
        ("ledger", "outputs/", "approved if absent", "done"),
        _S.SUCCEEDED,
        guards=(NOT_STARTING, NOT_CLEANED),
    ),
    Transition(
        Verb.START,
        Event.STARTED,
        (_S.QUEUED,),
        (Role.RUNNER,),
        ("workspace", "ledger", "begun", "running"),
        _S.RUNNING,
        conditions=(
            "the permit is this home's",
            "no earlier attempt is unfinished",
            "the copy has the digest",
        ),
    ),
    Transition(
        Verb.FINISH,
        Event.FINISHED,
        (_S.RUNNING,),
        (Role.RUNNER,),
        ("held results", "ledger", "done"),
        Target.OUTCOME,
    ),
    Transition(
        Verb.RELEASE,
        Event.RELEASED,
        _FINISHED,
        (Role.RUNNER,),
        ("released files", "shared", "syft.pub.yaml", "ledger"),
        Target.UNCHANGED,
        conditions=("the permit of the attempt promised it",),
    ),
    Transition(
        Verb.CANCEL,
        Event.CANCELLED,
        (_S.QUEUED, _S.RUNNING),
        (Role.OWNER, Role.RUNNER),
        ("ledger", "cancelled"),
        _S.CANCELLED,
    ),
    Transition(
        Verb.RERUN,
        Event.ATTEMPT_PERMITTED,
        (*_FINISHED, _S.CANCELLED),
        (Role.OWNER,),
        ("syft.pub.yaml and shared removed", "ledger", "attempts/n.json", "released files and markers removed"),
        _S.QUEUED,
        opens_next_attempt=True,
        guards=(NOT_WITHDRAWN, NOT_CLEANED, NOT_DEPOSITED),
    ),
    Transition(
        Verb.SHARE,
        Event.RELEASED,
        _FINISHED,
        (Role.OWNER,),
        ("released files", "shared", "syft.pub.yaml", "ledger"),
        Target.UNCHANGED,
    ),
    Transition(
        Verb.CLEAN,
        Event.CLEANED,
        (*_FINISHED, _S.CANCELLED, _S.REJECTED, UNREADABLE),
        (Role.OWNER,),
        ("ledger", "code and results removed", "the directory removed"),
        Target.UNCHANGED,
        guards=(),
    ),
)

_NEEDED: Final[dict[Verb, str]] = {
    Verb.APPROVE: "in the inbox",
    Verb.DEPOSIT: "in the inbox or approved",
    Verb.RERUN: "done",
    Verb.SHARE: "done",
    Verb.CANCEL: "approved or running",
    Verb.CLEAN: "over",
}
"""What a job would have to be, for the message that it is not."""

_RERUN: Final = Remedy("To run it again", Action.RERUN)
_CANCEL: Final = Remedy("To stop it", Action.CANCEL)
_REMEDIES: Final[dict[Verb, dict[JobState, str | Remedy]]] = {
    Verb.APPROVE: {
        **dict.fromkeys(FINISHED, _RERUN),
        _S.CANCELLED: _RERUN,
        _S.QUEUED: "It will run as soon as a runner serves this datasite",
        _S.CREATED: "Wait until all its files are here",
    },
    Verb.DEPOSIT: {
        **dict.fromkeys(FINISHED, Remedy("Its result stays. To permit another attempt", Action.RERUN)),
        _S.RUNNING: _CANCEL,
    },
    Verb.REJECT: {_S.RUNNING: _CANCEL},
    Verb.RERUN: {
        _S.SUBMITTED: Remedy("To run it", Action.APPROVE),
        _S.QUEUED: "It has not run yet",
        _S.REJECTED: Remedy("If you changed your mind", Action.APPROVE),
        _S.RUNNING: _CANCEL,
    },
    Verb.SHARE: {_S.QUEUED: "There is nothing to share before it has run"},
    Verb.CANCEL: {_S.SUBMITTED: Remedy("To refuse it", Action.REJECT)},
}
"""What to do instead of a verb that is not possible in a state."""


def find_transition(verb: Verb, source: Source) -> Transition | None:
    """Return the row for ``verb`` from ``source``; None where there is none."""
    return next((row for row in TRANSITIONS if row.verb is verb and source in row.sources), None)


def check_transition(job: JobFacts, verb: Verb, roles: Iterable[Role]) -> Transition:
    """Check whether ``verb`` may be applied to a job. The state is checked first, then the guards, then the roles.

    Args:
        job: everything about the job that decides.
        verb: what is to be done.
        roles: the roles in which it would be done.

    Returns:
        The row of the table.

    Raises:
        InvalidTransition: the job is not in a state from which it may be applied, or a guard does not hold.
        NotAllowed: it may be applied, but not by this person.
    """
    row = find_transition(verb, job.source)
    if row is None:
        raise _impossible(job, verb)
    for guard in row.guards:
        if not guard.holds(job):
            refusal = guard.refusal.format(name=job.name, status=job.status)
            remedy = replace(guard.remedy, job=job.name) if guard.remedy is not None else None
            raise InvalidTransition(refusal, remedy=remedy, name=job.name, status=job.status)
    if not set(row.roles).intersection(roles):
        persons = sorted({"the submitter" if role is Role.SUBMITTER else "the owner" for role in row.roles})
        raise NotAllowed(
            f"Only {' or '.join(persons)} of '{job.name}' may {verb.value} it.", name=job.name, event=verb.value
        )
    return row


def _impossible(job: JobFacts, verb: Verb) -> InvalidTransition:
    needed = f", not {_NEEDED[verb]}" if verb in _NEEDED else f"; it cannot be changed by {verb.value!r} now"
    advice = None if job.is_unreadable else _REMEDIES.get(verb, {}).get(job.position.state)
    remedy = replace(advice, job=job.name) if isinstance(advice, Remedy) else None
    sentence = f" {advice}." if isinstance(advice, str) else ""
    message = f"'{job.name}' is {job.status}{needed}.{sentence}"
    return InvalidTransition(message, remedy=remedy, name=job.name, status=job.status)
