"""`kill -9` of a runner, a process of its own, at chosen points of a job's way; another runner brings it to its end.

Half of the points are exact: the runner ends itself with SIGKILL ahead of that write. The others are seen from outside,
by a file or a line of the ledger that is there, and the process is killed as soon as that is so.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from syft_job.job import JobInfo
from syft_job.model.states import JobState
from syft_job.testing import TwoPeople
from tests.killing import Toll, events, litter, settle, starts
from tests.serving import until

NAME = "Tides"
FAULT = "`kill -9` of a runner at a chosen point"
RUNNER = """
import os, signal, sys
from syft_job import fs
from syft_job.runner import create_runner
root, email, fatal, after = sys.argv[1:]
writes = []
def before(what):
    writes.append(what)
    if what == fatal and after in ("", *writes[:-1]):
        os.kill(os.getpid(), signal.SIGKILL)
runner = create_runner(root, email, 0.2, sandbox="bare")
runner.announce = None
with fs.hook_writes(before):
    runner.run()
"""
EXACT = {
    "while the code is copied in": ("create main.py", ""),
    "when all is copied, before the ledger has the start": ("append ledger.jsonl", "rename {id}.1"),
    "after the ledger's start, before the spawn": ("rename {witness}", "append ledger.jsonl"),
    "after the spawn, before it is noted": ("create handle.json", ""),
    "after it began, before that is told": ("create running", ""),
    "when its results are home, before the old name goes": ("rename {id}.1", "create returncode.txt"),
    "before the ledger has the end": ("append ledger.jsonl", "create returncode.txt"),
    "when all is said, before the workspace goes": ("remove {id}.1", "create done"),
    "between two shared files": ("create c.bin", "create done"),
    "before the rules are opened": ("create syft.pub.yaml", "create shared"),
}


@pytest.fixture
def people(tmp_path: Path) -> Iterator[TwoPeople]:
    with TwoPeople(tmp_path / "people", sandbox="bare") as both:
        yield both


@pytest.fixture
def canary(tmp_path: Path) -> Path:
    return tmp_path / "canary"


@pytest.fixture
def gate(tmp_path: Path) -> Iterator[Path]:
    """A file for which jobs wait; it is there at the end at the latest."""
    path = tmp_path / "gate"
    yield path
    path.touch()


def asked_for(people: TwoPeople, canary: Path, megabytes: float = 0.1, gate: Path | None = None) -> JobInfo:
    """A job with some code and three files of results, all of which are promised to its submitter."""
    waits = "" if gate is None else f"while not os.path.exists({str(gate)!r}): time.sleep(0.02)\n"
    people.submit_code(
        {
            "main.py": f"import os, time\nopen({str(canary)!r}, 'a').write('{NAME}\\n')\n{waits}"
            f"for name in 'abc': open(f'outputs/{{name}}.bin', 'wb').write(os.urandom({int(megabytes * 1e6)}))\n",
            "helper.py": "pass\n",
        },
        NAME,
    )
    job = people.owner_job(NAME)
    job.approve(share_outputs=True, share_logs=True)
    return job


def runner(people: TwoPeople, fatal: str = "", after: str = "") -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", RUNNER, str(people.root), people.owner_email, fatal, after])


def killed_when(process: subprocess.Popen[bytes], is_so: Callable[[], object]) -> None:
    """Kill it as soon as that is so; whether it was still doing it then is the machine's affair."""
    with process:
        deadline = time.monotonic() + 60
        while not is_so():
            assert time.monotonic() < deadline, "it did not come about"
            assert process.poll() is None
        process.kill()


def ends_well(people: TwoPeople, job: JobInfo, canary: Path, toll: Toll) -> None:
    began = time.monotonic()
    settle(people, job)
    theirs = people.submitters_job(NAME)
    has_all = [path.name for path in theirs.output_paths] == ["a.bin", "b.bin", "c.bin"] and theirs.verify().ok
    toll.add(lost=not has_all, twice=starts(canary, NAME) > 1, seconds=time.monotonic() - began)
    told = events(people, job)
    assert job.state is theirs.state is JobState.SUCCEEDED
    assert starts(canary, NAME) == 1
    assert (told["start"], told["over"], told["released"]) == (1, 1, 1)
    assert has_all
    assert theirs.returncode == 0
    assert litter(people) == []
    assert list(people.owner.home.workspaces.iterdir()) == []


@pytest.mark.conformance(88)
@pytest.mark.parametrize("point", list(EXACT))
def test_a_runner_that_ends_at_that_very_point_loses_nothing(people, canary, gate, faults, point):
    toll = Toll()
    is_slow = EXACT[point][0] == "create running"  # which no job gets that is over in a moment
    job = asked_for(people, canary, gate=gate if is_slow else None)
    named = {"id": job.id, "witness": people.owner.home.ledger._checkpoint.name}
    with runner(people, *(word.format(**named) for word in EXACT[point])) as process:
        assert process.wait(60) == -signal.SIGKILL
    gate.touch()
    ends_well(people, job, canary, toll)
    toll.tell(faults, FAULT)


def test_a_runner_that_is_killed_while_the_job_runs(people, canary, gate, faults):
    toll = Toll()
    job = asked_for(people, canary, gate=gate)
    killed_when(runner(people), (job.location / "running").exists)
    gate.touch()
    ends_well(people, job, canary, toll)
    toll.tell(faults, FAULT)


def test_a_runner_that_is_killed_as_soon_as_the_job_has_ended(people, canary, faults):
    toll = Toll()
    job = asked_for(people, canary)
    killed_when(runner(people), (people.owner.home.attempt_paths(job.id, 1).workspace / "verdict").exists)
    ends_well(people, job, canary, toll)
    toll.tell(faults, FAULT)


@pytest.mark.parametrize("where", ["home", "folder"])
def test_a_runner_that_is_killed_amid_a_large_result(people, canary, faults, where):
    """Sixty megabytes take a while to be copied, hashed and synced: first to the home, then into the folder."""
    toll = Toll()
    job = asked_for(people, canary, megabytes=20)
    place = people.owner.home.paths.held_results if where == "home" else job.location.parent.parent
    killed_when(runner(people), lambda: any(place.glob(".*.tmp/outputs/b.bin")))
    ends_well(people, job, canary, toll)
    toll.tell(faults, FAULT)


def test_a_runner_that_is_killed_as_soon_as_the_end_is_said(people, canary, faults):
    toll = Toll()
    job = asked_for(people, canary)
    ledger = people.owner.home.path / "ledger.jsonl"
    killed_when(runner(people), lambda: b'"event":"over"' in ledger.read_bytes())
    ends_well(people, job, canary, toll)
    toll.tell(faults, FAULT)


def test_a_runner_that_is_killed_while_it_stops_a_job(people, canary, gate, tmp_path, faults):
    """The job does not heed SIGTERM; its supervisor ends it all the same, without a runner."""
    toll = Toll()
    people.submit(f"trap '' TERM\necho {NAME} >> {canary}\nuntil [ -e {gate} ]; do sleep 0.05; done\n", NAME)
    job = people.owner_job(NAME)
    job.approve()
    process = runner(people)
    until(lambda: job.state is JobState.RUNNING and canary.exists())
    job.cancel()
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    began = time.monotonic()
    settle(people, job)
    toll.add(lost=job.state is not JobState.CANCELLED, twice=starts(canary, NAME) > 1, seconds=time.monotonic() - began)
    toll.tell(faults, FAULT)
    assert job.state is people.submitters_job(NAME).state is JobState.CANCELLED
    assert events(people, job) == {"approve": 1, "start": 1, "cancel": 1, "over": 1}
    assert starts(canary, NAME) == 1
    assert litter(people) == []
