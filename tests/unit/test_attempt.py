"""The machine of an attempt, with a fake backend and fake operations: one step for each type of evidence."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest

from syft_job.errors import NotStarted, StoreError
from syft_job.execution.attempt import AttemptMachine
from syft_job.execution.attempt_operations import AttemptPaths, Collected, Permission
from syft_job.execution.command import Command
from syft_job.execution.evidence import Ended, ExitRecord, Forfeited, Launched, NotLaunched, Running, Unknown, Vanished
from syft_job.testing import FakeBackend

NOW = datetime(2026, 3, 2, tzinfo=UTC)
PATIENCE_S = 5.0


@dataclass(frozen=True)
class Attempt:
    paths: AttemptPaths


@dataclass
class Prepared:
    """What `Operations.prepare` returns."""

    operations: Operations
    attempt: Attempt

    @property
    def command(self) -> Command:
        paths = self.attempt.paths
        return Command(("true",), claim=paths.claim, exit_record=paths.exit_record, label=paths.label)

    def record_start(self, host: str | None) -> None:
        self.operations.did("record start", self.attempt)
        self.operations.started.add(self.attempt.paths.label)
        self.operations.host = host

    def open_workspace(self) -> None:
        self.operations.did("open", self.attempt)


@dataclass
class Operations:
    """Notes what it was asked to do, and does what a user of the machine does at least."""

    log: list[str] = field(default_factory=list)
    started: set[str] = field(default_factory=set)
    cancelled: set[str] = field(default_factory=set)
    answer: Permission = Permission.GRANTED
    refusal: Exception | None = None
    copying: bool = False
    host: str | None = None

    def did(self, what: str, attempt: Attempt) -> None:
        self.log.append(f"{what} {attempt.paths.label}")

    def pop(self) -> list[str]:
        log, self.log = self.log, []
        return log

    def is_started(self, attempt: Attempt) -> bool:
        return attempt.paths.label in self.started

    def is_cancelled(self, attempt: Attempt) -> bool:
        return attempt.paths.label in self.cancelled

    def permission(self, attempt: Attempt) -> Permission:
        return self.answer

    def prepare(self, attempt: Attempt) -> Prepared:
        if self.refusal is not None:
            raise self.refusal
        attempt.paths.workspace.mkdir(parents=True, exist_ok=True)
        self.did("prepare", attempt)
        return Prepared(self, attempt)

    def recorded_host(self, attempt: Attempt) -> str | None:
        return self.host

    def announce_start(self, attempt: Attempt) -> None:
        self.did("announce", attempt)

    def collect(self, attempt: Attempt, record: ExitRecord | None) -> Collected | None:
        if self.copying:
            return None
        self.did("collect", attempt)
        return Collected()

    def record_end(self, attempt: Attempt, outcome: str, record: ExitRecord | None, collected: Collected) -> None:
        self.did(f"record {outcome}", attempt)
        self.started.discard(attempt.paths.label)

    def publish(self, attempt: Attempt) -> None:
        self.did("publish", attempt)

    def remove_workspace(self, attempt: Attempt, collected: Collected) -> None:
        self.did("remove", attempt)


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Parts:
    """A machine and everything around it."""

    folder: Path
    backend: FakeBackend = field(default_factory=FakeBackend)
    operations: Operations = field(default_factory=Operations)
    clock: Clock = field(default_factory=Clock)

    def __post_init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        """Another process takes over: what the machine remembered is gone."""
        self.machine: AttemptMachine[Attempt] = AttemptMachine(self.backend, self.operations, PATIENCE_S, self.clock)

    def attempt(self, label: str = "job.1") -> Attempt:
        return Attempt(AttemptPaths(label, self.folder / "begun" / label, self.folder / "work" / label))

    def launched(self, label: str = "job.1") -> Attempt:
        attempt = self.attempt(label)
        self.machine.advance(attempt)
        self.operations.pop()
        return attempt


@pytest.fixture
def parts(tmp_path: Path) -> Parts:
    return Parts(tmp_path)


def record(code: int = 0, *, cancelled: bool = False) -> ExitRecord:
    return ExitRecord(
        code, timed_out=False, cancelled=cancelled, log_cut=False, left_behind=False, started_at=NOW, ended_at=NOW
    )


FINISHED = ["collect job.1", "record {} job.1", "publish job.1", "remove job.1"]


def finished(outcome: str) -> list[str]:
    return [step.format(outcome) for step in FINISHED]


def test_what_is_not_launched_is_prepared_recorded_opened_and_launched(parts: Parts):
    attempt = parts.attempt()
    assert parts.machine.observe(attempt) == NotLaunched()
    parts.machine.advance(attempt)
    assert parts.operations.log == ["prepare job.1", "record start job.1", "open job.1"]
    assert [command.label for command in parts.backend.submitted] == ["job.1"]
    assert attempt.paths.handle.exists()
    assert parts.machine.is_active(attempt)


@pytest.mark.parametrize("answer", [Permission.ENDED, Permission.UNKNOWN])
def test_what_is_not_permitted_is_not_launched(parts: Parts, answer: Permission):
    parts.operations.answer = answer
    parts.machine.advance(parts.attempt())
    assert parts.operations.log == []
    assert parts.backend.submitted == []


def test_a_refused_preparation_records_nothing(parts: Parts):
    parts.operations.refusal = NotStarted("not now")
    with pytest.raises(NotStarted, match="not now"):
        parts.machine.advance(parts.attempt())
    assert parts.operations.started == set()
    assert parts.backend.submitted == []


def test_what_is_about_to_begin_is_left_alone(parts: Parts):
    attempt = parts.launched()
    parts.machine.advance(attempt)
    assert parts.operations.log == []
    assert len(parts.backend.submitted) == 1


def test_the_start_is_announced_once(parts: Parts):
    attempt = parts.launched()
    parts.backend.begin("job.1")
    parts.machine.advance(attempt)
    parts.machine.advance(attempt)
    assert parts.operations.log == ["announce job.1"]


def test_an_end_is_collected_recorded_published_and_removed_in_this_order(parts: Parts):
    attempt = parts.launched()
    parts.backend.end("job.1")
    parts.machine.advance(attempt)
    assert parts.operations.pop() == ["announce job.1", *finished("succeeded")]
    assert not parts.machine.is_active(attempt)


def test_while_results_are_copied_nothing_is_recorded(parts: Parts):
    attempt = parts.launched()
    parts.backend.end("job.1", 1)
    parts.operations.copying = True
    parts.machine.advance(attempt)
    assert parts.operations.pop() == ["announce job.1"]
    parts.operations.copying = False
    parts.machine.advance(attempt)
    assert parts.operations.pop() == finished("failed")


def test_what_vanished_is_lost(parts: Parts):
    attempt = parts.launched()
    parts.backend.set("job.1", Vanished())
    parts.machine.advance(attempt)
    assert parts.operations.pop() == finished("lost")


def test_what_vanished_on_another_machine_is_not_judged(parts: Parts):
    attempt = parts.launched()
    parts.operations.host = "another"
    parts.backend.set("job.1", Vanished())
    with pytest.raises(NotStarted, match="another machine"):
        parts.machine.advance(attempt)
    assert parts.operations.pop() == []


def test_what_was_forfeited_is_cancelled(parts: Parts):
    attempt = parts.launched()
    parts.backend.set("job.1", Forfeited())
    parts.machine.advance(attempt)
    assert parts.operations.pop() == finished("cancelled")


def test_an_error_of_the_backend_is_raised_and_concludes_nothing(parts: Parts):
    attempt = parts.launched()
    parts.backend.set("job.1", Unknown(StoreError("it cannot be read")))
    with pytest.raises(StoreError, match="cannot be read"):
        parts.machine.advance(attempt)
    assert parts.operations.pop() == []


def test_a_stale_launch_is_repeated_after_the_patience_and_reported(parts: Parts):
    attempt = parts.launched()
    parts.backend.set("job.1", Launched(is_stale=True))
    parts.machine.advance(attempt)
    assert len(parts.backend.submitted) == 1, "it was launched a moment ago"
    parts.clock.now += PATIENCE_S
    with pytest.raises(NotStarted, match="started again"):
        parts.machine.advance(attempt)
    assert len(parts.backend.submitted) == 2
    assert parts.machine.is_active(attempt)


def test_the_next_process_repeats_a_stale_launch_at_once(parts: Parts):
    attempt = parts.launched()
    parts.backend.set("job.1", Launched(is_stale=True))
    parts.restart()
    parts.machine.advance(attempt)
    assert len(parts.backend.submitted) == 2


def test_a_stale_launch_of_what_must_not_start_is_forfeited(parts: Parts):
    attempt = parts.launched()
    parts.backend.set("job.1", Launched(is_stale=True))
    parts.operations.answer = Permission.ENDED
    parts.machine.advance(attempt)
    assert parts.operations.pop() == finished("cancelled")
    assert parts.machine.observe(attempt, Forfeited()) == NotLaunched(), "the ledger has its end"
    assert parts.machine.poll([attempt]) == [(attempt, Forfeited())]
    assert len(parts.backend.submitted) == 1


def test_while_the_folder_is_away_a_stale_launch_waits(parts: Parts):
    attempt = parts.launched()
    parts.backend.set("job.1", Launched(is_stale=True))
    parts.operations.answer = Permission.UNKNOWN
    parts.clock.now += PATIENCE_S
    parts.machine.advance(attempt)
    assert parts.operations.pop() == []
    assert len(parts.backend.submitted) == 1


@pytest.mark.parametrize("evidence", [Launched(), Running()])
def test_a_cancelled_attempt_is_cancelled_at_its_backend_and_again_after_the_patience(
    parts: Parts, evidence: Launched | Running
):
    attempt = parts.launched()
    parts.backend.set("job.1", evidence)
    parts.operations.cancelled.add("job.1")
    parts.machine.advance(attempt)
    parts.machine.advance(attempt)
    assert parts.backend.cancelled == ["job.1"]
    parts.clock.now += PATIENCE_S
    parts.machine.advance(attempt)
    assert parts.backend.cancelled == ["job.1", "job.1"]


def test_many_attempts_are_polled_with_one_question(parts: Parts):
    attempts = [parts.launched(f"job.{number}") for number in range(3)]
    parts.backend.begin("job.1")
    parts.backend.end("job.2")
    before = parts.backend.polls
    evidence = parts.machine.poll(attempts)
    assert parts.backend.polls == before + 1
    assert [type(answer) for _, answer in evidence] == [Launched, Running, Ended]
    assert [parts.machine.is_active(attempt) for attempt in attempts] == [True, True, False]


def test_a_poll_of_one_attempt_says_nothing_about_the_others(parts: Parts):
    one, other = parts.launched("job.1"), parts.launched("job.2")
    parts.machine.poll([one, other])
    parts.machine.poll([one])
    assert parts.machine.is_active(other)


def test_a_handle_that_was_not_written_in_whole_is_found_again(parts: Parts):
    attempt = parts.launched()
    attempt.paths.handle.write_bytes(b'{"job_id": "jo')
    parts.restart()
    parts.backend.begin("job.1")
    [(_, evidence)] = parts.machine.poll([attempt])
    assert evidence == Running()


def test_a_handle_that_cannot_be_read_concerns_its_attempt_only(parts: Parts):
    one, other = parts.launched("job.1"), parts.launched("job.2")
    one.paths.handle.unlink()
    one.paths.handle.mkdir()
    parts.restart()
    (_, first), (_, second) = parts.machine.poll([one, other])
    assert isinstance(first, Unknown)
    assert second == Launched()


def test_another_thread_collects_without_publishing(parts: Parts):
    attempt = parts.launched()
    parts.machine.collect(attempt, Running())
    assert parts.operations.pop() == []
    parts.machine.collect(attempt, Ended(record()))
    assert parts.operations.pop() == ["collect job.1", "record succeeded job.1", "remove job.1"]
    parts.machine.collect(attempt, Ended(record()))
    assert parts.operations.pop() == ["remove job.1"], "the end is recorded once"


def test_another_thread_reports_what_cannot_be_judged(parts: Parts):
    with pytest.raises(StoreError):
        parts.machine.collect(parts.launched(), Unknown(StoreError("it cannot be read")))


def test_after_the_end_nothing_is_launched_again(parts: Parts):
    attempt = parts.launched()
    parts.backend.end("job.1")
    parts.machine.advance(attempt)
    parts.operations.answer = Permission.ENDED
    parts.operations.pop()
    parts.machine.advance(attempt, Ended(record()))
    assert parts.operations.pop() == []
