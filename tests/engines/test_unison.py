"""The whole story over unison: called when something is to travel, it carries both ways and leaves conflicts alone."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from syft_job.model.states import JobState
from syft_job.runner import JobRunner
from syft_job.testing import TwoPeople
from tests.reliability import Faults

UNISON = shutil.which("unison")
pytestmark = [
    pytest.mark.engine,
    pytest.mark.skipif(UNISON is None, reason="unison is not installed. Install the package unison."),
]
NAME = "Tides"


@pytest.fixture
def people(tmp_path: Path) -> Iterator[TwoPeople]:
    with TwoPeople(tmp_path, apart=True, sandbox="bare") as both:
        yield both


class Unison:
    """unison between the two replicas, with an archive of its own."""

    def __init__(self, people: TwoPeople, archive: Path) -> None:
        self.roots = (people.owners_root, people.submitters_root)
        self.archive = archive

    def __call__(self, *options: str) -> int:
        """Carry everything; 0 when both are alike, 1 when something was passed over (a conflict)."""
        done = subprocess.run(
            [
                str(UNISON), *map(str, self.roots), "-batch", "-auto", "-confirmbigdel=false", "-times", "-silent",
                *options,
            ],
            env={"PATH": os.environ["PATH"], "HOME": str(self.archive), "UNISON": str(self.archive)},
            stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=60,
        )  # fmt: skip
        assert done.returncode in (0, 1), done.stderr
        return done.returncode


def run(people: TwoPeople) -> None:
    serving = JobRunner(people.owner.config, announce=None)
    done = serving.process_approved_jobs(stream_output=False)
    assert [record.state for record in done] == [JobState.SUCCEEDED]


def test_the_whole_story(people: TwoPeople, tmp_path: Path, faults: Faults):
    sync, canary = Unison(people, tmp_path / "unison"), tmp_path / "canary"
    script = f"echo ran >>{canary}; echo high > outputs/tide.txt; : > outputs/empty.csv; echo printed\n"
    people.submit(script, NAME)
    assert sync() == 0
    job = people.owner_job(NAME)
    assert job.status == "inbox"
    # What a unison that was killed in the middle leaves beside a file: it counts for nothing, and nobody runs it.
    left = [job.location / f".unison.{name}.4f1cd0e2a9.unison.tmp" for name in ("run.sh", "approved")]
    left[0].write_text("echo half")
    left[1].write_text("{}")
    assert (people.owner_job(NAME).status, people.owner_job(NAME).findings) == ("inbox", ())
    assert ".unison." not in str(job.review())

    job.approve(share_outputs=True, share_logs=True)
    assert sync() == 0
    assert people.submitters_job(NAME).status == "approved"
    run(people)
    assert sync() == 0

    theirs = people.submitters_job(NAME)
    assert theirs.wait(timeout=0) is JobState.SUCCEEDED
    assert [path.name for path in theirs.output_paths] == ["empty.csv", "tide.txt"]
    assert (str(theirs.stdout), theirs.returncode) == ("printed\n", 0)
    assert theirs.verify().ok, str(theirs.verify())
    assert not theirs.findings
    ran = canary.read_text().split().count("ran")
    faults.saw("unison is killed and leaves half a file", times=len(left), lost=int(ran < 1), twice=max(0, ran - 1))
    assert ran == 1

    job.rerun()
    assert sync() == 0
    assert (theirs.status, theirs.attempt, theirs.output_paths) == ("approved", 2, [])
    run(people)
    assert sync() == 0
    assert (theirs.state, theirs.attempt, theirs.output_paths) == (JobState.SUCCEEDED, 2, [])
    job.share_outputs([people.submitter_email])
    assert sync() == 0
    assert [path.name for path in theirs.output_paths] == ["empty.csv", "tide.txt"]
    assert theirs.verify().ok, str(theirs.verify())


def test_a_conflict_about_a_marker_waits_and_changes_nothing(people: TwoPeople, tmp_path: Path, faults: Faults):
    sync, canary = Unison(people, tmp_path / "unison"), tmp_path / "canary"
    people.submit(f"echo ran >>{canary}\n", NAME)
    assert sync() == 0
    job, theirs = people.owner_job(NAME), people.submitters_job(NAME)
    job.approve()
    (theirs.location / "approved").write_bytes(b'{"attempt": 1}\n')
    assert sync() == 1  # passed over, on both sides as it was
    assert job.state is JobState.QUEUED
    assert theirs.status == "approved"
    assert theirs.state is JobState.SUBMITTED

    sync("-prefer", str(people.submitters_root), "-copyonconflict")  # the worst that its user can choose
    assert job.state is JobState.QUEUED
    settled = time.monotonic()
    run(people)  # the ledger has the yes, and puts its marker back
    assert sync() == 0
    assert (theirs.state, theirs.findings) == (JobState.SUCCEEDED, ())
    assert theirs.verify().ok, str(theirs.verify())
    ran = canary.read_text().split().count("ran")
    faults.saw(
        "both sides write a marker while unison cannot carry it",
        lost=int(ran < 1),
        twice=max(0, ran - 1),
        seconds=time.monotonic() - settled,
    )
    assert ran == 1
