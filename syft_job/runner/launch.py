"""Starting an attempt: whether it may, its workspace, the line in the ledger, and at last its supervisor."""

from __future__ import annotations

import os

from syft_job import fs
from syft_job.config import SyftJobConfig
from syft_job.errors import BlockedCategory, ConfigError, NotStarted
from syft_job.exchange import transitions
from syft_job.exchange.job_reader import JobSnapshot
from syft_job.exchange.permissions import may_write
from syft_job.execution.backends.base import Command, JobHandle
from syft_job.execution.backends.shell import ShellJob, this_host
from syft_job.execution.offered_containment import level_of
from syft_job.execution.plan import Terms, limits_for
from syft_job.execution.sandboxes import Workspace, clean_env
from syft_job.format import manifest
from syft_job.format.markers import ATTEMPTS, LOGS, OUTPUTS, OWNERS, RULES

from . import workspace as workspaces
from .attempt_files import EXIT_RECORD, HANDLE, JOB, Attempt


def start(attempt: Attempt, look: JobSnapshot, config: SyftJobConfig, terms: Terms) -> None:
    """Take an approved job to the point where its supervisor is running.

    What is in the way of it is found before the start is recorded and before anything can claim the attempt.

    Raises:
        NotStarted: it may not start, or not now.
    """
    asked = look.spec
    offered = level_of(terms.sandbox)
    transitions.permit(attempt.participant, look, offered=offered)
    if asked is not None and asked.dependencies:
        raise NotStarted(
            f"it needs {', '.join(asked.dependencies)}, and this version builds no environments;"
            " ask for it without dependencies, or answer it with a deposit"
        )
    if asked is not None and asked.datasets:
        raise NotStarted(f"it needs the data {', '.join(asked.datasets)}, and this version provides none to jobs")
    if config.require_sandbox and not terms.is_contained:
        raise NotStarted(
            "a sandbox is required and this host has none; see syft-job doctor", category=BlockedCategory.SANDBOX
        )
    if terms.workspace_problem is not None:
        raise NotStarted(terms.workspace_problem, category=BlockedCategory.SANDBOX)
    _refuse_without_interpreter(look, terms)
    _refuse_open_folder(attempt, config)
    workspaces.create_workspace(attempt, look)
    digest = look.record.digest
    try:
        command, workspace = command_for(attempt, look, config, terms)
        transitions.start(attempt.participant, attempt.place, attempt.job, digest, offered=offered, host=this_host())
    except BaseException:
        if not attempt.participant.home.ledger.is_under_way(attempt.job, attempt.number):
            workspaces.remove_workspace(attempt)  # prepared for nothing: it may never be allowed to start
        raise
    launch(attempt, terms, command, workspace)


def launch(attempt: Attempt, terms: Terms, command: Command, workspace: Workspace) -> None:
    """Spawn the supervisor; the attempt begins when it has made the claim."""
    terms.sandbox.prepare(workspace)
    handle = ShellJob().submit(command)
    assert isinstance(handle, JobHandle)  # noqa: S101 - not a dry run
    with fs.open_directory(attempt.workspace) as opened:
        fs.write_file(opened, HANDLE, handle.model_dump_json().encode() + b"\n", mode=0o600, durable=False)


def command_for(attempt: Attempt, look: JobSnapshot, config: SyftJobConfig, terms: Terms) -> tuple[Command, Workspace]:
    """What starts the attempt: its command in its sandbox, with its environment and limits.

    Raises:
        NotStarted: the sandbox cannot be made without showing what it must not show.
    """
    assert look.spec is not None  # noqa: S101 - it was copied before
    interpreter = terms.interpreter if look.spec.type == "python" else None
    workspace = Workspace(root=attempt.workspace / JOB, interpreter=interpreter, protected=terms.protected)
    extra = {
        "SYFTBOX_FOLDER": str(config.syftbox_folder),
        "SYFTBOX_EMAIL": config.email,
        "SYFT_IS_IN_JOB": "true",
        "PYTHONUNBUFFERED": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    extra |= {name: os.environ[name] for name in config.pass_environment if name in os.environ}
    if interpreter is not None:
        extra["SYFT_JOB_PYTHON"] = str(interpreter)
    bare = Command(
        argv=("/bin/bash", manifest.RUN),
        cwd=workspace.root,
        env=clean_env(extra, home=workspace.root),
        stdout=attempt.log("stdout"),
        stderr=attempt.log("stderr"),
        limits=limits_for(config, look.spec),
        claim=attempt.claim,
        exit_record=attempt.workspace / EXIT_RECORD,
        results=workspace.root / OUTPUTS,
        label=f"{attempt.job}.{attempt.number}",
    )
    try:
        return terms.sandbox(bare, workspace), workspace
    except ConfigError as error:
        raise NotStarted(f"its sandbox cannot be made. {error}", category=BlockedCategory.SANDBOX) from error


def _refuse_without_interpreter(look: JobSnapshot, terms: Terms) -> None:
    """Refuse to start a Python job where the configured Python, or any, cannot be used."""
    if look.spec is not None and look.spec.type == "python" and terms.interpreter is None:
        reason = terms.interpreter_problem or "no Python was looked for"
        raise NotStarted(f"it needs a Python. {reason}", category=BlockedCategory.INTERPRETER)


def _refuse_open_folder(attempt: Attempt, config: SyftJobConfig) -> None:
    """In an enforced folder, refuse to start while the submitter could write what is the owner's."""
    if config.folder != "enforced" or attempt.place.submitter == config.email:
        return
    location = attempt.place.under(config.syftbox_folder)
    for name in (*OWNERS, f"{ATTEMPTS}/1.json", f"{OUTPUTS}/result", *LOGS.values(), RULES):
        if may_write(config.datasite, location / name, attempt.place.submitter):
            raise NotStarted(
                f"the folder's rules let {attempt.place.submitter} write {name!r}, which is the owner's; set the rules"
                " with setup_ds_job_folder_as_do"
            )
