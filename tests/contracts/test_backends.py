"""What every backend keeps, whatever it starts processes with: the same tests for each."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from syft_job.execution.backends.base import Command, JobABC, JobDryRun, JobHandle, JobStatusResult, build

PATIENCE = 60.0
BACKENDS = [{"module": "shell"}, {"module": "shell", "detach": False}]


@pytest.fixture(params=BACKENDS, ids=lambda config: "-".join(str(value) for value in config.values()))
def backend(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> JobABC:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return build(request.param)


def handed_over(backend: JobABC, script: str, **where: Path) -> JobHandle:
    handle = backend.submit(Command(argv=("sh", "-c", script), **where))  # type: ignore[arg-type]
    assert isinstance(handle, JobHandle)
    return handle


def finished(backend: JobABC, handle: JobHandle) -> JobStatusResult:
    end = time.monotonic() + PATIENCE
    while not (result := backend.status(handle)).status.is_finished:
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)
    return result


@pytest.mark.parametrize(("code", "status"), [(0, "successful"), (1, "failed"), (200, "failed")])
def test_the_end_is_told_with_its_code(backend: JobABC, code: int, status: str):
    result = finished(backend, handed_over(backend, f"exit {code}"))

    assert (result.status.value, result.detail["returncode"]) == (status, code)


def test_a_handle_is_good_after_a_restart(backend: JobABC):
    handle = handed_over(backend, "exit 3")
    finished(backend, handle)

    later, again = build(backend.model_dump()), type(handle).model_validate_json(handle.model_dump_json())

    assert later.status(again) == backend.status(handle)
    assert later.status(again).detail["returncode"] == 3


def test_the_status_is_that_of_the_handle(backend: JobABC):
    one, other = handed_over(backend, "exit 0"), handed_over(backend, "exit 1")
    finished(backend, one)
    finished(backend, other)

    told = backend.status_many([other, one, other])

    assert [result.job_id for result in told] == [other.job_id, one.job_id, other.job_id]
    assert [result.status.value for result in told] == ["failed", "successful", "failed"]
    assert backend.status_many([]) == []


def test_asking_and_cancelling_after_the_end_change_nothing(backend: JobABC):
    handle = handed_over(backend, "exit 0")
    before = finished(backend, handle)

    backend.cancel(handle)
    backend.cancel(handle)

    assert backend.status(handle) == before


def test_a_dry_run_leaves_nothing(backend: JobABC, tmp_path: Path):
    told = backend.submit(Command(argv=("touch", "x"), cwd=tmp_path), dry_run=True)

    assert isinstance(told, JobDryRun)
    assert told.details["cwd"] == str(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_an_attempt_that_was_claimed_is_not_begun_again(backend: JobABC, tmp_path: Path):
    where = {"claim": tmp_path / "begun", "exit_record": tmp_path / "verdict", "cwd": tmp_path}
    first = handed_over(backend, "echo x >>ran; exit 4", **where)
    assert finished(backend, first).detail["returncode"] == 4

    second = handed_over(backend, "echo x >>ran", **where)

    assert finished(backend, second).detail["returncode"] == 4  # the attempt's, whoever asks
    assert (tmp_path / "ran").read_text() == "x\n"
