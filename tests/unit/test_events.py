from __future__ import annotations

import itertools

import pytest

from syft_job.format.markers import OWNERS_NAMES
from syft_job.model.events import (
    EVENTS,
    LEDGER_EVENTS,
    MARKER_EVENTS,
    Event,
    EventDefinition,
    FieldShape,
    MarkerKey,
    MarkerKind,
    Role,
    label_of,
    marker_of_fact,
)
from syft_job.model.states import Fact, FactKind

ALL = list(EVENTS.values())
FILES = {FactKind.ARRIVING, FactKind.SUBMITTED}
"""The facts about the files of a submission, which no marker publishes."""


def test_every_event_and_marker_is_defined_once():
    assert set(EVENTS) == set(Event)
    assert set(MARKER_EVENTS) == set(MarkerKind)
    assert len({definition.label for definition in ALL}) == len(ALL)


def test_the_words_on_disk_are_those_of_format_1():
    """A word that changed would make every ledger and every marker of earlier releases unreadable."""
    assert {word: definition.event for word, definition in LEDGER_EVENTS.items()} == {
        "approve": Event.APPROVED,
        "reject": Event.REJECTED,
        "cancel": Event.CANCELLED,
        "permit": Event.ATTEMPT_PERMITTED,
        "deposit": Event.DEPOSITED,
        "start": Event.STARTED,
        "over": Event.FINISHED,
        "tacit": Event.OUTCOME_WITHHELD,
        "released": Event.RELEASED,
        "promise": Event.RELEASE_PROMISED,
        "forget": Event.RESULTS_DELETED,
        "clean": Event.CLEANED,
    }
    assert [kind.value for kind in MarkerKind] == [
        "approved", "rejected", "cancelled", "shared", "running", "done", "withdrawn", "attempt", "blocked",
    ]  # fmt: skip


def test_every_marker_of_the_owner_has_a_name_that_is_the_owners():
    for kind, definition in MARKER_EVENTS.items():
        first_part = MarkerKey(kind, 7).path.partition("/")[0]
        assert (first_part in OWNERS_NAMES) is (definition.writer is not Role.SUBMITTER)
    assert MarkerKey(MarkerKind.ATTEMPT, 7).path == "attempts/7.json"
    assert MarkerKey(MarkerKind.DONE, 7).path == "done"


@pytest.mark.parametrize("definition", ALL, ids=[definition.event.name for definition in ALL])
def test_the_number_on_disk_and_the_attempt_are_inverse(definition: EventDefinition):
    for attempt in range(2, 5):
        assert definition.attempt_of(definition.recorded_attempt(attempt)) == attempt
    fact = definition.fact_of(3, "failed")
    if definition.fact is None:
        assert fact is None
    else:
        outcome = "failed" if definition.fact is FactKind.DONE else ""
        assert fact == Fact(definition.fact, definition.attempt_of(3), outcome)


def test_only_what_permits_the_next_attempt_is_recorded_under_the_one_before():
    for definition in ALL:
        is_ahead = definition.attempt_of(1) == 2
        assert is_ahead is (definition.event is Event.ATTEMPT_PERMITTED)


def test_every_fact_but_those_about_files_is_published_by_the_marker_that_states_it():
    for kind, attempt in itertools.product(set(FactKind) - FILES, (2, 3)):
        fact = Fact(kind, attempt, "lost" if kind is FactKind.DONE else "")
        marker = marker_of_fact(fact)
        assert MARKER_EVENTS[marker.kind].fact_of(marker.attempt, fact.outcome) == fact
    for kind in FILES:
        with pytest.raises(KeyError):
            marker_of_fact(Fact(kind))


def test_what_the_ledger_records_and_what_a_marker_says_are_the_same_fact():
    for definition in LEDGER_EVENTS.values():
        if definition.marker is not None:
            assert definition.fact_of(4, "failed") == MARKER_EVENTS[definition.marker].fact_of(4, "failed")


def test_a_release_is_pending_only_until_something_settles_it():
    settling = {definition.event for definition in ALL if definition.settles_release}
    assert settling == {Event.RELEASED, Event.ATTEMPT_PERMITTED, Event.CLEANED}


def test_only_done_must_have_an_outcome_and_only_shared_lists_files():
    for kind, definition in MARKER_EVENTS.items():
        rules = {rule.name: rule for rule in definition.marker_fields}
        assert rules["outcome"].is_required is (kind is MarkerKind.DONE)
        listed = {name for name, rule in rules.items() if rule.shape is FieldShape.RELEASED_FILES}
        assert listed == ({"outputs", "logs"} if kind is MarkerKind.SHARED else set())


def test_a_word_of_a_later_release_is_its_own_label():
    assert label_of("over") == "over"
    assert label_of("permit") == "another attempt permitted"
    assert label_of("teleport") == "teleport"
