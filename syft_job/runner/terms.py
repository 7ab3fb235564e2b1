"""Under what conditions jobs run on this machine: sandbox, interpreter, limits; and how a reviewer is told.

The runner starts jobs under these terms, and review, approval and doctor show the same ones. It starts nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from syft_job import limits, sandboxes
from syft_job.config import SyftJobConfig
from syft_job.errors import ConfigError
from syft_job.limits import Limits
from syft_job.sandboxes import Bare, Sandbox
from syft_job.spec import JobSpec


@dataclass(frozen=True, slots=True)
class Terms:
    """What stands between a job and this machine, and in which words a reviewer is told so."""

    sandbox: Sandbox
    interpreter: Path | None
    ceiling: Limits
    conditions: tuple[str, ...]
    warnings: tuple[str, ...]

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
    sandbox = sandboxes.by_name(config.sandbox)
    conditions, warnings = [], []
    interpreter = None
    try:
        interpreter = sandboxes.usable_interpreter(config.python, sandbox)
    except ConfigError as error:
        warnings.append(str(error))
    held = [part for part in sandbox.contains if part.holds]
    gaps = [part for part in sandbox.contains if not part.holds]
    conditions.append(f"in the sandbox {sandbox.name}: " + " ".join(part.words for part in held))
    if isinstance(sandbox, Bare):
        warnings.append("NO SANDBOX. " + " ".join(part.words for part in gaps))
        reason = sandboxes.why_not() if config.sandbox == "auto" else "the configuration asks for none"
        if reason:
            warnings.append(f"There is no sandbox because {reason}")
    else:
        conditions += [part.words for part in gaps]
    if interpreter is not None and (asked is None or asked.type == "python"):
        conditions.append(f"Python: {interpreter}")
    conditions += limits.words(limits_for(config, asked), sandbox.enforces)
    return Terms(sandbox, interpreter, _ceiling(config), tuple(conditions), tuple(warnings))


def limits_for(config: SyftJobConfig, asked: JobSpec | None) -> Limits:
    """What a job may use: what it asks for, under the owner's ceiling."""
    if asked is None:
        return _ceiling(config)
    wanted = asked.resources
    return limits.limits_of(
        time=wanted.time_limit, memory=wanted.memory, cpu_count=wanted.cpu_count, ceiling=_ceiling(config)
    )


def _ceiling(config: SyftJobConfig) -> Limits:
    return Limits(
        wall_seconds=config.time_limit,
        memory_bytes=config.memory,
        processes=config.processes,
        file_bytes=config.file_bytes,
        disk_bytes=config.disk_bytes,
        log_bytes=config.log_bytes,
    )
