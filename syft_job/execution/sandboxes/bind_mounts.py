"""The file system of a sandbox as a list of mounts, of which the most specific one decides.

A mount binds a path of this machine read-only under its own path, repeats a symbolic link, or masks a directory with an
empty one. The list is ordered so that what is mounted over another mount comes after it, whatever the order of adding.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from syft_job.errors import ConfigError

_MAX_LINKS: Final = 40
"""The number of symbolic links that the kernel follows in one path (path_resolution(7))."""


@dataclass(frozen=True, slots=True)
class Bind:
    """A file or directory that is shown read-only under its own path; an ``optional`` one may be missing."""

    path: Path
    optional: bool = False

    def argv(self) -> list[str]:
        """Return the options of bwrap(1) for it."""
        return ["--ro-bind-try" if self.optional else "--ro-bind", str(self.path), str(self.path)]


@dataclass(frozen=True, slots=True)
class Link:
    """A symbolic link that is created in the sandbox with the same target."""

    path: Path
    target: str

    def argv(self) -> list[str]:
        """Return the options of bwrap(1) for it."""
        return ["--symlink", self.target, str(self.path)]


@dataclass(frozen=True, slots=True)
class Mask:
    """An empty directory that is mounted over a directory."""

    path: Path

    def argv(self) -> list[str]:
        """Return the options of bwrap(1) for it."""
        return ["--tmpfs", str(self.path)]


Mount = Bind | Link | Mask


def mounts_showing(path: Path) -> list[Mount]:
    """Return the mounts that show ``path`` and nothing else: each symbolic link on the way, and the file or directory.

    Raises:
        ConfigError: it does not exist, or its symbolic links form a loop.
    """
    mounts: list[Mount] = []
    resolved = Path("/")
    remaining = list(reversed(Path(os.path.abspath(path)).parts[1:]))
    links = 0
    while remaining:
        name = remaining.pop()
        if name == "..":
            resolved = resolved.parent
            continue
        path_so_far = resolved / name
        try:
            target = os.readlink(path_so_far) if path_so_far.is_symlink() else None
        except OSError as error:
            raise ConfigError(f"{path_so_far} cannot be read: {error.strerror}.") from error
        if target is None:
            resolved = path_so_far
            continue
        links += 1
        if links > _MAX_LINKS:
            raise ConfigError(f"{path} cannot be resolved: it has more than {_MAX_LINKS} symbolic links.")
        mounts.append(Link(path_so_far, target))
        if os.path.isabs(target):
            resolved = Path("/")
        remaining += [part for part in reversed(Path(target).parts) if part not in {"/", "."}]
    try:
        resolved.lstat()
    except FileNotFoundError:
        raise ConfigError(f"{resolved} does not exist.") from None
    except OSError as error:
        raise ConfigError(f"{resolved} cannot be read: {error.strerror}.") from error
    return [*mounts, Bind(resolved)]


def order_mounts(mounts: Iterable[Mount], beneath: Iterable[Mount] = ()) -> list[Mount]:
    """Return the mounts in an order in which each comes after what it is mounted over, without redundant ones.

    A bind or link is redundant if a bound directory above shows it already, and a mask if nothing shows the directory,
    or if it is missing.

    Args:
        mounts: the mounts; of several at one path a mask has precedence, then a link.
        beneath: what is mounted before these.
    """
    by_path: dict[Path, Mount] = {mount.path: mount for mount in beneath}
    result: list[Mount] = []
    for mount in sorted(mounts, key=lambda mount: (len(mount.path.parts), str(mount.path), _rank(mount))):
        if mount.path in by_path and not isinstance(mount, Mask):
            continue
        above = next((by_path[parent] for parent in mount.path.parents if parent in by_path), None)
        is_shown = isinstance(by_path.get(mount.path, above), Bind)
        if is_shown != isinstance(mount, Mask) or (isinstance(mount, Mask) and not mount.path.is_dir()):
            continue
        by_path[mount.path] = mount
        result.append(mount)
    return result


def bwrap_options(mounts: Iterable[Mount]) -> Iterator[str]:
    """Return the options of bwrap(1) for mounts that are in order."""
    for mount in mounts:
        yield from mount.argv()


def _rank(mount: Mount) -> int:
    return (Link, Bind, Mask).index(type(mount))
