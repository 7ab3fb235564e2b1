"""Remove entries of open directories, trees without holding a lock, and what interrupted writers left.

Rules of this module:

- No lock is held while a tree is removed. Inside `defer_removals`, which `Home.locked` uses, `remove` only renames a
  directory to a name of `removal_name`, which every reader ignores, and the tree is removed when the outermost block
  ends. A process that is killed in between leaves such a name, and `remove_temporaries` removes it later.
- No symbolic link is followed: a link is removed, never its target.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from itertools import islice

from syft_job.errors import StoreError

from .cancellation import interruptible
from .entries import DIRECTORY_FLAGS, stat_entry
from .os_errors import describe_path, store_error
from .temporary_names import is_removal_name, is_temporary, removal_name
from .tree_removal import remove_all_but, remove_tree
from .write_hook import announce_write

_YOUNG_S = 3600
_MAX_TEMPORARIES = 10_000
"""Names that one call of `remove_temporaries` takes; the next call takes the rest."""


def remove(dir_fd: int, name: str, *, durable: bool = True) -> bool:
    """Remove the entry ``name`` of an open directory, whatever its type; links are not followed.

    Inside `defer_removals` a directory is renamed, which frees its name, and is removed later.

    Args:
        dir_fd: the open directory.
        name: the name of one entry in it.
        durable: synchronise the directory before returning.

    Returns:
        False if it was missing.

    Raises:
        StoreError: it cannot be removed.
        UnreadableJob: ``name`` is not the name of one entry.
    """
    status = stat_entry(dir_fd, name)
    if status is None:
        return False
    announce_write(f"remove {name}")
    try:
        if not stat.S_ISDIR(status.st_mode):
            os.unlink(name, dir_fd=dir_fd)
        elif _deferral.depth:
            _rename_for_removal(dir_fd, name)
        else:
            remove_tree(dir_fd, name)
        if durable:
            os.fsync(dir_fd)
    except FileNotFoundError:
        return True  # another process was faster
    except OSError as error:
        raise store_error(f"remove {describe_path(dir_fd, name)}", error) from error
    return True


def remove_content(dir_fd: int, *, keep: str) -> None:
    """Remove everything in an open directory but the entry ``keep``; hold no lock, because this may take long.

    Raises:
        StoreError: something cannot be removed, or is added all the time.
    """
    announce_write(f"remove all but {keep}")
    try:
        is_empty = remove_all_but(dir_fd, keep)
        if is_empty:
            os.fsync(dir_fd)
    except OSError as error:
        raise store_error(f"remove what is in {describe_path(dir_fd)}", error) from error
    if not is_empty:
        raise StoreError(f"Cannot remove what is in {describe_path(dir_fd)}: something is added to it all the time.")


def discard(dir_fd: int, name: str) -> None:
    """Remove an incomplete entry after an error, without an error of its own: the first error is the one to report.

    What cannot be removed keeps its temporary name. A tree is removed as inside `defer_removals`.
    """
    with interruptible(None), suppress(StoreError, OSError), defer_removals():
        remove(dir_fd, name, durable=False)


def remove_temporaries(dir_fd: int, *, only_old: bool = False) -> None:
    """Remove what interrupted writers left in an open directory, at most 10,000 names in one call.

    The caller makes sure that no process is writing temporary files there. A temporary directory that a process of
    this machine has marked (`mark_in_use`) stays. Inside `defer_removals` the removal happens at the end of the block.

    Args:
        dir_fd: the open directory.
        only_old: keep what is younger than an hour, unless it was being removed. It may belong to another machine,
            whose marks are not visible here.

    Raises:
        StoreError: something cannot be removed.
    """
    with os.scandir(dir_fd) as entries:
        names = list(islice((entry.name for entry in entries if is_temporary(entry.name)), _MAX_TEMPORARIES))
    if only_old:
        names = [name for name in names if is_removal_name(name) or not _is_young(dir_fd, name)]
    pending = _deferral.pending if _deferral.depth else PendingRemovals()
    if names:
        pending.add(dir_fd, names, unless_in_use=True)
    if not _deferral.depth:
        pending.remove()


def mark_in_use(dir_fd: int) -> None:
    """Mark an open temporary directory as in use by this process, until it is closed or the process ends.

    The mark is an advisory lock (flock(2)); on a file system without locks there is none.
    """
    with suppress(OSError):
        fcntl.flock(dir_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)


class PendingRemovals:
    """Entries of open directories that are to be removed once no lock is held."""

    def __init__(self) -> None:
        self._by_directory: dict[tuple[int, int], tuple[int, dict[str, bool]]] = {}

    def __bool__(self) -> bool:
        return bool(self._by_directory)

    def add(self, dir_fd: int, names: Iterable[str], *, unless_in_use: bool) -> None:
        """Take over the removal of temporary names in an open directory, whose descriptor is duplicated.

        Args:
            dir_fd: the open directory.
            names: the names in it.
            unless_in_use: they may belong to another writer, and stay while a process has marked them (`mark_in_use`).
        """
        status = os.fstat(dir_fd)
        identity = (status.st_dev, status.st_ino)
        if identity not in self._by_directory:
            self._by_directory[identity] = (os.dup(dir_fd), {})
        self._by_directory[identity][1].update(dict.fromkeys(names, unless_in_use))

    def remove(self) -> None:
        """Remove everything; an entry that cannot be removed keeps its temporary name and does not stop the others.

        Raises:
            StoreError: something cannot be removed; the first such error.
        """
        first_error: StoreError | None = None
        try:
            for dir_fd, names in self._by_directory.values():
                for name, unless_in_use in names.items():
                    try:
                        if not (unless_in_use and _is_in_use(dir_fd, name)):
                            remove(dir_fd, name, durable=False)
                    except StoreError as error:
                        first_error = first_error or error
        finally:
            self.close()
        if first_error is not None:
            raise first_error

    def close(self) -> None:
        """Close the directories; what was not removed is left to a later `remove_temporaries`."""
        while self._by_directory:
            os.close(self._by_directory.popitem()[1][0])


class _Deferral(threading.local):
    """What this thread renamed inside `defer_removals`."""

    depth = 0
    sink: Callable[[PendingRemovals], None] | None = None

    def __init__(self) -> None:
        self.pending = PendingRemovals()


_deferral = _Deferral()


@contextmanager
def defer_removals() -> Iterator[None]:
    """Let `remove` only rename directories inside the block, and remove them at the end of the outermost one.

    `Home.locked` opens such a block around its lock, so that no tree is removed while the lock is held.

    Raises:
        StoreError: the block ended without an error, and something that it renamed cannot be removed.
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
def redirect_removals(sink: Callable[[PendingRemovals], None]) -> Iterator[None]:
    """Pass what this thread renamed inside `defer_removals` to ``sink``, which removes or closes it."""
    earlier, _deferral.sink = _deferral.sink, sink
    try:
        yield
    finally:
        _deferral.sink = earlier


def _leave_deferral() -> None:
    _deferral.depth -= 1
    if _deferral.depth or not _deferral.pending:
        return
    pending, _deferral.pending = _deferral.pending, PendingRemovals()
    if _deferral.sink is not None:
        _deferral.sink(pending)
    else:
        pending.remove()


def _rename_for_removal(dir_fd: int, name: str) -> None:
    try:
        os.rmdir(name, dir_fd=dir_fd)  # an empty one needs no second step
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise
        if not is_temporary(name):
            name, old = removal_name(), name
            os.rename(old, name, src_dir_fd=dir_fd, dst_dir_fd=dir_fd)
        _deferral.pending.add(dir_fd, [name], unless_in_use=False)


def _is_young(dir_fd: int, name: str) -> bool:
    status = stat_entry(dir_fd, name)
    return status is not None and abs(time.time() - status.st_mtime) < _YOUNG_S


def _is_in_use(dir_fd: int, name: str) -> bool:
    """Return True if a process has marked the directory ``name``; without locks, if it is younger than an hour."""
    try:
        inner_fd = os.open(name, DIRECTORY_FLAGS, dir_fd=dir_fd)
    except OSError:
        return False  # no directory, or missing
    try:
        fcntl.flock(inner_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return _is_young(dir_fd, name)
    else:
        return False
    finally:
        os.close(inner_fd)
