"""Translate errors of the operating system into typed errors whose message states the cause and the remedy."""

from __future__ import annotations

import errno
import itertools
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from syft_job.errors import StoreError, SyftJobError, UnreadableJob

from .temporary_names import is_temporary

_WRONG_TYPE_ERRNOS = (errno.ELOOP, errno.ENOTDIR, errno.ENXIO, errno.EISDIR)
"""What open(2) gives with these flags for a link, a socket, or an entry of another type than expected."""
_REMEDIES: Final[Mapping[int, str]] = {
    errno.ENOSPC: "The disk is full: free some space and try again",
    errno.EDQUOT: "The quota is used up: free some space and try again",
    errno.EROFS: "The folder is read-only: make it writable and try again",
    errno.EACCES: "This user may not write there: check the folder's permissions",
    errno.EPERM: "This user may not write there: check the folder's permissions",
    errno.ENOENT: "The folder went away meanwhile: see whether it is still mounted",
    errno.ENOTCONN: "The folder's server is gone: mount it again",
    errno.ESTALE: "The folder's server lost it: mount it again",
}


def store_error(action: str, error: OSError) -> StoreError:
    """Return the error to raise where the disk refuses: what failed, why, and what helps.

    Args:
        action: what was attempted, to stand after "Cannot", such as "write '/path'".
        error: the cause; its errno is kept in the context of the new error.
    """
    remedy = _REMEDIES.get(error.errno or 0, "See whether the disk and the folder are in order")
    return StoreError(f"Cannot {action}: {error.strerror or error}. {remedy}.", errno=error.errno)


@contextmanager
def translate_os_errors(action: str) -> Iterator[None]:
    """Replace an OSError that is raised inside the block by `store_error`; "not found" stays.

    Args:
        action: what the block attempts, to stand after "Cannot".

    Raises:
        FileNotFoundError: the block raised it.
        StoreError: the block raised another OSError.
    """
    try:
        yield
    except (SyftJobError, FileNotFoundError):
        raise
    except OSError as error:
        raise store_error(action, error) from error


def describe_path(dir_fd: int, name: str = "", prefix: str = "") -> str:
    """Return the quoted path of an entry of an open directory, for messages.

    A path that leads through a temporary name is cut before it, since no user knows that name.

    Args:
        dir_fd: the open directory.
        name: the entry; empty for the directory itself.
        prefix: words to put before a path that was cut, such as "a folder in ".
    """
    try:
        directory = os.readlink(f"/proc/self/fd/{dir_fd}")
    except OSError:
        directory = "."  # this system has no /proc
    parts = [*directory.split("/"), *([name] if name else [])]
    known_parts = list(itertools.takewhile(lambda part: not is_temporary(part), parts))
    return ("" if len(known_parts) == len(parts) else prefix) + repr("/".join(known_parts))


def open_error(dir_fd: int, name: str, error: OSError) -> UnreadableJob | StoreError:
    """Return the error to raise where the entry ``name`` of an open directory could not be opened.

    Returns:
        `UnreadableJob` if the entry is of another type than expected or denies access, `StoreError` if the disk fails.
    """
    if error.errno in _WRONG_TYPE_ERRNOS:
        return UnreadableJob(f"{name!r} is a link, a device or of another kind than expected, so it is not opened")
    if error.errno in (errno.EACCES, errno.EPERM):
        return UnreadableJob(f"{name!r} cannot be opened: this user may not")
    return store_error(f"open {describe_path(dir_fd, name)}", error)
