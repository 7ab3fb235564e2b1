"""What of this machine each sandbox shows, read-only: the system's programs and the few settings that they need."""

from __future__ import annotations

import functools
import os
import re
from pathlib import Path
from typing import Final

from .bind_mounts import Bind, Link, Mount
from .protected import ProtectedPlace

TOOLS: Final = "/usr/bin:/usr/local/bin:/bin"
_ETC: Final = (
    "alternatives", "group", "ld.so.cache", "ld.so.conf", "ld.so.conf.d", "localtime", "nsswitch.conf", "passwd",
    "python3", "ssl/certs", "timezone",
)  # fmt: skip
_ROOT_LINKS: Final = ("bin", "lib", "lib32", "lib64", "libx32", "sbin")


@functools.cache
def system() -> tuple[Mount, ...]:
    """Return the smallest root in which the system's programs run, read-only."""
    mounts: list[Mount] = [Bind(Path("/usr"))]
    for name in _ROOT_LINKS:
        place = Path("/", name)
        if place.is_symlink():
            mounts.append(Link(place, os.readlink(place)))
        elif place.is_dir():
            mounts.append(Bind(place))
    return (*mounts, *(Bind(Path("/etc", name), optional=True) for name in _ETC))


def is_system(path: Path, places: tuple[ProtectedPlace, ...] = ()) -> bool:
    """Whether each sandbox shows ``path`` with the system's programs, and no protected place hides it again."""
    roots = (Path("/usr"), *(Path("/", name) for name in _ROOT_LINKS))
    is_hidden = any(path.is_relative_to(place.path) for place in places)
    return not is_hidden and any(path.is_relative_to(root) for root in roots)


def mount_points() -> list[Path]:
    """Return where file systems are mounted on this machine: a bound directory shows all that is mounted below it."""
    try:
        lines = Path("/proc/self/mountinfo").read_bytes().splitlines()
    except OSError:
        return []  # no Linux, or no /proc
    points = (re.sub(rb"\\([0-7]{3})", lambda code: bytes([int(code[1], 8)]), line.split()[4]) for line in lines)
    return [Path(os.fsdecode(point)) for point in points]
