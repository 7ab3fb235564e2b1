"""The contract of a backend; see `syft_job.execution.backends.base`."""

from syft_job.execution.backends.base import (
    Command,
    JobABC,
    JobDryRun,
    JobHandle,
    JobStatus,
    JobStatusResult,
    build,
)

__all__ = ["Command", "JobABC", "JobDryRun", "JobHandle", "JobStatus", "JobStatusResult", "build"]
