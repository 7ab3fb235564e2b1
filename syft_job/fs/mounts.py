"""On what kind of file system the folder lies: whether others' changes are told there, and how late they show.

A network file system tells nobody of what other machines write, keeps times to the second, and shows for a while what
it remembers instead of what is so.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

_REMOTE = frozenset(
    {"9p", "afs", "beegfs", "ceph", "cifs", "fuse", "glusterfs", "lustre", "ncpfs", "nfs", "nfs4", "smb3", "smbfs"}
    | {"vboxsf", "virtiofs"}
)
_SIZED_DIRECTORIES = frozenset({"ext2", "ext3", "ext4", "xfs", "btrfs", "tmpfs"})
_LOCAL_SECONDS = 2.0
_REMOTE_SECONDS = 90.0
"""The kernel's NFS remembers a directory for at most 60 s, sshfs for 20."""


def kind_of(path: Path) -> str:
    """The type of the file system that ``path`` lies on, as the system calls it; "" where it does not tell."""
    try:
        mounts = Path("/proc/self/mounts").read_text("utf-8", "surrogateescape").splitlines()
    except OSError:
        return ""
    real = os.path.realpath(path)
    best, kind = "", ""
    for line in mounts:
        _, place, found, *_ = line.split(" ")
        place = re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), place)  # as a space is written there
        if len(place) >= len(best) and (real == place or real.startswith(f"{place.rstrip('/')}/")):
            best, kind = place, found  # the last of several at one place is the one that is seen
    return kind


def is_remote(path: Path) -> bool:
    """Whether others may write there without this machine being told."""
    kind = kind_of(path)
    return kind in _REMOTE or kind.startswith("fuse.")


def has_sized_directories(path: Path) -> bool:
    """Whether a directory's `st_size` there grows with its entries, so that a small one has few of them."""
    return kind_of(path) in _SIZED_DIRECTORIES


def settling_seconds(path: Path) -> float:
    """After how long without a change a directory's time vouches for it that nothing moved since.

    One that moved less long ago may have moved again within the same tick of the clock, or within what is remembered.
    """
    return _REMOTE_SECONDS if is_remote(path) else _LOCAL_SECONDS
