"""Does the folder answer? A file system whose server is away may keep whoever asks it for ever.

So it is asked before a lock is taken, and, by those who have something else to do, in a thread that may be left behind.
"""

from __future__ import annotations

import os
import secrets
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Generic, TypeVar

from syft_job import fs

_T = TypeVar("_T")


def probe(path: Path) -> None:
    """Ask the file system at ``path`` for what no cache can know, and wait for the answer, which may take for ever.

    Raises:
        StoreError: it answers with an error.
    """
    with fs.in_words(f"use {str(path)!r}"), suppress(FileNotFoundError, NotADirectoryError):
        os.lstat(path / f".{secrets.token_hex(8)}.tmp")


class BackgroundCall(Generic[_T]):
    """Something done by a thread of its own, because a silent folder may keep it for ever; ``ended`` is set at its end.

    The end of the process does not wait for it.

    Args:
        act: what is done.
        name: what the thread is called.
    """

    def __init__(self, act: Callable[[], _T], name: str) -> None:
        self.ended = threading.Event()
        self._act = act
        self._found: list[_T] = []
        self._failed: BaseException | None = None
        threading.Thread(target=self._run, name=name, daemon=True).start()

    def result(self) -> _T:
        """What came of it, once it has ended; raises what it raised."""
        self.ended.wait()
        if self._failed is not None:
            raise self._failed
        return self._found[0]

    def _run(self) -> None:
        try:
            self._found.append(self._act())
        except BaseException as error:  # noqa: BLE001 - raised again by whoever asks for the result
            self._failed = error
        finally:
            self.ended.set()


class FolderProbe(BackgroundCall[None]):
    """One question to the file system at ``path``; it has ended when there is an answer, be it an error."""

    def __init__(self, path: Path) -> None:
        super().__init__(lambda: probe(path), "syft-job-knock")
