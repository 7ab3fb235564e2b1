"""A log as an object: its text as ``str()``, a short form as ``repr()``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import BinaryIO

from syft_job import fs
from syft_job.model.text import escape_line

from .log_text import render_log

SHORT_LINES = 3
MAX_SHOWN_BYTES = 32 << 20
"""How much of a log is read into memory; the text states how much more there is."""


class LogViewer:
    """The captured output of a job, or the sentence that states why there is none.

    ``str()`` gives the text without colours, with progress lines in their last state. What is left out is reported in a
    last line that begins with ``[syft-job]``. ``repr()`` gives up to three lines of the text, or a summary.
    """

    stream = "log"

    def __init__(self, path: Path | None, instead: str, below: Path | None = None) -> None:
        self.path = path
        self._instead = instead
        self._below = below

    @property
    def text(self) -> str:
        """The whole text, read on each access."""
        return self._render(raw=False)

    @property
    def raw(self) -> str:
        """Every character of the log, with control characters as ``<U+XXXX>``; nothing is left out."""
        return self._render(raw=True)

    def _render(self, *, raw: bool) -> str:
        if self.path is None:
            return self._instead
        with self.open() as log:
            data = log.read(MAX_SHOWN_BYTES)
            remaining_bytes = os.fstat(log.fileno()).st_size - len(data)
        text, notice = render_log(data, raw=raw)
        if remaining_bytes > 0:
            text += f"\n[{remaining_bytes} bytes more in {escape_line(str(self.path))}]\n"
        if notice:
            text += ("" if text.endswith("\n") or not text else "\n") + notice + "\n"
        return text

    def open(self) -> BinaryIO:
        """Open the file of the log; below the shared folder no link is followed.

        Raises:
            FileNotFoundError: there is no log, or it was removed.
            UnreadableJob: the file was replaced by something that is not a plain file.
        """
        if self.path is None:
            raise FileNotFoundError(self._instead)
        return fs.open_file_below(self.path, below=self._below or self.path.parent)

    @property
    def line_count(self) -> int:
        """The number of lines of the text."""
        return len(self.text.splitlines())

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        text = self.text
        lines = len(text.splitlines())
        return text if lines <= SHORT_LINES else f"{type(self).__name__}({lines} lines, {len(text)} chars)"


class StdoutViewer(LogViewer):
    """What a job wrote to stdout."""

    stream = "stdout"


class StderrViewer(LogViewer):
    """What a job wrote to stderr, tracebacks included."""

    stream = "stderr"
