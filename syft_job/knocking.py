"""Does the folder answer? A file system whose server is away may keep whoever asks it for ever.

So it is asked before a lock is taken, and, by those who have something else to do, in a thread that may be left behind.
"""

from __future__ import annotations

import os
import secrets
import threading
from contextlib import suppress
from pathlib import Path

from . import disk
from .errors import SyftJobError


def knock(path: Path) -> None:
    """Ask the file system at ``path`` for what no cache can know, and wait for the answer, which may take for ever.

    Raises:
        StoreError: it answers with an error.
    """
    with disk.in_words(f"use {str(path)!r}"), suppress(FileNotFoundError, NotADirectoryError):
        os.lstat(path / f".{secrets.token_hex(8)}.tmp")


class Knock:
    """One question, asked by a thread of its own; ``answered`` is set when there is an answer, be it an error."""

    def __init__(self, path: Path) -> None:
        self.answered = threading.Event()
        # A daemon: the end of the process does not wait for it.
        threading.Thread(target=self._ask, args=(path,), name="syft-job-knock", daemon=True).start()

    def _ask(self, path: Path) -> None:
        with suppress(SyftJobError):
            knock(path)
        self.answered.set()
