"""Under what conditions jobs run on this machine: sandbox, interpreter, limits; and how a reviewer is told.

The runner starts jobs under these terms, and review, approval and doctor show the same ones. It starts nothing.
"""

from __future__ import annotations

import shlex
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from syft_job.config import SyftJobConfig
from syft_job.errors import BlockedCategory, ConfigError, NotStarted, StoreError
from syft_job.format.manifest import JobSpec
from syft_job.home.home import Home
from syft_job.model import resources
from syft_job.model.resources import ResourceLimits

from . import sandboxes
from .sandboxes import Bare, Bubblewrap, ProtectedPath, Sandbox

PROOF_HOLDS_S: Final = 60.0
"""For how many seconds one run of the sandbox proves that it works, while nothing tells of a change."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What stands between a job and this machine, and in which words a reviewer is told so.

    ``interpreter`` is None where no Python job can start; ``interpreter_problem`` is then the reason. ``protected`` are
    the places that no sandbox shows. ``workspace_problem`` is why no job can reach its workspace, or None.
    """

    sandbox: Sandbox
    interpreter: Path | None
    ceiling: ResourceLimits
    conditions: tuple[str, ...]
    sandbox_warnings: tuple[str, ...]
    interpreter_problem: str | None = None
    protected: tuple[ProtectedPath, ...] = ()
    workspace_problem: str | None = None

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a reviewer is warned of: of the sandbox, then of the workspaces and the interpreter."""
        told = list(self.sandbox_warnings)
        if self.workspace_problem is not None:
            told.append(f"No job can start. {self.workspace_problem}")
        if self.interpreter_problem is not None:
            told.append(f"Python jobs cannot start. {self.interpreter_problem}")
        return tuple(told)

    @property
    def sandbox_name(self) -> str:
        """One word for records."""
        return self.sandbox.name

    @property
    def is_contained(self) -> bool:
        """Whether jobs run in a sandbox."""
        return not isinstance(self.sandbox, Bare)


def terms_of(config: SyftJobConfig, asked: JobSpec | None = None) -> Terms:
    """The terms under which the owner who set ``config`` lets jobs run on this machine.

    Args:
        config: what the owner set.
        asked: a job, whose own wishes are then part of the limits that are told.

    Raises:
        ConfigError: the sandbox that was asked for cannot be had here.
    """
    sandbox = sandboxes.get_sandbox(config.sandbox)
    home = Home.of(config.syftbox_folder, config.email)
    protected = sandboxes.protected_paths(home)
    conditions, warnings = [], []
    interpreter, problem = None, None
    if asked is None or asked.type == "python":
        try:
            interpreter = sandboxes.usable_interpreter(config.python, sandbox, protected)
        except ConfigError as error:
            problem = str(error)
    held = [part for part in sandbox.contains if part.holds]
    gaps = [part for part in sandbox.contains if not part.holds]
    conditions.append(f"in the sandbox {sandbox.name}: " + " ".join(part.words for part in held))
    if isinstance(sandbox, Bare):
        warnings.append("NO SANDBOX. " + " ".join(part.words for part in gaps))
        reason = sandboxes.unavailable_reason() if config.sandbox == "auto" else "the configuration asks for none"
        if reason:
            warnings.append(f"There is no sandbox because {reason}")
    else:
        conditions += [part.words for part in gaps]
    if interpreter is not None:
        conditions.append(f"Python: {interpreter}")
    conditions += resources.describe_limits(limits_for(config, asked), sandbox.enforces)
    return Terms(
        sandbox,
        interpreter,
        _ceiling(config),
        tuple(conditions),
        tuple(warnings),
        interpreter_problem=problem,
        protected=protected,
        workspace_problem=_workspace_problem(sandbox, home),
    )


def _workspace_problem(sandbox: Sandbox, home: Home) -> str | None:
    """Why the user that jobs run as cannot reach the workspaces, with what to do; None if it can."""
    if not isinstance(sandbox, Bubblewrap):
        return None
    try:
        path = home.workspaces
    except (ConfigError, StoreError):
        return None  # doctor and the runner refuse such a folder in words of their own
    closed = sandbox.closed_directory(path / "workspace")
    if closed is None:
        return None
    return (
        f"Jobs run as the user {sandbox.user!r}, which cannot pass the directory {str(closed)!r} on the way to the"
        f" workspaces. Run: chmod o+x {shlex.quote(str(closed))}; or choose another folder with SYFT_JOB_WORK."
    )


class CurrentTerms:
    """The terms of one runner's jobs, found again when what they depend on may have changed, or once a minute.

    The containment of one runner never becomes weaker: where bubblewrap worked and works no more, jobs are not started.
    What breaks it is seen before the start: at once where a program or a switch of the kernel changed, else by a run of
    the sandbox that is at most `PROOF_HOLDS_S` old.

    Args:
        config: what the owner set.
        retry_after: seconds after which terms are found again that lack a sandbox, an interpreter or a way to the
            workspaces.
    """

    def __init__(self, config: SyftJobConfig, retry_after: float) -> None:
        self._config = config
        self._retry_after = retry_after
        self._host_state = sandboxes.host_state()
        self._found_at = sandboxes.probed_at()  # a process may have tried it hours before it runs jobs
        self._problem: str | None = None
        self._is_doubtful = False
        self.terms = terms_of(config)

    def doubt(self) -> None:
        """Find the terms again at the next start: a sandbox could not be set up."""
        self._is_doubtful = True

    def at_start(self) -> Terms:
        """Return the terms for an attempt that is about to start.

        Raises:
            NotStarted: jobs were contained and cannot be any more.
        """
        state = sandboxes.host_state()
        is_bare = self._config.sandbox == "auto" and not self.terms.is_contained
        lacks = self.terms.interpreter is None or self.terms.workspace_problem is not None
        is_incomplete = is_bare or self._problem is not None or lacks
        age = time.monotonic() - self._found_at
        is_due = age >= (self._retry_after if is_incomplete else PROOF_HOLDS_S)
        if state != self._host_state or is_due or self._is_doubtful:
            sandboxes.clear_probe_cache()
            self._host_state, self._is_doubtful, self._found_at = state, False, time.monotonic()
            self._problem = self._renew()
        if self._problem is not None:
            raise NotStarted(self._problem, category=BlockedCategory.SANDBOX)
        return self.terms

    def _renew(self) -> str | None:
        """Find the terms again; returns why jobs cannot start under them."""
        try:
            found = terms_of(self._config)
        except ConfigError as error:
            return str(error)
        if self.terms.is_contained and not found.is_contained:
            reason = sandboxes.unavailable_reason() or "the reason is not known"
            return (
                f"the sandbox {self.terms.sandbox_name} worked and works no more: {reason} The job starts when it works"
                " again; see syft-job doctor"
            )
        self.terms = found
        return None


def limits_for(config: SyftJobConfig, asked: JobSpec | None) -> ResourceLimits:
    """What a job may use: what it asks for, under the owner's ceiling."""
    if asked is None:
        return _ceiling(config)
    wanted = asked.resources
    return resources.requested_limits(
        time=wanted.time_limit, memory=wanted.memory, cpu_count=wanted.cpu_count, ceiling=_ceiling(config)
    )


def _ceiling(config: SyftJobConfig) -> ResourceLimits:
    return ResourceLimits(
        wall_seconds=config.time_limit,
        memory_bytes=config.memory,
        processes=config.processes,
        file_bytes=config.file_bytes,
        disk_bytes=config.disk_bytes,
        log_bytes=config.log_bytes,
    )
