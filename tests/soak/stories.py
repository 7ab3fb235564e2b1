"""What jobs the soak sends, what is done to each, and what must come of it.

A story is a row of steps, each by the owner or by the submitter. A step is tried again and again until it says that it
is done; whatever is in its way then is trouble that must pass.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from syft_job.client import JobClient
from syft_job.errors import InvalidTransition, JobExists, JobTimeoutError
from syft_job.format.manifest import JobResources
from syft_job.job import JobInfo
from syft_job.model.job_ref import JobRef
from syft_job.model.states import JobState

from .world import OWNER, World

LOOK_AGAIN = 0.15
S = JobState


@dataclass(slots=True)
class Task:
    """One job of the soak on its way through its story."""

    number: int
    story: Story
    submitter: str
    begun_at: float = field(default_factory=time.monotonic)
    at: int = 0
    next_look: float = 0.0
    settled_at: float | None = None
    in_the_way: str = ""
    may_be_lost: bool = False
    was_asked_to_stop: bool = False
    state: str = ""

    @property
    def name(self) -> str:
        """The job's name, and its word on the canary."""
        return f"{self.story.name}-{self.number}"

    @property
    def place(self) -> JobRef:
        """Where it lies."""
        return JobRef(OWNER, self.submitter, self.name)

    @property
    def step(self) -> Step:
        """What is to be done next."""
        return self.story.steps[self.at]


@dataclass(frozen=True, slots=True)
class Step:
    """One act of one person; ``act`` says whether it is done."""

    by_owner: bool
    act: Callable[[World, JobClient, Task], bool]


@dataclass(frozen=True, slots=True)
class Story:
    """A kind of job.

    Attributes:
        name: a word.
        share: how many of a hundred jobs are of this kind.
        script: what runs, after the line for the canary.
        ends: the states in which it may end; LOST besides where its supervisor was killed.
        steps: who does what after it was submitted.
        attempts: how many attempts it gets.
        outputs, printed, code: what its submitter must be able to read at the end.
        seconds: the time limit that it asks for.
    """

    name: str
    share: int
    script: str
    ends: frozenset[JobState]
    steps: tuple[Step, ...]
    attempts: int = 1
    outputs: tuple[tuple[str, str], ...] = ()
    printed: str = ""
    code: int | None = None
    seconds: int | None = None

    def text(self, world: World, task: Task) -> str:
        """The script of one job."""
        return f"echo {task.name} >>{world.canary.path}\n{self.script}"


def _job(client: JobClient, task: Task) -> JobInfo:
    return client.job_at(task.place)


def _submit(world: World, client: JobClient, task: Task) -> bool:
    asked = JobResources(time_limit=task.story.seconds) if task.story.seconds else None
    try:
        client.submit_bash_job(OWNER, task.story.text(world, task), task.name, resources=asked)
    except JobExists:
        return True  # an earlier try got that far
    return True


def _approve(*, outputs: bool = False, logs: bool = False) -> Step:
    def act(_: World, client: JobClient, task: Task) -> bool:
        job = _job(client, task)
        if job.state is JobState.SUBMITTED:  # its status may say "approved" of a marker that somebody laid there
            # Its runners take turns in the sandboxes, so that it is approved for the weakest.
            job.approve(share_outputs=outputs, share_logs=logs, allow_bare=True)
        return job.state not in (JobState.CREATED, JobState.SUBMITTED)

    return Step(True, act)


def _reject(_: World, client: JobClient, task: Task) -> bool:
    job = _job(client, task)
    if job.state is JobState.SUBMITTED:
        job.reject("not today")
    return job.status == "rejected"


def _cancel(_: World, client: JobClient, task: Task) -> bool:
    job = _job(client, task)
    if job.state is S.RUNNING:
        task.was_asked_to_stop = True
        job.cancel("that is enough")
    return job.state.is_terminal


def _withdraw(*when: str) -> Step:
    def act(_: World, client: JobClient, task: Task) -> bool:
        job = _job(client, task)
        if job.status in when:
            task.was_asked_to_stop = True
            try:
                job.withdraw("it is not needed any more")
            except InvalidTransition:
                return _job(client, task).state.is_terminal
        return job.state.is_terminal or job.record.position.withdrawn

    return Step(False, act)


def _deposit(world: World, client: JobClient, task: Task) -> bool:
    job = _job(client, task)
    if job.state in (JobState.SUBMITTED, JobState.QUEUED):
        source = world.base / "answer.csv"
        source.write_text("42\n")
        job.accept_by_depositing_result(source)
    return job.status == "done"


def _rerun(_: World, client: JobClient, task: Task) -> bool:
    job = _job(client, task)
    if job.attempt == 1 and job.state.is_finished:
        job.rerun()
    return job.attempt == 2


def _share(_: World, client: JobClient, task: Task) -> bool:
    job = _job(client, task)
    if not job.state.is_finished or job.attempt != task.story.attempts:
        return False
    job.share_outputs([task.submitter])
    if task.story.code is not None:
        job.share_logs([task.submitter])
    return True


def _receive(_: World, client: JobClient, task: Task) -> bool:
    """The submitter has everything: the end, what was promised, and proof that it is genuine."""
    job = _job(client, task)
    if not job.state.is_terminal or job.attempt != task.story.attempts:
        task.in_the_way = f"its submitter sees it {job.status}, attempt {job.attempt}"
        return False
    try:
        state = job.wait(0.1)
    except JobTimeoutError:
        task.in_the_way = "what was promised has not arrived"
        return False
    found = job.verify()
    if not found.ok:
        task.in_the_way = "; ".join(found.fails)
        return False
    task.in_the_way = _what_is_wrong(job, task, state)
    task.state = state.value
    return not task.in_the_way


def _what_is_wrong(job: JobInfo, task: Task, state: JobState) -> str:
    story = task.story
    if state is S.LOST and task.may_be_lost:
        return ""
    if state not in story.ends:
        return f"it is {state.value}"
    read = tuple((path.name, path.read_text()) for path in job.output_paths)
    if read != story.outputs:
        return f"its outputs are {read}"
    if story.printed and str(job.stdout) != story.printed:
        return f"it printed {str(job.stdout)[:60]!r}"
    if story.code is not None and job.returncode != story.code:
        return f"its return code is {job.returncode}"
    return ""


def _agree(_: World, client: JobClient, task: Task) -> bool:
    """The owner sees the same, and nothing runs or is owed any more."""
    job = _job(client, task)
    if job.state.value != task.state or job.attempt != task.story.attempts:
        task.in_the_way = f"its owner sees it {job.state.value} and its submitter {task.state}"
        return False
    client.home.ledger.refresh()
    if any(id_ == job.id for id_, _ in (*client.home.ledger.unfinished(), *client.home.ledger.pending_releases())):
        task.in_the_way = "its end or a release is still to come"
        return False
    found = job.verify()
    task.in_the_way = "; ".join(found.fails)
    return found.ok


SUBMIT = Step(False, _submit)
REJECT, CANCEL = Step(True, _reject), Step(True, _cancel)
DEPOSIT, RERUN, SHARE = Step(True, _deposit), Step(True, _rerun), Step(True, _share)
END = (Step(False, _receive), Step(True, _agree))

_LEAVES = """if [ "$PWD" = /job ]; then
    setsid sh -c 'sleep 3600 & exec sleep 3600' </dev/null >/dev/null 2>&1 &
fi
( (sleep 3600 & exec sleep 3600) </dev/null >/dev/null 2>&1 & )
"""
"""Two that stay behind; where there is a sandbox, outside the job's session as well."""

STORIES = (
    Story("nothing", 18, "true\n", frozenset({S.SUCCEEDED}), (SUBMIT, _approve(), *END)),
    Story(
        "prints", 12, "seq 200\n", frozenset({S.SUCCEEDED}), (SUBMIT, _approve(logs=True), *END),
        printed="".join(f"{number}\n" for number in range(1, 201)), code=0,
    ),
    Story(
        "writes", 12, "sleep 0.3; echo a,b >outputs/table.csv; echo c >outputs/word.txt\n", frozenset({S.SUCCEEDED}),
        (SUBMIT, _approve(outputs=True), *END), outputs=(("table.csv", "a,b\n"), ("word.txt", "c\n")),
    ),
    Story("fails", 8, "echo no >&2; exit 3\n", frozenset({S.FAILED}), (SUBMIT, _approve(logs=True), *END), code=3),
    Story(
        "toolong", 4, "trap '' TERM; sleep 3600 & sleep 3600\n", frozenset({S.TIMED_OUT}),
        (SUBMIT, _approve(logs=True), *END), seconds=1,
    ),
    Story("forks", 6, _LEAVES, frozenset({S.SUCCEEDED}), (SUBMIT, _approve(), *END)),
    Story("lasts", 8, "sleep 2; echo 1 >outputs/one\n", frozenset({S.SUCCEEDED}),
          (SUBMIT, _approve(outputs=True), *END), outputs=(("one", "1\n"),)),
    Story("cancelled", 6, "sleep 3600\n", frozenset({S.CANCELLED}), (SUBMIT, _approve(outputs=True), CANCEL, *END)),
    Story("withdrawn", 3, "true\n", frozenset({S.CANCELLED}), (SUBMIT, _withdraw("inbox"), *END), attempts=1),
    Story("regretted", 3, "sleep 3600\n", frozenset({S.CANCELLED}),
          (SUBMIT, _approve(), _withdraw("approved", "running"), *END)),
    Story("stopped", 3, "sleep 3600\n", frozenset({S.CANCELLED}), (SUBMIT, _approve(), _withdraw("running"), *END)),
    Story("again", 5, "echo x >outputs/x\n", frozenset({S.SUCCEEDED}),
          (SUBMIT, _approve(outputs=True), RERUN, SHARE, *END), attempts=2, outputs=(("x", "x\n"),), code=0),
    Story("answered", 5, "true\n", frozenset({S.SUCCEEDED}), (SUBMIT, DEPOSIT, SHARE, *END),
          outputs=(("answer.csv", "42\n"),)),
    Story("shared", 5, "echo y >outputs/y\n", frozenset({S.SUCCEEDED}), (SUBMIT, _approve(), SHARE, *END),
          outputs=(("y", "y\n"),), code=0),
    Story("rejected", 2, "true\n", frozenset({S.REJECTED}), (SUBMIT, REJECT, *END)),
)  # fmt: skip
NEVER_RUN = frozenset({"withdrawn", "answered", "rejected"})
