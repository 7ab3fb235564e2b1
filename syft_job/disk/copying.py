"""Copying and hashing in one go: the bytes that were written are the ones that were hashed."""

from __future__ import annotations

import hashlib
import os
from typing import NamedTuple

from .counting import tick
from .looking import CHUNK, plain_file, refuse_longer
from .words import path_words, trouble
from .writing import NEW, write_all


class Copied(NamedTuple):
    """What a copy turned out to be: its size in bytes and the SHA-256 of what was written."""

    size: int
    sha256: str


def copy(
    source: int, name: str, target: int, as_name: str, *, most: int, mode: int = 0o600, durable: bool = False
) -> Copied:
    """Copy the plain file ``name`` of the directory ``source`` to a new file in ``target``, hashing what is written.

    Raises:
        FileNotFoundError: it is not there.
        UnreadableJob: it is no plain file, or longer than ``most`` bytes.
        StoreError: the copy cannot be written.
    """
    with plain_file(source, name, most) as reading:
        tick(f"create {as_name}")
        try:
            writing = os.open(as_name, NEW, mode, dir_fd=target)
            try:
                size, digest = _pour(reading, writing, name, most)
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
        return Copied(*_pour(reading, None, name, most))


def _pour(reading: int, writing: int | None, name: str, most: int) -> tuple[int, str]:
    """Read all, hash it and write the very bytes that were hashed."""
    if os.fstat(reading).st_size > 4 * CHUNK:
        return _pour_much(reading, writing, name, most)
    digest = hashlib.sha256()
    size = 0
    buffer = memoryview(bytearray(CHUNK))
    while got := os.readv(reading, [buffer]):
        size += got
        refuse_longer(name, size, most)
        digest.update(buffer[:got])
        if writing is not None:
            write_all(writing, buffer[:got])
    return size, digest.hexdigest()


def _pour_much(reading: int, writing: int | None, name: str, most: int) -> tuple[int, str]:
    """The same for a large file: one processor hashes while another one reads and writes."""
    from concurrent.futures import Future, ThreadPoolExecutor

    digest = hashlib.sha256()
    size = 0
    buffers = [memoryview(bytearray(CHUNK)) for _ in range(3)]
    ahead: list[Future[None]] = []
    with ThreadPoolExecutor(1) as hand:
        while got := os.readv(reading, [buffers[0]]):
            size += got
            refuse_longer(name, size, most)
            piece = buffers[0][:got]
            ahead.append(hand.submit(digest.update, piece))
            if writing is not None:
                write_all(writing, piece)
            buffers.append(buffers.pop(0))
            if len(ahead) == len(buffers):
                ahead.pop(0).result()  # before the buffer is filled anew
        for hashing in ahead:
            hashing.result()
    return size, digest.hexdigest()
