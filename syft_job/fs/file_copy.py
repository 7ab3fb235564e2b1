"""Copy and hash in one pass: the digest is of the very bytes that were written.

Between hashing and copying the source cannot change unnoticed, because no byte is read from it twice. Large files are
hashed by a second thread while this one copies.
"""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Callable
from typing import NamedTuple

from .atomic_write import CREATE_FLAGS, write_all
from .cancellation import check_interrupted
from .entries import CHUNK_BYTES, open_regular_file, refuse_longer
from .entry_names import require_entry_name
from .modes import settle_mode
from .os_errors import describe_path, store_error
from .read_meter import METER
from .write_hook import announce_write

_UNSUPPORTED_ERRNOS = frozenset({errno.EXDEV, errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP, errno.EBADF, errno.EPERM})
"""What copy_file_range(2) gives where the kernel cannot copy between these two files; any other errno is a failure."""
_LARGE_BYTES = 4 * CHUNK_BYTES
"""Files above this are copied and hashed by two threads."""
_BUFFERS = 8


class Copied(NamedTuple):
    """The size in bytes and the SHA-256, in hex digits, of what was copied or hashed."""

    size: int
    sha256: str


def copy_file(
    src_fd: int,
    name: str,
    dst_fd: int,
    new_name: str,
    *,
    max_bytes: int,
    mode: int = 0o600,
    durable: bool = False,
    private: bool = False,
) -> Copied:
    """Copy a regular file to a new file, and return the size and SHA-256 of the bytes that were written.

    Args:
        src_fd: the open directory that holds it.
        name: its name there.
        dst_fd: the open directory for the copy.
        new_name: the name of the copy, which must be free.
        max_bytes: the size in bytes above which it is refused.
        mode: the permission bits of the copy; see `modes.settle_mode`.
        durable: synchronise the copy before returning; the directory is left to the caller.
        private: no other user can write to the target directory. Then the kernel copies large files
            (copy_file_range(2)) and the copy is read back to be hashed, which is faster.

    Raises:
        FileNotFoundError: the source is missing.
        UnreadableJob: the source is no regular file, or longer than ``max_bytes`` bytes.
        StoreError: the copy cannot be written, or its name is taken.
    """
    require_entry_name(new_name)
    with open_regular_file(src_fd, name, max_bytes) as source:
        announce_write(f"create {new_name}")
        try:
            target = os.open(new_name, CREATE_FLAGS & ~os.O_WRONLY | os.O_RDWR, mode, dir_fd=dst_fd)
            try:
                settle_mode(target, mode)
                size, digest = _transfer(source, target, name, max_bytes, private=private)
                if durable and size:
                    os.fsync(target)
            finally:
                os.close(target)
        except OSError as error:
            action = f"copy {describe_path(src_fd, name)} to {describe_path(dst_fd, new_name)}"
            raise store_error(action, error) from error
    return Copied(size, digest)


def hash_file(dir_fd: int, name: str, *, max_bytes: int) -> Copied:
    """Return the size and SHA-256 of the regular file ``name`` of an open directory.

    Args:
        dir_fd: the open directory.
        name: the name of one entry in it.
        max_bytes: the size in bytes above which it is refused.

    Raises:
        FileNotFoundError: it is missing.
        UnreadableJob: it is no regular file, or longer than ``max_bytes`` bytes.
        OSError: it cannot be read.
    """
    with open_regular_file(dir_fd, name, max_bytes) as source:
        size, digest = _transfer(source, None, name, max_bytes)
    METER.bytes += size
    return Copied(size, digest)


def _transfer(source: int, target: int | None, name: str, max_bytes: int, *, private: bool = False) -> tuple[int, str]:
    """Read all of ``source``, hash it, and write to ``target``, if there is one, the bytes that were hashed."""
    if target is not None and os.fstat(source).st_size > _LARGE_BYTES:
        return _transfer_large(source, target, name, max_bytes, private=private)
    digest = hashlib.sha256()
    size = 0
    buffer = memoryview(bytearray(CHUNK_BYTES))
    while count := os.readv(source, [buffer]):
        check_interrupted()
        size += count
        refuse_longer(name, size, max_bytes)
        digest.update(buffer[:count])
        if target is not None:
            write_all(target, buffer[:count])
    return size, digest.hexdigest()


def _transfer_large(source: int, target: int, name: str, max_bytes: int, *, private: bool) -> tuple[int, str]:
    """Do the same for a large file: a second thread hashes while this one copies."""
    from concurrent.futures import Future, ThreadPoolExecutor

    digest = hashlib.sha256()
    size = 0
    pending: list[Future[None]] = []
    with ThreadPoolExecutor(1) as executor:
        try:
            read_buffer = memoryview(bytearray(CHUNK_BYTES))
            while private and (count := _copy_by_kernel(source, target)):
                check_interrupted()
                pending.append(executor.submit(_read_back, target, size, size + count, digest.update, read_buffer))
                size += count
                refuse_longer(name, size, max_bytes)
            buffers = [memoryview(bytearray(CHUNK_BYTES // 4)) for _ in range(_BUFFERS)]
            while count := os.readv(source, [buffers[0]]):
                check_interrupted()
                size += count
                refuse_longer(name, size, max_bytes)
                chunk = buffers[0][:count]
                pending.append(executor.submit(digest.update, chunk))
                write_all(target, chunk)
                buffers.append(buffers.pop(0))
                while len(pending) >= len(buffers):
                    pending.pop(0).result()  # before its buffer is filled again
            for future in pending:
                check_interrupted()
                future.result()
        except BaseException:
            executor.shutdown(wait=False, cancel_futures=True)  # the digest is not needed any more
            raise
    return size, digest.hexdigest()


def _copy_by_kernel(source: int, target: int) -> int:
    """Let the kernel copy the next chunk; return its size in bytes, 0 at the end or where the kernel cannot do it."""
    if not hasattr(os, "copy_file_range"):
        return 0
    try:
        return os.copy_file_range(source, target, 8 * CHUNK_BYTES)
    except OSError as error:
        if error.errno in _UNSUPPORTED_ERRNOS:
            return 0
        raise


def _read_back(file: int, begin: int, end: int, update: Callable[[memoryview], object], buffer: memoryview) -> None:
    """Pass the bytes from ``begin`` to ``end`` of an open file to ``update``, chunk by chunk.

    Raises:
        OSError: the file cannot be read, or is shorter.
    """
    while begin < end:
        count = os.preadv(file, [buffer[: end - begin]], begin)
        if not count:
            raise OSError(errno.EIO, "what was copied cannot be read back")
        update(buffer[:count])
        begin += count
