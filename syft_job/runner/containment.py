"""The containment that this machine offers: as a level to approve and to compare, and whether it still works.

A runner finds its sandbox once. What makes that sandbox work can go while the runner lives (the package is removed, the
kernel's switches are set), so each start asks here whether it still does: a few `stat` and `read` calls, and a real run
of the sandbox only where one of them tells of a change or the last run is long ago.
"""

from __future__ import annotations

import functools
import os
import shutil
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from syft_job import sandboxes
from syft_job.config import SyftJobConfig
from syft_job.containment import ContainmentLevel
from syft_job.errors import BlockedCategory, NotAllowed, NotStarted
from syft_job.sandboxes import Bare, Sandbox, host
from syft_job.sandboxes.choosing import why_broken

PROOF_HOLDS_S: Final = 60.0
"""For how many seconds a run of the sandbox proves that it works, while none of its preconditions changes."""
RETRY_S: Final = 2.0
"""How many seconds a sandbox that did not work is not tried again: there may be many jobs to start."""

_SWITCHES: Final = (
    Path("/proc/sys/user/max_user_namespaces"),
    Path("/proc/sys/kernel/unprivileged_userns_clone"),
    Path("/proc/sys/kernel/apparmor_restrict_unprivileged_userns"),
)


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
    sandbox = sandboxes.by_name(config.sandbox)
    if isinstance(sandbox, Bare):
        raise NotAllowed(
            f"This machine has no sandbox, because {sandboxes.why_not()} Nothing was approved. Repair it (syft-job"
            " doctor), or approve the job to run without a sandbox: --allow-bare, in Python approve(allow_bare=True)."
        )
    return level_of(sandbox)


@dataclass(frozen=True, slots=True)
class _Proof:
    """What the last run of the sandbox showed, when, and what its preconditions were."""

    preconditions: tuple[object, ...]
    at: float
    reason: str | None

    def holds(self, preconditions: tuple[object, ...], now: float) -> bool:
        """Return True if there is no reason to run the sandbox again."""
        seconds = PROOF_HOLDS_S if self.reason is None else RETRY_S
        return preconditions == self.preconditions and now - self.at < seconds


class SandboxCheck:
    """Whether the sandbox that a runner found still works; see `check_of`."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self._lock = threading.Lock()
        self._proof: _Proof | None = None

    def require(self) -> None:
        """Return if the sandbox works now; for `bare` there is nothing to check.

        Raises:
            NotStarted: it does not; the message says why and what to do.
        """
        if isinstance(self._sandbox, Bare):
            return
        with self._lock:
            preconditions, now = _preconditions(), time.monotonic()
            if self._proof is None or not self._proof.holds(preconditions, now):
                self._proof = _Proof(preconditions, now, why_broken(self._sandbox))
            reason = self._proof.reason
        if reason is not None:
            raise NotStarted(
                f"the sandbox {self._sandbox.name}, in which this runner starts jobs, does not work now ({reason})."
                " Repair it; see syft-job doctor. The job starts when it works again",
                category=BlockedCategory.SANDBOX,
            )


@functools.cache
def check_of(sandbox: Sandbox) -> SandboxCheck:
    """The check of ``sandbox``, one for each process; the first start runs the sandbox, whatever was found earlier."""
    return SandboxCheck(sandbox)


def _preconditions() -> tuple[object, ...]:
    """What decides whether bubblewrap works, as far as that can be read cheaply."""
    program = shutil.which("bwrap", path=host.TOOLS)
    return (program, _stamp(program), *(_content(path) for path in _SWITCHES))


def _stamp(path: str | None) -> tuple[int, ...] | None:
    if path is None:
        return None
    try:
        found = os.stat(path)
    except OSError:
        return None
    return (found.st_dev, found.st_ino, found.st_mode, found.st_mtime_ns, found.st_ctime_ns)


def _content(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None
