"""The output of a job as text for a terminal: what the owner reads is what would be released.

A log is bytes that a job wrote. Rendering keeps nothing that could control a terminal, and hides nothing silently:

- Plain colours (SGR 0, 1, 22, 31-36, 39, 91-96) are kept on request and dropped otherwise. Black, white and greys are
  not kept, because on some terminals they are the background. Other styles are dropped.
- What conceals text (SGR 8, black text, text in its background's colour) is written out where it stands and counted.
  Backgrounds and extended colours are dropped and counted.
- Every other escape sequence, titles and links included, is written out with its content, as `visible` does.
- Of a line that carriage returns overwrite, the last state is shown; the earlier states are counted.

The input arrives in chunks of any size. Memory is bounded: an unfinished line longer than `MAX_PENDING_CHARS` is
rendered in pieces.
"""

from __future__ import annotations

import codecs
import re
from copy import copy
from enum import Enum
from typing import Final

from .visible import visible, visible_code

MAX_PENDING_CHARS: Final = 1 << 16
"""The longest unfinished line that is held back for a carriage return or a line end to come."""

RESET: Final = "\x1b[0m"
_SGR: Final = re.compile(r"\x1b\[([0-9;:]{0,64})m")
_UNFINISHED_SGR: Final = re.compile(r"\x1b(?:\[[0-9;:]{0,64})?\Z")
_COLOURS: Final = frozenset((*range(31, 37), *range(91, 97)))
_FOREGROUNDS: Final = frozenset((*range(30, 38), *range(90, 98)))
_BACKGROUNDS: Final = frozenset((*range(40, 48), *range(100, 108)))
_STYLES: Final = frozenset((2, 3, 4, 7, 21, 23, 24, 27, 28, 29, 49, 55))
"""Faint, italic, underlined, reversed, and the ends of styles: without them the text reads the same."""
_CONCEAL: Final = 8
_BLACK: Final = 30
_EXTENDED_FOREGROUND, _EXTENDED_BACKGROUND = 38, 48


class LogRenderer:
    """Renders one log, chunk by chunk.

    Args:
        colours: keep plain colours.
        raw: write out every control character, carriage returns and colours included; nothing is dropped or counted.
        collapse: show only the last state of a line that carriage returns overwrite; otherwise they are written out.

    Attributes:
        concealed: places where text was concealed, or where a background or extended colour was dropped.
        overwritten: states of lines that a carriage return overwrote and that are not shown.
    """

    def __init__(self, *, colours: bool = False, raw: bool = False, collapse: bool = True) -> None:
        self.concealed = 0
        self.overwritten = 0
        self._colours = colours and not raw
        self._raw = raw
        self._collapse = collapse and not raw
        self._decode = codecs.getincrementaldecoder("utf-8")("backslashreplace").decode
        self._pending = ""
        self._style = _Style()
        self._has_emitted_colour = False

    def feed(self, data: bytes) -> str:
        """Take the next bytes; return what they complete: whole lines, and pieces of overlong ones."""
        text = self._pending + self._decode(data)
        whole, end, self._pending = text.rpartition("\n")
        shown = self._lines(whole + end)
        if len(self._pending) > MAX_PENDING_CHARS:
            piece, self._pending = _split_before_unfinished(self._pending)
            shown += self._line(piece)
        return shown

    def pending(self) -> str:
        """Return the unfinished line as it looks now, without consuming it."""
        line, _ = _split_before_unfinished(self._pending)
        preview = LogRenderer(colours=self._colours, raw=self._raw, collapse=self._collapse)
        preview._style = copy(self._style)
        return preview._line(line) + (RESET if preview._has_emitted_colour else "")

    def close(self) -> str:
        """Return what is left, and the end of the colours if any are on."""
        text = self._pending + self._decode(b"", final=True)
        self._pending = ""
        return self._lines(text) + (RESET if self._has_emitted_colour else "")

    def notice(self) -> str:
        """One line that reports what the rendered text does not show, or an empty text."""
        reports = []
        if self.concealed:
            reports.append(f"concealed text or removed colours: {_places(self.concealed)}")
        if self.overwritten:
            reports.append(f"overwritten by carriage returns and not shown: {_places(self.overwritten)}")
        return f"[syft-job] {'; '.join(reports)}. The raw log shows everything." if reports else ""

    def _lines(self, text: str) -> str:
        if self._raw or ("\x1b" not in text and "\r" not in text):
            return visible_code(text) if self._raw else visible(text)
        return "\n".join(map(self._line, text.split("\n")))

    def _line(self, line: str) -> str:
        if self._raw:
            return visible_code(line)
        if not self._collapse or "\r" not in line:
            return self._styled(line)
        states = line.split("\r")
        # A trailing carriage return only moves the cursor: the state before it is still what is seen.
        last = max((index for index, state in enumerate(states) if _SGR.sub("", state)), default=0)
        before = self._style.kept
        for state in states[:last]:
            self.overwritten += bool(_SGR.sub("", state))
            self._styled(state)
        prefix = ""
        if self._colours and self._style.kept != before:
            prefix = self._style.sequence(before)
            self._has_emitted_colour = True
        return prefix + "".join(map(self._styled, states[last:]))

    def _styled(self, text: str) -> str:
        """Render a text without carriage returns to interpret; its SGR sequences change the style."""
        if "\x1b" not in text:
            return visible(text)
        pieces = []
        end = 0
        for match in _SGR.finditer(text):
            pieces += [visible(text[end : match.start()]), self._sequence(match)]
            end = match.end()
        return "".join([*pieces, visible(text[end:])])

    def _sequence(self, match: re.Match[str]) -> str:
        before = self._style.kept
        effect = self._style.apply(match[1])
        self.concealed += effect is not _Effect.PLAIN
        shown = visible(match[0]) if effect is _Effect.CONCEALING else ""
        if self._colours and self._style.kept != before:
            shown += self._style.sequence(before)
            self._has_emitted_colour = True
        return shown


class _Effect(Enum):
    """What one SGR sequence means for the reader."""

    PLAIN = "plain"
    REMOVED = "removed"
    CONCEALING = "concealing"


class _Style:
    """The state that SGR sequences leave: the colour and weight that are kept, and what would conceal text."""

    def __init__(self) -> None:
        self._reset()

    def _reset(self) -> None:
        self.colour: int | None = None
        self.bold = False
        self._foreground: int | tuple[str, ...] | None = None
        self._background: int | tuple[str, ...] | None = None

    @property
    def kept(self) -> tuple[int | None, bool]:
        return self.colour, self.bold

    def sequence(self, before: tuple[int | None, bool]) -> str:
        """The sequence that brings a terminal from the kept style ``before`` into this one."""
        must_reset = self.kept == (None, False) or (before[1] and not self.bold)
        codes = ["0"] if must_reset else []
        codes += ["1"] if self.bold and (must_reset or not before[1]) else []
        if must_reset:
            codes += [str(self.colour)] if self.colour else []
        elif self.colour != before[0]:
            codes += [str(self.colour or 39)]
        return f"\x1b[{';'.join(codes)}m"

    def apply(self, parameters: str) -> _Effect:
        """Follow one SGR sequence."""
        conceals = is_removed = False
        rest = parameters.split(";")
        while rest:
            parameter = rest.pop(0)
            head, *extended = parameter.split(":")
            code = int(head[:4] or 0)
            if code in (_EXTENDED_FOREGROUND, _EXTENDED_BACKGROUND):
                is_removed = True
                if not extended:
                    count = {"5": 2, "2": 4}.get(rest[0].lstrip("0") if rest else "", len(rest))
                    extended, rest = rest[:count], rest[count:]
                self._set(tuple(extended), is_background=code == _EXTENDED_BACKGROUND)
            elif extended or not self._apply_code(code):
                is_removed = True
            if code == _CONCEAL or (code not in (0, 39, 49) and self._is_unreadable()):
                conceals = True
        if conceals:
            return _Effect.CONCEALING
        return _Effect.REMOVED if is_removed else _Effect.PLAIN

    def _apply_code(self, code: int) -> bool:
        """Follow one plain code; return False for one that is dropped and counted."""
        if code == 0:
            self._reset()
        elif code in (1, 22):
            self.bold = code == 1
        elif code == 39 or code in _FOREGROUNDS:
            self._set(None if code == 39 else code, is_background=False)
        elif code == 49 or code in _BACKGROUNDS:
            self._set(None if code == 49 else code, is_background=True)
            return code == 49
        else:
            return code in _STYLES
        return True

    def _set(self, colour: int | tuple[str, ...] | None, *, is_background: bool) -> None:
        if is_background:
            self._background = colour
        else:
            self._foreground = colour
            self.colour = colour if isinstance(colour, int) and colour in _COLOURS else None

    def _is_unreadable(self) -> bool:
        if isinstance(self._foreground, int) and isinstance(self._background, int):
            return self._foreground % 10 == self._background % 10
        if isinstance(self._foreground, tuple):
            return self._foreground == self._background
        return self._foreground == _BLACK


def render_log(data: bytes, *, colours: bool = False, raw: bool = False) -> tuple[str, str]:
    """Render a whole log; returns its text and the notice of what that does not show."""
    renderer = LogRenderer(colours=colours, raw=raw)
    text = renderer.feed(data)
    return text + renderer.close(), renderer.notice()


def _split_before_unfinished(text: str) -> tuple[str, str]:
    """Split off an escape sequence at the end that further input may complete."""
    match = _UNFINISHED_SGR.search(text, max(0, len(text) - 80))
    return (text[: match.start()], text[match.start() :]) if match else (text, "")


def _places(count: int) -> str:
    return "1 place" if count == 1 else f"{count} places"
