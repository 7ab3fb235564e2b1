"""The power goes at any change of a job's life, and what was not fsynced is forgotten, the names of files included."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest

from syft_job.errors import SyftJobError
from syft_job.exchange import transitions
from syft_job.exchange.marker_check import MISSING
from syft_job.execution.backends.supervisor_files import SUPERVISOR
from syft_job.home import home
from syft_job.model.states import JobState
from syft_job.runner import JobRunner
from syft_job.testing import TwoPeople
from tests.engines.misbehaving import FaultyFolder, why_no_fuse
from tests.serving import until

pytestmark = [pytest.mark.engine, pytest.mark.skipif(why_no_fuse() is not None, reason=str(why_no_fuse()))]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultyFolder]:
    """Shared folder, homes and workspaces lie on it, so that one cut is one moment for all three."""
    with FaultyFolder(tmp_path / "faulty") as faulty:
        (faulty.mount / "work").mkdir()
        monkeypatch.setenv("SYFT_JOB_WORK", str(faulty.mount / "work"))
        yield faulty


@contextmanager
def booted(folder: FaultyFolder) -> Iterator[TwoPeople]:
    """Both people in new processes, as it were: nothing is remembered but what lies on the disk."""
    home._homes.clear()
    with TwoPeople(folder.mount, sandbox="bare") as people:
        folder.settle()
        yield people


class Life:
    """A job's life; it notes what was acknowledged to somebody."""

    def __init__(self, canary: Path, name: str) -> None:
        self.canary, self.name = canary, name
        # It does not ask its disk to keep anything, as hardly a program does.
        result = "mkdir outputs/of\necho 1 > outputs/of/one.csv\n"
        self.script = f"echo {name} >> {canary}\necho printed\n{result}"
        self.acknowledged: list[str] = []
        self.starts = 0

    def live(self, people: TwoPeople) -> None:
        if not people.location(self.name).exists():
            people.submit(self.script, self.name)
            self.acknowledged.append("submit")
        job = people.owner_job(self.name)
        if job.status == "inbox":
            job.approve(share_outputs=True, share_logs=True)
            self.acknowledged.append("approve")
        if JobRunner(people.owner.config, announce=None).process_approved_jobs(stream_output=False):
            self.acknowledged.append("run")

    def runs(self) -> int:
        return self.canary.read_text().split().count(self.name) if self.canary.exists() else 0

    def assert_in_order(self, people: TwoPeople) -> None:
        """What the power cut left: nothing half is taken for whole, and no marker is ahead of what it speaks of."""
        location = people.location(self.name)
        said: set[str] = set()
        record = None
        if location.exists():
            with suppress(SyftJobError):
                record = people.owner.store.get(people.place(self.name))
        if record is not None:
            lines = people.owner.home.ledger.lines(record.id)
            said = {line.event for line in lines}
            held = people.owner.home.attempt_paths(record.id, 1).results
            names = {path.name for path in location.iterdir()}
            wrong = [] if record.state is JobState.CREATED else people.owner.job_of(record).verify().fails
            assert [line for line in wrong if MISSING not in line] == [], "only markers that are put back are missing"
            assert "approved" not in names or "approve" in said
            assert "over" not in said or (held / "outputs/of/one.csv").read_text() == "1\n", "held before it is over"
            assert "over" not in said or (held / "logs" / "returncode.txt").read_text() == "0\n"
            assert "over" not in said or (held / "logs" / "stdout.txt").read_text() == "printed\n"
            assert "done" not in names or "over" in said
            assert "released" not in said or {"shared", "outputs"} <= names
        assert not self.runs() or "start" in said, "nothing runs that the ledger does not have"
        if "submit" in self.acknowledged:
            assert record is not None
            assert not record.problem
            assert record.state is not JobState.CREATED, "what was submitted is here, whole"
        if "approve" in self.acknowledged:
            assert "approve" in said, "a yes that was acknowledged is not lost"
        if "run" in self.acknowledged:
            assert "over" in said


def is_supervisor(process: psutil.Process, folder: FaultyFolder) -> bool:
    """Whether it is a living supervisor of a job on the file system."""
    if process.status() == psutil.STATUS_ZOMBIE:
        return False
    words = process.cmdline()
    return str(SUPERVISOR) in words and any(word.startswith(str(folder.mount)) for word in words)


def end_supervisors(folder: FaultyFolder) -> None:
    """End what runs on the file system, as a power cut does; all of it was started here."""
    for process in psutil.Process().children():
        with suppress(psutil.NoSuchProcess):
            if is_supervisor(process, folder):
                for one in [process, *process.children(recursive=True)]:
                    with suppress(psutil.NoSuchProcess):
                        one.kill()
                process.wait(60)


def cut(folder: FaultyFolder, life: Life, after: int) -> tuple[bool, float]:
    """One life with a cut before a change, and the recovery; whether it was cut at all, and how long that took."""
    with booted(folder) as people:
        folder.cut_after(after)
        with suppress(SyftJobError, OSError):
            life.live(people)
        was_cut = folder.changes >= after
        end_supervisors(folder)
    folder.restart()
    began = time.monotonic()
    with booted(folder) as people:
        life.assert_in_order(people)
        life.acknowledged.clear()
        until(lambda: _lived(people, life), "it is over")
        job = people.owner_job(life.name)
        if job.state is JobState.LOST:  # it had begun, and nobody was left to say how it ended: a person decides
            assert people.owner.home.attempt_paths(job.id, 1).claim.read_text(), "it had begun"
            job.rerun()
            until(lambda: _lived(people, life), "it is over")
            job.share_outputs(people.submitter_email)
        theirs = people.submitters_job(life.name)
        assert job.state is JobState.SUCCEEDED, job.history
        assert theirs.verify().ok, str(theirs.verify())
        assert [(path / "one.csv").read_text() for path in theirs.output_paths] == ["1\n"]
        seconds = time.monotonic() - began
        life.starts = sum(line.event == "start" for line in people.owner.home.ledger.lines(job.id))
        job.clean()
    return was_cut, seconds


def _lived(people: TwoPeople, life: Life) -> bool:
    life.live(people)
    return people.owner_job(life.name).status == "done" and not people.owner.home.ledger.pending_releases()


def changes_of_a_life(folder: FaultyFolder, canary: Path) -> int:
    life = Life(canary, "whole")
    with booted(folder) as people:
        folder.cut_after(1_000_000)
        life.live(people)
        count = folder.changes
        people.owner_job("whole").clean()
    folder.restart()
    return count


def cut_at(folder, tmp_path, faults, pick):
    canary = tmp_path / "canary"
    total = changes_of_a_life(folder, canary)
    twice = lost = times = 0
    longest = 0.0
    for after in pick(total):
        life = Life(canary, f"job-{after}")
        try:
            was_cut, seconds = cut(folder, life, after)
        except BaseException as error:
            error.add_note(f"the power went before change {after} of {total}")
            raise
        times += was_cut
        longest = max(longest, seconds)
        twice += max(0, life.runs() - life.starts)
        lost += life.runs() == 0
    faults.saw("a power cut that forgets what was not fsynced", times=times, lost=lost, twice=twice, seconds=longest)
    assert (lost, twice) == (0, 0)


@pytest.mark.parametrize("nth", [0, 1])
def test_the_power_goes_somewhere_in_a_jobs_life(folder, tmp_path, faults, nth):
    cut_at(folder, tmp_path, faults, lambda total: range(5 + nth * total // 12, total, total // 6))


def test_the_power_goes_before_a_claim_is_durable_and_after_running_was_told(folder, tmp_path):
    """What did not begin begins now: the claim decides, whatever the folder was told of it."""
    life = Life(tmp_path / "canary", "early")
    with booted(folder) as people:
        people.submit(life.script, life.name)
        job = people.owner_job(life.name)
        job.approve(share_outputs=True)
        transitions.start(
            people.owner.participant, people.place(life.name), job.id, job.digest, offered=transitions.BUBBLEWRAP
        )
        claim = people.owner.home.attempt_paths(job.id, 1).claim
        claim.touch()
        transitions.restore(people.owner.participant, people.place(life.name))
        assert (people.location(life.name) / "running").exists()
        claim.unlink()
    with booted(folder) as people:
        until(lambda: _lived(people, life))
        assert people.owner_job(life.name).state is JobState.SUCCEEDED
        assert life.runs() == 1


def test_the_power_goes_when_a_job_has_ended_and_no_runner_was_there(folder, tmp_path):
    """A verdict that survives speaks of results that survive, though nothing of them was collected yet."""
    life = Life(tmp_path / "canary", "alone")
    with booted(folder) as people:
        people.submit(life.script, life.name)
        people.owner_job(life.name).approve(share_outputs=True, share_logs=True)
        JobRunner(people.owner.config, announce=None).step()
        home = people.owner.home
        exit_record = home.attempt_paths(people.owner_job(life.name).id, 1).workspace / "verdict"
        until(
            lambda: exit_record.exists() and not any(is_supervisor(one, folder) for one in psutil.Process().children())
        )
        folder.cut_after(1)
        with suppress(OSError):
            (folder.mount / "one more change").touch()
        end_supervisors(folder)
    folder.restart()
    with booted(folder) as people:
        until(lambda: _lived(people, life))
        theirs = people.submitters_job(life.name)
        assert theirs.state is JobState.SUCCEEDED
        assert theirs.verify().ok, str(theirs.verify())
        assert [(path / "one.csv").read_text() for path in theirs.output_paths] == ["1\n"]
        assert str(theirs.stdout) == "printed\n"
        assert life.runs() == 1


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("nth", range(4))
def test_the_power_goes_before_any_change(folder, tmp_path, faults, nth):
    cut_at(folder, tmp_path, faults, lambda total: range(1 + nth, total + 1, 4))
