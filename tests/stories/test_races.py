"""Two processes at one job, at the same moment, many times: the first line in the ledger wins, both are told the truth.

Each race is run by two processes of their own, which wait for each other before each round.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from syft_job.errors import InvalidTransition
from syft_job.exchange import transitions
from syft_job.job import JobInfo
from syft_job.model.states import JobState
from syft_job.testing import TwoPeople
from tests.killing import Toll, events, settle, starts
from tests.serving import until

ROUNDS = [10, pytest.param(200, marks=[pytest.mark.slow, pytest.mark.timeout(1800)])]
RACER = """
import json, os, random, sys, time
from pathlib import Path
from syft_job.exchange import transitions
from syft_job.client import get_client
from syft_job.errors import SyftJobError
from syft_job.job import JobInfo
from syft_job.model.job_ref import JobRef
from syft_job.runner import JobRunner

root, email, verb, folder, me, other, rounds = sys.argv[1:]
client = get_client(root, email, sandbox="bare")
client.announce = None
serving = JobRunner(client.config, announce=None, max_parallel=1000)

def job_of(name):  # not out of a list: that would be read anew each time
    return JobInfo.of_record(client.store.get(JobRef("omar@example.org", "ada@example.org", name)), client)

def step(job):
    serving.step([job.record.place])

def finish(job):
    transitions.finish(client.participant, job.record.place, job.id, 1, "succeeded")

VERBS = {
    "approve": lambda job: job.approve(),
    "reject": lambda job: job.reject("no"),
    "cancel": lambda job: job.cancel(),
    "withdraw": lambda job: job.withdraw("never mind"),
    "rerun": lambda job: job.rerun(),
    "clean": lambda job: job.clean(),
    "deposit": lambda job: job.accept_by_depositing_result(folder + "/result.csv"),
    "share": lambda job: job.share_outputs(["ada@example.org"]),
    "start": step,
    "finish": finish,
}
for number in range(int(rounds)):
    job = job_of(f"job-{number}")
    Path(folder, f"{me}.{number}").touch()
    while not os.path.exists(f"{folder}/{other}.{number}"):
        pass
    time.sleep(random.random() * 0.01)
    try:
        VERBS[verb](job)
        said = ""
    except SyftJobError as error:
        said = f"{type(error).__name__}: {error}"
    print(json.dumps(said), flush=True)
"""


@pytest.fixture
def people(tmp_path: Path) -> Iterator[TwoPeople]:
    with TwoPeople(tmp_path / "people", sandbox="bare") as both:
        yield both


@dataclass
class Scheduler:
    """What came of one round: the job, what each was told (empty: done), and the order in the ledger."""

    name: str
    one: str
    other: str
    said: list[str]
    job: JobInfo

    @property
    def told(self) -> tuple[bool, bool]:
        return (not self.one, not self.other)


class Race:
    """Jobs that two verbs are let loose upon."""

    def __init__(self, people: TwoPeople, tmp_path: Path, rounds: int) -> None:
        self.people, self.folder, self.rounds = people, tmp_path / "race", rounds
        self.canary = tmp_path / "canary"
        self.folder.mkdir()
        (self.folder / "result.csv").write_text("1\n")

    def jobs(self, upto: str) -> None:
        """Bring each job as far as "inbox", "approved", "started" or "done"."""
        self.people.owner.announce = None
        for number in range(self.rounds):
            name = f"job-{number}"
            self.people.submit(f"echo {name} >> {self.canary}\n", name)
            if upto != "inbox":
                place = self.people.place(name)
                transitions.approve(
                    self.people.owner.participant,
                    place,
                    seen=self.people.owner.store.get(place).digest,
                    allow=transitions.BARE,
                )
        if upto in ("started", "done"):
            participant = self.people.owner.participant
            for job in self.people.owner.jobs:
                transitions.start(participant, job.record.place, job.id, job.digest, offered=transitions.BUBBLEWRAP)
                participant.home.attempt_paths(job.id, 1).results.joinpath("outputs").mkdir(parents=True)
                (participant.home.attempt_paths(job.id, 1).results / "outputs" / "r.csv").write_text("1\n")
                if upto == "done":
                    transitions.finish(participant, job.record.place, job.id, 1, "succeeded")

    def between(self, one: str, other: str) -> list[Scheduler]:
        ids = {job.name: job for job in self.people.owner.jobs}
        before = {name: len(self.people.owner.home.ledger.lines(job.id)) for name, job in ids.items()}
        racers = [self._racer(one, "one", "other"), self._racer(other, "other", "one")]
        said = [racer.communicate(timeout=600)[0].splitlines() for racer in racers]
        assert [racer.returncode for racer in racers] == [0, 0]
        self.people.owner.home.ledger.refresh()
        found = []
        for number in range(self.rounds):
            name = f"job-{number}"
            lines = self.people.owner.home.ledger.lines(ids[name].id)[before[name] :]
            found.append(
                Scheduler(
                    name,
                    json.loads(said[0][number]),
                    json.loads(said[1][number]),
                    [line.event for line in lines],
                    ids[name],
                )
            )
        return found

    def _racer(self, verb: str, me: str, other: str) -> subprocess.Popen[str]:
        email = self.people.submitter_email if verb == "withdraw" else self.people.owner_email
        arguments = [str(self.people.root), email, verb, str(self.folder), me, other, str(self.rounds)]
        return subprocess.Popen([sys.executable, "-c", RACER, *arguments], stdout=subprocess.PIPE, text=True)

    def tell(self, faults, what: str, rounds: list[Scheduler], *, lost: int = 0) -> None:
        toll = Toll(times=len(rounds), lost=lost, twice=sum(starts(self.canary, one.name) > 1 for one in rounds))
        toll.tell(faults, f"two processes race: {what}")


@pytest.fixture
def race(people, tmp_path, request) -> Race:
    return Race(people, tmp_path, request.param)


def is_over(people: TwoPeople, name: str) -> Callable[[], bool]:
    return lambda: people.owner.store.get(people.place(name)).state.is_terminal


def state(people: TwoPeople, one: Scheduler) -> JobState:
    """The state that both see."""
    owner, submitter = (client.store.get(people.place(one.name)).state for client in (people.owner, people.submitter))
    assert owner is submitter, one
    return owner


@pytest.mark.parametrize("race", ROUNDS, indirect=True)
def test_two_yeses_are_one(people, race, faults):
    race.jobs("inbox")
    found = race.between("approve", "approve")
    for one in found:
        assert one.said == ["approve"], one
        assert sorted(one.told) == [False, True], one
        assert "InvalidTransition" in one.one + one.other, one
        assert state(people, one) is JobState.QUEUED
    race.tell(faults, "approve and approve", found)


@pytest.mark.parametrize("race", ROUNDS, indirect=True)
def test_a_no_against_a_yes(people, race, faults):
    """Either the no comes first and a yes opens the next attempt, or it comes second and outranks the yes."""
    race.jobs("inbox")
    found = race.between("approve", "reject")
    for one in found:
        assert one.told == (True, True), one
        assert sorted(one.said) == ["approve", "reject"], one
        assert state(people, one) is (JobState.REJECTED if one.said[0] == "approve" else JobState.QUEUED), one
    race.tell(faults, "approve and reject", found)


@pytest.mark.parametrize("race", ROUNDS, indirect=True)
def test_a_yes_against_its_submitter_who_takes_the_job_back(people, race, faults):
    """A withdrawal is in the folder and no line of the ledger. It wins: a yes that was said before starts nothing."""
    race.jobs("inbox")
    found = race.between("approve", "withdraw")
    for one in found:
        assert not one.other, one
        assert one.said == ["approve"] * (not one.one), one
        assert not one.one or ("InvalidTransition" in one.one and "cancelled" in one.one), one
        assert state(people, one) is JobState.CANCELLED, one
    settle(people, people.owner_job("job-0"))
    assert not race.canary.exists()
    race.tell(faults, "approve and withdraw", found)


@pytest.mark.parametrize("race", ROUNDS, indirect=True)
def test_a_cancel_against_the_end(people, race, faults):
    race.jobs("started")
    found = race.between("cancel", "finish")
    for one in found:
        assert not one.other, one
        if one.said[0] == "cancel":
            assert one.said == ["cancel", "over"], one
            assert not one.one, one
            assert state(people, one) is JobState.CANCELLED, one
        else:
            # Told that it is done; or, where that was seen before, that it changes nothing: it returns as ever.
            assert one.said == ["over"], one
            assert not one.one or ("InvalidTransition" in one.one and "is done" in one.one), one
            assert state(people, one) is JobState.SUCCEEDED, one
    race.tell(faults, "cancel and finish", found)


@pytest.mark.parametrize("verb", ["reject", "deposit"])
@pytest.mark.parametrize("race", [10, pytest.param(200, marks=[pytest.mark.slow])], indirect=True)
def test_a_no_or_an_answer_against_the_start(people, race, faults, verb):
    """What the ledger has first holds: after the start it is told that it is too late, before it nothing runs."""
    race.jobs("approved")
    found = race.between(verb, "start")
    settle(people, people.owner_job("job-0"))
    until(lambda: not people.owner.home.ledger.refresh() and not people.owner.home.ledger.unfinished())
    for one in found:
        if one.said[0] == "start":
            assert "InvalidTransition" in one.one, one
            assert "job.cancel()" in one.one, one
            assert verb not in one.said, one
            assert state(people, one) is JobState.SUCCEEDED, one
            assert starts(race.canary, one.name) == 1, one
        else:
            assert not one.one, one
            assert one.said == [verb], one
            assert state(people, one) is (JobState.REJECTED if verb == "reject" else JobState.SUCCEEDED), one
            assert starts(race.canary, one.name) == 0, one
    race.tell(faults, f"{verb} and start", found)


@pytest.mark.parametrize("verb", ["reject", "deposit"])
def test_between_the_start_and_the_beginning_it_is_too_late_for_a_no(people, tmp_path, verb):
    """The moment that a race seldom meets: the ledger has the start, and its supervisor is about to claim it."""
    people.submit("true\n", "N")
    job = people.owner_job("N")
    job.approve()
    transitions.start(people.owner.participant, people.place("N"), job.id, job.digest, offered=transitions.BUBBLEWRAP)
    assert job.state is JobState.QUEUED
    (tmp_path / "result.csv").touch()
    with pytest.raises(InvalidTransition, match=r"is about to start\. To stop it: job\.cancel\(\)"):
        job.reject("no") if verb == "reject" else job.accept_by_depositing_result(tmp_path / "result.csv")
    assert job.state is JobState.QUEUED
    job.cancel()
    settle(people, job)
    assert events(people, job) == {"approve": 1, "start": 1, "cancel": 1, "over": 1}
    assert job.state is people.submitters_job("N").state is JobState.CANCELLED


@pytest.mark.parametrize("race", [10, pytest.param(200, marks=[pytest.mark.slow])], indirect=True)
def test_a_withdrawal_against_the_start(people, race, faults):
    race.jobs("approved")
    found = race.between("withdraw", "start")
    settle(people, people.owner_job("job-0"))
    for one in found:
        until(is_over(people, one.name))
        assert starts(race.canary, one.name) <= 1, one
        if one.one:
            assert "InvalidTransition" in one.one, one  # it was done by then
            assert state(people, one) is JobState.SUCCEEDED, one
        elif not starts(race.canary, one.name):
            assert state(people, one) is JobState.CANCELLED, one
        else:
            assert state(people, one) in (JobState.CANCELLED, JobState.SUCCEEDED), one
    race.tell(faults, "withdraw and start", found)


@pytest.mark.parametrize("race", ROUNDS, indirect=True)
def test_once_more_against_away_with_it(people, race, faults):
    race.jobs("done")
    found = race.between("rerun", "clean")
    for one in found:
        if one.said[0] == "permit":
            assert one.said == ["permit"], one
            assert not one.one, one
            assert "InvalidTransition" in one.other, one
            assert state(people, one) is JobState.QUEUED, one
        else:
            assert one.said == ["clean"], one
            assert not one.other, one
            assert one.one.startswith(("JobNotFoundError", "InvalidTransition")), one
            assert not one.job.location.exists(), one
    race.tell(faults, "rerun and clean", found)


@pytest.mark.parametrize("race", ROUNDS, indirect=True)
def test_letting_out_against_away_with_it(people, race, faults):
    race.jobs("done")
    found = race.between("share", "clean")
    for one in found:
        assert not one.other, one
        if one.said[0] == "released":
            assert one.said == ["released", "clean"], one
            assert not one.one, one
        else:
            assert one.said == ["clean"], one
            assert one.one.startswith(("JobNotFoundError", "InvalidTransition")), one
        assert not one.job.location.exists(), one
    race.tell(faults, "share and clean", found)


# Two runners

RUNNER = """
import sys
from syft_job.errors import RunnerBusy
from syft_job.runner import create_runner
runner = create_runner(sys.argv[1], sys.argv[2], 0.2, sandbox="bare")
runner.announce = None
try:
    runner.run(drain=True)
except RunnerBusy as busy:
    print(busy)
    sys.exit(3)
"""


@pytest.mark.conformance(87)
def test_two_runners_started_together_on_fifty_jobs(people, tmp_path, faults):
    canary, gate = tmp_path / "canary", tmp_path / "gate"
    jobs = {}
    for number in range(50):
        wait = "" if number else f"until [ -e {gate} ]; do sleep 0.05; done; "
        people.submit(f"{wait}echo job-{number} >> {canary}\n", f"job-{number}")
        jobs[f"job-{number}"] = people.owner_job(f"job-{number}")
        jobs[f"job-{number}"].approve()
    arguments = [sys.executable, "-c", RUNNER, str(people.root), people.owner_email]
    both = [subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    until(lambda: any(runner.poll() is not None for runner in both))  # one is refused, however late it comes
    gate.touch()
    told = {runner.pid: runner.communicate(timeout=100)[0] for runner in both}
    codes = {runner.pid: runner.returncode for runner in both}
    began_times = Counter(canary.read_text().split())
    toll = Toll(
        times=1,
        lost=sum(job.state is not JobState.SUCCEEDED for job in jobs.values()),
        twice=sum(count > 1 for count in began_times.values()),
    )
    toll.tell(faults, "two runners are started together on 50 approved jobs")
    assert sorted(codes.values()) == [0, 3]
    served, refused = sorted(codes, key=codes.__getitem__)
    assert f"(process {served})" in told[refused] or "of an unknown number" in told[refused]
    assert people.owner_email in told[refused]
    assert began_times == Counter(list(jobs))
    assert all(job.state is JobState.SUCCEEDED for job in jobs.values())
    assert all(events(people, job) == {"approve": 1, "start": 1, "over": 1} for job in jobs.values())
