"""What a command does while the shared folder does not respond: it waits, and tells its user that it does."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from syft_job.fs.probe import BackgroundCall, FolderProbe

from .console import complain

NOTICE_AFTER_S = 3.0
"""For how many seconds the folder may not respond before a line on stderr names it."""
_T = TypeVar("_T")


def call_with_notice(call: Callable[[], _T], notice: str) -> _T:
    """Return what ``call`` returns; print ``notice`` if that takes long.

    A system call on a hung mount blocks indefinitely, and not even Ctrl-C reaches its thread. So ``call`` runs in a
    background thread, and the calling thread stays interruptible.
    """
    background = BackgroundCall(call, "syft-job-command")
    if not background.ended.wait(NOTICE_AFTER_S):
        complain(notice)
    return background.result()


def watch_folder(root: Path, ended: threading.Event) -> None:
    """Until ``ended`` is set, probe the folder in the background, and print one line if it stops responding."""

    def watch() -> None:
        while not ended.wait(NOTICE_AFTER_S):
            if not FolderProbe(root).ended.wait(NOTICE_AFTER_S) and not ended.is_set():
                complain(f"The folder {root} does not answer; waiting for it. Ctrl-\\ gives up.")
                return

    threading.Thread(target=watch, daemon=True).start()
