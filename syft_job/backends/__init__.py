"""The public names of the backends; what they do is in `syft_job.execution.backends`."""

from syft_job.execution.backends.base import (
    JobABC,
    JobDryRun,
    JobHandle,
    JobStatus,
    JobStatusResult,
    build,
)
from syft_job.execution.backends.shell import ShellJob
from syft_job.execution.command import Command

__all__ = ["Command", "JobABC", "JobDryRun", "JobHandle", "JobStatus", "JobStatusResult", "ShellJob", "build"]
