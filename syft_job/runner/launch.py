"""The launch of an attempt: whether it may start, its verified copy, its command, its start in the ledger."""

from __future__ import annotations

import os
from dataclasses import dataclass

from syft_job.config import SyftJobConfig
from syft_job.errors import BlockedCategory, ConfigError, NotStarted
from syft_job.exchange import transitions
from syft_job.exchange.job_reader import JobSnapshot
from syft_job.exchange.permissions import may_write
from syft_job.execution.command import Command
from syft_job.execution.plan import ExecutionPlan
from syft_job.execution.sandboxes import Workspace, clean_env
from syft_job.format.markers import LOGS, OUTPUTS, OWNERS, RULES
from syft_job.model.events import ATTEMPTS

from . import workspace as workspaces
from .attempt_files import Attempt


@dataclass(frozen=True, slots=True)
class PreparedLaunch:
    """An approved attempt whose verified copy is in place (`attempt_operations.Prepared`)."""

    attempt: Attempt
    digest: str
    plan: ExecutionPlan
    workspace: Workspace
    command: Command

    def record_start(self, host: str | None) -> None:
        """Record the start in the ledger, bound to the digest and the containment; remove the copy if it is refused.

        Raises:
            NotStarted: the ledger holds no permit for it, or another submission is in its place by now.
        """
        attempt, offered = self.attempt, self.plan.containment
        try:
            transitions.start(attempt.participant, attempt.ref, attempt.job, self.digest, offered=offered, host=host)
        except BaseException:
            _discard_copy(attempt)
            raise

    def open_workspace(self) -> None:
        """Give the copy to the user that jobs run as.

        Raises:
            StoreError: that is not possible.
        """
        self.plan.sandbox.prepare(self.workspace)


def prepare(attempt: Attempt, snapshot: JobSnapshot, config: SyftJobConfig, plan: ExecutionPlan) -> PreparedLaunch:
    """Check that an approved attempt may start here and now, and make its verified copy and its command.

    Everything that can prevent the start is checked before the start is recorded and before anything can claim the
    attempt.

    Raises:
        NotStarted: it may not start, or not now.
    """
    transitions.require_permit(attempt.participant, snapshot, offered=plan.containment)
    plan.require_startable()
    _refuse_open_folder(attempt, config)
    workspaces.create_workspace(attempt, snapshot)
    try:
        command, workspace = command_for(attempt, config, plan)
    except BaseException:
        _discard_copy(attempt)
        raise
    return PreparedLaunch(attempt, snapshot.record.digest, plan, workspace, command)


def command_for(attempt: Attempt, config: SyftJobConfig, plan: ExecutionPlan) -> tuple[Command, Workspace]:
    """Return the planned command in its sandbox, with its environment and limits, for one attempt.

    Raises:
        NotStarted: the sandbox cannot be made without showing what it must not show.
    """
    paths, interpreter = attempt.paths, plan.environment.interpreter
    workspace = Workspace(root=paths.job, interpreter=interpreter, protected=plan.host.protected)
    extra = {
        "SYFTBOX_FOLDER": str(config.syftbox_folder),
        "SYFTBOX_EMAIL": config.email,
        "SYFT_IS_IN_JOB": "true",
        "PYTHONUNBUFFERED": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    extra |= {name: os.environ[name] for name in plan.environment.variables if name in os.environ}
    if interpreter is not None:
        extra["SYFT_JOB_PYTHON"] = str(interpreter)
    bare = Command(
        argv=plan.command,
        cwd=workspace.root,
        env=clean_env(extra, home=workspace.root),
        stdout=paths.log("stdout"),
        stderr=paths.log("stderr"),
        limits=plan.limits,
        claim=paths.claim,
        exit_record=paths.exit_record,
        results=workspace.root / OUTPUTS,
        label=paths.label,
    )
    try:
        return plan.sandbox(bare, workspace), workspace
    except ConfigError as error:
        raise NotStarted(f"its sandbox cannot be made. {error}", category=BlockedCategory.SANDBOX) from error


def _discard_copy(attempt: Attempt) -> None:
    """Remove a copy that was made for nothing: its attempt may never be allowed to start."""
    if not attempt.participant.home.ledger.is_under_way(attempt.job, attempt.number):
        workspaces.remove_workspace(attempt)


def _refuse_open_folder(attempt: Attempt, config: SyftJobConfig) -> None:
    """In an enforced folder, refuse to start while the submitter could write what is the owner's."""
    if config.folder != "enforced" or attempt.ref.submitter == config.email:
        return
    location = attempt.ref.under(config.syftbox_folder)
    for name in (*OWNERS, f"{ATTEMPTS}/1.json", f"{OUTPUTS}/result", *LOGS.values(), RULES):
        if may_write(config.datasite, location / name, attempt.ref.submitter):
            raise NotStarted(
                f"the folder's rules let {attempt.ref.submitter} write {name!r}, which is the owner's; set the rules"
                " with setup_ds_job_folder_as_do"
            )
