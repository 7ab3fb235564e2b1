"""What a job may use at most, and in which words a reviewer is told so.

This module knows the amounts, how two sets of them are merged, and how the kernel's own limits are asked for. What
else holds them (the supervisor: time and logs; a sandbox: processes of its own) is its callers' business.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Final

from .units import Duration, Memory

PRLIMIT: Final = "/usr/bin/prlimit"
EVERY: Final = frozenset(
    {"wall_seconds", "memory_bytes", "processes", "file_bytes", "disk_bytes", "log_bytes", "open_files", "cpu_count"}
)
"""The names of all limits. A sandbox says which of them it really enforces."""


@dataclass(frozen=True, slots=True)
class ResourceLimits:
    """What one attempt may use at most; None is no limit. Seconds, bytes and counts.

    ``wall_seconds`` is time on the clock, after which the job is asked to end (SIGTERM) and ``grace_seconds`` later
    killed. ``memory_bytes`` is the address space of each process, ``processes`` the number of processes and threads,
    ``file_bytes`` the size of each file, ``disk_bytes`` what the attempt's folder holds, logs and all, measured from
    time to time: with more the job is killed. ``log_bytes`` is what is kept of stdout and of stderr each: the rest is
    thrown away and the job goes on. ``cpu_count`` is a wish: a local machine shares its processors as they come.
    """

    wall_seconds: float | None = None
    grace_seconds: float = 5.0
    memory_bytes: int | None = None
    processes: int | None = None
    file_bytes: int | None = None
    disk_bytes: int | None = None
    log_bytes: int | None = 16 * 2**20
    open_files: int | None = None
    cpu_count: int | None = None

    def __post_init__(self) -> None:
        for name in (field.name for field in dataclasses.fields(self)):
            amount = getattr(self, name)
            if amount is not None and not 0 <= amount <= 2**53:
                raise ValueError(f"{name} must be an amount from 0 on, not {amount!r}")

    @property
    def asked(self) -> frozenset[str]:
        """The names of the limits that are set."""
        return frozenset(name for name in EVERY if getattr(self, name) is not None)

    def without_kernel(self) -> ResourceLimits:
        """Return the limits that are left when `kernel_argv` holds the others."""
        return dataclasses.replace(self, memory_bytes=None, processes=None, file_bytes=None, open_files=None)


def tighter(asked: ResourceLimits, ceiling: ResourceLimits) -> ResourceLimits:
    """Return for each limit the smaller of what is asked for and what the owner allows; None gives way to a number."""
    smaller: dict[str, Any] = {}
    for field in dataclasses.fields(ResourceLimits):
        amounts = [amount for limits in (asked, ceiling) if (amount := getattr(limits, field.name)) is not None]
        smaller[field.name] = min(amounts, default=None)
    return ResourceLimits(**smaller)


def limits_of(
    *, time: Duration | None = None, memory: Memory | None = None, cpu_count: int | None = None, ceiling: ResourceLimits
) -> ResourceLimits:
    """Return the limits of a job that asks for these resources, under the owner's ceiling."""
    asked = ResourceLimits(
        wall_seconds=None if time is None else time.seconds,
        grace_seconds=ceiling.grace_seconds,
        memory_bytes=None if memory is None else memory.bytes,
        log_bytes=None,
        cpu_count=cpu_count,
    )
    return tighter(asked, ceiling)


def kernel_argv(limits: ResourceLimits) -> tuple[str, ...]:
    """Return what to put before a command so that the kernel holds memory, processes, file size and open files."""
    amounts = {
        "--as": limits.memory_bytes,
        "--nproc": limits.processes,
        "--fsize": limits.file_bytes,
        "--nofile": limits.open_files,
    }
    flags = tuple(f"{flag}={amount}:{amount}" for flag, amount in amounts.items() if amount is not None)
    return (PRLIMIT, *flags, "--") if flags else ()


def words(limits: ResourceLimits, enforced: Collection[str] = EVERY) -> list[str]:
    """Return one sentence for each limit, for a review; what is not ``enforced`` is said to be so."""
    said = []
    for name, sentence in _sentences(limits):
        said.append(sentence if name in enforced else f"{sentence[:-1]} — not enforced here.")
    return said


def _sentences(limits: ResourceLimits) -> list[tuple[str, str]]:
    found = []
    if limits.wall_seconds is None:
        found.append(("wall_seconds", "It may run for any length of time."))
    else:
        found.append(("wall_seconds", f"It is ended after {_seconds(limits.wall_seconds)}."))
    if limits.memory_bytes is not None:
        found.append(("memory_bytes", f"Each of its processes may use {Memory(limits.memory_bytes)} of memory."))
    if limits.processes is not None:
        found.append(("processes", f"It may have {limits.processes} processes and threads at once."))
    if limits.file_bytes is not None:
        found.append(("file_bytes", f"Each file that it writes may grow to {Memory(limits.file_bytes)}."))
    if limits.disk_bytes is not None:
        found.append(("disk_bytes", f"It is ended once its folder holds more than {Memory(limits.disk_bytes)}."))
    if limits.log_bytes is None:
        found.append(("log_bytes", "Whatever it prints is kept."))
    else:
        found.append(("log_bytes", f"Of stdout and stderr {Memory(limits.log_bytes)} each are kept."))
    if limits.open_files is not None:
        found.append(("open_files", f"Each of its processes may have {limits.open_files} files open."))
    if limits.cpu_count is not None:
        found.append(("cpu_count", f"It asks for {limits.cpu_count} processors."))
    return found


def _seconds(amount: float) -> str:
    return f"{amount:g} s" if amount % 1 or amount < 60 else str(Duration(int(amount)))
