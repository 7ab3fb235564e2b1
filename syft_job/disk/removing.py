"""Removing, links not followed; and the names of what is not whole yet, which anybody may remove some day."""

from __future__ import annotations

import fcntl
import os
import secrets
import stat
import time
from contextlib import suppress

from syft_job.errors import StoreError

from .counting import tick
from .looking import DIRECTORY, look
from .modes import open_closed_directory
from .words import TEMPORARY, path_words, trouble

_YOUNG_SECONDS = 3600


def temporary_name() -> str:
    """A new name for what is still being written; whoever finds one that nobody writes any more may remove it."""
    return f".{secrets.token_hex(8)}.tmp"


def is_temporary(name: str) -> bool:
    """Whether `temporary_name` made this name."""
    return TEMPORARY.fullmatch(name) is not None


def remove_temporaries(place: int, *, held_too: bool = True) -> None:
    """Remove what writers that were stopped left in the directory ``place``; nobody may be writing there now.

    Without ``held_too``, what may be in use stays: folders that a process of this machine holds (`hold`), and whatever
    is younger than an hour, since it may be another machine's, for which nobody here can tell.

    Raises:
        StoreError: something cannot be removed.
    """
    for name in os.listdir(place):
        if is_temporary(name) and (held_too or not (_is_young(place, name) or _is_held(place, name))):
            remove(place, name)


def hold(place: int) -> None:
    """Say that this process is writing into the open directory ``place``, until it is closed or the process ends.

    Where the file system has no locks, nobody is told.
    """
    with suppress(OSError):
        fcntl.flock(place, fcntl.LOCK_EX | fcntl.LOCK_NB)


def remove(place: int, name: str, *, durable: bool = True) -> bool:
    """Remove ``name`` from the directory ``place``, whatever it is, links not followed; False when it was not there.

    Raises:
        StoreError: it cannot be removed.
    """
    found = look(place, name)
    if found is None:
        return False
    tick(f"remove {name}")
    try:
        if stat.S_ISDIR(found.st_mode):
            import shutil

            try:
                shutil.rmtree(name, dir_fd=place)
            except (RecursionError, PermissionError):
                _remove_flattened(place, name)
        else:
            os.unlink(name, dir_fd=place)
        if durable:
            os.fsync(place)
    except FileNotFoundError:
        return True  # somebody else was faster
    except OSError as error:
        raise trouble(f"remove {path_words(place, name)}", error) from error
    return True


def discard(place: int, name: str) -> None:
    """Remove what did not become whole, as far as the disk lets us: what stays has a name that nobody reads.

    For the way out after an error, which is the one to be told.
    """
    with suppress(StoreError, OSError):
        remove(place, name)


def _remove_flattened(place: int, name: str) -> None:
    """Remove a tree that is deeper than a recursion can go, or closed: each inner folder is first moved up."""
    ahead = [name]
    while ahead:
        folder = ahead.pop()
        try:
            opened = open_closed_directory(place, folder)
        except FileNotFoundError:
            continue
        try:
            for inner in os.listdir(opened):
                found = look(opened, inner)
                if found is not None and stat.S_ISDIR(found.st_mode):
                    moved = temporary_name()
                    os.rename(inner, moved, src_dir_fd=opened, dst_dir_fd=place)
                    ahead.append(moved)
                elif found is not None:
                    os.unlink(inner, dir_fd=opened)
        finally:
            os.close(opened)
        os.rmdir(folder, dir_fd=place)


def _is_young(place: int, name: str) -> bool:
    found = look(place, name)
    return found is not None and abs(time.time() - found.st_mtime) < _YOUNG_SECONDS


def _is_held(place: int, name: str) -> bool:
    try:
        descriptor = os.open(name, DIRECTORY, dir_fd=place)
    except OSError:
        return False  # no folder, or gone
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True  # or nobody can tell
    else:
        return False
    finally:
        os.close(descriptor)
