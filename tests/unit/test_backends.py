"""What every backend has in common: tickets, dry runs, refusals, and how one is found by its name."""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import Field, ValidationError

from syft_job.errors import Issue, JobValidationError, NotAllowed, SchedulerError
from syft_job.execution.backends.base import JobABC, JobDryRun, JobHandle, JobStatus, JobStatusResult, build
from syft_job.execution.backends.shell import ShellJob
from syft_job.execution.command import Command
from syft_job.execution.evidence import Ended, Evidence, Launched, Running, Unknown, Vanished

NOON = datetime(2026, 1, 15, 12, tzinfo=UTC)


class Diary(JobABC):
    """A backend that writes down what it was asked and starts nothing."""

    refusal: list[Any] | None = None
    asked: list[str] = Field(default_factory=list)

    def _submit_validate(self, command: object) -> list[Issue] | None:
        self.asked.append("submit_validate")
        return self.refusal

    def _status_validate(self, handle: JobHandle) -> list[Issue] | None:
        self.asked.append("status_validate")
        return self.refusal

    def _submit(self, command: object, *, dry_run: bool) -> JobHandle | JobDryRun:
        self.asked.append(f"submit dry_run={dry_run}")
        return JobHandle(job_id="1", backend="diary")

    def _status(self, handle: JobHandle) -> JobStatusResult:
        self.asked.append("status")
        return JobStatusResult(job_id="1", backend="diary", status=JobStatus.RUNNING)


HANDLE = JobHandle(job_id="42", backend="shell", submitted_at=NOON)
COMMAND = Command(argv=("true",))


@pytest.mark.conformance(146)
def test_a_handle_knows_when_it_was_made_and_shares_nothing_with_others():
    one, other = JobHandle(job_id="42", backend="shell"), JobHandle(job_id="43", backend="shell")

    assert one.submitted_at.utcoffset() == timedelta(0)
    one.metadata["queue"] = "long"
    assert other.metadata == {}


@pytest.mark.conformance(147)
def test_a_handle_is_one_line():
    assert str(HANDLE) == "shell-42 submitted_at=2026-01-15T12:00:00"


@pytest.mark.conformance(148)
@pytest.mark.parametrize(
    "thing",
    [
        JobHandle(job_id="42", backend="shell", metadata={"mode": "detached", "deep": {"n": [1, None]}}),
        JobStatusResult(job_id="4", backend="shell", status=JobStatus.FAILED, detail={"returncode": 3}),
        JobDryRun(command="bash run.sh", details={"cwd": "/job"}),
    ],
    ids=lambda thing: type(thing).__name__,
)
def test_tickets_survive_json(thing: JobHandle | JobDryRun):
    assert type(thing).model_validate_json(thing.model_dump_json()) == thing


@pytest.mark.conformance(149)
@pytest.mark.parametrize(
    "text",
    [
        '{"backend": "shell"}',
        '{"job_id": 42, "backend": "shell"}',
        '{"job_id": "42", "backend": "shell", "submitted_at": "2026-01-15T12:00:00"}',
        '{"job_id": "42", "backend": "shell"',
    ],
    ids=["no id", "a number as id", "a time without a zone", "torn"],
)
def test_a_wrong_handle_is_refused(text: str):
    with pytest.raises(ValidationError):
        JobHandle.model_validate_json(text)


@pytest.mark.conformance(150, 151)
def test_there_are_five_statuses_and_three_are_final():
    assert [str(status) for status in JobStatus] == ["pending", "running", "successful", "failed", "finished_unknown"]
    assert all(status == status.value for status in JobStatus)
    finished = {status.value for status in JobStatus if status.is_finished}
    assert finished == {"successful", "failed", "finished_unknown"}


@pytest.mark.conformance(152)
def test_a_status_result_is_a_handle_with_a_status():
    result = JobStatusResult(job_id="42", backend="shell", submitted_at=NOON, status=JobStatus.RUNNING)

    assert isinstance(result, JobHandle)
    assert result.detail == {}
    assert str(result) == "shell-42 submitted_at=2026-01-15T12:00:00 status=running"
    with pytest.raises(ValidationError):
        JobStatusResult(job_id="42", backend="shell")  # type: ignore[call-arg]


@pytest.mark.conformance(153)
def test_a_dry_run_has_details_of_its_own_and_they_are_text():
    one, other = JobDryRun(command="a"), JobDryRun(command="b")
    one.details["cwd"] = "/job"

    assert other.details == {}
    with pytest.raises(ValidationError):
        JobDryRun(command="a", details={"n": 1})


@pytest.mark.conformance(154)
@pytest.mark.parametrize("written", [(), ("_submit",), ("_status",)])
def test_a_backend_must_submit_and_tell_the_status(written: tuple[str, ...]):
    half = type("Half", (JobABC,), {"__module__": __name__, **{name: getattr(Diary, name) for name in written}})

    with pytest.raises(TypeError):
        half()


@pytest.mark.conformance(155, 159)
def test_what_validation_refuses_is_not_submitted():
    issues = [Issue("missing_executable", "No such program.", executable="nix"), Issue("no_queue", "Name a queue.")]
    backend = Diary(refusal=issues)

    with pytest.raises(JobValidationError) as refused:
        backend.submit(COMMAND)

    assert backend.asked == ["submit_validate"]
    assert refused.value.issues == issues
    assert str(refused.value).splitlines() == [
        "2 validation issues encountered:",
        "- [missing_executable] No such program. (executable=nix)",
        "- [no_queue] Name a queue.",
    ]


@pytest.mark.conformance(159)
def test_one_issue_is_told_in_the_singular():
    assert str(JobValidationError([Issue("a", "b")])).splitlines() == ["1 validation issue encountered:", "- [a] b"]


@pytest.mark.conformance(156)
@pytest.mark.parametrize("nothing", [None, []])
def test_no_issues_is_a_yes(nothing: list[Issue] | None):
    backend = Diary(refusal=nothing)

    backend.submit(COMMAND)

    assert backend.asked == ["submit_validate", "submit dry_run=False"]


@pytest.mark.conformance(157)
def test_status_and_cancel_validate_their_handle_first():
    refusing, willing = Diary(refusal=[Issue("foreign", "Not mine.")]), Diary()

    for verb in (refusing.status, refusing.cancel, lambda handle: refusing.status_many([handle])):
        with pytest.raises(JobValidationError):
            verb(HANDLE)

    assert set(refusing.asked) == {"status_validate"}
    assert willing.status(HANDLE).status == "running"
    assert willing.asked == ["status_validate", "status"]


def test_many_are_asked_one_by_one_in_their_order():
    assert [result.status for result in Diary().status_many([HANDLE, HANDLE])] == ["running", "running"]


def test_a_backend_that_cannot_cancel_says_so():
    with pytest.raises(NotAllowed, match="cannot end shell-42"):
        Diary().cancel(HANDLE)


@pytest.mark.conformance(158)
def test_dry_run_is_a_keyword_and_is_handed_on():
    backend = Diary()

    backend.submit(COMMAND, dry_run=True)

    assert backend.asked[-1] == "submit dry_run=True"
    with pytest.raises(TypeError):
        backend.submit(COMMAND, True)  # type: ignore[call-arg]


@pytest.mark.conformance(172)
@pytest.mark.parametrize("module", ["shell", "syft_job.backends.shell", "syft_job.execution.backends.shell"])
def test_a_backend_is_found_by_its_short_name_and_by_its_module(module: str):
    backend = build({"module": module, "detach": False})

    assert isinstance(backend, ShellJob)
    assert backend.detach is False
    assert backend.module == "syft_job.execution.backends.shell"


@pytest.mark.conformance(172, 174)
def test_third_parties_bring_backends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "quarry").mkdir()
    (tmp_path / "quarry" / "__init__.py").touch()
    (tmp_path / "quarry" / "stones.py").write_text(
        "from syft_job.backends.base import JobABC\n"
        "from syft_job.backends.shell import ShellJob\n"
        "class StoneJob(ShellJob):\n    weight: int = 1\n"
    )
    info = tmp_path / "quarry-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: quarry\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[syft_job.backends]\nstones = quarry.stones\nloam = quarry.stones:StoneJob\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    try:
        by_path, by_entry, by_class = (
            build({"module": name, "weight": 7}) for name in ("quarry.stones", "stones", "loam")
        )
        assert by_path == by_entry == by_class
        assert by_path.model_dump()["weight"] == 7
        assert by_path.module == "quarry.stones"
        assert build("stones") == build({"module": "quarry.stones"})
        assert isinstance(by_path, ShellJob)
    finally:
        for name in ("quarry", "quarry.stones"):
            sys.modules.pop(name, None)


@pytest.mark.conformance(173)
def test_what_is_no_backend_is_refused():
    with pytest.raises(ValueError, match="module"):
        build({})
    with pytest.raises(ImportError, match="no backend 'smoke-signals'"):
        build({"module": "smoke-signals"})
    with pytest.raises(ImportError):
        build({"module": "smoke.signals"})
    with pytest.raises(TypeError, match="defines 0 backends"):
        build({"module": "json.decoder"})
    with pytest.raises(TypeError):
        build({"module": 7})
    with pytest.raises(ValidationError):
        build({"module": "shell", "detatch": True})


@pytest.mark.conformance(174)
def test_what_is_a_backend_already_is_taken_as_it_is():
    backend = ShellJob(detach=False)

    assert build(backend) == backend


def test_a_stored_configuration_builds_the_same_backend():
    backend = ShellJob(cwd=Path("/usr"), env={"A": "b"}, detach=False)

    assert build(backend.model_dump()) == backend


class Answers(JobABC):
    """A backend that defines what it must and no more; its answers are given by the ids of its handles."""

    def _submit(self, command: object, *, dry_run: bool) -> JobHandle | JobDryRun:
        raise NotImplementedError

    def _status_validate(self, handle: JobHandle) -> list[Issue] | None:
        return [Issue("foreign", "It is not ours.")] if handle.job_id == "foreign" else None

    def _status(self, handle: JobHandle) -> JobStatusResult:
        if handle.job_id == "down":
            raise SchedulerError("The scheduler does not answer.")
        known = {"metadata": handle.metadata, "submitted_at": handle.submitted_at}
        return JobStatusResult(
            job_id=handle.job_id, backend="answers", status=JobStatus(handle.job_id), detail=handle.metadata, **known
        )


def asked(job_id: str, **detail: Any) -> JobHandle:
    return JobHandle(job_id=job_id, backend="answers", submitted_at=NOON, metadata=detail)


@pytest.mark.parametrize(
    ("handle", "evidence"),
    [
        (asked("pending"), Launched()),
        (asked("running"), Running()),
        (asked("finished_unknown"), Vanished()),
    ],
)
def test_a_status_is_evidence_by_default(handle: JobHandle, evidence: Evidence):
    assert Answers().poll([handle, handle]) == {handle: evidence}


def test_a_final_status_is_an_exit_record_with_what_is_known():
    plain, failed = asked("successful"), asked("failed")
    full = asked("failed", returncode=143, cancelled=True, started_at=NOON.isoformat(), ended_at=NOON.isoformat())
    answers = Answers().poll([plain, failed, full])
    records = [answer.record for answer in answers.values() if isinstance(answer, Ended)]
    assert [(record.returncode, record.outcome) for record in records] == [
        (0, "succeeded"),
        (1, "failed"),
        (143, "cancelled"),
    ]
    assert all(record.started_at == NOON for record in records)
    assert records[2].ended_at == NOON


def test_a_poll_raises_nothing():
    foreign, down = asked("foreign"), asked("down")
    answers = Answers().poll([foreign, down])
    assert isinstance(answers[foreign], Unknown)
    refused = answers[down]
    assert isinstance(refused, Unknown)
    assert "does not answer" in str(refused.error)


def test_a_backend_without_more_finds_only_what_it_launched_and_forfeits_by_a_cancellation(tmp_path: Path):
    handle = asked("running")
    assert Answers().find("job.1", tmp_path, tmp_path, launched=None) is None
    assert Answers().find("job.1", tmp_path, tmp_path, launched=handle) == handle
    assert not Answers().forfeit(handle)
    with pytest.raises(NotAllowed):
        Answers().forfeit(asked("pending"))
    assert Answers().host is None


def test_equal_handles_are_one_key():
    handle = asked("running")
    again = JobHandle.model_validate_json(handle.model_dump_json())
    assert {handle: 1}[again] == 1
