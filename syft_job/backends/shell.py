"""The backend for processes of this machine; see `syft_job.execution.backends.shell`."""

from syft_job.execution.backends.shell import ShellJob

__all__ = ["ShellJob"]
