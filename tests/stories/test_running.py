"""From a yes to results, with real processes: what runs, under what, how it ends, who may stop it, who collects it."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from syft_job import fs
from syft_job.errors import RunnerBusy
from syft_job.execution.backends.base import CliCommand, JobDryRun, JobHandle
from syft_job.execution.backends.shell import ShellJob
from syft_job.execution.command import Command
from syft_job.format.manifest import JobResources
from syft_job.job import JobInfo
from syft_job.model.events import Event
from syft_job.model.states import JobState
from syft_job.model.units import Duration
from syft_job.runner import JobRunner, SyftJobRunner, create_runner
from syft_job.testing import TwoPeople
from tests.serving import until

NAME = "Tides"
RUNNER = """
import sys
from syft_job.runner import create_runner
runner = create_runner(sys.argv[1], sys.argv[2], 0.2, sandbox="bare")
runner.announce = None
runner.run(drain="drain" in sys.argv)
"""


@pytest.fixture
def people(tmp_path: Path) -> Iterator[TwoPeople]:
    with TwoPeople(tmp_path, sandbox="bare") as both:
        yield both


@pytest.fixture
def gate(tmp_path: Path) -> Iterator[Path]:
    """A file for which jobs wait; it is there at the end at the latest."""
    path = tmp_path / "gate"
    yield path
    path.touch()


def waits(gate: Path) -> str:
    return f"until [ -e {gate} ]; do sleep 0.05; done\n"


def runner(people: TwoPeople, **options: Any) -> JobRunner:
    return JobRunner(people.owner.config, announce=None, poll_interval=0.2, **options)


def approved(people: TwoPeople, script: str = "true\n", name: str = NAME, **options: Any) -> JobInfo:
    people.submit(script, name, **options)
    job = people.owner_job(name)
    job.approve()
    return job


def process(people: TwoPeople, **options: Any) -> list[str]:
    return [record.name for record in runner(people).process_approved_jobs(stream_output=False, **options)]


def stepped_to(serving: JobRunner, job: JobInfo, state: JobState) -> None:
    def is_there() -> bool:
        serving.step()
        return job.state is state and (not state.is_terminal or not serving.home.ledger.unfinished())

    until(is_there)


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


def events(people: TwoPeople, job: JobInfo) -> Counter[str]:
    people.owner.home.ledger.refresh()
    return Counter(line.event for line in people.owner.home.ledger.lines(job.id))


# What runs


@pytest.mark.conformance(76)
def test_only_what_is_approved_in_the_own_datasite_runs(people, tmp_path):
    canary = tmp_path / "canary"
    people.submit(f"echo inbox >> {canary}\n", "Waiting")
    approved(people, f"echo mine >> {canary}\n")
    people.submitter.setup_ds_job_folder_as_do(people.owner_email)
    people.owner.submit_bash_job(people.submitter_email, f"echo theirs >> {canary}\n", "Theirs")
    people.submitter.jobs["Theirs"].approve()
    assert process(people) == [NAME]
    assert process(people) == []
    assert canary.read_text() == "mine\n"


@pytest.mark.conformance(77, 78)
def test_what_a_job_finds_and_leaves(people):
    job = approved(
        people, 'echo "$SYFTBOX_FOLDER|$SYFTBOX_EMAIL|$SYFT_IS_IN_JOB"; pwd >&2; ls; echo 1 > outputs/one.csv\n'
    )
    process(people)
    first, *listing = str(job.stdout).splitlines()
    assert first == f"{people.root}|{people.owner_email}|true"
    assert listing == ["outputs", "run.sh"]
    assert str(job.stderr).strip() != str(job.location), "it works on its own copy"
    assert (job.returncode, job.status) == (0, "done")
    assert [path.read_text() for path in job.output_paths] == ["1\n"]
    assert not people.owner.home.attempt_paths(job.id, 1).workspace.exists()
    assert (job.location / "done").exists()


@pytest.mark.conformance(79)
@pytest.mark.parametrize(
    ("script", "code"),
    [("exit 3", 3), ("exit 255", 255), ("kill -9 $$", 137), ("kill -SEGV $$", 139), ("no-such-program", 127)],
)
def test_the_exit_code_is_told_to_the_owner_and_with_the_logs_to_the_submitter(people, script, code):
    job = approved(people, script + "\n")
    process(people)
    assert (job.status, job.state, job.returncode) == ("done", JobState.FAILED, code)
    theirs = people.submitters_job(NAME)
    assert (theirs.status, theirs.state, theirs.returncode) == ("done", JobState.FAILED, None)
    job.share_logs([people.submitter_email])
    assert theirs.returncode == code


@pytest.mark.conformance(80)
def test_a_crash_leaves_the_whole_traceback_and_all_earlier_prints(people):
    code = "print('one', end='')\nprint('two')\ndef inner():\n    raise KeyError('gauge 7')\ninner()\n"
    people.submit_code({"my main.py": code}, 'It\'s "quoted"')
    job = people.owner_job('It\'s "quoted"')
    job.approve()
    process(people)
    assert job.state is JobState.FAILED
    assert str(job.stdout) == "onetwo\n"
    assert "Traceback (most recent call last)" in str(job.stderr)
    assert "in inner" in str(job.stderr)
    assert "KeyError: 'gauge 7'" in str(job.stderr)


@pytest.mark.conformance(82)
def test_a_missing_run_sh_waits_and_says_so(people):
    job = approved(people)
    content = (job.location / "run.sh").read_bytes()
    (job.location / "run.sh").unlink()
    assert process(people) == []
    assert any("'run.sh'" in finding for finding in job.findings)
    assert events(people, job)["start"] == 0
    (job.location / "run.sh").write_bytes(content)
    assert process(people) == [NAME]


@pytest.mark.conformance(85)
def test_skipped_names_with_and_without_their_submitter(people):
    for name in ("One", "Two", "Three"):
        approved(people, name=name)
    assert process(people, skip_job_names=["One", f"{people.submitter_email}/Two", "eve@example.org/Three"]) == [
        "Three"
    ]
    assert sorted(process(people)) == ["One", "Two"]


def test_a_job_that_needs_what_this_version_has_not_is_not_started_and_says_why(people):
    people.submit_code({"main.py": "print(1)\n"}, "Needs", dependencies=["numpy>=2"])
    people.owner_job("Needs").approve()
    approved(people, name="Reads", datasets=["rainfall"])
    approved(people, name="Plain")
    assert process(people) == ["Plain"]
    assert any("numpy>=2" in finding for finding in people.owner_job("Needs").findings)
    assert any("rainfall" in finding for finding in people.owner_job("Reads").findings)


def test_a_required_sandbox_that_is_not_there_starts_nothing(tmp_path):
    with TwoPeople(tmp_path, sandbox="bare", require_sandbox=True) as people:
        job = approved(people, f"touch {tmp_path}/canary\n")
        serving = runner(people)
        assert serving.process_approved_jobs() == []
        assert "sandbox" in serving.blocked_jobs[people.place(NAME)]
        assert any("sandbox" in finding for finding in job.findings)
        assert job.status == "approved"
        assert not (tmp_path / "canary").exists()


OPEN = [
    "**",
    "*/done",
    "*/approved",
    "*/outputs/**",
    "*/shared",
    "*/attempts/*",
    "*/stdout.txt",
    "*/rejected",
    "*/cancelled",
    "*/running",
]


@pytest.mark.conformance(94, 241)
@pytest.mark.parametrize("pattern", OPEN)
def test_where_rules_hold_an_open_folder_starts_nothing(people, pattern):
    job = approved(people)
    enforced = dataclasses.replace(people.owner.config, folder="enforced")
    rules = f"rules:\n- pattern: '{pattern}'\n  access:\n    write: ['{people.submitter_email}']\n"
    (job.location.parent / "syft.pub.yaml").write_text(rules)
    assert JobRunner(enforced, announce=None).process_approved_jobs() == []
    assert any("rules" in finding for finding in job.findings), job.findings
    (job.location.parent / "syft.pub.yaml").unlink()
    assert [record.name for record in JobRunner(enforced, announce=None).process_approved_jobs()] == [NAME]


# How it ends


@pytest.mark.conformance(81)
def test_a_job_that_fills_the_disk_fails_says_why_and_lets_nothing_out(tmp_path):
    script = "n=0; while n=$((n + 1)); do head -c 9000 /dev/zero >outputs/$n; done\n"
    with TwoPeople(tmp_path, sandbox="bare", disk_bytes=2 << 20) as people:
        job = approved(people, script)
        process(people)

        assert job.state is JobState.FAILED
        assert "It was ended: its folder held more than 2097152 bytes" in str(job.stderr)
        over = [line for line in people.owner.home.ledger.lines(job.id) if line.event == "over"]
        assert [line.said["too_big"] for line in over] == [True]
        assert "its folder held more than it may" in str(job.history[-1])
        assert people.submitters_job(NAME).output_paths == []


def test_the_shorter_of_all_time_limits_holds(people):
    long = approved(people, "sleep 1000\n", "Long", resources=JobResources(time_limit=Duration(1000)))
    short = approved(people, "sleep 1000\n", "Short", resources=JobResources(time_limit=Duration(1)))
    assert process(people, timeout=0.5, skip_job_names=["Short"]) == ["Long"]
    assert process(people, timeout=1000) == ["Short"]
    for job in (long, short):
        assert (job.status, job.state) == ("done", JobState.TIMED_OUT)
        assert people.submitters_job(job.name).state is JobState.TIMED_OUT


def test_an_outcome_that_is_told_when_something_is_shared(tmp_path):
    with TwoPeople(tmp_path, sandbox="bare", tell_outcome="when_shared") as people:
        job = approved(people, "exit 3\n")
        process(people)
        serving = runner(people)
        serving.step()
        assert job.status == "done"
        assert not (job.location / "done").exists()
        assert people.submitters_job(NAME).status != "done"
        job.share_logs([people.submitter_email])
        serving.step()
        theirs = people.submitters_job(NAME)
        assert (theirs.status, theirs.state, theirs.returncode) == ("done", JobState.FAILED, 3)


def test_a_promised_release_tells_the_outcome_too(tmp_path):
    with TwoPeople(tmp_path, sandbox="bare", tell_outcome="when_shared") as people:
        people.submit("echo 1 > outputs/one\n", NAME)
        people.owner_job(NAME).approve(share_outputs=True)
        process(people)
        runner(people).step()
        theirs = people.submitters_job(NAME)
        assert theirs.status == "done"
        assert [path.name for path in theirs.output_paths] == ["one"]


# Who may stop it


def test_cancel_while_it_runs_ends_the_whole_tree(people, gate, tmp_path):
    pids = tmp_path / "pids"
    job = approved(people, f"echo $$ >> {pids}; (echo $BASHPID >> {pids}; {waits(gate).strip()}) & {waits(gate)}")
    serving = runner(people)
    stepped_to(serving, job, JobState.RUNNING)
    until(lambda: pids.exists() and len(pids.read_text().split()) == 2)
    job.cancel("enough")
    assert job.state is JobState.CANCELLED
    stepped_to(serving, job, JobState.CANCELLED)
    assert not [pid for pid in map(int, pids.read_text().split()) if is_alive(pid)]
    serving.step()
    assert people.submitters_job(NAME).state is JobState.CANCELLED
    assert events(people, job)["over"] == 1


def test_what_was_cancelled_owes_nobody_a_release(people, gate):
    people.submit(waits(gate), NAME)
    job = people.owner_job(NAME)
    job.approve(share_outputs=True)
    serving = runner(people)
    stepped_to(serving, job, JobState.RUNNING)
    job.cancel()
    stepped_to(serving, job, JobState.CANCELLED)
    assert people.owner.home.ledger.pending_releases() == []


def test_a_cancellation_that_was_only_said_still_ends_what_runs(people, gate, tmp_path):
    """Whoever cancelled was stopped, or the folder refused, before the supervisor could be told (threat 14)."""
    pid = tmp_path / "pid"
    job = approved(people, f"echo $$ >{pid}; {waits(gate)}")
    serving = runner(people)
    stepped_to(serving, job, JobState.RUNNING)
    until(pid.exists)
    record, home = job.record, people.owner.home
    with home.locked():
        said = {"by": people.owner_email, "at": record.submitted_at, "digest": record.digest, "attempt": 1}
        home.ledger.say(record.id, 1, Event.CANCELLED, place=list(record.place), mark=said)
    stepped_to(runner(people), job, JobState.CANCELLED)
    assert not is_alive(int(pid.read_text()))


def test_cancel_before_it_starts(people, tmp_path):
    job = approved(people, f"touch {tmp_path}/canary\n")
    job.cancel()
    assert process(people) == []
    assert job.status == "cancelled"
    assert not (tmp_path / "canary").exists()
    job.rerun()
    assert process(people) == [NAME]
    assert job.attempt == 2


def test_a_withdrawal_while_it_runs_is_honoured(people, gate, tmp_path):
    pid = tmp_path / "pid"
    job = approved(people, f"echo $$ > {pid}; {waits(gate)}")
    serving = runner(people)
    stepped_to(serving, job, JobState.RUNNING)
    until(pid.exists)
    people.submitters_job(NAME).withdraw("wrong gauges")
    stepped_to(serving, job, JobState.CANCELLED)
    assert not is_alive(int(pid.read_text()))
    assert (job.location / "cancelled").exists()
    assert people.submitters_job(NAME).status == "cancelled"
    assert process(people) == []


def test_a_withdrawal_before_it_starts(people, tmp_path):
    approved(people, f"touch {tmp_path}/canary\n")
    people.submitters_job(NAME).withdraw()
    assert process(people) == []
    assert not (tmp_path / "canary").exists()


def test_a_job_that_is_taken_back_while_its_start_is_prepared_leaves_no_workspace(people, tmp_path):
    job = approved(people, f"touch {tmp_path}/canary\n")
    theirs = people.submitters_job(NAME)
    name = f"rename {job.id}.1"
    is_back: list[bool] = []

    def before(what: str) -> None:
        if what == name and not is_back:  # its files are copied, and the ledger has not been told to start it
            is_back.append(True)
            theirs.withdraw()

    with fs.hook_writes(before):
        runner(people).step()
    assert is_back
    assert job.status == "cancelled"
    assert not people.owner.home.attempt_paths(job.id, 1).workspace.exists()
    assert not (tmp_path / "canary").exists()


def test_a_workspace_that_a_killed_runner_prepared_for_nothing_is_removed_by_the_next(people):
    job = approved(people)
    prepared = people.owner.home.attempt_paths(job.id, 1).workspace
    (prepared / "job").mkdir(parents=True)
    people.submitters_job(NAME).withdraw()
    runner(people).step()
    assert not prepared.exists()


# Who collects it


def spawn(people: TwoPeople, *more: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", RUNNER, str(people.root), people.owner_email, *more])


@pytest.mark.conformance(87)
def test_a_second_runner_is_told_who_serves(people, gate):
    job = approved(people, waits(gate))
    with spawn(people) as first:
        try:
            until(lambda: job.status == "running")
            with pytest.raises(RunnerBusy, match=str(first.pid)):
                runner(people).step()
            with pytest.raises(RunnerBusy, match=str(first.pid)):
                runner(people).process_approved_jobs()
            gate.touch()
            until(lambda: job.status == "done")
        finally:
            first.kill()
    assert events(people, job)["start"] == 1
    runner(people).step()  # the lock went with its holder


def test_an_owner_who_waits_beside_a_runner_of_another_process_hears_of_each_attempt(people):
    """What the runner said since is in the ledger; a job that is looked at alone must not miss it."""
    job = approved(people)
    with spawn(people, "drain") as first:
        assert first.wait(60) == 0
    assert job.wait(60) is JobState.SUCCEEDED
    job.rerun()
    assert job.status == "approved"
    with spawn(people, "drain") as second:
        assert second.wait(60) == 0
    assert people.owner.job_at(people.place(NAME)).state is JobState.SUCCEEDED
    assert (job.wait(60), job.attempt) == (JobState.SUCCEEDED, 2)


@pytest.mark.conformance(87)
def test_two_runners_at_once_begin_no_job_twice(people, tmp_path, faults):
    canary = tmp_path / "canary"
    jobs = [approved(people, f"echo {number} >> {canary}\n", f"job-{number}") for number in range(6)]
    started = [spawn(people, "drain") for _ in range(2)]
    for process_ in started:
        process_.wait(60)
    runner(people).run(drain=True)
    ran = Counter(canary.read_text().split())
    faults.saw("two runners are started at once", lost=len(jobs) - len(ran), twice=ran.total() - len(ran))
    assert ran == Counter(map(str, range(6)))
    assert all(job.status == "done" for job in jobs)


@pytest.mark.conformance(88)
@pytest.mark.parametrize("moment", ["while it runs", "after its end"])
def test_a_runner_that_was_killed_loses_nothing(people, gate, tmp_path, moment, faults):
    canary = tmp_path / "canary"
    people.submit(f"{waits(gate)}echo ran >> {canary}; echo 1 > outputs/one; exit 5\n", NAME)
    job = people.owner_job(NAME)
    job.approve(share_logs=True)
    with spawn(people) as first:
        until(lambda: job.status == "running")
        first.kill()
    if moment == "after its end":
        gate.touch()
        until((people.owner.home.attempt_paths(job.id, 1).workspace / "verdict").exists)
    killed = time.monotonic()
    serving = runner(people)
    serving.step()
    gate.touch()
    stepped_to(serving, job, JobState.FAILED)
    ran = canary.read_text().split().count("ran")
    seconds = time.monotonic() - killed
    faults.saw("the runner is killed beside a job", lost=int(ran < 1), twice=max(0, ran - 1), seconds=seconds)
    assert (job.returncode, canary.read_text()) == (5, "ran\n")
    until(lambda: serving.step() is None or people.submitters_job(NAME).returncode == 5)
    assert events(people, job) == {"approve": 1, "start": 1, "over": 1, "released": 1}


@pytest.mark.conformance(88)
def test_lost_is_said_where_the_supervisor_was_killed_and_never_run_again(people, gate, tmp_path, faults):
    pid, canary = tmp_path / "pid", tmp_path / "canary"
    job = approved(people, f"echo began >> {canary}; echo $$ > {pid}; {waits(gate)}")
    serving = runner(people)
    stepped_to(serving, job, JobState.RUNNING)
    until(pid.exists)
    os.kill(int(people.owner.home.attempt_paths(job.id, 1).claim.read_text().split()[0]), signal.SIGKILL)
    killed = time.monotonic()
    stepped_to(serving, job, JobState.LOST)
    until(lambda: not is_alive(int(pid.read_text())))
    seconds = time.monotonic() - killed
    assert process(people) == []
    ran = canary.read_text().split().count("began")
    faults.saw("the supervisor of a running job is killed", lost=int(ran < 1), twice=max(0, ran - 1), seconds=seconds)
    assert canary.read_text() == "began\n"
    assert (job.status, job.returncode) == ("done", None)
    assert people.submitters_job(NAME).state is JobState.LOST
    gate.touch()
    job.rerun()
    assert process(people) == [NAME]
    assert canary.read_text() == "began\nbegan\n"


@pytest.mark.conformance(88)
def test_a_supervisor_that_is_slow_to_begin_is_not_lost(people, gate):
    """Stopped in the middle of its first act: no claim, a process that lives. Nothing is said and nothing repeated."""
    job = approved(people, waits(gate))
    serving = runner(people)
    serving.step()
    handle = people.owner.home.attempt_paths(job.id, 1).workspace / "handle.json"
    until(handle.exists)
    pid = int(json.loads(handle.read_text())["job_id"])
    os.kill(pid, signal.SIGSTOP)
    try:
        for _ in range(3):
            serving.step()
        assert not job.state.is_terminal
    finally:
        os.kill(pid, signal.SIGCONT)
        gate.touch()
    stepped_to(serving, job, JobState.SUCCEEDED)
    assert events(people, job) == {"approve": 1, "start": 1, "over": 1}


class LaunchesElsewhereOnce(ShellJob):
    """The first command is started by another machine, the others are started here."""

    _commands: int = 0

    def _submit(self, command: Command | CliCommand, *, dry_run: bool) -> JobHandle | JobDryRun:
        self._commands += 1
        if self._commands == 1:
            return JobHandle(job_id="1", backend=self.short_name, metadata={"host": "another"})
        return super()._submit(command, dry_run=dry_run)


@pytest.mark.conformance(88)
def test_what_another_machine_spawned_holds_nobody_up(people):
    """A home that two machines share by mistake: the note of the other one cannot be judged here, and it is said so."""
    serving = runner(people, max_parallel=1, backend=LaunchesElsewhereOnce())
    foreign = approved(people, name="Foreign")
    serving.step()
    assert events(people, foreign) == {"approve": 1, "start": 1}
    other = approved(people, name="Other")
    until(lambda: (serving.step(), other.state)[1] is JobState.SUCCEEDED)
    assert not foreign.state.is_terminal
    assert any("another machine" in finding for finding in foreign.findings), foreign.findings
    assert "another machine" in serving.blocked_jobs[people.place("Foreign")]


# Many


def test_never_more_at_once_than_allowed_and_each_exactly_once(people, tmp_path):
    log = tmp_path / "log"
    jobs = [
        approved(people, f"echo + >> {log}; sleep 0.05; echo {number} >> {log}; echo - >> {log}\n", f"job-{number:02}")
        for number in range(20)
    ]
    runner(people, max_parallel=2).run(drain=True)
    running = most = 0
    for word in log.read_text().split():
        running += {"+": 1, "-": -1}.get(word, 0)
        most = max(most, running)
    assert most <= 2
    assert sorted(word for word in log.read_text().split() if word.isdigit()) == sorted(map(str, range(20)))
    assert all(job.state is JobState.SUCCEEDED for job in jobs)
    assert all(events(people, job) == {"approve": 1, "start": 1, "over": 1} for job in jobs)


@pytest.mark.conformance(91)
def test_reset_removes_the_own_jobs_and_stops_what_runs(people, gate, tmp_path):
    pid = tmp_path / "pid"
    running = approved(people, f"echo $$ > {pid}; {waits(gate)}", "Running")
    approved(people, name="Done")
    serving = runner(people, max_parallel=2)
    stepped_to(serving, running, JobState.RUNNING)
    until(pid.exists)
    people.submit(name="Waiting")
    (running.location.parent / "Broken").mkdir()
    (running.location.parent / ".half-sent.tmp").mkdir()
    people.owner.submit_bash_job(people.submitter_email, "true\n", "Elsewhere")
    assert serving.reset_all_jobs() == 4
    assert not is_alive(int(pid.read_text()))
    assert [job.name for job in people.owner.jobs] == ["Elsewhere"]
    assert (people.root / people.owner_email / "app_data" / "job" / "syft.pub.yaml").exists()
    assert serving.reset_all_jobs() == 0
    again = approved(people, name="Done")
    assert process(people) == ["Done"]
    assert again.attempt == 1


@pytest.mark.conformance(86)
def test_the_ways_to_make_a_runner(people):
    serving = create_runner(people.root, people.owner_email, poll_interval=5, sandbox="bare")
    assert isinstance(serving, SyftJobRunner)
    assert serving.poll_interval == 5
    with pytest.raises(FileNotFoundError):
        create_runner(people.root / "nowhere", people.owner_email)


def test_looking_and_stepping_over_what_is_settled_writes_nothing(people):
    approved(people)
    process(people)
    serving = runner(people)
    serving.step()
    writes: list[str] = []
    with fs.hook_writes(writes.append):
        for _ in range(3):
            serving.step()
    assert [what for what in writes if "runner" not in what] == []
