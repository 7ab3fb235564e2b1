"""`ShellJob`: commands as processes of this machine, each under a small supervisor of its own (`supervise.sh`).

This module starts supervisors and reads the traces that they leave: the claim, the exit record, a live process. It
knows neither folders nor markers, and it never judges an attempt that began on another machine.

A file keeps the name ``verdict`` for the exit record, on disk and in the metadata of handles.
"""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Final

from syft_job import fs
from syft_job.errors import Issue, JobValidationError, NotStarted, SchedulerError, StoreError, SyftJobError
from syft_job.execution.command import Command
from syft_job.execution.evidence import Evidence, ExitRecord, Forfeited, Launched, Running, Unknown, Vanished
from syft_job.model.resources import kernel_argv

from .base import CliCommand, JobABC, JobDryRun, JobHandle, JobStatus, JobStatusResult, evidence_of
from .private_argv import open_private_arguments
from .processes import is_launched_alive, is_supervisor_alive, live_supervisor, stat_of, this_boot, this_host
from .supervisor_files import (
    FORFEITED,
    SUPERVISOR,
    read_claim,
    read_exit_record,
    read_text,
)

PROGRAM: Final = "syft-job"
"""The program of a `CliCommand` that names no executable."""

_SHELL: Final = "/bin/sh"
_children: dict[int, subprocess.Popen[bytes]] = {}
"""Supervisors that this process started: their parent must reap them."""


class ShellJob(JobABC):
    """Processes of this machine, one supervisor each.

    ``cwd`` and ``env`` are for commands that have none of their own; ``env`` None inherits, a dict replaces. With
    ``detach`` (the default) `submit` returns at once and the process outlives this one; without, it returns after the
    end. A command's ``claim`` and ``exit_record`` are the files that record its attempt; without them they are in a new
    private folder of the system's temporary directory, which stays until that is cleaned.
    """

    has_free_polls: ClassVar[bool] = True

    cwd: Path | None = None
    env: dict[str, str] | None = None
    detach: bool = True

    _executables: dict[tuple[str, str | None], str] = {}  # noqa: RUF012 (pydantic copies it)

    @property
    def mode(self) -> str:
        """`detached` or `blocking`."""
        return "detached" if self.detach else "blocking"

    @property
    def host(self) -> str:
        """This machine: process ids mean nothing on another one."""
        return this_host()

    def adopt(self, claim: Path, exit_record: Path) -> JobHandle | None:
        """Return a handle for an attempt that another process began here, or None if it has not begun."""
        began = read_claim(claim)
        if began is None:
            return None
        return self._handle(began.pid, began.ticks, began.boot_id, claim, exit_record)

    def _submit_validate(self, command: Command | CliCommand) -> list[Issue] | None:
        plain = self._plain(command)
        issues = []
        if plain.cwd is not None and not plain.cwd.is_dir():
            issues.append(Issue("missing_directory", "There is no such working directory.", cwd=plain.cwd))
        if not plain.argv:
            return [*issues, Issue("empty_command", "There is nothing to start.")]
        texts = [*plain.argv, *plain.private_argv, *(plain.env or {}), *(plain.env or {}).values()]
        if any("\0" in text for text in texts) or any("=" in name or not name for name in plain.env or {}):
            return [*issues, Issue("unusable_text", "An argument or a variable holds what no process can be given.")]
        if self._executable(plain) is None:
            issues.append(
                Issue(
                    "missing_executable", f"There is no program {plain.argv[0]!r} to start.", executable=plain.argv[0]
                )
            )
        return issues

    def _status_validate(self, handle: JobHandle) -> list[Issue] | None:
        issues = self._handle_issues(handle)
        host = handle.metadata.get("host")
        if _is_foreign(handle):
            issues.append(Issue("other_host", "This was started on another machine; ask there.", host=host))
        return issues

    def _handle_issues(self, handle: JobHandle) -> list[Issue]:
        issues = []
        if handle.backend != self.short_name:
            issues.append(Issue("foreign_handle", "Another backend returned this handle.", backend=handle.backend))
        if not (handle.job_id.isascii() and handle.job_id.isdigit()):
            issues.append(Issue("malformed_handle", "The id of a shell job is a process id.", job_id=handle.job_id))
        return issues

    def _submit(self, command: Command | CliCommand, *, dry_run: bool) -> JobHandle | JobDryRun:
        plain = self._plain(command)
        executable = self._executable(plain)
        if executable is None:
            raise SchedulerError(f"There is no program {plain.argv[0]!r} to start.")
        argv = (*kernel_argv(plain.limits), executable, *plain.argv[1:])
        if dry_run:
            cwd = {} if plain.cwd is None else {"cwd": str(plain.cwd)}
            return JobDryRun(command=shlex.join(argv), details={"mode": self.mode, **cwd})
        _reap()
        plain = replace(plain, argv=argv)
        if plain.claim is not None and plain.exit_record is not None:
            return self._start(plain, plain.claim, plain.exit_record)
        private = Path(tempfile.mkdtemp(prefix="syft-job-shell-"))
        handle = self._start(plain, plain.claim or private / "claim", plain.exit_record or private / "verdict")
        if not self.detach:
            shutil.rmtree(private)
        return handle

    def _start(self, command: Command, claim: Path, exit_record: Path) -> JobHandle:
        limits = command.limits
        supervisor = [
            _SHELL,
            str(SUPERVISOR),
            str(claim.absolute()),
            str(exit_record.absolute()),
            "-" if command.stdout is None else str(command.stdout.absolute()),
            "-" if command.stderr is None else str(command.stderr.absolute()),
            "-" if command.results is None else str(command.results.absolute()),
            "-" if limits.wall_seconds is None else str(_hundredths(limits.wall_seconds)),
            str(_hundredths(limits.grace_seconds)),
            "-" if limits.log_bytes is None else str(int(limits.log_bytes) // 512),
            "yes" if command.contained else "no",
            "-" if limits.disk_bytes is None else str(int(limits.disk_bytes) // 1024),
        ]
        output = subprocess.DEVNULL if self.detach else None
        try:
            with open_private_arguments(command) as arguments:
                process = subprocess.Popen(
                    [*supervisor, *arguments.argv],
                    cwd=command.cwd,
                    env=None if command.env is None else dict(command.env),
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    start_new_session=True,
                    pass_fds=arguments.pass_fds,
                )
        except OSError as error:
            raise SchedulerError(f"The supervisor could not be started: {error}.") from error
        _children[process.pid] = process
        stat = stat_of(process.pid)
        handle = self._handle(process.pid, stat[1] if stat else 0, this_boot(), claim, exit_record)
        if not self.detach:
            self._wait(process, handle, exit_record)
        return handle

    def _wait(self, process: subprocess.Popen[bytes], handle: JobHandle, exit_record: Path) -> None:
        try:
            process.wait()
        except BaseException:
            self._cancel(handle)
            raise
        finally:
            _reap()
        record = read_exit_record(exit_record)
        if record is not None:
            handle.metadata.update(_detail(record))

    def _handle(self, pid: int, ticks: int, boot_id: str, claim: Path, exit_record: Path) -> JobHandle:
        metadata = {
            "mode": self.mode,
            "ticks": ticks,
            "boot_id": boot_id,
            "host": this_host(),
            "claim": str(claim.absolute()),
            "verdict": str(exit_record.absolute()),
        }
        return JobHandle(job_id=str(pid), backend=self.short_name, metadata=metadata)

    def _status(self, handle: JobHandle) -> JobStatusResult:
        _reap()
        try:
            detail = _end_of(handle)
            if detail is None and live_supervisor(handle) is not None:
                return _result(handle, JobStatus.RUNNING, {})
            # It may have ended between the two reads, or the machine may have stopped before the record had its name.
            detail = detail or _end_of(handle, or_part=True)
        except StoreError as error:
            return _result(handle, JobStatus.FINISHED_UNKNOWN, {"reason": str(error)})
        if detail is None:
            return _result(
                handle, JobStatus.FINISHED_UNKNOWN, {"reason": "neither a process nor a return code is left"}
            )
        failures = ("timed_out", "cancelled", "too_big", "sandbox_failed")
        succeeded = detail["returncode"] == 0 and not any(detail[name] for name in failures)
        return _result(handle, JobStatus.SUCCESSFUL if succeeded else JobStatus.FAILED, detail)

    def _poll(self, handles: Sequence[JobHandle]) -> dict[JobHandle, Evidence]:
        _reap()
        return {handle: self._observe(handle) for handle in handles}

    def _observe(self, handle: JobHandle) -> Evidence:
        """Return the evidence of one attempt: its exit record before its claim, its claim before its process."""
        try:
            if issues := self._handle_issues(handle):
                return Unknown(JobValidationError(issues))
            if (detail := _end_of(handle)) is not None:
                return _ended(handle, detail)
            claim = handle.metadata.get("claim")
            text = None if claim is None else read_text(Path(claim))
            if text is None and _is_foreign(handle):
                return Unknown(JobValidationError(self._status_validate(handle) or ()))
            if claim is not None and text is None:
                return Launched(is_stale=not is_launched_alive(handle))
            if text == FORFEITED:
                return Forfeited()
            if is_supervisor_alive(handle, text):
                return Running()
            if _is_foreign(handle):
                return Unknown(NotStarted("it was begun on another machine, and only that one can say how it ended"))
            # It may have ended between the two reads, or the power went before the record had its name.
            detail = _end_of(handle, or_part=True)
        except (SyftJobError, OSError) as error:
            return Unknown(error)
        return Vanished() if detail is None else _ended(handle, detail)

    def _find(self, label: str, claim: Path, exit_record: Path, launched: JobHandle | None) -> JobHandle | None:  # noqa: ARG002
        if launched is not None and launched.backend != self.short_name:
            return launched  # a poll reports that it is another backend's
        here = self._handle(0, 0, "", claim, exit_record)  # without a process of its own: the claim names the holder
        if launched is None:
            return here
        files = {name: here.metadata[name] for name in ("claim", "verdict")}  # the home may have moved since
        return launched.model_copy(update={"metadata": launched.metadata | files})

    def _forfeit(self, handle: JobHandle) -> bool:
        claim = Path(handle.metadata["claim"])
        try:
            with fs.open_directory(claim.parent) as dir_fd:
                fs.create_file(dir_fd, claim.name, FORFEITED.encode(), mode=0o600)
        except FileExistsError:
            return False
        return True

    def _cancel(self, handle: JobHandle) -> None:
        _reap()
        if _end_of(handle) is not None or (pid := live_supervisor(handle)) is None:
            return
        if exit_record := handle.metadata.get("verdict"):
            # The file reaches a supervisor that a signal does not (it was about to start); the signal is faster.
            try:
                Path(exit_record).with_name("cancel").touch(mode=0o600)
            except OSError as error:
                raise StoreError(
                    f"The request to cancel could not be written beside {exit_record}: {error}."
                ) from error
        try:
            os.kill(pid, signal.SIGTERM)
        except ProcessLookupError:
            return

    def _plain(self, command: Command | CliCommand) -> Command:
        if not isinstance(command, Command):
            executable = getattr(command, "executable", None) or PROGRAM
            command = Command(argv=(str(executable), command.command_name, *command.to_argv()))
        return replace(
            command,
            cwd=self.cwd if command.cwd is None else command.cwd,
            env=self.env if command.env is None else command.env,
        )

    def _executable(self, command: Command) -> str | None:
        name = command.argv[0]
        if os.sep in name and not os.path.isabs(name):
            name = str((command.cwd or Path()).absolute() / name)
        path = None if command.env is None else command.env.get("PATH", os.defpath)
        if (name, path) not in self._executables:
            executable = shutil.which(name, path=path)
            if executable is None:
                return None
            self._executables[name, path] = os.path.abspath(executable)
        return self._executables[name, path]


def _end_of(handle: JobHandle, *, or_part: bool = False) -> dict[str, Any] | None:
    """The details of the end: from the handle of a call that waited, else from the exit record."""
    if "returncode" in handle.metadata:
        known = (
            "returncode", "timed_out", "cancelled", "too_big", "sandbox_failed", "log_cut", "left_behind",
            "started_at", "ended_at",
        )  # fmt: skip
        defaults = {"timed_out": False, "cancelled": False, "too_big": False, "sandbox_failed": False}
        return defaults | {name: handle.metadata[name] for name in known if name in handle.metadata}
    path = handle.metadata.get("verdict")
    record = None if path is None else read_exit_record(Path(path), or_part=or_part)
    return None if record is None else _detail(record)


def _ended(handle: JobHandle, detail: Mapping[str, Any]) -> Evidence:
    status = JobStatus.SUCCESSFUL if detail["returncode"] == 0 else JobStatus.FAILED
    return evidence_of(_result(handle, status, detail))


def _is_foreign(handle: JobHandle) -> bool:
    """Whether the job was started on another machine."""
    return handle.metadata.get("host") not in {None, this_host()}


def _result(handle: JobHandle, status: JobStatus, detail: Mapping[str, Any]) -> JobStatusResult:
    return JobStatusResult(**handle.model_dump(include=set(JobHandle.model_fields)), status=status, detail=dict(detail))


def _detail(exit_record: ExitRecord) -> dict[str, Any]:
    return {
        "returncode": exit_record.returncode,
        "timed_out": exit_record.timed_out,
        "cancelled": exit_record.cancelled,
        "too_big": exit_record.too_big,
        "sandbox_failed": exit_record.sandbox_failed,
        "log_cut": exit_record.log_cut,
        "left_behind": exit_record.left_behind,
        "started_at": exit_record.started_at.isoformat(),
        "ended_at": exit_record.ended_at.isoformat(),
    }


def _reap() -> None:
    for pid, process in list(_children.items()):
        if process.poll() is not None:
            _children.pop(pid, None)


def _hundredths(seconds: float) -> int:
    return max(1, round(seconds * 100))
