"""Removing, links not followed; trees of any width and depth; and the names of what is unfinished or being removed.

Rules of this module:

- No lock is held while a tree is removed. Inside `removals_deferred`, which `Home.locked` uses, `remove` only renames a
  directory to a name of `removal_name`, which every reader takes for litter, and the tree is removed when the outermost
  block ends. A process that is killed in between leaves such a name, and `remove_temporaries` removes it later.
- Removal is iterative. It uses a bounded number of descriptors and a bounded amount of memory, whatever the tree looks
  like, and it works by descriptors only, so that no path is too long and no link is followed.
- The tree may change meanwhile, because a submitter may write in it: what is gone already counts as removed, and a tree
  that keeps growing ends in an error instead of a loop without end.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
import secrets
import stat
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from itertools import islice
from typing import TypeVar

from syft_job.errors import StoreError

from .cancellation import check_interrupted, interruptible
from .entries import DIRECTORY, look
from .modes import open_closed_directory
from .os_errors import TEMPORARY, path_words, trouble
from .write_hook import tick

_YOUNG_SECONDS = 3600
_MAX_OPEN_LEVELS = 32
"""Directories on the way down that are open at once; each costs two descriptors. What is deeper is moved up first."""
_BATCH_ENTRIES = 1024
"""Names that are read at once while their directory is emptied."""
_MAX_PASSES = 100
"""How often one directory is listed again because something was added to it, before that is an error."""
_MAX_TEMPORARIES = 10_000
"""Names that one call of `remove_temporaries` takes; the next call meets the rest."""
_REMOVAL = re.compile(r"\.0{8}[0-9a-f]{8}\.tmp")

_T = TypeVar("_T")


def temporary_name() -> str:
    """A new name for what is still being written; whoever finds one that nobody writes any more may remove it."""
    return f".{secrets.token_hex(8)}.tmp"


def removal_name() -> str:
    """Return a new temporary name for a tree that is being removed; such a tree may be removed by any process."""
    return f".{'0' * 8}{secrets.token_hex(4)}.tmp"


def is_temporary(name: str) -> bool:
    """Whether `temporary_name` made this name."""
    return TEMPORARY.fullmatch(name) is not None


def remove_temporaries(place: int, *, only_old: bool = False) -> None:
    """Remove what writers that were stopped left in the directory ``place``; nobody may be writing files there now.

    A folder that a process of this machine holds (`hold`) is in use and stays. With ``only_old``, what is younger than
    an hour stays, too, unless it was being removed, since it may be another machine's, for which nobody here can tell.
    One call takes a bounded number of names; the next one meets the rest. Inside `removals_deferred` they are taken
    down here and removed at its end.

    Raises:
        StoreError: something cannot be removed.
    """
    with os.scandir(place) as entries:
        found = list(islice((entry.name for entry in entries if is_temporary(entry.name)), _MAX_TEMPORARIES))
    if only_old:
        found = [name for name in found if _REMOVAL.fullmatch(name) or not _is_young(place, name)]
    trees = _deferral.trees if _deferral.depth else RenamedTrees()
    if found:
        trees.add(place, found, unless_held=True)
    if not _deferral.depth:
        trees.remove()


def hold(place: int) -> None:
    """Say that this process is writing into the open directory ``place``, until it is closed or the process ends.

    Where the file system has no locks, nobody is told.
    """
    with suppress(OSError):
        fcntl.flock(place, fcntl.LOCK_EX | fcntl.LOCK_NB)


class RenamedTrees:
    """Things below open directories that nobody needs any more, and that are to be removed while no lock is held."""

    def __init__(self) -> None:
        self._names: dict[tuple[int, int], tuple[int, dict[str, bool]]] = {}

    def __bool__(self) -> bool:
        return bool(self._names)

    def add(self, place: int, names: Iterable[str], *, unless_held: bool) -> None:
        """Take over the removal of temporary ``names`` in the open directory ``place``.

        With ``unless_held`` they may be another writer's, and stay while a process holds them (`hold`).
        """
        found = os.fstat(place)
        key = (found.st_dev, found.st_ino)
        if key not in self._names:
            self._names[key] = (os.dup(place), {})
        self._names[key][1].update(dict.fromkeys(names, unless_held))

    def remove(self) -> None:
        """Remove everything; what cannot be removed keeps its temporary name, and the others are removed all the same.

        Raises:
            StoreError: something cannot be removed.
        """
        failed: StoreError | None = None
        try:
            for place, names in self._names.values():
                for name, unless_held in names.items():
                    try:
                        if not (unless_held and _is_held(place, name)):
                            remove(place, name, durable=False)
                    except StoreError as error:
                        failed = failed or error
        finally:
            self.close()
        if failed is not None:
            raise failed

    def close(self) -> None:
        """Leave what is left to a later `remove_temporaries`."""
        while self._names:
            os.close(self._names.popitem()[1][0])


class _Deferral(threading.local):
    """What this thread renamed away inside `removals_deferred`."""

    depth = 0
    sink: Callable[[RenamedTrees], None] | None = None

    def __init__(self) -> None:
        self.trees = RenamedTrees()


_deferral = _Deferral()


@contextmanager
def removals_deferred() -> Iterator[None]:
    """Let `remove` rename directories away inside the block and remove them at the end of the outermost one.

    `Home.locked` opens such a block around its lock, so that no tree is removed while the lock is held.

    Raises:
        StoreError: the block is done, and something that it renamed away cannot be removed.
    """
    _deferral.depth += 1
    try:
        yield
    except BaseException:
        with suppress(StoreError):  # the error of the block is the one to report
            _leave_deferral()
        raise
    else:
        _leave_deferral()


@contextmanager
def removing_with(sink: Callable[[RenamedTrees], None]) -> Iterator[None]:
    """Hand what this thread renamed away to ``sink``, which removes or closes it, instead of removing it at once."""
    earlier, _deferral.sink = _deferral.sink, sink
    try:
        yield
    finally:
        _deferral.sink = earlier


def _leave_deferral() -> None:
    _deferral.depth -= 1
    if _deferral.depth or not _deferral.trees:
        return
    trees, _deferral.trees = _deferral.trees, RenamedTrees()
    if _deferral.sink is not None:
        _deferral.sink(trees)
    else:
        trees.remove()


def remove(place: int, name: str, *, durable: bool = True) -> bool:
    """Remove ``name`` from the directory ``place``, whatever it is, links not followed; False when it was not there.

    Inside `removals_deferred` a directory is renamed away, which frees its name, and is removed later.

    Raises:
        StoreError: it cannot be removed.
    """
    found = look(place, name)
    if found is None:
        return False
    tick(f"remove {name}")
    try:
        if not stat.S_ISDIR(found.st_mode):
            os.unlink(name, dir_fd=place)
        elif _deferral.depth:
            _rename_away(place, name)
        else:
            _remove_tree(place, name)
        if durable:
            os.fsync(place)
    except FileNotFoundError:
        return True  # somebody else was faster
    except OSError as error:
        raise trouble(f"remove {path_words(place, name)}", error) from error
    return True


def remove_content(place: int, *, keep: str) -> None:
    """Remove everything in the directory ``place`` but ``keep``; no lock may be held, since this may take long.

    Raises:
        StoreError: something cannot be removed.
    """
    tick(f"remove all but {keep}")
    try:
        for _ in range(_MAX_PASSES * _MAX_PASSES):
            if not _empty(place, keep=keep):
                os.fsync(place)
                return
    except OSError as error:
        raise trouble(f"remove what is in {path_words(place)}", error) from error
    raise StoreError(f"Cannot remove what is in {path_words(place)}: something is added to it all the time.")


def discard(place: int, name: str) -> None:
    """Remove what did not become whole, as far as the disk lets us: what stays has a name that nobody reads.

    For the way out after an error, which is the one to be told. What is large is removed as inside `removals_deferred`.
    """
    with interruptible(None), suppress(StoreError, OSError), removals_deferred():
        remove(place, name, durable=False)


def _rename_away(place: int, name: str) -> None:
    try:
        os.rmdir(name, dir_fd=place)  # an empty one needs no second step
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise
        if not is_temporary(name):
            name, old = removal_name(), name
            os.rename(old, name, src_dir_fd=place, dst_dir_fd=place)
        _deferral.trees.add(place, [name], unless_held=False)


def _remove_tree(place: int, name: str) -> None:
    """Remove a directory with all that is below it.

    Raises:
        OSError: something cannot be removed.
    """
    top = _open_directory(place, name)
    if top is None:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), name)
    try:
        for _ in range(_MAX_PASSES * _MAX_PASSES):  # a deep tree needs one pass for every `_MAX_OPEN_LEVELS` levels
            _empty(top)
            if _remove_empty(place, name):
                return
    finally:
        os.close(top)
    raise OSError(errno.ENOTEMPTY, "something is added to it all the time", name)


class _Level:
    """A directory on the way down that is being emptied."""

    def __init__(self, descriptor: int, name: str) -> None:
        self.descriptor = descriptor
        self.name = name
        self.passes = 0
        self._entries: Iterator[os.DirEntry[str]] | None = None
        self._batch: list[tuple[str, bool]] = []
        self._is_opened_up = False

    def next(self) -> tuple[str, bool] | None:
        """The next name in it and whether that is a directory; None at the end of the list."""
        if not self._batch:
            if self._entries is None:
                os.lseek(self.descriptor, 0, os.SEEK_SET)
                self._entries = self.retried(lambda: os.scandir(self.descriptor))
                self.passes += 1
            # In batches, because to remove while a list is read may hide entries from the list.
            batch = islice(self._entries, _BATCH_ENTRIES)
            self._batch = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in batch][::-1]
            if not self._batch:
                self._entries = None
                return None
        return self._batch.pop()

    def unlink(self, name: str) -> None:
        """Remove what is no directory; what became one meanwhile is met by the next pass."""
        with suppress(FileNotFoundError, IsADirectoryError):
            self.retried(lambda: os.unlink(name, dir_fd=self.descriptor))

    def retried(self, act: Callable[[], _T]) -> _T:
        """Do ``act``; where this directory is closed to its owner, open it up and do ``act`` once more."""
        try:
            return act()
        except PermissionError:
            if self._is_opened_up:
                raise
            self._is_opened_up = True
            os.fchmod(self.descriptor, 0o700)
            return act()

    def close(self) -> None:
        """Close the directory."""
        if self._entries is not None:
            self._entries.close()  # type: ignore[attr-defined]  # an iterator of `os.scandir`
        os.close(self.descriptor)


def _empty(top: int, *, keep: str | None = None) -> bool:
    """Remove what is below the open directory ``top``, but for ``keep`` in it.

    Returns:
        Whether something was very deep: it was moved up into ``top``, and may still be there.
    """
    is_deep = False
    levels = [_Level(os.dup(top), "")]
    try:
        while levels:
            check_interrupted()
            level = levels[-1]
            entry = level.next()
            if entry is None:
                if len(levels) > 1 and not _remove_empty(levels[-2].descriptor, level.name):
                    if level.passes < _MAX_PASSES:
                        continue
                    raise OSError(errno.ENOTEMPTY, "something is added to it all the time", level.name)
                levels.pop().close()
                continue
            name, is_directory = entry
            if name == keep and len(levels) == 1:
                continue
            if not is_directory:
                level.unlink(name)
            elif len(levels) < _MAX_OPEN_LEVELS:
                inner = level.retried(lambda: _open_directory(level.descriptor, name))  # noqa: B023 - called at once
                if inner is not None:
                    levels.append(_Level(inner, name))
            else:
                is_deep = True
                with suppress(FileNotFoundError):
                    _move(level, name, top)
    finally:
        for level in levels:
            level.close()
    return is_deep


def _move(level: _Level, name: str, top: int) -> None:
    """Move a deep directory up into ``top``."""
    level.retried(lambda: os.rename(name, removal_name(), src_dir_fd=level.descriptor, dst_dir_fd=top))


def _remove_empty(place: int, name: str) -> bool:
    """Remove an empty directory; False where something is in it. What is gone or became a file is no matter here."""
    try:
        os.rmdir(name, dir_fd=place)
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError as error:
        if error.errno in (errno.ENOTEMPTY, errno.EEXIST):
            return False
        raise
    return True


def _open_directory(place: int, name: str) -> int | None:
    """Open a directory to empty it, one that is closed to its owner too; None where it is gone or is none any more."""
    try:
        try:
            return os.open(name, DIRECTORY, dir_fd=place)
        except PermissionError:
            return open_closed_directory(place, name)
    except FileNotFoundError:
        return None
    except OSError as error:
        if error.errno in (errno.ENOTDIR, errno.ELOOP):
            return None
        raise


def _is_young(place: int, name: str) -> bool:
    found = look(place, name)
    return found is not None and abs(time.time() - found.st_mtime) < _YOUNG_SECONDS


def _is_held(place: int, name: str) -> bool:
    """Whether a process holds the folder ``name``; where the file system has no locks, whether it is young."""
    try:
        descriptor = os.open(name, DIRECTORY, dir_fd=place)
    except OSError:
        return False  # no folder, or gone
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return _is_young(place, name)
    else:
        return False
    finally:
        os.close(descriptor)
