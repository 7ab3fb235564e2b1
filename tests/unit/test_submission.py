from __future__ import annotations

import json
import os
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from syft_job import Duration, JobResources, Memory, SubmissionLimits
from syft_job.errors import InvalidSubmission, JobExists, PathMissing
from syft_job.exchange import submission_source
from syft_job.testing import TwoPeople


@pytest.fixture
def people(tmp_path: Path) -> Iterator[TwoPeople]:
    with TwoPeople(tmp_path) as both:
        yield both


def test_what_stays_home_is_said(tmp_path: Path):
    lines: list[str] = []
    code = tmp_path / "code"
    for path in (
        "main.py",
        ".git/config",
        ".venv/bin/x",
        "dist/a.whl",
        "logs/x",
        "a.log",
        "b.tmp",
        "syft.pub.yaml",
        "n/m.py",
    ):
        (code / path).parent.mkdir(parents=True, exist_ok=True)
        (code / path).write_text("x")
    with TwoPeople(tmp_path / "people", announce=lines.append) as people:
        location = people.submitter.submit_python_job(people.owner_email, code, "N")
    files = json.loads((location / "config.yaml").read_bytes())["files"]
    assert set(files) == {"run.sh", "code/main.py", "code/n/m.py"}
    for name in (".git", ".venv", "dist", "logs", "a.log", "b.tmp", "syft.pub.yaml"):
        assert any(name in line for line in lines), name


def test_links_and_fifos_are_refused(people: TwoPeople, tmp_path: Path):
    code = tmp_path / "code"
    code.mkdir()
    (code / "main.py").write_text("1")
    os.mkfifo(code / "pipe")
    with pytest.raises(InvalidSubmission, match="FIFO"):
        people.submitter.submit_python_job(people.owner_email, code, "N")
    os.mkfifo(tmp_path / "main.py")
    with pytest.raises(InvalidSubmission):
        people.submitter.submit_python_job(people.owner_email, tmp_path / "main.py", "N")
    with pytest.raises(PathMissing):
        people.submitter.submit_bash_job(people.owner_email, tmp_path / "main.py", "N")
    assert list(people.location("N").parent.iterdir()) == []


def test_limits_hold_when_submitting(tmp_path: Path):
    with TwoPeople(tmp_path, limits=SubmissionLimits(files=3, total_bytes=200)) as people:
        for files in ({"main.py": "1", "a.py": "", "b.py": ""}, {"main.py": "x" * 300}):
            with pytest.raises(InvalidSubmission, match=r"at most|longer than"):
                people.submit_code(files, name="N")
        assert people.owner.jobs.jobs == []


def test_an_owner_who_is_not_here_is_missing(people: TwoPeople):
    with pytest.raises(FileNotFoundError, match="no datasite"):
        people.submitter.submit_bash_job("nobody@example.org", "true\n", "N")
    assert not (people.root / "nobody@example.org").exists()


def test_everything_asked_for_is_written_down(people: TwoPeople):
    location = people.submit_code(
        {"main.py": "1\n"},
        name="N",
        dependencies=["numpy>=2", "$(touch /tmp/x)"],
        resources=JobResources(time_limit=Duration.parse("2h"), memory=Memory.parse("1G"), cpu_count=2),
        datasets=["people"],
        metadata={"study": {"year": 2026}},
    )
    said = json.loads((location / "config.yaml").read_bytes())
    assert said["dependencies"] == ["numpy>=2", "$(touch /tmp/x)"]
    assert (said["resources"]["time_limit"], said["resources"]["cpu_count"]) == (7200, 2)
    assert (said["datasets"], said["metadata"]) == (["people"], {"study": {"year": 2026}})
    assert said["owner_key"] == people.owner.home.key().public
    assert people.submitters_job("N").verify().ok


def test_two_submissions_of_one_text_are_two(people: TwoPeople):
    nonces = {json.loads((people.submit(name=name) / "config.yaml").read_bytes())["nonce"] for name in ("a", "b")}
    assert len(nonces) == 2


@pytest.mark.parametrize("name", ["main.py", "with space.py", "it's.py", "$(x).py", "-rf.py"])
def test_the_start_script_quotes_its_entrypoint(tmp_path: Path, name: str):
    (tmp_path / name).write_text("1")
    source = submission_source.python_source(tmp_path / name, None)
    assert shlex.split(source.texts["run.sh"].decode().splitlines()[-1])[-1] == f"code/{name}"


def test_a_name_that_is_taken_by_a_file_is_taken(people: TwoPeople):
    people.location("N").write_text("a file")
    with pytest.raises(JobExists):
        people.submit(name="n")
