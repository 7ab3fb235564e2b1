"""`ShellJob`: commands as processes of this machine, each under a small supervisor of its own (`supervise.sh`).

This module starts supervisors and reads what they left: the claim, the verdict, a process that lives. It knows nothing
of folders and markers, and it never judges what was started on another machine.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from syft_job.errors import Issue, SchedulerError, StoreError
from syft_job.model.resources import kernel_argv

from .base import CliCommand, Command, JobABC, JobDryRun, JobHandle, JobStatus, JobStatusResult
from .private_argv import handed_over

PROGRAM: Final = "syft-job"
"""What a `CliCommand` that names no executable is a subcommand of."""

SUPERVISOR: Final = Path(__file__).with_name("supervise.sh")
_SHELL: Final = "/bin/sh"
_VERDICT_LIMIT: Final = 4096
_ours: dict[int, subprocess.Popen[bytes]] = {}  # supervisors started here: whoever starts a process must reap it


@dataclass(frozen=True, slots=True)
class Claim:
    """Who began an attempt: the supervisor's process id, its start in clock ticks after boot, and that boot."""

    pid: int
    ticks: int
    boot_id: str


@dataclass(frozen=True, slots=True)
class ExitRecord:
    """How an attempt ended. ``returncode`` is 128 + signal where a signal ended it, as in every shell.

    ``timed_out``, ``cancelled`` and ``too_big`` say why the supervisor ended it, ``log_cut`` that not all that was
    printed is kept, ``left_behind`` that processes of it live on which left its session (only without a sandbox),
    ``sandbox_failed`` that its sandbox could not be set up, so that the command was never started.
    """

    returncode: int
    timed_out: bool
    cancelled: bool
    log_cut: bool
    left_behind: bool
    started_at: datetime
    ended_at: datetime
    too_big: bool = False
    sandbox_failed: bool = False

    @property
    def succeeded(self) -> bool:
        """Whether the command ended by itself and said 0."""
        return self.returncode == 0 and not (self.timed_out or self.cancelled or self.too_big or self.sandbox_failed)


def read_claim(path: Path) -> Claim | None:
    """Return who began the attempt, or None if nobody is known to have.

    The file exists for an instant before it says whose it is: that it exists is what counts as begun, and until it says
    more, the process that was started is asked instead.

    Raises:
        StoreError: the file cannot be read.
    """
    text = _read(path)
    if text is None:
        return None
    words = text.split()
    if len(words) != 3 or not words[0].isascii() or not (words[0] + words[1]).isdigit():
        return None
    return Claim(int(words[0]), int(words[1]), words[2])


def read_exit_record(path: Path, *, or_part: bool = False) -> ExitRecord | None:
    """Return how the attempt ended, or None if nobody has said so yet. The file's own time is that of the end.

    A line without its end is none yet. ``or_part`` takes a verdict that has not got its name yet, where it is whole:
    for those who know that the supervisor is gone (an earlier version wrote it under another name first).

    Raises:
        StoreError: the file cannot be read, or is no verdict.
    """
    text = _read(path)
    if text is None or not text.endswith("\n"):
        if not or_part:
            return None
        try:
            part = read_exit_record(path.with_name(f"{path.name}.part"))
        except StoreError:  # torn: its writer ended in the middle, so that nothing is known
            return None
        # A supervisor of an earlier version writes it there first, and what it started may rename it between our looks.
        return part or read_exit_record(path)
    try:
        said = json.loads(text)
        flags = {name: said[name] for name in ("timed_out", "cancelled", "log_cut", "left_behind")}
        for name in ("too_big", "sandbox_failed"):  # a supervisor of an earlier version does not write them
            flags[name] = said.get(name, False)
        if type(said["returncode"]) is not int or not all(type(flag) is bool for flag in flags.values()):
            raise TypeError("wrong type")
        ended = datetime.fromtimestamp(path.stat().st_mtime, UTC)
        started = ended - timedelta(seconds=said["seconds"])
    except (ValueError, KeyError, TypeError, OverflowError, OSError) as error:
        raise StoreError(f"{path} is no verdict of a supervisor ({error}). It was changed or damaged.") from error
    return ExitRecord(returncode=said["returncode"], **flags, started_at=started, ended_at=ended)


def supervisor_of(claim: Path) -> int | None:
    """The living process that was started to make this claim, by what it was started with; None where there is none.

    For a claim that does not say yet whose it is. It looks at every process, which takes milliseconds.
    """
    asked = b"\0".join(os.fsencode(word) for word in (SUPERVISOR, claim.absolute(), ""))
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            is_ours = asked in path.read_bytes()
        except OSError:
            continue  # it ended while we looked
        if is_ours and is_alive(int(path.parent.name)):
            return int(path.parent.name)
    return None


def is_alive(pid: int, ticks: int | None = None, boot_id: str | None = None) -> bool:
    """Whether this very process lives: not a zombie, not another one that was given the same number since.

    A process that may not be looked at is alive.
    """
    if pid <= 0 or (boot_id is not None and boot_id != this_boot()):
        return False
    found = _stat_of(pid)
    if found is not None:
        state, since = found
        return state not in {"Z", "X"} and ticks in {None, since}
    try:
        os.kill(pid, 0)
    except PermissionError:
        return True
    except (ProcessLookupError, OverflowError):
        return False
    return not Path("/proc/self/stat").exists()  # a system without /proc; with one, the process ended just now


def this_boot() -> str:
    """Return a word that differs after each start of this machine."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""


def this_host() -> str:
    """Return a word that another machine does not have."""
    try:
        name = Path("/etc/machine-id").read_text(encoding="ascii").strip()
    except OSError:
        name = ""
    return name or os.uname().nodename


class ShellJob(JobABC):
    """Processes of this machine, one supervisor each.

    ``cwd`` and ``env`` are for commands that say none of their own; ``env`` None inherits, a dict replaces. With
    ``detach`` (the default) `submit` returns at once and the process outlives this one; without, it returns after the
    end. A command's ``claim`` and ``verdict`` decide where evidence lies; without them it lies in a new private folder
    of the system's temporary place, which stays until somebody tidies up there.
    """

    cwd: Path | None = None
    env: dict[str, str] | None = None
    detach: bool = True

    _found: dict[tuple[str, str | None], str] = {}  # noqa: RUF012 (pydantic copies it)

    @property
    def mode(self) -> str:
        """`detached` or `blocking`."""
        return "detached" if self.detach else "blocking"

    def adopt(self, claim: Path, exit_record: Path) -> JobHandle | None:
        """Return a handle for an attempt that somebody else began here, or None if nobody has begun it.

        For a runner that was killed between starting a supervisor and remembering it.
        """
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
        issues = []
        if handle.backend != self.short_name:
            issues.append(Issue("foreign_handle", "Another backend gave this handle out.", backend=handle.backend))
        if not (handle.job_id.isascii() and handle.job_id.isdigit()):
            issues.append(Issue("malformed_handle", "The id of a shell job is a process id.", job_id=handle.job_id))
        host = handle.metadata.get("host")
        if host is not None and host != this_host():
            issues.append(Issue("other_host", "This was started on another machine; ask there.", host=host))
        return issues

    def _submit(self, command: Command | CliCommand, *, dry_run: bool) -> JobHandle | JobDryRun:
        plain = self._plain(command)
        executable = self._executable(plain)
        if executable is None:
            raise SchedulerError(f"There is no program {plain.argv[0]!r} to start.")
        argv = (*kernel_argv(plain.limits), executable, *plain.argv[1:])
        if dry_run:
            place = {} if plain.cwd is None else {"cwd": str(plain.cwd)}
            return JobDryRun(command=shlex.join(argv), details={"mode": self.mode, **place})
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
            with handed_over(command) as started:
                process = subprocess.Popen(
                    [*supervisor, *started.argv],
                    cwd=command.cwd,
                    env=None if command.env is None else dict(command.env),
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    start_new_session=True,
                    pass_fds=started.pass_fds,
                )
        except OSError as error:
            raise SchedulerError(f"The supervisor could not be started: {error}.") from error
        _ours[process.pid] = process
        found = _stat_of(process.pid)
        handle = self._handle(process.pid, found[1] if found else 0, this_boot(), claim, exit_record)
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
        said = read_exit_record(exit_record)
        if said is not None:
            handle.metadata.update(_detail(said))

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
            said = _evidence(handle)
            if said is None and _living(handle) is not None:
                return _result(handle, JobStatus.RUNNING, {})
            # It may have ended between the two looks, or the machine may have stopped before the verdict had its name.
            said = said or _evidence(handle, or_part=True)
        except StoreError as error:
            return _result(handle, JobStatus.FINISHED_UNKNOWN, {"reason": str(error)})
        if said is None:
            return _result(
                handle, JobStatus.FINISHED_UNKNOWN, {"reason": "neither a process nor a return code is left"}
            )
        failures = ("timed_out", "cancelled", "too_big", "sandbox_failed")
        succeeded = said["returncode"] == 0 and not any(said[name] for name in failures)
        return _result(handle, JobStatus.SUCCESSFUL if succeeded else JobStatus.FAILED, said)

    def _cancel(self, handle: JobHandle) -> None:
        _reap()
        if _evidence(handle) is not None or (pid := _living(handle)) is None:
            return
        if exit_record := handle.metadata.get("verdict"):
            # The file reaches a supervisor that a signal does not (it was about to start); the signal is faster.
            try:
                Path(exit_record).with_name("cancel").touch(mode=0o600)
            except OSError as error:
                raise StoreError(f"The word to cancel could not be laid beside {exit_record}: {error}.") from error
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
        if (name, path) not in self._found:
            found = shutil.which(name, path=path)
            if found is None:
                return None
            self._found[name, path] = os.path.abspath(found)
        return self._found[name, path]


def _evidence(handle: JobHandle, *, or_part: bool = False) -> dict[str, Any] | None:
    """What is known about the end: from the handle of a call that waited, else from the verdict."""
    if "returncode" in handle.metadata:
        known = (
            "returncode", "timed_out", "cancelled", "too_big", "sandbox_failed", "log_cut", "left_behind",
            "started_at", "ended_at",
        )  # fmt: skip
        unsaid = {"timed_out": False, "cancelled": False, "too_big": False, "sandbox_failed": False}
        return unsaid | {name: handle.metadata[name] for name in known if name in handle.metadata}
    path = handle.metadata.get("verdict")
    said = None if path is None else read_exit_record(Path(path), or_part=or_part)
    return None if said is None else _detail(said)


def _living(handle: JobHandle) -> int | None:
    """The process id of the supervisor, if it lives: the one that holds the claim, else the one that was started."""
    about = handle.metadata
    claim = read_claim(Path(about["claim"])) if about.get("claim") else None
    if claim is None:
        claim = Claim(int(handle.job_id), about.get("ticks") or 0, about.get("boot_id") or "")
    return claim.pid if is_alive(claim.pid, claim.ticks or None, claim.boot_id or None) else None


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
    for pid, process in list(_ours.items()):
        if process.poll() is not None:
            _ours.pop(pid, None)


def _stat_of(pid: int) -> tuple[str, int] | None:
    """The state of a process and its start in clock ticks after boot; None where it cannot be seen."""
    try:
        text = Path(f"/proc/{pid}/stat").read_bytes()
    except (OSError, ValueError):
        return None
    fields = text.rpartition(b") ")[2].split()
    return fields[0].decode("ascii"), int(fields[19])


def _read(path: Path) -> str | None:
    try:
        with path.open("rb") as file:
            return file.read(_VERDICT_LIMIT).decode("utf-8", errors="replace")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StoreError(f"{path} cannot be read: {error}.", errno=error.errno) from error


def _hundredths(seconds: float) -> int:
    return max(1, round(seconds * 100))
