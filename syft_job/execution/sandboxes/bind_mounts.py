"""The file system of a sandbox as a list of mounts, of which the most specific one counts.

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
"""As many symbolic links as the kernel follows on one path."""


@dataclass(frozen=True, slots=True)
class Bind:
    """A file or directory, shown read-only under its own path; ``optional`` where it may be missing."""

    path: Path
    optional: bool = False

    def argv(self) -> list[str]:
        """Return bubblewrap's options for it."""
        return ["--ro-bind-try" if self.optional else "--ro-bind", str(self.path), str(self.path)]


@dataclass(frozen=True, slots=True)
class Link:
    """A symbolic link, repeated as it is."""

    path: Path
    target: str

    def argv(self) -> list[str]:
        """Return bubblewrap's options for it."""
        return ["--symlink", self.target, str(self.path)]


@dataclass(frozen=True, slots=True)
class Mask:
    """An empty directory over what is there."""

    path: Path

    def argv(self) -> list[str]:
        """Return bubblewrap's options for it."""
        return ["--tmpfs", str(self.path)]


Mount = Bind | Link | Mask


def along(path: Path) -> list[Mount]:
    """Return what shows ``path``, and nothing beside it: each symbolic link on the way, and the file or directory.

    Raises:
        ConfigError: it does not exist, or its symbolic links have no end.
    """
    mounts: list[Mount] = []
    resolved = Path("/")
    waiting = list(reversed(Path(os.path.abspath(path)).parts[1:]))
    links = 0
    while waiting:
        name = waiting.pop()
        if name == "..":
            resolved = resolved.parent
            continue
        here = resolved / name
        try:
            target = os.readlink(here) if here.is_symlink() else None
        except OSError as error:
            raise ConfigError(f"{here} cannot be read: {error.strerror}.") from error
        if target is None:
            resolved = here
            continue
        links += 1
        if links > _MAX_LINKS:
            raise ConfigError(f"{path} cannot be resolved: it has more than {_MAX_LINKS} symbolic links.")
        mounts.append(Link(here, target))
        if os.path.isabs(target):
            resolved = Path("/")
        waiting += [part for part in reversed(Path(target).parts) if part not in {"/", "."}]
    try:
        resolved.lstat()
    except FileNotFoundError:
        raise ConfigError(f"{resolved} does not exist.") from None
    except OSError as error:
        raise ConfigError(f"{resolved} cannot be read: {error.strerror}.") from error
    return [*mounts, Bind(resolved)]


def ordered(mounts: Iterable[Mount], beneath: Iterable[Mount] = ()) -> list[Mount]:
    """Return the mounts without those that change nothing, each after what it is mounted over.

    Args:
        mounts: the mounts; of several at one path a mask counts most, then a link.
        beneath: what is mounted before these.

    A bind or link is left out where a bound directory above shows it already, and a mask where nothing shows the
    directory or where it is absent.
    """
    kept: dict[Path, Mount] = {mount.path: mount for mount in beneath}
    fresh: list[Mount] = []
    for mount in sorted(mounts, key=lambda mount: (len(mount.path.parts), str(mount.path), _rank(mount))):
        if mount.path in kept and not isinstance(mount, Mask):
            continue
        above = next((kept[parent] for parent in mount.path.parents if parent in kept), None)
        is_shown = isinstance(kept.get(mount.path, above), Bind)
        if is_shown != isinstance(mount, Mask) or (isinstance(mount, Mask) and not mount.path.is_dir()):
            continue
        kept[mount.path] = mount
        fresh.append(mount)
    return fresh


def options(mounts: Iterable[Mount]) -> Iterator[str]:
    """Return bubblewrap's options for mounts that are in order."""
    for mount in mounts:
        yield from mount.argv()


def _rank(mount: Mount) -> int:
    return (Link, Bind, Mask).index(type(mount))
