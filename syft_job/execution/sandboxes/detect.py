"""Detect which sandbox works on this host and which Python runs in it, by trying; again after a relevant change."""

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
from .protected import ProtectedPath, user_protected_paths

SYSTEM_PYTHON: Final = Path("/usr/bin/python3")
_PROBE_TIMEOUT_S: Final = 20.0


def best_available(user: str = DROPPED_USER) -> Sandbox:
    """Return `bubblewrap` if it works on this host, else `bare`; the result is cached for the state of the host.

    Args:
        user: the user to whom root drops jobs.
    """
    sandbox, _ = _probe(user)
    return sandbox or bare


def unavailable_reason(user: str = DROPPED_USER) -> str | None:
    """Return why bubblewrap does not work on this host, in one sentence with the remedy; None if it does."""
    return _probe(user)[1]


def get_sandbox(name: str, user: str = DROPPED_USER) -> Sandbox:
    """Return the sandbox of a name.

    Args:
        name: `bare`, `bubblewrap`, or `auto` for the strongest that works.
        user: the user to whom root drops jobs.

    Raises:
        ConfigError: there is none of that name, or it does not work on this host.
    """
    if name == "auto":
        return best_available(user)
    if name == "bare":
        return bare
    if name != "bubblewrap":
        raise ConfigError(f"There is no sandbox {name!r}; there are auto, bubblewrap and bare.")
    sandbox, reason = _probe(user)
    if sandbox is None:
        raise ConfigError(f"bubblewrap cannot be used here: {reason}")
    return sandbox


def describe(sandbox: Sandbox) -> str:
    """Return one line for approvals and starts: the sandbox's name, and what it contains or not."""
    gaps = [part.what for part in sandbox.contains if not part.holds]
    if isinstance(sandbox, Bare):
        return f"{sandbox.name}: NOT CONTAINED ({', '.join(gaps)})"
    contained = [part.what for part in sandbox.contains if part.holds]
    return f"{sandbox.name}: contained ({', '.join(contained)})"


def usable_interpreter(
    configured: Path | str | None, sandbox: Sandbox | None = None, protected: tuple[ProtectedPath, ...] = ()
) -> Path:
    """Return the Python that jobs run with: the configured one, which is never replaced by another.

    Without a configured one it is the Python of this process, or else the system's. The one that is returned was
    started in the sandbox, once per process and state of its files.

    Args:
        configured: the owner's setting, or None.
        sandbox: the sandbox of jobs; by default the strongest that works.
        protected: what no sandbox may show, in addition to the paths of the user.

    Raises:
        ConfigError: none can be used; the message states the reason.
    """
    sandbox = sandbox or best_available()
    if configured is not None:
        wanted = expand_user(configured).absolute()
        if reason := _unusable_reason(wanted, sandbox, protected, is_configured=True):
            raise ConfigError(
                f"The Python that is configured, {wanted}, cannot be used under {sandbox.name}: {reason} Set `python`"
                " to one that can, or remove the setting."
            )
        return wanted
    reasons = []
    candidates = [Path(sys.executable), SYSTEM_PYTHON] if sys.executable else [SYSTEM_PYTHON]
    for python in dict.fromkeys(candidates):
        reason = _unusable_reason(python, sandbox, protected, is_configured=False)
        if reason is None:
            return python
        reasons.append(f"{python}: {reason}")
    raise ConfigError(f"No Python can be used under {sandbox.name}. {' '.join(reasons)} Install Python 3.")


def _unusable_reason(
    python: Path, sandbox: Sandbox, protected: tuple[ProtectedPath, ...], *, is_configured: bool
) -> str | None:
    """Return why jobs cannot run with this Python, as a sentence; None if they can."""
    all_protected = (*user_protected_paths(), *protected)
    job_uid = sandbox.dropped_uid if isinstance(sandbox, Bubblewrap) else None
    try:
        if isinstance(sandbox, Bare):
            interpreters.refuse_program(python, all_protected)
            mounts: tuple[Mount, ...] = ()
        else:
            mounts = interpreters.inspect(python, all_protected, job_uid).mounts
    except ConfigError as error:
        return str(error)
    if not mounts and not is_configured:
        return None  # the system's own, or that of this process without a sandbox
    failure = _start_failure(python, sandbox, protected, mounts, interpreters.state_of(python))
    return None if failure is None else f"it does not start there ({failure})."


@functools.lru_cache(maxsize=16)
def _start_failure(
    python: Path,
    sandbox: Sandbox,
    protected: tuple[ProtectedPath, ...],
    _mounts: tuple[Mount, ...],
    _state: Hashable,
) -> str | None:
    """Return why this Python does not start in the sandbox; None if it does. Tried again if its files are replaced."""
    argv = (str(python), "-I", "-S", "-c", "import encodings, json, sys; print(json.dumps(sys.version_info[0]))")
    workspace = Workspace(root=Path("/usr"), interpreter=python, protected=protected)
    return _try(sandbox, argv, workspace, output=b"3")


def clear_probe_cache() -> None:
    """Let sandboxes and interpreters be tried again when they are needed next."""
    _probe_once.cache_clear()
    _start_failure.cache_clear()


def probed_at(user: str = DROPPED_USER) -> float:
    """Return the time, of the monotonic clock, at which bubblewrap was last tried; if it never was, try it."""
    return _probe_once(user, os.geteuid(), host_state())[0]


def _probe(user: str) -> tuple[Bubblewrap | None, str | None]:
    """Return the bubblewrap that works here, or why none does; tried again if `host_state` changes."""
    return _probe_once(user, os.geteuid(), host_state())[1:]


def host_state() -> Hashable:
    """Return what determines whether bubblewrap works here, as far as it can be read without starting it."""
    programs: list[Hashable] = []
    for name in ("bwrap", "setpriv"):
        try:
            path = shutil.which(name, path=host_mounts.TOOLS)
            status = None if path is None else os.stat(path)
        except FileNotFoundError:  # it was removed between the two calls
            status = None
        programs.append(status and (path, status.st_dev, status.st_ino, status.st_mtime_ns))
    return (*programs, namespaces.settings())


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
    setting_reason = namespaces.forbidden_reason()
    if setting_reason is not None:
        return None, f"it does not work here ({reason}): {setting_reason}"
    return None, f"it does not work here ({reason}). Are unprivileged user namespaces forbidden?"


def _try(sandbox: Sandbox, argv: tuple[str, ...], workspace: Workspace, output: bytes) -> str | None:
    """Return why a command does not run in the sandbox and print ``output``; None if it does."""
    command = sandbox(Command(argv=argv, env={}), workspace)
    try:
        with open_private_arguments(command) as started:
            done = subprocess.run(
                started.argv, env=dict(command.env or {}), stdin=subprocess.DEVNULL, capture_output=True, check=False,
                cwd="/", timeout=_PROBE_TIMEOUT_S, pass_fds=started.pass_fds,
            )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    last_line = done.stderr.decode("utf-8", errors="replace").strip().rpartition("\n")[2]
    if done.returncode != 0:
        return last_line or f"return code {done.returncode}"
    return None if done.stdout.strip() == output else f"it printed {done.stdout[:80]!r} instead of {output!r}"
