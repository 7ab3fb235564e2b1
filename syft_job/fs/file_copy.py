"""Copying and hashing in one go: the bytes that were written are the ones that were hashed."""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Callable
from typing import NamedTuple

from .atomic_write import NEW, write_all
from .cancellation import check_interrupted
from .entries import CHUNK, plain_file, refuse_longer
from .entry_names import require_entry_name
from .modes import settle_mode
from .os_errors import path_words, trouble
from .read_meter import METER
from .write_hook import tick

_CANNOT = frozenset({errno.EXDEV, errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP, errno.EBADF, errno.EPERM})
"""What a kernel says that does not copy between these two files; any other word is about the disk."""


class Copied(NamedTuple):
    """What a copy turned out to be: its size in bytes and the SHA-256 of what was written."""

    size: int
    sha256: str


def copy(
    source: int,
    name: str,
    target: int,
    as_name: str,
    *,
    most: int,
    mode: int = 0o600,
    durable: bool = False,
    private: bool = False,
) -> Copied:
    """Copy the plain file ``name`` of the directory ``source`` to a new file in ``target``, hashing what is written.

    Where nobody else can write in ``target``, say so with ``private``: then the kernel copies what is large, and what
    is hashed is read back from the copy, which takes less time.

    Raises:
        FileNotFoundError: it is not there.
        UnreadableJob: it is no plain file, or longer than ``most`` bytes.
        StoreError: the copy cannot be written.
    """
    require_entry_name(as_name)
    with plain_file(source, name, most) as reading:
        tick(f"create {as_name}")
        try:
            writing = os.open(as_name, NEW & ~os.O_WRONLY | os.O_RDWR, mode, dir_fd=target)
            try:
                settle_mode(writing, mode)
                size, digest = _pour(reading, writing, name, most, private=private)
                if durable and size:
                    os.fsync(writing)
            finally:
                os.close(writing)
        except OSError as error:
            raise trouble(f"copy {path_words(source, name)} to {path_words(target, as_name)}", error) from error
    return Copied(size, digest)


def hash_file(place: int, name: str, *, most: int) -> Copied:
    """Size and SHA-256 of the plain file ``name`` in the directory ``place``.

    Raises:
        FileNotFoundError: it is not there.
        UnreadableJob: it is no plain file, or longer than ``most`` bytes.
    """
    with plain_file(place, name, most) as reading:
        size, digest = _pour(reading, None, name, most)
    METER.bytes += size
    return Copied(size, digest)


def _pour(reading: int, writing: int | None, name: str, most: int, *, private: bool = False) -> tuple[int, str]:
    """Read all, hash it and write the very bytes that were hashed."""
    if writing is not None and os.fstat(reading).st_size > 4 * CHUNK:
        return _pour_much(reading, writing, name, most, private=private)
    digest = hashlib.sha256()
    size = 0
    buffer = memoryview(bytearray(CHUNK))
    while got := os.readv(reading, [buffer]):
        check_interrupted()
        size += got
        refuse_longer(name, size, most)
        digest.update(buffer[:got])
        if writing is not None:
            write_all(writing, buffer[:got])
    return size, digest.hexdigest()


def _pour_much(reading: int, writing: int, name: str, most: int, *, private: bool) -> tuple[int, str]:
    """The same for a large file: one processor hashes while another one copies."""
    from concurrent.futures import Future, ThreadPoolExecutor

    digest = hashlib.sha256()
    size = 0
    hashing: list[Future[None]] = []
    with ThreadPoolExecutor(1) as hand:
        try:
            back = memoryview(bytearray(CHUNK))
            while private and (got := _copied_by_kernel(reading, writing)):
                check_interrupted()
                hashing.append(hand.submit(_read_back, writing, size, size + got, digest.update, back))
                size += got
                refuse_longer(name, size, most)
            buffers = [memoryview(bytearray(CHUNK // 4)) for _ in range(8)]
            while got := os.readv(reading, [buffers[0]]):
                check_interrupted()
                size += got
                refuse_longer(name, size, most)
                piece = buffers[0][:got]
                hashing.append(hand.submit(digest.update, piece))
                write_all(writing, piece)
                buffers.append(buffers.pop(0))
                while len(hashing) >= len(buffers):
                    hashing.pop(0).result()  # before the buffer is filled anew
            for rest in hashing:
                check_interrupted()
                rest.result()
        except BaseException:
            hand.shutdown(wait=False, cancel_futures=True)  # what is not hashed yet need not be any more
            raise
    return size, digest.hexdigest()


def _copied_by_kernel(reading: int, writing: int) -> int:
    """How many bytes more the kernel copied; 0 at the end of the file, and where it cannot do it."""
    if not hasattr(os, "copy_file_range"):
        return 0
    try:
        return os.copy_file_range(reading, writing, 8 * CHUNK)
    except OSError as error:
        if error.errno in _CANNOT:
            return 0
        raise


def _read_back(
    file: int, begin: int, end: int, check_markers: Callable[[memoryview], object], buffer: memoryview
) -> None:
    """Tell the bytes from ``begin`` to ``end`` of a file, piece by piece."""
    while begin < end:
        got = os.preadv(file, [buffer[: end - begin]], begin)
        if not got:
            raise OSError(errno.EIO, "what was copied cannot be read back")
        check_markers(buffer[:got])
        begin += got
