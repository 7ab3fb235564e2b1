"""The containment that this machine offers, as a level to approve and to compare with an approval."""

from __future__ import annotations

from syft_job.config import SyftJobConfig
from syft_job.errors import NotAllowed
from syft_job.model.containment import ContainmentLevel

from . import sandboxes
from .sandboxes import Bare, Sandbox


def level_of(sandbox: Sandbox) -> ContainmentLevel:
    """Return the level at which ``sandbox`` contains a job."""
    has_no_network = any(part.what == "network" and part.holds for part in sandbox.contains)
    return ContainmentLevel(sandbox.name, network=not has_no_network)


def level_to_approve(config: SyftJobConfig, *, allow_bare: bool) -> ContainmentLevel:
    """Return the containment that an approval on this machine is given for (docs/adr/0013).

    Args:
        config: what the owner set. ``sandbox = "bare"`` is the owner's decision for every approval.
        allow_bare: the owner decides for this approval that the job may run without a sandbox.

    Raises:
        NotAllowed: jobs would run without a sandbox here, and the owner decided that neither for all nor for this one.
        ConfigError: the sandbox that the configuration asks for cannot be had here.
    """
    if allow_bare or config.sandbox == "bare":
        return level_of(sandboxes.bare)
    sandbox = sandboxes.get_sandbox(config.sandbox)
    if isinstance(sandbox, Bare):
        raise NotAllowed(
            f"This machine has no sandbox, because {sandboxes.unavailable_reason()} Nothing was approved. Repair it"
            " (syft-job doctor), or approve the job to run without a sandbox: --allow-bare, in Python"
            " approve(allow_bare=True)."
        )
    return level_of(sandbox)
