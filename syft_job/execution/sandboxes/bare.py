"""`bare`: no containment, only a directory and an environment."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from typing import Final

from syft_job.execution.command import Command
from syft_job.model.resources import ALL_LIMITS

from .base import Containment, Workspace, command_environment


@dataclass(frozen=True, slots=True)
class Bare:
    """No containment: the job runs as the runner's own user and can do what that user can."""

    name: str = field(default="bare", init=False)

    @property
    def contains(self) -> tuple[Containment, ...]:
        """What it contains and what not, for reviews."""
        return (
            Containment("environment", True, "It sees none of the variables of the owner's shell."),
            Containment("network", False, "It can use the network, so it can send away whatever it reads."),
            Containment("files", False, "It can read and write everything that the runner's user can."),
            Containment("jobs", False, "It can read and change other jobs, their markers, the ledger and the keys."),
            Containment("processes", False, "A process that leaves its session lives on after the job."),
        )

    @property
    def enforces(self) -> frozenset[str]:
        """The names of the limits that are enforced; the kernel does not count root's processes."""
        return ALL_LIMITS - {"cpu_count", "processes"} if os.geteuid() == 0 else ALL_LIMITS - {"cpu_count"}

    def __call__(self, command: Command, workspace: Workspace) -> Command:
        """Return the command with the workspace as its directory and an explicit environment."""
        return replace(command, cwd=workspace.root, env=command_environment(command, workspace.root))

    def prepare(self, workspace: Workspace) -> None:
        """Do nothing, because the job runs as the runner's user, to whom the workspace belongs."""


bare: Final = Bare()
