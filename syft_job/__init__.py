"""A file-system-based federated job exchange: code travels to data through a folder that people already sync.

The public names, resolved when they are first used, so that ``import syft_job`` costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

__version__ = "0.1.0.dev0"

_HOMES = {
    "client": ("JobClient", "get_client"),
    "config": ("SyftJobConfig", "load_profile"),
    "job": ("JobInfo",),
    "jobs": ("JobsList",),
    "runner": ("JobRunner", "SyftJobRunner", "create_runner"),
    "model.states": ("JobState",),
    "format.manifest": ("JobResources", "JobSpec", "SubmissionLimits"),
    "model.job_record": ("JobRecord", "StatusTransition"),
    "exchange.job_index": ("JobIndex",),
    "model.units": ("Duration", "Memory"),
    "execution.backends.base": ("JobABC", "JobDryRun", "JobHandle", "JobStatus", "JobStatusResult", "build"),
    "execution.backends.shell": ("ShellJob",),
    "errors": (
        "AclError",
        "AmbiguousJob",
        "ChangedSinceSeen",
        "CommandError",
        "ConfigError",
        "ConfigTypeError",
        "InvalidName",
        "InvalidSubmission",
        "InvalidTransition",
        "JobExists",
        "JobNotFoundError",
        "JobTimeoutError",
        "JobValidationError",
        "MissingExtra",
        "NotAllowed",
        "NotStarted",
        "PathMissing",
        "RunnerBusy",
        "SchedulerError",
        "ScriptError",
        "SealError",
        "StoreError",
        "SubmitError",
        "SyftJobError",
        "UnreadableJob",
    ),
}
_HOME_OF = {name: module for module, exported in _HOMES.items() for name in exported}

if TYPE_CHECKING:
    from syft_job.exchange.job_index import JobIndex as JobIndex
    from syft_job.execution.backends.base import JobABC as JobABC
    from syft_job.execution.backends.base import JobDryRun as JobDryRun
    from syft_job.execution.backends.base import JobHandle as JobHandle
    from syft_job.execution.backends.base import JobStatus as JobStatus
    from syft_job.execution.backends.base import JobStatusResult as JobStatusResult
    from syft_job.execution.backends.base import build as build
    from syft_job.execution.backends.shell import ShellJob as ShellJob
    from syft_job.format.manifest import JobResources as JobResources
    from syft_job.format.manifest import JobSpec as JobSpec
    from syft_job.format.manifest import SubmissionLimits as SubmissionLimits
    from syft_job.model.job_record import JobRecord as JobRecord
    from syft_job.model.job_record import StatusTransition as StatusTransition
    from syft_job.model.states import JobState as JobState
    from syft_job.model.units import Duration as Duration
    from syft_job.model.units import Memory as Memory
    from syft_job.runner import JobRunner as JobRunner
    from syft_job.runner import SyftJobRunner as SyftJobRunner
    from syft_job.runner import create_runner as create_runner

    from .client import JobClient as JobClient
    from .client import get_client as get_client
    from .config import SyftJobConfig as SyftJobConfig
    from .config import load_profile as load_profile
    from .errors import AclError as AclError
    from .errors import AmbiguousJob as AmbiguousJob
    from .errors import ChangedSinceSeen as ChangedSinceSeen
    from .errors import CommandError as CommandError
    from .errors import ConfigError as ConfigError
    from .errors import ConfigTypeError as ConfigTypeError
    from .errors import InvalidName as InvalidName
    from .errors import InvalidSubmission as InvalidSubmission
    from .errors import InvalidTransition as InvalidTransition
    from .errors import JobExists as JobExists
    from .errors import JobNotFoundError as JobNotFoundError
    from .errors import JobTimeoutError as JobTimeoutError
    from .errors import JobValidationError as JobValidationError
    from .errors import MissingExtra as MissingExtra
    from .errors import NotAllowed as NotAllowed
    from .errors import NotStarted as NotStarted
    from .errors import PathMissing as PathMissing
    from .errors import RunnerBusy as RunnerBusy
    from .errors import SchedulerError as SchedulerError
    from .errors import ScriptError as ScriptError
    from .errors import SealError as SealError
    from .errors import StoreError as StoreError
    from .errors import SubmitError as SubmitError
    from .errors import SyftJobError as SyftJobError
    from .errors import UnreadableJob as UnreadableJob
    from .job import JobInfo as JobInfo
    from .jobs import JobsList as JobsList

__all__ = ["__version__", *sorted(_HOME_OF)]  # noqa: PLE0604 - computed from the one table


def __getattr__(name: str) -> object:
    if name in _HOME_OF:
        return getattr(import_module(f".{_HOME_OF[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
