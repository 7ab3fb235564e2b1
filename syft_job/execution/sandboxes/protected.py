"""The places that no sandbox may show: private directories, the shared folder, workspaces and the home directory.

A path that a sandbox binds must not contain one of these places, and an interpreter must not be inside one that another
person or another job can write. This module names the places and refuses paths; it mounts nothing.
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
"""What each sandbox shows: a protected place cannot be one of these, nor contain one."""


@dataclass(frozen=True, slots=True)
class ProtectedPlace:
    """One place that no sandbox may show.

    Attributes:
        path: the place, without symbolic links.
        what: what it is, for messages: "the shared folder".
        may_hold_data: whether declared data may be inside it.
        may_hold_interpreter: whether an interpreter may be inside it.
    """

    path: Path
    what: str
    may_hold_data: bool = False
    may_hold_interpreter: bool = False


def places_of_user() -> tuple[ProtectedPlace, ...]:
    """Return what is protected for each job of this user, whichever datasite it belongs to.

    The home directory ``/``, which services have that were given none, protects nothing. Links on the way to a place
    are resolved once per process and setting.
    """
    return _places_of_user(os.geteuid(), tuple(os.environ.get(name) for name in _LOCATING_VARIABLES))


@lru_cache(maxsize=16)
def _places_of_user(_uid: int, _variables: tuple[str | None, ...]) -> tuple[ProtectedPlace, ...]:
    directories = {os.path.realpath(os.path.expanduser("~")), os.path.realpath(_registered_home())}
    places = [
        ProtectedPlace(Path(directory), "the home directory", may_hold_data=True, may_hold_interpreter=True)
        for directory in sorted(directories - {"/"})
    ]
    places += [
        ProtectedPlace(_real(folder), "a folder of this user's data", may_hold_data=True, may_hold_interpreter=True)
        for folder in locations.user_directories()
    ]
    places.append(ProtectedPlace(_real(locations.homes_directory()), "the folder of all homes"))
    places.append(ProtectedPlace(_real(locations.checkpoints_directory()), "the folder of ledger checkpoints"))
    return tuple(places)


def places_of(home: Home) -> tuple[ProtectedPlace, ...]:
    """Return what is protected for the jobs of one datasite: what `places_of_user` names, and its own places."""
    own = (
        ProtectedPlace(_real(home.path), "the home of this datasite"),
        ProtectedPlace(_real(home.workspaces), "the folder of workspaces"),
        ProtectedPlace(_real(home.root), "the shared folder", may_hold_data=True),
    )
    return (*places_of_user(), *own)


@lru_cache(maxsize=16)
def refuse_system_folders(places: tuple[ProtectedPlace, ...]) -> None:
    """Return if the system's programs can be shown without showing a protected place.

    Raises:
        ConfigError: a protected place is a system folder or contains one.
    """
    for place in places:
        for folder in SYSTEM_FOLDERS:
            if _real(Path(folder)).is_relative_to(place.path):
                raise ConfigError(
                    f"No sandbox is possible: {place.what} is {place.path}, which holds the system's programs in"
                    f" {folder}. Move it to a directory of its own."
                )


def why_not_bound(path: Path, places: tuple[ProtectedPlace, ...], *, is_interpreter: bool) -> str | None:
    """Return why a sandbox must not bind ``path``, in words that name the place; None if it may.

    Args:
        path: what would be bound; symbolic links in it are followed.
        places: the protected places.
        is_interpreter: whether it is part of an interpreter, which runs; data is only read.
    """
    real = _real(path)
    identity = _identity(real)
    for place in places:
        if place.path == real:
            return f"{real} is {place.what}"
        is_mounted_above = identity is not None and identity in map(_identity, (place.path, *place.path.parents))
        if place.path.is_relative_to(real) or is_mounted_above:
            return f"{real} contains {place.what} ({place.path})"
    return why_not_inside(real, places, is_interpreter=is_interpreter)


def why_not_inside(path: Path, places: tuple[ProtectedPlace, ...], *, is_interpreter: bool) -> str | None:
    """Return in which place ``path`` is that may not hold it; None if there is none.

    A link at ``path`` is not followed. A place is found under another path, too, at which a bind mount shows it.
    """
    above = {_identity(parent) for parent in path.parents} | {_identity(path, follow_links=False)}
    for place in places:
        is_allowed = place.may_hold_interpreter if is_interpreter else place.may_hold_data
        if not is_allowed and (path.is_relative_to(place.path) or (_identity(place.path) or 0) in above):
            return f"{path} is inside {place.what} ({place.path})"
    return None


def _identity(path: Path, *, follow_links: bool = True) -> tuple[int, int] | None:
    """What two paths of one directory have in common, however often it is mounted; None where there is nothing."""
    try:
        found = os.stat(path, follow_symlinks=follow_links)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _registered_home() -> str:
    """The home directory that the system's user database names, whatever the environment says; "/" without one."""
    try:
        return pwd.getpwuid(os.geteuid()).pw_dir
    except KeyError:
        return "/"


def _real(path: Path) -> Path:
    return Path(os.path.realpath(path))
