from __future__ import annotations

from pathlib import Path

import pytest

from syft_job.errors import JobNotFoundError
from syft_job.job import JobInfo
from syft_job.jobs import JobsList

OMAR, ADA, ABE = "omar@example.org", "ada@example.org", "abe@example.org"


def job(name: str, owner: str = OMAR, submitter: str = ADA) -> JobInfo:
    return JobInfo(name, owner, "inbox", submitter, Path("/none", owner, submitter, name), None, OMAR)  # type: ignore[arg-type]


@pytest.mark.conformance(60)
def test_names_with_and_without_their_bearers():
    jobs = JobsList([job("N"), job("N", submitter=ABE), job("M"), job("N", owner=ABE)], OMAR)
    assert jobs["M"] is jobs[2]
    assert jobs[f"{ABE}/N"] is jobs[1]
    assert jobs[f"{ABE}/{ADA}/N"] is jobs[3]
    with pytest.raises(JobNotFoundError) as error:
        jobs["N"]
    assert all(name in str(error.value) for name in (f"{OMAR}/{ADA}/N", f"{OMAR}/{ABE}/N", f"{ABE}/{ADA}/N"))
    with pytest.raises(ValueError, match="2 jobs"):
        jobs[f"{ADA}/N"]


def test_a_slice_is_a_list_of_its_own():
    jobs = JobsList([job("a"), job("b"), job("c")], OMAR, notes=["more"])
    part = jobs[::-1]
    assert [one.name for one in part] == ["c", "b", "a"]
    assert part["a"] is part[2]
    assert (part.root_email, part.notes, len(jobs[5:])) == (OMAR, ("more",), 0)
    assert "more" in str(jobs)


def test_membership_and_truth():
    jobs = JobsList([job("a")], OMAR)
    assert job("a") in jobs
    assert job("b") not in jobs
    assert "a" not in jobs
    assert len({job("a"), job("a"), job("b")}) == 2
    with pytest.raises(TypeError):
        jobs[True]


def test_hostile_text_in_a_row_stays_one_row():
    text = str(JobsList([job("evil\n[0] ✅ good (approved) x\x1b[2J\u202e")], OMAR))
    assert text.count("[0]") == 2
    assert not {"\x1b", "\u202e"} & set(text)
    assert sum(line.startswith("[0]") for line in text.splitlines()) == 1
