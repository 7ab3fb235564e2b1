from __future__ import annotations

from dataclasses import replace

import pytest

from syft_job.errors import InvalidTransition, NotAllowed
from syft_job.model.events import EVENTS, Event, Role
from syft_job.model.states import UNREADABLE, JobFacts, JobState, Position
from syft_job.model.transitions import TRANSITIONS, Target, Verb, check_transition, find_transition

S = JobState
SUBMITTED = JobFacts("Data Analysis", Position(S.SUBMITTED))
DONE = JobFacts("Data Analysis", Position(S.SUCCEEDED))


@pytest.mark.conformance(12)
def test_the_state_is_checked_before_the_person():
    with pytest.raises(InvalidTransition):
        check_transition(DONE, Verb.APPROVE, ())
    with pytest.raises(NotAllowed):
        check_transition(SUBMITTED, Verb.APPROVE, ())
    with pytest.raises(NotAllowed):
        check_transition(SUBMITTED, Verb.APPROVE, (Role.SUBMITTER, Role.RUNNER))
    row = check_transition(SUBMITTED, Verb.APPROVE, (Role.OWNER,))
    assert (row.verb, row.event) == (Verb.APPROVE, Event.APPROVED)


def test_a_refusal_names_job_state_and_way_out():
    with pytest.raises(InvalidTransition) as error:
        check_transition(DONE, Verb.APPROVE, (Role.OWNER,))
    assert str(error.value) == "'Data Analysis' is done, not in the inbox. To run it again: job.rerun()"
    assert error.value.context == {"name": "Data Analysis", "status": "done"}
    with pytest.raises(InvalidTransition) as error:
        check_transition(replace(SUBMITTED, is_unreadable=True), Verb.CANCEL, (Role.OWNER,))
    assert str(error.value) == "'Data Analysis' is unreadable, not approved or running."
    with pytest.raises(InvalidTransition) as error:
        check_transition(SUBMITTED, Verb.FINISH, (Role.RUNNER,))
    assert str(error.value) == "'Data Analysis' is inbox; it cannot be changed by 'finish' now."
    with pytest.raises(NotAllowed, match="Only the owner of 'Data Analysis' may approve it"):
        check_transition(SUBMITTED, Verb.APPROVE, (Role.SUBMITTER,))
    with pytest.raises(NotAllowed, match="Only the submitter of 'Data Analysis' may withdraw it"):
        check_transition(SUBMITTED, Verb.WITHDRAW, (Role.OWNER,))


def test_a_name_with_braces_is_only_a_name():
    job = JobFacts("{status} {0}", Position(S.SUBMITTED, 1), is_cleaned=True)
    with pytest.raises(InvalidTransition, match=r"'\{status\} \{0\}' is inbox and was cleaned"):
        check_transition(job, Verb.APPROVE, (Role.OWNER,))


@pytest.mark.parametrize("verb", [Verb.RERUN, Verb.APPROVE])
def test_what_was_withdrawn_opens_no_further_attempt(verb: Verb):
    for state in S:
        with pytest.raises((InvalidTransition, NotAllowed)):
            check_transition(JobFacts("N", Position(state, 1, withdrawn=True)), verb, (Role.OWNER,))


@pytest.mark.conformance(26)
def test_what_was_cleaned_or_deposited_cannot_run_again():
    check_transition(DONE, Verb.RERUN, (Role.OWNER,))
    with pytest.raises(InvalidTransition, match="cleaned"):
        check_transition(replace(DONE, is_cleaned=True), Verb.RERUN, (Role.OWNER,))
    with pytest.raises(InvalidTransition, match="cleaned"):
        check_transition(JobFacts("N", Position(S.REJECTED), is_cleaned=True), Verb.APPROVE, (Role.OWNER,))
    with pytest.raises(InvalidTransition, match="never ran"):
        check_transition(replace(DONE, is_deposited=True), Verb.RERUN, (Role.OWNER,))


def test_nothing_but_clean_is_possible_once_a_job_was_cleaned():
    for row in TRANSITIONS:
        for source in row.sources:
            state = S.SUBMITTED if source == UNREADABLE else JobState(source)
            job = JobFacts("N", Position(state), is_unreadable=source == UNREADABLE, is_cleaned=True)
            if row.verb is Verb.CLEAN:
                check_transition(job, row.verb, tuple(Role))
            else:
                with pytest.raises(InvalidTransition, match="cleaned"):
                    check_transition(job, row.verb, tuple(Role))


@pytest.mark.parametrize("verb", [Verb.REJECT, Verb.DEPOSIT])
def test_what_may_begin_any_moment_is_cancelled_and_neither_rejected_nor_answered(verb: Verb):
    queued = JobFacts("N", Position(S.QUEUED))
    check_transition(queued, verb, (Role.OWNER,))
    with pytest.raises(InvalidTransition, match=r"is about to start. To stop it: job.cancel\(\)"):
        check_transition(replace(queued, is_start_recorded=True), verb, (Role.OWNER,))
    check_transition(replace(queued, is_start_recorded=True), Verb.CANCEL, (Role.OWNER,))


def test_an_unreadable_job_can_be_refused_taken_back_or_cleaned_and_nothing_else():
    possible = set()
    for verb in Verb:
        try:
            check_transition(replace(SUBMITTED, is_unreadable=True), verb, tuple(Role))
        except InvalidTransition:
            continue
        possible.add(verb)
    assert possible == {Verb.REJECT, Verb.WITHDRAW, Verb.CLEAN}


def test_every_action_has_a_row_and_every_row_a_role_and_a_write():
    assert {row.verb for row in TRANSITIONS} == set(Verb)
    assert all(row.sources and row.roles and row.writes for row in TRANSITIONS)


def test_an_action_has_at_most_one_row_from_each_state():
    pairs = [(row.verb, source) for row in TRANSITIONS for source in row.sources]
    assert len(pairs) == len(set(pairs))
    for verb, source in pairs:
        row = find_transition(verb, source)
        assert row is not None
        assert row.verb is verb


def test_only_an_approval_after_a_rejection_and_a_rerun_open_the_next_attempt():
    opening = [(row.verb, row.sources) for row in TRANSITIONS if row.opens_next_attempt]
    assert opening == [
        (Verb.APPROVE, (S.REJECTED,)),
        (Verb.RERUN, (S.SUCCEEDED, S.FAILED, S.TIMED_OUT, S.LOST, S.CANCELLED)),
    ]
    for row in TRANSITIONS:
        expected = 4 if row.opens_next_attempt else 3
        assert row.attempt_after(Position(S.SUCCEEDED, 3)) == expected


def test_the_target_is_the_state_of_the_fact_that_the_event_contributes():
    for row in TRANSITIONS:
        fact = EVENTS[row.event].fact_of(1, "succeeded")
        if row.target is Target.UNCHANGED:
            assert fact is None
        elif row.verb is Verb.START:
            assert fact is None  # the ledger has it before anything runs; the claim makes it true
        elif row.target is not Target.OUTCOME:
            assert fact is not None
            assert fact.state is row.target


def test_the_ledger_is_written_before_every_marker_of_the_owner():
    for row in TRANSITIONS:
        if Role.SUBMITTER not in row.roles and row.verb not in (Verb.RELEASE, Verb.SHARE, Verb.START):
            published = [what for what in row.writes if what in {"approved", "rejected", "cancelled", "done"}]
            for what in published:
                assert row.writes.index("ledger") < row.writes.index(what)
