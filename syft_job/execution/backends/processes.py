"""Processes of this machine: whether one is alive, and which one is the supervisor of a claim.

A process id is reused and means nothing after a reboot, so a process is identified by its id, its start and the boot.
"""

from __future__ import annotations

import os
from pathlib import Path

from .base import JobHandle
from .supervisor_files import SUPERVISOR, Claim, is_being_claimed, parse_claim, read_claim


def is_launched_alive(handle: JobHandle) -> bool:
    """Whether the process that was started for the job is alive."""
    metadata = handle.metadata
    return is_alive(int(handle.job_id), metadata.get("ticks") or None, metadata.get("boot_id") or None)


def is_supervisor_alive(handle: JobHandle, claim_text: str | None) -> bool:
    """Whether the process that made the claim, or that was last started to make it, is alive."""
    claim = None if claim_text is None else parse_claim(claim_text)
    if claim is not None:
        return is_alive(claim.pid, claim.ticks, claim.boot_id)
    if claim_text is None:
        return is_launched_alive(handle)
    path = Path(handle.metadata["claim"])
    return is_being_claimed(path) or is_launched_alive(handle) or supervisor_of(path) is not None


def live_supervisor(handle: JobHandle) -> int | None:
    """The process id of the supervisor, if it is alive: the holder of the claim, else the process that was started."""
    metadata = handle.metadata
    claim = read_claim(Path(metadata["claim"])) if metadata.get("claim") else None
    if claim is None:
        claim = Claim(int(handle.job_id), metadata.get("ticks") or 0, metadata.get("boot_id") or "")
    return claim.pid if is_alive(claim.pid, claim.ticks or None, claim.boot_id or None) else None


def supervisor_of(claim: Path) -> int | None:
    """Return the process that was started to make this claim, found by its command line; None where there is none.

    It is for a claim that names no supervisor. It reads every process's command line, which takes milliseconds.
    """
    arguments = b"\0".join(os.fsencode(word) for word in (SUPERVISOR, claim.absolute(), ""))
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            is_supervisor = arguments in path.read_bytes()
        except OSError:
            continue  # it ended meanwhile
        if is_supervisor and is_alive(int(path.parent.name)):
            return int(path.parent.name)
    return None


def is_alive(pid: int, ticks: int | None = None, boot_id: str | None = None) -> bool:
    """Whether this very process is alive: not a zombie, and not another process that got the same number since.

    A process that may not be inspected counts as alive.
    """
    if pid <= 0 or (boot_id is not None and boot_id != this_boot()):
        return False
    stat = stat_of(pid)
    if stat is not None:
        state, since = stat
        return state not in {"Z", "X"} and ticks in {None, since}
    try:
        os.kill(pid, 0)
    except PermissionError:
        return True
    except (ProcessLookupError, OverflowError):
        return False
    return not Path("/proc/self/stat").exists()  # a system without /proc; with one, the process ended just now


def this_boot() -> str:
    """Return an identifier of the present boot of this machine."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""


def this_host() -> str:
    """Return an identifier of this machine."""
    try:
        name = Path("/etc/machine-id").read_text(encoding="ascii").strip()
    except OSError:
        name = ""
    return name or os.uname().nodename


def stat_of(pid: int) -> tuple[str, int] | None:
    """The state of a process and its start in clock ticks after boot; None where they cannot be read."""
    try:
        text = Path(f"/proc/{pid}/stat").read_bytes()
    except (OSError, ValueError):
        return None
    fields = text.rpartition(b") ")[2].split()
    return fields[0].decode("ascii"), int(fields[19])
