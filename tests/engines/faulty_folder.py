"""A folder that misbehaves on demand: a FUSE file system over a plain directory.

    python faulty_folder.py DIRECTORY MOUNT SOCKET

It passes everything on to the directory. Whoever connects to the socket may say, one JSON document each:

    {"do": "refuse", "rules": [[OPERATION, PART OF A PATH, ERRNO], ...]}   from now on these answer with an error
    {"do": "count"}                                                         how many changes were asked for so far
    {"do": "settle"}                                                        what is there now is durable
    {"do": "cut", "after": N}                                               the power goes before the N-th change
    {"do": "restart"}                                                       the power is back

After a power cut everything answers EIO, and a restart leaves what was made durable and nothing else: of a file the
bytes at its last fsync, of a directory the names at its last fsync. That is stricter than most disks are.
"""

from __future__ import annotations

import errno
import json
import os
import socket
import stat
import sys
import threading
import time
from pathlib import Path
from typing import Any

import mfusepy
from mfusepy import FUSE, FuseOSError, Operations

_CHANGES = frozenset(
    {"create", "write", "truncate", "rename", "mkdir", "rmdir", "unlink", "fsync", "fsyncdir", "symlink"}
)
_STATS = ("st_mode", "st_nlink", "st_size", "st_uid", "st_gid", "st_ino")
_SIZES = (
    "f_bavail",
    "f_bfree",
    "f_blocks",
    "f_bsize",
    "f_favail",
    "f_ffree",
    "f_files",
    "f_flag",
    "f_frsize",
    "f_namemax",
)


class _Numbered(mfusepy.c_stat):  # type: ignore[misc] # it has no types
    """The stat of an entry of a directory: with our own inodes (`use_ino`) one without a number would not be listed."""

    def __init__(self) -> None:
        super().__init__()
        self.st_ino = 1


mfusepy.c_stat = _Numbered


class Durable:
    """What would be left if the power went now. Everything has a number of its own, as inodes are used again."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.numbers: dict[int, int] = {}
        self.names: dict[int, dict[str, int]] = {}
        self.bytes: dict[int, bytes] = {}
        self.next = 0
        self.take_all(root)

    def number(self, path: str | Path, *, anew: bool = False) -> int:
        inode = os.lstat(path).st_ino
        if anew or inode not in self.numbers:
            self.next += 1
            self.numbers[inode] = self.next
        return self.numbers[inode]

    def take_all(self, path: Path) -> None:
        self.sync_names(path)
        for inner in path.iterdir():
            if inner.is_dir() and not inner.is_symlink():
                self.take_all(inner)
            elif inner.is_file():
                self.bytes[self.number(inner)] = inner.read_bytes()

    def sync_names(self, path: Path) -> None:
        own = self.number(path)
        now = {name: self.number(path / name) for name in os.listdir(path)}
        moved_here = set(now.values()) - set(self.names.get(own, {}).values())
        self.names[own] = now
        for other, names in self.names.items():  # a move is one change, whichever of its two directories is synced
            if other != own and moved_here & set(names.values()):
                self.names[other] = {name: number for name, number in names.items() if number not in moved_here}

    def restore(self) -> None:
        """Make the directory what it would be after the cut; what stays keeps its inode."""
        pool = self.root.with_name(f"{self.root.name}.pool")
        pool.mkdir()
        links = {}
        for folder, folders, files in os.walk(self.root, topdown=False):
            for name in [*folders, *files]:
                path = Path(folder, name)
                if path.is_symlink():
                    links[self.number(path)] = os.readlink(path)
                path.rename(pool / str(self.number(path)))
        self._place(self.root, self.number(self.root), pool)
        for left in pool.iterdir():
            left.rmdir() if left.is_dir() and not left.is_symlink() else left.unlink()
        pool.rmdir()
        self.__init__(self.root)  # type: ignore[misc] # everything that is there now is durable

    def _place(self, path: Path, number: int, pool: Path) -> None:
        for name, inner in self.names.get(number, {}).items():
            kept, target = pool / str(inner), path / name
            if kept.is_symlink() or kept.exists():
                kept.rename(target)
            elif inner in self.names:
                target.mkdir()
            else:
                target.touch()
            if target.is_symlink():
                continue
            if target.is_dir():
                self._place(target, inner, pool)
            elif target.read_bytes() != self.bytes.get(inner, b""):
                target.write_bytes(self.bytes.get(inner, b""))


class FaultyFolder(Operations):  # type: ignore[misc] # it has no types
    """The file system."""

    use_ns = True

    def __init__(self, root: Path) -> None:
        self.root = str(root)
        self.durable = Durable(root)
        self.rules: list[tuple[str, str, int]] = []
        self.changes = 0
        self.cut_at: int | None = None

    def _do(self, operation: str, path: str) -> str:
        if operation in _CHANGES:
            self.changes += 1
        if self.cut_at is not None and self.changes >= self.cut_at:
            raise FuseOSError(errno.EIO)
        for wanted, part, number in self.rules:
            if wanted == operation and part in path:
                raise FuseOSError(number)
        return self.root + path

    def command(self, said: dict[str, Any]) -> Any:
        if said["do"] == "refuse":
            self.rules = [(operation, part, number) for operation, part, number in said["rules"]]
        elif said["do"] == "cut":
            self.changes, self.cut_at = 0, said["after"]
        elif said["do"] == "settle":
            self.durable = Durable(self.durable.root)
        elif said["do"] == "restart":
            self.durable.restore()
            self.cut_at = None
        return self.changes

    def getattr(self, path: str, fh: int | None = None) -> dict[str, int]:
        found = os.lstat(self._do("getattr", path))
        said = {name: getattr(found, name) for name in _STATS}
        return said | {"st_atime": found.st_atime_ns, "st_mtime": found.st_mtime_ns, "st_ctime": found.st_ctime_ns}

    def readdir(self, path: str, fh: int) -> list[str]:
        return [".", "..", *os.listdir(self._do("readdir", path))]

    def create(self, path: str, mode: int, fi: object = None) -> int:
        place = self._do("create", path)
        opened = os.open(place, os.O_RDWR | os.O_CREAT, stat.S_IMODE(mode))
        self.durable.number(place, anew=True)
        return opened

    def open(self, path: str, flags: int) -> int:
        writes = flags & (os.O_WRONLY | os.O_RDWR)
        place = self._do("open for writing" if writes else "open", path)
        if flags & os.O_TRUNC:
            self._do("truncate", path)
        return os.open(place, (os.O_RDWR if writes else os.O_RDONLY) | (flags & os.O_TRUNC))

    def read(self, path: str, size: int, offset: int, fh: int) -> bytes:
        self._do("read", path)
        return os.pread(fh, size, offset)

    def write(self, path: str, data: bytes, offset: int, fh: int) -> int:
        self._do("write", path)
        return os.pwrite(fh, data, offset)

    def truncate(self, path: str, length: int, fh: int | None = None) -> None:
        os.truncate(self._do("truncate", path), length)

    def fsync(self, path: str, datasync: int, fh: int) -> int:
        self._do("fsync", path)
        self.durable.bytes[self.durable.numbers[os.fstat(fh).st_ino]] = Path(f"/proc/self/fd/{fh}").read_bytes()
        return 0

    def fsyncdir(self, path: str, datasync: int, fh: int) -> int:
        self.durable.sync_names(Path(self._do("fsyncdir", path)))
        return 0

    def rename(self, old: str, new: str, *flags: int) -> None:
        os.rename(self._do("rename", old), self.root + new)

    def mkdir(self, path: str, mode: int) -> None:
        place = self._do("mkdir", path)
        os.mkdir(place, stat.S_IMODE(mode))
        self.durable.names[self.durable.number(place, anew=True)] = {}

    def rmdir(self, path: str) -> None:
        os.rmdir(self._do("rmdir", path))

    def unlink(self, path: str) -> None:
        os.unlink(self._do("unlink", path))

    def symlink(self, target: str, source: str) -> None:
        os.symlink(source, self._do("symlink", target))
        self.durable.number(self.root + target, anew=True)

    def readlink(self, path: str) -> str:
        return os.readlink(self._do("readlink", path))

    def chmod(self, path: str, mode: int) -> None:
        os.chmod(self._do("chmod", path), stat.S_IMODE(mode))

    def chown(self, path: str, user: int, group: int) -> None:
        os.chown(self._do("chown", path), user, group)

    def utimens(self, path: str, times: tuple[int, int] | None = None) -> None:
        os.utime(self._do("utimens", path), ns=times or (time.time_ns(), time.time_ns()))

    def statfs(self, path: str) -> dict[str, int]:
        found = os.statvfs(self._do("statfs", path))
        return {name: getattr(found, name) for name in _SIZES}

    def flush(self, path: str, fh: int) -> int:
        return 0

    def release(self, path: str, fh: int) -> int:
        os.close(fh)
        return 0


def serve(folder: FaultyFolder, listening: socket.socket) -> None:
    while True:
        connection, _ = listening.accept()
        with connection, connection.makefile("rw") as talk:
            for line in talk:
                print(json.dumps(folder.command(json.loads(line))), file=talk, flush=True)


if __name__ == "__main__":
    it = FaultyFolder(Path(sys.argv[1]).resolve())
    listens = socket.socket(socket.AF_UNIX)
    listens.bind(sys.argv[3])  # before the file system begins, which leaves this folder
    listens.listen()
    threading.Thread(target=serve, args=(it, listens), daemon=True).start()
    FUSE(it, sys.argv[2], foreground=True, nothreads=True, use_ino=True, attr_timeout=0, entry_timeout=0)
