"""What of this machine a job in a sandbox is shown, read-only: the system's programs, declared data, an interpreter."""

from __future__ import annotations

import functools
import os
from pathlib import Path
from typing import Final

from .base import Workspace

TOOLS: Final = "/usr/bin:/usr/local/bin:/bin"
_ETC: Final = (
    "alternatives", "group", "ld.so.cache", "ld.so.conf", "ld.so.conf.d", "localtime", "nsswitch.conf", "passwd",
    "python3", "ssl/certs", "timezone",
)  # fmt: skip
_ROOT_LINKS: Final = ("bin", "lib", "lib32", "lib64", "libx32", "sbin")


@functools.cache
def system() -> tuple[str, ...]:
    """The smallest root in which the system's programs run, read-only."""
    argv = ["--ro-bind", "/usr", "/usr"]
    for name in _ROOT_LINKS:
        place = Path("/", name)
        if place.is_symlink():
            argv += ["--symlink", os.readlink(place), str(place)]
        elif place.is_dir():
            argv += ["--ro-bind", str(place), str(place)]
    for name in _ETC:
        argv += ["--ro-bind-try", f"/etc/{name}", f"/etc/{name}"]
    return tuple(argv)


def read_only(workspace: Workspace) -> list[str]:
    """What else is bound for this workspace: declared data, and an interpreter outside the system."""
    argv = []
    for place in workspace.readable:
        argv += ["--ro-bind", str(place.absolute()), str(place.absolute())]
    if workspace.interpreter is not None:
        for place in _prefixes(workspace.interpreter):
            argv += ["--ro-bind", str(place), str(place)]
    return argv


def _prefixes(python: Path) -> list[Path]:
    """The folders outside /usr that an interpreter needs: those of its links, its prefix, and a venv's base."""
    found: list[Path] = []
    waiting = [python.absolute()]
    while waiting:
        program = waiting.pop()
        prefix = program.parent.parent
        if is_system(program) or prefix in found or prefix == Path("/"):
            continue
        found.append(prefix)
        if program.is_symlink():
            waiting.append(program.parent / os.readlink(program))
        try:
            lines = (prefix / "pyvenv.cfg").read_text(encoding="utf-8").splitlines()
        except OSError:
            continue
        for line in lines:
            key, _, value = line.partition("=")
            if key.strip() == "home":
                waiting.append(Path(value.strip(), "python3"))
    return found


def is_system(path: Path) -> bool:
    """Whether a path lies where the system's programs are."""
    return path.is_relative_to("/usr") or any(path.is_relative_to(Path("/", name)) for name in _ROOT_LINKS)
