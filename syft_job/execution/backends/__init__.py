"""What starts and polls processes: `base` is the contract, each other module one implementation of it."""

from .base import JobABC


def default() -> JobABC:
    """Return the backend that runs jobs where no other one is chosen: processes of this machine."""
    from .shell import ShellJob

    return ShellJob()
