"""What starts and polls processes: `base` is the contract, each other module one implementation of it."""

from typing import Final

from .base import JobABC

DEFAULT: Final = "shell"
"""The name of the backend where no other one is chosen."""


def default() -> JobABC:
    """Return the backend that runs jobs where no other one is chosen: processes of this machine."""
    from .shell import ShellJob

    return ShellJob()
