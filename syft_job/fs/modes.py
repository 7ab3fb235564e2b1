"""Permission bits of what is created: private entries get exactly their mode, shared ones what the umask leaves.

The umask is never changed, because it belongs to the whole process. The owner's own bits are always set, so that no
umask makes the files of this user unreachable for this user. Bits are set on descriptors only: `chmod` by name follows
a link that another user may have placed there in the meantime.
"""

from __future__ import annotations

import os
import stat

from .entries import DIRECTORY_FLAGS

TRAVERSABLE_MODE = 0o711
"""The mode of a directory that another user, to whom root drops a job, must be able to pass through."""
_OWNER_BITS = 0o700


def settle_mode(descriptor: int, mode: int) -> None:
    """Give an entry that was just created with ``mode`` the bits that the umask must not take away.

    These are the owner's bits, and all of them if ``mode`` is `TRAVERSABLE_MODE`. The other bits for group and others,
    which only entries of the shared folder have, stay as the umask left them.

    Args:
        descriptor: the open file or directory.
        mode: the mode that it was created with.

    Raises:
        OSError: the bits of a private entry cannot be set.
    """
    present = stat.S_IMODE(os.fstat(descriptor).st_mode)
    wanted = present | (mode if mode == TRAVERSABLE_MODE else mode & _OWNER_BITS)
    if wanted == present:
        return
    try:
        os.fchmod(descriptor, wanted)
    except OSError:
        is_private = mode == TRAVERSABLE_MODE or not mode & ~_OWNER_BITS
        if is_private:
            raise
        # A shared folder may be on a file system without modes, where this changes nothing anyway.


def open_closed_directory(dir_fd: int, name: str) -> int:
    """Open one of this user's directories whose mode denies it, after setting mode 0700; a link is not followed.

    Raises:
        OSError: it is no directory, or belongs to another user.
    """
    if not hasattr(os, "O_PATH"):
        os.chmod(name, _OWNER_BITS, dir_fd=dir_fd, follow_symlinks=False)
        return os.open(name, DIRECTORY_FLAGS, dir_fd=dir_fd)
    path_fd = os.open(name, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=dir_fd)
    try:
        os.chmod(f"/proc/self/fd/{path_fd}", _OWNER_BITS)  # fchmod(2) refuses O_PATH; this names the same inode
        return os.open(".", DIRECTORY_FLAGS, dir_fd=path_fd)
    finally:
        os.close(path_fd)
