"""A workspace that a runner left behind: it counts only where it holds exactly what was approved."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from syft_job import fs
from syft_job.exchange import job_reader
from syft_job.execution.attempt_operations import JOB
from syft_job.runner import workspace
from syft_job.runner.attempt_files import Attempt
from syft_job.testing import TwoPeople

SCRIPT = "#!/bin/bash\necho whole\n"


@pytest.fixture
def people(tmp_path: Path) -> Iterator[TwoPeople]:
    with TwoPeople(tmp_path) as both:
        yield both


def copied(people: TwoPeople) -> Callable[[], Path]:
    """An approved job, and what brings it into its workspace."""
    people.submit(SCRIPT, "Night")
    job = people.owner.jobs["Night"]
    job.approve()
    look = job_reader.look(people.root, job.record.place, people.owner.participant)
    attempt = Attempt(people.owner.participant, job.record.place, job.id, 1)

    def create_workspace() -> Path:
        workspace.create_workspace(attempt, look)
        return attempt.workspace / JOB

    return create_workspace


@pytest.mark.parametrize("left", ["", "#!/bin/bash\necho other\n"])
def test_what_a_power_cut_left_torn_is_copied_anew(people, left: str):
    create_workspace = copied(people)
    (create_workspace() / "run.sh").write_text(left)
    assert (create_workspace() / "run.sh").read_text() == SCRIPT


def test_a_file_that_is_not_part_of_the_submission_does_not_stay(people):
    create_workspace = copied(people)
    (create_workspace() / "sitecustomize.py").write_text("stranger")
    assert not (create_workspace() / "sitecustomize.py").exists()


def test_a_link_in_the_place_of_a_file_is_not_run(people, tmp_path):
    create_workspace = copied(people)
    (tmp_path / "same").write_text(SCRIPT)
    script = create_workspace() / "run.sh"
    script.unlink()
    script.symlink_to(tmp_path / "same")
    assert not (create_workspace() / "run.sh").is_symlink()


def test_a_whole_one_is_used_as_it_is(people):
    create_workspace = copied(people)
    before = (create_workspace() / "run.sh").stat().st_ino
    assert (create_workspace() / "run.sh").stat().st_ino == before


def test_a_large_file_is_hashed_as_it_is_copied(tmp_path):
    data = bytes(range(251)) * 40_000  # several pieces, and no round number of them
    (tmp_path / "large").write_bytes(data)
    with fs.open_directory(tmp_path) as place:
        said = fs.copy_file(place, "large", place, "copied", max_bytes=len(data))
        assert fs.hash_file(place, "copied", max_bytes=len(data)) == said
    assert said == (len(data), hashlib.sha256(data).hexdigest())
    assert (tmp_path / "copied").read_bytes() == data
