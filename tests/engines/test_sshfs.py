"""The story over two mounts of one folder: no file events from the other side, and a server that can hang."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from syft_job import doctor
from syft_job.client import JobClient
from syft_job.config import SyftJobConfig
from syft_job.model.states import JobState
from syft_job.runner import hang_guard
from syft_job.testing import TwoPeople
from tests.engines.misbehaving import Told, serving
from tests.engines.sshfs import TwoMounts, why_not
from tests.serving import until

pytestmark = [
    pytest.mark.engine,
    pytest.mark.slow,
    pytest.mark.timeout(300),
    pytest.mark.skipif(why_not() is not None, reason=str(why_not())),
]


@pytest.fixture
def mounts(tmp_path: Path) -> Iterator[TwoMounts]:
    with TwoMounts(tmp_path / "sshfs") as both:
        yield both


@pytest.fixture
def people(mounts: TwoMounts, tmp_path: Path) -> Iterator[TwoPeople]:
    """The owner works on one mount, the submitter on the other."""
    base = tmp_path / "people"
    base.mkdir()
    for name, mount in zip(("box-of-owner", "box-of-submitter"), mounts.mounts, strict=True):
        (base / name).symlink_to(mount)
    with TwoPeople(base, sandbox="bare") as both:  # its own folder is not used
        for person in (both.owner_email, both.submitter_email):
            (base / "box-of-owner" / person).mkdir()
        both.owner = client(base / "box-of-owner", both.owner_email)
        both.submitter = client(base / "box-of-submitter", both.submitter_email)
        both.owners_root, both.submitters_root = base / "box-of-owner", base / "box-of-submitter"
        both.owner.setup_ds_job_folder_as_do(both.submitter_email)
        yield both


def client(root: Path, email: str) -> JobClient:
    return JobClient(SyftJobConfig.from_syftbox_folder(root, email, sandbox="bare"), announce=None)


def test_without_events_the_sweep_meets_what_the_other_side_did(people, mounts, faults):
    """Nothing tells the owner's side of a submission or a withdrawal; the sweep does."""
    told = Told()
    until((people.submitters_root / people.owner_email).exists, "the other side sees the datasite")
    with serving(people, told):
        people.submit("echo 1 > outputs/one.csv\n", "Tides")
        began = time.monotonic()
        until(lambda: "Tides" in [job.name for job in people.owner.jobs], "the submission is seen")
        people.owner_job("Tides").approve(share_outputs=True)
        until(lambda: people.owner_job("Tides").status == "done", "it is done")
        until(
            lambda: [path.name for path in people.submitters_job("Tides").output_paths] == ["one.csv"],
            "the results are on the other side",
        )
        until(lambda: people.submitters_job("Tides").verify().ok, "all of them")
        people.submit("sleep 1000\n", "Endless")
        until(lambda: "Endless" in [job.name for job in people.owner.jobs], "the second is seen")
        people.owner_job("Endless").approve()
        # What sshfs lists may be older for a while than what it listed before.
        until(lambda: ("Endless", "running") in [(job.name, job.status) for job in people.owner.jobs], "it runs")
        until(lambda: people.submitters_job("Endless").status == "running", "the other side sees that")
        people.submitters_job("Endless").withdraw()
        until(lambda: people.owner_job("Endless").state is JobState.CANCELLED, "the withdrawal is met")
        until(lambda: people.owner.home.ledger.unfinished() == [], "and it is dead")
    seconds = time.monotonic() - began
    faults.saw("no file events (two sshfs mounts)", times=3, lost=0, twice=0, seconds=seconds)


def test_doctor_says_whether_events_of_others_arrive(people):
    found = {check.name: check for check in doctor.examine(people.owner.config)}
    assert found["file events"].ok is None
    assert "sweep" in found["file events"].advice


def test_a_server_that_hangs_while_a_job_runs(people, mounts, tmp_path, monkeypatch, faults):
    monkeypatch.setattr(hang_guard, "PATIENCE", 0.5)
    told, gate, canary = Told(), tmp_path / "gate", tmp_path / "canary"
    with serving(people, told) as runner:
        people.submit(f"echo ran >> {canary}; until [ -e {gate} ]; do sleep 0.02; done; echo 1 > outputs/o\n", "Tides")
        until(lambda: "Tides" in [job.name for job in people.owner.jobs], "the submission is seen")
        job = people.owner_job("Tides")
        job.approve(share_outputs=True)
        until(lambda: job.status == "running", "it runs")
        number, home = job.id, people.owner.home
        until(lambda: any("is running" in line for line in told), "the folder was told")
        until(lambda: runner._hang_guard._busy_since is None, "the runner has nothing in hand")
        mounts.hang()
        until(lambda: any("does not answer" in line for line in told), "it is said")
        gate.touch()

        def is_over() -> bool:
            home.ledger.refresh()
            return "over" in home.ledger.events(number)

        until(is_over, "it is brought home")
        mounts.answer()
        began = time.monotonic()
        until((job.location / "shared").exists, "it is released")
        seconds = time.monotonic() - began
    twice = canary.read_text().count("ran") - 1
    faults.saw("a folder whose server hangs while jobs run", times=1, lost=0, twice=twice, seconds=seconds)
    assert twice == 0
