"""Permission bits of what is created: private things exactly, shared ones by the umask, and never out of our own reach.

The umask is the caller's and is not changed, because it belongs to the whole process. Bits are set on descriptors only:
`chmod` by name follows a link that another user may have placed there in the meantime.
"""

from __future__ import annotations

import os
import stat

from .entries import DIRECTORY

PASSABLE = 0o711
"""A directory through which another user, to whom root drops a job, must be able to pass."""
_OWNERS_BITS = 0o700


def settle_mode(descriptor: int, mode: int) -> None:
    """Give what was just created with ``mode`` the bits that the umask must not take away.

    These are the owner's bits, and all of them where ``mode`` is `PASSABLE`. The other bits for group and others, which
    only things in the shared folder have, stay as the umask left them.
    """
    found = stat.S_IMODE(os.fstat(descriptor).st_mode)
    wanted = found | (mode if mode == PASSABLE else mode & _OWNERS_BITS)
    if wanted == found:
        return
    try:
        os.fchmod(descriptor, wanted)
    except OSError:
        is_private = mode == PASSABLE or not mode & ~_OWNERS_BITS
        if is_private:
            raise
        # A shared folder may be on a file system that has no modes of its own, where this changes nothing anyway.


def open_closed_directory(parent: int, name: str) -> int:
    """Open a directory of one's own whose mode denies it, after giving it mode 0700; a link is not followed.

    Raises:
        OSError: it is no directory, or does not belong to this user.
    """
    if not hasattr(os, "O_PATH"):
        os.chmod(name, _OWNERS_BITS, dir_fd=parent, follow_symlinks=False)
        return os.open(name, DIRECTORY, dir_fd=parent)
    place = os.open(name, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
    try:
        os.chmod(f"/proc/self/fd/{place}", _OWNERS_BITS)  # fchmod(2) refuses O_PATH; this names the same inode
        return os.open(".", DIRECTORY, dir_fd=place)
    finally:
        os.close(place)
