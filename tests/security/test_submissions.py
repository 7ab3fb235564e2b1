"""Hostile submissions: threats 15 to 17. One broken job is one row, and all others go on."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from syft_job import JobsList
from syft_job.errors import SyftJobError
from syft_job.format.codec import dump
from syft_job.format.manifest import FileEntry, JobSpec, digest_of
from syft_job.model.job_ref import JobRef
from syft_job.model.names import InnerPath
from syft_job.model.states import JobState
from syft_job.testing import TwoPeople


@pytest.fixture
def people(tmp_path: Path) -> Iterator[TwoPeople]:
    with TwoPeople(tmp_path) as both:
        both.submit(name="Honest")
        yield both


def lay(people: TwoPeople, name: str, config: bytes, run: bytes = b"true\n") -> Path:
    location = people.location(name)
    location.mkdir(parents=True)
    (location / "run.sh").write_bytes(run)
    (location / "config.yaml").write_bytes(config)
    return location


def good_config(people: TwoPeople, name: str, run: bytes = b"true\n", **more: object) -> bytes:
    asked = JobSpec(
        name,
        people.submitter_email,
        "2026-03-02T10:30:00Z",
        "bash",
        {InnerPath("run.sh"): FileEntry(len(run), digest_of(run))},
    )
    return dump(asked.to_json() | more)


def others_go_on(people: TwoPeople) -> JobsList:
    for client in (people.submitter, people.owner):
        jobs = client.jobs
        assert jobs[f"{people.submitter_email}/Honest"].status == "inbox"
        assert str(jobs)
    return jobs


CONFIGS: dict[str, bytes] = {
    "empty": b"",
    "newline": b"\n",
    "truncated": b'{"format": 1, "na',
    "list": b"[1, 2]",
    "yaml list": b"- a\n- b\n",
    "number": b"5",
    "binary": bytes(range(256)),
    "deep json": b"[" * 100_000,
    "deep yaml": b"a: " + b"[" * 100_000,
    "bomb": b"a: &a [x,x]\nb: &b [*a,*a,*a]\nc: &c [*b,*b,*b]\nd: [*c,*c,*c]\n",
    "twice": b'{"format": 1, "format": 1}',
    "format 2": b'{"format": 2}',
    "needs": b'{"format": 1, "needs": ["wings"]}',
    "bool tag": b"name: !!bool maybe\n",
    "int tag": b"name: !!int ''\n",
    "time tag": b"name: !!timestamp soon\n",
    "too long": b" " * ((4 << 20) + 1),
}
TAGGED = ("bool tag", "int tag", "time tag")
GROUPS = ("plain", "tagged")


@pytest.mark.conformance(90)
@pytest.mark.parametrize("group", GROUPS)
def test_a_broken_config_is_one_row(people: TwoPeople, group: str):
    chosen = {name: data for name, data in CONFIGS.items() if (name in TAGGED) == (group == "tagged")}
    for name, data in chosen.items():
        lay(people, name, data)
    jobs = others_go_on(people)
    for name in chosen:
        job = jobs[name]
        status = "arriving" if name == "empty" else "unreadable"  # sync tools make a file before they fill it
        assert job.status == status, name
        assert job.findings
        assert f"{name} ({status})" in str(jobs)
        with pytest.raises(SyftJobError):
            job.approve()
        job.reject("it cannot be read")
        assert job.status == "rejected"
    assert [job.status for job in people.owner.jobs if job.name in chosen] == ["rejected"] * len(chosen)


KINDS = ["link", "dangling", "loop", "fifo", "directory", "socket", "device", "sparse"]


def put_strange(path: Path, kind: str) -> None:
    if path.exists():
        path.unlink()
    if kind == "link":
        path.symlink_to("/etc/passwd")
    elif kind == "dangling":
        path.symlink_to("nothing-here")
    elif kind == "loop":
        path.symlink_to(path.name)
    elif kind == "fifo":
        os.mkfifo(path)
    elif kind == "directory":
        path.mkdir()
    elif kind == "device":
        if os.geteuid() != 0:
            pytest.skip("only root makes devices")
        os.mknod(path, stat.S_IFCHR | 0o600, os.makedev(1, 5))
    elif kind == "socket":
        import socket

        with socket.socket(socket.AF_UNIX) as server:
            here = Path.cwd()
            os.chdir(path.parent)
            try:
                server.bind(path.name)
            finally:
                os.chdir(here)
    else:
        with path.open("wb") as file:
            file.truncate(1 << 40)


@pytest.mark.conformance(92)
@pytest.mark.parametrize("name", ["config.yaml", "run.sh"])
def test_what_is_no_plain_file_is_not_followed_and_does_not_block(people: TwoPeople, name: str):
    for kind in KINDS:
        put_strange(lay(people, kind, good_config(people, kind)) / name, kind)
    jobs = others_go_on(people)
    for kind in KINDS:
        assert jobs[kind].status == ("arriving" if (name, kind) == ("run.sh", "sparse") else "unreadable"), kind
        assert not jobs[kind].verify()
        with pytest.raises(SyftJobError):
            jobs[kind].approve()


OWNERS = [
    "approved", "rejected", "cancelled", "shared", "running", "done", "attempts", "withdrawn", "outputs",
    "syft.pub.yaml", "stdout.txt",
]  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_something_strange_called_like_a_marker_changes_nothing(people: TwoPeople, kind: str):
    location = people.submit(name="Strange")
    for name in OWNERS:
        put_strange(location / name, kind)
    job = others_go_on(people)["Strange"]
    assert job.state is JobState.SUBMITTED
    for seen in (job, people.submitters_job("Strange")):
        assert seen.verify() is not None
        assert seen.output_paths == []
        assert str(seen.stdout)
    job.approve()
    job.cancel()
    job.rerun()
    job.cancel()
    assert people.submitters_job("Strange").state is JobState.CANCELLED


MARKER_CONTENTS = [
    b"", b"[]", b"{}", b"{", b"\xff", b'{"outcome": []}', b'{"outcome": {}}', b'{"attempt": -1}', b'{"seal": []}',
    b'{"attempt": 999999999999}', b'{"outcome": "succeeded"}', b'{"share": 5, "who": 5, "outputs": 5, "files": 5}',
    b"[" * 60_000, b" " * 70_000,
]  # fmt: skip


@pytest.mark.parametrize("name", ["approved", "rejected", "cancelled", "shared", "running", "done", "attempts/1.json"])
def test_any_content_of_a_marker_changes_nothing(people: TwoPeople, name: str):
    location = people.location("Honest")
    (location / name).parent.mkdir(exist_ok=True)
    for content in MARKER_CONTENTS:
        (location / name).write_bytes(content)
        for client in (people.owner, people.submitter):
            job = client.jobs[0]
            assert job.state is JobState.SUBMITTED, content
            assert job.verify() is not None
            assert job.history


def link_to(target: str) -> Callable[[Path], None]:
    return lambda path: path.symlink_to(target)


@pytest.mark.parametrize(
    "lay_it",
    [
        link_to("/etc"),
        link_to("Honest"),
        link_to("Strange"),
        link_to("x" * 300),
        link_to("/etc/passwd/x"),
        link_to("nowhere"),
        os.mkfifo,
        lambda path: path.write_bytes(b"a file"),
    ],
    ids=["folder", "job", "loop", "long", "through a file", "dangling", "fifo", "file"],
)
def test_a_job_folder_that_is_none_is_not_in_the_way(people: TwoPeople, lay_it: Callable[[Path], None]):
    lay_it(people.location("Strange"))
    jobs = others_go_on(people)
    assert all(job.status == "unreadable" for job in jobs if job.name == "Strange")
    for job in jobs:
        if job.name == "Strange":
            with pytest.raises(SyftJobError):
                job.approve()
            with pytest.raises(SyftJobError):
                job.accept_by_depositing_result("/etc/hostname")


@pytest.mark.conformance(71)
@pytest.mark.parametrize(
    "name", ["con", "a:b", "e\u0301", "x\u202ey", "x" * 100, "\x1b[2J", "x\udcff"],
    ids=["device", "colon", "unicode form", "right to left", "long", "escape", "no utf-8"],
)  # fmt: skip
def test_a_name_that_we_would_not_write_is_unreadable_and_stays_so(people: TwoPeople, name: str):
    place = JobRef(people.owner_email, people.submitter_email, name)
    location = place.under(people.root)
    location.mkdir(parents=True)
    (location / "run.sh").write_bytes(b"true\n")
    (location / "config.yaml").write_bytes(good_config(people, "x"))
    strange = [job for job in others_go_on(people) if job.name != "Honest"]
    assert [job.status for job in strange] == ["unreadable"]
    assert "\x1b" not in str(people.owner.jobs)
    assert "\n" not in str(strange[0])
    with pytest.raises(SyftJobError):
        strange[0].approve()
    assert not (location / "approved").exists()


def test_names_that_are_no_addresses_are_passed_over(people: TwoPeople):
    jobs = people.root / people.owner_email / "app_data" / "job"
    for folder in ("ADA@example.org", "nobody", "..ada@example.org", "x\udcff@example.org"):
        (jobs / folder / "job").mkdir(parents=True)
    (jobs / "eve@example.org").symlink_to(people.submitter_email)
    (people.root / "zoe@example.org").symlink_to(people.owner_email)
    assert len(others_go_on(people)) == 1


def test_an_older_job_with_names_that_cannot_travel_is_one_row(people: TwoPeople):
    for number, name in enumerate(["a:b", "con.txt", "x" * 200, "e\u0301.py", "x\udcff", "new\nline"]):
        location = lay(people, f"Old {number}", b"name: Old\n")
        (location / name).write_text("x")
    jobs = others_go_on(people)
    assert [jobs[f"Old {number}"].status for number in range(6)] == ["unreadable"] * 6


@pytest.mark.parametrize("kind", ["link", "fifo", "deep"])
def test_an_older_job_with_strange_files_is_one_row(people: TwoPeople, kind: str):
    location = lay(people, "Old", b"name: Old\n")
    if kind == "deep":
        (location / "/".join(["d"] * 100)).mkdir(parents=True)
    else:
        put_strange(location / "strange", kind)
    job = others_go_on(people)["Old"]
    assert job.status == "unreadable"
    with pytest.raises(SyftJobError):
        job.approve()


def test_too_many_files_are_bounded(tmp_path: Path):
    from syft_job import SubmissionLimits

    with TwoPeople(tmp_path, limits=SubmissionLimits(files=10)) as people:
        people.submit(name="Honest")
        location = lay(people, "Old", b"name: Old\n")
        for number in range(30):
            (location / f"f{number}").touch()
        assert others_go_on(people)["Old"].status == "unreadable"


@pytest.mark.conformance(90)
def test_more_waiting_jobs_than_the_limit_are_counted_in_one_row(tmp_path: Path):
    from syft_job import SubmissionLimits

    with TwoPeople(tmp_path, limits=SubmissionLimits(unfinished=3)) as people:
        for number in range(5):
            people.submit(name=f"job {number}")
        jobs = people.owner.jobs
        assert len(jobs) == 3
        assert "2 more jobs of ada@example.org" in str(jobs)
        people.owner_job("job 0").reject("no")
        assert {job.name for job in people.owner.jobs} == {"job 0", "job 1", "job 2", "job 3"}


def test_dangling_names_of_litter_are_ignored(people: TwoPeople):
    location = people.location("Honest")
    for name in (
        "config.sync-conflict-20260302.yaml",
        "~syncthing~run.sh.tmp",
        ".DS_Store",
        "run (conflicted copy).sh",
    ):
        (location / name).write_bytes(b"junk")
    shutil.copytree(location, location.with_name("Honest.sync-conflict-20260302"))
    shutil.copytree(location, location.with_name(".syncthing.Honest.tmp"))
    assert len(others_go_on(people)) == 1


@pytest.mark.parametrize("target", ["key.json", "syft.pub.yaml"])
def test_a_spoilt_key_or_rule_file_does_not_stop_the_owners_listing(people: TwoPeople, target: str):
    from syft_job import get_client
    from syft_job.home.home import _homes

    where = "public/syft_job/key.json" if target == "key.json" else "app_data/job/syft.pub.yaml"
    (people.root / people.owner_email / where).write_text("junk")
    _homes.clear()  # as a new process would
    fresh = get_client(people.root, people.owner_email)
    assert fresh.jobs["Honest"].status == "inbox"
