"""`JobRunner.run` in a thread, with real file events; the sweep is ten minutes away, so it must be the events."""

from __future__ import annotations

import errno
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest

from syft_job.exchange import job_reader
from syft_job.exchange.participant import Participant
from syft_job.job import JobInfo
from syft_job.model.job_ref import JobRef
from syft_job.model.states import JobState
from syft_job.runner import JobRunner
from syft_job.runner.attempt import AttemptDriver
from syft_job.runner.job_watch import JobWatch
from syft_job.runner.scheduler import CHECKED_A_SWEEP
from syft_job.testing import TwoPeople
from tests.reliability import Faults
from tests.serving import serving, until

NAME = "Tides"
FAR = 600.0


@pytest.fixture
def people(tmp_path: Path) -> Iterator[TwoPeople]:
    with TwoPeople(tmp_path, sandbox="bare") as both:
        yield both


@contextmanager
def running(people: TwoPeople, poll_interval: float = FAR) -> Iterator[JobRunner]:
    runner = JobRunner(people.owner.config, poll_interval=poll_interval, announce=None)
    with serving(runner, (people.owner.home.path / "runner.pid").exists):
        yield runner


def saw(faults: Faults, fault: str, canary: Path, *, since: float) -> None:
    """Take down what the fault cost: its one job wrote a line to the canary each time that it began."""
    ran = canary.read_text().split().count("ran") if canary.exists() else 0
    faults.saw(fault, lost=int(ran < 1), twice=max(0, ran - 1), seconds=time.monotonic() - since)
    assert ran == 1


def submit(people: TwoPeople, script: str = "true\n", name: str = NAME) -> JobInfo:
    people.submit(script, name)
    return people.owner_job(name)


def test_a_yes_wakes_it(people):
    job = submit(people)
    with running(people):
        job.approve()
        until(lambda: job.status == "done")


def test_a_job_of_somebody_new_is_met_while_it_waits(people):
    with running(people):
        job = submit(people)
        job.approve()
        until(lambda: job.status == "done")


def test_one_after_the_other_through_one_slot(people):
    jobs = [submit(people, name=f"job-{number}") for number in range(5)]
    with running(people) as serving:
        serving.max_parallel = 1
        for job in jobs:
            job.approve()
        until(lambda: all(job.status == "done" for job in jobs))


def test_a_cancellation_reaches_what_runs(people, tmp_path):
    job = submit(people, "sleep 1000\n")
    job.approve()
    with running(people):
        until(lambda: job.status == "running")
        job.cancel()
        until(lambda: people.owner.home.ledger.unfinished() == [])
    assert job.state is JobState.CANCELLED


def test_a_withdrawal_reaches_what_runs(people):
    job = submit(people, "sleep 1000\n")
    job.approve()
    with running(people):
        until(lambda: job.status == "running")
        people.submitters_job(NAME).withdraw()
        until((job.location / "cancelled").exists)
        until(lambda: people.owner.home.ledger.unfinished() == [])  # the loop must be there until it is dead


def test_a_withdrawal_just_before_the_watch_is_not_missed(people, monkeypatch):
    job = submit(people, "sleep 1000\n")
    job.approve()
    watch_job = JobWatch.watch_job

    def watch_late(job_watch: JobWatch, place: JobRef) -> bool:
        if not job.location.joinpath("withdrawn").exists():
            people.submitters_job(NAME).withdraw()
        return watch_job(job_watch, place)

    monkeypatch.setattr(JobWatch, "watch_job", watch_late)
    with running(people):
        until((job.location / "cancelled").exists)
        until(lambda: people.owner.home.ledger.unfinished() == [])


def test_a_disk_that_fails_while_watches_are_set_is_waited_out(people, monkeypatch):
    job = submit(people, "sleep 1000\n")
    job.approve()
    watch_job = JobWatch.watch_job
    failed: list[JobRef] = []

    def watch_badly(job_watch: JobWatch, place: JobRef) -> bool:
        if not failed:
            failed.append(place)
            raise OSError(errno.EIO, "it failed", str(job.location))
        return watch_job(job_watch, place)

    monkeypatch.setattr(JobWatch, "watch_job", watch_badly)
    told: list[str] = []
    with running(people, poll_interval=0.2) as serving:
        serving.announce = told.append
        until(lambda: failed)
        job.cancel()
        until(lambda: people.owner.home.ledger.unfinished() == [])
        until(lambda: any(line.startswith("✓") for line in told))
    assert any(line.startswith("⚠") and "tried again" in line for line in told)


def test_jobs_that_wait_take_no_watch_from_one_that_runs(people, monkeypatch):
    monkeypatch.setattr("syft_job.fs.watch.MAX_WATCHES", 8)
    for number in range(12):
        people.submit("true\n", f"waits {number:02d}")
    job = submit(people)
    with running(people):
        job.approve()
        until(lambda: job.status == "done")


def test_a_job_costs_no_look_at_the_others(people, monkeypatch):
    """What the ledger said before the runner came is nothing new."""
    others = [submit(people, name=f"before {number:02d}") for number in range(12)]
    for other in others:
        other.approve()
    with running(people):
        until(lambda: all(other.status == "done" for other in others))
    seen: list[JobRef] = []

    def look(root: Path, place: JobRef, participant: Participant) -> job_reader.JobSnapshot:
        seen.append(place)
        return job_reader.look(root, place, participant)

    with running(people) as serving:
        until(lambda: serving.store.submitters(people.owner.email))
        monkeypatch.setattr("syft_job.runner.attempt.job_reader", SimpleNamespace(look=look))
        job = submit(people)
        job.approve()
        until(lambda: job.status == "done")
    assert people.place(NAME) in seen
    assert len(set(seen)) <= 1 + CHECKED_A_SWEEP


@pytest.mark.parametrize("approved_before", [True, False], ids=["approved before", "approved while it runs"])
@pytest.mark.parametrize("path", ["run.sh", "code/main.py"])
def test_bytes_that_come_back_wake_it(people, path, approved_before):
    """Watched are unfinished jobs and their `code/` (lifecycle, The runner)."""
    people.submit_code({"main.py": "print(1)\n"}, NAME)
    job = people.owner_job(NAME)
    good = (job.location / path).read_bytes()

    def approve_and_change():
        people.owner.home.pause()  # an approval is refused once the bytes differ, and without them the job would start
        job.approve()
        (job.location / path).write_bytes(good[::-1])
        people.owner.home.resume()

    if approved_before:
        approve_and_change()
    with running(people) as serving:
        if not approved_before:
            approve_and_change()
        until(lambda: people.place(NAME) in serving.blocked_jobs)
        (job.location / path).write_bytes(good)
        until(lambda: job.status == "done")


def test_a_job_with_a_hindrance_does_not_keep_the_runner_busy(people, monkeypatch):
    job = submit(people)
    script = job.location / "run.sh"
    job.approve()
    script.write_bytes(script.read_bytes()[::-1])
    looked: list[JobRef] = []
    reconcile = AttemptDriver.reconcile

    def count(driver: AttemptDriver, place: JobRef) -> job_reader.JobSnapshot:
        looked.append(place)
        return reconcile(driver, place)

    monkeypatch.setattr(AttemptDriver, "reconcile", count)
    with running(people) as serving:
        until(lambda: people.place(NAME) in serving.blocked_jobs)
        time.sleep(1)
    assert len(looked) <= 4


def test_a_folder_that_is_taken_away_and_delivered_late(people, tmp_path, faults):
    canary = tmp_path / "canary"
    job = submit(people, f"echo ran >>{canary}\n")
    job.approve()
    kept = shutil.copytree(job.location, tmp_path / "kept")
    shutil.rmtree(job.location)
    with running(people):
        shutil.copytree(kept, job.location)
        back = time.monotonic()
        until((job.location / "done").exists)
    saw(faults, "the job's directory is taken away and delivered late", canary, since=back)


def test_an_approved_job_that_comes_back_piece_by_piece_starts_with_the_last_one(people, tmp_path):
    people.submit_code({"main.py": "print(1)\n"}, NAME)
    job = people.owner_job(NAME)
    job.approve()
    kept = tmp_path / "kept"
    job.location.rename(kept)
    with running(people) as serving:
        until(lambda: serving.store.submitters(people.owner.email) and serving._hang_guard._busy_since is None)
        for piece in ("", "code", "code/main.py", "config.yaml", "run.sh"):
            there, here = job.location / piece, kept / piece
            if here.is_dir():
                there.mkdir()
            else:
                shutil.copy(here, there)
            time.sleep(0.25)  # so that the runner has looked and come to rest
        until((job.location / "done").exists)
    assert job.state is JobState.SUCCEEDED


def test_stop_leaves_a_running_job_and_the_next_runner_collects_it(people, tmp_path, faults):
    gate, canary = tmp_path / "gate", tmp_path / "canary"
    job = submit(people, f"until [ -e {gate} ]; do sleep 0.05; done; echo ran >> {canary}\n")
    job.approve()
    with running(people):
        until(lambda: job.status == "running")
    assert job.status == "running"
    gate.touch()
    stopped = time.monotonic()
    with running(people):
        until(lambda: job.status == "done")
    saw(faults, "the runner is stopped while a job runs, and another one is started", canary, since=stopped)


def test_without_events_the_sweep_does_it(people, monkeypatch, tmp_path, faults):
    monkeypatch.setattr("syft_job.fs.watch.MAX_WATCHES", 0)
    canary = tmp_path / "canary"
    job = submit(people, f"echo ran >>{canary}\n")
    with running(people, poll_interval=0.2):
        job.approve()
        said = time.monotonic()
        until(lambda: job.status == "done")
    saw(faults, "no file event arrives", canary, since=said)


@pytest.mark.parametrize("how", ["once", "drain"])
def test_it_ends_by_itself(people, how):
    """What cannot start keeps nobody waiting."""
    jobs = [submit(people, name=f"job-{number}") for number in range(3)]
    for job in jobs:
        job.approve()
    stuck = submit(people, name="Stuck")
    stuck.approve()
    (stuck.location / "run.sh").write_text("other\n")
    serving = JobRunner(people.owner.config, poll_interval=FAR, announce=None)
    thread = threading.Thread(target=serving.run, kwargs={how: True})
    thread.start()
    thread.join(40)
    assert not thread.is_alive()
    assert all(job.status == "done" for job in jobs)
    assert stuck.status == "approved"


def test_with_nothing_to_do_it_ends_at_once(people):
    JobRunner(people.owner.config, poll_interval=FAR, announce=None).run(drain=True)
    JobRunner(people.owner.config, poll_interval=FAR, announce=None).run(once=True)


class Counting(JobRunner):
    """A runner that counts its steps; nothing else about it is different."""

    steps = 0

    def _step(self, hints, **how):
        self.steps += 1
        return super()._step(hints, **how)


def test_an_idle_runner_does_not_wake_itself(people):
    job = submit(people)
    job.approve()
    serving, stop = Counting(people.owner.config, poll_interval=FAR, announce=None), threading.Event()
    thread = threading.Thread(target=serving.run, args=(stop,))
    thread.start()
    try:
        until(lambda: job.status == "done" and not people.owner.home.ledger.unfinished())
        stop.wait(0.5)
        before = serving.steps
        stop.wait(1.5)
        assert serving.steps - before < 20
    finally:
        stop.set()
        thread.join(30)
