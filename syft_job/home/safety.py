"""Refuse a home that other users of this machine can read, replace or direct.

Invariants:

1. The home, the directory of checkpoints, and every directory on the way to them can be written by this user only
   (`fs.ownership`); no entry directly in them belongs to another user or can be written by one.
2. Home, checkpoints and shared folder do not contain one another: the shared folder is written by other people.
"""

from __future__ import annotations

import os
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from syft_job import fs
from syft_job.errors import StoreError

from . import locations
from .paths import HomePaths


class PrivateDirectory(NamedTuple):
    """A directory that no other user may write to.

    Attributes:
        purpose: what it is, for messages, such as "the home".
        path: where it is.
        setting: the environment variable that chooses another one.
    """

    purpose: str
    path: Path
    setting: str


class HomeSafety:
    """The check of one home, which is done once per process because it costs several system calls per directory.

    It is repeated for another effective user, and by `require_unchanged` for another directory at the path of the home.

    Args:
        home: the directory of the home, which need not exist.
        root: the shared folder.
        real_root: the shared folder without symbolic links, where the caller has resolved it already.
    """

    def __init__(self, home: Path, root: Path, real_root: Path | None = None) -> None:
        self._home = home
        self._root = root
        self._given_real_root = real_root
        self._checked_identity: tuple[int, ...] | None = None

    @cached_property
    def real_root(self) -> Path:
        """The shared folder without symbolic links; resolved once, because a folder that hangs blocks the caller."""
        return self._given_real_root or self._root.resolve()

    @property
    def is_checked(self) -> bool:
        """Whether the home was found safe in this process."""
        return self._checked_identity is not None

    def require_safe(self, *, again: bool = False) -> None:
        """Return if the invariants of this module hold.

        Args:
            again: check even if it was checked before, as the start of a runner does.

        Raises:
            StoreError: one does not hold; the message names the directory or file and the remedy.
        """
        if not again and self._checked_identity is not None and self._checked_identity[0] == os.geteuid():
            return
        self._refuse_overlap()
        for purpose, path, setting in self.private_directories():
            fs.require_safe(path, purpose, setting=setting)
        if unsafe := self.find_unsafe_entry():
            raise StoreError(f"The home {str(self._home)!r} is not safe from other users: {unsafe}.")
        self._checked_identity = self._identity()

    def require_safe_if_present(self) -> None:
        """Return if the home does not exist, or is safe.

        Raises:
            StoreError: see `require_safe`.
        """
        if os.path.lexists(self._home):
            self.require_safe()

    def require_unchanged(self) -> None:
        """Return if the home was found safe and is still the same directory, with the same owner and mode.

        Raises:
            StoreError: it changed and is not safe now, or it cannot be examined.
        """
        with fs.translate_os_errors(f"lock the home {str(self._home)!r}"):
            if self._checked_identity != self._identity():
                self.require_safe(again=True)

    def find_unsafe_entry(self) -> fs.UnsafePath | None:
        """Return the first file of the home, of its earlier keys or of the checkpoints that another user could change.

        A home that others could write to in the past may still hold what they put there, although it is closed now.

        Raises:
            StoreError: a directory cannot be listed.
        """
        for directory in (self._home, HomePaths(self._home).earlier_keys, locations.checkpoints_directory()):
            if unsafe := fs.find_unsafe_entry(directory):
                return unsafe
        return None

    def private_directories(self) -> list[PrivateDirectory]:
        """Return the directories that must be safe before the home is used."""
        return [
            PrivateDirectory("the home", self._home, "SYFT_JOB_HOME"),
            PrivateDirectory(
                "the folder of the ledgers' checkpoints", locations.checkpoints_directory(), "SYFT_JOB_HOME"
            ),
        ]

    def _identity(self) -> tuple[int, ...]:
        """Return what a check holds for: the effective user, and the directory if it exists."""
        try:
            status = os.stat(self._home)
        except FileNotFoundError:
            return (os.geteuid(),)
        return (os.geteuid(), status.st_dev, status.st_ino, status.st_uid, status.st_mode)

    def _refuse_overlap(self) -> None:
        home, root = self._home.resolve(), self.real_root
        checkpoints = locations.checkpoints_directory().resolve()
        if home.is_relative_to(root):
            raise StoreError(
                f"The home {self._home} would be inside the shared folder. Set SYFT_JOB_HOME to a private folder."
            )
        if root.is_relative_to(home):
            raise StoreError(
                f"The shared folder {self._root} would be inside the home {self._home}, which is private. Set"
                " SYFT_JOB_HOME to another folder."
            )
        if checkpoints.is_relative_to(root) or root.is_relative_to(checkpoints):
            raise StoreError(
                f"The checkpoints of ledgers would be in {locations.checkpoints_directory()}, which overlaps with the"
                f" shared folder {self._root}. Set SYFT_JOB_HOME to a private folder."
            )
