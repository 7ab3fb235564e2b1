"""A backend that starts nothing: the test decides what becomes of each job."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from syft_job.execution.backends.base import (
    CliCommand,
    JobABC,
    JobDryRun,
    JobHandle,
    JobStatus,
    JobStatusResult,
)
from syft_job.execution.command import Command
from syft_job.execution.evidence import Ended, Evidence, ExitRecord, Forfeited, Launched, Running, Vanished


class FakeBackend(JobABC):
    """Keeps what was submitted, and answers what the test has set.

        backend = FakeBackend()
        handle = backend.submit(Command(argv=("true",), label="job.1"))
        backend.begin("job.1")
        backend.end("job.1", returncode=3)

    A job is named by the label of its command. One that is submitted again is the same job, as with a claim.
    """

    has_free_polls = True

    _evidence: dict[str, Evidence] = {}  # noqa: RUF012 (pydantic copies these)
    _submitted: list[Command] = []  # noqa: RUF012
    _cancelled: list[str] = []  # noqa: RUF012
    _polls: int = 0

    @property
    def submitted(self) -> list[Command]:
        """The commands, in the order in which they were submitted."""
        return list(self._submitted)

    @property
    def cancelled(self) -> list[str]:
        """The labels of the jobs that were to be cancelled, in that order."""
        return list(self._cancelled)

    @property
    def polls(self) -> int:
        """How often the backend was polled."""
        return self._polls

    def set(self, label: str, evidence: Evidence) -> None:
        """Answer ``evidence`` for a job from now on."""
        self._evidence[label] = evidence

    def begin(self, label: str) -> None:
        """Let a job run."""
        self.set(label, Running())

    def end(self, label: str, returncode: int = 0, *, cancelled: bool = False) -> None:
        """Let a job end."""
        now = datetime.now(UTC)
        record = ExitRecord(
            returncode=returncode,
            timed_out=False,
            cancelled=cancelled,
            log_cut=False,
            left_behind=False,
            started_at=now,
            ended_at=now,
        )
        self.set(label, Ended(record))

    def _submit(self, command: Command | CliCommand, *, dry_run: bool) -> JobHandle | JobDryRun:
        if not isinstance(command, Command):
            command = Command(argv=(command.command_name, *command.to_argv()), label=command.command_name)
        if dry_run:
            return JobDryRun(command=" ".join(command.argv))
        self._submitted.append(command)
        if self._evidence.get(command.label, Launched(is_stale=True)) == Launched(is_stale=True):
            self.set(command.label, Launched())
        return JobHandle(job_id=command.label, backend=self.short_name)

    def _status(self, handle: JobHandle) -> JobStatusResult:
        match self._evidence.get(handle.job_id, Vanished()):
            case Launched():
                status = JobStatus.PENDING
            case Running():
                status = JobStatus.RUNNING
            case Ended(record):
                status = JobStatus.SUCCESSFUL if record.succeeded else JobStatus.FAILED
            case _:
                status = JobStatus.FINISHED_UNKNOWN
        return JobStatusResult(**handle.model_dump(), status=status)

    def _poll(self, handles: Sequence[JobHandle]) -> dict[JobHandle, Evidence]:
        self._polls += 1
        return {handle: self._evidence.get(handle.job_id, Launched(is_stale=True)) for handle in handles}

    def _find(
        self,
        label: str,
        claim: Path,  # noqa: ARG002 - the interface
        exit_record: Path,  # noqa: ARG002
        launched: JobHandle | None,
    ) -> JobHandle | None:
        return launched or JobHandle(job_id=label, backend=self.short_name)

    def _forfeit(self, handle: JobHandle) -> bool:
        if isinstance(self._evidence.get(handle.job_id, Launched()), Launched):
            self.set(handle.job_id, Forfeited())
            return True
        return False

    def _cancel(self, handle: JobHandle) -> None:
        self._cancelled.append(handle.job_id)
