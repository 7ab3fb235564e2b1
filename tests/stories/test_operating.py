"""A year at one desk: homes move, folders move, the package is replaced while jobs run, and who is told of what."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

import syft_job
from syft_job import doctor
from syft_job.client import JobClient
from syft_job.errors import ConfigError, StoreError
from syft_job.events.command_notifier import AT_ONCE, CommandNotifier
from syft_job.home.home import Home
from syft_job.model.job_record import StatusTransition
from syft_job.model.job_ref import JobRef
from syft_job.model.states import JobState
from syft_job.runner import JobRunner
from syft_job.testing import TwoPeople
from tests.killing import ENDED, KILLED, Toll, approved, in_child, starts
from tests.serving import until

PACKAGE = Path(syft_job.__path__[0])
ADA, OMAR = "ada@example.org", "omar@example.org"
RUN = """
import sys
import syft_job
from syft_job.runner import create_runner
assert syft_job.__path__[0].startswith(sys.argv[3]), syft_job.__path__
runner = create_runner(sys.argv[1], sys.argv[2], 0.2, sandbox="bare")
runner.run(drain="drain" in sys.argv)
"""


@pytest.fixture
def people(tmp_path: Path) -> Iterator[TwoPeople]:
    with TwoPeople(tmp_path / "people", sandbox="bare") as both:
        yield both


@pytest.fixture
def gate(tmp_path: Path) -> Iterator[Path]:
    """A file for which jobs wait; it is there at the end at the latest."""
    path = tmp_path / "gate"
    yield path
    path.touch()


def owner(people: TwoPeople) -> JobClient:
    """The owner as a new process finds them: another home may lie there by now."""
    return JobClient(people.owner.config, announce=None)


def run(people: TwoPeople) -> None:
    JobRunner(people.owner.config, announce=None, poll_interval=0.2).run(drain=True)


def events(home: Home, job: str) -> Counter[str]:
    home.ledger.refresh()
    return Counter(line.event for line in home.ledger.lines(job))


# Homes and folders that move


@pytest.mark.parametrize("how", ["mv", "cp"])
def test_a_home_that_moved_or_was_copied_serves_again_once_it_is_adopted(people, tmp_path, monkeypatch, how):
    people.submit("echo 1 > outputs/one.txt", name="Before")
    people.owner_job("Before").approve(share_outputs=True)
    run(people)
    people.submit("true", name="Waiting")
    people.owner_job("Waiting").approve()
    before = people.owner.home
    key = before.key().public
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir(mode=0o700)
    if how == "mv":
        shutil.move(before.path, elsewhere / before.path.name)
    else:
        shutil.copytree(before.path, elsewhere / before.path.name)
    monkeypatch.setenv("SYFT_JOB_HOME", str(elsewhere))
    moved = Home.of(people.root, OMAR)
    assert moved.path.parent == elsewhere

    if how == "mv":  # on one file system that is the same home, wherever its folder lies
        assert moved.foreign_reason() is None
    else:
        with pytest.raises(StoreError, match="--adopt-home"):
            run(people)
        assert any(check.name == "home" and check.ok is False for check in doctor.examine(people.owner.config))
        doctor.adopt(people.owner.config)

    client = owner(people)
    assert client.home.key().public == key
    assert client.jobs["Before"].state is JobState.SUCCEEDED
    assert client.jobs["Before"].verify()
    run(people)
    if how == "cp":  # a yes from before starts nothing: another copy may have used it
        assert client.jobs["Waiting"].state is JobState.QUEUED
        assert "adopted" in (client.home.blocked_reason(client.jobs["Waiting"].id) or "")
        client.jobs["Waiting"].reject("asked anew")
        client.jobs["Waiting"].approve()
        run(people)
    assert client.jobs["Waiting"].state is JobState.SUCCEEDED
    assert events(client.home, client.jobs["Waiting"].id)["start"] == 1
    assert people.submitters_job("Waiting").verify()


def test_a_folder_that_moved_takes_its_home_along_once_it_is_adopted(people, tmp_path):
    people.submit("true", name="Before")
    people.owner_job("Before").approve()
    run(people)
    old = people.owner.home
    key, began = old.key().public, people.owner_job("Before").id
    root = tmp_path / "moved"
    people.root.rename(root)
    config = syft_job.SyftJobConfig.from_syftbox_folder(root, OMAR, sandbox="bare")
    new = Home.of(root, OMAR)
    assert new.path != old.path

    # Without its home, nobody can pass for the owner: a second key is refused.
    with pytest.raises(ConfigError, match="never make a second one"):
        JobRunner(config, announce=None).step()
    assert any(check.name == "key" and check.ok is False for check in doctor.examine(config))

    if new.path.exists():  # an empty one was made by looking
        shutil.rmtree(new.path)
    old.path.rename(new.path)
    with pytest.raises(StoreError, match="serves the folder"):
        JobRunner(config, announce=None).step()
    doctor.adopt(config)
    client = JobClient(config, announce=None)
    assert client.home.key().public == key
    assert client.jobs["Before"].state is JobState.SUCCEEDED
    JobRunner(config, announce=None).run(drain=True)
    assert events(client.home, began)["start"] == 1


# An upgrade


def test_a_job_that_runs_while_the_package_is_replaced_is_collected(people, gate, tmp_path):
    people.submit(f"until [ -e {gate} ]; do sleep 0.05; done\necho kept > outputs/kept.txt\necho over\n", name="Long")
    job = people.owner_job("Long")
    job.approve(share_outputs=True)
    old, new = tmp_path / "old", tmp_path / "new"
    for place in (old, new):
        shutil.copytree(PACKAGE, place / "syft_job", ignore=shutil.ignore_patterns("__pycache__"))

    def process(place: Path, *words: str) -> subprocess.Popen[bytes]:
        arguments = [sys.executable, "-c", RUN, str(people.root), OMAR, str(place), *words]
        return subprocess.Popen(arguments, env=os.environ | {"PYTHONPATH": str(place)}, cwd=place)

    with process(old) as before:
        until(lambda: job.state is JobState.RUNNING)
        before.kill()
    shutil.rmtree(old)  # supervise.sh with it, while a shell is reading it
    with process(new, "drain") as after:
        home = people.owner.home
        until(lambda: home.runner_pid() == after.pid)
        assert job.status == "running"
        gate.touch()
        assert after.wait(60) == 0
    assert job.state is JobState.SUCCEEDED
    assert str(job.stdout) == "over\n"
    assert [path.read_text() for path in people.submitters_job("Long").output_paths] == ["kept\n"]
    told = events(home, job.id)
    assert (told["start"], told["over"], told["released"]) == (1, 1, 1)


# Telling another program


def words_of(moves: list[StatusTransition]) -> list[str]:
    return [move.reason if move.old_state is move.new_state else move.new_state.value for move in moves]


def test_that_a_job_has_begun_is_told_once_whatever_is_said_between(people, gate):
    """Nothing is said in the ledger when an attempt begins, so that only the note knows that it was told."""
    people.submit(f"until [ -e {gate} ]; do sleep 0.05; done\n", name="N")
    job = people.owner_job("N")
    job.approve()
    told: list[StatusTransition] = []
    JobRunner(people.owner.config, announce=None, told=told.append).step()
    until(lambda: job.state is JobState.RUNNING)
    for _ in range(3):
        JobRunner(people.owner.config, announce=None, told=told.append).step()
    gate.touch()
    until((people.owner.home.attempt_paths(job.id, 1).workspace / "verdict").exists)
    JobRunner(people.owner.config, announce=None, told=told.append).step()
    assert words_of(told) == ["running", "succeeded"]


@pytest.mark.parametrize("who", ["owner", "submitter"])
def test_that_a_job_was_stopped_while_it_ran_is_told_once(people, gate, who):
    people.submit(f"until [ -e {gate} ]; do sleep 0.05; done\n", name="N")
    job = people.owner_job("N")
    job.approve()
    told: list[StatusTransition] = []
    serving = JobRunner(people.owner.config, announce=None, told=told.append)
    until(lambda: (serving.step(), job.state)[1] is JobState.RUNNING)
    people.submitters_job("N").withdraw() if who == "submitter" else job.cancel()
    until(lambda: (serving.step(), people.owner.home.ledger.unfinished())[1] == [])
    serving.step()
    assert words_of(told) == ["running", "cancelled"]
    assert people.submitters_job("N").state is JobState.CANCELLED


def test_what_was_cancelled_while_it_ended_by_itself_is_told_as_cancelled(people):
    people.submit("true\n", name="N")
    job = people.owner_job("N")
    job.approve()
    told: list[StatusTransition] = []
    serving = JobRunner(people.owner.config, announce=None, told=told.append)
    serving.step()
    until((people.owner.home.attempt_paths(job.id, 1).workspace / "verdict").exists)
    job.cancel()
    serving.step()
    assert words_of(told) == ["running", "cancelled"]
    assert job.state is JobState.CANCELLED


def test_across_a_kill_at_any_write_each_move_is_told_and_told_twice_only_where_it_could_not_be_noted(
    people, tmp_path, faults
):
    toll = Toll()
    words = ["running", "succeeded", "released"]

    def tell(move: StatusTransition) -> None:
        with log.open("a") as file:
            file.write(f"{words_of([move])[0]}\n")

    def serve() -> None:
        JobRunner(people.owner.config, announce=None, told=tell, poll_interval=0.2).run(drain=True)

    log = tmp_path / "log"
    serve()  # who asks for the first time is told what happens from then on
    for number in range(2, 100, 4):
        log = tmp_path / f"log-{number}"
        log.touch()
        job = approved(people, tmp_path / "canary", f"job-{number}")
        fatal = tmp_path / "fatal"

        def dies_at(count: int, what: str, last: int = number, fatal: Path = fatal) -> bool:
            return count == last and bool(fatal.write_text(what))

        ended, writes = in_child(serve, dies_at)
        assert ended in (KILLED, ENDED), writes
        killed_ahead_of = fatal.read_text()
        began = time.monotonic()
        serve()
        told = Counter(log.read_text().split())
        toll.add(
            times=ended == KILLED,
            lost=set(told) != set(words),
            twice=starts(tmp_path / "canary", job.name) > 1,
            seconds=time.monotonic() - began,
        )
        where = f"killed before write {number}, after {writes[-2:]}"
        assert sorted(told) == sorted(words), where
        repeated = [word for word in words if told[word] > 1]
        assert not repeated or killed_ahead_of in ("create told", "rename told"), (where, told)
        job.clean()
        if ended == ENDED:
            assert told == Counter(words)
            break
    toll.tell(faults, "the runner is killed before any write, while another program is to be told of each move")
    assert number > 15


def test_who_asks_again_is_not_told_what_nobody_asked_for(people):
    for name, asks in (("First", True), ("Second", False), ("Third", True)):
        people.submit("true\n", name=name)
        people.owner_job(name).approve()
        told: list[StatusTransition] = []
        JobRunner(people.owner.config, announce=None, told=told.append if asks else None).run(drain=True)
        assert {move.place.name for move in told} == ({name} if asks else set())


def test_a_release_by_hand_is_none_that_is_told(people):
    people.submit("echo 1 > outputs/one\n", name="N")
    people.owner_job("N").approve(share_outputs=True)
    told: list[StatusTransition] = []
    serving = JobRunner(people.owner.config, announce=None, told=told.append)
    serving.run(drain=True)
    people.owner_job("N").share_logs([ADA])
    serving.step()
    assert words_of(told) == ["running", "succeeded", "released"]


def move(job: str = "0" * 32, old: JobState = JobState.QUEUED, new: JobState = JobState.RUNNING) -> StatusTransition:
    return StatusTransition(job, old, new, 0.0, "begun", JobRef(OMAR, ADA, "a name that nobody is told"))


def program(tmp_path: Path, text: str) -> tuple[str]:
    path = tmp_path / "program"
    path.write_text(f"#!/bin/sh\n{text}")
    path.chmod(0o755)
    return (str(path),)


def test_at_most_four_are_told_at_once_and_everything_is_told(tmp_path):
    log = tmp_path / "log"
    told: list[str] = []
    # Each notes how many others it finds; a folder is made at once or not at all.
    at = f"{tmp_path}/at"
    command = program(tmp_path, f"mkdir {at}.$$; ls -d {at}.* | wc -l >>{log}; sleep 0.1; rmdir {at}.$$\n")
    notifier = CommandNotifier(command, told.append)
    for number in range(20):
        notifier.note(move(f"{number:032x}"))
    notifier.close(60)
    counts = [int(line) for line in log.read_text().split()]
    assert len(counts) == 20
    assert max(counts) <= AT_ONCE
    assert told == []


def test_one_that_never_ends_is_ended_with_what_it_started_and_told_once(tmp_path):
    told: list[str] = []
    notifier = CommandNotifier(
        program(tmp_path, f"sleep 1000 & echo $! >>{tmp_path}/pids\nwait\n"), told.append, seconds=0.5
    )
    for number in range(3):
        notifier.note(move(f"{number:032x}"))
    notifier.close(60)
    assert len(told) == 1
    assert "took longer" in told[0]
    pids = [int(line) for line in (tmp_path / "pids").read_text().split()]
    assert len(pids) == 3
    until(lambda: not any(is_alive(pid) for pid in pids))


def test_the_end_does_not_wait_for_ever(tmp_path):
    told: list[str] = []
    notifier = CommandNotifier(program(tmp_path, "sleep 1000\n"), told.append, seconds=1000)
    for number in range(10):
        notifier.note(move(f"{number:032x}"))
    ended = threading.Thread(target=notifier.close, args=(0.2,))
    ended.start()
    ended.join(60)
    assert not ended.is_alive()
    assert any("not everything" in line for line in told)


def test_more_than_can_wait_are_left_out_and_the_runner_goes_on(tmp_path, monkeypatch):
    told: list[str] = []
    monkeypatch.setattr("syft_job.events.command_notifier.WAITING", 2)
    notifier = CommandNotifier(program(tmp_path, "sleep 1000\n"), told.append, seconds=1000)
    for number in range(200):
        notifier.note(move(f"{number:032x}"))
    assert sum("left out" in line for line in told) == 1
    notifier.close(0.1)


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False
