"""What every sandbox shows of this machine, read-only: the system's programs and the few settings that they need."""

from __future__ import annotations

import functools
import os
import re
from pathlib import Path
from typing import Final

from .bind_mounts import Bind, Link, Mount
from .protected import ProtectedPath

TOOLS: Final = "/usr/bin:/usr/local/bin:/bin"
_ETC: Final = (
    "alternatives", "group", "ld.so.cache", "ld.so.conf", "ld.so.conf.d", "localtime", "nsswitch.conf", "passwd",
    "python3", "ssl/certs", "timezone",
)  # fmt: skip
_ROOT_LINKS: Final = ("bin", "lib", "lib32", "lib64", "libx32", "sbin")


@functools.cache
def system_mounts() -> tuple[Mount, ...]:
    """Return the mounts of the smallest root directory in which the system's programs run."""
    mounts: list[Mount] = [Bind(Path("/usr"))]
    for name in _ROOT_LINKS:
        path = Path("/", name)
        if path.is_symlink():
            mounts.append(Link(path, os.readlink(path)))
        elif path.is_dir():
            mounts.append(Bind(path))
    return (*mounts, *(Bind(Path("/etc", name), optional=True) for name in _ETC))


def is_system(path: Path, protected: tuple[ProtectedPath, ...] = ()) -> bool:
    """Return True if every sandbox shows ``path`` with the system's programs, and no protected path masks it."""
    roots = (Path("/usr"), *(Path("/", name) for name in _ROOT_LINKS))
    is_masked = any(path.is_relative_to(other.path) for other in protected)
    return not is_masked and any(path.is_relative_to(root) for root in roots)


def mount_points() -> list[Path]:
    """Return the mount points of this machine; a bound directory also shows what is mounted below it."""
    try:
        lines = Path("/proc/self/mountinfo").read_bytes().splitlines()
    except OSError:
        return []  # not Linux, or no /proc
    points = (re.sub(rb"\\([0-7]{3})", lambda code: bytes([int(code[1], 8)]), line.split()[4]) for line in lines)
    return [Path(os.fsdecode(point)) for point in points]
