"""The twelve rules of the format, one test each, and the golden directories, which must load for ever."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from syft_job import JobClient, fs, get_client
from syft_job.exchange import transitions, job_reader, job_contents
from syft_job.format import manifest
from syft_job.exchange.permissions import may_read, may_write
from syft_job.errors import BlockedCategory, ChangedSinceSeen, SyftJobError
from syft_job.model.states import JobState
from syft_job.format.markers import OWNERS
from syft_job.model.names import is_sync_artefact
from syft_job.model.job_ref import JobRef
from syft_job.format.signing import Key
from syft_job.format.manifest import SubmissionLimits
from syft_job.testing import TwoPeople

HERE = Path(__file__).parent
OMAR, ADA, EVE = "omar@example.org", "ada@example.org", "eve@example.org"


def golden_key(name: str) -> Key:
    return Key.from_bytes(base64.b64encode(hashlib.sha256(f"golden {name}".encode()).digest()))


@pytest.fixture
def people(tmp_path: Path) -> Iterator[TwoPeople]:
    with TwoPeople(tmp_path) as both:
        yield both


def golden(tmp_path: Path, version: str, email: str) -> JobClient:
    shutil.copytree(HERE / version / "box", tmp_path / "box")
    client = get_client(tmp_path / "box", email)
    client.announce = None
    if version == "v1" and email != EVE:
        client.home.make()
        (client.home.paths.private_key).write_bytes(golden_key(email.partition("@")[0]).to_bytes())
    return client


V1 = {
    "inbox": (JobState.SUBMITTED, 1, "inbox"),
    "approved": (JobState.QUEUED, 1, "approved"),
    "blocked": (JobState.QUEUED, 1, "approved"),
    "bare yes": (JobState.SUBMITTED, 1, "approved"),
    "rejected": (JobState.REJECTED, 1, "rejected"),
    "changed mind": (JobState.QUEUED, 2, "approved"),
    "withdrawn": (JobState.CANCELLED, 1, "cancelled"),
    "cancelled": (JobState.CANCELLED, 1, "cancelled"),
    "running": (JobState.RUNNING, 1, "running"),
    "succeeded": (JobState.SUCCEEDED, 1, "done"),
    "failed": (JobState.FAILED, 1, "done"),
    "timed_out": (JobState.TIMED_OUT, 1, "done"),
    "lost": (JobState.LOST, 1, "done"),
    "second attempt": (JobState.RUNNING, 2, "running"),
    "another format": (JobState.CREATED, 1, "unreadable"),
    "unknown need": (JobState.CREATED, 1, "unreadable"),
}


@pytest.mark.parametrize("email", [OMAR, ADA, EVE])
def test_golden_directories_of_version_1_load(tmp_path: Path, email: str):
    client = golden(tmp_path, "v1", email)
    seen = {job.name: (job.state, job.attempt, job.status) for job in client.jobs}
    assert seen == V1
    for job in client.jobs:
        assert job.submitted_at in (None, "2026-03-02T10:30:00.000000Z")
        assert job.verify().ok is (job.name not in ("bare yes", "another format", "unknown need")), str(job.verify())


@pytest.mark.parametrize("email", [ADA, EVE])
def test_a_golden_blocked_marker_tells_its_category(tmp_path: Path, email: str):
    jobs = golden(tmp_path, "v1", email).jobs
    assert {job.name: job.record.blocked for job in jobs if job.record.blocked} == {"blocked": BlockedCategory.STORAGE}
    assert any("blocked (storage)" in finding for finding in jobs["blocked"].findings)


def test_golden_results_are_read_by_whom_they_were_shared_with(tmp_path: Path):
    job = golden(tmp_path, "v1", ADA).jobs["succeeded"]
    assert [path.read_bytes() for path in job.output_paths] == [b"a,b\n1,2\n"]
    assert (str(job.stdout), job.returncode) == ("grüße\n", 0)
    assert job.wait(0) is JobState.SUCCEEDED


def test_golden_results_are_not_read_by_others(tmp_path: Path):
    job = golden(tmp_path, "v1", EVE).jobs["succeeded"]
    assert (job.output_paths, job.returncode) == ([], None)
    assert str(job.stdout) == "No stdout file found"


@pytest.mark.conformance(6, 243)
@pytest.mark.parametrize("email", [OMAR, ADA])
def test_golden_directories_of_the_older_layout_load(tmp_path: Path, email: str):
    jobs = golden(tmp_path, "older", email).jobs
    assert {job.name: job.status for job in jobs} == {
        "old inbox": "inbox", "old approved": "approved", "old done": "done", "old done in logs": "done",
    }  # fmt: skip
    assert jobs["old approved"].state is JobState.SUBMITTED
    for name in ("old done", "old done in logs"):
        assert str(jobs[name].stdout) == "old\n"
        assert [path.name for path in jobs[name].output_paths] == ["result.csv"]
        assert jobs[name].returncode == 0
    assert {job.submitted_at for job in jobs} == {"2025-11-03T09:15:00+00:00"}


def test_the_older_layout_is_approved_with_a_sealed_yes(tmp_path: Path):
    client = golden(tmp_path, "older", OMAR)
    for name in ("old inbox", "old approved"):
        job = client.jobs[name]
        job.approve()
        assert job.state is JobState.QUEUED
        assert json.loads((job.location / "approved").read_bytes())["digest"] == job.digest


def test_rule_01_one_writer_per_file(people: TwoPeople, tmp_path: Path):
    location = people.submit(name="N")
    theirs = {path: path.read_bytes() for path in location.iterdir()}
    (tmp_path / "r").write_text("1")
    job = people.owner_job("N")
    job.reject("no")
    job.approve()
    job.accept_by_depositing_result(tmp_path / "r")
    job.share_outputs([ADA])
    assert {path: path.read_bytes() for path in theirs} == theirs
    ours = {path.name: path.read_bytes() for path in location.iterdir() if path.is_file() and path not in theirs}
    people.submit(name="M")
    people.submitters_job("M").withdraw()
    assert {name: (location / name).read_bytes() for name in ours} == ours
    for name in (*OWNERS, "outputs/x", "stdout.txt", "attempts/1.json", "syft.pub.yaml"):
        assert not may_write(people.root / OMAR, location / name, ADA)


def test_rule_02_whole_or_not_at_all(people: TwoPeople):
    location = people.submit(name="N")
    seen: list[list[str]] = []
    place = people.place("N")

    def count(what: str) -> None:
        if not what.startswith("append"):
            seen.append(sorted(path.name for path in location.iterdir() if path.stat().st_size == 0))

    with fs.hook_writes(count):
        people.owner_job("N").approve()
    assert all(is_sync_artefact(name) for names in seen for name in names)
    for name in (
        "approved.sync-conflict-20260302-1",
        "a (conflicted copy).txt",
        ".syncthing.x.tmp",
        ".DS_Store",
        "x.part",
    ):
        (location / name).write_bytes(b"junk")
    look = job_reader.look(people.root, place, people.owner.participant)
    assert look.record.state is JobState.QUEUED
    with fs.open_directory(location) as opened:
        assert look.spec is not None
        assert job_contents.unlisted(opened, look.spec, SubmissionLimits()) == []


def test_rule_03_commit_last(people: TwoPeople):
    order: list[str] = []
    with fs.hook_writes(order.append):
        people.submit_code({"main.py": "1\n"}, name="N")
    assert order.index("create config.yaml") > max(order.index("create run.sh"), order.index("create main.py"))
    job, place = people.owner_job("N"), people.place("N")
    job.approve()
    transitions.start(people.owner.participant, place, job.id, job.digest, offered=transitions.BUBBLEWRAP)
    held = people.owner.home.attempt_paths(job.id, 1).results / "outputs"
    held.mkdir(parents=True)
    (held / "r.csv").write_text("1\n")
    transitions.finish(people.owner.participant, place, job.id, 1, "succeeded", digest=job.digest)
    order.clear()
    with fs.hook_writes(order.append):
        job.share_outputs([ADA])
    assert order.index("create r.csv") < order.index("rename outputs") < order.index("rename shared")
    assert order.index("rename shared") < order.index("rename syft.pub.yaml")
    order.clear()
    with fs.hook_writes(order.append):
        job.rerun()
    assert order[:2] == ["remove syft.pub.yaml", "remove shared"]
    assert order.index("append ledger.jsonl") < order.index("rename 1.json") < order.index("remove done")


def test_rule_04_the_state_is_the_highest_marker_that_counts(tmp_path: Path):
    client = golden(tmp_path, "v1", EVE)
    source = {name: JobRef(OMAR, ADA, name).under(client.root) for name in V1}
    job = client.jobs["succeeded"]
    for marker, state in (("done", JobState.RUNNING), ("running", JobState.QUEUED), ("approved", JobState.SUBMITTED)):
        (source["succeeded"] / marker).unlink()
        assert job.state is state
    (source["rejected"] / "approved").unlink()
    assert client.jobs["rejected"].state is JobState.REJECTED


def test_rule_05_the_place_is_the_claim_not_the_proof(tmp_path: Path):
    client = golden(tmp_path, "v1", EVE)
    moved = JobRef(OMAR, ADA, "moved").under(client.root)
    shutil.copytree(JobRef(OMAR, ADA, "approved").under(client.root), moved)
    job = client.jobs["moved"]
    assert (job.name, job.submitted_by, job.datasite_owner_email) == ("moved", ADA, OMAR)
    assert job.state is JobState.SUBMITTED
    assert job.id != client.jobs["approved"].id
    assert not job.verify().ok
    config = (JobRef(OMAR, ADA, "approved").under(client.root) / "config.yaml").read_bytes()
    assert manifest.submitters_key(config, JobRef(OMAR, ADA, "approved"), SubmissionLimits()) == golden_key("ada").public
    assert manifest.submitters_key(config, JobRef(OMAR, ADA, "moved"), SubmissionLimits()) is None


def test_rule_06_a_yes_is_to_a_digest_and_to_what_was_shown(people: TwoPeople):
    people.submit(name="N")
    job = people.owner_job("N")
    shutil.rmtree(job.location)
    people.submit("echo another\n", name="N")
    with pytest.raises(ChangedSinceSeen):
        job.approve()
    assert people.owner_job("N").status == "inbox"


def test_rule_07_what_is_stated_is_sealed(people: TwoPeople):
    people.submit(name="N")
    job = people.owner_job("N")
    for marker in OWNERS:
        said: dict[str, Any] = {"digest": job.digest, "attempt": 1, "at": "2026-03-02T10:30Z", "outcome": "succeeded"}
        for seal in ({}, {"seal": Key.generate().sign(marker, people.place("N"), said, digest=job.digest, attempt=1)}):
            (job.location / marker).write_text(json.dumps(said | seal))
            for client in (people.owner, people.submitter):
                assert client.jobs["N"].state is JobState.SUBMITTED
                assert any(f"'{marker}'" in finding for finding in client.jobs["N"].findings)
        (job.location / marker).unlink()


def test_rule_08_the_ledger_speaks_first(people: TwoPeople):
    people.submit(name="N")
    order: list[str] = []
    job = people.owner_job("N")
    for verb, marker in (
        (job.approve, "approved"),
        (job.cancel, "cancelled"),
        (job.rerun, "1.json"),
        (lambda: job.reject("x"), "rejected"),
    ):
        order.clear()
        with fs.hook_writes(order.append):
            verb()
        assert order.index("append ledger.jsonl") < order.index(f"create {marker}")
    for name in ("approved", "cancelled", "rejected"):
        (job.location / name).unlink(missing_ok=True)
    assert (job.state, job.attempt) == (JobState.REJECTED, 2)


def test_rule_09_what_a_file_reveals_is_decided_by_its_kind(people: TwoPeople):
    people.submit(name="N")
    job = people.owner_job("N")
    job.approve()
    transitions.start(people.owner.participant, people.place("N"), job.id, job.digest, offered=transitions.BUBBLEWRAP)
    transitions.finish(
        people.owner.participant, people.place("N"), job.id, 1, "failed", digest=job.digest, returncode=3, detail="table.csv"
    )
    said = json.loads((job.location / "done").read_bytes())
    assert set(said) == {"at", "attempt", "digest", "outcome", "seal"}
    assert len(said["at"]) == 17
    assert not [
        path for path in job.location.iterdir() if b"table.csv" in (path.read_bytes() if path.is_file() else b"")
    ]


def test_rule_10_held_until_released(people: TwoPeople):
    people.submit(name="N")
    job, place = people.owner_job("N"), people.place("N")
    job.approve()
    transitions.start(people.owner.participant, place, job.id, job.digest, offered=transitions.BUBBLEWRAP)
    held = people.owner.home.attempt_paths(job.id, 1).results / "outputs"
    held.mkdir(parents=True)
    (held / "r.csv").write_text("1\n")
    transitions.finish(people.owner.participant, place, job.id, 1, "succeeded", digest=job.digest)
    assert not (job.location / "outputs").exists()
    assert [path.name for path in job.output_paths] == ["r.csv"]
    assert people.submitters_job("N").output_paths == []
    assert not may_read(people.root / OMAR, job.location / "outputs/r.csv", ADA)
    job.share_outputs([ADA])
    assert [path.name for path in people.submitters_job("N").output_paths] == ["r.csv"]


def test_rule_11_plain_files_only_in_both_directions(people: TwoPeople, tmp_path: Path):
    location = people.submit(name="N")
    (location / "run.sh").unlink()
    (location / "run.sh").symlink_to("/etc/passwd")
    assert people.owner_job("N").status == "unreadable"
    results = tmp_path / "results"
    results.mkdir()
    os.mkfifo(results / "fifo")
    people.submit(name="M")
    with pytest.raises(SyftJobError, match="FIFO"):
        people.owner_job("M").accept_by_depositing_result(results)
    victim = tmp_path / "victim"
    victim.write_text("untouched")
    (people.location("M") / "rejected").symlink_to(victim)
    people.owner_job("M").reject("no")
    assert victim.read_text() == "untouched"


def test_rule_12_keep_what_you_dont_know(tmp_path: Path):
    client = golden(tmp_path, "v1", OMAR)
    location = JobRef(OMAR, ADA, "inbox").under(client.root)
    asked = manifest.parse((location / "config.yaml").read_bytes())
    assert asked.extra == {"later_field": {"kept": True}}
    assert asked.sealed(JobRef(OMAR, ADA, "inbox"), golden_key("ada")) == (location / "config.yaml").read_bytes()
    (location / "from-the-future").write_text("x")
    job = client.jobs["inbox"]
    job.approve()
    job.cancel()
    job.rerun()
    assert (location / "from-the-future").read_text() == "x"
    assert any("format 2" in finding for finding in client.jobs["another format"].findings)
    assert any("wings" in finding for finding in client.jobs["unknown need"].findings)
