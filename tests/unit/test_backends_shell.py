"""`ShellJob` and its supervisor, with real processes."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import psutil
import pytest

from syft_job.errors import JobValidationError, StoreError
from syft_job.execution.backends import processes
from syft_job.execution.backends.base import JobDryRun, JobHandle, JobStatus
from syft_job.execution.backends.processes import is_alive, stat_of, this_boot, this_host
from syft_job.execution.backends.shell import (
    ShellJob,
)
from syft_job.execution.backends.supervisor_files import SUPERVISOR, read_claim, read_exit_record
from syft_job.execution.command import Command
from syft_job.execution.evidence import Ended, Evidence, ExitRecord, Running, Unknown, Vanished
from syft_job.fs.watch import Watch
from syft_job.model.resources import ResourceLimits
from tests.serving import until

PATIENCE = 60.0


def living_in(session: int) -> list[int]:
    """The living processes of a session; zombies are dead."""
    found = []
    for process in psutil.process_iter():
        try:
            if os.getsid(process.pid) == session and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process.pid)
        except (ProcessLookupError, psutil.NoSuchProcess):
            continue
    return found


@dataclass
class Attempt:
    """A place for one attempt: claim, verdict, logs, and a working directory."""

    place: Path
    handle: JobHandle | None = field(default=None)

    @property
    def exit_record(self) -> ExitRecord:
        until(lambda: read_exit_record(self.place / "verdict") is not None)
        said = read_exit_record(self.place / "verdict")
        assert said is not None
        return said

    @property
    def out(self) -> bytes:
        return (self.place / "out").read_bytes()

    @property
    def has_begun(self) -> bool:
        return (self.place / "out").exists()

    def wait_for_a_line(self) -> None:
        until(lambda: (self.place / "out").exists() and self.out.endswith(b"\n"))

    @property
    def err(self) -> bytes:
        return (self.place / "err").read_bytes()

    def command(self, *argv: str, limits: ResourceLimits | None = None, env: dict[str, str] | None = None) -> Command:
        return Command(
            argv=argv,
            cwd=self.place / "job",
            env=env,
            stdout=self.place / "out",
            stderr=self.place / "err",
            limits=limits or ResourceLimits(grace_seconds=0.3),
            claim=self.place / "begun",
            exit_record=self.place / "verdict",
        )

    def start(self, *argv: str, limits: ResourceLimits | None = None, env: dict[str, str] | None = None) -> JobHandle:
        handle = ShellJob().submit(self.command(*argv, limits=limits, env=env))
        assert isinstance(handle, JobHandle)
        self.handle = handle
        return handle

    def run(self, *argv: str, limits: ResourceLimits | None = None, env: dict[str, str] | None = None) -> ExitRecord:
        self.start(*argv, limits=limits, env=env)
        return self.exit_record


@pytest.fixture
def attempt(tmp_path: Path) -> Iterator[Attempt]:
    place = tmp_path / 'it\'s a "place" with $(touch x) and é = 100%'
    (place / "job").mkdir(parents=True)
    attempt = Attempt(place)
    yield attempt
    if attempt.handle is not None:
        ShellJob().cancel(attempt.handle)
        until(lambda: attempt.handle and ShellJob().status(attempt.handle).status.is_finished)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where evidence of commands lies that name no place for it."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return tmp_path


class Pattern:
    """A command as another program's subcommand."""

    def __init__(self, executable: str, command_name: str, *words: str) -> None:
        self.executable = executable
        self.command_name = command_name
        self.words = words

    def to_argv(self) -> list[str]:
        return list(self.words)


# ------------------------------------------------------------------------------------------------ the source document


@pytest.mark.conformance(160)
def test_the_defaults():
    backend = ShellJob()

    assert (backend.cwd, backend.env, backend.detach) == (None, None, True)
    assert backend.module == ShellJob.__module__ == "syft_job.execution.backends.shell"


@pytest.mark.conformance(161)
def test_a_missing_program_is_an_issue():
    for command in (Command(argv=("no-such-program",)), Pattern("no-such-program", "run"), Command(argv=("./nix",))):
        with pytest.raises(JobValidationError) as refused:
            ShellJob().submit(command)
        assert [issue.kind for issue in refused.value.issues] == ["missing_executable"]


@pytest.mark.conformance(161)
def test_a_program_is_looked_up_once(monkeypatch: pytest.MonkeyPatch):
    asked = []
    which = shutil.which

    def counting(name: str, path: str | None = None) -> str | None:
        asked.append(name)
        return which(name, path=path)

    monkeypatch.setattr(shutil, "which", counting)
    backend = ShellJob()
    for _ in range(3):
        backend.submit(Pattern("sh", "-c", ":"), dry_run=True)

    assert asked == ["sh"]


@pytest.mark.conformance(162)
def test_arguments_reach_the_program_as_they_are(attempt: Attempt, place: Path):
    hostile = ["a b", "$(id)", "`id`", "; id", "'", '"', "*", "-n", "", "\\", "é\n\t", "--", "A=b"]
    show = "import sys; sys.stdout.write(repr(sys.argv[1:]))"

    attempt.run(sys.executable, "-c", show, *hostile)
    handle = ShellJob(detach=False).submit(
        Pattern(sys.executable, "-c", "import sys; sys.exit(len(sys.argv))", "a", "b")
    )

    assert attempt.out.decode() == repr(hostile)
    assert isinstance(handle, JobHandle)
    assert handle.metadata["returncode"] == 3


@pytest.mark.conformance(163)
@pytest.mark.parametrize(("detach", "mode"), [(True, "detached"), (False, "blocking")])
def test_a_dry_run_starts_nothing(tmp_path: Path, detach: bool, mode: str):
    told = ShellJob(detach=detach, cwd=tmp_path).submit(Pattern("touch", "it is", "a $HOME"), dry_run=True)

    assert isinstance(told, JobDryRun)
    assert shlex.split(told.command) == [shutil.which("touch"), "it is", "a $HOME"]
    assert told.details == {"mode": mode, "cwd": str(tmp_path)}
    assert list(tmp_path.iterdir()) == []
    without = ShellJob(detach=detach).submit(Pattern("touch", "x"), dry_run=True)
    assert isinstance(without, JobDryRun)
    assert without.details == {"mode": mode}


@pytest.mark.conformance(164)
def test_a_detached_job_goes_on_by_itself_in_a_session_of_its_own(attempt: Attempt):
    handle = attempt.start("/bin/sh", "-c", "ps -o sid= -p $$; while [ ! -e go ]; do sleep 0.02; done; exit 4")

    assert handle.metadata["mode"] == "detached"
    assert ShellJob().status(handle).status is JobStatus.RUNNING
    attempt.wait_for_a_line()
    assert int(attempt.out) not in {os.getsid(0), os.getsid(int(handle.job_id))}
    assert os.getsid(int(handle.job_id)) == int(handle.job_id)
    (attempt.place / "job" / "go").touch()
    assert attempt.exit_record.returncode == 4


@pytest.mark.conformance(165, 167)
@pytest.mark.parametrize(("code", "status"), [(0, "successful"), (3, "failed")])
def test_a_blocking_job_is_over_when_submit_returns(place: Path, code: int, status: str):
    backend = ShellJob(detach=False)

    handle = backend.submit(Command(argv=("sh", "-c", f"exit {code}")))

    assert isinstance(handle, JobHandle)
    assert (handle.metadata["mode"], handle.metadata["returncode"]) == ("blocking", code)
    result = backend.status(JobHandle.model_validate_json(handle.model_dump_json()))
    assert result.status == status
    assert result.detail["returncode"] == code
    assert list(place.iterdir()) == []


@pytest.mark.conformance(166)
def test_directory_and_variables_reach_the_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, attempt: Attempt):
    monkeypatch.setenv("FROM_OUTSIDE", "yes")
    show = "import os; print(os.getcwd(), dict(os.environ))"

    def told(backend: ShellJob) -> str:
        out = tmp_path / "told"
        handle = backend.submit(Command(argv=(sys.executable, "-S", "-c", show), stdout=out))
        assert isinstance(handle, JobHandle)
        return out.read_text()

    inherited = told(ShellJob(detach=False, cwd=tmp_path))
    replaced = told(ShellJob(detach=False, cwd=tmp_path, env={"A": "b c"}))

    assert inherited.startswith(str(tmp_path))
    assert "'FROM_OUTSIDE': 'yes'" in inherited
    assert replaced.startswith(str(tmp_path))
    assert eval(replaced.partition(" ")[2]).keys() - {"LC_CTYPE"} == {"A"}


@pytest.mark.conformance(168)
def test_what_is_gone_without_evidence_is_unknown(attempt: Attempt):
    ended = subprocess.Popen(["true"])
    ended.wait()
    handle = JobHandle(job_id=str(ended.pid), backend="shell")

    result = ShellJob().status(handle)

    assert result.status is JobStatus.FINISHED_UNKNOWN
    assert "reason" in result.detail


@pytest.mark.conformance(168)
def test_a_process_that_may_not_be_looked_at_is_running(monkeypatch: pytest.MonkeyPatch):
    def refuse(pid: int, number: int) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "kill", refuse)
    monkeypatch.setattr(processes, "stat_of", lambda pid: None)  # /proc mounted with hidepid

    assert ShellJob().status(JobHandle(job_id="4", backend="shell")).status is JobStatus.RUNNING


@pytest.mark.conformance(169)
def test_a_detached_job_that_ended_is_known_by_its_code(place: Path):
    backend = ShellJob()
    good, bad = (backend.submit(Command(argv=("sh", "-c", text))) for text in ("exit 0", "exit 9"))
    assert isinstance(good, JobHandle)
    assert isinstance(bad, JobHandle)

    until(lambda: backend.status(good).status.is_finished and backend.status(bad).status.is_finished)

    assert [result.status.value for result in backend.status_many([good, bad])] == ["successful", "failed"]
    assert backend.status(bad).detail["returncode"] == 9


@pytest.mark.conformance(169)
def test_a_zombie_and_another_process_of_the_same_number_are_not_running():
    zombie = subprocess.Popen(["true"])
    until(lambda: psutil.Process(zombie.pid).status() == psutil.STATUS_ZOMBIE)
    assert not is_alive(zombie.pid)
    zombie.wait()

    found = stat_of(os.getpid())
    assert found is not None
    assert is_alive(os.getpid(), found[1], this_boot())
    assert not is_alive(os.getpid(), found[1] + 1, this_boot())
    assert not is_alive(os.getpid(), found[1], "another boot")


@pytest.mark.conformance(170)
def test_two_runs_have_two_handles(place: Path):
    backend = ShellJob(detach=False)

    one, other = (backend.submit(Command(argv=("true",))) for _ in range(2))

    assert one != other
    assert isinstance(one, JobHandle)
    assert isinstance(other, JobHandle)
    assert one.job_id != other.job_id


@pytest.mark.conformance(171)
@pytest.mark.parametrize("job_id", ["abc", "-1", "", "4 2", "٤"])
def test_a_malformed_handle_is_refused_in_words(job_id: str):
    with pytest.raises(JobValidationError, match="malformed_handle"):
        ShellJob().status(JobHandle(job_id=job_id, backend="shell"))


def test_another_hosts_handle_is_never_judged():
    handle = JobHandle(job_id="1", backend="shell", metadata={"host": this_host() + "x"})

    for verb in (ShellJob().status, ShellJob().cancel):
        with pytest.raises(JobValidationError, match="another machine"):
            verb(handle)


def test_what_no_process_can_be_given_is_refused(tmp_path: Path):
    for command, kind in [
        (Command(argv=("true", "a\0b")), "unusable_text"),
        (Command(argv=("true",), env={"A=B": "c"}), "unusable_text"),
        (Command(argv=()), "empty_command"),
        (Command(argv=("true",), cwd=tmp_path / "gone"), "missing_directory"),
    ]:
        with pytest.raises(JobValidationError, match=kind):
            ShellJob().submit(command)


# ------------------------------------------------------------------------------------------------------ the supervisor


def test_of_twenty_supervisors_one_runs(attempt: Attempt):
    backend = ShellJob()
    command = attempt.command("/bin/sh", "-c", "echo once; sleep 0.2")

    handles = [backend.submit(command) for _ in range(20)]
    until(lambda: all(backend.status(handle).status.is_finished for handle in handles if isinstance(handle, JobHandle)))

    claim = read_claim(attempt.place / "begun")
    assert claim is not None
    assert str(claim.pid) in [handle.job_id for handle in handles if isinstance(handle, JobHandle)]
    assert claim.boot_id == this_boot()
    assert attempt.out == b"once\n"
    # All of them speak of the one attempt.
    assert {backend.status(handle).status.value for handle in handles if isinstance(handle, JobHandle)} == {
        "successful"
    }


def test_a_supervisor_that_finds_a_claim_leaves_it_and_starts_nothing(attempt: Attempt):
    (attempt.place / "begun").write_text("somebody else's")

    handle = attempt.start("/bin/sh", "-c", "touch ran")
    until(lambda: not is_alive(int(handle.job_id)))

    assert (attempt.place / "begun").read_text() == "somebody else's"
    assert not (attempt.place / "job" / "ran").exists()
    assert ShellJob().status(handle).status is JobStatus.FINISHED_UNKNOWN


def test_an_attempt_that_a_killed_runner_started_can_be_taken_up(attempt: Attempt):
    assert ShellJob().adopt(attempt.place / "begun", attempt.place / "verdict") is None
    original = attempt.start("/bin/sh", "-c", "while [ ! -e go ]; do sleep 0.02; done")
    until((attempt.place / "begun").exists)

    adopted = ShellJob().adopt(attempt.place / "begun", attempt.place / "verdict")

    assert adopted is not None
    assert adopted.job_id == original.job_id
    assert adopted.metadata == original.metadata
    assert ShellJob().status(adopted).status is JobStatus.RUNNING
    (attempt.place / "job" / "go").touch()
    assert attempt.exit_record.returncode == 0
    assert ShellJob().status(adopted).status is JobStatus.SUCCESSFUL


@pytest.mark.parametrize("text", ["", "12", "a b c", "1 2", "٤ 1 x"])
def test_a_claim_that_does_not_say_whose_it_is_yet_leaves_the_process_that_was_started(tmp_path: Path, text: str):
    (tmp_path / "begun").write_text(text)
    about = {"claim": str(tmp_path / "begun"), "verdict": str(tmp_path / "verdict")}
    ended = subprocess.Popen(["true"])
    ended.wait()

    assert read_claim(tmp_path / "begun") is None
    alive, dead = (JobHandle(job_id=str(pid), backend="shell", metadata=about) for pid in (os.getpid(), ended.pid))
    assert ShellJob().status(alive).status is JobStatus.RUNNING
    assert ShellJob().status(dead).status is JobStatus.FINISHED_UNKNOWN


@pytest.mark.parametrize("text", ["", "{}", '{"returncode": "0"}', "[]", '{"returncode": 0, "timed_out": 1}', "\xff"])
def test_a_damaged_verdict_is_no_verdict(tmp_path: Path, text: str):
    (tmp_path / "verdict").write_text(text + "\n", encoding="latin-1")
    handle = JobHandle(job_id="1", backend="shell", metadata={"verdict": str(tmp_path / "verdict")})

    with pytest.raises(StoreError, match="no exit record"):
        read_exit_record(tmp_path / "verdict")
    result = ShellJob().status(handle)
    assert result.status is JobStatus.FINISHED_UNKNOWN
    assert "no exit record" in result.detail["reason"]


@pytest.mark.parametrize("text", ["", '{"returncode": 0, "timed_out": fal'])
def test_a_verdict_that_is_still_being_written_is_none_yet(tmp_path: Path, text: str):
    (tmp_path / "verdict").write_text(text)
    about = {"verdict": str(tmp_path / "verdict")}
    ended = subprocess.Popen(["true"])
    ended.wait()

    assert read_exit_record(tmp_path / "verdict") is None
    alive, dead = (JobHandle(job_id=str(pid), backend="shell", metadata=about) for pid in (os.getpid(), ended.pid))
    assert ShellJob().status(alive).status is JobStatus.RUNNING
    assert ShellJob().status(dead).status is JobStatus.FINISHED_UNKNOWN


def test_a_verdict_that_a_power_cut_left_without_its_name_counts(attempt: Attempt):
    handle = attempt.start("/bin/sh", "-c", "exit 6")
    assert attempt.exit_record.returncode == 6
    until(lambda: not is_alive(int(handle.job_id)))

    (attempt.place / "verdict").rename(attempt.place / "verdict.part")
    assert ShellJob().status(handle).detail["returncode"] == 6
    assert read_exit_record(attempt.place / "verdict") is None
    assert read_exit_record(attempt.place / "verdict", or_part=True) is not None

    (attempt.place / "verdict.part").write_text('{"returncode": ')
    assert ShellJob().status(handle).status is JobStatus.FINISHED_UNKNOWN


@pytest.mark.parametrize(
    ("text", "code"), [("exit 0", 0), ("exit 3", 3), ("exit 127", 127), ("kill -SEGV $$", 139), ("kill -9 $$", 137)]
)
def test_the_return_code_is_that_of_the_command(attempt: Attempt, text: str, code: int):
    exit_record = attempt.run("/bin/bash", "-c", text)

    assert exit_record.returncode == code
    assert exit_record.succeeded == (code == 0)
    assert (exit_record.timed_out, exit_record.cancelled, exit_record.log_cut, exit_record.left_behind) == (False,) * 4
    assert exit_record.started_at <= exit_record.ended_at


def test_a_program_that_cannot_be_executed_is_told_in_the_log(attempt: Attempt):
    (attempt.place / "job" / "broken").write_text("#!/no/such/interpreter\n")
    (attempt.place / "job" / "broken").chmod(0o755)

    exit_record = attempt.run(str(attempt.place / "job" / "broken"))

    assert exit_record.returncode in {126, 127}
    assert attempt.err


@pytest.mark.conformance(80, 82)
def test_what_is_printed_is_kept_as_it_was(attempt: Attempt):
    attempt.run("/bin/bash", "-c", r"printf 'a\xff\x00\x1b[31m'; printf 'b\xfe' >&2; printf 'last, without an end'")

    assert attempt.out == b"a\xff\x00\x1b[31mlast, without an end"
    assert attempt.err == b"b\xfe"


def test_what_is_printed_is_there_at_once(attempt: Attempt):
    attempt.start("/bin/bash", "-c", "printf partial; while [ ! -e go ]; do sleep 0.02; done; printf ' whole'")

    until(lambda: (attempt.place / "out").exists() and attempt.out == b"partial")
    assert not (attempt.place / "verdict").exists()
    (attempt.place / "job" / "go").touch()
    assert attempt.exit_record.succeeded
    assert attempt.out == b"partial whole"


def test_one_log_for_both_streams(attempt: Attempt):
    command = attempt.command("/bin/sh", "-c", "echo one; echo two >&2; echo three")
    both = Command(
        argv=command.argv,
        stdout=command.stdout,
        stderr=command.stdout,
        claim=command.claim,
        exit_record=command.exit_record,
    )

    handle = ShellJob().submit(both)

    assert attempt.exit_record.succeeded, handle
    assert attempt.out == b"one\ntwo\nthree\n"


def test_many_small_writes_are_all_kept(attempt: Attempt):
    attempt.run(sys.executable, "-S", "-c", "import os\nfor n in range(5000): os.write(1, b'%d\\n' % n)")

    assert attempt.out == b"".join(b"%d\n" % n for n in range(5000))


@pytest.mark.conformance(81)
def test_signals_have_their_usual_meaning_for_the_job(attempt: Attempt):
    show = "import signal; print([int(s) for s in signal.Signals if signal.getsignal(s) == signal.SIG_IGN])"

    attempt.run(sys.executable, "-S", "-c", show)

    ignored = attempt.out.decode()
    python_itself = [int(signal.SIGPIPE), int(signal.SIGXFSZ)]
    assert ignored == f"{python_itself}\n"


def test_the_job_has_no_open_files_of_the_supervisor(attempt: Attempt):
    attempt.run("/bin/ls", "-l", "/proc/self/fd")

    listed = [line.split()[-3] for line in attempt.out.decode().splitlines() if "->" in line]
    assert listed == ["0", "1", "2", "3"]  # the last is ls's own


def test_a_verdict_waits_for_room_on_a_full_disk(attempt: Attempt, tmp_path: Path):
    # The name is taken by a link that leads nowhere, so that writing fails as on a full disk until it is gone.
    obstacle = attempt.place / "verdict"
    obstacle.symlink_to(tmp_path / "no such folder" / "verdict")
    handle = attempt.start("/bin/sh", "-c", "exit 7")
    until(lambda: attempt.has_begun)
    time.sleep(1.2)
    assert ShellJob().status(handle).status is JobStatus.RUNNING

    obstacle.unlink()

    assert attempt.exit_record.returncode == 7
    assert ShellJob().status(handle).status is JobStatus.FAILED


def test_a_supervisor_whose_place_was_removed_ends(attempt: Attempt):
    handle = attempt.start("/bin/sh", "-c", "sleep 0.3")
    until(lambda: attempt.has_begun)

    def is_removed() -> bool:
        shutil.rmtree(attempt.place, ignore_errors=True)  # it may lay its logs there while we are at it
        return not attempt.place.exists()

    until(is_removed)
    until(lambda: not is_alive(int(handle.job_id)))
    assert ShellJob().status(handle).status is JobStatus.FINISHED_UNKNOWN


def test_who_watches_the_claim_hears_of_the_end(attempt: Attempt):
    """The verdict is there when the claim is written to, and the claim says what it said."""
    gate = attempt.place / "gate"
    claim = attempt.place / "begun"
    with Watch(600.0) as watch:
        attempt.start("/bin/sh", "-c", 'echo here; until [ -e "$0" ]; do sleep 0.02; done', str(gate))
        attempt.wait_for_a_line()
        said = claim.read_bytes()
        watch.begin_sweep_if_due()
        watch.add(attempt.place, claim.name.__eq__)
        gate.touch()
        while not watch.pop_changes():
            watch.wait(threading.Event())
        assert read_exit_record(attempt.place / "verdict") is not None
    assert claim.read_bytes() == said


def test_a_claim_that_was_taken_away_is_not_made_again(attempt: Attempt):
    assert attempt.run("/bin/rm", str(attempt.place / "begun")).succeeded
    until(lambda: attempt.handle and ShellJob().status(attempt.handle).status.is_finished)
    assert not (attempt.place / "begun").exists()


@pytest.mark.parametrize("mask", [0o000, 0o022, 0o077, 0o777])
def test_claim_logs_verdict_and_what_the_job_makes_are_private_whatever_the_umask(attempt: Attempt, mask: int):
    before = os.umask(mask)
    try:
        attempt.run("/bin/sh", "-c", "umask")
    finally:
        os.umask(before)
    assert int(attempt.out, 8) == 0o077
    for path in (attempt.place / name for name in ("begun", "out", "err", "verdict")):
        assert path.stat().st_mode & 0o777 == 0o600, path


# --------------------------------------------------------------------------------------------------------- being ended


@pytest.mark.parametrize("how", ["backend", "file", "signal"])
def test_a_cancelled_job_ends_with_its_children(attempt: Attempt, how: str):
    handle = attempt.start("/bin/bash", "-c", "sleep 4321 & sleep 4321 & echo $$; wait")
    attempt.wait_for_a_line()
    session = int(attempt.out)
    assert len(living_in(session)) == 3

    if how == "backend":
        ShellJob().cancel(handle)
    elif how == "file":
        (attempt.place / "cancel").touch()
    else:
        os.kill(int(handle.job_id), signal.SIGTERM)

    assert attempt.exit_record.cancelled
    assert attempt.exit_record.returncode == 143
    assert living_in(session) == []
    assert ShellJob().status(handle).status is JobStatus.FAILED
    until(lambda: not living_in(int(handle.job_id)))


def test_cancelling_what_is_over_changes_nothing(attempt: Attempt):
    handle = attempt.start("/bin/true")
    assert attempt.exit_record.succeeded

    ShellJob().cancel(handle)

    assert ShellJob().status(handle).status is JobStatus.SUCCESSFUL
    assert not (attempt.place / "cancel").exists()


def test_a_job_that_is_asked_to_end_has_time_to_tidy_up(attempt: Attempt):
    handle = attempt.start(
        "/bin/bash", "-c", "trap 'echo tidy; exit 5' TERM; echo ready; while :; do sleep 0.02; done",
        limits=ResourceLimits(grace_seconds=30),
    )  # fmt: skip
    attempt.wait_for_a_line()

    ShellJob().cancel(handle)

    assert (attempt.exit_record.returncode, attempt.exit_record.cancelled) == (5, True)
    assert attempt.out == b"ready\ntidy\n"


def test_a_job_that_was_cancelled_before_it_began_runs_nothing(attempt: Attempt):
    (attempt.place / "cancel").touch()

    exit_record = attempt.run("/bin/sh", "-c", "touch ran")

    assert exit_record.cancelled
    assert not (attempt.place / "job" / "ran").exists()


@pytest.mark.conformance(81)
@pytest.mark.parametrize(
    "program",
    [
        "while :; do sleep 1; done",
        "trap '' TERM; while :; do sleep 1; done",
        "sleep 4321 & printf partial; wait",
        "(sleep 4321 & sleep 4321) & printf x; trap '' TERM HUP INT; while :; do :; done",
        "set -m; sleep 4321 & trap '' TERM; while :; do sleep 1; done",
        "kill -STOP $$",
    ],
    ids=["endless", "ignores", "holds the pipe", "grandchildren", "other groups", "stopped"],
)
def test_a_time_limit_holds(attempt: Attempt, program: str):
    exit_record = attempt.run(
        "/bin/bash", "-c", f"echo $$; {program}", limits=ResourceLimits(wall_seconds=0.4, grace_seconds=0.3)
    )

    assert exit_record.timed_out
    assert not exit_record.cancelled
    assert exit_record.returncode >= 128
    assert not exit_record.left_behind
    assert living_in(int(attempt.out.split()[0])) == []


def test_a_job_that_ends_in_time_has_not_timed_out(attempt: Attempt):
    assert attempt.run("/bin/true", limits=ResourceLimits(wall_seconds=30)).succeeded


@pytest.mark.parametrize("left", ["sleep 4321 & exit 6", "set -m; sleep 4321 & sleep 4321 & exit 6"])
def test_what_a_job_leaves_in_its_session_ends_with_it(attempt: Attempt, left: str):
    exit_record = attempt.run("/bin/bash", "-c", f"echo $$; {left}")

    assert exit_record.returncode == 6
    assert not exit_record.left_behind
    assert living_in(int(attempt.out)) == []


def test_a_daemon_that_left_the_session_holds_nothing_up_and_is_told(attempt: Attempt):
    exit_record = attempt.run(
        "/bin/bash", "-c", "setsid sh -c 'echo $$ >pid; exec sleep 4321' & while [ ! -s pid ]; do sleep 0.02; done"
    )
    daemon = int((attempt.place / "job" / "pid").read_text())
    try:
        assert exit_record.returncode == 0
        assert exit_record.left_behind
        assert is_alive(daemon)  # bare contains no daemons
    finally:
        os.kill(daemon, signal.SIGKILL)


def test_a_job_whose_supervisor_is_killed_ends_too(attempt: Attempt):
    handle = attempt.start("/bin/bash", "-c", "echo $$; trap '' TERM; while :; do sleep 1; done")
    attempt.wait_for_a_line()
    session = int(attempt.out)

    os.kill(int(handle.job_id), signal.SIGKILL)

    until(lambda: not living_in(session) and not living_in(int(handle.job_id)))
    assert ShellJob().status(handle).status is JobStatus.FINISHED_UNKNOWN


# ------------------------------------------------------------------------------------------------------------- limits


def test_an_endless_printer_fills_no_disk_and_goes_on(attempt: Attempt):
    attempt.run(
        "/bin/bash", "-c", "head -c 3000000 /dev/zero; head -c 3000000 /dev/zero >&2; touch went-on; exit 2",
        limits=ResourceLimits(log_bytes=8192),
    )  # fmt: skip

    assert attempt.exit_record.returncode == 2
    assert attempt.exit_record.log_cut
    assert (attempt.place / "job" / "went-on").exists()
    for log in (attempt.out, attempt.err):
        assert log[:8192] == bytes(8192)
        assert b"cut here" in log[8192:]
        assert log.count(b"\n") == 2
        assert len(log) < 8400


def test_a_log_that_is_full_to_the_byte_is_not_cut(attempt: Attempt):
    exit_record = attempt.run("/bin/bash", "-c", "head -c 8192 /dev/zero", limits=ResourceLimits(log_bytes=8192))

    assert not exit_record.log_cut
    assert len(attempt.out) == 8192


def test_a_log_that_cannot_be_written_holds_no_job_up(attempt: Attempt):
    (attempt.place / "out").mkdir()

    exit_record = attempt.run("/bin/bash", "-c", "head -c 3000000 /dev/zero")

    assert exit_record.returncode == 0
    assert exit_record.log_cut


def test_memory_and_file_size_have_limits(attempt: Attempt):
    program = (
        "try: bytearray(800_000_000)\n"
        "except MemoryError: print('no memory')\n"
        "try: open('big', 'wb').write(bytes(100_000))\n"
        "except OSError as error: print(error.strerror)\n"
    )

    attempt.run(
        sys.executable,
        "-S",
        "-c",
        program,
        limits=ResourceLimits(memory_bytes=500_000_000, file_bytes=50_000, log_bytes=None),
    )

    assert attempt.out == b"no memory\nFile too large\n"
    assert (attempt.place / "job" / "big").stat().st_size == 50_000


MANY_FILES = "mkdir outputs; n=0; while n=$((n + 1)); do head -c 9000 /dev/zero >outputs/$n; done"
HIDDEN = "mkdir hidden; : >hidden/file; chmod 300 hidden; while :; do sleep 1; done"


def test_a_job_that_writes_more_than_the_disk_limit_is_killed_with_all_that_it_started(attempt: Attempt):
    limits = ResourceLimits(disk_bytes=2 << 20, grace_seconds=1000)  # it is given no grace in which to write on

    exit_record = attempt.run("/bin/bash", "-c", f"echo $$; trap '' TERM; (sleep 4321 &) ; {MANY_FILES}", limits=limits)

    assert exit_record.too_big
    assert (exit_record.timed_out, exit_record.cancelled, exit_record.left_behind, exit_record.succeeded) == (
        False,
    ) * 4
    assert living_in(int(attempt.out)) == []
    assert b"It was ended: its folder held more than 2097152 bytes" in attempt.err
    assert attempt.handle is not None
    result = ShellJob().status(attempt.handle)
    assert (result.status, result.detail["too_big"]) == (JobStatus.FAILED, True)


def test_a_job_that_stays_below_the_disk_limit_goes_on_and_nobody_is_left_counting(attempt: Attempt):
    handle = attempt.start(
        "/bin/bash",
        "-c",
        "head -c 1000000 /dev/zero >some; sleep 3.5; echo over",
        limits=ResourceLimits(disk_bytes=4 << 20),
    )

    assert attempt.exit_record.succeeded
    assert not attempt.exit_record.too_big
    assert attempt.out == b"over\n"
    until(lambda: living_in(int(handle.job_id)) == [])


@pytest.mark.skipif(os.geteuid() == 0, reason="root can look into every folder")
def test_a_folder_that_cannot_be_looked_into_is_too_much(attempt: Attempt):
    exit_record = attempt.run("/bin/bash", "-c", HIDDEN, limits=ResourceLimits(disk_bytes=1 << 30, wall_seconds=60))

    assert exit_record.too_big


@pytest.mark.parametrize(("told", "too_big"), [("", False), ('"too_big": true, ', True), ('"too_big": false, ', False)])
def test_a_verdict_of_an_earlier_supervisor_does_not_speak_of_the_disk_and_counts(tmp_path, told: str, too_big: bool):
    flags = '"timed_out": false, "cancelled": false, "log_cut": false, "left_behind": false'
    (tmp_path / "verdict").write_text(f'{{"returncode": 0, {told}{flags}, "seconds": 1}}\n')

    exit_record = read_exit_record(tmp_path / "verdict")

    assert exit_record is not None
    assert (exit_record.too_big, exit_record.succeeded) == (too_big, not too_big)


# In a sandbox


@pytest.mark.parametrize(("supervisor", "starts"), [("lives", True), ("is gone", False), ("gives no pipe", True)])
def test_the_first_process_of_a_sandbox_starts_nothing_once_its_supervisor_is_gone(tmp_path, supervisor, starts):
    """The kernel ends a sandbox with its supervisor, but one that is gone already cannot end any more."""
    first, canary = SUPERVISOR.with_name("first.sh"), tmp_path / "canary"
    reading, writing = os.pipe()
    if supervisor == "is gone":
        os.close(writing)
    given = "" if supervisor == "gives no pipe" else f"7<&{reading}"
    begin = f"exec /bin/sh {first} /bin/sh -c '[ ! -e /proc/self/fd/7 ] && echo ran >>{canary}' {given}"
    done = subprocess.run(["/bin/bash", "-c", begin], pass_fds=[reading], capture_output=True, check=False)
    os.close(reading)
    if supervisor != "is gone":
        os.close(writing)
    assert canary.exists() is starts
    assert done.returncode == (0 if starts else 69)
    assert done.stderr == b""


def test_a_sandbox_that_lost_a_process_while_it_was_made_leaves_nobody(attempt):
    """One that waits for its maker is nobody's child any more and not yet in a namespace: its session tells."""
    script = "(/bin/sleep 1000.25 &); echo made; exec /bin/sleep 1000.26"
    handle = ShellJob().submit(replace(attempt.command("/bin/sh", "-c", script), contained=True))
    assert isinstance(handle, JobHandle)
    attempt.wait_for_a_line()
    supervisor = int(handle.job_id)
    assert len(living_in(supervisor)) > 3
    os.kill(supervisor, signal.SIGKILL)
    until(lambda: ShellJob().status(handle).status.is_finished and living_in(supervisor) == [])


def polled(handle: JobHandle) -> Evidence:
    return ShellJob().poll([handle])[handle]


@pytest.fixture
def ended_pid() -> int:
    process = subprocess.Popen(["true"])
    process.wait()
    return process.pid


def test_an_empty_claim_is_being_made_for_a_moment_and_then_has_no_holder(tmp_path: Path, ended_pid: int):
    claim = tmp_path / "begun"
    claim.touch()
    files = {"claim": str(claim), "verdict": str(tmp_path / "verdict")}
    handle = JobHandle(job_id=str(ended_pid), backend="shell", metadata=files)
    assert polled(handle) == Running()
    os.utime(claim, (1000, 1000))
    assert polled(handle) == Vanished()
    assert polled(handle.model_copy(update={"job_id": str(os.getpid())})) == Running()


@pytest.mark.parametrize("content", ["", "1 1 another-boot\n"])
def test_what_began_on_another_machine_is_not_judged_but_its_exit_record_counts(
    tmp_path: Path, ended_pid: int, content: str
):
    claim = tmp_path / "begun"
    files = {"claim": str(claim), "verdict": str(tmp_path / "verdict"), "host": "another"}
    handle = JobHandle(job_id=str(ended_pid), backend="shell", metadata=files)
    assert isinstance(polled(handle), Unknown), "nothing of it is here"
    claim.write_text(content)
    os.utime(claim, (1000, 1000))
    assert isinstance(polled(handle), Unknown)
    record = {"returncode": 3, "timed_out": False, "cancelled": False, "log_cut": False, "left_behind": False}
    (tmp_path / "verdict").write_text(json.dumps(record | {"seconds": 1}) + "\n")
    evidence = polled(handle)
    assert isinstance(evidence, Ended)
    assert evidence.record.returncode == 3


def test_a_damaged_exit_record_is_unknown_evidence(tmp_path: Path):
    (tmp_path / "verdict").write_text("{}\n")
    files = {"claim": str(tmp_path / "begun"), "verdict": str(tmp_path / "verdict")}
    evidence = polled(JobHandle(job_id="1", backend="shell", metadata=files))
    assert isinstance(evidence, Unknown)
    assert "damaged" in str(evidence.error)


def test_a_found_handle_has_the_process_of_its_launch_and_the_files_where_they_are_now(tmp_path: Path):
    files = {"claim": "/elsewhere/begun", "verdict": "/elsewhere/verdict", "ticks": 7}
    launched = JobHandle(job_id="4711", backend="shell", metadata=files)
    handle = ShellJob().find("job.1", tmp_path / "begun", tmp_path / "verdict", launched=launched)
    assert handle is not None
    assert (handle.job_id, handle.metadata["ticks"]) == ("4711", 7)
    assert handle.metadata["claim"] == str(tmp_path / "begun")
    foreign = JobHandle(job_id="4711", backend="slurm")
    found = ShellJob().find("job.1", tmp_path / "begun", tmp_path / "verdict", launched=foreign)
    assert found is not None
    assert isinstance(polled(found), Unknown)
