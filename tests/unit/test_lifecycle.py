from __future__ import annotations

import itertools

import pytest

from syft_job.errors import InvalidTransition, NotAllowed
from syft_job.model.lifecycle import (
    FINISHED,
    OUTCOMES,
    RANKS,
    TABLE,
    WORDS,
    Event,
    Fact,
    JobState,
    Position,
    Role,
    allowed,
    state_of,
)

S = JobState
ONE = Position(S.SUBMITTED)


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ([], Position(S.CREATED)),
        ([Fact("submitted")], Position(S.SUBMITTED)),
        ([Fact("approved")], Position(S.QUEUED)),
        ([Fact("submitted"), Fact("withdrawn")], Position(S.CANCELLED, 1, withdrawn=True)),
        ([Fact("withdrawn")], Position(S.CANCELLED, 1, withdrawn=True)),
        ([Fact("approved"), Fact("withdrawn")], Position(S.CANCELLED, 1, withdrawn=True)),
        ([Fact("running"), Fact("withdrawn")], Position(S.RUNNING, 1, withdrawn=True)),
        ([Fact("done", 1, "succeeded"), Fact("withdrawn")], Position(S.SUCCEEDED, 1, withdrawn=True)),
        ([Fact("done", 1, "failed")], Position(S.FAILED)),
        ([Fact("done", 1, "timed_out")], Position(S.TIMED_OUT)),
        ([Fact("done", 1, "lost")], Position(S.LOST)),
        ([Fact("done", 1, "cancelled")], Position(S.CANCELLED)),
        ([Fact("done", 1, "succeeded"), Fact("cancelled")], Position(S.CANCELLED)),
        ([Fact("approved"), Fact("rejected")], Position(S.REJECTED)),
        ([Fact("cancelled"), Fact("rejected")], Position(S.REJECTED)),
        ([Fact("rejected"), Fact("approved", 2)], Position(S.QUEUED, 2)),
        ([Fact("done", 1, "failed"), Fact("permit", 1)], Position(S.QUEUED, 2)),
        ([Fact("done", 1, "failed"), Fact("permit", 1), Fact("withdrawn")], Position(S.CANCELLED, 2, withdrawn=True)),
        ([Fact("permit", 1), Fact("done", 1, "failed"), Fact("running", 2)], Position(S.RUNNING, 2)),
        # Not permitted: nothing says that there may be a second attempt.
        ([Fact("running", 2)], Position(S.CREATED)),
        ([Fact("done", 1, "failed"), Fact("done", 2, "succeeded")], Position(S.FAILED)),
        ([Fact("rejected", 5), Fact("submitted")], Position(S.SUBMITTED)),
        # A stale marker of the first attempt loses.
        ([Fact("permit", 1), Fact("rejected"), Fact("cancelled"), Fact("done", 1, "lost")], Position(S.QUEUED, 2)),
    ],
)
def test_the_state_is_the_highest_that_counts(facts: list[Fact], expected: Position):
    for order in itertools.permutations(facts):
        assert state_of(order) == expected


def test_the_words_cover_every_state_and_the_nine_platform_words():
    assert set(WORDS) == set(JobState)
    assert {words.status for words in WORDS.values()} == {
        "arriving", "inbox", "approved", "running", "done", "cancelled", "rejected",
    }  # fmt: skip
    assert {words.backend for words in WORDS.values()} == {
        "pending", "running", "successful", "failed", "finished_unknown",
    }  # fmt: skip


def test_a_no_outranks_a_yes_and_the_owner_the_submitter():
    order = sorted(RANKS, key=RANKS.__getitem__)
    assert order.index("approved") < order.index("withdrawn") < order.index("running") < order.index("done")
    assert order[-2:] == ["cancelled", "rejected"]
    assert RANKS["permit"] == RANKS["approved"]


def test_terminal_and_finished():
    assert {S.SUCCEEDED, S.FAILED, S.TIMED_OUT, S.LOST} == FINISHED
    assert {state for state in S if state.is_terminal} == FINISHED | {S.CANCELLED, S.REJECTED}
    assert {state for state in S if state.is_finished} == FINISHED
    assert set(OUTCOMES.values()) == FINISHED | {S.CANCELLED}


@pytest.mark.conformance(12)
def test_the_state_is_checked_before_the_person():
    with pytest.raises(InvalidTransition):
        allowed(Position(S.SUCCEEDED), Event.APPROVE, (), name="N")
    with pytest.raises(NotAllowed):
        allowed(ONE, Event.APPROVE, (), name="N")
    with pytest.raises(NotAllowed):
        allowed(ONE, Event.APPROVE, (Role.SUBMITTER, Role.RUNNER), name="N")
    allowed(ONE, Event.APPROVE, (Role.OWNER,), name="N")


def test_a_refusal_names_job_state_and_way_out():
    with pytest.raises(InvalidTransition) as error:
        allowed(Position(S.SUCCEEDED), Event.APPROVE, (Role.OWNER,), name="Data Analysis")
    assert str(error.value) == "'Data Analysis' is done, not in the inbox. To run it again: job.rerun()"
    with pytest.raises(NotAllowed, match="Only the owner of 'Data Analysis' may approve it"):
        allowed(ONE, Event.APPROVE, (Role.SUBMITTER,), name="Data Analysis")
    with pytest.raises(NotAllowed, match="Only the submitter of 'Data Analysis' may withdraw it"):
        allowed(ONE, Event.WITHDRAW, (Role.OWNER,), name="Data Analysis")


@pytest.mark.parametrize("event", [Event.RERUN, Event.APPROVE])
def test_what_was_withdrawn_opens_no_further_attempt(event: Event):
    for state in S:
        with pytest.raises((InvalidTransition, NotAllowed)):
            allowed(Position(state, 1, withdrawn=True), event, (Role.OWNER,), name="N")


@pytest.mark.conformance(26)
def test_what_was_cleaned_or_deposited_cannot_run_again():
    done = Position(S.SUCCEEDED)
    allowed(done, Event.RERUN, (Role.OWNER,), name="N")
    with pytest.raises(InvalidTransition, match="cleaned"):
        allowed(done, Event.RERUN, (Role.OWNER,), name="N", cleaned=True)
    with pytest.raises(InvalidTransition, match="cleaned"):
        allowed(Position(JobState.REJECTED), Event.APPROVE, (Role.OWNER,), name="N", cleaned=True)
    with pytest.raises(InvalidTransition, match="never ran"):
        allowed(done, Event.RERUN, (Role.OWNER,), name="N", deposited=True)


def test_an_unreadable_job_can_be_refused_taken_back_or_cleaned_and_nothing_else():
    possible = set()
    for event in Event:
        try:
            allowed(ONE, event, tuple(Role), name="N", unreadable=True)
        except InvalidTransition:
            continue
        possible.add(event)
    assert possible == {Event.REJECT, Event.WITHDRAW, Event.CLEAN}


def test_every_event_has_a_row_and_every_row_a_hand_and_a_write():
    assert {row.event for row in TABLE} == set(Event)
    assert all(row.sources and row.who and row.writes and row.target for row in TABLE)


def test_the_ledger_speaks_before_every_marker_of_the_owner():
    for row in TABLE:
        if Role.SUBMITTER not in row.who and row.event not in (Event.RELEASE, Event.SHARE, Event.START):
            published = [what for what in row.writes if what in {"approved", "rejected", "cancelled", "done"}]
            for what in published:
                assert row.writes.index("ledger") < row.writes.index(what)
