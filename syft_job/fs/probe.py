"""Probe whether a (network) file system responds.

System calls on a hung mount block indefinitely and cannot be interrupted, so a folder is probed before a lock is taken,
and callers that must not block probe it in a daemon thread.
"""

from __future__ import annotations

import os
import secrets
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Generic, TypeVar

from .os_errors import translate_os_errors

_T = TypeVar("_T")


def probe(path: Path) -> None:
    """Make one request to the file system at ``path`` that no cache can answer; this may block indefinitely.

    Raises:
        StoreError: it responds with an error.
    """
    with translate_os_errors(f"use {str(path)!r}"), suppress(FileNotFoundError, NotADirectoryError):
        os.lstat(path / f".{secrets.token_hex(8)}.tmp")


class BackgroundCall(Generic[_T]):
    """A call that runs in a daemon thread, because it may block indefinitely.

    The end of the process does not wait for it. ``ended`` is set when it has returned or raised.

    Args:
        call: the function to call.
        name: the name of the thread.
    """

    def __init__(self, call: Callable[[], _T], name: str) -> None:
        self.ended = threading.Event()
        self._call = call
        self._results: list[_T] = []
        self._error: BaseException | None = None
        threading.Thread(target=self._run, name=name, daemon=True).start()

    def result(self) -> _T:
        """Wait for the end of the call, and return what it returned.

        Raises:
            BaseException: what the call raised.
        """
        self.ended.wait()
        if self._error is not None:
            raise self._error
        return self._results[0]

    def _run(self) -> None:
        try:
            self._results.append(self._call())
        except BaseException as error:  # noqa: BLE001 - `result` raises it again
            self._error = error
        finally:
            self.ended.set()


class FolderProbe(BackgroundCall[None]):
    """One `probe` of ``path`` in a daemon thread; it has ended when the file system responded, even with an error."""

    def __init__(self, path: Path) -> None:
        super().__init__(lambda: probe(path), "syft-job-probe")
