"""The owner's machine goes down, whatever runs, and comes up again with another boot id and the same process ids.

A machine is a process namespace with a boot id of its own: when its first process is killed the kernel ends all others
at once, and in the next one numbers are given out from 1 again.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import pytest

from syft_job.job import JobInfo
from syft_job.model.states import JobState
from syft_job.testing import TwoPeople
from tests.killing import Toll, events, litter, starts
from tests.serving import until

BOOT_ID = "/proc/sys/kernel/random/boot_id"
RUNNER = """
import os, signal, sys
from syft_job import fs
from syft_job.execution.backends import shell
from syft_job.runner import create_runner
root, email, fatal, supervisor = sys.argv[1:]
def before(what):
    if what == fatal:
        os.kill(os.getpid(), signal.SIGKILL)
shell._SHELL = supervisor
runner = create_runner(root, email, 0.2, sandbox="bare")
runner.announce, runner.max_parallel = None, 10
with fs.hook_writes(before):
    runner.run(drain=True)
"""


class Machine:
    """A machine that was just switched on; at the end of the block its power fails."""

    def __init__(self, folder: Path) -> None:
        self._boot_id = folder / f"boot-{uuid.uuid4()}"

    def __enter__(self) -> Self:
        self._boot_id.write_text(f"{uuid.uuid4()}\n")
        own = ["--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
        begin = f"mount --bind {self._boot_id} {BOOT_ID} && echo up && exec sleep 100000"
        self._power = subprocess.Popen(["unshare", *own, "sh", "-c", begin], stdout=subprocess.PIPE)
        assert self._power.stdout is not None
        if self._power.stdout.readline() != b"up\n":
            self.__exit__()
            raise OSError("no machine")
        self._first = Path(f"/proc/{self._power.pid}/task/{self._power.pid}/children").read_text().strip()
        return self

    def start(self, *command: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(["nsenter", "--target", self._first, "--mount", "--pid", *command])

    @staticmethod
    def kill(process: subprocess.Popen[bytes]) -> None:
        """Kill what was started: `nsenter` waits for it outside."""
        inside = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        until(lambda: inside.read_text().strip())
        os.kill(int(inside.read_text()), signal.SIGKILL)
        process.wait()

    def __exit__(self, *_: object) -> None:
        self._power.kill()
        self._power.communicate()
        first = getattr(self, "_first", None)
        until(lambda: first is None or not Path(f"/proc/{first}").exists())


def why_not() -> str | None:
    if shutil.which("unshare") is None or shutil.which("nsenter") is None:
        return "util-linux is not installed"
    tried = subprocess.run(
        ["unshare", "--mount", "--pid", "--fork", "--mount-proc", "sh", "-c", f"mount --bind /dev/null {BOOT_ID}"],
        capture_output=True,
        check=False,
    )
    return None if tried.returncode == 0 else f"no machine can be made here: {tried.stderr.decode(errors='replace')}"


pytestmark = [pytest.mark.engine, pytest.mark.skipif(why_not() is not None, reason=str(why_not()))]


@pytest.fixture
def people(tmp_path: Path) -> Iterator[TwoPeople]:
    with TwoPeople(tmp_path / "people", sandbox="bare") as both:
        yield both


def run(people: TwoPeople, machine: Machine, fatal: str = "", supervisor: str = "/bin/sh") -> subprocess.Popen[bytes]:
    return machine.start(sys.executable, "-c", RUNNER, str(people.root), people.owner_email, fatal, supervisor)


def yes_to(people: TwoPeople, canary: Path, name: str, waits_for: Path | None = None) -> JobInfo:
    wait = f"until [ -e {waits_for} ]; do sleep 0.05; done; " if waits_for else ""
    people.submit(f"echo {name.replace(' ', '-')} >> {canary}; {wait}echo 1 > outputs/one.csv\n", name)
    job = people.owner_job(name)
    job.approve(share_outputs=True)
    return job


@pytest.mark.conformance(88)
def test_after_a_reboot_everything_is_as_far_as_it_was_and_only_what_nobody_saw_the_end_of_is_lost(
    people, tmp_path, faults
):
    canary, never, gate = tmp_path / "canary", tmp_path / "never", tmp_path / "gate"
    home = people.owner.home
    jobs: dict[str, JobInfo] = {}
    with Machine(tmp_path) as machine:
        for name, waits_for in (("running", never), ("ended", gate), ("unnamed", gate)):
            jobs[name] = yes_to(people, canary, name, waits_for)
        with run(people, machine) as first:
            until(lambda: all(starts(canary, name) for name in jobs))
            machine.kill(first)

        jobs["stillborn"] = yes_to(people, canary, "stillborn")
        with run(people, machine, supervisor="/bin/true") as second:  # a supervisor that ends before its first act
            until((home.attempt_paths(jobs["stillborn"].id, 1).workspace / "handle.json").exists)
            machine.kill(second)

        jobs["said to start"] = yes_to(people, canary, "said to start")
        fatal = f"rename {home.ledger._checkpoint.name}"  # what follows a line in the ledger
        with run(people, machine, fatal, supervisor="/bin/true") as third:
            third.wait(60)
        assert events(people, jobs["said to start"]) == {"approve": 1, "start": 1}

        gate.touch()
        for name in ("ended", "unnamed"):
            until((home.attempt_paths(jobs[name].id, 1).workspace / "verdict").exists)
        jobs["approved"] = yes_to(people, canary, "approved")

    # Between the sync and the rename of a verdict the power may fail, too.
    exit_record = home.attempt_paths(jobs["unnamed"].id, 1).workspace / "verdict"
    exit_record.rename(exit_record.with_name("verdict.part"))
    with Machine(tmp_path) as machine:
        # Whatever number the supervisor had, another process has it now.
        busy = [machine.start("sleep", "1000") for _ in range(60)]
        began = time.monotonic()
        with run(people, machine) as last:
            assert last.wait(60) == 0
        took = time.monotonic() - began
    for one in busy:
        one.wait()

    expected = {name: JobState.LOST if name == "running" else JobState.SUCCEEDED for name in jobs}
    found = {name: job.state for name, job in jobs.items()}
    began_times = {name: starts(canary, name.replace(" ", "-")) for name in jobs}
    toll = Toll()
    for name in jobs:
        toll.add(lost=found[name] is not expected[name], twice=began_times[name] > 1, seconds=took)
    toll.tell(faults, "the machine reboots, with a job in each state")
    assert found == expected
    assert {name: people.submitters_job(name).state for name in jobs} == expected
    assert began_times == dict.fromkeys(jobs, 1)
    for name, job in jobs.items():
        told = events(people, job)
        assert (told["start"], told["over"]) == (1, 1), name
        assert [path.name for path in people.submitters_job(name).output_paths] == ["one.csv"] * (name != "running")
    assert list(home.workspaces.iterdir()) == []
    assert litter(people) == []
