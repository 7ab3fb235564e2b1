"""Resource limits: what one attempt may use, how two sets are merged, and how a review describes them.

The kernel enforces some of them through prlimit(1) (`kernel_argv`), the supervisor or a sandbox the others. This module
enforces nothing.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Final

from .units import Duration, Memory

PRLIMIT: Final = "/usr/bin/prlimit"
ALL_LIMITS: Final = frozenset(
    {"wall_seconds", "memory_bytes", "processes", "file_bytes", "disk_bytes", "log_bytes", "open_files", "cpu_count"}
)
"""The names of all limits. Each sandbox states which of them it enforces."""


@dataclass(frozen=True, slots=True)
class ResourceLimits:
    """What one attempt may use at most; None is no limit.

    Attributes:
        wall_seconds: elapsed time, after which the job gets SIGTERM.
        grace_seconds: the time from then on after which it is killed.
        memory_bytes: the address space of each process.
        processes: the number of processes and threads.
        file_bytes: the size of each file that it writes.
        disk_bytes: the size of the attempt's directory with its logs, measured periodically; a job above it is killed.
        log_bytes: what is kept of stdout and of stderr each; the rest is dropped and the job goes on.
        open_files: the number of open files of each process.
        cpu_count: the number of processors that it asks for; a local machine does not enforce it.
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
    def configured(self) -> frozenset[str]:
        """The names of the limits that are set."""
        return frozenset(name for name in ALL_LIMITS if getattr(self, name) is not None)

    def without_kernel_limits(self) -> ResourceLimits:
        """Return the limits that `kernel_argv` does not enforce."""
        return dataclasses.replace(self, memory_bytes=None, processes=None, file_bytes=None, open_files=None)


def stricter_limits(requested: ResourceLimits, ceiling: ResourceLimits) -> ResourceLimits:
    """Return, limit by limit, the smaller of the requested and the allowed amount; a number is smaller than None.

    Args:
        requested: what the job asks for.
        ceiling: what the owner allows.
    """
    smaller: dict[str, Any] = {}
    for field in dataclasses.fields(ResourceLimits):
        amounts = [amount for limits in (requested, ceiling) if (amount := getattr(limits, field.name)) is not None]
        smaller[field.name] = min(amounts, default=None)
    return ResourceLimits(**smaller)


def requested_limits(
    *, time: Duration | None = None, memory: Memory | None = None, cpu_count: int | None = None, ceiling: ResourceLimits
) -> ResourceLimits:
    """Return the limits of a job that requests these resources, under the owner's ceiling.

    Args:
        time: the elapsed time that it may take.
        memory: the memory of each process.
        cpu_count: the number of processors.
        ceiling: what the owner allows.
    """
    requested = ResourceLimits(
        wall_seconds=None if time is None else time.seconds,
        grace_seconds=ceiling.grace_seconds,
        memory_bytes=None if memory is None else memory.bytes,
        log_bytes=None,
        cpu_count=cpu_count,
    )
    return stricter_limits(requested, ceiling)


def kernel_argv(limits: ResourceLimits) -> tuple[str, ...]:
    """Return the prefix of a command with which the kernel limits memory, processes, file size and open files.

    It is empty if none of them is limited (prlimit(1)).
    """
    amounts = {
        "--as": limits.memory_bytes,
        "--nproc": limits.processes,
        "--fsize": limits.file_bytes,
        "--nofile": limits.open_files,
    }
    flags = tuple(f"{flag}={amount}:{amount}" for flag, amount in amounts.items() if amount is not None)
    return (PRLIMIT, *flags, "--") if flags else ()


def describe_limits(limits: ResourceLimits, enforced: Collection[str] = ALL_LIMITS) -> list[str]:
    """Return one sentence for each limit, for a review.

    Args:
        limits: the limits of an attempt.
        enforced: the names of the limits that are enforced; the sentences of the others state that they are not.
    """
    sentences = []
    for name, sentence in _sentences(limits):
        sentences.append(sentence if name in enforced else f"{sentence[:-1]} — not enforced here.")
    return sentences


def _sentences(limits: ResourceLimits) -> list[tuple[str, str]]:
    sentences = []
    if limits.wall_seconds is None:
        sentences.append(("wall_seconds", "It may run for any length of time."))
    else:
        sentences.append(("wall_seconds", f"It is ended after {_duration_text(limits.wall_seconds)}."))
    if limits.memory_bytes is not None:
        sentences.append(("memory_bytes", f"Each of its processes may use {Memory(limits.memory_bytes)} of memory."))
    if limits.processes is not None:
        sentences.append(("processes", f"It may have {limits.processes} processes and threads at once."))
    if limits.file_bytes is not None:
        sentences.append(("file_bytes", f"Each file that it writes may grow to {Memory(limits.file_bytes)}."))
    if limits.disk_bytes is not None:
        sentences.append(("disk_bytes", f"It is ended once its folder holds more than {Memory(limits.disk_bytes)}."))
    if limits.log_bytes is None:
        sentences.append(("log_bytes", "Whatever it prints is kept."))
    else:
        sentences.append(("log_bytes", f"Of stdout and stderr {Memory(limits.log_bytes)} each are kept."))
    if limits.open_files is not None:
        sentences.append(("open_files", f"Each of its processes may have {limits.open_files} files open."))
    if limits.cpu_count is not None:
        sentences.append(("cpu_count", f"It asks for {limits.cpu_count} processors."))
    return sentences


def _duration_text(amount: float) -> str:
    return f"{amount:g} s" if amount % 1 or amount < 60 else str(Duration(int(amount)))
