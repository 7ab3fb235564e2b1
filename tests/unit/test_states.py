from __future__ import annotations

import itertools

import pytest

from syft_job.model.states import (
    FINISHED,
    OUTCOMES,
    RANKS,
    STATE_LABELS,
    UNREADABLE,
    Fact,
    FactKind,
    JobFacts,
    JobState,
    Position,
    derive_state,
)

S = JobState


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ([], Position(S.CREATED)),
        ([Fact(FactKind.SUBMITTED)], Position(S.SUBMITTED)),
        ([Fact(FactKind.APPROVED)], Position(S.QUEUED)),
        ([Fact(FactKind.SUBMITTED), Fact(FactKind.WITHDRAWN)], Position(S.CANCELLED, 1, withdrawn=True)),
        ([Fact(FactKind.WITHDRAWN)], Position(S.CANCELLED, 1, withdrawn=True)),
        ([Fact(FactKind.APPROVED), Fact(FactKind.WITHDRAWN)], Position(S.CANCELLED, 1, withdrawn=True)),
        ([Fact(FactKind.RUNNING), Fact(FactKind.WITHDRAWN)], Position(S.RUNNING, 1, withdrawn=True)),
        ([Fact(FactKind.DONE, 1, "succeeded"), Fact(FactKind.WITHDRAWN)], Position(S.SUCCEEDED, 1, withdrawn=True)),
        ([Fact(FactKind.DONE, 1, "failed")], Position(S.FAILED)),
        ([Fact(FactKind.DONE, 1, "timed_out")], Position(S.TIMED_OUT)),
        ([Fact(FactKind.DONE, 1, "lost")], Position(S.LOST)),
        ([Fact(FactKind.DONE, 1, "cancelled")], Position(S.CANCELLED)),
        ([Fact(FactKind.DONE, 1, "succeeded"), Fact(FactKind.CANCELLED)], Position(S.CANCELLED)),
        ([Fact(FactKind.APPROVED), Fact(FactKind.REJECTED)], Position(S.REJECTED)),
        ([Fact(FactKind.CANCELLED), Fact(FactKind.REJECTED)], Position(S.REJECTED)),
        ([Fact(FactKind.REJECTED), Fact(FactKind.APPROVED, 2)], Position(S.QUEUED, 2)),
        ([Fact(FactKind.DONE, 1, "failed"), Fact(FactKind.PERMITTED, 2)], Position(S.QUEUED, 2)),
        (
            [Fact(FactKind.DONE, 1, "failed"), Fact(FactKind.PERMITTED, 2), Fact(FactKind.WITHDRAWN)],
            Position(S.CANCELLED, 2, withdrawn=True),
        ),
        (
            [Fact(FactKind.PERMITTED, 2), Fact(FactKind.DONE, 1, "failed"), Fact(FactKind.RUNNING, 2)],
            Position(S.RUNNING, 2),
        ),
        # Not permitted: nothing says that there may be a second attempt.
        ([Fact(FactKind.RUNNING, 2)], Position(S.CREATED)),
        ([Fact(FactKind.DONE, 1, "failed"), Fact(FactKind.DONE, 2, "succeeded")], Position(S.FAILED)),
        ([Fact(FactKind.REJECTED, 5), Fact(FactKind.SUBMITTED)], Position(S.SUBMITTED)),
        # A stale marker of the first attempt loses.
        (
            [
                Fact(FactKind.PERMITTED, 2),
                Fact(FactKind.REJECTED),
                Fact(FactKind.CANCELLED),
                Fact(FactKind.DONE, 1, "lost"),
            ],
            Position(S.QUEUED, 2),
        ),
    ],
)
def test_the_state_is_that_of_the_highest_fact(facts: list[Fact], expected: Position):
    for order in itertools.permutations(facts):
        assert derive_state(order) == expected


def test_the_labels_cover_every_state_and_the_nine_platform_words():
    assert set(STATE_LABELS) == set(JobState)
    assert {labels.status for labels in STATE_LABELS.values()} == {
        "arriving", "inbox", "approved", "running", "done", "cancelled", "rejected",
    }  # fmt: skip
    assert {labels.backend for labels in STATE_LABELS.values()} == {
        "pending", "running", "successful", "failed", "finished_unknown",
    }  # fmt: skip


def test_a_rejection_outranks_an_approval_and_the_owner_the_submitter():
    order = sorted(RANKS, key=RANKS.__getitem__)
    assert set(RANKS) == set(FactKind)
    assert order.index(FactKind.APPROVED) < order.index(FactKind.WITHDRAWN) < order.index(FactKind.RUNNING)
    assert order.index(FactKind.RUNNING) < order.index(FactKind.DONE)
    assert order[-2:] == [FactKind.CANCELLED, FactKind.REJECTED]
    assert RANKS[FactKind.PERMITTED] == RANKS[FactKind.APPROVED]


def test_terminal_and_finished():
    assert {S.SUCCEEDED, S.FAILED, S.TIMED_OUT, S.LOST} == FINISHED
    assert {state for state in S if state.is_terminal} == FINISHED | {S.CANCELLED, S.REJECTED}
    assert {state for state in S if state.is_finished} == FINISHED
    assert set(OUTCOMES.values()) == FINISHED | {S.CANCELLED}


def test_every_kind_of_fact_stands_for_a_state():
    for kind in FactKind:
        outcome = "failed" if kind is FactKind.DONE else ""
        assert Fact(kind, 1, outcome).state in JobState


def test_the_facts_of_an_unreadable_job_name_no_state():
    job = JobFacts("N", Position(S.SUBMITTED), is_unreadable=True)
    assert job.source == job.status == UNREADABLE
    job = JobFacts("N", Position(S.SUBMITTED))
    assert (job.source, job.status) == (S.SUBMITTED, "inbox")
