"""The contract of a backend (`JobABC`), as tests: each backend passes all of them.

A backend's own tests derive from `BackendContract`, and pytest collects what is inherited:

    class TestMyBackend(BackendContract):
        def make_backend(self) -> JobABC:
            return MyJob()

The commands are ``sh -c`` scripts. Nothing here imports pytest.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TypedDict

from syft_job.execution.backends.base import JobABC, JobDryRun, JobHandle, JobStatusResult, build
from syft_job.execution.command import Command
from syft_job.execution.evidence import Ended, Evidence, Forfeited, Launched, Running, Unknown, is_active

PATIENCE_S = 60.0


class BackendContract:
    """What every backend keeps, whatever it starts processes with."""

    has_claims = True
    """Whether the backend keeps to `Command.claim` and can find an attempt by it."""
    returns_before_end = True
    """Whether `submit` returns while the job runs."""

    def make_backend(self) -> JobABC:
        """Return the backend under test; called several times in a test, and each must know the others' jobs."""
        raise NotImplementedError

    # Status

    def test_the_end_has_its_code(self, tmp_path: Path) -> None:
        backend = self.make_backend()
        for code, status in ((0, "successful"), (1, "failed"), (200, "failed")):
            result = finished(backend, submitted(backend, f"exit {code}", cwd=tmp_path))
            assert (result.status.value, result.detail["returncode"]) == (status, code)

    def test_a_handle_is_valid_after_a_restart(self, tmp_path: Path) -> None:
        backend = self.make_backend()
        handle = submitted(backend, "exit 3", cwd=tmp_path)
        finished(backend, handle)

        later, restored = build(backend.model_dump()), JobHandle.model_validate_json(handle.model_dump_json())

        assert later.status(restored) == backend.status(handle)
        assert later.status(restored).detail["returncode"] == 3
        assert later.poll([restored])[restored] == backend.poll([handle])[handle]

    def test_each_status_is_that_of_its_handle(self, tmp_path: Path) -> None:
        backend = self.make_backend()
        one, other = submitted(backend, "exit 0", cwd=tmp_path), submitted(backend, "exit 1", cwd=tmp_path)
        finished(backend, one)
        finished(backend, other)

        results = backend.status_many([other, one, other])

        assert [result.job_id for result in results] == [other.job_id, one.job_id, other.job_id]
        assert [result.status.value for result in results] == ["failed", "successful", "failed"]
        assert backend.status_many([]) == []

    def test_queries_and_cancellations_after_the_end_change_nothing(self, tmp_path: Path) -> None:
        backend = self.make_backend()
        handle = submitted(backend, "exit 0", cwd=tmp_path)
        status, evidence = finished(backend, handle), backend.poll([handle])

        backend.cancel(handle)
        backend.cancel(handle)

        assert backend.status(handle) == status
        assert backend.poll([handle]) == evidence

    def test_a_dry_run_leaves_nothing(self, tmp_path: Path) -> None:
        description = self.make_backend().submit(Command(argv=("touch", "x"), cwd=tmp_path), dry_run=True)

        assert isinstance(description, JobDryRun)
        assert description.details["cwd"] == str(tmp_path)
        assert list(tmp_path.iterdir()) == []

    # Polls

    def test_a_poll_answers_for_each_handle(self, tmp_path: Path) -> None:
        backend = self.make_backend()
        codes = {submitted(backend, f"exit {code}", cwd=tmp_path): code for code in (0, 1, 7)}
        for handle in codes:
            ended(backend, handle)

        answers = backend.poll([*codes, *codes])

        assert {handle: code_of(evidence) for handle, evidence in answers.items()} == codes
        assert backend.poll([]) == {}

    def test_what_cannot_be_judged_is_unknown_and_harms_no_other(self, tmp_path: Path) -> None:
        backend = self.make_backend()
        good, foreign = submitted(backend, "exit 0", cwd=tmp_path), JobHandle(job_id="1", backend="of-somebody-else")
        ended(backend, good)

        answers = backend.poll([foreign, good])

        assert isinstance(answers[foreign], Unknown)
        assert code_of(answers[good]) == 0

    def test_a_poll_of_a_running_job_says_so_until_it_is_cancelled(self, tmp_path: Path) -> None:
        if not self.returns_before_end:
            return
        backend = self.make_backend()
        handle = submitted(backend, "touch began; sleep 1000", cwd=tmp_path)
        until((tmp_path / "began").exists, "it begins")
        assert isinstance(backend.poll([handle])[handle], Running)

        backend.cancel(handle)

        evidence = ended(backend, handle)
        assert evidence.record.cancelled
        assert evidence.record.outcome == "cancelled"

    # Claims

    def test_an_attempt_that_was_claimed_does_not_begin_again(self, tmp_path: Path) -> None:
        if not self.has_claims:
            return
        backend, files = self.make_backend(), files_in(tmp_path)
        first = submitted(backend, "echo x >>ran; exit 4", cwd=tmp_path, **files)
        assert finished(backend, first).detail["returncode"] == 4

        second = submitted(backend, "echo x >>ran", cwd=tmp_path, **files)

        assert finished(backend, second).detail["returncode"] == 4  # the result of the attempt
        assert code_of(ended(backend, second)) == 4
        assert (tmp_path / "ran").read_text() == "x\n"

    def test_an_attempt_is_found_without_the_handle_of_its_launch(self, tmp_path: Path) -> None:
        if not self.has_claims:
            return
        backend, files = self.make_backend(), files_in(tmp_path)
        handle = submitted(backend, "exit 5", cwd=tmp_path, label="job.1", **files)
        ended(backend, handle)

        later = self.make_backend()
        handles = [later.find("job.1", **files, launched=launched) for launched in (None, handle)]

        assert [code_of(later.poll([it])[it]) for it in handles if it is not None] == [5, 5]

    def test_a_launch_that_came_to_nothing_is_stale(self, tmp_path: Path) -> None:
        if not self.has_claims:
            return
        backend = self.make_backend()
        handle = backend.find("job.1", **files_in(tmp_path), launched=None)
        assert handle is not None
        assert backend.poll([handle])[handle] == Launched(is_stale=True)

    def test_a_forfeited_attempt_never_begins(self, tmp_path: Path) -> None:
        if not self.has_claims:
            return
        backend, files = self.make_backend(), files_in(tmp_path)
        found = backend.find("job.1", **files, launched=None)
        assert found is not None
        assert backend.forfeit(found)

        handle = submitted(backend, "touch ran", cwd=tmp_path, label="job.1", **files)
        until(lambda: not is_active(backend.poll([handle])[handle]), "its supervisor ends")

        assert backend.poll([handle])[handle] == Forfeited()
        assert not (tmp_path / "ran").exists()
        assert not backend.forfeit(handle)

    def test_an_attempt_that_began_cannot_be_forfeited(self, tmp_path: Path) -> None:
        if not self.has_claims:
            return
        backend = self.make_backend()
        handle = submitted(backend, "exit 6", cwd=tmp_path, **files_in(tmp_path))
        ended(backend, handle)

        assert not backend.forfeit(handle)
        assert code_of(ended(backend, handle)) == 6


class Files(TypedDict):
    """The files that record an attempt."""

    claim: Path
    exit_record: Path


def files_in(folder: Path) -> Files:
    """Return the files of an attempt, in an existing folder."""
    return Files(claim=folder / "begun", exit_record=folder / "verdict")


def submitted(
    backend: JobABC,
    script: str,
    *,
    cwd: Path,
    claim: Path | None = None,
    exit_record: Path | None = None,
    label: str = "",
) -> JobHandle:
    """Submit a shell script."""
    command = Command(argv=("sh", "-c", script), cwd=cwd, claim=claim, exit_record=exit_record, label=label)
    handle = backend.submit(command)
    assert isinstance(handle, JobHandle)
    return handle


def finished(backend: JobABC, handle: JobHandle) -> JobStatusResult:
    """Wait for the end by `status`."""
    until(lambda: backend.status(handle).status.is_finished, "it ends")
    return backend.status(handle)


def ended(backend: JobABC, handle: JobHandle) -> Ended:
    """Wait for the end by `poll`."""
    until(lambda: isinstance(backend.poll([handle])[handle], Ended), "it ends")
    evidence = backend.poll([handle])[handle]
    assert isinstance(evidence, Ended)
    return evidence


def code_of(evidence: Evidence) -> int:
    """Return the exit code."""
    assert isinstance(evidence, Ended), evidence
    return evidence.record.returncode


def until(condition: Callable[[], bool], what: str) -> None:
    """Wait for a condition."""
    end = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end, f"waited in vain until {what}"
        time.sleep(0.01)
