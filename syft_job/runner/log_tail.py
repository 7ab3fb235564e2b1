"""The output of an attempt, announced line by line while it runs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from syft_job.execution.attempt_operations import STREAMS
from syft_job.model.text import decode_utf8, escape_text

from .attempt_files import Attempt

_MAX_LINE_BYTES = 65536


class LogTail:
    """Announces whole lines of both streams, each once, as they come; at the end also a line without its end.

    Args:
        announce: called with each line.
    """

    def __init__(self, announce: Callable[[str], None]) -> None:
        self._announce = announce
        self._offsets = dict.fromkeys(STREAMS, 0)

    def tell(self, attempt: Attempt, *, is_over: bool) -> None:
        """Announce what was printed since the last call."""
        for stream, offset in self._offsets.items():
            try:
                with _path_of(attempt, stream).open("rb") as log:
                    log.seek(offset)
                    new = log.read()
            except FileNotFoundError:
                continue  # nothing was printed yet, or it is being copied at this moment
            if not is_over and len(new) < _MAX_LINE_BYTES:
                new = new[: new.rfind(b"\n") + 1]
            self._offsets[stream] += len(new)
            if new:
                # Carriage returns and escapes stay, written out: a line that was announced cannot be replaced.
                for line in decode_utf8(new).removesuffix("\n").split("\n"):
                    self._announce(f"   {escape_text(line)}")


def _path_of(attempt: Attempt, stream: str) -> Path:
    """The live log, or the held one, which has the same bytes."""
    live = attempt.log(stream)
    return live if live.exists() else attempt.held / "logs" / f"{stream}.txt"
