"""A runner is killed before each of its writes, one after the other; the next one brings everything to its end.

The job is bare and adds a line to a file outside the folder, so that a second run cannot go unseen.
"""

from __future__ import annotations

import os
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from syft_job.execution.backends.base import CliCommand, JobDryRun, JobHandle
from syft_job.execution.backends.shell import ShellJob
from syft_job.execution.command import Command
from syft_job.job import JobInfo
from syft_job.model.states import JobState
from syft_job.runner import JobRunner
from syft_job.testing import TwoPeople
from tests.killing import ENDED, KILLED, Toll, approved, in_child, litter, process, settle, starts


@pytest.fixture
def people(tmp_path: Path) -> Iterator[TwoPeople]:
    with TwoPeople(tmp_path, sandbox="bare") as both:
        yield both


@pytest.mark.conformance(88, 239)
def test_killed_before_any_write_each_job_runs_once_and_is_released(people, tmp_path, faults):
    toll = Toll()
    canary = tmp_path / "canary"
    number = 0
    while True:
        number += 1
        name = f"job-{number}"
        job = approved(people, canary, name)
        ended, writes = in_child(process(people), lambda count, _, last=number: count == last)
        assert ended in (KILLED, ENDED), writes
        began = time.monotonic()
        settle(people, job)
        toll.add(
            times=ended == KILLED,
            lost=people.submitters_job(name).returncode != 0,
            twice=starts(canary, name) > 1,
            seconds=time.monotonic() - began,
        )
        where = f"killed before write {number}, after {writes[-1:]}"
        lines = Counter(line.event for line in people.owner.home.ledger.lines(job.id))
        assert job.state is JobState.SUCCEEDED, where
        assert canary.read_text().split().count(name) == 1, where
        assert (lines["start"], lines["over"]) == (1, 1), where
        assert (job.location / "done").exists(), where
        theirs = people.submitters_job(name)
        assert [path.name for path in theirs.output_paths] == ["one.csv"], where
        assert theirs.returncode == 0, where
        assert theirs.verify().ok, f"{where}: {theirs.verify()}"
        job.clean()  # the next runner has nothing else to look at
        if ended == ENDED:
            break
    toll.tell(faults, "the runner is killed before any write of a whole run")
    assert number > 15, "a run has more writes than that"


def test_a_workspace_does_not_outlive_its_attempt(people, tmp_path):
    """Killed when everything was said and only the tidying was left."""
    job = approved(people, tmp_path / "canary", "tides")
    ended, _ = in_child(process(people), lambda _, what: what == f"remove {job.id}.1")
    assert ended == KILLED
    settle(people, job)
    assert not people.owner.home.attempt_paths(job.id, 1).workspace.exists()


def test_what_a_killed_runner_had_half_copied_does_not_stay(people, tmp_path):
    """Half-copied results are private, and hidden names escape `clean`."""
    job = approved(people, tmp_path / "canary", "tides")
    ended, _ = in_child(process(people), lambda _, what: what == "create stdout.txt")
    assert ended == KILLED
    settle(people, job)
    job.clean()
    assert litter(people) == []


@pytest.mark.conformance(84)
def test_sharing_that_the_call_asked_for_is_not_forgotten(people, tmp_path):
    """Killed after the end was said and before anything was shared; the same call is made again (threat 14)."""
    job = approved(people, tmp_path / "canary", "tides", share=False)
    call = process(people, share_outputs_with_submitter=True)
    ended, _ = in_child(call, lambda _, what: what == "create shared")
    assert ended == KILLED
    call()
    assert job.state is JobState.SUCCEEDED
    assert [path.name for path in people.submitters_job("tides").output_paths] == ["one.csv"]


class Dies(ShellJob):
    """The process is killed right before a supervisor is started."""

    def _submit(self, command: Command | CliCommand, *, dry_run: bool) -> JobHandle | JobDryRun:
        os._exit(KILLED)


def killed_between_start_and_begin(people: TwoPeople, canary: Path, name: str = "tides") -> JobInfo:
    """A job of which the ledger says that it starts, and that no supervisor was spawned for."""
    job = approved(people, canary, name)

    def act() -> None:
        JobRunner(people.owner.config, announce=None, backend=Dies()).step()

    ended, _ = in_child(act, lambda *_: False)
    assert ended == KILLED
    people.owner.home.ledger.refresh()
    assert people.owner.home.ledger.unfinished() == [(job.id, 1)]
    return job


def test_a_folder_that_is_away_when_the_next_runner_comes_loses_no_job(people, tmp_path):
    """Not mounted yet after a reboot: the yes stands, and the job runs when its folder is back (threat 14)."""
    job = killed_between_start_and_begin(people, tmp_path / "canary")
    job.location.rename(tmp_path / "away")
    serving = JobRunner(people.owner.config, announce=None)
    serving.step()
    serving.step()
    (tmp_path / "away").rename(job.location)
    settle(people, job)
    assert job.state is JobState.SUCCEEDED
    assert (tmp_path / "canary").read_text().split() == ["tides"]


def test_a_job_that_was_cancelled_before_it_began_is_never_called_lost(people, tmp_path):
    """LOST is for what had begun; killed between the claim for nobody and the ledger's line."""
    job = killed_between_start_and_begin(people, tmp_path / "canary")
    job.cancel()
    ended, _ = in_child(
        lambda: JobRunner(people.owner.config, announce=None).step(), lambda _, what: what == "append ledger.jsonl"
    )
    assert ended == KILLED
    settle(people, job)
    outcomes = [line.said.get("outcome") for line in people.owner.home.ledger.lines(job.id) if line.event == "over"]
    assert outcomes == ["cancelled"]
    assert not (tmp_path / "canary").exists()


def test_an_attempt_that_may_not_begin_any_more_blocks_no_slot(people, tmp_path):
    """Its home was adopted meanwhile: it waits for its owner, and all others go on."""
    killed_between_start_and_begin(people, tmp_path / "canary")
    people.owner.home.adopt()
    other = approved(people, tmp_path / "canary", "other")
    serving = JobRunner(people.owner.config, announce=None, max_parallel=1)
    pause = threading.Event()
    for _ in range(100):
        serving.step()
        if other.status == "done":
            break
        pause.wait(0.02)
    assert other.status == "done"
    assert (tmp_path / "canary").read_text().split() == ["other"]
