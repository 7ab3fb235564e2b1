"""The runner's parts by themselves: what an attempt's end is called, and what it takes to start one."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from syft_job.errors import RunnerBusy, StoreError, SyftJobError
from syft_job.exchange import job_reader
from syft_job.exchange.job_index import JobIndex
from syft_job.execution.evidence import ExitRecord
from syft_job.model.job_record import JobRecord
from syft_job.model.job_ref import JobRef
from syft_job.model.states import JobState
from syft_job.runner import JobRunner, SyftJobRunner, workspace
from syft_job.runner.attempt_files import Attempt
from syft_job.testing import TwoPeople

NAME = "Tides"
NOW = datetime(2026, 3, 2, tzinfo=UTC)


@pytest.fixture
def people(tmp_path: Path) -> Iterator[TwoPeople]:
    with TwoPeople(tmp_path, sandbox="bare") as both:
        yield both


def exit_record(
    code: int = 0, *, timed_out: bool = False, cancelled: bool = False, too_big: bool = False
) -> ExitRecord:
    return ExitRecord(
        code, timed_out, cancelled, log_cut=False, left_behind=False, started_at=NOW, ended_at=NOW, too_big=too_big
    )


@pytest.mark.parametrize(
    ("record", "outcome"),
    [
        (exit_record(0), "succeeded"),
        (exit_record(1), "failed"),
        (exit_record(137), "failed"),
        (exit_record(137, too_big=True), "failed"),
        (exit_record(0, too_big=True), "failed"),
        (exit_record(143, timed_out=True), "timed_out"),
        (exit_record(0, timed_out=True), "timed_out"),
        (exit_record(143, cancelled=True), "cancelled"),
        (exit_record(0, cancelled=True), "cancelled"),
    ],
)
def test_each_end_has_one_outcome(record, outcome):
    assert record.outcome == outcome
    assert JobState(outcome).is_terminal


def look_at(people: TwoPeople) -> job_reader.JobSnapshot:
    return job_reader.look(people.root, people.place(NAME), people.owner.participant)


def attempt_of(people: TwoPeople) -> Attempt:
    record = look_at(people).record
    return Attempt(people.owner.participant, record.place, record.id, record.attempt)


def test_the_copy_is_exactly_what_is_listed(people):
    people.submit_code({"main.py": "print(1)\n", "lib/x.txt": "x", "lib/none": ""}, NAME)
    people.owner_job(NAME).approve()
    look, attempt = look_at(people), attempt_of(people)
    (people.location(NAME) / "code" / "lib" / "none").unlink()  # some tools drop empty files
    (people.location(NAME) / "code" / "extra.py").touch()
    workspace.create_workspace(attempt, look)
    copied = attempt.workspace / "job"
    names = {str(path.relative_to(copied)) for path in copied.rglob("*")}
    assert names == {"run.sh", "code", "code/main.py", "code/lib", "code/lib/x.txt", "code/lib/none", "outputs"}
    assert {path.name for path in attempt.workspace.parent.iterdir()} == {attempt.workspace.name}, "no litter"


def test_a_copy_that_fails_leaves_nothing(people):
    location = people.submit(name=NAME)
    people.owner_job(NAME).approve()
    look, attempt = look_at(people), attempt_of(people)
    (location / "run.sh").write_text("evil")
    with pytest.raises(SyftJobError, match=r"run\.sh"):
        workspace.create_workspace(attempt, look)
    assert list(attempt.workspace.parent.iterdir()) == []


def test_one_runner_at_a_time_in_one_process_too(people):
    first, second = (JobRunner(people.owner.config, announce=None) for _ in range(2))
    with first._serving():
        with pytest.raises(RunnerBusy, match="One is enough"):
            second.step()
        assert first.step() == [], "its own calls share the lock"
    assert second.step() == []


def test_no_verb_waits_for_the_runner(people):
    people.submit(name=NAME)
    with JobRunner(people.owner.config, announce=None)._serving():
        job = people.owner_job(NAME)
        job.approve()
        job.cancel()
        assert job.status == "cancelled"


def test_a_home_of_another_machine_serves_nothing(people):
    people.submit(name=NAME)
    people.owner_job(NAME).approve()
    identity = people.owner.home.path / "home.json"
    identity.write_text(identity.read_text().replace('"machine": "', '"machine": "0'))
    with pytest.raises(StoreError, match="another machine"):
        JobRunner(people.owner.config, announce=None).step()


def test_each_step_tells_what_moved(people):
    people.submit("exit 2\n", NAME)
    job = people.owner_job(NAME)
    job.approve()
    serving, told = JobRunner(people.owner.config, announce=None), []
    while job.status != "done":
        told += serving.step()
    told += serving.step()
    assert [(move.old_state, move.new_state) for move in told] == [
        (JobState.QUEUED, JobState.RUNNING),
        (JobState.RUNNING, JobState.FAILED),
    ]
    assert {move.place for move in told} == {people.place(NAME)}


def test_a_hint_that_points_nowhere_is_no_error(people):
    serving = SyftJobRunner(people.owner.config, announce=None)
    assert serving.step([people.place("Nowhere")]) == []


def test_what_is_set_aside_is_announced_once_and_forgotten_when_it_starts(people):
    location = people.submit(name=NAME)
    people.owner_job(NAME).approve()
    good = (location / "run.sh").read_bytes()
    (location / "run.sh").write_bytes(b"evil")
    said: list[str] = []
    serving = JobRunner(people.owner.config, announce=said.append)
    for _ in range(3):
        serving.step()
    assert len([line for line in said if "run.sh" in line]) == 1
    (location / "run.sh").write_bytes(good)
    serving.process_approved_jobs()
    assert serving.blocked_jobs == {}
    assert people.owner_job(NAME).findings == ()


def test_the_time_limit_of_a_call_ends_with_the_call(people):
    serving = JobRunner(people.owner.config, announce=None)
    serving.process_approved_jobs(timeout=3)
    assert serving.config.time_limit == people.owner.config.time_limit


def test_what_a_job_prints_is_told_in_whole_lines(people):
    people.submit("printf 'high '; sleep 0.3; printf 'tide\\nlow'; echo ebb >&2; sleep 0.3; printf ' tide'", NAME)
    people.owner_job(NAME).approve()
    told: list[str] = []
    JobRunner(people.owner.config, announce=told.append).process_approved_jobs()
    assert [line for line in told if line.startswith("   ")] == ["   high tide", "   ebb", "   low tide"]


def test_a_folder_that_goes_away_and_comes_back_within_a_round_loses_no_job(
    people: TwoPeople, monkeypatch: pytest.MonkeyPatch
):
    people.submit(name=NAME)
    people.owner_job(NAME).approve()
    people.owner.home.pause()
    runner = JobRunner(people.owner.config, announce=None)
    until = time.monotonic() + people.owner.participant.settles + 1
    while time.monotonic() < until:  # until a look at its directory's times is enough
        runner.step()
        time.sleep(0.1)
    people.owner.home.resume()
    away, sweep = people.root.with_name("away"), JobIndex.sweep

    def sweep_before_it_goes(store: JobIndex, *words: Any) -> list[JobRef]:
        moved = sweep(store, *words)
        people.root.rename(away)
        return moved

    with monkeypatch.context() as patched:
        patched.setattr(JobIndex, "sweep", sweep_before_it_goes)
        assert not runner.step()  # it cannot be started
    away.rename(people.root)
    moves = [move for _ in range(3) for move in runner.step()]
    assert moves
    assert moves[0].new_state is JobState.RUNNING


def test_a_job_that_goes_away_for_good_is_not_looked_for_forever(people: TwoPeople, monkeypatch: pytest.MonkeyPatch):
    people.submit(name=NAME)
    people.owner_job(NAME).approve()
    runner = JobRunner(people.owner.config, announce=None)
    location, sweep = people.location(NAME), JobIndex.sweep

    def sweep_before_it_goes(store: JobIndex, *words: Any) -> list[JobRef]:
        moved = sweep(store, *words)
        shutil.rmtree(location, ignore_errors=True)
        return moved

    monkeypatch.setattr(JobIndex, "sweep", sweep_before_it_goes)
    runner.step()
    runner.step()
    looked: list[JobRef] = []
    get = JobIndex.get

    def noted(store: JobIndex, place: JobRef, **more: Any) -> JobRecord:
        looked.append(place)
        return get(store, place, **more)

    monkeypatch.setattr(JobIndex, "get", noted)
    runner.step()
    assert not looked
