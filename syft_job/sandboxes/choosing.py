"""Which sandbox this host can do, and which Python a job can run in it: found out by trying, once per process."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

from syft_job.backends.base import Command
from syft_job.errors import ConfigError

from . import host
from .base import Sandbox, Workspace
from .boxed import DROPPED_USER, Bubblewrap
from .nothing import Bare, bare

SYSTEM_PYTHON: Final = Path("/usr/bin/python3")
_PROBE_SECONDS: Final = 20.0


def best_available(user: str = DROPPED_USER) -> Sandbox:
    """Return `bubblewrap` where this host can do it, else `bare`. Tried once per process, by doing it."""
    found, _ = _probe(user, os.geteuid())
    return found or bare


def why_not(user: str = DROPPED_USER) -> str | None:
    """Return why this host has no bubblewrap, in one sentence with what to do; None where it has."""
    return _probe(user, os.geteuid())[1]


def by_name(name: str, user: str = DROPPED_USER) -> Sandbox:
    """Return the sandbox of that name: `bare`, `bubblewrap`, or `auto` for the best that there is.

    Raises:
        ConfigError: there is none of that name, or this host cannot do it.
    """
    if name == "auto":
        return best_available(user)
    if name == "bare":
        return bare
    if name != "bubblewrap":
        raise ConfigError(f"There is no sandbox {name!r}; there are auto, bubblewrap and bare.")
    found, reason = _probe(user, os.geteuid())
    if found is None:
        raise ConfigError(f"bubblewrap cannot be used here: {reason}")
    return found


def describe(sandbox: Sandbox) -> str:
    """Return one line for approvals and starts: the sandbox's name, and what it does not contain."""
    gaps = [part.what for part in sandbox.contains if not part.holds]
    if isinstance(sandbox, Bare):
        return f"{sandbox.name}: NOT CONTAINED ({', '.join(gaps)})"
    held = [part.what for part in sandbox.contains if part.holds]
    return f"{sandbox.name}: contained ({', '.join(held)})"


def usable_interpreter(candidate: Path | str | None, sandbox: Sandbox | None = None) -> Path:
    """Return the Python that a job can really run: ``candidate`` if it starts in the sandbox, else the system's.

    ``candidate`` None is the one that runs this. Tried once per process, by starting it.

    Raises:
        ConfigError: neither can be run.
    """
    wanted = Path(candidate or sys.executable).absolute()
    place = sandbox or best_available()
    for python in (wanted, SYSTEM_PYTHON):
        if _starts(python, place):
            return python
    raise ConfigError(
        f"No Python can be run under {place.name}: neither {wanted} (can the job's user read it?) nor {SYSTEM_PYTHON}."
    )


def why_broken(sandbox: Sandbox) -> str | None:
    """Return why nothing can be run in ``sandbox`` now, found by running something; None where it can. Not cached."""
    try:
        return _try(sandbox, ("/bin/true",), Workspace(root=Path("/usr")))
    except ConfigError as error:
        return str(error)


@functools.cache
def _starts(python: Path, sandbox: Sandbox) -> bool:
    if not os.access(python, os.X_OK):
        return False
    if isinstance(sandbox, Bare) or host.is_system(python):
        return True
    argv = (str(python), "-I", "-S", "-c", "import encodings, json")
    return _try(sandbox, argv, Workspace(root=Path("/usr"), interpreter=python)) is None


@functools.cache
def _probe(user: str, _uid: int) -> tuple[Bubblewrap | None, str | None]:
    if sys.platform != "linux":
        return None, "bubblewrap exists for Linux only."
    if shutil.which("bwrap", path=host.TOOLS) is None:
        return None, "it is not installed. Install the package bubblewrap."
    reason: str | None = None
    for modern in (True, False):
        sandbox = Bubblewrap(user, modern=modern)
        try:
            reason = _try(sandbox, ("/bin/true",), Workspace(root=Path("/usr")))
        except ConfigError as error:
            return None, str(error)
        if reason is None:
            return sandbox, None
    return None, f"it does not work here ({reason}). Are unprivileged user namespaces forbidden?"


def _try(sandbox: Sandbox, argv: tuple[str, ...], workspace: Workspace) -> str | None:
    """Why that command does not run in the sandbox; None if it does."""
    command = sandbox(Command(argv=argv, env={}), workspace)
    try:
        done = subprocess.run(
            command.argv, env=dict(command.env or {}), stdin=subprocess.DEVNULL, capture_output=True, check=False,
            cwd="/", timeout=_PROBE_SECONDS,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    said = done.stderr.decode("utf-8", errors="replace").strip().rpartition("\n")[2]
    return None if done.returncode == 0 else said or f"return code {done.returncode}"
