from __future__ import annotations

from pathlib import Path

import pytest

from syft_job.model.job_record import JobRecord, StatusTransition
from syft_job.model.job_ref import JobRef
from syft_job.model.states import STATE_LABELS, JobState, Position

PLACE = JobRef("omar@example.org", "ada@example.org", "Data Analysis")


def record(state: JobState, **more: object) -> JobRecord:
    return JobRecord(PLACE, "0" * 32, "d" * 64, Position(state, 2))._replace(**more)  # type: ignore[arg-type]


@pytest.mark.parametrize("state", list(JobState))
def test_the_status_is_the_tables_word(state: JobState):
    assert record(state).status == STATE_LABELS[state].status


def test_an_approval_that_does_not_count_shows_as_approved_in_the_inbox_only():
    assert record(JobState.SUBMITTED, has_forged_approval=True).status == "approved"
    for state in set(JobState) - {JobState.SUBMITTED, JobState.QUEUED}:
        assert record(state, has_forged_approval=True).status == STATE_LABELS[state].status


def test_a_problem_shows_as_unreadable_until_the_owner_decided():
    for state in JobState:
        is_open = state in (JobState.CREATED, JobState.SUBMITTED)
        assert (record(state, problem="it is a list").status == "unreadable") is is_open


def test_the_names_come_from_the_place():
    found = record(JobState.QUEUED)
    assert (found.owner, found.submitter, found.name, found.attempt) == (*PLACE, 2)
    assert found.location(Path("/box")) == PLACE.under(Path("/box"))


def test_records_are_frozen_and_small():
    found = record(JobState.QUEUED)
    with pytest.raises(AttributeError):
        found.digest = "x"  # type: ignore[misc]
    assert not hasattr(found, "__dict__")
    move = StatusTransition("0" * 32, None, JobState.QUEUED, 0.0, "approved", PLACE)
    assert not hasattr(move, "__dict__")
