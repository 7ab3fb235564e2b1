"""The hands of two people, of the owner's runner and of its supervisors, each on a replica of one folder.

Everything that they do is told to an oracle; what they may not do just does not happen. Supervisors are played here, so
that no process is needed; the runner is the real one. What happens when, and what must hold, is decided elsewhere.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import ClassVar, TypeVar

from hypothesis.stateful import RuleBasedStateMachine

from syft_job import fs
from syft_job.errors import SyftJobError
from syft_job.exchange import job_reader, transitions
from syft_job.execution import attempt_operations
from syft_job.execution.backends.base import JobHandle
from syft_job.execution.backends.processes import stat_of, this_boot, this_host
from syft_job.execution.backends.shell import ShellJob
from syft_job.format.markers import OUTPUTS, WITHDRAWN
from syft_job.home import home as homes
from syft_job.job import JobInfo
from syft_job.model.job_record import JobRecord
from syft_job.model.job_ref import JOBS, JobRef
from syft_job.model.states import JobState
from syft_job.runner import JobRunner
from syft_job.runner import workspace as workspaces
from syft_job.runner.attempt_files import Attempt
from syft_job.testing import TwoPeople
from tests.properties.oracle import BEGUN, NO, OVER, STOPPED, YES, Oracle
from tests.properties.transport import Transport

OWNER, SUBMITTER = 0, 1
A_MOMENT = 0.012
"""Seconds after which what lies in a folder is taken to have settled: longer than a tick of the file system's clock."""
LOST, BEGUN_TWICE = "lost", "begun twice"
FAST = next((folder for folder in ("/dev/shm",) if os.access(folder, os.W_OK)), None)
Found = TypeVar("Found")


class SignalsNobody(ShellJob):
    """Cancels by the request file alone: the process that claims name is that of the test."""

    def _cancel(self, handle: JobHandle) -> None:
        Path(handle.metadata["verdict"]).with_name(transitions.CANCEL_REQUEST).touch(mode=0o600)


class Hands(RuleBasedStateMachine):
    """Two people with a replica each, the owner's runner, and the transport between them."""

    plays_supervisors = True
    made: ClassVar[Counter[str]] = Counter()
    """How often each trouble was made, each verb was heard, and something that must not be was found."""
    longest: ClassVar[list[float]] = [0.0]
    """Seconds from the end of the trouble until everything was right again, at most."""

    def __init__(self) -> None:
        super().__init__()
        self.box = tempfile.TemporaryDirectory(dir=FAST)
        self.work_before = os.environ.get("SYFT_JOB_WORK")
        if self.plays_supervisors:
            os.environ["SYFT_JOB_WORK"] = str(Path(self.box.name, "work"))
        self.people = TwoPeople(Path(self.box.name), apart=True, sandbox="bare").__enter__()
        self.clients = (self.people.owner, self.people.submitter)
        for client in self.clients:
            client.participant._settles = A_MOMENT
        self.home = self.people.owner.home
        jobs = Path(self.people.owner_email, *JOBS, self.people.submitter_email)
        self.replicas = (self.people.owners_root / jobs, self.people.submitters_root / jobs)
        self.replicas[1].mkdir(parents=True, exist_ok=True)
        self.transport = Transport(self.replicas, made=self.made)
        self.serving = ExitStack()
        self.a_runner_comes()
        if self.plays_supervisors:
            self.home.pause()
        self.seed = 0
        self.drawn: Counter[str] = Counter()
        self.oracle = Oracle()
        self.replaced: set[str] = set()
        self.overlaid: set[str] = set()
        self.early: set[tuple[int, str]] = set()
        self.mixed: set[str] = set()
        self.ends: dict[tuple[str, int], JobState] = {}
        self.heard = 0
        self.seen: dict[tuple[int, str], object] = {}
        self.reached: dict[tuple[int, str], tuple[dict[str, bytes], tuple[int, int]]] = {}
        self.result = Path(self.box.name, "by-hand.csv")
        self.result.write_text("1\n")

    def go(self) -> None:
        """Leave nothing behind."""
        self.serving.close()
        self.people.__exit__(None, None, None)
        if self.work_before is not None:
            os.environ["SYFT_JOB_WORK"] = self.work_before
        else:
            os.environ.pop("SYFT_JOB_WORK", None)
        homes._homes.clear()  # ten thousand stories are told in one process
        self.box.cleanup()

    # People

    def submit(self, place: JobRef, kind: str) -> None:
        try:
            if kind == "bash":
                location = self.people.submit("echo 1 > outputs/one.csv\n", place.name)
            else:
                location = self.people.submit_code({"main.py": "print(1)\n", "part/empty.py": ""}, place.name)
        except SyftJobError:
            return
        self.made["submit"] += 1
        self.oracle.submissions.add((location / "config.yaml").read_bytes())

    def submit_another_in_its_place(self, place: JobRef, kind: str) -> None:
        """The submitter removes what they submitted, with everything in it, and submits other things by that name."""
        if before := self.find(self.clients[SUBMITTER].store.get, place):
            self.replaced.add(before.id)
        shutil.rmtree(self.replicas[SUBMITTER] / place.name)
        self.mixed.add(place.name)
        self.made["submit in its place"] += 1
        self.submit(place, kind)

    def withdraw(self, place: JobRef) -> None:
        if job := self.try_(SUBMITTER, place, "withdraw", lambda job: job.withdraw("never mind")):
            said = place.under(self.people.submitters_root) / WITHDRAWN
            self.oracle.taken_back[job.id].add(said.read_bytes())

    def approve(self, place: JobRef, grants: frozenset[str]) -> None:
        outputs, logs = "outputs" in grants, "logs" in grants
        if job := self.try_(OWNER, place, "approve", lambda job: job.approve(share_outputs=outputs, share_logs=logs)):
            assert job.id not in self.oracle.cleaned, "what was cleaned is approved again"
            self.oracle.said(job.id, job.attempt, YES)
            self.oracle.promised[job.id, job.attempt] = set(grants)

    def rerun(self, place: JobRef) -> None:
        if job := self.try_(OWNER, place, "rerun", lambda job: job.rerun()):
            assert job.id not in self.oracle.cleaned, "what was cleaned is permitted again"
            self.oracle.said(job.id, job.attempt, YES)

    def reject(self, place: JobRef) -> None:
        if job := self.try_(OWNER, place, "reject", lambda job: job.reject("no")):
            self.oracle.said(job.id, job.attempt, NO)

    def cancel(self, place: JobRef) -> None:
        if job := self.try_(
            OWNER, place, "cancel", lambda job: transitions.cancel(self.clients[OWNER].participant, place)
        ):
            self.oracle.said(job.id, job.attempt, STOPPED)

    def deposit(self, place: JobRef) -> None:
        if job := self.try_(OWNER, place, "deposit", lambda job: job.accept_by_depositing_result(self.result)):
            self.oracle.deposited.add(job.id)
            self.oracle.said(job.id, job.attempt, OVER, JobState.SUCCEEDED)

    def share(self, place: JobRef, what: str) -> None:
        them = [self.people.submitter_email]
        outputs = what == "outputs"
        if job := self.try_(
            OWNER, place, "share", lambda job: job.share_outputs(them) if outputs else job.share_logs(them)
        ):
            self.oracle.promised[job.id, job.attempt].add(what)

    def clean(self, place: JobRef) -> None:
        self.try_(OWNER, place, "clean", self.clean_it)

    def clean_it(self, job: JobInfo) -> None:
        record = job.record
        job.clean()
        self.oracle.cleaned.add(record.id)
        self.hear_the_ledger()

    # The runner, and the supervisors that it would start

    def a_runner_comes(self) -> None:
        """It serves until another one comes, as runners do, so that what it remembers counts, too."""
        self.serving.close()
        self.runner = JobRunner(self.people.owner.config, poll_interval=0, announce=None, backend=SignalsNobody())
        self.runner.participant._settles = A_MOMENT
        self.serving.enter_context(self.runner._serving())

    def step(self) -> None:
        self.runner.step()
        self.hear_the_ledger()

    def begin(self, place: JobRef) -> bool:
        """What the runner and a supervisor do until an attempt has begun, without a process."""
        participant = self.people.owner.participant
        try:
            look = job_reader.look(self.people.owners_root, place, participant)
            record = look.record
            if record.state is not JobState.QUEUED:
                return False
            attempt = Attempt(participant, place, record.id, record.attempt)
            transitions.require_permit(participant, look, offered=transitions.BARE)
            workspaces.create_workspace(attempt, look)
            transitions.start(participant, place, record.id, record.digest, host=this_host(), offered=transitions.BARE)
        except (SyftJobError, FileNotFoundError):
            return False
        said = {word.rank for word in self.oracle.words[record.id] if word.attempt == record.attempt}
        self.holds(BEGUN not in said, BEGUN_TWICE, "an attempt begins once")
        assert YES in said, "it begins without a yes"
        assert not said & {NO, STOPPED}, "it begins after a no"
        assert record.id not in self.oracle.cleaned, "it begins after it was cleaned"
        found = stat_of(os.getpid())
        assert found is not None
        with fs.open_directory(self.home.paths.claims) as opened:
            fs.create_file(opened, attempt.claim.name, f"{os.getpid()} {found[1]} {this_boot()}\n".encode())
        self.made["begin"] += 1
        self.oracle.said(record.id, record.attempt, BEGUN)
        self.ends[record.id, record.attempt] = JobState.LOST
        return True

    def end_what_runs(self, returncode: int) -> None:
        """What a supervisor does when its job has ended or is to be ended."""
        self.home.ledger.refresh()
        for job, number in self.home.ledger.unfinished():
            workspace = self.home.attempt_paths(job, number).workspace
            outputs = workspace / attempt_operations.JOB / OUTPUTS
            (outputs / "sub").mkdir(exist_ok=True)
            (outputs / "one.csv").write_text(f"{job} {number}\n")
            (outputs / "sub" / "empty.csv").touch()
            for stream in attempt_operations.STREAMS:
                (workspace / stream).write_text("" if stream == "stderr" else f"{job} {number}\n")
            said = {"returncode": returncode, "seconds": 1, "timed_out": False, "log_cut": False, "left_behind": False}
            said["cancelled"] = (workspace / transitions.CANCEL_REQUEST).exists()
            (workspace / attempt_operations.EXIT_RECORD).write_text(json.dumps(said) + "\n")
            as_it_ended = JobState.FAILED if returncode else JobState.SUCCEEDED
            self.ends[job, number] = JobState.CANCELLED if said["cancelled"] else as_it_ended

    def hear_the_ledger(self) -> None:
        """Take over what the runner said by itself: how an attempt ended, or that a withdrawn one is stopped."""
        ledger = self.home.ledger
        ledger.refresh()
        changed, self.heard = ledger.changed_since(self.heard), ledger.end
        for job in changed:
            for line in ledger.lines(job):
                attempt = line.attempt
                if line.event == "over":
                    outcome = JobState(line.said["outcome"])
                    assert self.ends.get((job, attempt), outcome) is outcome, f"it ended as {outcome}"
                    self.oracle.said(job, attempt, OVER, outcome)
                elif line.event == "cancel":
                    words = {word.rank for word in self.oracle.words[job] if word.attempt == attempt}
                    is_meant = STOPPED in words or self.oracle.taken_back[job] or job in self.oracle.cleaned
                    assert is_meant, "it was cancelled by nobody"
                    self.oracle.said(job, attempt, STOPPED)
                elif line.event == "start" and not self.plays_supervisors:
                    yes = {word.attempt for word in self.oracle.words[job] if word.rank == YES}
                    assert attempt in yes, "it began without a yes"

    # Beneath

    def luck(self, what: str) -> random.Random:
        """What decides about one more ``what``: it depends on the story's seed, and on no other thing that happens."""
        self.drawn[what] += 1
        return random.Random(f"{self.seed} {what} {self.drawn[what]}")

    def holds(self, is_so: bool, otherwise: str, why: str) -> None:
        """Fail, and count what it is, if something is not so."""
        if not is_so:
            self.made[otherwise] += 1
            raise AssertionError(why)

    def try_(self, side: int, place: JobRef, verb: str, act: Callable[[JobInfo], object]) -> JobRecord | None:
        """Let a person do something; the job as it is then, or None where they may not."""
        job = self.find(self.clients[side].job_at, place)
        if job is None:
            return None
        try:
            act(job)
        except SyftJobError:
            return None
        self.made[verb] += 1
        return job.record if verb != "clean" else None

    @staticmethod
    def find(get: Callable[[JobRef], Found], place: JobRef) -> Found | None:
        try:
            return get(place)
        except SyftJobError:
            return None
