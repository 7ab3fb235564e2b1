"""Killed at the k-th write, for every verb and every k; and a submitter who moves files freely in a real folder."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from syft_job import fs
from syft_job.errors import SyftJobError
from syft_job.exchange import transitions
from syft_job.model import names
from syft_job.model.job_ref import JobRef
from syft_job.model.states import JobState
from syft_job.testing import TwoPeople
from tests.killing import Toll, litter
from tests.reliability import Faults

KILLED = 17


def finished(people: TwoPeople) -> None:
    people.submit(name="N")
    job, place = people.owner_job("N"), people.place("N")
    job.approve()
    transitions.start(people.owner.participant, place, job.id, job.digest, offered=transitions.BUBBLEWRAP)
    held = people.owner.home.attempt_paths(job.id, 1).results
    (held / "outputs" / "sub").mkdir(parents=True)
    (held / "outputs" / "sub" / "r.csv").write_text("1\n")
    (held / "logs").mkdir()
    (held / "logs" / "stdout.txt").write_text("printed\n")
    transitions.finish(people.owner.participant, place, job.id, 1, "succeeded", digest=job.digest)


def shared(people: TwoPeople) -> None:
    finished(people)
    job = people.owner_job("N")
    job.share_outputs([people.submitter_email])
    job.share_logs([people.submitter_email])


def inbox(people: TwoPeople) -> None:
    people.submit(name="N")


def approved(people: TwoPeople) -> None:
    people.submit(name="N")
    people.owner_job("N").approve()


def deposit(people: TwoPeople) -> None:
    source = people.root.parent / "results"
    source.mkdir(exist_ok=True)
    (source / "r.csv").write_text("1\n")
    people.owner_job("N").accept_by_depositing_result(source)


def share(people: TwoPeople) -> None:
    people.owner_job("N").share_outputs([people.submitter_email])
    people.owner_job("N").share_logs([people.submitter_email])


VERBS: dict[str, tuple[Callable[[TwoPeople], None], Callable[[TwoPeople], object]]] = {
    "submit": (lambda people: None, lambda people: people.submit_code({"main.py": "1\n", "a/b.py": "2\n"}, name="N")),
    "approve": (inbox, lambda people: people.owner_job("N").approve(share_outputs=True)),
    "reject": (approved, lambda people: people.owner_job("N").reject("no")),
    "cancel": (approved, lambda people: people.owner_job("N").cancel()),
    "withdraw": (approved, lambda people: people.submitters_job("N").withdraw("never mind")),
    "deposit": (inbox, deposit),
    "share": (finished, share),
    "rerun": (shared, lambda people: people.owner_job("N").rerun()),
    "clean": (shared, lambda people: people.owner_job("N").clean()),
}


def killed_at(people: TwoPeople, verb: Callable[[TwoPeople], object], k: int) -> bool:
    """Run the verb in a child that dies before its k-th write; whether it came to that."""
    child = os.fork()
    if child == 0:
        left = [k]

        def count(what: str) -> None:
            left[0] -= 1
            if left[0] == 0:
                os._exit(KILLED)

        for client in (people.owner, people.submitter):
            client.home.lock.reset()  # filelock refuses one that was inherited
        try:
            with fs.hook_writes(count):
                verb(people)
        except BaseException:  # noqa: BLE001 - the child may only exit
            traceback.print_exc()
            os._exit(99)
        os._exit(0)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert code in (0, KILLED)
    return code == KILLED


def picture(people: TwoPeople) -> dict[str, object]:
    """What both people see, and which files lie there."""
    seen: dict[str, object] = {}
    for client in (people.owner, people.submitter):
        for job in client.jobs:
            seen[f"{client.email} {job.name}"] = (
                job.state,
                job.attempt,
                [path.name for path in job.output_paths],
                str(job.stdout),
                [finding for finding in job.findings if "config" not in finding],
            )
    jobs = people.root / people.owner_email / "app_data"
    seen["files"] = sorted(
        str(path.relative_to(jobs))
        for path in jobs.rglob("*")
        if path.is_file() and not any(names.is_sync_artefact(part) for part in path.relative_to(jobs).parts)
    )
    return seen


@pytest.mark.parametrize("name", list(VERBS))
def test_killed_at_any_write_and_repeated_it_ends_the_same(tmp_path: Path, name: str, faults: Faults):
    prepare, verb = VERBS[name]
    toll = Toll()
    with TwoPeople(tmp_path / "plain") as people:
        prepare(people)
        verb(people)
        expected = picture(people)
    for k in range(1, 60):
        with TwoPeople(tmp_path / str(k)) as people:
            prepare(people)
            died = killed_at(people, verb, k)
            between = picture(people)
            assert between
            if died:
                with suppress(SyftJobError):
                    verb(people)
                with suppress(SyftJobError):
                    transitions.restore(people.owner.participant, people.place("N"))
                toll.add(lost=picture(people) != expected)
            assert picture(people) == expected, f"killed at write {k}"
            if not died:
                toll.tell(faults, f"`{name}` is killed before any of its writes, and repeated")
                return
    pytest.fail("more writes than expected")


@pytest.mark.parametrize("name", ["approve", "reject", "cancel", "deposit", "rerun"])
def test_killed_at_any_write_the_sweep_alone_brings_both_to_the_same_view(tmp_path: Path, name: str):
    prepare, verb = VERBS[name]
    for k in range(1, 60):
        with TwoPeople(tmp_path / str(k)) as people:
            prepare(people)
            if not killed_at(people, verb, k):
                return
            transitions.restore(people.owner.participant, people.place("N"))
            owner, submitter = people.owner_job("N"), people.submitters_job("N")
            assert (owner.state, owner.attempt) == (submitter.state, submitter.attempt), f"killed at write {k}"


def test_a_cleaned_job_leaves_nothing_behind_even_when_killed(tmp_path: Path):
    prepare, verb = VERBS["clean"]
    for k in range(1, 30):
        with TwoPeople(tmp_path / str(k)) as people:
            prepare(people)
            died = killed_at(people, verb, k)
            with suppress(SyftJobError):
                people.owner_job("N").clean()
            submitters = people.location("N").parent
            # Between its last file and its folder: an empty folder is no job, and its name is free.
            assert [path for path in submitters.rglob("*") if path.is_file()] == [], f"killed at write {k}"
            assert len(people.owner.jobs) == 0
            people.submit(name="N")
            if not died:
                return


def test_what_a_killed_submission_had_half_written_goes_with_the_next_one_after_an_hour(tmp_path: Path):
    """Until then it may be what another machine of the same person is writing."""
    for k in range(1, 30):
        with TwoPeople(tmp_path / str(k)) as people:
            died = killed_at(people, lambda who: who.submit_code({"main.py": "1\n", "a/b.py": "2\n"}, name="N"), k)
            for path in litter(people):
                two_hours_ago = time.time() - 7200
                os.utime(path, (two_hours_ago, two_hours_ago))
            people.submit(name="Next")
            assert litter(people) == [], f"killed at write {k}"
            if not died:
                return


def test_a_submission_does_not_take_another_ones_half_written_folder_away(tmp_path: Path):
    with TwoPeople(tmp_path) as people:
        slow = tmp_path / "slow"
        slow.mkdir()
        (slow / "main.py").write_text("1\n")
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            people.submitter.home.lock.reset()

            def wait_in_the_middle(what: str) -> None:
                if what == "create config.yaml":
                    os.write(writing, b"!")
                    while not (tmp_path / "go").exists():
                        time.sleep(0.01)

            with fs.hook_writes(wait_in_the_middle):
                people.submitter.submit_python_job(people.owner_email, str(slow), "Slow")
            os._exit(0)
        assert os.read(reading, 1) == b"!"
        people.submit(name="Quick")
        (tmp_path / "go").touch()
        assert os.waitpid(child, 0)[1] == 0
        assert {job.name for job in people.owner.jobs} == {"Quick", "Slow"}
        assert litter(people) == []


class HostileSubmitter(RuleBasedStateMachine):
    """The owner acts as people do; the submitter deletes, restores, copies and resubmits whatever lies in the folder.

    The owner's words are remembered here, and the owner's state must follow from them alone.
    """

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.people = TwoPeople(Path(self.folder.name)).__enter__()
        self.people.submit(name="N")
        self.people.submit(name="M")
        self.location = self.people.location("N")
        self.kept: list[tuple[str, bytes]] = []
        self.configs = [(self.location / "config.yaml").read_bytes()]
        self.yes_to: set[tuple[str, int]] = set()
        self.last: dict[str, tuple[int, int]] = {}
        self.withdrawn = False

    def teardown(self) -> None:
        self.people.__exit__(None, None, None)
        self.folder.cleanup()

    @property
    def job(self):
        return self.people.owner_job("N")

    @rule(verb=st.sampled_from(["approve", "reject", "cancel", "rerun"]))
    def owner_acts(self, verb: str) -> None:
        job = self.job
        attempt = job.attempt + (job.state is JobState.REJECTED or verb == "rerun")
        try:
            {"approve": job.approve, "reject": lambda: job.reject("no"), "cancel": job.cancel, "rerun": job.rerun}[
                verb
            ]()
        except SyftJobError:
            return
        if verb in ("approve", "rerun") and job.state is JobState.QUEUED:
            self.yes_to.add((job.id, attempt))

    @rule()
    def keep_everything(self) -> None:
        for path in self.location.rglob("*"):
            if path.is_file() and path.name != "run.sh":
                self.kept.append((str(path.relative_to(self.location)), path.read_bytes()))
        self.kept = self.kept[-40:]

    @rule(chosen=st.randoms(use_true_random=False))
    def delete(self, chosen) -> None:
        markers = [p for p in self.location.rglob("*") if p.is_file() and p.name not in ("run.sh", "config.yaml")]
        if markers:
            chosen.choice(sorted(markers)).unlink()

    @precondition(lambda self: self.kept)
    @rule(chosen=st.randoms(use_true_random=False), to=st.sampled_from(["same", "approved", "done", "attempts/1.json"]))
    def restore(self, chosen, to: str) -> None:
        name, content = chosen.choice(self.kept)
        target = self.location / (name if to == "same" else to)
        if target.name == "config.yaml":
            return
        target.parent.mkdir(exist_ok=True)
        target.write_bytes(content)

    @rule()
    def bare_yes(self) -> None:
        (self.location / "approved").touch()

    @rule()
    def resubmit(self) -> None:
        shutil.rmtree(self.location)
        self.people.submit(name="N")
        self.configs.append((self.location / "config.yaml").read_bytes())

    @rule(chosen=st.randoms(use_true_random=False))
    def replay_a_config(self, chosen) -> None:
        (self.location / "config.yaml").write_bytes(chosen.choice(self.configs))

    @rule()
    def restore_by_the_runner(self) -> None:
        transitions.restore(self.people.owner.participant, self.people.place("N"))

    @invariant()
    def a_startable_job_was_permitted_by_the_owner(self) -> None:
        job = self.job
        if job.state is JobState.QUEUED:
            assert (job.id, job.attempt) in self.yes_to
        other = self.people.owner.store.get(JobRef(*self.people.place("M")))
        assert other.state is JobState.SUBMITTED

    @invariant()
    def nothing_moves_backwards(self) -> None:
        record = self.people.owner.store.get(self.people.place("N"))
        ranks = {JobState.QUEUED: 2, JobState.CANCELLED: 6, JobState.REJECTED: 7}
        if record.state in ranks:
            now = (record.attempt, ranks[record.state])
            assert now >= self.last.get(record.id, (0, 0))
            self.last[record.id] = now
        else:
            assert record.id not in self.last


TestHostileSubmitter = HostileSubmitter.TestCase
TestHostileSubmitter.settings = settings(max_examples=25, stateful_step_count=20, deadline=None)
