"""Processes that die where a test says so, and what is looked at afterwards."""

from __future__ import annotations

import os
import sys
import traceback
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from syft_job import fs
from syft_job.home import home
from syft_job.job import JobInfo
from syft_job.runner import JobRunner
from syft_job.testing import TwoPeople
from tests.reliability import Faults
from tests.serving import until

KILLED, ENDED, BROKEN = 7, 0, 1


@dataclass
class Toll:
    """What a fault cost, counted while a test goes on; see `Sighting`."""

    times: int = 0
    lost: int = 0
    twice: int = 0
    seconds: float = 0.0

    def add(self, *, times: int = 1, lost: bool = False, twice: bool = False, seconds: float = 0.0) -> None:
        self.times += times
        self.lost += lost
        self.twice += twice
        self.seconds = max(self.seconds, seconds)

    def tell(self, faults: Faults, fault: str) -> None:
        faults.saw(fault, times=self.times, lost=self.lost, twice=self.twice, seconds=self.seconds)


def in_child(act: Callable[[], object], dies_at: Callable[..., bool]) -> tuple[int, list[str]]:
    """Do ``act`` in a forked child that dies before the write that ``dies_at`` picks; how it ended, its writes."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        code, count = BROKEN, 0

        def before(what: str) -> None:
            nonlocal count
            count += 1
            if dies_at(count, what):
                os._exit(KILLED)
            os.write(writing, what.encode() + b"\n")

        try:
            for own in home._homes.values():
                own.lock.reset()  # a lock object must not be carried into a child
            with fs.hook_writes(before):
                act()
            code = ENDED
        except BaseException:
            traceback.print_exc()
            raise
        finally:
            sys.stderr.flush()
            os._exit(code)
    os.close(writing)
    with os.fdopen(reading) as told:
        writes = told.read().splitlines()
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status), writes


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


def approved(people: TwoPeople, canary: Path, name: str, *, share: bool = True) -> JobInfo:
    """A job that adds a line to ``canary``, which lies outside the folder: a second run cannot go unseen."""
    people.submit(f"echo {name} >> {canary}; echo 1 > outputs/one.csv\n", name)
    job = people.owner_job(name)
    job.approve(share_outputs=share, share_logs=share)
    return job


def process(people: TwoPeople, **options: Any) -> Callable[[], object]:
    """What a runner does that runs everything and remembers nothing."""
    return lambda: JobRunner(people.owner.config, announce=None).process_approved_jobs(stream_output=False, **options)


def settle(people: TwoPeople, job: JobInfo) -> None:
    """Step a runner that remembers nothing until the job is over and told."""
    serving = JobRunner(people.owner.config, announce=None)

    def is_over() -> bool:
        serving.step()
        return job.state.is_terminal and not people.owner.home.ledger.unfinished()

    until(is_over)
    serving.step()
    serving.step()


def starts(canary: Path, name: str) -> int:
    """How often the job began, as it wrote down itself."""
    return canary.read_text().split().count(name) if canary.exists() else 0


def events(people: TwoPeople, job: JobInfo) -> Counter[str]:
    people.owner.home.ledger.refresh()
    return Counter(line.event for line in people.owner.home.ledger.lines(job.id))


def litter(people: TwoPeople) -> list[str]:
    """Temporary files and folders of ours, wherever they are: in the homes, among the workspaces, in the folder."""
    tops = (people.root.parent, *{client.home.workspaces for client in (people.owner, people.submitter)})
    return sorted({str(path) for top in tops for path in top.rglob(".*.tmp")})
