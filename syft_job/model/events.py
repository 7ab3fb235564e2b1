"""The domain events: everything that is recorded about a job, each defined once.

From its `EventDefinition` follow an event's word in the ledger, its marker in the job's directory, the fact that it
contributes to the job's state, its labels, and the fields that its marker may have. The ledger, the parser of markers,
the check of markers, the recovery and the history read these definitions and have no tables of their own.

Invariants:

- An event of the owner is recorded in the ledger before its marker is written.
- The number of an attempt on disk is the one that `EventDefinition.recorded_attempt` gives. It differs from the attempt
  that the event is about in one case: what permits attempt n + 1 after attempt n is recorded under n.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import Final, NamedTuple

from .states import Fact, FactKind

ATTEMPTS: Final = "attempts"
"""The directory of the markers that permit further attempts."""


class Role(StrEnum):
    """The roles in which somebody acts on a job."""

    SUBMITTER = "submitter"
    OWNER = "owner"
    RUNNER = "runner"


class Event(StrEnum):
    """What is recorded about a job; what is done to it is a `Verb` (`model.transitions`).

    The values are the words on disk: of the ledger, else of the marker.
    """

    SUBMITTED = "submitted"
    APPROVED = "approve"
    REJECTED = "reject"
    CANCELLED = "cancel"
    RELEASED = "released"
    STARTED = "start"
    RUNNING = "running"
    FINISHED = "over"
    WITHDRAWN = "withdrawn"
    ATTEMPT_PERMITTED = "permit"
    DEPOSITED = "deposit"
    OUTCOME_WITHHELD = "tacit"
    RELEASE_PROMISED = "promise"
    RESULTS_DELETED = "forget"
    CLEANED = "clean"
    BLOCKED = "blocked"


class MarkerKind(StrEnum):
    """The kinds of markers. The values are signed; all but `ATTEMPT` are file names, too."""

    APPROVED = "approved"
    REJECTED = "rejected"
    CANCELLED = "cancelled"
    SHARED = "shared"
    RUNNING = "running"
    DONE = "done"
    WITHDRAWN = "withdrawn"
    ATTEMPT = "attempt"
    BLOCKED = "blocked"


class MarkerKey(NamedTuple):
    """Which marker of a job: its kind, and the attempt that it names."""

    kind: MarkerKind
    attempt: int

    @property
    def path(self) -> str:
        """The file's path in the job's directory. Only `ATTEMPT` has one file for each attempt."""
        return f"{ATTEMPTS}/{self.attempt}.json" if self.kind is MarkerKind.ATTEMPT else self.kind.value


class FieldShape(Enum):
    """The JSON values that a field of a marker can have (format.md, Markers)."""

    TEXT = "a text"
    OUTCOME = "a key of `states.OUTCOMES`"
    PEOPLE = "a mapping of `outputs` and `logs` to lists of people"
    RELEASED_FILES = "a mapping with a list of people and, for some readers, one of files"


class MarkerField(NamedTuple):
    """A field of a marker that is checked when the marker is parsed. Fields without a rule are kept as they are."""

    name: str
    shape: FieldShape
    is_required: bool = False


_OUTCOME: Final = "outcome"
COMMON_FIELDS: Final = (
    MarkerField(_OUTCOME, FieldShape.OUTCOME),
    MarkerField("at", FieldShape.TEXT),
    MarkerField("by", FieldShape.TEXT),
    MarkerField("reason", FieldShape.TEXT),
    MarkerField("method", FieldShape.TEXT),
    MarkerField("epoch", FieldShape.TEXT),
    MarkerField("share", FieldShape.PEOPLE),
)
"""The rules for fields that mean the same in every marker; a marker of any kind that breaks one is unreadable."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EventDefinition:
    """One event and everything that follows from it.

    Attributes:
        event: which.
        label: what a history calls it.
        effect: the clause about the job that holds once it is recorded, for messages; empty where no message needs it.
        writer: who records it. The submitter signs the submitter's markers, the owner's key signs all others.
        is_in_ledger: whether it is a line of the owner's ledger, under the word `Event.value`.
        marker: the marker that publishes it; None where nothing does.
        fact: what it contributes to the job's state; None for nothing.
        permits_next_attempt: whether it is recorded under the attempt that is over and is about the one after it.
        settles_release: whether it ends a pending release of the attempt and the withholding of its outcome.
        fields: the rules for fields of its marker beside `COMMON_FIELDS`.
    """

    event: Event
    label: str
    effect: str = ""
    writer: Role = Role.OWNER
    is_in_ledger: bool = True
    marker: MarkerKind | None = None
    fact: FactKind | None = None
    permits_next_attempt: bool = False
    settles_release: bool = False
    fields: tuple[MarkerField, ...] = ()

    def attempt_of(self, recorded: int) -> int:
        """Return the attempt that the event is about where it is recorded under attempt ``recorded``."""
        return recorded + 1 if self.permits_next_attempt else recorded

    def recorded_attempt(self, attempt: int) -> int:
        """Return the number under which the event about ``attempt`` is recorded: the inverse of `attempt_of`."""
        return attempt - 1 if self.permits_next_attempt else attempt

    def fact_of(self, recorded: int, outcome: str = "") -> Fact | None:
        """Return the fact that the event contributes; None where it contributes none.

        Args:
            recorded: the attempt under which it is recorded.
            outcome: how the attempt ended; ignored but for `FactKind.DONE`.
        """
        if self.fact is None:
            return None
        return Fact(self.fact, self.attempt_of(recorded), outcome if self.fact is FactKind.DONE else "")

    @property
    def marker_fields(self) -> tuple[MarkerField, ...]:
        """All rules for its marker, the common ones first."""
        common = {field.name: field for field in COMMON_FIELDS}
        return tuple((common | {field.name: field for field in self.fields}).values())


_DEFINITIONS = (
    EventDefinition(
        event=Event.SUBMITTED,
        label="submitted",
        writer=Role.SUBMITTER,
        is_in_ledger=False,  # the manifest itself is the record
        fact=FactKind.SUBMITTED,
    ),
    EventDefinition(
        event=Event.APPROVED,
        label="approved",
        effect="is approved",
        marker=MarkerKind.APPROVED,
        fact=FactKind.APPROVED,
    ),
    EventDefinition(
        event=Event.REJECTED,
        label="rejected",
        effect="is rejected",
        marker=MarkerKind.REJECTED,
        fact=FactKind.REJECTED,
    ),
    EventDefinition(
        event=Event.CANCELLED,
        label="cancelled",
        effect="is cancelled",
        marker=MarkerKind.CANCELLED,
        fact=FactKind.CANCELLED,
    ),
    EventDefinition(
        event=Event.RELEASED,
        label="results released",
        marker=MarkerKind.SHARED,
        settles_release=True,
        fields=(
            MarkerField("outputs", FieldShape.RELEASED_FILES),
            MarkerField("logs", FieldShape.RELEASED_FILES),
        ),
    ),
    # `STARTED` is recorded before the claim, when nothing has begun yet; `RUNNING` is published once it has.
    EventDefinition(event=Event.STARTED, label="started", writer=Role.RUNNER),
    EventDefinition(
        event=Event.RUNNING,
        label="running",
        writer=Role.RUNNER,
        is_in_ledger=False,  # the claim is the record
        marker=MarkerKind.RUNNING,
        fact=FactKind.RUNNING,
    ),
    EventDefinition(
        event=Event.FINISHED,
        label="over",
        writer=Role.RUNNER,
        marker=MarkerKind.DONE,
        fact=FactKind.DONE,
        fields=(MarkerField(_OUTCOME, FieldShape.OUTCOME, is_required=True),),
    ),
    EventDefinition(
        event=Event.WITHDRAWN,
        label="withdrawn",
        writer=Role.SUBMITTER,
        is_in_ledger=False,  # the ledger is the owner's
        marker=MarkerKind.WITHDRAWN,
        fact=FactKind.WITHDRAWN,
    ),
    EventDefinition(
        event=Event.ATTEMPT_PERMITTED,
        label="another attempt permitted",
        effect="is permitted once more",
        marker=MarkerKind.ATTEMPT,
        fact=FactKind.PERMITTED,
        permits_next_attempt=True,
        settles_release=True,
    ),
    EventDefinition(
        event=Event.DEPOSITED,
        label="answered by a deposited result",
        effect="is answered with what you deposited",
        marker=MarkerKind.DONE,  # and `approved` before it, where the job was not approved
        fact=FactKind.DONE,
    ),
    EventDefinition(event=Event.OUTCOME_WITHHELD, label="outcome kept until something is shared", writer=Role.RUNNER),
    EventDefinition(event=Event.RELEASE_PROMISED, label="release promised"),
    EventDefinition(event=Event.RESULTS_DELETED, label="results removed from home"),
    EventDefinition(event=Event.CLEANED, label="cleaned", settles_release=True),
    EventDefinition(
        event=Event.BLOCKED,
        label="blocked",
        writer=Role.RUNNER,
        is_in_ledger=False,  # it is no decision, and it ends by itself
        marker=MarkerKind.BLOCKED,
    ),
)
EVENTS: Final[dict[Event, EventDefinition]] = {definition.event: definition for definition in _DEFINITIONS}
"""Every event's definition."""

LEDGER_EVENTS: Final[dict[str, EventDefinition]] = {
    event.value: definition for event, definition in EVENTS.items() if definition.is_in_ledger
}
"""The events that the ledger records, by the word that stands in it."""

MARKER_EVENTS: Final[dict[MarkerKind, EventDefinition]] = {
    definition.marker: definition
    for definition in _DEFINITIONS
    if definition.marker is not None and definition.event is not Event.DEPOSITED
}
"""The event that a marker of each kind states. `done` states `FINISHED`, also where a deposit wrote it."""

_MARKER_OF_FACT: Final[dict[FactKind, MarkerKind]] = {
    definition.fact: kind for kind, definition in MARKER_EVENTS.items() if definition.fact is not None
}


def label_of(word: str) -> str:
    """Return the label of a word of the ledger; one that a later release wrote is its own label."""
    return LEDGER_EVENTS[word].label if word in LEDGER_EVENTS else word


def marker_of_fact(fact: Fact) -> MarkerKey:
    """Return the marker that publishes a fact.

    Raises:
        KeyError: nothing does: it is about the files of a submission.
    """
    kind = _MARKER_OF_FACT[fact.kind]
    return MarkerKey(kind, MARKER_EVENTS[kind].recorded_attempt(fact.attempt))
