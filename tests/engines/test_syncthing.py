"""The whole story over two real Syncthing instances: each person has their own copy of the folder."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from syft_job.job import JobInfo
from syft_job.model.states import JobState
from syft_job.runner import JobRunner
from syft_job.testing import TwoPeople
from tests.engines.syncthing import Pair, why_not
from tests.reliability import Faults
from tests.serving import until

pytestmark = [
    pytest.mark.engine,
    pytest.mark.slow,
    pytest.mark.timeout(300),
    pytest.mark.skipif(why_not() is not None, reason=str(why_not())),
]
NAME = "Tides"
SCRIPT = "echo high > outputs/tide.txt; mkdir outputs/sub; : > outputs/sub/empty.csv; echo printed\n"


@pytest.fixture
def people(tmp_path: Path) -> Iterator[TwoPeople]:
    with TwoPeople(tmp_path, apart=True, sandbox="bare") as both:
        yield both


@pytest.fixture
def pair(people: TwoPeople, tmp_path: Path) -> Iterator[Pair]:
    with Pair(tmp_path / "syncthing", (people.owners_root, people.submitters_root)) as pair:
        yield pair


def arrives(pair: Pair, holds: Callable[[], object], what: str) -> None:
    """Wait until that is so, having both look at once instead of when a timer says."""
    pair.scan()
    until(holds, what)


def sees(find: Callable[[str], JobInfo], status: str, attempt: int = 1) -> Callable[[], bool]:
    def holds() -> bool:
        try:
            job = find(NAME)
        except LookupError:
            return False
        return (job.status, job.attempt) == (status, attempt)

    return holds


def run(people: TwoPeople) -> None:
    serving = JobRunner(people.owner.config, announce=None)
    done = serving.process_approved_jobs(stream_output=False)
    assert [record.state for record in done] == [JobState.SUCCEEDED]


def test_the_whole_story(people: TwoPeople, pair: Pair):
    people.submit(SCRIPT, NAME)
    arrives(pair, sees(people.owner_job, "inbox"), "the job arrives")
    job = people.owner_job(NAME)
    assert "outputs/tide.txt" in str(job.review())
    job.approve(share_outputs=True, share_logs=True)
    arrives(pair, sees(people.submitters_job, "approved"), "the yes arrives")

    run(people)
    pair.scan()
    theirs = people.submitters_job(NAME)
    assert theirs.wait(timeout=60) is JobState.SUCCEEDED

    assert [path.name for path in theirs.output_paths] == ["sub", "tide.txt"]
    assert (theirs.location / "outputs" / "tide.txt").read_text() == "high\n"
    assert (str(theirs.stdout), theirs.returncode) == ("printed\n", 0)
    assert theirs.verify().ok, str(theirs.verify())

    job.rerun()
    arrives(pair, sees(people.submitters_job, "approved", attempt=2), "the next attempt is permitted")
    until(lambda: not (theirs.location / "outputs").exists(), "earlier results are taken back")
    run(people)
    arrives(pair, sees(people.submitters_job, "done", attempt=2), "the second result arrives")
    assert theirs.output_paths == []
    job.share_outputs([people.submitter_email])
    arrives(pair, lambda: [path.name for path in theirs.output_paths] == ["sub", "tide.txt"], "it is shared")
    until(lambda: theirs.verify().ok, str(theirs.verify()))
    assert (job.state, job.attempt) == (theirs.state, theirs.attempt) == (JobState.SUCCEEDED, 2)


def test_a_conflict_about_a_marker_changes_nothing(people: TwoPeople, pair: Pair, tmp_path: Path, faults: Faults):
    """Both sides write `approved` while they cannot reach each other; the forgery is the newer."""
    canary = tmp_path / "canary"
    people.submit(f"echo ran >>{canary}; {SCRIPT}", NAME)
    arrives(pair, sees(people.owner_job, "inbox"), "the job arrives")
    job, theirs = people.owner_job(NAME), people.submitters_job(NAME)
    pair.cut()
    job.approve(share_outputs=True)
    forged = theirs.location / "approved"
    forged.write_bytes(b'{"attempt": 1, "by": "nobody"}\n')
    pair.scan()
    assert theirs.status == "approved"  # shown, and told as what it is
    assert "unsigned 'approved': will not run" in theirs.findings
    pair.connect()
    connected = time.monotonic()
    copies = [
        lambda folder=folder: any(folder.glob("approved.sync-conflict-*")) for folder in (job.location, theirs.location)
    ]
    arrives(pair, lambda: all(there() for there in copies), "the conflict is told")

    assert job.state is JobState.QUEUED
    run(people)  # the ledger has the yes, and puts its marker back

    arrives(pair, sees(people.submitters_job, "done"), "the result arrives")
    pair.scan()
    assert theirs.wait(timeout=60) is JobState.SUCCEEDED
    until(lambda: theirs.verify().ok, str(theirs.verify()))
    assert not theirs.findings
    assert not job.findings
    ran = canary.read_text().split().count("ran")
    faults.saw(
        "Syncthing carries a marker that both sides wrote",
        lost=int(ran < 1),
        twice=max(0, ran - 1),
        seconds=time.monotonic() - connected,
    )
    assert ran == 1
