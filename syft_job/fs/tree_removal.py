"""Remove a tree of any width and depth by descriptors, so that no path is too long and no link is followed.

Rules of this module:

- Removal is iterative. It uses a bounded number of descriptors and a bounded amount of memory, whatever the tree looks
  like: what is deeper than `_MAX_OPEN_LEVELS` is moved up and removed by a later pass.
- The tree may change meanwhile, because a submitter may write to it: an entry that is missing counts as removed, and a
  tree that keeps growing ends in an error instead of an endless loop.
- Directories of this user that deny access are given mode 0700 first.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import islice
from typing import TypeVar

from .cancellation import check_interrupted
from .entries import DIRECTORY_FLAGS
from .modes import open_closed_directory
from .temporary_names import removal_name

_MAX_OPEN_LEVELS = 32
"""Directories on the way down that are open at once; each costs two descriptors."""
_BATCH_ENTRIES = 1024
"""Names that are read at once while their directory is emptied."""
_MAX_PASSES = 100
"""How often one directory is listed again because something was added to it, before that is an error."""
_KEEPS_GROWING = "something is added to it all the time"

_T = TypeVar("_T")


def remove_tree(dir_fd: int, name: str) -> None:
    """Remove the directory ``name`` of an open directory with everything below it.

    Raises:
        FileNotFoundError: it is missing, or is no directory any more.
        OSError: something cannot be removed, or keeps growing.
    """
    top_fd = _open_to_empty(dir_fd, name)
    if top_fd is None:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), name)
    try:
        for _ in range(_MAX_PASSES * _MAX_PASSES):  # a deep tree needs one pass for every `_MAX_OPEN_LEVELS` levels
            _empty_once(top_fd)
            if _rmdir_if_empty(dir_fd, name):
                return
    finally:
        os.close(top_fd)
    raise OSError(errno.ENOTEMPTY, _KEEPS_GROWING, name)


def remove_all_but(dir_fd: int, keep: str) -> bool:
    """Remove everything in an open directory but the entry ``keep``.

    Returns:
        False if the directory keeps growing, so that it is not empty yet.

    Raises:
        OSError: something cannot be removed.
    """
    return any(not _empty_once(dir_fd, keep=keep) for _ in range(_MAX_PASSES * _MAX_PASSES))


class _Level:
    """A directory on the way down that is being emptied."""

    def __init__(self, descriptor: int, name: str) -> None:
        self.descriptor = descriptor
        self.name = name
        self.passes = 0
        self._scan: Iterator[os.DirEntry[str]] | None = None
        self._batch: list[tuple[str, bool]] = []
        self._is_mode_changed = False

    def next(self) -> tuple[str, bool] | None:
        """Return the next name in it and whether that is a directory; None at the end of the listing."""
        if not self._batch:
            if self._scan is None:
                os.lseek(self.descriptor, 0, os.SEEK_SET)
                self._scan = self.with_access(lambda: os.scandir(self.descriptor))
                self.passes += 1
            # In batches, because removing entries while a listing is read may hide other entries from it.
            batch = islice(self._scan, _BATCH_ENTRIES)
            self._batch = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in batch][::-1]
            if not self._batch:
                self._scan = None
                return None
        return self._batch.pop()

    def unlink(self, name: str) -> None:
        """Remove an entry that is no directory; one that has become a directory is removed by the next pass."""
        with suppress(FileNotFoundError, IsADirectoryError):
            self.with_access(lambda: os.unlink(name, dir_fd=self.descriptor))

    def move_up(self, name: str, top_fd: int) -> None:
        """Move a directory in it to the open directory ``top_fd``, under a name that marks it as being removed."""
        with suppress(FileNotFoundError):
            self.with_access(lambda: os.rename(name, removal_name(), src_dir_fd=self.descriptor, dst_dir_fd=top_fd))

    def with_access(self, call: Callable[[], _T]) -> _T:
        """Return what ``call`` returns; if this directory denies access, set mode 0700 once and call again."""
        try:
            return call()
        except PermissionError:
            if self._is_mode_changed:
                raise
            self._is_mode_changed = True
            os.fchmod(self.descriptor, 0o700)
            return call()

    def close(self) -> None:
        """Close the directory."""
        if self._scan is not None:
            self._scan.close()  # type: ignore[attr-defined]  # an iterator of `os.scandir`
        os.close(self.descriptor)


def _empty_once(top_fd: int, *, keep: str | None = None) -> bool:
    """Remove what is below the open directory ``top_fd``, except for the entry ``keep`` of it.

    Returns:
        True if something very deep was moved up into ``top_fd``, where it may still be.
    """
    is_something_moved = False
    levels = [_Level(os.dup(top_fd), "")]
    try:
        while levels:
            check_interrupted()
            level = levels[-1]
            entry = level.next()
            if entry is None:
                if len(levels) > 1 and not _rmdir_if_empty(levels[-2].descriptor, level.name):
                    if level.passes < _MAX_PASSES:
                        continue
                    raise OSError(errno.ENOTEMPTY, _KEEPS_GROWING, level.name)
                levels.pop().close()
                continue
            name, is_directory = entry
            if name == keep and len(levels) == 1:
                continue
            if not is_directory:
                level.unlink(name)
            elif len(levels) < _MAX_OPEN_LEVELS:
                inner_fd = level.with_access(lambda: _open_to_empty(level.descriptor, name))  # noqa: B023 - called at once
                if inner_fd is not None:
                    levels.append(_Level(inner_fd, name))
            else:
                is_something_moved = True
                level.move_up(name, top_fd)
    finally:
        for level in levels:
            level.close()
    return is_something_moved


def _rmdir_if_empty(dir_fd: int, name: str) -> bool:
    """Remove an empty directory; return False if it has entries, True also if it is missing or no directory."""
    try:
        os.rmdir(name, dir_fd=dir_fd)
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError as error:
        if error.errno in (errno.ENOTEMPTY, errno.EEXIST):
            return False
        raise
    return True


def _open_to_empty(dir_fd: int, name: str) -> int | None:
    """Open a directory, even one that denies access to its owner; None if it is missing or no directory any more."""
    try:
        try:
            return os.open(name, DIRECTORY_FLAGS, dir_fd=dir_fd)
        except PermissionError:
            return open_closed_directory(dir_fd, name)
    except FileNotFoundError:
        return None
    except OSError as error:
        if error.errno in (errno.ENOTDIR, errno.ELOOP):
            return None
        raise
