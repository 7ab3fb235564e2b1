"""Which sandbox this host can do, and which Python a job can run in it: found out by trying, again after a change."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Hashable
from pathlib import Path
from typing import Final

from syft_job.errors import ConfigError
from syft_job.execution.backends.private_argv import open_private_arguments
from syft_job.execution.command import Command
from syft_job.model.job_ref import expand_user

from . import host_mounts, interpreters, namespaces
from .bare import Bare, bare
from .base import Sandbox, Workspace
from .bind_mounts import Mount
from .bubblewrap import DROPPED_USER, Bubblewrap
from .protected import ProtectedPlace, places_of_user

SYSTEM_PYTHON: Final = Path("/usr/bin/python3")
_PROBE_SECONDS: Final = 20.0


def best_available(user: str = DROPPED_USER) -> Sandbox:
    """Return `bubblewrap` where this host can do it, else `bare`. Tried once per process, by doing it."""
    found, _ = _probe(user)
    return found or bare


def why_not(user: str = DROPPED_USER) -> str | None:
    """Return why this host has no bubblewrap, in one sentence with what to do; None where it has."""
    return _probe(user)[1]


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
    found, reason = _probe(user)
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


def usable_interpreter(
    configured: Path | str | None, sandbox: Sandbox | None = None, protected: tuple[ProtectedPlace, ...] = ()
) -> Path:
    """Return the Python that jobs run with: the ``configured`` one, which is never replaced by another.

    Without a configured one it is the Python that runs this, or the system's where that one cannot be used. What is
    returned was started in the sandbox, once per process and state of the file.

    Args:
        configured: what the owner set; None if nothing is set.
        sandbox: where jobs run; by default the best one that there is.
        protected: what no sandbox may show, beside the places of the user.

    Raises:
        ConfigError: there is none that can be used; the message says why.
    """
    place = sandbox or best_available()
    if configured is not None:
        wanted = expand_user(configured).absolute()
        if reason := _why_unusable(wanted, place, protected, is_configured=True):
            raise ConfigError(
                f"The Python that is configured, {wanted}, cannot be used under {place.name}: {reason} Set `python` to"
                " one that can, or remove the setting."
            )
        return wanted
    reasons = []
    candidates = [Path(sys.executable), SYSTEM_PYTHON] if sys.executable else [SYSTEM_PYTHON]
    for python in dict.fromkeys(candidates):
        reason = _why_unusable(python, place, protected, is_configured=False)
        if reason is None:
            return python
        reasons.append(f"{python}: {reason}")
    raise ConfigError(f"No Python can be used under {place.name}. {' '.join(reasons)} Install Python 3.")


def _why_unusable(
    python: Path, sandbox: Sandbox, protected: tuple[ProtectedPlace, ...], *, is_configured: bool
) -> str | None:
    """Why jobs cannot run with this Python, as a sentence; None if they can."""
    places = (*places_of_user(), *protected)
    untrusted = sandbox.dropped_uid if isinstance(sandbox, Bubblewrap) else None
    try:
        if isinstance(sandbox, Bare):
            interpreters.refuse_program(python, places)
            mounts: tuple[Mount, ...] = ()
        else:
            mounts = interpreters.inspect(python, places, untrusted).mounts
    except ConfigError as error:
        return str(error)
    if not mounts and not is_configured:
        return None  # the system's own, or the one that runs this without a sandbox
    failure = _start_failure(python, sandbox, protected, mounts, interpreters.state_of(python))
    return None if failure is None else f"it does not start there ({failure})."


@functools.lru_cache(maxsize=16)
def _start_failure(
    python: Path,
    sandbox: Sandbox,
    protected: tuple[ProtectedPlace, ...],
    _mounts: tuple[Mount, ...],
    _state: Hashable,
) -> str | None:
    """Why this Python does not start in the sandbox; None if it does. Tried again when one of its files is replaced."""
    argv = (str(python), "-I", "-S", "-c", "import encodings, json, sys; print(json.dumps(sys.version_info[0]))")
    workspace = Workspace(root=Path("/usr"), interpreter=python, protected=protected)
    return _try(sandbox, argv, workspace, output=b"3")


def forget_findings() -> None:
    """Try sandboxes and interpreters anew when they are needed next: what was found may not be so any more."""
    _probe_once.cache_clear()
    _start_failure.cache_clear()


def probed_at(user: str = DROPPED_USER) -> float:
    """Return the time, of the monotonic clock, at which bubblewrap was tried last; it is tried now if it never was."""
    return _probe_once(user, os.geteuid(), host_state())[0]


def _probe(user: str) -> tuple[Bubblewrap | None, str | None]:
    """The sandbox that works here, or why none does; tried again when a switch of the kernel or a program changes."""
    return _probe_once(user, os.geteuid(), host_state())[1:]


def host_state() -> Hashable:
    """Return what decides whether bubblewrap works here, as far as that can be read without starting it."""
    programs: list[Hashable] = []
    for name in ("bwrap", "setpriv"):
        try:
            path = shutil.which(name, path=host_mounts.TOOLS)
            found = None if path is None else os.stat(path)
        except FileNotFoundError:  # it was removed between the two calls
            found = None
        programs.append(found and (path, found.st_dev, found.st_ino, found.st_mtime_ns))
    return (*programs, namespaces.switches())


@functools.lru_cache(maxsize=8)
def _probe_once(user: str, _uid: int, _state: Hashable) -> tuple[float, Bubblewrap | None, str | None]:
    return (time.monotonic(), *_probe_now(user))


def _probe_now(user: str) -> tuple[Bubblewrap | None, str | None]:
    if sys.platform != "linux":
        return None, "bubblewrap exists for Linux only."
    if shutil.which("bwrap", path=host_mounts.TOOLS) is None:
        return None, "it is not installed. Install the package bubblewrap."
    reason: str | None = None
    for modern in (True, False):
        sandbox = Bubblewrap(user, modern=modern)
        try:
            reason = _try(sandbox, ("/bin/echo", "inside"), Workspace(root=Path("/usr")), output=b"inside")
        except ConfigError as error:
            return None, str(error)
        if reason is None:
            return sandbox, None
    forbidden = namespaces.why_forbidden()
    if forbidden is not None:
        return None, f"it does not work here ({reason}): {forbidden}"
    return None, f"it does not work here ({reason}). Are unprivileged user namespaces forbidden?"


def _try(sandbox: Sandbox, argv: tuple[str, ...], workspace: Workspace, output: bytes) -> str | None:
    """Why that command does not run in the sandbox and print ``output``; None if it does."""
    command = sandbox(Command(argv=argv, env={}), workspace)
    try:
        with open_private_arguments(command) as started:
            done = subprocess.run(
                started.argv, env=dict(command.env or {}), stdin=subprocess.DEVNULL, capture_output=True, check=False,
                cwd="/", timeout=_PROBE_SECONDS, pass_fds=started.pass_fds,
            )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    said = done.stderr.decode("utf-8", errors="replace").strip().rpartition("\n")[2]
    if done.returncode != 0:
        return said or f"return code {done.returncode}"
    return None if done.stdout.strip() == output else f"it printed {done.stdout[:80]!r} instead of {output!r}"
