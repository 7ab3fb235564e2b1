"""The table and `state_of` for all facts, states, events and hands."""

from __future__ import annotations

import itertools
from collections import deque

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from syft_job.errors import InvalidTransition, NotAllowed
from syft_job.model.lifecycle import RANKS, TABLE, UNREADABLE, Event, Fact, JobState, Position, Role, allowed, state_of
from tests.properties.strategies import fact_lists, facts, one_outcome_an_attempt

RANK_OF_STATE = {
    JobState.CREATED: 0,
    JobState.SUBMITTED: 1,
    JobState.QUEUED: 2,
    JobState.RUNNING: 4,
    JobState.SUCCEEDED: 5,
    JobState.FAILED: 5,
    JobState.TIMED_OUT: 5,
    JobState.LOST: 5,
    JobState.REJECTED: 7,
}


def height(found: list[Fact]) -> tuple[int, int]:
    """How far a job is, worked out from the words of the rule and not from the code."""
    permitted = {1} | {f.attempt for f in found if f.kind == "approved"}
    permitted |= {f.attempt + 1 for f in found if f.kind == "permit"}
    levels = [(1, 0)]
    for fact in found:
        attempt = fact.attempt + (fact.kind == "permit")
        if fact.kind != "withdrawn" and attempt in permitted:
            levels.append((attempt, RANKS[fact.kind]))
    attempt, rank = max(levels)
    return (attempt, max(rank, 3)) if Fact("withdrawn") in found else (attempt, rank)


@given(fact_lists, st.randoms(use_true_random=False))
def test_the_order_does_not_matter(found, random):
    shuffled = found.copy()
    random.shuffle(shuffled)
    assert state_of(shuffled) == state_of(found)
    assert state_of(found + shuffled) == state_of(found)


@given(fact_lists, facts())
def test_one_more_never_moves_it_backwards(found, more):
    assume(one_outcome_an_attempt([*found, more]))
    assert height([*found, more]) >= height(found)
    assert state_of([*found, more]).attempt >= state_of(found).attempt


@given(fact_lists)
def test_the_state_is_that_of_the_rule(found):
    attempt, rank = height(found)
    position = state_of(found)
    assert position.attempt == attempt
    assert position.withdrawn == (Fact("withdrawn") in found)
    if position.state is JobState.CANCELLED:
        assert rank in (3, 5, 6)
    else:
        assert RANK_OF_STATE[position.state] == rank


@given(fact_lists, st.integers(1, 5))
def test_nothing_permits_itself_but_a_yes(found, attempt):
    runs = [Fact("running", attempt), Fact("done", attempt, "succeeded")]
    assume(not any(f.kind in ("approved", "permit") for f in found))
    assume(one_outcome_an_attempt([*found, *runs]))
    assert state_of([*found, *runs]).attempt == 1


@given(fact_lists)
def test_a_no_of_the_newest_attempt_is_final_until_the_next_is_opened(found):
    attempt = state_of(found).attempt
    refused = [*found, Fact("rejected", attempt)]
    assert state_of(refused).state is JobState.REJECTED
    for kind in ("submitted", "running", "withdrawn", "cancelled", "approved"):
        more = Fact(kind) if kind in ("submitted", "withdrawn") else Fact(kind, attempt)
        assert state_of([*refused, more]).state is JobState.REJECTED


def exit_record(position: Position, event: Event, roles: set[Role], **more: bool) -> str:
    try:
        allowed(position, event, roles, name="N", **more)
    except InvalidTransition:
        return "state"
    except NotAllowed:
        return "person"
    return "yes"


@pytest.mark.parametrize("event", list(Event))
def test_allowed_agrees_with_the_table_for_all(event):
    hands = [set(some) for n in range(4) for some in itertools.combinations(Role, n)]
    for state, withdrawn, unreadable, roles in itertools.product(JobState, (False, True), (False, True), hands):
        source = UNREADABLE if unreadable else state
        rows = [row for row in TABLE if row.event is event and source in row.sources]
        if not rows or (withdrawn and event in (Event.APPROVE, Event.RERUN)):
            expected = "state"
        else:
            expected = "yes" if any(roles & set(row.who) for row in rows) else "person"
        assert exit_record(Position(state, 1, withdrawn), event, roles, unreadable=unreadable) == expected


OWNERS_EVENTS = {Event.APPROVE, Event.REJECT, Event.DEPOSIT, Event.RERUN, Event.SHARE, Event.CLEAN, Event.CANCEL}


@pytest.mark.parametrize("state", list(JobState))
def test_nobody_elses_hand_does_what_is_the_owners(state):
    for event in OWNERS_EVENTS:
        assert exit_record(Position(state), event, {Role.SUBMITTER}) != "yes"
        assert exit_record(Position(state), event, set()) != "yes"
    assert exit_record(Position(state), Event.WITHDRAW, {Role.OWNER, Role.RUNNER}) != "yes"
    assert exit_record(Position(state), Event.START, {Role.OWNER, Role.SUBMITTER}) != "yes"


def test_a_bounded_model_of_a_submitter_who_moves_markers_freely():
    """Every state that one place reaches within a few steps: the owner's state moves by the owner's hand only."""
    start = (frozenset[Fact](), frozenset({Fact("submitted")}))
    seen = {start}
    ahead = deque([(start, 0)])
    while ahead:
        (ledger, markers), depth = ahead.popleft()
        here = state_of([*ledger, *markers])
        assert here.state is not JobState.QUEUED or any(f.kind in ("approved", "permit") for f in ledger)
        if depth == 8:
            continue
        after: list[tuple[frozenset[Fact], frozenset[Fact]]] = []
        for event, fact in (
            (Event.APPROVE, Fact("approved", here.attempt + (here.state is JobState.REJECTED))),
            (Event.REJECT, Fact("rejected", here.attempt)),
            (Event.CANCEL, Fact("cancelled", here.attempt)),
            (Event.FINISH, Fact("done", here.attempt, "succeeded")),
            (Event.RERUN, Fact("permit", here.attempt)),
            (Event.START, Fact("running", here.attempt)),
        ):
            if exit_record(here, event, {Role.OWNER, Role.RUNNER}) == "yes":
                said = ledger | {fact}
                after.append((said, markers | {fact}))
                assert height(list(said | markers)) > height(list(ledger | markers))
        # The submitter removes any marker, and lays any that the owner ever sealed for this submission back.
        after += [(ledger, markers - {fact}) for fact in markers]
        after += [(ledger, markers | {fact}) for fact in ledger - markers]
        after += [(ledger, markers | {Fact("withdrawn")})]
        for moved in after:
            if moved[0] == ledger and Fact("withdrawn") not in moved[1] ^ markers and ledger:
                assert height(list(moved[0] | moved[1])) == height(list(ledger | markers))
            if moved not in seen:
                seen.add(moved)
                ahead.append((moved, depth + 1))
    assert len(seen) > 1000
