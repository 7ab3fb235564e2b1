"""A runner is killed before a write; the one that follows is killed, too, before a write of its own; a third settles.

A whole run is start, finish and release, so each of them is cut short twice, and also one while another recovers.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from syft_job.model.states import JobState
from syft_job.testing import TwoPeople
from tests.killing import BROKEN, ENDED, KILLED, Toll, approved, events, in_child, litter, process, settle, starts

FAULT = "the runner is killed before any write of a whole run, and the next one, too"


@pytest.fixture
def people(tmp_path: Path) -> Iterator[TwoPeople]:
    with TwoPeople(tmp_path / "people", sandbox="bare") as both:
        yield both


def kill_twice(people: TwoPeople, canary: Path, first: int, second: int, toll: Toll) -> tuple[int, int]:
    """Kill one runner before its ``first`` write and the next before its ``second``; how they ended."""
    name = f"job-{first}-{second}"
    job = approved(people, canary, name)
    before, its_writes = in_child(process(people), lambda count, _: count == first)
    then, more = in_child(process(people), lambda count, _: count == second)
    where = f"killed before write {first}, after {its_writes[-1:]}, and before write {second}, after {more[-1:]}"
    assert BROKEN not in (before, then), where
    began = time.monotonic()
    settle(people, job)
    held = people.owner.home.attempt_paths(job.id, 1).results / "outputs"
    theirs = people.submitters_job(name)
    is_whole = [path.read_text() for path in held.iterdir()] == ["1\n"] and theirs.returncode == 0
    toll.add(
        times=(before == KILLED) + (then == KILLED),
        lost=not is_whole or [path.name for path in theirs.output_paths] != ["one.csv"],
        twice=starts(canary, name) > 1,
        seconds=time.monotonic() - began,
    )
    told = events(people, job)
    assert job.state is theirs.state is JobState.SUCCEEDED, where
    assert starts(canary, name) == 1, where
    assert (told["start"], told["over"]) == (1, 1), where
    assert toll.lost == 0, where
    assert theirs.verify().ok, f"{where}: {theirs.verify()}"
    assert litter(people) == [], where
    assert list(people.owner.home.workspaces.iterdir()) == [], where
    job.clean()  # the next runners have nothing else to look at
    return before, then


@pytest.mark.conformance(88, 239)
def test_killed_twice_each_job_runs_once_and_is_released(people, tmp_path, faults):
    toll = Toll()
    try:
        for first in range(1, 60, 2):
            # Each first write with one second write; those go up and down over the whole range.
            before, _ = kill_twice(people, tmp_path / "canary", first, first * 11 % 37 + 1, toll)
            if before == ENDED:
                break
    finally:
        toll.tell(faults, FAULT)
    assert first > 15, "a run has more writes than that"


@pytest.mark.slow
@pytest.mark.timeout(3000)
def test_killed_twice_at_every_pair_of_writes(people, tmp_path, faults):
    toll = Toll()
    try:
        for first in itertools.count(1):
            for second in itertools.count(1):
                before, then = kill_twice(people, tmp_path / "canary", first, second, toll)
                if then == ENDED:
                    break
            if before == ENDED:
                break
    finally:
        toll.tell(faults, FAULT)
    assert first > 15, "a run has more writes than that"
