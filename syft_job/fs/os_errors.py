"""What the disk says, in words for people: what could not be done, where, why, and what helps."""

from __future__ import annotations

import errno
import itertools
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager

from syft_job.errors import StoreError, SyftJobError, UnreadableJob

_NOT_PLAIN = (errno.ELOOP, errno.ENOTDIR, errno.ENXIO, errno.EISDIR)
TEMPORARY = re.compile(r"\.[0-9a-f]{16}\.tmp")


def trouble(what: str, error: OSError) -> StoreError:
    """The error to raise when the disk refuses: what could not be done, why, and what helps."""
    advice = {
        errno.ENOSPC: "The disk is full: free some space and try again",
        errno.EDQUOT: "The quota is used up: free some space and try again",
        errno.EROFS: "The folder is read-only: make it writable and try again",
        errno.EACCES: "This user may not write there: check the folder's permissions",
        errno.EPERM: "This user may not write there: check the folder's permissions",
        errno.ENOENT: "The folder went away meanwhile: see whether it is still mounted",
        errno.ENOTCONN: "The folder's server is gone: mount it again",
        errno.ESTALE: "The folder's server lost it: mount it again",
    }.get(error.errno or 0, "See whether the disk and the folder are in order")
    return StoreError(f"Cannot {what}: {error.strerror or error}. {advice}.", errno=error.errno)


@contextmanager
def in_words(what: str) -> Iterator[None]:
    """Turn what the system says inside the block into an error that tells what could not be done; "not there" stays.

    Raises:
        StoreError: instead of another OSError.
    """
    try:
        yield
    except (SyftJobError, FileNotFoundError):
        raise
    except OSError as error:
        raise trouble(what, error) from error


def path_words(place: int, name: str = "", within: str = "") -> str:
    """Where something lies, for people: without the temporary names of what is not whole yet.

    ``within`` is what to say before the folder where the name itself is a temporary one.
    """
    try:
        folder = os.readlink(f"/proc/self/fd/{place}")
    except OSError:
        folder = "."  # this system does not tell
    parts = [*folder.split("/"), *([name] if name else [])]
    whole = list(itertools.takewhile(lambda part: not TEMPORARY.fullmatch(part), parts))
    return ("" if len(whole) == len(parts) else within) + repr("/".join(whole))


def astray(place: int, name: str, error: OSError) -> Exception:
    """The error for what is not of the kind that was expected, or cannot be opened."""
    if error.errno in _NOT_PLAIN:
        return UnreadableJob(f"{name!r} is a link, a device or of another kind than expected, so it is not opened")
    if error.errno in (errno.EACCES, errno.EPERM):
        return UnreadableJob(f"{name!r} cannot be opened: this user may not")
    return trouble(f"open {path_words(place, name)}", error)
