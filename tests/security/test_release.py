"""Letting out: threats 19 to 24, as far as no runner is needed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from syft_job.errors import SyftJobError
from syft_job.exchange.permissions import may_read, may_write
from syft_job.job import JobInfo
from syft_job.model.states import JobState
from syft_job.testing import TwoPeople

EVE = "eve@example.org"
SECRET = "the private table"


@pytest.fixture
def people(tmp_path: Path) -> Iterator[TwoPeople]:
    with TwoPeople(tmp_path) as both:
        yield both


@pytest.fixture
def private(tmp_path: Path) -> Path:
    folder = tmp_path / "private"
    folder.mkdir()
    (folder / "table.csv").write_text(SECRET)
    return folder


def deposited(people: TwoPeople, source: Path, name: str = "N") -> JobInfo:
    people.submit(name=name)
    job = people.owner_job(name)
    job.accept_by_depositing_result(source)
    return job


def leaked(people: TwoPeople) -> list[str]:
    return [
        str(path)
        for path in people.root.rglob("*")
        if path.is_file() and not path.is_symlink() and SECRET.encode() in path.read_bytes()
    ]


def older_done(people: TwoPeople) -> Path:
    location = people.location("Old")
    location.mkdir(parents=True)
    (location / "config.yaml").write_text("name: Old\n")
    (location / "run.sh").write_text("true\n")
    (location / "done").touch()
    return location


@pytest.mark.conformance(30, 94, 241)
@pytest.mark.parametrize("is_set_up", [True, False])
def test_before_sharing_only_the_owner_may_read(people: TwoPeople, tmp_path: Path, is_set_up: bool):
    if not is_set_up:
        (people.root / people.owner_email / "app_data" / "job" / "syft.pub.yaml").unlink()
    (tmp_path / "r.csv").write_text("1\n")
    job = deposited(people, tmp_path / "r.csv")
    datasite = people.root / people.owner_email
    for name in ("outputs", "outputs/r.csv", "stdout.txt", "stderr.txt", "returncode.txt", "logs/x"):
        for user in (people.submitter_email, EVE):
            assert not may_read(datasite, job.location / name, user)
            assert not may_write(datasite, job.location / name, user)
    for name in ("approved", "rejected", "done", "shared", "running", "cancelled", "attempts/1.json", "syft.pub.yaml"):
        assert not may_write(datasite, job.location / name, people.submitter_email)


@pytest.mark.conformance(29, 31, 32, 33)
def test_sharing_opens_what_was_named_to_whom_was_named_and_only_to_read(people: TwoPeople, tmp_path: Path):
    (tmp_path / "r.csv").write_text("1\n")
    job, other = deposited(people, tmp_path / "r.csv"), deposited(people, tmp_path / "r.csv", "Other")
    job.share_outputs([people.submitter_email])
    job.share_outputs([people.submitter_email])
    datasite = people.root / people.owner_email
    assert may_read(datasite, job.location / "outputs/r.csv", people.submitter_email)
    assert not may_read(datasite, job.location / "stdout.txt", people.submitter_email)
    assert not may_read(datasite, job.location / "outputs/r.csv", EVE)
    assert not may_read(datasite, other.location / "outputs/r.csv", people.submitter_email)
    job.share_logs([people.submitter_email, EVE])
    for user in (people.submitter_email, EVE):
        for name in ("stdout.txt", "stderr.txt", "returncode.txt"):
            assert may_read(datasite, job.location / name, user)
            assert not may_write(datasite, job.location / name, user)
        assert not may_write(datasite, job.location / "outputs/r.csv", user)
        assert not may_write(datasite, job.location / "syft.pub.yaml", user)
    assert not may_read(datasite, job.location / "outputs/r.csv", EVE)
    assert may_read(datasite, job.location / "outputs/r.csv", people.submitter_email)


@pytest.mark.conformance(21, 92)
@pytest.mark.parametrize("name", ["syft.pub.yaml", "SYFT.PUB.YAML", "a:b.csv", "con.csv"])
def test_a_result_that_cannot_travel_is_refused_before_anything_is_said(people: TwoPeople, tmp_path: Path, name: str):
    (tmp_path / name).write_text("rules: []\n")
    people.submit(name="N")
    job = people.owner_job("N")
    with pytest.raises(SyftJobError):
        job.accept_by_depositing_result(tmp_path / name)
    assert job.status == "inbox"
    assert not (job.location / "outputs").exists()
    assert not (job.location / "done").exists()
    job.approve()


@pytest.mark.conformance(92)
def test_a_folder_with_a_link_or_a_rule_file_is_refused_whole(people: TwoPeople, tmp_path: Path, private: Path):
    results = tmp_path / "results"
    results.mkdir()
    (results / "good.csv").write_text("1\n")
    people.submit(name="N")
    job = people.owner_job("N")
    for name, lay in {
        "link": lambda path: path.symlink_to(private / "table.csv"),
        "folder link": lambda path: path.symlink_to(private),
        "syft.pub.yaml": lambda path: path.write_text("rules: []\n"),
    }.items():
        lay(results / name)
        with pytest.raises(SyftJobError, match=name):
            job.accept_by_depositing_result(results)
        (results / name).unlink()
        assert job.status == "inbox"
        assert sorted(path.name for path in job.files) == ["config.yaml", "run.sh"]
        assert not list(people.owner.home.attempt_paths(job.id, 1).results.glob("outputs/*"))
    assert not leaked(people)


@pytest.mark.parametrize("source", ["..", "/", "results/.."])
def test_a_source_without_a_name_of_its_own_leaves_the_home_as_it_is(
    people: TwoPeople, tmp_path: Path, source: str, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "here" / "results").mkdir(parents=True)
    (tmp_path / "here" / "a.csv").write_text("1\n")
    monkeypatch.chdir(tmp_path / "here")
    people.submit(name="N")
    job = people.owner_job("N")
    if source == "/":
        with pytest.raises(SyftJobError):
            job.accept_by_depositing_result(source)
        return
    try:
        result = job.accept_by_depositing_result(source)
    except SyftJobError:
        assert job.status == "inbox"
        return
    assert result.parent == job.location / "outputs"
    assert result.name not in ("", "..")
    assert [path.name for path in people.owner.home.attempt_paths(job.id, 1).results.iterdir()] == ["outputs"]


@pytest.mark.conformance(92)
@pytest.mark.parametrize("what", ["outputs", "logs", "stdout.txt", "outputs/inner"])
def test_an_older_jobs_links_let_nothing_of_the_owners_out(people: TwoPeople, private: Path, what: str):
    location = older_done(people)
    (private / "stdout.txt").write_text(SECRET)
    (location / what).parent.mkdir(exist_ok=True)
    (location / what).symlink_to(private / "stdout.txt" if what == "stdout.txt" else private)
    job = people.owner_job("Old")
    assert job.status == "done"
    for share in (job.share_outputs, job.share_logs):
        try:
            share([people.submitter_email])
        except SyftJobError:
            continue
    assert not leaked(people)


def test_an_older_jobs_links_are_not_read_through(people: TwoPeople, private: Path):
    location = older_done(people)
    (private / "stdout.txt").write_text(SECRET)
    (location / "logs").symlink_to(private)
    (location / "outputs").symlink_to(private)
    job = people.owner_job("Old")
    assert SECRET not in str(job.stdout)
    assert job.output_paths == []


def test_a_deposits_outputs_that_became_a_link_are_not_followed(people: TwoPeople, tmp_path: Path, private: Path):
    (tmp_path / "r.csv").write_text("1\n")
    job = deposited(people, tmp_path / "r.csv")
    outputs = job.location / "outputs"
    outputs.rename(job.location / "aside")
    outputs.symlink_to(private)
    assert not [path for path in job.output_paths if path.name == "table.csv"]
    job.share_outputs([people.submitter_email])
    assert not leaked(people)
    assert [path.name for path in people.submitters_job("N").output_paths] == ["r.csv"]


@pytest.mark.parametrize("sort", ["sparse", "fifo"])
def test_an_older_jobs_hostile_log_neither_fills_memory_nor_blocks(people: TwoPeople, sort: str):
    import os

    location = older_done(people)
    if sort == "fifo":
        os.mkfifo(location / "stdout.txt")
    else:
        with (location / "stdout.txt").open("wb") as file:
            file.truncate(1 << 40)
    assert isinstance(str(people.owner_job("Old").stdout), str)


@pytest.mark.conformance(79)
def test_a_hostile_return_code_is_no_crash(people: TwoPeople):
    location = older_done(people)
    for content in ("", "seven", "7\n8", "ü", "9" * 5000):
        (location / "returncode.txt").write_text(content)
        assert people.owner_job("Old").returncode is None, content


@pytest.mark.conformance(22, 242)
def test_grants_end_with_a_rerun_whatever_rule_file_survives(people: TwoPeople):
    people.submit(name="N")
    job = people.owner_job("N")
    job.approve(share_outputs=True, share_logs=True)
    from syft_job.exchange import transitions

    place = people.place("N")
    transitions.start(people.owner.participant, place, job.id, job.digest, offered=transitions.BUBBLEWRAP)
    held = people.owner.home.attempt_paths(job.id, 1).results
    (held / "outputs").mkdir(parents=True)
    (held / "outputs" / "r.csv").write_text(SECRET)
    (held / "logs").mkdir()
    (held / "logs" / "stdout.txt").write_text("printed\n")
    transitions.finish(people.owner.participant, place, job.id, 1, "succeeded", digest=job.digest)
    transitions.release_promised_results(people.owner.participant, place)
    theirs = people.submitters_job("N")
    assert [path.name for path in theirs.output_paths] == ["r.csv"]
    assert str(theirs.stdout) == "printed\n"
    rules = (job.location / "syft.pub.yaml").read_bytes()
    shared = (job.location / "shared").read_bytes()
    job.rerun()
    assert not leaked(people)
    assert {path.name for path in job.files} == {"approved", "attempts", "config.yaml", "run.sh"}
    (job.location / "shared").write_bytes(shared)
    transitions.start(people.owner.participant, place, job.id, job.digest, offered=transitions.BUBBLEWRAP)
    transitions.finish(people.owner.participant, place, job.id, 2, "failed", digest=job.digest)
    (job.location / "syft.pub.yaml").write_bytes(rules)
    assert theirs.state is JobState.FAILED
    assert theirs.output_paths == []
    assert str(theirs.stdout) == "No stdout file found"


def test_shared_tells_a_grantee_nothing_of_files_that_only_another_may_read(people: TwoPeople, tmp_path: Path):
    (tmp_path / "very-telling-name.csv").write_text("1\n")
    job = deposited(people, tmp_path / "very-telling-name.csv")
    job.share_outputs([EVE])
    assert b"very-telling-name" not in (job.location / "shared").read_bytes()
    assert people.submitters_job("N").output_paths == []


@pytest.mark.conformance(73)
def test_a_forged_submitter_receives_nothing(people: TwoPeople, tmp_path: Path):
    location = people.submit(name="N")
    config = json.loads((location / "config.yaml").read_bytes()) | {"submitted_by": EVE}
    (location / "config.yaml").write_text(json.dumps(config))
    job = people.owner_job("N")
    job.approve(share_outputs=True)
    assert json.loads((location / "approved").read_bytes())["share"]["outputs"] == [people.submitter_email]


def test_done_is_told_in_one_word_and_to_the_minute(people: TwoPeople):
    from syft_job.exchange import transitions

    people.submit(name="N")
    job = people.owner_job("N")
    job.approve()
    transitions.start(people.owner.participant, people.place("N"), job.id, job.digest, offered=transitions.BUBBLEWRAP)
    transitions.finish(
        people.owner.participant, people.place("N"), job.id, 1, "failed", digest=job.digest, returncode=3
    )
    said = json.loads((job.location / "done").read_bytes())
    assert set(said) == {"at", "attempt", "digest", "outcome", "seal"}
    assert len(said["at"]) == len("2026-03-02T10:30Z")
    assert people.submitters_job("N").returncode is None
    assert "3" not in [str(item.detail) for item in people.submitters_job("N").history]


def test_an_outcome_that_is_held_back_is_not_told_by_a_listing(people: TwoPeople):
    from syft_job.exchange import transitions

    people.submit(name="N")
    job = people.owner_job("N")
    job.approve()
    transitions.start(people.owner.participant, people.place("N"), job.id, job.digest, offered=transitions.BUBBLEWRAP)
    transitions.finish(
        people.owner.participant, people.place("N"), job.id, 1, "failed", withhold_outcome=True, digest=job.digest
    )
    assert not (job.location / "done").exists()
    assert job.state is JobState.FAILED
    assert not any("done" in finding for finding in job.findings)
    assert people.submitters_job("N").state is not JobState.FAILED
    job.share_outputs([people.submitter_email])
    transitions.restore(people.owner.participant, people.place("N"))
    assert people.submitters_job("N").state is JobState.FAILED


@pytest.mark.conformance(29)
def test_a_plain_folder_says_before_it_acts_that_everybody_can_read(tmp_path: Path):
    lines: list[str] = []
    with TwoPeople(tmp_path, announce=lines.append) as people:
        (tmp_path / "r.csv").write_text("1\n")
        job = deposited(people, tmp_path / "r.csv")
        existed: list[bool] = []

        def announce(line: str) -> None:
            existed.append((job.location / "shared").exists())
            lines.append(line)

        people.owner.announce = announce
        lines.clear()
        job.share_outputs([EVE])
    assert "everybody who has it can read" in lines[0]
    assert existed == [False, True]
