"""The owner's machine, whose clock jumps by hours, days and years while its runner serves.

A small library is loaded into the runner (`LD_PRELOAD`), which says another time of day than the kernel does, by an
offset that the test changes. What counts the time that goes by (the monotonic clock, sleeps) is the kernel's own, as it
is when somebody sets a clock. The stamps of files stay the kernel's: the folder's clock and the runner's disagree.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from syft_job.exchange import transitions
from syft_job.exchange.job_index import JobIndex
from syft_job.exchange.retention import RetentionScan
from syft_job.format.manifest import JobResources
from syft_job.model.states import JobState
from syft_job.model.units import Duration
from syft_job.policies.retention import RetentionKind
from syft_job.testing import TwoPeople
from tests.killing import Toll, events, starts
from tests.reliability import Faults
from tests.serving import until

LIBRARY = r"""
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static long off(void) {
    char text[32] = {0};
    int file = open(getenv("CLOCK_IS_OFF_BY"), O_RDONLY | O_CLOEXEC);
    if (file < 0) return 0;
    read(file, text, sizeof text - 1);
    close(file);
    return atol(text);
}
int clock_gettime(clockid_t clock, struct timespec *now) {
    int failed = syscall(SYS_clock_gettime, clock, now);
    if (!failed && clock == CLOCK_REALTIME) now->tv_sec += off();
    return failed;
}
int gettimeofday(struct timeval *restrict now, void *restrict zone) {
    struct timespec exact;
    clock_gettime(CLOCK_REALTIME, &exact);
    now->tv_sec = exact.tv_sec;
    now->tv_usec = exact.tv_nsec / 1000;
    return 0;
}
time_t time(time_t *now) {
    struct timespec exact;
    clock_gettime(CLOCK_REALTIME, &exact);
    if (now) *now = exact.tv_sec;
    return exact.tv_sec;
}
"""
RUNNER = """
import sys, time
from pathlib import Path
from syft_job.runner import create_runner
Path(sys.argv[3]).write_text(str(time.time()))
runner = create_runner(sys.argv[1], sys.argv[2], 0.2, sandbox="bare")
runner.announce, runner.max_parallel = None, 4
runner.run()
"""
WAITER = """
import sys, time
from syft_job.client import get_client
from syft_job.errors import JobTimeoutError
client = get_client(sys.argv[1], sys.argv[2], sandbox="bare")
try:
    print(client.jobs["Long"].wait(float(sys.argv[3])).value)
except JobTimeoutError:
    print("timeout")
"""
HOUR, DAY, YEAR = 3600, 86400, 31_536_000


@pytest.fixture
def people(tmp_path: Path) -> Iterator[TwoPeople]:
    with TwoPeople(tmp_path / "people", sandbox="bare") as both:
        yield both


class Clock:
    """The clock of processes that are started with `env`."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "offset"
        source, library = folder / "clock.c", folder / "clock.so"
        source.write_text(LIBRARY)
        subprocess.run(["cc", "-shared", "-fPIC", "-w", "-o", library, source], check=True)
        self.env = os.environ | {"LD_PRELOAD": str(library), "CLOCK_IS_OFF_BY": str(self._file)}
        self.jump(0)

    def jump(self, seconds: int) -> None:
        temporary = self._file.with_suffix(".new")
        temporary.write_text(str(seconds))
        temporary.replace(self._file)


@pytest.fixture
def clock(tmp_path: Path) -> Clock:
    if shutil.which("cc") is None:
        pytest.skip("there is no C compiler (cc) to make another clock with")
    return Clock(tmp_path)


@pytest.mark.engine
def test_a_clock_that_jumps_ends_nothing_early_and_starts_nothing_twice(people, tmp_path, clock, faults: Faults):
    canary, gate, proof = tmp_path / "canary", tmp_path / "gate", tmp_path / "proof"
    wait = f"until [ -e {gate} ]; do sleep 0.05; done"
    people.submit(
        f"echo Long >> {canary}; {wait}; echo 1 > outputs/one.csv\n",
        "Long",
        resources=JobResources(time_limit=Duration(600)),
    )
    long = people.owner_job("Long")
    long.approve(share_outputs=True)
    toll = Toll()
    clock.jump(-DAY)
    arguments = [str(people.root), people.owner_email]
    with subprocess.Popen([sys.executable, "-c", RUNNER, *arguments, str(proof)], env=clock.env) as serving:
        try:
            until(lambda: starts(canary, "Long"))
            assert abs(float(proof.read_text()) - (time.time() - DAY)) < HOUR, "this clock does not jump"
            waiters = [
                subprocess.Popen(
                    [sys.executable, "-c", WAITER, str(people.root), people.submitter_email, seconds],
                    env=clock.env,
                    stdout=subprocess.PIPE,
                    text=True,
                )
                for seconds in ("500", "1")
            ]
            for number, jump in enumerate((5 * HOUR, -5 * HOUR, 3 * YEAR, -30 * YEAR, 0)):
                clock.jump(jump)
                # One that was approved before the jump and one after; one that is over its limit, and is ended.
                began = time.monotonic()
                for kind, script in (("quick", ""), ("slow", "; sleep 1000")):
                    name = f"{kind}-{number}"
                    limit = JobResources(time_limit=Duration(1 if kind == "slow" else 600))
                    people.submit(f"echo {name} >> {canary}{script}\n", name, resources=limit)
                    people.owner_job(name).approve(share_outputs=True)
                clock.jump(jump + 7 * HOUR)
                expected = {f"quick-{number}": JobState.SUCCEEDED, f"slow-{number}": JobState.TIMED_OUT}
                for name, end in expected.items():
                    until(is_over(people, name))
                    job = people.submitters_job(name)
                    toll.add(
                        lost=job.state is not end, twice=starts(canary, name) > 1, seconds=time.monotonic() - began
                    )
                    assert job.state is end, (name, jump)
                    assert starts(canary, name) == 1
                    assert events(people, people.owner_job(name))["start"] == 1
                assert long.status == "running"
            assert waiters[1].communicate(timeout=60)[0] == "timeout\n", "a wait is over when its time is"
            assert waiters[0].poll() is None, "a wait is not over before"
            gate.touch()
            assert waiters[0].communicate(timeout=60)[0] == "succeeded\n"
            assert long.state is JobState.SUCCEEDED
            assert starts(canary, "Long") == 1
            assert events(people, long)["released"] == 1
        finally:
            serving.kill()
    toll.tell(faults, "the clock jumps by hours and years, ahead and back, while jobs run")


def is_over(people: TwoPeople, name: str):
    return lambda: people.submitters_job(name).state.is_terminal and not events(people, people.owner_job(name))["none"]


# Stamps that lie in the future


def into_the_future(top: Path) -> None:
    """What a machine whose clock was ahead left behind."""
    ahead = time.time() + 400 * DAY
    for path in [top, *top.rglob("*")]:
        os.utime(path, (ahead, ahead))


def test_stamps_in_the_future_hide_nothing_from_a_listing(people):
    """A listing that remembers must see each change as one that does not."""
    people.submit(name="Done")
    people.owner_job("Done").approve()
    people.owner_job("Done").cancel()
    people.submit(name="Waiting")
    folder = people.location("Done").parent
    stores = [JobIndex(people.root, client.participant) for client in (people.owner, people.submitter)]

    def look() -> None:
        for store, client in zip(stores, (people.owner, people.submitter), strict=True):
            for _ in range(2):
                remembered = {(record.name, record.state, record.findings) for record in store.records()}
                fresh = JobIndex(people.root, client.participant).records()
                assert remembered == {(record.name, record.state, record.findings) for record in fresh}

    into_the_future(folder)
    look()
    people.submit(name="Another")
    look()
    into_the_future(folder)
    (people.location("Done") / "cancelled").unlink()
    look()
    into_the_future(folder)
    people.submitters_job("Waiting").withdraw()
    look()
    into_the_future(folder)
    shutil.rmtree(people.location("Another"))
    look()
    code = people.location("Waiting") / "run.sh"
    code.write_text(code.read_text().replace("hello", "other"))
    into_the_future(folder)
    look()


# Ages


@pytest.mark.parametrize("kind", [RetentionKind.RESULTS, RetentionKind.JOBS])
def test_what_was_said_while_the_clock_stood_years_back_is_not_old(people, monkeypatch, kind):
    """A machine without a battery begins in 1970, until it hears the time; results must not go at the next clean."""
    people.submit(name="Before")
    people.owner_job("Before").approve()
    people.submit(name="N")
    job = people.owner_job("N")
    job.approve()
    home = people.owner.home

    transitions.start(people.owner.participant, people.place("N"), job.id, job.digest, offered=transitions.BUBBLEWRAP)
    home.attempt_paths(job.id, 1).results.joinpath("outputs").mkdir(parents=True)
    long_ago = datetime(1970, 1, 1, 0, 5, tzinfo=UTC)
    with monkeypatch.context() as patched:
        patched.setattr("syft_job.home.ledger.now", lambda: "1970-01-01T00:05:00.000000Z")
        transitions.finish(people.owner.participant, people.place("N"), job.id, 1, "succeeded", digest=job.digest)
    assert home.ledger.lines(job.id)[-1].said["at"].startswith("1970")
    os.utime(home.attempt_paths(job.id, 1).results, (long_ago.timestamp(), long_ago.timestamp()))
    ages = {one.job: one.age for one in RetentionScan(people.owner.participant, people.owner.store).measure([kind])}
    assert ages[job.id] < timedelta(days=1).total_seconds()
