"""The table of transitions and `derive_state` for all facts, states, verbs and roles."""

from __future__ import annotations

import itertools
from collections import deque

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from syft_job.errors import InvalidTransition, NotAllowed
from syft_job.model.events import EVENTS, Event, Role
from syft_job.model.states import PERMITS, RANKS, UNREADABLE, Fact, FactKind, JobFacts, JobState, Position, derive_state
from syft_job.model.transitions import TRANSITIONS, Verb, check_transition
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
    permitted = {1} | {f.attempt for f in found if f.kind in (FactKind.APPROVED, FactKind.PERMITTED)}
    counting = [f for f in found if f.kind is not FactKind.WITHDRAWN and f.attempt in permitted]
    attempt, rank = max([(1, 0), *((f.attempt, RANKS[f.kind]) for f in counting)])
    return (attempt, max(rank, 3)) if Fact(FactKind.WITHDRAWN) in found else (attempt, rank)


@given(fact_lists, st.randoms(use_true_random=False))
def test_the_order_does_not_matter(found, random):
    shuffled = found.copy()
    random.shuffle(shuffled)
    assert derive_state(shuffled) == derive_state(found)
    assert derive_state(found + shuffled) == derive_state(found)


@given(fact_lists, facts())
def test_one_more_never_moves_it_backwards(found, more):
    assume(one_outcome_an_attempt([*found, more]))
    assert height([*found, more]) >= height(found)
    assert derive_state([*found, more]).attempt >= derive_state(found).attempt


@given(fact_lists)
def test_the_state_is_that_of_the_rule(found):
    attempt, rank = height(found)
    position = derive_state(found)
    assert position.attempt == attempt
    assert position.withdrawn == (Fact(FactKind.WITHDRAWN) in found)
    if position.state is JobState.CANCELLED:
        assert rank in (3, 5, 6)
    else:
        assert RANK_OF_STATE[position.state] == rank


@given(fact_lists, st.integers(1, 5))
def test_nothing_permits_itself_but_a_yes(found, attempt):
    runs = [Fact(FactKind.RUNNING, attempt), Fact(FactKind.DONE, attempt, "succeeded")]
    assume(not any(f.kind in PERMITS for f in found))
    assume(one_outcome_an_attempt([*found, *runs]))
    assert derive_state([*found, *runs]).attempt == 1


@given(fact_lists)
def test_a_no_of_the_newest_attempt_is_final_until_the_next_is_opened(found):
    attempt = derive_state(found).attempt
    refused = [*found, Fact(FactKind.REJECTED, attempt)]
    assert derive_state(refused).state is JobState.REJECTED
    of_the_submission = (FactKind.SUBMITTED, FactKind.WITHDRAWN)
    for kind in (*of_the_submission, FactKind.RUNNING, FactKind.CANCELLED, FactKind.APPROVED):
        more = Fact(kind) if kind in of_the_submission else Fact(kind, attempt)
        assert derive_state([*refused, more]).state is JobState.REJECTED


def answer(job: JobFacts, verb: Verb, roles: set[Role]) -> str:
    try:
        check_transition(job, verb, roles)
    except InvalidTransition:
        return "state"
    except NotAllowed:
        return "person"
    return "yes"


@pytest.mark.parametrize("verb", list(Verb))
def test_the_check_agrees_with_the_table_for_all(verb):
    role_sets = [set(some) for n in range(4) for some in itertools.combinations(Role, n)]
    flags = list(itertools.product((False, True), repeat=5))
    for state, roles in itertools.product(JobState, role_sets):
        for withdrawn, unreadable, starting, deposited, cleaned in flags:
            source = UNREADABLE if unreadable else state
            rows = [row for row in TRANSITIONS if row.verb is verb and source in row.sources]
            is_refused = (
                (withdrawn and verb in (Verb.APPROVE, Verb.RERUN))
                or (starting and verb in (Verb.REJECT, Verb.DEPOSIT))
                or (deposited and verb is Verb.RERUN)
                or (cleaned and verb is not Verb.CLEAN)
            )
            if not rows or is_refused:
                expected = "state"
            else:
                expected = "yes" if any(roles & set(row.roles) for row in rows) else "person"
            job = JobFacts("N", Position(state, 1, withdrawn), unreadable, starting, deposited, cleaned)
            assert answer(job, verb, roles) == expected


OWNERS_VERBS = {
    Verb.APPROVE, Verb.REJECT, Verb.DEPOSIT, Verb.RERUN, Verb.SHARE, Verb.CLEAN, Verb.CANCEL,
}  # fmt: skip


@pytest.mark.parametrize("state", list(JobState))
def test_no_other_role_does_what_is_the_owners(state):
    job = JobFacts("N", Position(state))
    for verb in OWNERS_VERBS:
        assert answer(job, verb, {Role.SUBMITTER}) != "yes"
        assert answer(job, verb, set()) != "yes"
    assert answer(job, Verb.WITHDRAW, {Role.OWNER, Role.RUNNER}) != "yes"
    assert answer(job, Verb.START, {Role.OWNER, Role.SUBMITTER}) != "yes"


def test_a_bounded_model_of_a_submitter_who_moves_markers_freely():
    """Every state that one place reaches within a few steps: the owner's state moves by the owner's hand only."""
    start = (frozenset[Fact](), frozenset({Fact(FactKind.SUBMITTED)}))
    seen = {start}
    ahead = deque([(start, 0)])
    while ahead:
        (ledger, markers), depth = ahead.popleft()
        here = derive_state([*ledger, *markers])
        assert here.state is not JobState.QUEUED or any(f.kind in PERMITS for f in ledger)
        if depth == 8:
            continue
        after: list[tuple[frozenset[Fact], frozenset[Fact]]] = []
        for verb, event in (
            (Verb.APPROVE, Event.APPROVED),
            (Verb.REJECT, Event.REJECTED),
            (Verb.CANCEL, Event.CANCELLED),
            (Verb.FINISH, Event.FINISHED),
            (Verb.RERUN, Event.ATTEMPT_PERMITTED),
            (Verb.START, Event.RUNNING),
        ):
            if answer(JobFacts("N", here), verb, {Role.OWNER, Role.RUNNER}) != "yes":
                continue
            row = check_transition(JobFacts("N", here), verb, {Role.OWNER, Role.RUNNER})
            recorded = EVENTS[event].recorded_attempt(row.attempt_after(here))
            fact = EVENTS[event].fact_of(recorded, "succeeded")
            assert fact is not None
            after.append((ledger | {fact}, markers | {fact}))
            assert height(list(ledger | {fact} | markers)) > height(list(ledger | markers))
        # The submitter removes any marker, and lays any that the owner ever sealed for this submission back.
        after += [(ledger, markers - {fact}) for fact in markers]
        after += [(ledger, markers | {fact}) for fact in ledger - markers]
        after += [(ledger, markers | {Fact(FactKind.WITHDRAWN)})]
        for moved in after:
            if moved[0] == ledger and Fact(FactKind.WITHDRAWN) not in moved[1] ^ markers and ledger:
                assert height(list(moved[0] | moved[1])) == height(list(ledger | markers))
            if moved not in seen:
                seen.add(moved)
                ahead.append((moved, depth + 1))
    assert len(seen) > 1000
