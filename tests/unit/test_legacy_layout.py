from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import syft_job
from syft_job import fs
from syft_job.exchange import job_reader, listed_files
from syft_job.exchange.legacy_layout import UNSIGNED_LAYOUT, FileDigests, NotHashed, hash_files
from syft_job.format.manifest import SubmissionLimits, files_digest
from syft_job.model.job_record import SIGNED_LAYOUT
from syft_job.model.states import JobState
from syft_job.testing import TwoPeople


@pytest.fixture
def people(tmp_path: Path) -> Iterator[TwoPeople]:
    with TwoPeople(tmp_path) as both:
        yield both


def unsigned_job(people: TwoPeople, name: str = "Old") -> Path:
    location = people.location(name)
    location.mkdir(parents=True)
    (location / "config.yaml").write_text(f"name: {name}\nsubmitted_by: ada@example.org\n")
    (location / "run.sh").write_text("echo fine\n")
    return location


def test_a_directory_without_signatures_yields_the_same_snapshot_type(people: TwoPeople):
    unsigned_job(people)
    people.submit(name="New")
    for name, layout in (("Old", UNSIGNED_LAYOUT), ("New", SIGNED_LAYOUT)):
        snapshot = job_reader.look(people.root, people.place(name), people.owner.participant)
        assert isinstance(snapshot, job_reader.JobSnapshot)
        assert (snapshot.record.layout, snapshot.record.state) == (layout, JobState.SUBMITTED)
        assert snapshot.spec is not None
        assert "run.sh" in snapshot.spec.files
        assert (snapshot.record.have, snapshot.record.total) == (len(snapshot.spec.files),) * 2


def test_its_digest_covers_the_files_that_are_there(people: TwoPeople):
    location = unsigned_job(people)
    limits = people.owner.participant.limits
    snapshot = job_reader.look(people.root, people.place("Old"), people.owner.participant)
    assert snapshot.spec is not None
    assert snapshot.record.digest == files_digest(snapshot.spec.files)
    with fs.open_directory(location) as job_fd:
        assert listed_files.is_same_file_set(snapshot, job_fd, limits)
        (location / "approved").touch()
        assert listed_files.is_same_file_set(snapshot, job_fd, limits)
        (location / "more.py").touch()
        assert not listed_files.is_same_file_set(snapshot, job_fd, limits)


def test_files_beside_a_manifest_that_lists_its_files_never_belong_to_the_job(people: TwoPeople):
    location = people.submit(name="New")
    (location / "more.py").touch()
    snapshot = job_reader.look(people.root, people.place("New"), people.owner.participant)
    with fs.open_directory(location) as job_fd:
        assert listed_files.is_same_file_set(snapshot, job_fd, people.owner.participant.limits)


def test_an_empty_approval_starts_nothing_and_an_empty_done_shows_as_done(people: TwoPeople):
    location = unsigned_job(people)
    (location / "approved").touch()
    record = people.owner_job("Old").record
    assert (record.state, record.status, record.has_forged_approval) == (JobState.SUBMITTED, "approved", True)
    (location / "done").touch()
    assert people.owner_job("Old").record.state is JobState.SUCCEEDED


def test_cached_digests_hash_a_file_once_per_change_and_no_more_than_allowed(tmp_path: Path):
    (tmp_path / "run.sh").write_bytes(b"x" * 100)
    digests = FileDigests(settles=-1)
    with fs.open_directory(tmp_path) as job_fd:
        with pytest.raises(NotHashed, match="100 bytes is more than may be hashed now"):
            hash_files(job_fd, SubmissionLimits(), digests)
        digests.allow(100)
        first = hash_files(job_fd, SubmissionLimits(), digests)
        assert hash_files(job_fd, SubmissionLimits(), digests) == first
        (tmp_path / "run.sh").write_bytes(b"y" * 101)
        with pytest.raises(NotHashed):
            hash_files(job_fd, SubmissionLimits(), digests)


def test_only_the_adapter_knows_the_layout_by_name():
    package = Path(syft_job.__file__).parent
    naming = {
        str(path.relative_to(package))
        for path in package.rglob("*.py")
        if "UNSIGNED_LAYOUT" in path.read_text("utf-8") or "Layout(is_signed=False" in path.read_text("utf-8")
    }
    assert naming == {"exchange/legacy_layout.py"}
