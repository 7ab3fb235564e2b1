"""Saying yes: threats 1 to 8, as far as no runner is needed."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from syft_job import get_client
from syft_job.errors import ChangedSinceSeen, InvalidTransition, JobNotFoundError, NotAllowed, SyftJobError
from syft_job.exchange import job_reader, transitions
from syft_job.format.signing import Key
from syft_job.home.home import Home
from syft_job.job import JobInfo
from syft_job.model.job_ref import JobRef
from syft_job.model.states import JobState
from syft_job.testing import TwoPeople

EVE = "eve@example.org"


@pytest.fixture
def people(tmp_path: Path) -> Iterator[TwoPeople]:
    with TwoPeople(tmp_path) as both:
        yield both


def submitted(people: TwoPeople, name: str = "Analysis") -> JobInfo:
    people.submit(name=name)
    return people.owner_job(name)


def is_startable(people: TwoPeople, name: str) -> bool:
    """Whether a runner would get past the act that says an attempt starts."""
    place = people.place(name)
    found = people.owner.store.get(place)
    try:
        transitions.start(people.owner.participant, place, found.id, found.digest, offered=transitions.BUBBLEWRAP)
    except SyftJobError:
        return False
    return True


# 1


@pytest.mark.conformance(5, 74)
def test_a_bare_yes_shows_as_approved_and_does_not_run(people: TwoPeople):
    job = submitted(people)
    for content in (b"", b"{}", b"junk", b"[]", b'{"attempt": 1}', b"\xff" * 70_000):
        (job.location / "approved").write_bytes(content)
        assert job.status == "approved", content
        assert people.submitters_job("Analysis").status == "approved"
        assert job.state is JobState.SUBMITTED
        assert any("approved" in finding for finding in job.findings)
        assert not is_startable(people, "Analysis")
    job.approve()
    assert job.state is JobState.QUEUED


@pytest.mark.conformance(74)
def test_a_yes_sealed_by_another_key_does_not_run(people: TwoPeople):
    job = submitted(people)
    job.approve()
    said = json.loads((job.location / "approved").read_bytes())
    other = submitted(people, "Other")
    body = {key: value for key, value in said.items() if key != "seal"} | {"digest": other.digest}
    body["seal"] = Key.generate().sign("approved", people.place("Other"), body, digest=other.digest, attempt=1)
    (other.location / "approved").write_text(json.dumps(body))
    assert other.state is JobState.SUBMITTED
    assert not is_startable(people, "Other")


@pytest.mark.conformance(74)
@pytest.mark.parametrize("marker", ["approved", "rejected", "cancelled", "done"])
def test_a_marker_moved_to_another_job_counts_for_nothing(people: TwoPeople, marker: str):
    job, other = submitted(people, "One"), submitted(people, "Two")
    job.approve()
    if marker == "rejected":
        job.reject("no")
    elif marker == "cancelled":
        job.cancel()
    elif marker == "done":
        result = people.root / "result.csv"
        result.write_text("a,b\n")
        job.accept_by_depositing_result(result)
    shutil.copy(job.location / marker, other.location / marker)
    assert other.state is JobState.SUBMITTED
    assert people.submitters_job("Two").state is JobState.SUBMITTED
    assert not is_startable(people, "Two")


@pytest.mark.conformance(74)
def test_a_yes_is_not_replayed_to_a_later_submission_of_the_name(people: TwoPeople):
    job = submitted(people)
    job.approve()
    yes = (job.location / "approved").read_bytes()
    job.cancel()
    job.clean()
    people.submit(name="Analysis")
    again = people.owner_job("Analysis")
    (again.location / "approved").write_bytes(yes)
    assert again.state is JobState.SUBMITTED
    assert any("earlier version" in finding for finding in again.findings)
    assert not is_startable(people, "Analysis")


def test_a_restored_backup_of_a_cleaned_job_does_not_run(people: TwoPeople):
    job = submitted(people)
    job.approve()
    backup = people.root / "backup"
    shutil.copytree(job.location, backup)
    job.cancel()
    job.clean()
    shutil.copytree(backup, job.location)
    again = people.owner_job("Analysis")
    assert again.state is JobState.CANCELLED
    assert not is_startable(people, "Analysis")
    with pytest.raises(InvalidTransition):
        again.rerun()


def test_a_yes_that_a_deposit_wrote_is_no_permit(people: TwoPeople, tmp_path: Path):
    job = submitted(people)
    (tmp_path / "r.csv").write_text("1\n")
    job.accept_by_depositing_result(tmp_path / "r.csv")
    (job.location / "done").unlink()
    assert job.state is JobState.SUCCEEDED
    assert not is_startable(people, "Analysis")
    with pytest.raises(InvalidTransition):
        job.rerun()


@pytest.mark.parametrize("marker", ["approved", "rejected", "cancelled", "done"])
def test_the_owners_word_is_not_unsaid_and_is_put_back(people: TwoPeople, tmp_path: Path, marker: str):
    job = submitted(people)
    if marker == "rejected":
        job.reject("no")
    elif marker == "done":
        (tmp_path / "r.csv").write_text("1\n")
        job.accept_by_depositing_result(tmp_path / "r.csv")
    else:
        job.approve()
        if marker == "cancelled":
            job.cancel()
    before, path = job.state, job.location / marker
    said = json.loads(path.read_bytes())
    for act in ("delete", "empty", "forge", "directory", "link", "fifo"):
        path.unlink()
        if act == "empty":
            path.touch()
        elif act == "forge":
            path.write_text(json.dumps(said | {"by": EVE}))
        elif act == "directory":
            (path / "inner").mkdir(parents=True)
        elif act == "link":
            path.symlink_to("/etc/passwd")
        elif act == "fifo":
            os.mkfifo(path)
        assert job.state is before
        assert people.owner_job("Analysis").state is before
        if act == "delete":
            assert any(f"'{marker}' is missing" in finding for finding in job.findings)
        transitions.restore(people.owner.participant, people.place("Analysis"))
        assert people.submitters_job("Analysis").state is before
        assert {key: value for key, value in json.loads(path.read_bytes()).items() if key not in ("seal", "at")} == {
            key: value for key, value in said.items() if key not in ("seal", "at")
        }


def test_a_permit_that_was_removed_is_told_and_put_back(people: TwoPeople):
    job = submitted(people)
    job.approve()
    job.cancel()
    job.rerun()
    shutil.rmtree(job.location / "attempts")
    assert (job.state, job.attempt) == (JobState.QUEUED, 2)
    assert any("attempt" in finding or "permit" in finding for finding in job.findings)
    transitions.restore(people.owner.participant, people.place("Analysis"))
    assert (people.submitters_job("Analysis").state, people.submitters_job("Analysis").attempt) == (JobState.QUEUED, 2)


def test_shared_that_was_removed_is_told_and_put_back(people: TwoPeople, tmp_path: Path):
    job = submitted(people)
    (tmp_path / "r.csv").write_text("1\n")
    job.accept_by_depositing_result(tmp_path / "r.csv")
    job.share_outputs([people.submitter_email])
    (job.location / "shared").unlink()
    assert any("shared" in finding for finding in job.findings)
    transitions.restore(people.owner.participant, people.place("Analysis"))
    assert [path.name for path in people.submitters_job("Analysis").output_paths] == ["r.csv"]


def test_a_refused_attempt_stays_refused_when_all_markers_are_restored(people: TwoPeople):
    job = submitted(people)
    job.approve()
    yes = (job.location / "approved").read_bytes()
    job.reject("no")
    (job.location / "rejected").unlink()
    (job.location / "approved").write_bytes(yes)
    assert job.state is JobState.REJECTED
    assert not is_startable(people, "Analysis")


def test_a_copied_home_says_that_it_is_one(people: TwoPeople):
    submitted(people).approve()
    home = people.owner.home
    copy = home.path.with_name("copy")
    shutil.copytree(home.path, copy)
    assert "copy" in (Home(copy, people.root, people.owner_email).foreign_reason() or "")
    assert home.foreign_reason() is None


# 2 and 6


@pytest.mark.conformance(75)
def test_another_config_is_another_submission(people: TwoPeople):
    job = submitted(people)
    job.approve()
    shutil.rmtree(job.location, ignore_errors=True)
    people.submit("echo something else\n", name="Analysis")
    fresh = people.owner_job("Analysis")
    assert fresh.status == "inbox"
    with pytest.raises(ChangedSinceSeen, match="changed since you looked"):
        job.approve()
    assert not (fresh.location / "approved").exists()
    fresh.approve()
    assert fresh.state is JobState.QUEUED


def test_a_config_replaced_under_a_yes_is_in_the_inbox_and_says_so(people: TwoPeople):
    job = submitted(people)
    job.approve()
    config = json.loads((job.location / "config.yaml").read_bytes()) | {"nonce": "another"}
    (job.location / "config.yaml").write_text(json.dumps(config))
    assert job.state is JobState.SUBMITTED
    assert job.status == "inbox"
    assert any("earlier version" in finding for finding in job.findings)
    assert not is_startable(people, "Analysis")


@pytest.mark.conformance(75)
@pytest.mark.parametrize("act", ["edit", "remove", "link", "rename", "directory"])
def test_a_changed_file_is_named(people: TwoPeople, act: str):
    job = submitted(people)
    job.approve()
    script = job.location / "run.sh"
    content = script.read_bytes()
    if act == "edit":
        script.write_bytes(content.replace(b"hello", b"HELLO"))
    else:
        script.rename(job.location / "RUN.SH")
        if act == "link":
            script.symlink_to("RUN.SH")
        elif act == "directory":
            script.mkdir()
        elif act == "remove":
            (job.location / "RUN.SH").unlink()
    checked = job.verify()
    assert not checked.ok
    assert any("run.sh" in line for line in checked.fails)
    assert job.state is JobState.QUEUED
    if script.is_dir():
        script.rmdir()
    elif script.is_symlink():
        script.unlink()
    script.write_bytes(content)
    assert job.verify().ok


def test_a_stale_object_cannot_act_on_a_state_that_has_moved_on(people: TwoPeople):
    job = submitted(people)
    stale, other = people.owner_job("Analysis"), people.owner_job("Analysis")
    other.reject("no")
    with pytest.raises(InvalidTransition):
        stale.reject("twice")
    other.approve()
    with pytest.raises(InvalidTransition):
        stale.approve()
    other.cancel()
    other.clean()
    for verb in (job.approve, job.rerun, stale.clean, lambda: stale.reject("x")):
        with pytest.raises(SyftJobError):
            verb()
    with pytest.raises((JobNotFoundError, InvalidTransition)):
        stale.approve()


# 4 and 5


@pytest.mark.conformance(60)
def test_a_name_that_two_jobs_bear_raises_with_both_named(people: TwoPeople):
    people.owner.setup_ds_job_folder_as_do(EVE)
    (people.root / EVE).mkdir()
    eve = get_client(people.root, EVE)
    people.submit(name="N")
    eve.submit_bash_job(people.owner_email, "true\n", "N")
    jobs = people.owner.jobs
    with pytest.raises(ValueError) as error:
        jobs["N"]
    for submitter in (people.submitter_email, EVE):
        assert f"{people.owner_email}/{submitter}/N" in str(error.value)
        assert jobs[f"{submitter}/N"].submitted_by == submitter
        assert jobs[f"{people.owner_email}/{submitter}/N"].submitted_by == submitter
    assert str(jobs).count(" N (inbox) ") == 2


@pytest.mark.conformance(63)
def test_a_time_from_the_future_is_clamped_to_now(people: TwoPeople):
    people.submit(name="honest")
    future = people.submit(name="future")
    config = json.loads((future / "config.yaml").read_bytes()) | {"submitted_at": "2099-01-01T00:00:00Z"}
    (future / "config.yaml").write_text(json.dumps(config))
    people.submit(name="later")
    record = people.owner_job("future").record
    assert record.when <= time.time()
    assert record.submitted_at == "2099-01-01T00:00:00Z"


def test_the_order_of_finished_jobs_does_not_follow_what_metadata_says(people: TwoPeople):
    people.submit(name="N", metadata={"submitted_at": "1999-01-01T00:00:00Z"})
    job = people.owner_job("N")
    claimed = job.record.submitted_at
    job.reject("no")
    assert people.owner_job("N").record.submitted_at == claimed


@pytest.mark.conformance(73)
def test_a_forged_submitter_is_ignored(people: TwoPeople):
    location = people.submit(name="N")
    config = json.loads((location / "config.yaml").read_bytes())
    (location / "config.yaml").write_text(json.dumps(config | {"submitted_by": EVE, "name": "Other"}))
    job = people.owner.jobs[0]
    assert (job.submitted_by, job.name) == (people.submitter_email, "N")
    assert EVE not in str(people.owner.jobs)


# 7


@pytest.mark.conformance(11, 20, 28, 34)
@pytest.mark.parametrize("who", ["submitter", EVE])
def test_only_the_owner_decides(people: TwoPeople, tmp_path: Path, who: str):
    (tmp_path / "r.csv").write_text("1\n")
    submitted(people, "inbox")
    done = submitted(people, "done")
    done.accept_by_depositing_result(tmp_path / "r.csv")
    who = people.submitter_email if who == "submitter" else who
    client = people.submitter if who == people.submitter_email else get_client(people.root, who)
    tree = snapshot(people.root)
    theirs = client.jobs["inbox"]
    for verb in (
        theirs.approve,
        lambda: theirs.reject("no"),
        lambda: theirs.accept_by_depositing_result(tmp_path / "r.csv"),
        client.jobs["done"].clean,
        lambda: client.jobs["done"].share_outputs([who]),
        lambda: client.jobs["done"].share_logs([who]),
    ):
        with pytest.raises(PermissionError) as error:
            verb()
        assert isinstance(error.value, NotAllowed)
    if who == EVE:
        with pytest.raises(PermissionError):
            theirs.withdraw()
    after = snapshot(people.root)
    assert {path: after[path] for path in tree} == tree
    assert {path.split("/")[0] for path in set(after) - set(tree)} <= {who}


@pytest.mark.conformance(28)
def test_rerun_is_the_owners(people: TwoPeople):
    job = submitted(people)
    job.approve()
    job.cancel()
    with pytest.raises(PermissionError):
        people.submitters_job("Analysis").rerun()
    with pytest.raises(PermissionError):
        people.submitters_job("Analysis").clean()


def snapshot(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


# 8 and the older layout


def test_the_yes_to_an_older_job_is_to_its_files(people: TwoPeople):
    location = people.location("Old")
    location.mkdir(parents=True)
    (location / "config.yaml").write_text("name: Old\nsubmitted_by: ada@example.org\n")
    (location / "run.sh").write_text("echo fine\n")
    job = people.owner_job("Old")
    job.approve()
    assert job.state is JobState.QUEUED
    (location / "run.sh").write_text("cat /etc/passwd\n")
    assert not is_startable(people, "Old")
    assert any("earlier version" in finding or "run.sh" in finding for finding in job.findings)


def test_an_older_job_can_be_approved_after_it_was_rejected(people: TwoPeople):
    location = people.location("Old")
    location.mkdir(parents=True)
    (location / "config.yaml").write_text("name: Old\n")
    (location / "run.sh").write_text("echo fine\n")
    people.owner_job("Old").reject("no")
    again = people.owner_job("Old")
    assert not again.record.layout.is_signed
    again.approve()
    assert again.state is JobState.QUEUED


def test_listing_and_looking_agree(people: TwoPeople):
    for name in ("inbox", "approved", "rejected", "cancelled"):
        job = submitted(people, name)
        if name not in {"inbox", "rejected"}:
            job.approve()
        if name == "rejected":
            job.reject("no")
        if name == "cancelled":
            job.cancel()
    for client in (people.owner, people.submitter):
        for job in client.jobs:
            place = JobRef(job.datasite_owner_email, job.submitted_by, job.name)
            full = job_reader.look(people.root, place, client.participant).record
            assert (full.position, full.id, full.digest, full.submitted_at, full.layout) == (
                job.record.position,
                job.id,
                job.digest,
                job.record.submitted_at,
                job.record.layout,
            )
