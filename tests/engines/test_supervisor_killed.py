"""The supervisor of an attempt is killed as it is about to make one of its system calls; the runner sees what is left.

`strace` stops it at exactly that call, and only the first one that is spawned. The job adds a line to a file outside.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from syft_job.execution.backends import shell
from syft_job.execution.backends.processes import supervisor_of
from syft_job.execution.backends.supervisor_files import read_exit_record
from syft_job.model.states import JobState
from syft_job.runner import JobRunner
from syft_job.testing import TwoPeople
from tests.engines import strace
from tests.killing import KILLED, Toll, approved, events, in_child, is_alive, litter, settle, starts
from tests.reliability import Faults
from tests.serving import until

TELLING = "openat,write,kill,wait4,?vfork,?fork,clone,clone3"
"""Calls after which something is different for others; all but reading is `!read`."""
WRAPPER = """#!/bin/sh
if mkdir {mark} 2>/dev/null; then
    exec {strace} -DDD -qq -o /dev/null -e 'trace={calls}' -e 'inject={calls}:signal=SIGKILL:when={number}' /bin/sh "$@"
fi
exec /bin/sh "$@"
"""


WHY_NOT = strace.why_not("-DDD")
pytestmark = [pytest.mark.engine, pytest.mark.skipif(WHY_NOT is not None, reason=str(WHY_NOT))]


@pytest.fixture
def people(tmp_path: Path) -> Iterator[TwoPeople]:
    with TwoPeople(tmp_path / "people", sandbox="bare") as both:
        yield both


def kill_at(people: TwoPeople, monkeypatch: pytest.MonkeyPatch, calls: str, number: int, toll: Toll) -> str:
    """Run a job whose supervisor dies at its call ``number``; what was left at that moment."""
    name, top = f"job-{number}", people.root.parent
    canary = top / "canary"
    job = approved(people, canary, name)
    wrapper = top / f"sh-{number}"
    wrapper.write_text(
        WRAPPER.format(mark=top / f"killed-{number}", strace=shutil.which("strace"), calls=calls, number=number)
    )
    wrapper.chmod(0o755)
    home = people.owner.home
    exit_record = home.attempt_paths(job.id, 1).workspace / "verdict"
    with monkeypatch.context() as patched:
        patched.setattr(shell, "_SHELL", str(wrapper))
        serving = JobRunner(people.owner.config, announce=None)
        serving.step()
        pid = int(json.loads((home.attempt_paths(job.id, 1).workspace / "handle.json").read_text())["job_id"])
        until(lambda: not is_alive(pid))
        left = "nothing"
        if home.attempt_paths(job.id, 1).claim.exists():
            left = "a claim" if read_exit_record(exit_record, or_part=True) is None else "a verdict"
        began = time.monotonic()
        settle(people, job)
    expected = JobState.LOST if left == "a claim" else JobState.SUCCEEDED
    began_times = starts(canary, name)
    toll.add(lost=job.state is not expected, twice=began_times > 1, seconds=time.monotonic() - began)
    where = f"killed at {number} of {calls}, when {left} was left: {job.state}"
    told = events(people, job)
    assert (told["start"], told["over"]) == (1, 1), where
    assert job.state is expected, where
    assert began_times == 1 or (began_times == 0 and job.state is JobState.LOST), where
    assert people.submitters_job(name).state is job.state, where
    settle(people, job)  # nobody says it again, nobody tries again
    assert events(people, job) == told, where
    assert starts(canary, name) == began_times, where
    assert litter(people) == [], where
    assert list(home.workspaces.iterdir()) == [], where
    job.clean()
    return left


def kill_at_each(
    people: TwoPeople, monkeypatch: pytest.MonkeyPatch, faults: Faults, calls: str, numbers: Iterable[int]
) -> Counter[str]:
    """What was left how often."""
    toll = Toll()
    try:
        return Counter(kill_at(people, monkeypatch, calls, number, toll) for number in numbers)
    finally:
        toll.tell(faults, "the supervisor is killed at any of its system calls")


@pytest.mark.conformance(88)
def test_killed_at_any_of_its_calls_it_runs_once_or_is_lost_and_said_so_once(people, monkeypatch, faults):
    found = kill_at_each(people, monkeypatch, faults, TELLING, range(1, 60, 4))
    assert set(found) == {"nothing", "a claim", "a verdict"}


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_killed_at_every_one_of_its_calls(people, monkeypatch, faults):
    found = kill_at_each(people, monkeypatch, faults, "!read", range(1, 270))
    assert set(found) == {"nothing", "a claim", "a verdict"}


def test_a_supervisor_that_has_not_said_who_it_is_yet_is_not_lost(people, monkeypatch, tmp_path, faults):
    """Its claim is there and empty, and the runner that spawned it was killed before it could note so.

    It is stopped right after it made the claim. What follows must see that somebody is at it, and wait.
    """
    name, canary = "slow", tmp_path / "canary"
    job = approved(people, canary, name)
    home = people.owner.home
    claim = home.attempt_paths(job.id, 1).claim
    wrapper = tmp_path / "sh"
    wrapper.write_text(
        f"#!/bin/sh\nexec {shutil.which('strace')} -DDD -qq -o /dev/null -P {claim}"
        ' -e trace=openat -e inject=openat:signal=SIGSTOP:when=1 /bin/sh "$@"\n'
    )
    wrapper.chmod(0o755)

    def spawn() -> None:
        monkeypatch.setattr(shell, "_SHELL", str(wrapper))  # in the child only
        JobRunner(people.owner.config, announce=None).step()

    ended, _ = in_child(spawn, lambda _, what: what == "create handle.json")
    assert ended == KILLED
    until(claim.exists)
    assert claim.read_bytes() == b""
    serving = JobRunner(people.owner.config, announce=None)
    try:
        for _ in range(3):
            serving.step()
        assert job.status == "running"
        assert events(people, job) == {"approve": 1, "start": 1}
    finally:
        stopped = supervisor_of(claim)
        assert stopped is not None
        os.kill(stopped, signal.SIGCONT)
    toll = Toll()
    began = time.monotonic()
    settle(people, job)
    toll.add(lost=job.state is not JobState.SUCCEEDED, twice=starts(canary, name) > 1, seconds=time.monotonic() - began)
    toll.tell(faults, "the runner is killed before it noted its supervisor, which stands still with an empty claim")
    assert job.state is JobState.SUCCEEDED
    assert starts(canary, name) == 1
    assert events(people, job)["over"] == 1
    until(lambda: supervisor_of(claim) is None, "it is gone, too")
