from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from syft_job.errors import UnreadableJob
from syft_job.job import JobInfo
from syft_job.model.states import JobState
from syft_job.testing import TwoPeople


@pytest.fixture
def people(tmp_path: Path) -> Iterator[TwoPeople]:
    with TwoPeople(tmp_path) as both:
        both.submit(name="N")
        yield both


def test_a_job_made_by_hand_is_live_where_its_folder_is(people: TwoPeople):
    job = JobInfo(
        "N", people.owner_email, "done", people.submitter_email, people.location("N"), people.owner, people.owner_email
    )
    assert (job.status, job.state) == ("inbox", JobState.SUBMITTED)
    job.approve()
    assert job.status == "approved"
    assert job == people.owner_job("N")


def test_a_job_that_is_nowhere_tells_its_given_status_and_refuses_the_rest(people: TwoPeople):
    job = JobInfo("N", "o@example.org", "quantum", "s@example.org", Path("/none"), people.owner, "o@example.org")
    assert (job.status, job.output_paths, job.files) == ("quantum", [], [])
    assert str(job.stdout) == "No stdout available - job not completed yet"
    for verb in (job.approve, job.rerun, job.verify, lambda: job.reject("x")):
        with pytest.raises(UnreadableJob):
            verb()


def test_ids_differ_and_stay(people: TwoPeople):
    people.submit(name="M")
    ids = {people.owner_job(name).id for name in ("N", "M")}
    assert len(ids) == 2
    assert people.submitters_job("N").id in ids
    people.owner_job("N").approve()
    assert people.owner_job("N").id in ids


def test_a_vanished_job_keeps_its_last_state_and_refuses_verbs(people: TwoPeople):
    job = people.owner_job("N")
    job.reject("no")
    job.clean()
    assert job.status == "rejected"
    assert (job.files, job.output_paths) == ([], [])
    for verb in (job.verify, job.approve, lambda: job.history):
        with pytest.raises((ValueError, LookupError)):
            verb()


def test_history_tells_who_and_why(people: TwoPeople):
    job = people.owner_job("N")
    job.reject("not this table")
    job.approve(reason="after all", share_outputs=True)
    told = [str(said) for said in job.history]
    assert "submitted by ada@example.org" in told[0]
    assert "not this table" in told[1]
    assert "after all" in told[2]
    assert "outputs to ada@example.org" in told[2]
    assert any("not this table" in str(said) for said in people.submitters_job("N").history)


def test_sharing_names_people(people: TwoPeople):
    job = people.owner_job("N")
    with pytest.raises(ValueError):
        job.approve(share_outputs=["nobody"])
    assert job.status == "inbox"
    with pytest.raises(ValueError):
        job.share_outputs(["ada@example.org"])
