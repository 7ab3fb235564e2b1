"""A log as an object: text where text is wanted, a short form where an object is shown."""

from __future__ import annotations

import os
from pathlib import Path
from typing import BinaryIO

from syft_job import fs
from syft_job.model.text import escape_line

from .log_text import render_log

SHORT_LINES = 3
SHOWN_BYTES = 32 << 20
"""More of a log than this is not read into memory; the text says how much there is."""


class LogViewer:
    """The captured output of a job, or the sentence that says why there is none.

    ``str()`` gives the text without colours, and progress lines in their last state; what is not shown is reported in a
    last line that begins with ``[syft-job]``. ``repr()`` gives up to three lines of it, or a summary.
    """

    stream = "log"

    def __init__(self, path: Path | None, instead: str, below: Path | None = None) -> None:
        self.path = path
        self._instead = instead
        self._below = below

    @property
    def text(self) -> str:
        """The whole text, read anew each time."""
        return self._render(raw=False)

    @property
    def raw(self) -> str:
        """Every character of the log, with control characters written out as ``<U+XXXX>``; nothing is left out."""
        return self._render(raw=True)

    def _render(self, *, raw: bool) -> str:
        if self.path is None:
            return self._instead
        with self.open() as log:
            data = log.read(SHOWN_BYTES)
            left = os.fstat(log.fileno()).st_size - len(data)
        text, notice = render_log(data, raw=raw)
        if left > 0:
            text += f"\n[{left} bytes more in {escape_line(str(self.path))}]\n"
        if notice:
            text += ("" if text.endswith("\n") or not text else "\n") + notice + "\n"
        return text

    def open(self) -> BinaryIO:
        """Open the file that holds the log; below the shared folder no link is followed.

        Raises:
            FileNotFoundError: there is none, or it went away.
            UnreadableJob: something of another kind was placed there since it was looked at.
        """
        if self.path is None:
            raise FileNotFoundError(self._instead)
        return fs.open_file_below(self.path, below=self._below or self.path.parent)

    @property
    def line_count(self) -> int:
        """How many lines the text has."""
        return len(self.text.splitlines())

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        text = self.text
        lines = len(text.splitlines())
        return text if lines <= SHORT_LINES else f"{type(self).__name__}({lines} lines, {len(text)} chars)"


class StdoutViewer(LogViewer):
    """What a job printed."""

    stream = "stdout"


class StderrViewer(LogViewer):
    """What a job printed to its error stream, tracebacks included."""

    stream = "stderr"
