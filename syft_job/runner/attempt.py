"""One attempt: copy what was approved, start it, see whether it is over, bring its results home.

Each function is one step that may be killed anywhere and repeated. The claim in the home decides whether an attempt
has begun; the verdict that its supervisor wrote decides how it ended.
"""

from __future__ import annotations

import json
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from syft_job import acl, acts, disk, presence, release, spec
from syft_job.backends.base import Command, JobHandle
from syft_job.backends.shell import (
    ShellJob,
    Verdict,
    is_alive,
    read_claim,
    read_verdict,
    supervisor_of,
    this_host,
)
from syft_job.config import SyftJobConfig
from syft_job.errors import NotStarted, UnreadableJob
from syft_job.folder import Look, Viewer
from syft_job.home import Home
from syft_job.markers import ATTEMPTS, LOGS, OUTPUTS, OWNERS, RULES
from syft_job.place import Place
from syft_job.sandboxes import Workspace, clean_env
from syft_job.spec import JobSpec

from .terms import Terms, limits_for

JOB = "job"
VERDICT = "verdict"
HANDLE = "handle.json"
STREAMS = ("stdout", "stderr")
_NOBODY = b"never begun\n"
_CLAIMING_SECONDS = 10.0
"""How long a supervisor may take from making the claim to writing into it; an empty one that is older is nobody's."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One run of one submission, and the paths that belong to it in the owner's home."""

    viewer: Viewer
    place: Place
    job: str
    number: int

    @property
    def workspace(self) -> Path:
        """Its directory: the job's own below `job`, and what is written about it."""
        return self.viewer.home.work(self.job, self.number)

    @property
    def claim(self) -> Path:
        """The file that exists once it has begun."""
        return self.viewer.home.begun(self.job, self.number)

    @property
    def held(self) -> Path:
        """Where its results go."""
        return self.viewer.home.held(self.job, self.number)

    def log(self, stream: str) -> Path:
        """The live log."""
        return self.workspace / stream


def outcome_of(verdict: Verdict | None) -> str:
    """The word for the ledger and for `done`: how an attempt ended, "lost" where nobody can say."""
    if verdict is None:
        return "lost"
    if verdict.cancelled:
        return "cancelled"
    if verdict.timed_out:
        return "timed_out"
    return "succeeded" if verdict.succeeded else "failed"


def copy_in(attempt: Attempt, look: Look) -> None:
    """Make the workspace: exactly the listed files, hashed while they are copied; in place once it is whole.

    It need not survive a power cut, so one that was made before is hashed again and made anew where it is not whole.

    Raises:
        NotStarted: a file is missing or not as it was submitted; its name is told.
    """
    asked = look.spec
    if asked is None:
        raise NotStarted(look.record.problem or "it cannot be read")
    base = attempt.workspace.parent
    disk.make_directory(base, mode=0o711)
    temporary = disk.temporary_name()
    with disk.directory(base) as opened:
        if disk.look(opened, attempt.workspace.name) is not None:
            if _is_whole(attempt, asked):
                return  # made by a runner that was stopped before it could start the attempt
            disk.remove(opened, attempt.workspace.name)
        disk.make_new_directory(opened, temporary, mode=0o711)
        try:
            with disk.directory(opened, temporary, JOB, create=True, mode=0o700, durable=False) as job:
                _copy_listed(attempt, look, job)
                disk.make_new_directory(job, OUTPUTS, mode=0o700)
            disk.rename(opened, temporary, opened, attempt.workspace.name, durable=False)
        except BaseException:
            disk.discard(opened, temporary)
            raise


def _is_whole(attempt: Attempt, asked: JobSpec) -> bool:
    """Whether a workspace that was made before holds exactly the listed files, byte for byte."""
    try:
        with disk.directory(attempt.workspace, JOB) as job:
            lying = [entry for entry in disk.walk(job, most=2 * len(asked.files) + 64) if not entry.is_dir]
            if {entry.path for entry in lying} != asked.files.keys() or disk.look(job, OUTPUTS) is None:
                return False
            for path, entry in asked.files.items():
                *inside, name = path.split("/")
                with disk.directory(job, *inside) as folder:
                    if disk.hash_file(folder, name, most=entry.size) != (entry.size, entry.sha256):
                        return False
    except (FileNotFoundError, UnreadableJob):
        return False
    return True


def _copy_listed(attempt: Attempt, look: Look, job: int) -> None:
    assert look.spec is not None  # noqa: S101 - the caller looked
    root = attempt.viewer.home.root
    with disk.directory(root, *attempt.place.parts) as source:
        if (
            look.record.older
            and spec.older_digest(presence.older_files(source, attempt.viewer.limits)) != look.record.digest
        ):
            raise NotStarted("its files changed since the yes; it waits until the bytes are back")
        for path, entry in look.spec.files.items():
            *inside, name = path.split("/")
            try:
                with (
                    disk.directory(source, *inside) as reading,
                    disk.directory(job, *inside, create=True, mode=0o700, durable=False) as to,
                ):
                    copied = disk.copy(reading, name, to, name, most=entry.size, mode=0o700 if not inside else 0o600)
            except FileNotFoundError:
                if entry.size:
                    raise NotStarted(f"{path!r} is not here; it waits until the bytes are back") from None
                with disk.directory(job, *inside, create=True, mode=0o700, durable=False) as to:
                    disk.create(to, name, b"", mode=0o600, durable=False)
                continue
            except UnreadableJob as error:
                raise NotStarted(f"{path!r} is not what was approved: {error}") from error
            if copied != (entry.size, entry.sha256):
                raise NotStarted(f"{path!r} is not what was approved; it waits until the bytes are back")


def command_for(attempt: Attempt, look: Look, config: SyftJobConfig, terms: Terms) -> tuple[Command, Workspace]:
    """What starts the attempt: its command in its sandbox, with its environment and limits."""
    assert look.spec is not None  # noqa: S101 - it was copied before
    workspace = Workspace(root=attempt.workspace / JOB, interpreter=terms.interpreter)
    extra = {
        "SYFTBOX_FOLDER": str(config.syftbox_folder),
        "SYFTBOX_EMAIL": config.email,
        "SYFT_IS_IN_JOB": "true",
        "PYTHONUNBUFFERED": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    extra |= {name: os.environ[name] for name in config.pass_environment if name in os.environ}
    if terms.interpreter is not None:
        extra["SYFT_JOB_PYTHON"] = str(terms.interpreter)
    bare = Command(
        argv=("/bin/bash", spec.RUN),
        cwd=workspace.root,
        env=clean_env(extra, home=workspace.root),
        stdout=attempt.log("stdout"),
        stderr=attempt.log("stderr"),
        limits=limits_for(config, look.spec),
        claim=attempt.claim,
        verdict=attempt.workspace / VERDICT,
        results=workspace.root / OUTPUTS,
        label=f"{attempt.job}.{attempt.number}",
    )
    return terms.sandbox(bare, workspace), workspace


def launch(attempt: Attempt, look: Look, config: SyftJobConfig, terms: Terms) -> None:
    """Spawn the supervisor; the attempt begins when it has made the claim."""
    command, workspace = command_for(attempt, look, config, terms)
    terms.sandbox.prepare(workspace)
    handle = ShellJob().submit(command)
    assert isinstance(handle, JobHandle)  # noqa: S101 - not a dry run
    with disk.directory(attempt.workspace) as opened:
        disk.put(opened, HANDLE, handle.model_dump_json().encode() + b"\n", mode=0o600, durable=False)


def start(attempt: Attempt, look: Look, config: SyftJobConfig, terms: Terms) -> None:
    """Take an approved job to the point where its supervisor is running.

    Raises:
        NotStarted: it may not start, or not now.
    """
    asked = look.spec
    acts.permit(attempt.viewer, look)
    if asked is not None and asked.dependencies:
        raise NotStarted(
            f"it needs {', '.join(asked.dependencies)}, and this version builds no environments;"
            " ask for it without dependencies, or answer it with a deposit"
        )
    if asked is not None and asked.datasets:
        raise NotStarted(f"it needs the data {', '.join(asked.datasets)}, and this version provides none to jobs")
    if config.require_sandbox and not terms.is_contained:
        raise NotStarted("a sandbox is required and this host has none; see syft-job doctor")
    _refuse_open_folder(attempt, config)
    copy_in(attempt, look)
    digest = look.record.digest
    try:
        acts.start(attempt.viewer, attempt.place, attempt.job, digest, sandbox=terms.sandbox_name, host=this_host())
    except BaseException:
        if not attempt.viewer.home.ledger.is_under_way(attempt.job, attempt.number):
            sweep_out(attempt)  # prepared for nothing: it may never be allowed to start
        raise
    launch(attempt, look, config, terms)


def has_begun(attempt: Attempt) -> bool:
    """Whether the claim was made."""
    return attempt.claim.exists()


def supervisor_lives(attempt: Attempt) -> bool:
    """Whether the process that made the claim, or that was last spawned to make it, is still there."""
    claim = read_claim(attempt.claim)
    if claim is not None:
        return is_alive(claim.pid, claim.ticks, claim.boot_id)
    if _is_being_claimed(attempt):
        return True
    try:
        said = json.loads((attempt.workspace / HANDLE).read_bytes())
        if not ShellJob().status(JobHandle.model_validate(said)).status.is_finished:
            return True
    except (FileNotFoundError, ValueError):
        pass  # nothing was spawned, or nobody got to note it; the claim keeps a second one from beginning
    return has_begun(attempt) and supervisor_of(attempt.claim) is not None


def _is_being_claimed(attempt: Attempt) -> bool:
    """Whether the claim was made a moment ago and does not say yet by whom."""
    try:
        found = attempt.claim.stat()
    except FileNotFoundError:
        return False
    return found.st_size == 0 and abs(time.time() - found.st_mtime) < _CLAIMING_SECONDS


def verdict_of(attempt: Attempt, *, is_nobody_there: bool = False) -> Verdict | None:
    """How the attempt ended, or None while nobody said so.

    Where its supervisor is gone, a verdict counts that is whole and did not get its name before the power went.

    Raises:
        StoreError: what was said cannot be read.
    """
    return read_verdict(attempt.workspace / VERDICT, or_part=is_nobody_there)


def collect(attempt: Attempt, verdict: Verdict | None) -> list[str]:
    """Bring logs, outputs and the return code home, as a whole; returns what was left out and why."""
    left_out: list[str] = []
    if not attempt.workspace.is_dir() and attempt.held.exists():
        return left_out  # brought home before, by a runner that was stopped before it could say so
    base = attempt.held.parent
    temporary = disk.temporary_name()
    with disk.directory(base) as opened:
        disk.make_new_directory(opened, temporary, mode=0o700)
        try:
            with disk.directory(opened, temporary) as held:
                with disk.directory(held, "logs", create=True, mode=0o700, durable=False) as logs:
                    _copy_logs(attempt, logs)
                    if verdict is not None:
                        disk.create(logs, LOGS["returncode"], f"{verdict.returncode}\n".encode(), mode=0o600)
                    disk.sync(logs)
                with disk.directory(held, OUTPUTS, create=True, mode=0o700, durable=False) as outputs:
                    _copy_outputs(attempt, outputs, left_out)
                if left_out:
                    disk.create(held, "left_out.txt", "\n".join(left_out).encode() + b"\n", mode=0o600)
                disk.sync(held)
            disk.remove(opened, attempt.held.name)
            disk.rename(opened, temporary, opened, attempt.held.name)
        except BaseException:
            disk.discard(opened, temporary)
            raise
    return left_out


def sweep_out(attempt: Attempt) -> None:
    """Remove the workspace; the results are home and the end is in the ledger."""
    try:
        with disk.directory(attempt.workspace.parent) as opened:
            disk.remove(opened, attempt.workspace.name, durable=False)
    except FileNotFoundError:
        return


def is_claimed_for_nobody(attempt: Attempt) -> bool:
    """Whether the claim is one that `claim_for_nobody` made: the attempt never began."""
    return attempt.claim.read_bytes() == _NOBODY


def refuse_other_host(attempt: Attempt) -> None:
    """Return if this host may judge an attempt whose supervisor does not live here.

    Raises:
        NotStarted: another host began it.
    """
    for line in attempt.viewer.home.ledger.lines(attempt.job):
        if (
            line.event == "start"
            and line.attempt == attempt.number
            and line.said.get("host") not in (None, this_host())
        ):
            raise NotStarted("it was begun on another machine, and only that one can say how it ended")


def told_by(verdict: Verdict | None) -> dict[str, Any]:
    """What of a verdict is worth a word in the ledger."""
    if verdict is None:
        return {}
    return {
        "started_at": verdict.started_at.isoformat(),
        "ended_at": verdict.ended_at.isoformat(),
        "log_cut": verdict.log_cut or None,
        "too_big": verdict.too_big or None,
        "left_behind": verdict.left_behind or None,
    }


def tidy(home: Home) -> None:
    """Remove what those who were stopped left half done: unfinished copies, and workspaces of what does not run."""
    with home.locked():  # so that nobody is in the middle of it
        home.ledger.tidy()
        for base in (home.path, home.path / "held", home.path / "seen", home.path / "aside", home.workspaces):
            if base.is_dir():
                with disk.directory(base) as opened:
                    disk.remove_temporaries(opened)
        if not home.workspaces.is_dir():
            return
        unfinished = {f"{job}.{number}" for job, number in home.ledger.unfinished()}
        with disk.directory(home.workspaces) as opened:
            for name in os.listdir(opened):
                if name not in unfinished:
                    disk.remove(opened, name)


def claim_for_nobody(attempt: Attempt) -> bool:
    """Make the claim ourselves, so that no late supervisor can begin the attempt; False when it has begun already."""
    try:
        with disk.directory(attempt.claim.parent) as opened:
            disk.create(opened, attempt.claim.name, _NOBODY, mode=0o600)
    except FileExistsError:
        return False
    return True


def _copy_logs(attempt: Attempt, logs: int) -> None:
    try:
        with disk.directory(attempt.workspace) as workspace:
            for stream in STREAMS:
                if disk.look(workspace, stream) is not None:
                    disk.copy(workspace, stream, logs, LOGS[stream], most=1 << 40, durable=True)
    except FileNotFoundError:
        return  # it never had a workspace: lost before anything was printed


def _copy_outputs(attempt: Attempt, outputs: int, left_out: list[str]) -> None:
    try:
        with disk.directory(attempt.workspace, JOB, OUTPUTS) as source:
            release.copy_tree(source, outputs, attempt.viewer.limits, left_out=left_out)
    except FileNotFoundError:
        return  # the job removed its folder, or never had one
    except UnreadableJob as error:
        left_out.append(f"not all of the outputs could be kept: {error}")


def _refuse_open_folder(attempt: Attempt, config: SyftJobConfig) -> None:
    """In an enforced folder, refuse to start while the submitter could write what is the owner's."""
    if config.folder != "enforced" or attempt.place.submitter == config.email:
        return
    location = attempt.place.under(config.syftbox_folder)
    for name in (*OWNERS, f"{ATTEMPTS}/1.json", f"{OUTPUTS}/result", *LOGS.values(), RULES):
        if acl.may_write(config.datasite, location / name, attempt.place.submitter):
            raise NotStarted(
                f"the folder's rules let {attempt.place.submitter} write {name!r}, which is the owner's; set the rules"
                " with setup_ds_job_folder_as_do"
            )
