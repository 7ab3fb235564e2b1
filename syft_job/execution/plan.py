"""The execution plan of a job: what would run, in which sandbox, with what, how much of it, and where.

`plan_for` computes it from the owner's configuration and the job's manifest. The review shows it, an approval is given
for its containment, the start in the ledger names its sandbox, and the launch executes it. It starts nothing.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path

from syft_job.config import SyftJobConfig
from syft_job.errors import Action, BlockedCategory, ConfigError, NotAllowed, NotStarted, Remedy, StoreError
from syft_job.format.manifest import RUN, JobSpec
from syft_job.home.home import Home
from syft_job.model import resources
from syft_job.model.containment import ContainmentLevel
from syft_job.model.resources import ResourceLimits

from . import backends, sandboxes
from .sandboxes import Bare, Bubblewrap, ProtectedPath, Sandbox


@dataclass(frozen=True, slots=True)
class PlannedEnvironment:
    """What the command finds beside its files.

    ``interpreter`` is None where the job needs none, and where none can be used: ``interpreter_problem`` is then the
    reason. ``variables`` are names of variables that are passed on, never their values.
    """

    interpreter: Path | None = None
    interpreter_problem: str | None = None
    dependencies: tuple[str, ...] = ()
    variables: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class HostOffer:
    """What this machine offers to all jobs under the owner's configuration, whatever a job asks for.

    ``protected`` are the places that no sandbox shows. ``bare_reason`` is why there is no sandbox,
    ``workspace_problem`` why no job can reach its workspace, ``interpreter_problem`` why no Python can be used; None
    where that is not so, or was not looked for.
    """

    sandbox: Sandbox
    protected: tuple[ProtectedPath, ...]
    bare_reason: str | None = None
    workspace_problem: str | None = None
    interpreter: Path | None = None
    interpreter_problem: str | None = None

    @property
    def is_contained(self) -> bool:
        """Whether jobs run in a sandbox."""
        return not isinstance(self.sandbox, Bare)


@dataclass(frozen=True, slots=True)
class ExecutionPlan:
    """What would run for one job, or for any job where no manifest was given, and under which conditions."""

    command: tuple[str, ...]
    host: HostOffer
    environment: PlannedEnvironment
    datasets: tuple[str, ...]
    limits: ResourceLimits
    backend: str
    needs_interpreter: bool
    requires_sandbox: bool

    @property
    def sandbox(self) -> Sandbox:
        """The sandbox that the command runs in."""
        return self.host.sandbox

    @property
    def sandbox_name(self) -> str:
        """The name of the sandbox in records and lists."""
        return self.sandbox.name

    @property
    def is_contained(self) -> bool:
        """Whether the command runs in a sandbox."""
        return self.host.is_contained

    @property
    def containment(self) -> ContainmentLevel:
        """The level that an approval is given for, and that a start is compared with."""
        return _containment_of(self.sandbox)

    @property
    def network(self) -> bool:
        """Whether the command has network."""
        return self.containment.network

    @property
    def conditions(self) -> tuple[str, ...]:
        """The conditions in sentences, for a reviewer."""
        held = [part for part in self.sandbox.contains if part.holds]
        gaps = [part for part in self.sandbox.contains if not part.holds]
        sentences = [f"in the sandbox {self.sandbox.name}: " + " ".join(part.words for part in held)]
        if self.is_contained:
            sentences += [part.words for part in gaps]
        if self.environment.interpreter is not None:
            sentences.append(f"Python: {self.environment.interpreter}")
        return (*sentences, *resources.describe_limits(self.limits, self.sandbox.enforces))

    @property
    def sandbox_warnings(self) -> tuple[str, ...]:
        """What the sandbox does not contain, where there is none, and why."""
        if self.is_contained:
            return ()
        gaps = [part.words for part in self.sandbox.contains if not part.holds]
        warnings = ["NO SANDBOX. " + " ".join(gaps)]
        if self.host.bare_reason:
            warnings.append(f"There is no sandbox because {self.host.bare_reason}")
        return tuple(warnings)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a reviewer is warned of: of the sandbox, then of the workspaces and the interpreter."""
        warnings = list(self.sandbox_warnings)
        if self.host.workspace_problem is not None:
            warnings.append(f"No job can start. {self.host.workspace_problem}")
        if self.environment.interpreter_problem is not None:
            warnings.append(f"Python jobs cannot start. {self.environment.interpreter_problem}")
        return tuple(warnings)

    def require_startable(self) -> None:
        """Return if the plan can be executed on this machine now.

        Raises:
            NotStarted: it cannot; the message has the reason.
        """
        if self.environment.dependencies:
            raise NotStarted(
                f"it needs {', '.join(self.environment.dependencies)}, and this version builds no environments;"
                " ask for it without dependencies, or answer it with a deposit"
            )
        if self.datasets:
            raise NotStarted(f"it needs the data {', '.join(self.datasets)}, and this version provides none to jobs")
        if self.requires_sandbox and not self.is_contained:
            raise NotStarted(
                "a sandbox is required and this host has none; see syft-job doctor", category=BlockedCategory.SANDBOX
            )
        if self.host.workspace_problem is not None:
            raise NotStarted(self.host.workspace_problem, category=BlockedCategory.SANDBOX)
        if self.needs_interpreter and self.environment.interpreter is None:
            reason = self.environment.interpreter_problem or "no Python was looked for"
            raise NotStarted(f"it needs a Python. {reason}", category=BlockedCategory.INTERPRETER)


def plan_for(
    config: SyftJobConfig,
    spec: JobSpec | None = None,
    *,
    host: HostOffer | None = None,
    backend: str = backends.DEFAULT,
) -> ExecutionPlan:
    """Compute the plan of a job on this machine.

    Args:
        config: the owner's settings.
        spec: the job's manifest; None plans for any job, with the interpreter that a Python job would get.
        host: what this machine offers, if that was determined already.
        backend: the name of what starts the command.

    Raises:
        ConfigError: the sandbox that the configuration asks for does not work here.
    """
    needs_interpreter = spec is not None and spec.type == "python"
    has_interpreter = spec is None or needs_interpreter
    host = host or host_offer(config, with_interpreter=has_interpreter)
    return ExecutionPlan(
        command=("/bin/bash", RUN),
        host=host,
        environment=PlannedEnvironment(
            interpreter=host.interpreter if has_interpreter else None,
            interpreter_problem=host.interpreter_problem if has_interpreter else None,
            dependencies=() if spec is None else tuple(spec.dependencies),
            variables=tuple(config.pass_environment),
        ),
        datasets=() if spec is None else tuple(spec.datasets),
        limits=limits_for(config, spec),
        backend=backend,
        needs_interpreter=needs_interpreter,
        requires_sandbox=config.require_sandbox,
    )


def host_offer(config: SyftJobConfig, *, with_interpreter: bool = True) -> HostOffer:
    """Determine what this machine offers to jobs; to look for an interpreter takes longest.

    Raises:
        ConfigError: the sandbox that the configuration asks for does not work here.
    """
    sandbox = sandboxes.get_sandbox(config.sandbox)
    home = Home.of(config.syftbox_folder, config.email)
    protected = sandboxes.protected_paths(home)
    interpreter, interpreter_problem, bare_reason = None, None, None
    if with_interpreter:
        try:
            interpreter = sandboxes.usable_interpreter(config.python, sandbox, protected)
        except ConfigError as error:
            interpreter_problem = str(error)
    if isinstance(sandbox, Bare):
        bare_reason = sandboxes.unavailable_reason() if config.sandbox == "auto" else "the configuration asks for none"
    return HostOffer(
        sandbox,
        protected,
        bare_reason=bare_reason,
        workspace_problem=_workspace_problem(sandbox, home),
        interpreter=interpreter,
        interpreter_problem=interpreter_problem,
    )


def containment_to_approve(config: SyftJobConfig, *, allow_bare: bool) -> ContainmentLevel:
    """Return the containment that an approval on this machine is given for (docs/adr/0013).

    Args:
        config: the owner's settings. ``sandbox = "bare"`` is the owner's decision for every approval.
        allow_bare: the owner decides for this approval that the job may run without a sandbox.

    Raises:
        NotAllowed: jobs would run without a sandbox here, and the owner decided that neither for all nor for this one.
        ConfigError: the sandbox that the configuration asks for does not work here.
    """
    if allow_bare or config.sandbox == "bare":
        return _containment_of(sandboxes.bare)
    sandbox = sandboxes.get_sandbox(config.sandbox)
    if isinstance(sandbox, Bare):
        raise NotAllowed(
            f"This machine has no sandbox, because {sandboxes.unavailable_reason()} Nothing was approved."
            " syft-job doctor says how to repair it.",
            remedy=Remedy("To approve the job to run without a sandbox", Action.APPROVE_BARE),
        )
    return _containment_of(sandbox)


def _containment_of(sandbox: Sandbox) -> ContainmentLevel:
    has_no_network = any(part.what == "network" and part.holds for part in sandbox.contains)
    return ContainmentLevel(sandbox.name, network=not has_no_network)


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


def limits_for(config: SyftJobConfig, spec: JobSpec | None) -> ResourceLimits:
    """Return what a job may use: what its manifest asks for, under the owner's ceiling."""
    if spec is None:
        return _ceiling(config)
    wanted = spec.resources
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
