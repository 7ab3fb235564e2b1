"""What a sandbox must show of an interpreter: the program, its library folders and its environment; nothing else.

`inspect` asks the interpreter itself and refuses one that cannot be shown without showing a protected place, or that
others can replace. Whether it starts in a sandbox is tried elsewhere.
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
from .bind_mounts import Link, Mount, along
from .host_mounts import is_system
from .protected import ProtectedPlace, why_not_bound, why_not_inside

_QUERY: Final = Path(interpreter_query.__file__)
_QUERY_TIMEOUT_S: Final = 20.0
_ENVIRONMENT_FILES: Final = ("pyvenv.cfg", "conda-meta")
"""What marks a directory as an environment: of venv, virtualenv and uv, and of conda."""
_CONDA_PARTS: Final = (
    "conda-meta", "pyvenv.cfg", "bin", "lib", "lib64", "libexec", "include", "share", "etc", "ssl",
)  # fmt: skip
_VENV_PARTS: Final = ("pyvenv.cfg", "bin", "include", "share")
_VENV_LIBRARIES: Final = ("python*", "pypy*", "*.so", "*.so.*")
"""What is shown of `lib` and `lib64` of a venv, which may be a project's folder: packages, and shared libraries."""


@dataclass(frozen=True, slots=True)
class Interpreter:
    """One Python: how it is started, and what a sandbox must show so that it runs."""

    program: Path
    mounts: tuple[Mount, ...]


def inspect(program: Path, places: tuple[ProtectedPlace, ...], untrusted: int | None = None) -> Interpreter:
    """Return what a sandbox must show of the Python ``program``.

    Args:
        program: its absolute path, which may lead over symbolic links.
        places: what no sandbox may show.
        untrusted: the user that jobs run as, where that is another one; nothing may belong to that user.

    Raises:
        ConfigError: it is no Python from 3.7 on, cannot be asked, or must not be used; the message says why.
    """
    return _inspect(program, places, untrusted, state_of(program))


def refuse_program(program: Path, places: tuple[ProtectedPlace, ...], untrusted: int | None = None) -> None:
    """Return if ``program`` is an executable file that only its owner and root can replace.

    Raises:
        ConfigError: it is missing, cannot be executed, is a script, or is where others can write.
    """
    try:
        _refuse(along(program), places, untrusted)
        if not program.is_file():  # to open a named pipe would wait for a writer
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
    program: Path, places: tuple[ProtectedPlace, ...], untrusted: int | None, _state: tuple[object, ...]
) -> Interpreter:
    refuse_program(program, places, untrusted)
    is_other = str(program) != sys.executable  # to ask this one costs nothing
    if is_other and not _environments(program, Path("/")) and _is_of_system(program, places):
        return Interpreter(program, ())
    answer = _ask(program)
    try:
        mounts = _mounts_of(program, answer, places)
        _refuse(mounts, places, untrusted)
    except OSError as error:
        raise ConfigError(f"{error.filename} cannot be read: {error.strerror}.") from error
    return Interpreter(program, tuple(mounts))


def _mounts_of(program: Path, answer: dict[str, Any], places: tuple[ProtectedPlace, ...]) -> list[Mount]:
    """What shows the program, its library and its environments, in the order of need.

    Raises:
        ConfigError: an environment cannot be shown.
        OSError: a part of it cannot be read.
    """
    needed = [program, Path(answer["base_executable"]), *map(Path, answer["library_folders"])]
    needed += [path for path in map(Path, answer["shared_libraries"]) if path.exists()]
    for prefix in _environments(program, Path(answer["base_prefix"])):
        if reason := why_not_bound(prefix, places, is_interpreter=True):
            raise ConfigError(f"it cannot be shown to jobs: its environment {reason}.")
        needed += _parts_of(prefix)
    mounts: dict[Mount, None] = {}
    for path in needed:
        mounts |= dict.fromkeys(along(path))
    return list(mounts)


def _parts_of(prefix: Path) -> list[Path]:
    """What is shown of an environment. A conda environment is a folder of its own; a venv may be a project's folder."""
    if (prefix / "conda-meta").is_dir():
        return [prefix / part for part in _CONDA_PARTS if (prefix / part).exists()]
    libraries = (
        path for folder in ("lib", "lib64") for pattern in _VENV_LIBRARIES for path in (prefix / folder).glob(pattern)
    )
    return [
        *(prefix / part for part in _VENV_PARTS if (prefix / part).exists()),
        *sorted(filter(Path.exists, libraries)),
    ]


def _is_of_system(program: Path, places: tuple[ProtectedPlace, ...]) -> bool:
    return all(is_system(mount.path, places) for mount in along(program))


def _ask(program: Path) -> dict[str, Any]:
    """What the interpreter says of itself; the one that runs this is not started again.

    Raises:
        ConfigError: it does not answer as a Python from 3.7 on does.
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
    """The environments that an interpreter belongs to: a venv is found beside the program, as Python finds it."""
    folder = program.parent
    venv = next((place for place in (folder, folder.parent) if (place / "pyvenv.cfg").is_file()), None)
    found = [] if venv is None else [venv]
    if any((base_prefix / name).exists() for name in _ENVIRONMENT_FILES):
        found.append(base_prefix)
    return list(dict.fromkeys(found))


def _refuse(mounts: Iterable[Mount], places: tuple[ProtectedPlace, ...], untrusted: int | None) -> None:
    """Return if none of these shows a protected place, and none can be replaced by others.

    Raises:
        ConfigError: one does or can; the message names it.
    """
    for mount in mounts:
        check = why_not_inside if isinstance(mount, Link) else why_not_bound  # a link alone shows nothing
        if reason := check(mount.path, places, is_interpreter=True):
            raise ConfigError(f"it cannot be shown to jobs: {reason}.")
        for path in (mount.path, *mount.path.parents):
            found = path.lstat()
            is_open = found.st_mode & stat.S_IWOTH and not stat.S_ISLNK(found.st_mode)
            if is_open and (path == mount.path or not found.st_mode & stat.S_ISVTX):
                raise ConfigError(f"every user of this machine can change {path}; run: chmod o-w {path}")
            if untrusted is not None and found.st_uid == untrusted:
                raise ConfigError(f"{path} belongs to the user that jobs run as, so that a job could replace it.")


def state_of(program: Path) -> tuple[object, ...]:
    """Return what changes when the program or its environment is replaced."""
    state: list[object] = []
    environment = program.parent.parent
    for path in (program, program.parent / "pyvenv.cfg", environment / "pyvenv.cfg", environment / "lib"):
        try:
            found = path.stat()
        except OSError as error:
            state.append(error.errno)
        else:
            state.append((found.st_dev, found.st_ino, found.st_mtime_ns, found.st_ctime_ns))
    return tuple(state)
