"""The key of a job, and the path of its directory."""

from __future__ import annotations

from pathlib import Path

import pytest

from syft_job.errors import UnreadableJob
from syft_job.model.job_ref import JobRef, parse_location, require_valid

ROOT = Path("/box")
JOB_REF = JobRef("omar@example.org", "ada@example.org", "Data Analysis")


def test_a_job_ref_is_a_path_and_back():
    assert JOB_REF.under(ROOT) == Path("/box/omar@example.org/app_data/job/ada@example.org/Data Analysis")
    assert parse_location(ROOT, JOB_REF.under(ROOT)) == JOB_REF
    assert str(JOB_REF) == "ada@example.org/Data Analysis"


@pytest.mark.parametrize(
    "path",
    [
        "/elsewhere/omar@example.org/app_data/job/ada@example.org/x",
        "/box",
        "/box/omar@example.org/app_data/job/ada@example.org",
        "/box/omar@example.org/app_data/job/ada@example.org/x/y",
        "/box/omar@example.org/app_data/jobs/ada@example.org/x",
        "/box/omar@example.org/other/job/ada@example.org/x",
        "/box/Omar@example.org/app_data/job/ada@example.org/x",
        "/box/omar@example.org/app_data/job/ada/x",
        "/box/omar@example.org/app_data/job/ada@example.org/..",
        "/box/omar@example.org/app_data/job/ada@example.org/.hidden",
    ],
)
def test_a_path_of_no_job_directory_is_unreadable(path: str):
    with pytest.raises(UnreadableJob):
        parse_location(ROOT, Path(path))


@pytest.mark.parametrize("name", ["a/b", "..", "", "x\n", "con", "-x", "e\u0301", "x\u202ey", "x" * 81, "x.", "\udcff"])
def test_names_that_syft_job_would_not_write_are_unreadable(name: str):
    with pytest.raises(UnreadableJob):
        require_valid(JOB_REF._replace(name=name))
