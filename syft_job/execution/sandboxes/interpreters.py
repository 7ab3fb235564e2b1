"""Find what a sandbox must show of an interpreter: the program, its library directories and its environment.

`inspect` queries the interpreter itself, and refuses one that cannot be shown without showing a protected path, or that
other users can replace. `detect` tries whether it starts in a sandbox.
"""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from syft_job.errors import ConfigError

from . import interpreter_query
from .bind_mounts import Link, Mount, mounts_showing
from .host_mounts import is_system
from .protected import ProtectedPath, bind_refusal, location_refusal

_QUERY: Final = Path(interpreter_query.__file__)
_QUERY_TIMEOUT_S: Final = 20.0
_ENVIRONMENT_FILES: Final = ("pyvenv.cfg", "conda-meta")
"""The files that mark a directory as an environment: of venv, virtualenv and uv, and of conda."""
_CONDA_PARTS: Final = (
    "conda-meta", "pyvenv.cfg", "bin", "lib", "lib64", "libexec", "include", "share", "etc", "ssl",
)  # fmt: skip
_VENV_PARTS: Final = ("pyvenv.cfg", "bin", "include", "share")
_VENV_LIBRARIES: Final = ("python*", "pypy*", "*.so", "*.so.*")
"""What is shown of `lib` and `lib64` of a venv, which may be a project's directory: packages and shared libraries."""


@dataclass(frozen=True, slots=True)
class Interpreter:
    """A Python interpreter.

    Attributes:
        program: the path by which it is started.
        mounts: what a sandbox must show so that it runs.
    """

    program: Path
    mounts: tuple[Mount, ...]


def inspect(program: Path, protected: tuple[ProtectedPath, ...], job_uid: int | None = None) -> Interpreter:
    """Return what a sandbox must show of the Python ``program``.

    Args:
        program: its absolute path, which may contain symbolic links.
        protected: what no sandbox may show.
        job_uid: the user that jobs run as, if it is another one than the runner's; nothing may belong to that user.

    Raises:
        ConfigError: it is no Python from 3.7 on, cannot be queried, or must not be used; the message states the reason.
    """
    return _inspect(program, protected, job_uid, state_of(program))


def refuse_program(program: Path, protected: tuple[ProtectedPath, ...], job_uid: int | None = None) -> None:
    """Return if ``program`` is an executable file that only its owner and root can replace.

    Raises:
        ConfigError: it is missing, cannot be executed, is a script, or is where others can write.
    """
    try:
        _refuse(mounts_showing(program), protected, job_uid)
        if not program.is_file():  # opening a named pipe would block until a writer opens it
            raise ConfigError(f"{program} is no program: it is not a file.")
        with program.open("rb") as file:
            start = file.read(2)
    except OSError as error:
        raise ConfigError(f"{program} cannot be read: {error.strerror}.") from error
    if not os.access(program, os.X_OK):
        raise ConfigError(f"{program} is no program: it is not executable.")
    if start == b"#!":
        raise ConfigError(f"{program} is a script that starts another program; name that program instead.")


@lru_cache(maxsize=16)
def _inspect(
    program: Path, protected: tuple[ProtectedPath, ...], job_uid: int | None, _state: tuple[object, ...]
) -> Interpreter:
    refuse_program(program, protected, job_uid)
    is_other = str(program) != sys.executable  # querying this one costs nothing
    if is_other and not _environments(program, Path("/")) and _is_of_system(program, protected):
        return Interpreter(program, ())
    answer = _query(program)
    try:
        mounts = _mounts_of(program, answer, protected)
        _refuse(mounts, protected, job_uid)
    except OSError as error:
        raise ConfigError(f"{error.filename} cannot be read: {error.strerror}.") from error
    return Interpreter(program, tuple(mounts))


def _mounts_of(program: Path, answer: dict[str, Any], protected: tuple[ProtectedPath, ...]) -> list[Mount]:
    """Return the mounts that show the program, its library and its environments.

    Raises:
        ConfigError: an environment cannot be shown.
        OSError: a part of it cannot be read.
    """
    needed = [program, Path(answer["base_executable"]), *map(Path, answer["library_folders"])]
    needed += [path for path in map(Path, answer["shared_libraries"]) if path.exists()]
    for prefix in _environments(program, Path(answer["base_prefix"])):
        if reason := bind_refusal(prefix, protected, is_interpreter=True):
            raise ConfigError(f"it cannot be shown to jobs: its environment {reason}.")
        needed += _parts_of(prefix)
    mounts: dict[Mount, None] = {}
    for path in needed:
        mounts |= dict.fromkeys(mounts_showing(path))
    return list(mounts)


def _parts_of(prefix: Path) -> list[Path]:
    """Return what is shown of an environment: all parts of conda's; of a venv, which may be a project, only its own."""
    if (prefix / "conda-meta").is_dir():
        return [prefix / part for part in _CONDA_PARTS if (prefix / part).exists()]
    libraries = (
        path for folder in ("lib", "lib64") for pattern in _VENV_LIBRARIES for path in (prefix / folder).glob(pattern)
    )
    return [
        *(prefix / part for part in _VENV_PARTS if (prefix / part).exists()),
        *sorted(filter(Path.exists, libraries)),
    ]


def _is_of_system(program: Path, protected: tuple[ProtectedPath, ...]) -> bool:
    return all(is_system(mount.path, protected) for mount in mounts_showing(program))


def _query(program: Path) -> dict[str, Any]:
    """Return what `interpreter_query` reports; the interpreter of this process is not started again.

    Raises:
        ConfigError: it is no working Python from 3.7 on.
    """
    if str(program) == sys.executable:
        return interpreter_query.describe()
    argv = (str(program), "-I", "-S", str(_QUERY))
    try:
        done = subprocess.run(
            argv, env={}, cwd="/", stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=_QUERY_TIMEOUT_S
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ConfigError(f"{program} cannot be started: {error}.") from error
    try:
        answer = json.loads(done.stdout)
        if not isinstance(answer, dict) or not interpreter_query.describe().keys() <= answer.keys():
            raise ValueError("it answers something else")
    except ValueError:
        last = done.stderr.decode("utf-8", errors="replace").strip(" \n.").rpartition("\n")[2]
        raise ConfigError(
            f"{program} is no Python 3.7 or later that works: {last or 'it does not answer as one'}."
        ) from None
    return answer


def _environments(program: Path, base_prefix: Path) -> list[Path]:
    """Return the environments of an interpreter; a venv is found beside the program, as Python finds it (PEP 405)."""
    directory = program.parent
    candidates = (directory, directory.parent)
    venv = next((path for path in candidates if (path / "pyvenv.cfg").is_file()), None)
    environments = [] if venv is None else [venv]
    if any((base_prefix / name).exists() for name in _ENVIRONMENT_FILES):
        environments.append(base_prefix)
    return list(dict.fromkeys(environments))


def _refuse(mounts: Iterable[Mount], protected: tuple[ProtectedPath, ...], job_uid: int | None) -> None:
    """Return if no mount shows a protected path, and no other user can replace what it shows.

    Raises:
        ConfigError: one does or can; the message names it.
    """
    for mount in mounts:
        refusal = location_refusal if isinstance(mount, Link) else bind_refusal  # a link by itself shows nothing
        if reason := refusal(mount.path, protected, is_interpreter=True):
            raise ConfigError(f"it cannot be shown to jobs: {reason}.")
        for path in (mount.path, *mount.path.parents):
            status = path.lstat()
            is_open = status.st_mode & stat.S_IWOTH and not stat.S_ISLNK(status.st_mode)
            if is_open and (path == mount.path or not status.st_mode & stat.S_ISVTX):
                raise ConfigError(f"every user of this machine can change {path}; run: chmod o-w {path}")
            if job_uid is not None and status.st_uid == job_uid:
                raise ConfigError(f"{path} belongs to the user that jobs run as, so that a job could replace it.")


def state_of(program: Path) -> tuple[object, ...]:
    """Return what changes when the program or its environment is replaced."""
    state: list[object] = []
    environment = program.parent.parent
    for path in (program, program.parent / "pyvenv.cfg", environment / "pyvenv.cfg", environment / "lib"):
        try:
            status = path.stat()
        except OSError as error:
            state.append(error.errno)
        else:
            state.append((status.st_dev, status.st_ino, status.st_mtime_ns, status.st_ctime_ns))
    return tuple(state)
