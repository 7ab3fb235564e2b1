"""The names that the file layer accepts: each is one entry of one directory.

Every function of this package that takes a name calls `require_entry_name` before its first system call, so that a
path which a caller forgot to validate never leaves the directory that the caller opened.
"""

from __future__ import annotations

from syft_job.errors import UnreadableJob


def require_entry_name(name: str) -> None:
    """Return if ``name`` can only mean an entry of the directory that it is used in.

    Raises:
        UnreadableJob: it is empty, ``.`` or ``..``, or contains a separator or NUL.
    """
    if "/" in name or "\0" in name or name in ("", ".", ".."):
        raise UnreadableJob(
            f"{name!a} is not the name of one file or folder: it is empty, '.' or '..', or contains '/' or NUL."
            " Nothing was read or written under it"
        )
