"""The contract of a backend; see `syft_job.execution.backends.base`."""

from syft_job.execution.backends.base import (
    JobABC,
    JobDryRun,
    JobHandle,
    JobStatus,
    JobStatusResult,
    build,
)
from syft_job.execution.command import Command

__all__ = ["Command", "JobABC", "JobDryRun", "JobHandle", "JobStatus", "JobStatusResult", "build"]
