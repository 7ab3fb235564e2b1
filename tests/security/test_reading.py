"""Reading: threats 23, 28, 29 and 30."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from syft_job import fs, get_client
from syft_job.errors import SyftJobError
from syft_job.model.states import JobState
from syft_job.review import collect
from syft_job.testing import TwoPeople
from syft_job.views import text


@pytest.fixture
def people(tmp_path: Path) -> Iterator[TwoPeople]:
    with TwoPeople(tmp_path) as both:
        yield both


def tree(root: Path) -> dict[str, tuple[int, int, int, bytes]]:
    found = {}
    for path in [root, *root.rglob("*")]:
        status = path.lstat()
        content = path.read_bytes() if path.is_file() else b""
        found[str(path)] = (status.st_mode, status.st_mtime_ns, status.st_ino, content)
    return found


@pytest.mark.parametrize("is_stranger", [False, True])
def test_looking_changes_nothing(people: TwoPeople, tmp_path: Path, is_stranger: bool):
    for name in ("a", "b", "c"):
        people.submit(name=name)
    people.owner_job("a").approve()
    people.owner_job("b").reject("no")
    (tmp_path / "r").write_text("1")
    people.owner_job("c").accept_by_depositing_result(tmp_path / "r")
    (people.location("b") / "rejected").unlink()
    before, at_home = tree(people.root), [tree(client.home.path) for client in (people.owner, people.submitter)]
    clients = [get_client(people.root, "eve@example.org")] if is_stranger else [people.owner, people.submitter]
    for client in clients:
        for job in client.jobs:
            looked: list[object] = [
                str(job),
                repr(job),
                job.files,
                job.output_paths,
                job.history,
                job.findings,
                job.digest,
            ]
            looked += [str(job.stdout), str(job.stderr), job.returncode, str(job.verify()), job.state]
            assert looked
        assert str(client.jobs)
    assert tree(people.root) == before
    assert [tree(client.home.path) for client in (people.owner, people.submitter)] == at_home
    if is_stranger:
        assert not clients[0].home.path.exists()


def test_looking_publishes_nothing_even_where_the_key_went_missing(people: TwoPeople):
    people.submit(name="N")
    (people.root / people.owner_email / "public" / "syft_job" / "key.json").unlink()
    before = tree(people.root)
    from syft_job.home.home import _homes

    _homes.clear()
    assert get_client(people.root, people.owner_email).jobs["N"].status == "inbox"
    assert tree(people.root) == before


def test_listing_survives_folders_that_come_and_go(people: TwoPeople):
    location = people.submit(name="N")
    people.submit(name="Stays")
    stop, blocked_reason = threading.Event(), location.with_name(".x.tmp")

    def come_and_go() -> None:
        while not stop.is_set():
            shutil.copytree(location, blocked_reason)
            blocked_reason.rename(location.with_name("Comes"))
            shutil.rmtree(location.with_name("Comes"))

    thread = threading.Thread(target=come_and_go)
    thread.start()
    try:
        for _ in range(150):
            assert {"N", "Stays"} <= {job.name for job in people.owner.jobs} <= {"N", "Stays", "Comes"}
            assert people.owner.jobs["N"].status == "inbox"
    finally:
        stop.set()
        thread.join()


def test_a_whole_job_stays_whole_while_litter_comes_and_goes_beside_it(people: TwoPeople):
    location = people.submit_code({"main.py": "print(1)\n", "other.py": "x = 1\n"}, name="N")
    stop = threading.Event()

    def litter() -> None:
        while not stop.is_set():
            for number in range(20):
                (location / "code" / f".syncthing.{number}.tmp").write_bytes(b"x")
            for number in range(20):
                (location / "code" / f".syncthing.{number}.tmp").unlink()

    thread = threading.Thread(target=litter)
    thread.start()
    try:
        seen = {people.owner_job("N").state for _ in range(300)}
    finally:
        stop.set()
        thread.join()
    assert seen == {JobState.SUBMITTED}


ESCAPE = "\x1b]0;owned\x07\x1b[2J\u202e"


@pytest.mark.parametrize(
    "where",
    [{"metadata": {"note": ESCAPE, ESCAPE: 1}}, {"metadata": {"deep": [ESCAPE]}}, {"gpu_type": ESCAPE}],
    ids=["metadata", "deep", "resources"],
)
def test_a_review_shows_no_control_characters(people: TwoPeople, where: dict[str, Any]):
    from syft_job import JobResources

    if "gpu_type" in where:
        where = {"resources": JobResources(gpu_type=ESCAPE)}
    people.submit(f"echo '{ESCAPE}'\n", name="N", **where)
    shown = text.review(collect(people.owner.participant, people.place("N")))
    for character in "\x1b\x07\u202e":
        assert character not in shown
    assert "<U+001B>" in shown


def test_a_reviews_every_byte_is_there(people: TwoPeople):
    """Threat 3: nothing that would run is missing from a review."""
    long = "".join(f"line {number}\n" for number in range(3000)) + "x" * 5000
    location = people.submit_code(
        {
            "main.py": long,
            ".hidden": "secret plan\n",
            "data.bin": b"\x00\x01",
            "empty.py": "",
            "sub/deep.py": "y = 2\n",
        },
        name="N",
    )
    (location / "code" / "beside.py").write_text("not for you\n")
    found = collect(people.owner.participant, people.place("N"))
    shown = text.review(found)
    for line in ("line 0", "line 1500", "line 2999", "x" * 5000, "secret plan", "y = 2"):
        assert line in shown
    assert "code/data.bin  2 bytes" in shown
    assert "not text" in shown
    assert "code/beside.py" in shown
    assert "not for you" not in shown
    assert people.owner_job("N").digest in shown
    assert "more lines" not in shown


@pytest.mark.conformance(43)
def test_a_log_shows_no_control_characters(people: TwoPeople):
    location = people.location("Old")
    location.mkdir(parents=True)
    (location / "config.yaml").write_text("name: Old\n")
    (location / "run.sh").write_text("true\n")
    (location / "done").touch()
    (location / "stdout.txt").write_bytes(b"\x1b[31mred\x1b[0m plain \x1b]0;t\x07 \x9b2J \xff\r\n")
    shown = str(people.owner_job("Old").stdout)
    assert "red plain" in shown
    assert not {"\x1b", "\x07", "\x9b", "\r"} & set(shown)


@pytest.mark.parametrize("hours", [-30, 30])
def test_a_clock_that_is_hours_off_breaks_nothing(people: TwoPeople, hours: int):
    import time

    location = people.submit(name="N")
    moment = time.time() + hours * 3600
    for path in [*location.rglob("*"), location, location.parent]:
        os.utime(path, (moment, moment))
    job = people.owner_job("N")
    job.approve()
    os.utime(location, (moment, moment))
    assert people.owner_job("N").state is people.submitters_job("N").state is JobState.QUEUED
    job.cancel()
    os.utime(location, (moment, moment))
    assert people.owner_job("N").state is people.submitters_job("N").state is JobState.CANCELLED
    job.rerun()
    os.utime(location, (moment, moment))
    assert people.owner_job("N").state is people.submitters_job("N").state is JobState.QUEUED


@pytest.mark.parametrize(
    "options",
    [
        {"metadata": {1: "one"}},
        {"metadata": {"when": {1, 2}}},
        {"metadata": {"x": 1.5}},
        {"metadata": {"x": "\ud800"}},
        {"metadata": {"x": 2**60}},
        {"metadata": [1]},
        {"datasets": [5]},
        {"datasets": "people"},
        {"script": "echo \ud800\n"},
        {"script": "   "},
    ],
    ids=str,
)
def test_every_refusal_of_a_submission_is_an_error_of_ours_and_leaves_nothing(
    people: TwoPeople, options: dict[str, Any]
):
    with pytest.raises(SyftJobError):
        people.submit(**({"name": "N"} | options))
    folder = people.location("N").parent
    assert list(folder.iterdir()) == []


def test_a_folder_that_goes_away_in_the_middle_of_a_first_submission_is_told_in_our_words(
    people: TwoPeople, tmp_path: Path
):
    away = tmp_path / "away"

    def before(_: str) -> None:
        if not away.exists():
            people.root.rename(away)

    with pytest.raises(SyftJobError), fs.hook_writes(before):
        people.submit(name="N")
    assert not people.root.exists()
    away.rename(people.root)
    assert people.submit(name="N").is_dir()


def test_a_script_file_that_is_no_text_is_refused_with_an_error_of_ours(people: TwoPeople, tmp_path: Path):
    (tmp_path / "run.sh").write_bytes(b"echo \xff\n")
    with pytest.raises(SyftJobError):
        people.submitter.submit_bash_job(people.owner_email, tmp_path / "run.sh", "N")


def test_a_script_file_travels_byte_for_byte(people: TwoPeople, tmp_path: Path):
    (tmp_path / "run.sh").write_bytes(b"echo one\r\necho two\n")
    location = people.submitter.submit_bash_job(people.owner_email, tmp_path / "run.sh", "N")
    assert (location / "run.sh").read_bytes() == b"echo one\r\necho two\n"
