"""Delivery in any order: whatever a bad transport does between two replicas, both people see what they must.

Whatever arrives late, cut, twice, beside a conflict copy, or back from the dead: on each side a job only rises, nothing
runs without a yes, nothing is out that was not let out, and when everything has been delivered both see the same.
"""

from __future__ import annotations

import os
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from syft_job.errors import InvalidTransition, SyftJobError
from syft_job.exchange import job_reader
from syft_job.execution.backends.processes import is_alive
from syft_job.execution.backends.supervisor_files import read_claim
from syft_job.job import JobInfo
from syft_job.model.states import JobState
from syft_job.runner import JobRunner
from syft_job.testing import TwoPeople
from tests.properties.checks import height_of
from tests.properties.delivery import Delivery, DeliveryWithProcesses
from tests.properties.hands import BEGUN_TWICE, LOST
from tests.properties.transport import TROUBLES
from tests.reliability import Faults

VERBS = "submit withdraw approve reject cancel deposit share rerun clean begin".split()
STEPS = 20


def tell_stories(machine: type[Delivery], first: int, count: int, faults: Faults) -> Counter[str]:
    """Tell ``count`` stories that depend on ``first`` only, and take down what they saw; returns what happened."""
    made: Counter[str] = Counter()
    longest = [0.0]
    telling = type(f"{machine.__name__}{first}", (machine,), {"made": made, "longest": longest})
    phases = (Phase.generate, Phase.shrink)
    chosen = settings(max_examples=count, stateful_step_count=STEPS, database=None, phases=phases, deadline=None)
    try:
        run_state_machine_as_test(seed(first)(telling), settings=chosen)
    finally:
        for trouble in TROUBLES:
            lost, twice = made[LOST], made[BEGUN_TWICE]
            faults.saw(trouble, times=made[trouble], lost=lost, twice=twice, seconds=longest[0])
    return made


@pytest.mark.timeout(600)
@pytest.mark.parametrize("shard", range(3))
def test_whatever_the_order_both_end_alike(shard: int, faults: Faults):
    made = tell_stories(Delivery, shard, 100, faults)
    assert not [word for word in (*VERBS, *TROUBLES) if not made[word]], made


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("shard", range(20))
def test_ten_thousand_orders(shard: int, faults: Faults):
    tell_stories(Delivery, 1000 + shard, 500, faults)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_whatever_the_order_real_jobs_end_alike(faults: Faults):
    tell_stories(DeliveryWithProcesses, 0, 30, faults)


# What the machine found, as one story each.


@pytest.fixture
def people(tmp_path: Path) -> Iterator[TwoPeople]:
    with TwoPeople(tmp_path, apart=True, sandbox="bare") as both:
        yield both


def finished(people: TwoPeople, name: str = "Tides") -> JobInfo:
    people.submit("echo 1 > outputs/one.csv\n", name)
    people.deliver()
    job = people.owner_job(name)
    job.approve(share_outputs=True, share_logs=True)
    JobRunner(people.owner.config, announce=None).process_approved_jobs(stream_output=False)
    people.deliver()
    return job


def test_results_hold_though_the_transport_dropped_a_file_of_no_bytes(people: TwoPeople):
    """Nearly every job has an empty stderr.txt."""
    finished(people)
    theirs = people.submitters_job("Tides")
    (theirs.location / "stderr.txt").unlink()
    assert theirs.wait(timeout=0) is JobState.SUCCEEDED
    assert theirs.verify().ok, str(theirs.verify())


@pytest.mark.parametrize("second", ["done", "rejected"])
def test_a_marker_of_a_later_attempt_that_arrives_before_its_permit_throws_nobody_back(people: TwoPeople, second: str):
    if second == "done":
        job = finished(people)
        job.rerun()
        JobRunner(people.owner.config, announce=None).process_approved_jobs(stream_output=False)
    else:
        people.submit(name="Tides")
        people.deliver()
        job = people.owner_job("Tides")
        job.approve()
        job.reject("no")
        people.deliver()
        job.approve()
        job.reject("no, again")
    theirs = people.submitters_job("Tides")
    before = (theirs.attempt, height_of(theirs.record))
    people.deliver([letter for letter in people.undelivered() if letter.path.endswith(f"/{second}")])
    assert (theirs.attempt, height_of(theirs.record)) >= before, theirs.state


def test_a_rerun_whose_deletions_arrive_first_comes_right_with_its_permit(people: TwoPeople):
    """A rerun takes `done` away, and a submitter who hears of that first knows no more until the permit is there."""
    job = finished(people)
    job.rerun()
    theirs = people.submitters_job("Tides")
    people.deliver([letter for letter in people.undelivered() if letter.path.endswith("/done")])
    assert theirs.attempt == 1
    people.deliver()
    assert (theirs.attempt, theirs.status) == (2, "approved")


def test_a_list_and_a_full_look_tell_the_same_of_a_withdrawal_that_came_too_late(people: TwoPeople):
    people.submit(name="Tides")
    people.deliver()
    people.submitters_job("Tides").withdraw("never mind")
    job = people.owner_job("Tides")
    job.approve()
    JobRunner(people.owner.config, announce=None).process_approved_jobs(stream_output=False)
    people.deliver()
    place, participant = people.place("Tides"), people.owner.participant
    assert (
        people.owner.store.get(place).position
        == job_reader.look(people.owners_root, place, participant).record.position
    )


def test_a_job_that_is_cancelled_and_cleaned_at_once_is_stopped(people: TwoPeople, tmp_path: Path):
    beat = tmp_path / "beat"
    people.submit(f"while [ ! -e {tmp_path}/enough ]; do echo x >> {beat}; sleep 0.05; done\n", "Tides")
    people.deliver()
    job = people.owner_job("Tides")
    job.approve()
    serving = JobRunner(people.owner.config, poll_interval=0, announce=None)
    pause = threading.Event()
    while not (job.status == "running" and beat.exists()):
        serving.step()
        pause.wait(0.02)
    claim = read_claim(people.owner.home.attempt_paths(job.id, 1).claim)
    assert claim is not None
    try:
        job.cancel()
        with suppress(SyftJobError):  # to refuse until it is dead is an answer, too
            job.clean()
        for _ in range(150):
            serving.step()
            pause.wait(0.02)
            if not is_alive(claim.pid, claim.ticks, claim.boot_id):
                break
        assert not is_alive(claim.pid, claim.ticks, claim.boot_id), "it runs on, and nobody can stop it"
    finally:
        (tmp_path / "enough").touch()
        while is_alive(claim.pid, claim.ticks, claim.boot_id):
            pause.wait(0.02)


def test_a_folder_that_unison_had_half_copied_is_litter_with_all_that_is_in_it(people: TwoPeople):
    people.submit(name="Tides")
    people.deliver()
    job = people.owner_job("Tides")
    half = job.location / ".unison.outputs.0123abcd.unison.tmp"
    half.mkdir()
    (half / "tide.txt").write_text("hi")
    assert half.name not in str(job.review())


def test_what_the_owner_cleaned_is_not_carried_back(people: TwoPeople):
    job = finished(people)
    job.clean()
    people.deliver()
    assert len(people.owner.jobs) == len(people.submitter.jobs) == 0


def test_what_was_cleaned_is_gone_where_a_tool_carries_no_empty_files(people: TwoPeople):
    """Such a tool does not carry their removal either: an empty file stays behind alone, and the name is free."""
    people.submit_code({"main.py": "print(1)\n", "part/empty.py": ""}, "Tides")
    people.deliver([letter for letter in people.undelivered() if not letter.path.endswith("empty.py")])
    job = people.owner_job("Tides")
    job.reject("no")
    people.deliver([letter for letter in people.undelivered() if not letter.path.endswith("empty.py")])
    theirs = people.submitters_job("Tides")
    job.clean()
    for path in theirs.location.rglob("*"):
        if path.is_file() and path.stat().st_size:
            path.unlink()
    (theirs.location / ".DS_Store").write_text("where the icons were")
    assert len(people.owner.jobs) == len(people.submitter.jobs) == 0
    people.submit(name="Tides")
    assert people.submitters_job("Tides").status == "inbox"
    assert not (theirs.location / "code").exists()


def test_an_empty_script_is_on_its_way_and_no_remainder(people: TwoPeople):
    people.submit(name="Tides")
    letters = people.undelivered()
    people.deliver([letter for letter in letters if letter.path.endswith("run.sh")])
    (people.location("Tides") / "run.sh").write_bytes(b"")
    assert people.owner_job("Tides").status == "arriving"


@pytest.mark.parametrize("with_logs", [False, True])
def test_a_yes_that_promised_results_is_kept_when_the_answer_is_a_deposit(
    people: TwoPeople, tmp_path: Path, with_logs: bool
):
    """The submitter waits for what was promised; nothing else would ever release it."""
    people.submit(name="Tides")
    people.deliver()
    job = people.owner_job("Tides")
    job.approve(share_outputs=True, share_logs=with_logs)
    (tmp_path / "by-hand.csv").write_text("1\n")
    job.accept_by_depositing_result(tmp_path / "by-hand.csv")
    people.deliver()
    theirs = people.submitters_job("Tides")
    assert theirs.wait(timeout=0) is JobState.SUCCEEDED
    assert [path.name for path in theirs.output_paths] == ["by-hand.csv"]
    assert theirs.verify().ok, str(theirs.verify())


def test_a_deposit_without_a_promise_releases_nothing_more(people: TwoPeople, tmp_path: Path):
    people.submit(name="Tides")
    people.deliver()
    (tmp_path / "by-hand.csv").write_text("1\n")
    job = people.owner_job("Tides")
    job.accept_by_depositing_result(tmp_path / "by-hand.csv")
    assert not (job.location / "shared").exists()


def test_a_permit_that_arrives_alone_is_in_the_list_at_once(people: TwoPeople):
    """It lies a folder deeper, so that the job's own folder does not move."""
    job = finished(people)
    job.rerun()
    people.deliver()
    JobRunner(people.owner.config, announce=None).process_approved_jobs(stream_output=False)
    people.deliver()
    theirs = people.submitters_job("Tides")
    long_ago = time.time() - 100
    os.utime(theirs.location, (long_ago, long_ago))
    assert people.submitter.jobs["Tides"].status == "done"
    job.rerun()
    people.deliver([letter for letter in people.undelivered() if letter.path.endswith("attempts/2.json")])
    os.utime(theirs.location, (long_ago, long_ago))
    listed = [record.position for record in people.submitter.store.records()]
    assert listed == [people.submitter.store.get(theirs.record.place).position]
    assert (theirs.attempt, theirs.status) == (3, "approved")


def test_what_was_withdrawn_in_a_later_attempt_and_cleaned_stays_cancelled(people: TwoPeople):
    """The withdrawal goes with the folder, and the ledger must not be left with a yes as its last word."""
    people.submit(name="Tides")
    people.deliver()
    job = people.owner_job("Tides")
    job.approve()
    job.cancel()
    job.rerun()
    people.deliver()
    people.submitters_job("Tides").withdraw("never mind")
    people.deliver()
    lying = {path: path.read_bytes() for path in job.location.rglob("*") if path.name in ("config.yaml", "run.sh")}
    job.clean()
    for path, content in lying.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    assert (people.owner_job("Tides").state, people.owner_job("Tides").attempt) == (JobState.CANCELLED, 2)


def test_what_was_shared_last_stands_though_an_earlier_word_about_it_comes_back(people: TwoPeople):
    """A tool that lays the earlier `shared` over the later one must not take back what was shared since."""
    people.submit("echo 1 > outputs/one.csv\n", "Tides")
    people.deliver()
    job = people.owner_job("Tides")
    job.approve()
    serving = JobRunner(people.owner.config, announce=None)
    serving.process_approved_jobs(stream_output=False)
    job.share_logs([people.submitter_email])
    earlier = (job.location / "shared").read_bytes()
    job.share_outputs([people.submitter_email])
    (job.location / "shared").write_bytes(earlier)
    for _ in range(3):
        serving.step()
    people.deliver()
    assert [path.name for path in people.submitters_job("Tides").output_paths] == ["one.csv"]
    assert people.submitters_job("Tides").verify().ok


def test_what_was_cleaned_is_not_approved_again(people: TwoPeople):
    """It would never run: what was cleaned never does, and so the yes is refused, as a rerun is."""
    people.submit(name="Tides")
    people.deliver()
    job = people.owner_job("Tides")
    job.reject("no")
    lying = {path: path.read_bytes() for path in job.location.iterdir()}
    job.clean()
    for path, content in lying.items():
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
    with pytest.raises(InvalidTransition, match="cleaned"):
        people.owner_job("Tides").approve()
    people.owner_job("Tides").clean()
    assert len(people.owner.jobs) == 0


def test_what_was_unreadable_when_it_was_cleaned_is_over(people: TwoPeople):
    """Else a yes would be the last word in the ledger, and a copy that comes back could neither run nor be cleaned."""
    people.submit(name="Tides")
    people.deliver()
    job = people.owner_job("Tides")
    job.approve()
    lying = {path: path.read_bytes() for path in job.location.iterdir() if path.is_file()}
    (job.location / "run.sh").unlink()
    (job.location / "run.sh").mkdir()
    assert people.owner_job("Tides").record.problem or people.owner_job("Tides").review().found.record.problem
    job.clean()
    for path, content in lying.items():
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
    assert people.owner_job("Tides").state is JobState.CANCELLED
    people.owner_job("Tides").clean()
    assert len(people.owner.jobs) == 0


def test_a_refused_job_of_which_not_all_is_here_cannot_be_approved(people: TwoPeople):
    """Nor can one that was never refused; a yes is to what its giver could see."""
    people.submit(name="Tides")
    letters = people.undelivered()
    people.deliver([letter for letter in letters if letter.path.endswith("run.sh")])
    job = people.owner_job("Tides")
    job.reject("too slow")
    with pytest.raises(InvalidTransition, match="have not arrived"):
        job.approve()
    people.deliver()
    assert people.owner_job("Tides").status == "inbox"
