"""Misleading states after the merge: what a list lacks must not decide what a name means (threat 4)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from syft_job import SubmissionLimits, get_client
from syft_job.errors import JobNotFoundError, SyftJobError
from syft_job.testing import TwoPeople
from tests.security.test_budgets import EVE, lay, manifest

LIMITS = SubmissionLimits(unfinished=3)


@pytest.fixture
def people(tmp_path: Path) -> Iterator[TwoPeople]:
    with TwoPeople(tmp_path, limits=LIMITS) as both:
        (both.root / EVE).mkdir()
        both.owner.setup_ds_job_folder_as_do(EVE)
        yield both


def test_threat_4_a_name_is_ambiguous_where_the_list_lacks_the_other_job(people: TwoPeople):
    """A job above the limit of waiting jobs was not listed, so its name alone meant another submitter's job."""
    for number in range(5):
        people.submit(name=f"Tides {number}")
    lay(people, "Tides 4", manifest("Tides 4"))
    lay(people, "Alone", manifest("Alone"))
    client = get_client(people.root, people.owner_email, limits=LIMITS)
    assert [job.submitted_by for job in client.jobs if job.name == "Tides 4"] == [EVE]
    with pytest.raises(JobNotFoundError, match=r"'Tides 4' matches 2 jobs.*ada@example\.org/Tides 4"):
        client.jobs["Tides 4"]
    with pytest.raises(JobNotFoundError, match="2 jobs"):
        client.jobs[:]["Tides 4"]
    with pytest.raises(SyftJobError, match=r"matches 2 jobs.*ada@example\.org/Tides 4"):
        client.find_job("Tides 4")
    assert client.jobs[f"{EVE}/Tides 4"].submitted_by == EVE
    assert client.find_job(f"{people.submitter_email}/Tides 4").submitted_by == people.submitter_email
    assert client.jobs["Alone"].submitted_by == EVE
    assert client.find_job("Alone").submitted_by == EVE


def test_threat_16_a_directory_whose_name_is_no_utf_8_ends_in_words(people: TwoPeople):
    """`history`, `verify` and `review` of one ended in a UnicodeEncodeError."""
    people.submit(name="Honest")
    strange = os.fsencode(people.location("Honest").parent) + b"/\xff\xfe"
    os.mkdir(strange)
    Path(os.fsdecode(strange), "config.yaml").write_bytes(manifest("Strange"))
    for email in (people.owner_email, people.submitter_email):
        client = get_client(people.root, email, limits=LIMITS)
        [job] = [job for job in client.jobs if job.name != "Honest"]
        assert job.status == "unreadable"
        assert job.history == []
        assert "cannot be the name of a job" in str(job.verify())
        assert "cannot be the name of a job" in str(job.review())
