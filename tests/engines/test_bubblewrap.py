"""Real bubblewrap: what a job in it can do, and what becomes of it when it is ended from outside."""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import psutil
import pytest

from syft_job.errors import ConfigError
from syft_job.execution.backends.base import JobHandle, JobStatus
from syft_job.execution.backends.shell import ShellJob
from syft_job.execution.backends.supervisor_files import read_exit_record
from syft_job.execution.command import Command
from syft_job.execution.evidence import ExitRecord
from syft_job.execution.sandboxes import (
    Sandbox,
    Workspace,
    best_available,
    clean_env,
    unavailable_reason,
    usable_interpreter,
)
from syft_job.model.resources import ResourceLimits
from tests.reliability import Faults
from tests.serving import until

pytestmark = [
    pytest.mark.engine,
    pytest.mark.skipif(unavailable_reason() is not None, reason=str(unavailable_reason())),
]
PATIENCE = 60.0
_NUMBERS = itertools.count()


@dataclass
class Boxed:
    """One attempt in the sandbox: its own place, and the workspace in it."""

    place: Path
    sandbox: Sandbox = field(default_factory=best_available)
    handles: list[JobHandle] = field(default_factory=list)

    @property
    def root(self) -> Path:
        return self.place / "job"

    def start(
        self, script: str, *argv: str, limits: ResourceLimits | None = None, workspace: Workspace | None = None
    ) -> JobHandle:
        workspace = workspace or Workspace(self.root)
        self.sandbox.prepare(workspace)
        plain = Command(
            argv=("/bin/bash", "-c", script, *argv),
            env=clean_env({"SYFT_IS_IN_JOB": "true"}, home=self.root),
            stdout=self.place / "out",
            stderr=self.place / "err",
            limits=limits or ResourceLimits(grace_seconds=0.5),
            claim=self.place / "begun",
            exit_record=self.place / "verdict",
        )
        handle = ShellJob().submit(self.sandbox(plain, workspace))
        assert isinstance(handle, JobHandle)
        self.handles.append(handle)
        return handle

    def run(
        self, script: str, *argv: str, limits: ResourceLimits | None = None, workspace: Workspace | None = None
    ) -> ExitRecord:
        self.start(script, *argv, limits=limits, workspace=workspace)
        return self.exit_record

    @property
    def exit_record(self) -> ExitRecord:
        until(lambda: read_exit_record(self.place / "verdict") is not None)
        said = read_exit_record(self.place / "verdict")
        assert said is not None
        return said

    @property
    def out(self) -> str:
        return (self.place / "out").read_text()

    @property
    def err(self) -> str:
        return (self.place / "err").read_text()

    def wait_for_a_line(self) -> None:
        until(lambda: (self.place / "out").exists() and self.out.endswith("\n"))

    def living(self) -> list[int]:
        """The living processes that have anything to do with this attempt, seen from outside."""
        found = []
        for process in psutil.process_iter():
            try:
                words = [*process.cmdline(), process.cwd()]
                if process.status() != psutil.STATUS_ZOMBIE and any(str(self.place) in word for word in words):
                    found.append(process.pid)
            except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
                continue
        return found


@pytest.fixture
def boxed(work_dir: Path) -> Iterator[Boxed]:
    place = work_dir / "it's a job = 100%"
    (place / "job" / "outputs").mkdir(parents=True)
    place.chmod(0o711)
    boxed = Boxed(place)
    yield boxed
    for handle in boxed.handles:
        ShellJob().cancel(handle)
    until(lambda: all(result.status.is_finished for result in ShellJob().status_many(boxed.handles)))


@pytest.fixture
def mark() -> str:
    """Seconds to sleep for ever: a word that no process of another test has in its command line."""
    return f"1000{os.getpid()}.{next(_NUMBERS)}"


def marked(name: str) -> list[int]:
    """The living processes whose command line holds this word, wherever they run."""
    return [
        process.pid
        for process in psutil.process_iter(["cmdline", "status"])
        if name in (process.info["cmdline"] or []) and process.info["status"] != psutil.STATUS_ZOMBIE
    ]


@pytest.mark.conformance(77, 78)
def test_a_job_works_in_its_copy_and_writes_outputs(boxed: Boxed):
    exit_record = boxed.run('pwd; echo "$HOME $SYFT_IS_IN_JOB"; echo 42 > outputs/answer; echo oops >&2; exit 3')

    assert exit_record.returncode == 3
    assert boxed.out == "/job\n/job true\n"
    assert boxed.err == "oops\n"
    assert (boxed.root / "outputs" / "answer").read_text() == "42\n"


def test_python_runs_in_it_with_a_temporary_folder_and_threads(boxed: Boxed):
    python = usable_interpreter(None)
    (boxed.root / "main.py").write_text(
        "import json, ssl, subprocess, sqlite3, tempfile, threading, multiprocessing\n"
        "threading.Thread(target=print, args=('thread',)).start()\n"
        "with tempfile.TemporaryFile() as file: file.write(b'x')\n"
        "if __name__ == '__main__':\n"
        "    with multiprocessing.Pool(2) as pool: print(sum(pool.map(abs, [-1, -2])))\n"
    )

    exit_record = boxed.run('exec "$0" main.py', str(python), workspace=Workspace(boxed.root, interpreter=python))

    assert boxed.err == ""
    assert exit_record.succeeded
    assert "thread\n3\n" in boxed.out


def test_an_interpreter_of_the_owners_outside_usr_is_bound(boxed: Boxed, work_dir: Path):
    venv = work_dir / "venv"
    subprocess.run(["/usr/bin/python3", "-m", "venv", "--without-pip", venv], check=True)

    python = usable_interpreter(venv / "bin" / "python")
    exit_record = boxed.run(
        '"$0" -c "import sys, json; print(sys.prefix)"; touch "$0" "$1/x" 2>/dev/null || echo read-only',
        str(python), str(venv), workspace=Workspace(boxed.root, interpreter=python),
    )  # fmt: skip

    assert python == venv / "bin" / "python"
    assert exit_record.succeeded, boxed.err
    assert boxed.out == f"{venv}\nread-only\n"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root's folders are closed to the job's user")
def test_a_configured_interpreter_that_the_jobs_user_cannot_reach_is_refused(work_dir: Path):
    closed = work_dir / "closed"
    closed.mkdir(mode=0o700)
    subprocess.run(["/usr/bin/python3", "-m", "venv", "--without-pip", closed / "venv"], check=True)

    with pytest.raises(ConfigError, match="Permission denied"):
        usable_interpreter(closed / "venv" / "bin" / "python")


def test_declared_data_is_there_and_read_only(boxed: Boxed, work_dir: Path):
    data = work_dir / "data"
    data.mkdir()
    (data / "table.csv").write_text("a,b\n")
    if os.geteuid() == 0:
        shutil.chown(data, best_available().user)  # type: ignore[attr-defined]

    boxed.run(
        'cat "$0/table.csv"; echo x 2>/dev/null >"$0/table.csv" || echo no; rm "$0/table.csv" 2>/dev/null || echo no',
        str(data), workspace=Workspace(boxed.root, readable=(data,)),
    )  # fmt: skip

    assert boxed.out == "a,b\nno\nno\n"
    assert (data / "table.csv").read_text() == "a,b\n"


@pytest.mark.parametrize("text", ["exit 42", "kill -KILL $$", "kill -SEGV $$"])
def test_the_return_code_comes_out(boxed: Boxed, text: str):
    plain = subprocess.run(["bash", "-c", text], check=False).returncode

    assert boxed.run(text).returncode == (plain if plain >= 0 else 128 - plain)


@pytest.mark.conformance(81)
@pytest.mark.parametrize(
    "program",
    [
        "trap '' TERM; while :; do sleep 1 ; done",
        "sleep 1 $0 & (setsid sleep MARK & ) ; trap '' TERM; printf partial; while :; do sleep 1; done",
        "setsid setsid sleep MARK & setsid bash -c 'trap \"\" TERM; sleep MARK' & wait",
        "kill -STOP $$",
    ],
    ids=["ignores", "daemon and partial line", "daemons", "stopped"],
)
def test_a_time_limit_holds_against_everything(boxed: Boxed, mark: str, program: str):
    boxed.start(program.replace("MARK", mark), limits=ResourceLimits(wall_seconds=0.5, grace_seconds=0.3))

    assert boxed.exit_record.timed_out
    assert boxed.exit_record.returncode >= 128
    assert not boxed.exit_record.left_behind
    until(lambda: not boxed.living())
    assert marked(mark) == []


def test_daemons_end_with_the_job_before_anybody_hears_of_it(boxed: Boxed):
    script = (
        "for n in 1 2 3; do setsid bash -c 'while :; do echo x >>outputs/beat; done' </dev/null >/dev/null 2>&1 & done"
    )

    exit_record = boxed.run(script + "; while [ ! -s outputs/beat ]; do sleep 0.01; done; exit 0")
    size = (boxed.root / "outputs" / "beat").stat().st_size
    time.sleep(0.2)

    assert exit_record.succeeded
    assert not exit_record.left_behind
    assert (boxed.root / "outputs" / "beat").stat().st_size == size


def test_a_cancelled_job_may_tidy_up(boxed: Boxed, mark: str):
    handle = boxed.start(
        f"sleep {mark} & trap 'echo tidy; exit 5' TERM; echo ready; while :; do sleep 0.02; done",
        limits=ResourceLimits(grace_seconds=30),
    )
    boxed.wait_for_a_line()

    ShellJob().cancel(handle)

    assert (boxed.exit_record.returncode, boxed.exit_record.cancelled) == (5, True)
    assert boxed.out.startswith("ready\ntidy\n")
    assert marked(mark) == []


def test_a_job_whose_supervisor_is_killed_ends_at_once(boxed: Boxed, mark: str):
    handle = boxed.start(f"setsid sleep {mark} & echo ready; trap '' TERM; while :; do sleep 1; done")
    boxed.wait_for_a_line()
    assert marked(mark)

    os.kill(int(handle.job_id), signal.SIGKILL)

    until(lambda: not marked(mark) and not boxed.living())
    assert ShellJob().status(handle).status is JobStatus.FINISHED_UNKNOWN


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_sandbox_does_not_outlive_its_supervisor_however_early_that_is_killed(
    work_dir: Path, mark: str, faults: Faults
):
    """The kernel is told to end the one with the other while the sandbox is being made: too late for a moment."""
    boxes, left = [], 0
    for number in range(60):
        place = work_dir / str(number)
        (place / "job" / "outputs").mkdir(parents=True)
        place.chmod(0o711)
        boxed = Boxed(place)
        handle = boxed.start(f"sleep {mark}; true")
        end = time.monotonic() + PATIENCE
        while not (place / "begun").exists():  # each moment counts
            assert time.monotonic() < end
        time.sleep(number % 20 / 1000)
        os.kill(int(handle.job_id), signal.SIGKILL)
        boxes.append(boxed)
    killed = time.monotonic()
    try:
        # What is inside does not say on its command line whose it is; only the mark does.
        until(lambda: not marked(mark) and not any(boxed.living() for boxed in boxes))
    except AssertionError:
        left = max(len(marked(mark)), sum(bool(boxed.living()) for boxed in boxes))
        raise
    finally:
        for process in [*marked(mark), *(process for boxed in boxes for process in boxed.living())]:
            os.kill(process, signal.SIGKILL)
        faults.saw(
            "a supervisor is killed while its sandbox is being made",
            times=len(boxes),
            lost=left,
            seconds=time.monotonic() - killed,
        )


def test_memory_processes_files_and_open_files_have_limits(boxed: Boxed, mark: str):
    limits = ResourceLimits(
        wall_seconds=30, memory_bytes=600_000_000, processes=20, file_bytes=50_000, open_files=32, grace_seconds=1
    )
    (boxed.root / "main.py").write_text(
        "import os\n"
        "try: bytearray(900_000_000)\n"
        "except MemoryError: print('memory')\n"
        "try: open('outputs/big', 'wb').write(bytes(100_000))\n"
        "except OSError as error: print(error.strerror)\n"
        "try: kept = [open('/dev/null') for n in range(99)]\n"
        "except OSError as error: print(error.strerror)\n"
        "kept = children = []\n"
        "try:\n"
        "    for n in range(99):\n"
        "        pid = os.fork()\n"
        f"        if not pid: os.execv('/bin/sleep', ['sleep', '{mark}'])\n"
        "        children.append(pid)\n"
        "except OSError as error: print(error.strerror, len(children) < 20)\n"
        "import resource\n"
        "for limit in (resource.RLIMIT_NPROC, resource.RLIMIT_AS):\n"
        "    try: resource.setrlimit(limit, (2**40, 2**40))\n"
        "    except (OSError, ValueError): print('stays')\n"
    )

    exit_record = boxed.run("exec /usr/bin/python3 -S main.py", limits=limits)

    assert boxed.out.splitlines() == [
        "memory",
        "File too large",
        "Too many open files",
        "Resource temporarily unavailable True",
        "stays",
        "stays",
    ], boxed.err
    assert exit_record.succeeded
    assert marked(mark) == []


def test_many_small_files_have_a_limit_together(boxed: Boxed, mark: str):
    script = f"sleep {mark} & trap '' TERM; n=0; while n=$((n + 1)); do head -c 9000 /dev/zero >outputs/$n; done"

    exit_record = boxed.run(script, limits=ResourceLimits(disk_bytes=2 << 20, grace_seconds=1000))

    assert (exit_record.too_big, exit_record.timed_out, exit_record.cancelled) == (True, False, False)
    assert "It was ended: its folder held more than 2097152 bytes" in boxed.err
    assert marked(mark) == []


def test_a_fork_bomb_is_held_and_others_are_not_disturbed(boxed: Boxed, work_dir: Path):
    boxed.start(
        "b() { b | b & }; echo go; b 2>/dev/null; while :; do sleep 1; done",
        limits=ResourceLimits(processes=30, grace_seconds=0.3),
    )
    boxed.wait_for_a_line()
    other = Boxed(work_dir / "other")
    (other.root / "outputs").mkdir(parents=True)
    other.place.chmod(0o711)

    assert other.run(
        "for n in $(seq 25); do sleep 0.3 & done; wait; echo fine", limits=ResourceLimits(processes=30)
    ).succeeded
    assert other.out == "fine\n"

    ShellJob().cancel(boxed.handles[0])
    assert boxed.exit_record.cancelled
    until(lambda: not boxed.living())


def test_temporary_folders_are_private_and_have_a_limit(boxed: Boxed):
    boxed.run(
        "for d in /tmp /var/tmp /dev/shm; do echo x >$d/x && ls $d; done;"
        " head -c 600M /dev/zero >/tmp/big 2>/dev/null || echo full; touch /dev/x /etc/x /x 2>/dev/null || echo closed"
    )

    assert boxed.out == "x\nx\nx\nfull\nclosed\n"


def test_logs_have_a_limit_in_it_too(boxed: Boxed):
    exit_record = boxed.run("yes | head -c 5000000; echo end >outputs/end", limits=ResourceLimits(log_bytes=4096))

    assert exit_record.log_cut
    assert (boxed.root / "outputs" / "end").exists()
    assert len(boxed.out) < 4400


def test_what_the_sandbox_says_of_the_system_python_is_so(boxed: Boxed):
    chosen = usable_interpreter(None)

    exit_record = boxed.run('exec "$0" -c "print(1)"', str(chosen), workspace=Workspace(boxed.root, interpreter=chosen))
    assert exit_record.succeeded, boxed.err


def test_two_commands_from_one_do_not_share_anything(boxed: Boxed):
    plain = Command(argv=("true",), env={"A": "1"})

    wrapped = boxed.sandbox(plain, Workspace(boxed.root))

    assert plain == Command(argv=("true",), env={"A": "1"})
    assert replace(wrapped, argv=plain.argv) != plain
