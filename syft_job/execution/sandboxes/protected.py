"""The paths that no sandbox may show: private directories, the shared folder, workspaces and the home directory.

A path that a sandbox binds must not contain one of them, and an interpreter must not be inside one to which another
person or another job can write. This module lists the paths and refuses others; it mounts nothing.
"""

from __future__ import annotations

import os
import pwd
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

from syft_job.errors import ConfigError
from syft_job.home import locations
from syft_job.home.home import Home

_LOCATING_VARIABLES: Final = (
    "HOME", "SYFT_JOB_HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME",
)  # fmt: skip
SYSTEM_FOLDERS: Final = ("/usr", "/usr/bin", "/usr/lib", "/usr/lib64", "/bin", "/lib", "/lib64")
"""What every sandbox shows: a protected path cannot be one of these, nor contain one."""


@dataclass(frozen=True, slots=True)
class ProtectedPath:
    """One path that no sandbox may show.

    Attributes:
        path: without symbolic links.
        what: what it is, for messages: "the shared folder".
        may_hold_data: whether declared data may be inside it.
        may_hold_interpreter: whether an interpreter may be inside it.
    """

    path: Path
    what: str
    may_hold_data: bool = False
    may_hold_interpreter: bool = False


def user_protected_paths() -> tuple[ProtectedPath, ...]:
    """Return what is protected for every job of this user, whichever datasite it belongs to.

    The home directory ``/`` of services without one protects nothing. Links on the way to a path are resolved once per
    process and setting.
    """
    return _user_protected_paths(os.geteuid(), tuple(os.environ.get(name) for name in _LOCATING_VARIABLES))


@lru_cache(maxsize=16)
def _user_protected_paths(_uid: int, _variables: tuple[str | None, ...]) -> tuple[ProtectedPath, ...]:
    directories = {os.path.realpath(os.path.expanduser("~")), os.path.realpath(_registered_home())}
    protected = [
        ProtectedPath(Path(directory), "the home directory", may_hold_data=True, may_hold_interpreter=True)
        for directory in sorted(directories - {"/"})
    ]
    protected += [
        ProtectedPath(_real(folder), "a folder of this user's data", may_hold_data=True, may_hold_interpreter=True)
        for folder in locations.user_directories()
    ]
    protected.append(ProtectedPath(_real(locations.homes_directory()), "the folder of all homes"))
    protected.append(ProtectedPath(_real(locations.checkpoints_directory()), "the folder of ledger checkpoints"))
    return tuple(protected)


def protected_paths(home: Home) -> tuple[ProtectedPath, ...]:
    """Return what is protected for the jobs of one datasite: `user_protected_paths`, and its own directories."""
    own = (
        ProtectedPath(_real(home.path), "the home of this datasite"),
        ProtectedPath(_real(home.workspaces), "the folder of workspaces"),
        ProtectedPath(_real(home.root), "the shared folder", may_hold_data=True),
    )
    return (*user_protected_paths(), *own)


@lru_cache(maxsize=16)
def refuse_system_folders(protected: tuple[ProtectedPath, ...]) -> None:
    """Return if the system's programs can be shown without showing a protected path.

    Raises:
        ConfigError: a protected path is a system folder or contains one.
    """
    for other in protected:
        for folder in SYSTEM_FOLDERS:
            if _real(Path(folder)).is_relative_to(other.path):
                raise ConfigError(
                    f"No sandbox is possible: {other.what} is {other.path}, which holds the system's programs in"
                    f" {folder}. Move it to a directory of its own."
                )


def bind_refusal(path: Path, protected: tuple[ProtectedPath, ...], *, is_interpreter: bool) -> str | None:
    """Return why a sandbox must not bind ``path``, in a sentence that names the protected path; None if it may.

    Args:
        path: what would be bound; symbolic links in it are followed.
        protected: the protected paths.
        is_interpreter: whether it is part of an interpreter, which is executed; data is only read.
    """
    real = _real(path)
    identity = _identity(real)
    for other in protected:
        if other.path == real:
            return f"{real} is {other.what}"
        is_mounted_above = identity is not None and identity in map(_identity, (other.path, *other.path.parents))
        if other.path.is_relative_to(real) or is_mounted_above:
            return f"{real} contains {other.what} ({other.path})"
    return location_refusal(real, protected, is_interpreter=is_interpreter)


def location_refusal(path: Path, protected: tuple[ProtectedPath, ...], *, is_interpreter: bool) -> str | None:
    """Return in which protected path ``path`` is that may not hold it; None if there is none.

    A link at ``path`` is not followed. A protected path is also recognised where a bind mount shows it.
    """
    above = {_identity(parent) for parent in path.parents} | {_identity(path, follow_links=False)}
    for other in protected:
        is_allowed = other.may_hold_interpreter if is_interpreter else other.may_hold_data
        if not is_allowed and (path.is_relative_to(other.path) or (_identity(other.path) or 0) in above):
            return f"{path} is inside {other.what} ({other.path})"
    return None


def _identity(path: Path, *, follow_links: bool = True) -> tuple[int, int] | None:
    """Return device and inode, which are the same at all mounts of one directory; None if there is nothing."""
    try:
        status = os.stat(path, follow_symlinks=follow_links)
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _registered_home() -> str:
    """Return the home directory in the system's user database, whatever ``HOME`` is; "/" if there is none."""
    try:
        return pwd.getpwuid(os.geteuid()).pw_dir
    except KeyError:
        return "/"


def _real(path: Path) -> Path:
    return Path(os.path.realpath(path))
