"""The folder, or a part of it, goes away while jobs are on their way, and comes back."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from syft_job.errors import SyftJobError
from syft_job.model.states import JobState
from syft_job.runner import JobRunner
from syft_job.testing import TwoPeople
from tests.engines.misbehaving import Away, Story, Told, go_through, serving, tmpfs, why_no_mounts
from tests.serving import until

PARTS: dict[str, Callable[[TwoPeople], Path]] = {
    "the folder": lambda people: people.root,
    "a datasite": lambda people: people.root / people.owner_email,
    "a submitter's folder": lambda people: people.location("").parent,
}


@pytest.fixture
def people(tmp_path: Path) -> Iterator[TwoPeople]:
    with TwoPeople(tmp_path / "people", sandbox="bare") as both:
        yield both


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("leaves", [False, True], ids=["gone", "an empty folder in its place"])
def test_it_goes_away_at_any_moment(people, tmp_path, faults, part, leaves):
    # An empty datasite, or no folder of one's own, is where somebody may begin: what is submitted then would lie there.
    is_open_to_new_jobs = part == "a submitter's folder" or (part == "a datasite" and leaves)
    moments = [moment for moment in Story.MOMENTS if moment != "submit" or not is_open_to_new_jobs]
    cases = [(Away(PARTS[part](people), leaves=leaves), moment) for moment in moments]
    told = Told()
    times, lost, twice, seconds = go_through(people, tmp_path, told, cases)
    how = "is away, and an empty folder in its place" if leaves else "is away"
    faults.saw(f"{part} {how}", times=times, lost=lost, twice=twice, seconds=seconds)
    assert (lost, twice) == (0, 0)


def test_a_jobs_own_folder_goes_away_at_any_moment(people, tmp_path, faults):
    told = Told()
    lost = twice = 0
    longest = 0.0
    moments = ("approve", "finish", "cancel", "share", "rerun")
    with serving(people, told):
        for moment in moments:
            story = Story(people, tmp_path, moment, told)
            longest = max(longest, story.through(Away(people.location(moment)), moment))
            one, two = story.count()
            lost, twice = lost + one, twice + two
    faults.saw("a job's folder is away", times=len(moments), lost=lost, twice=twice, seconds=longest)
    assert (lost, twice) == (0, 0)


def test_it_is_said_once_and_its_end_is(people, tmp_path):
    people.submit("true\n", "Tides")
    people.owner_job("Tides").approve()
    away, told = Away(people.root, leaves=True), Told()
    with serving(people, told) as runner:
        until(lambda: people.owner_job("Tides").status == "done", "it runs")
        away.begin()
        until(lambda: told.troubles, "it is said that the folder is away")
        runner.store.participant.home.pause("nobody@example.org")  # something moves at home meanwhile
        time.sleep(0.5)  # some sweeps
        away.end()
        until(lambda: told[-1].startswith("✓"), "its end is said")
    assert len(told.troubles) == 1, "\n".join(told)
    assert "The folder is away" in told.troubles[0]
    assert str(people.root) in told.troubles[0]


def test_a_runner_does_not_begin_where_the_folder_is_away(people):
    """An unmounted folder is an empty one; no datasite is made in it."""
    people.submit("true\n", "Tides")
    people.owner_job("Tides").approve()
    away = Away(people.root, leaves=True)
    away.begin()
    try:
        with pytest.raises(SyftJobError, match="The folder is away"):
            JobRunner(people.owner.config, announce=None).step()
        with pytest.raises(SyftJobError):
            people.submit("true\n", "Second")
        with pytest.raises(SyftJobError):
            people.owner.job_at(people.place("Tides")).approve()
    finally:
        away.end()  # which asserts that nothing was laid there
    JobRunner(people.owner.config, announce=None).process_approved_jobs()
    assert people.owner_job("Tides").status == "done"


@pytest.mark.engine
@pytest.mark.skipif(why_no_mounts() is not None, reason=str(why_no_mounts()))
def test_a_disk_is_unmounted_while_jobs_run_and_mounted_again(tmp_path, faults):
    """A real mount, taken away under the runner's eyes; the attempt goes on, and its results wait at home."""
    base, gate, canary = tmp_path / "people", tmp_path / "gate", tmp_path / "canary"
    told = Told()
    with tmpfs(tmp_path / "disk", "size=4m") as disk_of_folder:
        box = base / "box"
        box.mkdir(parents=True)
        bind = ["mount", "--bind", str(disk_of_folder), str(box)]
        subprocess.run(bind, check=True, timeout=30)
        try:
            with TwoPeople(base, sandbox="bare") as people, serving(people, told):
                people.submit(
                    f"echo ran >> {canary}; until [ -e {gate} ]; do sleep 0.02; done; echo 1 > outputs/one.csv\n",
                    "Runs",
                )
                people.submit(f"echo ran >> {canary}\n", "Waits")
                job, home = people.owner_job("Runs"), people.owner.home
                number = job.id
                job.approve(share_outputs=True)
                until(lambda: job.status == "running", "it runs")
                home.pause()
                people.owner_job("Waits").approve()
                subprocess.run(["umount", "--lazy", str(box)], check=True, timeout=30)
                until(lambda: told.troubles, "it is said that the folder is away")
                home.resume()
                gate.touch()

                def is_over() -> bool:
                    home.ledger.refresh()
                    return "over" in home.ledger.events(number)

                until(is_over, "it is over")
                assert (home.attempt_paths(number, 1).results / "outputs" / "one.csv").exists()
                assert os.listdir(box) == [], "nothing is laid into the empty mount point"
                subprocess.run(bind, check=True, timeout=30)
                began = time.monotonic()
                until(lambda: job.state is JobState.SUCCEEDED and (job.location / "shared").exists(), "it is released")
                until(lambda: people.owner_job("Waits").status == "done", "what waited runs")
                seconds = time.monotonic() - began
                twice = canary.read_text().count("ran") - 2
                faults.saw("a folder is unmounted while jobs run", times=1, lost=0, twice=twice, seconds=seconds)
                assert twice == 0
        finally:
            subprocess.run(["umount", "--lazy", str(box)], check=True, timeout=30)
