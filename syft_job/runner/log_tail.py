"""What an attempt prints, told line by line while it runs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from syft_job.model.text import decode_utf8, escape_text

from .attempt_files import STREAMS, Attempt

_LONGEST_LINE = 65536


class LogTail:
    """Tells whole lines of both streams, each once, as they come; and at the end what is left without a line end.

    Args:
        say: called with each line.
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._told = dict.fromkeys(STREAMS, 0)

    def tell(self, attempt: Attempt, *, is_over: bool) -> None:
        """Tell what was printed since the last time."""
        for stream, told in self._told.items():
            try:
                with _path_of(attempt, stream).open("rb") as log:
                    log.seek(told)
                    new = log.read()
            except FileNotFoundError:
                continue  # nothing was printed yet, or it is being brought home at this moment
            if not is_over and len(new) < _LONGEST_LINE:
                new = new[: new.rfind(b"\n") + 1]
            self._told[stream] += len(new)
            if new:
                # Carriage returns and escapes stay, written out: a line that was announced cannot be replaced.
                for line in decode_utf8(new).removesuffix("\n").split("\n"):
                    self._say(f"   {escape_text(line)}")


def _path_of(attempt: Attempt, stream: str) -> Path:
    """The live log, or the held one, which holds the same bytes."""
    live = attempt.log(stream)
    return live if live.exists() else attempt.held / "logs" / f"{stream}.txt"
