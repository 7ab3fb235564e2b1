"""The file system that a folder is on: whether it reports other machines' changes, and how late they become visible.

A network file system sends no file event for what other machines write, keeps times to the second, and serves cached
attributes for a while (nfs(5), ``acdirmax``).
"""

from __future__ import annotations

import os
import re
from pathlib import Path

_REMOTE_TYPES = frozenset(
    {"9p", "afs", "beegfs", "ceph", "cifs", "fuse", "glusterfs", "lustre", "ncpfs", "nfs", "nfs4", "smb3", "smbfs"}
    | {"vboxsf", "virtiofs"}
)
_SIZED_DIRECTORY_TYPES = frozenset({"ext2", "ext3", "ext4", "xfs", "btrfs", "tmpfs"})
_LOCAL_SETTLE_TIME_S = 2.0
_REMOTE_SETTLE_TIME_S = 90.0
"""The kernel's NFS client caches the attributes of a directory for at most 60 s, sshfs for 20 s."""


def filesystem_type(path: Path) -> str:
    """Return the type of the file system that holds ``path``, as the kernel names it; "" if it cannot be found out."""
    try:
        lines = Path("/proc/self/mounts").read_text("utf-8", "surrogateescape").splitlines()
    except OSError:
        return ""
    real_path = os.path.realpath(path)
    best_mount_point, best_type = "", ""
    for line in lines:
        _, mount_point, mount_type, *_ = line.split(" ")
        # Spaces and some other characters are written as octal escapes (proc_pid_mounts(5)).
        mount_point = re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), mount_point)
        is_above = real_path == mount_point or real_path.startswith(f"{mount_point.rstrip('/')}/")
        if len(mount_point) >= len(best_mount_point) and is_above:
            # Of several mounts at one mount point the last one is visible.
            best_mount_point, best_type = mount_point, mount_type
    return best_type


def is_remote(path: Path) -> bool:
    """Return True if other machines may write to ``path`` without a file event on this one."""
    mount_type = filesystem_type(path)
    return mount_type in _REMOTE_TYPES or mount_type.startswith("fuse.")


def has_sized_directories(path: Path) -> bool:
    """Return True if a directory's `st_size` grows with its entries there, so that a small one has few of them."""
    return filesystem_type(path) in _SIZED_DIRECTORY_TYPES


def settle_time_s(path: Path) -> float:
    """Return the seconds after which an unchanged modification time proves that a directory did not change.

    A directory that was modified less long ago may change again within one tick of the clock, or may be served from a
    cache.
    """
    return _REMOTE_SETTLE_TIME_S if is_remote(path) else _LOCAL_SETTLE_TIME_S
