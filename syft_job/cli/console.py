"""Lines for people: on stdout, on stderr, in colour where that helps, and while something takes long.

Names and texts that other people wrote are made visible before they reach a terminal.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from syft_job.model.text import escape_message

if TYPE_CHECKING:
    from rich.status import Status

BUSY_AFTER_S = 1.0
"""After how many seconds a terminal shows what is being done."""


def print_line(line: str) -> None:
    """Print a line on stdout."""
    print(escape_message(line))


def print_now(line: str) -> None:
    """Print a line on stdout and flush it, for a reader who waits for it."""
    print(escape_message(line), flush=True)


def complain(line: str) -> None:
    """Print an error or a warning on stderr."""
    print(red(f"syft-job: {escape_message(line)}", sys.stderr), file=sys.stderr)


def is_terminal(stream: Any = None) -> bool:
    """Return True if ``stream`` (by default stdout) is a terminal."""
    return bool((stream or sys.stdout).isatty())


def has_colours(stream: Any = None) -> bool:
    """Return True on a terminal that shows colours, unless NO_COLOR is set."""
    return is_terminal(stream) and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def red(text: str, stream: Any = None) -> str:
    """``text`` in red where the stream shows colours."""
    return f"\x1b[1;31m{text}\x1b[0m" if has_colours(stream) else text


@contextmanager
def busy(activity: str) -> Iterator[None]:
    """Show ``activity`` on a terminal while the block runs, if it takes longer than a second."""
    if not has_colours(sys.stderr):
        yield
        return
    shown: list[Status] = []

    def begin() -> None:
        from rich.console import Console
        from rich.text import Text

        status = Console(stderr=True).status(Text(activity))  # a file may be called [red]: no markup
        status.start()
        shown.append(status)

    timer = threading.Timer(BUSY_AFTER_S, begin)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()
        for status in shown:
            status.stop()
