"""The output of a job as text for a terminal: what the owner reads is what would be released.

A log is bytes that a job wrote. Rendering keeps nothing that could control a terminal, and hides nothing silently:

- Plain colours (SGR 0, 1, 22, 31-36, 39, 91-96) are kept on request and dropped otherwise. Black, white and greys are
  not kept, because on some terminals they are the background. Other styles are dropped.
- What conceals text (SGR 8, black text, text in its background's colour) is written out where it stands and counted.
  Backgrounds and extended colours are dropped and counted.
- Every other escape sequence, titles and links included, is written out with its content, as `escape_text` does.
- Of a line that carriage returns overwrite, the last state is shown; the earlier states are counted.

The input arrives in chunks of any size. Memory is bounded: an unfinished line longer than `MAX_PENDING_CHARS` is
rendered in pieces.
"""

from __future__ import annotations

import codecs
import re
from enum import Enum
from functools import lru_cache
from typing import Final, NamedTuple

from syft_job.model.text import escape_code, escape_text

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
_Colour = int | tuple[str, ...] | None
_EXTENDED_FOREGROUND, _EXTENDED_BACKGROUND = 38, 48


class LogRenderer:
    """Renders one log, chunk by chunk.

    Args:
        colours: keep plain colours.
        raw: write out every control character, carriage returns and colours included; nothing is dropped or counted.

    Attributes:
        concealed: places where text was concealed, or where a background or extended colour was dropped.
        overwritten: states of lines that a carriage return overwrote and that are not shown.
    """

    def __init__(self, *, colours: bool = False, raw: bool = False) -> None:
        self.concealed = 0
        self.overwritten = 0
        self._colours = colours and not raw
        self._raw = raw
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
        preview = LogRenderer(colours=self._colours, raw=self._raw)
        preview._style = self._style
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
            return escape_code(text) if self._raw else escape_text(text)
        return "\n".join(map(self._line, text.split("\n")))

    def _line(self, line: str) -> str:
        if self._raw:
            return escape_code(line)
        if "\r" not in line:
            return self._styled(line)
        states = line.split("\r")
        # A trailing carriage return only moves the cursor: the state before it is still what is seen.
        last = next((index for index in range(len(states) - 1, 0, -1) if states[index] and _has_text(states[index])), 0)
        before = self._style
        for state in filter(None, states[:last]):
            self.overwritten += _has_text(state)
            if "\x1b" in state:
                self._styled(state)
        prefix = ""
        if self._colours and self._style.kept != before.kept:
            prefix = self._style.sequence(before)
            self._has_emitted_colour = True
        return prefix + "".join(map(self._styled, filter(None, states[last:])))

    def _styled(self, text: str) -> str:
        """Render a text without carriage returns to interpret; its SGR sequences change the style."""
        if "\x1b" not in text:
            return escape_text(text)
        pieces = []
        end = 0
        for match in _SGR.finditer(text):
            if match.start() > end:
                pieces.append(escape_text(text[end : match.start()]))
            pieces.append(self._sequence(match))
            end = match.end()
        return "".join([*pieces, escape_text(text[end:])])

    def _sequence(self, match: re.Match[str]) -> str:
        before = self._style
        self._style, effect = _apply(before, match[1])
        self.concealed += effect is not _Effect.PLAIN
        shown = escape_text(match[0]) if effect is _Effect.CONCEALING else ""
        if self._colours and self._style.kept != before.kept:
            shown += self._style.sequence(before)
            self._has_emitted_colour = True
        return shown


class _Effect(Enum):
    """What one SGR sequence means for the reader."""

    PLAIN = "plain"
    REMOVED = "removed"
    CONCEALING = "concealing"


class _Style(NamedTuple):
    """The state that SGR sequences leave, as far as it is kept or can conceal text."""

    foreground: _Colour = None
    background: _Colour = None
    bold: bool = False

    @property
    def kept(self) -> tuple[int | None, bool]:
        """The colour and the weight that a terminal is given."""
        is_kept = isinstance(self.foreground, int) and self.foreground in _COLOURS
        return self.foreground if is_kept else None, self.bold  # type: ignore[return-value]

    @property
    def is_unreadable(self) -> bool:
        """True if text is black or has the colour of its background, as far as the sequences show."""
        if isinstance(self.foreground, int) and isinstance(self.background, int):
            return self.foreground % 10 == self.background % 10
        if isinstance(self.foreground, tuple):
            return self.foreground == self.background
        return self.foreground == _BLACK

    def sequence(self, before: _Style) -> str:
        """The sequence that brings a terminal from the kept part of ``before`` to that of this style."""
        (old_colour, was_bold), (colour, bold) = before.kept, self.kept
        must_reset = (colour, bold) == (None, False) or (was_bold and not bold)
        codes = ["0"] if must_reset else []
        codes += ["1"] if bold and (must_reset or not was_bold) else []
        if must_reset:
            codes += [str(colour)] if colour else []
        elif colour != old_colour:
            codes += [str(colour or 39)]
        return f"\x1b[{';'.join(codes)}m"


@lru_cache(maxsize=1024)
def _apply(style: _Style, parameters: str) -> tuple[_Style, _Effect]:
    """Follow one SGR sequence: the style after it, and what it means for the reader."""
    conceals = is_removed = False
    rest = parameters.split(";")
    while rest:
        head, *extended = rest.pop(0).split(":")
        code = int(head or 0)
        if code in (_EXTENDED_FOREGROUND, _EXTENDED_BACKGROUND):
            is_removed = True
            if not extended:
                count = {"5": 2, "2": 4}.get(rest[0].lstrip("0") if rest else "", len(rest))
                extended, rest = rest[:count], rest[count:]
            colour = tuple(extended)
            is_foreground = code == _EXTENDED_FOREGROUND
            style = style._replace(foreground=colour) if is_foreground else style._replace(background=colour)
        elif extended:
            is_removed = True
        else:
            style, is_known = _apply_code(style, code)
            is_removed = is_removed or not is_known
        conceals = conceals or code == _CONCEAL or (code not in (0, 39, 49) and style.is_unreadable)
    if conceals:
        return style, _Effect.CONCEALING
    return style, _Effect.REMOVED if is_removed else _Effect.PLAIN


def _apply_code(style: _Style, code: int) -> tuple[_Style, bool]:
    """Follow one plain code; returns the style, and whether the code is kept or harmless."""
    if code == 0:
        return _Style(), True
    if code in (1, 22):
        return style._replace(bold=code == 1), True
    if code == 39 or code in _FOREGROUNDS:
        return style._replace(foreground=None if code == 39 else code), True
    if code == 49 or code in _BACKGROUNDS:
        return style._replace(background=None if code == 49 else code), code == 49
    return style, code in _STYLES


def render_log(data: bytes, *, colours: bool = False, raw: bool = False) -> tuple[str, str]:
    """Render a whole log; returns its text and the notice of what that does not show."""
    renderer = LogRenderer(colours=colours, raw=raw)
    text = renderer.feed(data)
    return text + renderer.close(), renderer.notice()


def _has_text(state: str) -> bool:
    """Whether a state of a line has more than SGR sequences."""
    return bool(_SGR.sub("", state) if "\x1b" in state else state)


def _split_before_unfinished(text: str) -> tuple[str, str]:
    """Split off an escape sequence at the end that further input may complete."""
    match = _UNFINISHED_SGR.search(text, max(0, len(text) - 80))
    return (text[: match.start()], text[match.start() :]) if match else (text, "")


def _places(count: int) -> str:
    return "1 place" if count == 1 else f"{count} places"
