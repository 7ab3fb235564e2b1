from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from syft_job import fs
from syft_job.exchange import job_contents, job_reader, marker_check, transitions
from syft_job.format.markers import make, to_bytes
from syft_job.model.states import Fact, FactKind, JobState, Position
from syft_job.testing import TwoPeople


@pytest.fixture
def people(tmp_path: Path) -> Iterator[TwoPeople]:
    with TwoPeople(tmp_path) as both:
        yield both


def test_an_unpermitted_marker_of_a_later_attempt_does_not_hide_that_all_files_are_here(people: TwoPeople):
    """`rejected` 2 arrives before `approved` 2, which permits the second attempt."""
    location, place = people.submit(name="N"), people.place("N")
    job = people.owner_job("N")
    for client in (people.owner, people.submitter):
        key = people.owner.home.key()
        for kind in ("rejected", "running", "cancelled"):
            (location / kind).write_bytes(to_bytes(make(kind, place, key, digest=job.digest, attempt=2)))
            full = job_reader.look(people.root, place, client.participant).record
            # The owner's ledger permits no second attempt; others must take the owner's seal for a permit under way.
            expected = {"rejected": JobState.REJECTED, "running": JobState.RUNNING, "cancelled": JobState.CANCELLED}
            wanted = JobState.SUBMITTED if client is people.owner else expected[kind]
            assert client.jobs["N"].state is full.state is wanted, kind
            (location / kind).unlink()


def test_a_look_opens_no_descriptor_for_good(people: TwoPeople):
    location = people.submit(name="N")
    os.mkfifo(location / "done")
    (location / "attempts").symlink_to("/etc")
    before = os.listdir("/proc/self/fd")
    for client in (people.owner, people.submitter):
        job_reader.look(people.root, people.place("N"), client.participant)
    assert os.listdir("/proc/self/fd") == before


def test_how_many_files_are_here(people: TwoPeople):
    location = people.submit_code({"main.py": "1\n", "empty.py": "", "sub/deep.py": "22\n"}, name="N")
    seen = []
    for path in ("code/main.py", "code/sub/deep.py", "code/empty.py", "run.sh"):
        (location / path).unlink()
        record = job_reader.look(people.root, people.place("N"), people.owner.participant).record
        seen.append((record.have, record.total))
    assert seen == [(3, 4), (2, 4), (2, 4), (1, 4)]


def test_a_folder_without_config_is_arriving_and_says_so(people: TwoPeople):
    location = people.location("N")
    location.mkdir(parents=True)
    (location / "run.sh").touch()
    record = people.owner_job("N").record
    assert (record.status, record.total) == ("arriving", 0)
    assert "config.yaml has not arrived yet" in record.findings


def test_a_job_refused_before_its_config_arrived_is_refused_for_its_submitter_too(people: TwoPeople):
    location = people.location("N")
    location.mkdir(parents=True)
    (location / "run.sh").touch()
    people.owner_job("N").reject("no")
    assert people.owner_job("N").state is JobState.REJECTED
    assert people.submitters_job("N").state is JobState.REJECTED


def test_unlisted_files_are_named_and_litter_is_not(people: TwoPeople):
    location = people.submit_code({"main.py": "1\n"}, name="N")
    for path in ("beside.txt", "code/more.py", "code/.x.tmp", "outputs/r", "approved"):
        (location / path).parent.mkdir(exist_ok=True)
        (location / path).touch()
    look = job_reader.look(people.root, people.place("N"), people.owner.participant)
    assert look.spec is not None
    with fs.open_directory(location) as opened:
        assert sorted(job_contents.unlisted(opened, look.spec, people.owner.participant.limits)) == [
            "beside.txt",
            "code/more.py",
        ]


def test_which_markers_should_lie_in_the_folder():
    said = [
        Fact(FactKind.APPROVED),
        Fact(FactKind.REJECTED),
        Fact(FactKind.APPROVED, 2),
        Fact(FactKind.DONE, 2, "failed"),
        Fact(FactKind.PERMITTED, 3),
    ]
    expected = marker_check.expected(said, Position(JobState.QUEUED, 3))
    assert expected == [Fact(FactKind.APPROVED, 2), Fact(FactKind.PERMITTED, 3)]
    assert marker_check.expected(said[:2], Position(JobState.REJECTED)) == said[:2]


def test_an_owner_without_a_home_still_reads(people: TwoPeople, tmp_path: Path):
    from syft_job import get_client

    people.submit(name="N")
    people.owner_job("N").approve()
    transitions.restore(people.owner.participant, people.place("N"))
    os.environ["SYFT_JOB_HOME"] = str(tmp_path / "elsewhere")
    fresh = get_client(people.root, people.owner_email)
    job = fresh.jobs["N"]
    assert job.state is JobState.SUBMITTED
    assert job.findings
    assert not fresh.home.path.exists()
