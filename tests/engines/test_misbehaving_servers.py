"""A file system that answers with errors, or not at all, while jobs are on their way and while they run."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from syft_job.format.manifest import JobResources
from syft_job.model.states import JobState
from syft_job.runner import hang_guard
from syft_job.testing import TwoPeople
from tests.engines.misbehaving import CHANGING, FaultyFolder, Refusing, Story, Told, go_through, serving, why_no_fuse
from tests.serving import until

pytestmark = [pytest.mark.engine, pytest.mark.skipif(why_no_fuse() is not None, reason=str(why_no_fuse()))]
COMMAND = str(Path(sys.executable).with_name("syft-job"))
WHERE = {"/box/": "the shared folder", "/homes/": "the home"}
OPERATIONS = {
    "write": ["write"],
    "fsync": ["fsync", "fsyncdir"],
    "rename": ["rename"],
    "read": ["read"],
    "create": ["create", "mkdir"],
    "unlink": ["unlink", "rmdir"],
    "open": ["open"],
    "list": ["readdir"],
    "stat": ["getattr"],
}


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[FaultyFolder]:
    with FaultyFolder(tmp_path / "faulty") as faulty:
        yield faulty


@pytest.fixture
def people(folder: FaultyFolder) -> Iterator[TwoPeople]:
    """Two people whose folder and homes are on it."""
    with TwoPeople(folder.mount, sandbox="bare") as both:
        yield both


def fail_at(moments, people, folder, tmp_path, faults, where, operation):
    cases = [(Refusing(folder, OPERATIONS[operation], where), moment) for moment in moments]
    times, lost, twice, seconds = go_through(people, tmp_path, Told(), cases)
    faults.saw(f"EIO of every {operation} in {WHERE[where]}", times=times, lost=lost, twice=twice, seconds=seconds)
    assert (lost, twice) == (0, 0)


@pytest.mark.parametrize("where", WHERE, ids=["folder", "home"])
@pytest.mark.parametrize("operation", ["write", "fsync"])
def test_a_disk_that_fails(people, folder, tmp_path, faults, where, operation):
    fail_at(("submit", "approve", "start", "finish"), people, folder, tmp_path, faults, where, operation)


@pytest.mark.slow
@pytest.mark.parametrize("where", WHERE, ids=["folder", "home"])
@pytest.mark.timeout(300)
@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_disk_that_fails_in_any_way_at_any_moment(people, folder, tmp_path, faults, where, operation):
    fail_at(Story.MOMENTS, people, folder, tmp_path, faults, where, operation)


def test_a_home_that_is_read_only_for_a_while(people, folder, tmp_path, faults):
    cases = [(Refusing(folder, CHANGING, "/homes/", errno.EROFS), moment) for moment in Story.MOMENTS]
    told = Told()
    times, lost, twice, seconds = go_through(people, tmp_path, told, cases)
    faults.saw("a read-only home", times=times, lost=lost, twice=twice, seconds=seconds)
    assert (lost, twice) == (0, 0)
    assert any("read-only: make it writable" in line for line in told.troubles)


def test_one_submitters_bad_folder_holds_up_nobody_else(people, folder, tmp_path):
    """EIO where one person's jobs lie; another's job runs meanwhile, and the trouble is said once and ended once."""
    people.submit(name="Hers")
    people.owner_job("Hers").approve()
    eve = people._client(people.root, "eve@example.org")
    eve.submit_bash_job(people.owner_email, "true\n", "Fine")
    told = Told()
    folder.refuse(
        ("readdir", f"/{people.submitter_email}", errno.EIO), ("open", f"/{people.submitter_email}", errno.EIO)
    )
    with serving(people, told):
        fine = people.owner.jobs["Fine"]
        fine.approve()
        until(lambda: fine.status == "done", "the other's job is done")
        assert any(people.submitter_email in note for note in people.owner.jobs.notes)
        folder.refuse()
        until(lambda: people.owner.jobs["Hers"].status == "done", "hers is done, too")
    said = [line for line in told if people.submitter_email in line and "cannot be looked at" in line]
    assert [line[0] for line in said] == ["⚠", "✓"]


# Silence


@pytest.fixture
def apart(folder: FaultyFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TwoPeople]:
    """Two people whose folder is on it, and whose homes and workspaces are not; one soon says that it is silent."""
    monkeypatch.setattr(hang_guard, "PATIENCE", 0.5)
    base = tmp_path / "people"
    base.mkdir()
    (folder.mount / "box").mkdir()
    (base / "box").symlink_to(folder.mount / "box")
    with TwoPeople(base, sandbox="bare") as both:
        try:
            yield both
        finally:
            folder.answer()


def test_a_folder_whose_server_hangs_while_jobs_run(apart, folder, tmp_path, faults):
    """What runs ends, also at its time limit, and is brought home; the rest waits, and then goes on by itself."""
    told = Told()
    gate, canary = tmp_path / "gate", tmp_path / "canary"
    wait = f"echo ran >> {canary}; until [ -e {gate} ]; do sleep 0.02; done"
    apart.submit(f"{wait}; echo 1 > outputs/one.csv\n", "Ends")
    apart.submit(f"{wait}; sleep 1000\n", "Endless", resources=JobResources(time_limit="2s"))
    ends, endless = apart.owner_job("Ends"), apart.owner_job("Endless")
    home, said = apart.owner.home, []
    moves: list[str] = []
    with serving(apart, told, told=lambda move: moves.append(move.new_state), max_parallel=2) as serves:
        for job in (ends, endless):
            job.approve(share_outputs=True)
        until(lambda: ends.status == endless.status == "running", "they run")
        jobs = (ends.id, endless.id)
        until(lambda: sum("is running" in line for line in told) == 2, "both are said to run")
        until(lambda: serves._hang_guard._busy_since is None, "the runner has nothing in hand")
        folder.hang()
        until(lambda: any("does not answer" in line for line in told), "it is said")
        gate.touch()

        def over() -> bool:
            home.ledger.refresh()
            return all("over" in home.ledger.events(job) for job in jobs)

        until(over, "both ended and were brought home, though the folder is silent")
        assert (home.attempt_paths(jobs[0], 1).results / "outputs" / "one.csv").read_text() == "1\n"
        until(lambda: {JobState.SUCCEEDED, JobState.TIMED_OUT} <= set(moves), "both ends are told")
        said = list(told)
        folder.answer()
        began = time.monotonic()
        until(lambda: ends.state is JobState.SUCCEEDED and (ends.location / "shared").exists(), "it is told")
        until((endless.location / "done").exists, "the other one, too")
        seconds = time.monotonic() - began
        until(lambda: any(line.startswith("✓") for line in told), "its end is said")
    assert len([line for line in said if "does not answer" in line]) == 1
    assert endless.state is JobState.TIMED_OUT
    assert moves.count(JobState.SUCCEEDED) == 2, "its end, and its release"
    twice = canary.read_text().count("ran") - 2
    faults.saw("a folder whose server hangs while jobs run", times=1, lost=0, twice=twice, seconds=seconds)
    assert twice == 0


def test_a_runner_that_the_folder_holds_ends_all_the_same(apart, folder):
    told = Told()
    with serving(apart, told) as runner:
        until(lambda: apart.owner.home.runner_pid() is not None, "it serves")
        until(lambda: runner._hang_guard._busy_since is None, "the runner has nothing in hand")
        folder.hang()
        until(lambda: any("does not answer" in line for line in told), "it is said")
    assert any("The runner ends while" in line for line in told)
    folder.answer()
    until(lambda: apart.owner.home.runner_pid() is None, "what was left behind ends, too")


@pytest.mark.parametrize("number", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.slow)])
def test_signals_reach_a_runner_that_the_folder_holds(apart, folder, number):
    env = os.environ | {
        "SYFTBOX_FOLDER": str(apart.root),
        "SYFTBOX_EMAIL": apart.owner_email,
        "SYFT_JOB_CONFIG": "none",
    }
    command = [COMMAND, "run", "--poll", "0.1"]
    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as runner:
        assert runner.stdout is not None
        seen = ""
        for line in runner.stdout:
            seen += line
            if "Ctrl-C stops" in line:
                folder.hang()
            if "does not answer" in line:
                break
        runner.send_signal(number)
        out, _ = runner.communicate(timeout=60)
        assert runner.returncode == 0, seen + out
        assert "Stopped." in out


def test_stop_jobs_ends_what_runs_though_the_folder_holds_the_runner(apart, folder, tmp_path):
    told = Told()
    apart.submit("sleep 1000\n", "Endless")
    job = apart.owner_job("Endless")
    job.approve()
    with serving(apart, told) as runner:
        until(lambda: job.status == "running", "it runs")
        number = job.id
        until(lambda: any("is running" in line for line in told), "it is said to run")
        until(lambda: runner._hang_guard._busy_since is None, "the runner has nothing in hand")
        folder.hang()
        until(lambda: any("does not answer" in line for line in told), "it is said")
        runner._leave(stop_jobs=True)
        home = apart.owner.home
        home.ledger.refresh()
        assert [line.said["outcome"] for line in home.ledger.lines(number) if line.event == "over"] == ["cancelled"]
        folder.answer()
        until(lambda: job.state is JobState.CANCELLED, "the folder hears of it")


def test_a_verb_says_what_it_waits_for(apart, folder):
    env = os.environ | {
        "SYFTBOX_FOLDER": str(apart.root),
        "SYFTBOX_EMAIL": apart.owner_email,
        "SYFT_JOB_CONFIG": "none",
    }
    apart.submit("true\n", "Tides")
    folder.hang()
    with subprocess.Popen(
        [COMMAND, "list"], env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as verb:
        assert verb.stderr is not None
        assert "does not answer" in verb.stderr.readline()
        folder.answer()
        out, _ = verb.communicate(timeout=60)
        assert verb.returncode == 0
        assert "Tides" in out
    folder.hang()
    with subprocess.Popen(
        [COMMAND, "list"], env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as verb:
        assert verb.stderr is not None
        assert "Ctrl-C gives up" in verb.stderr.readline()
        verb.send_signal(signal.SIGINT)
        verb.communicate(timeout=60)
        assert verb.returncode != 0
