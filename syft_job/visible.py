"""Text from strangers, made safe to look at: nothing in it can move the cursor, hide itself or turn letters around."""

from __future__ import annotations

import re
import unicodedata

_COLOUR = re.compile(r"\x1b\[[0-9;:]*m")
_ESCAPES = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]"  # control sequences
    r"|\x1b[\]PX^_][^\x1b\x07\x9c]*(?:\x1b\\|\x07|\x9c)?"  # strings: titles, links, device control
    r"|\x1b[ -/]*[0-~]"
)
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})


def visible(text: str) -> str:
    """``text`` with every control and format character written out as ``<U+XXXX>``; tabs and line ends stay."""
    if text.isascii() and text.replace("\n", "").replace("\t", "").isprintable():
        return text
    return text.translate(_SPELLED)


def visible_line(text: str) -> str:
    """Like `visible`, and line ends and tabs are written out, too: for names and other short texts."""
    return visible(text).replace("\n", "<U+000A>").replace("\t", "<U+0009>")


def without_colours(text: str) -> str:
    """``text`` without terminal escape sequences of any kind."""
    return _ESCAPES.sub("", text)


def with_colours(text: str) -> str:
    """``text`` with its colours kept and every other control made visible; ends with a reset where it has any."""
    pieces = _COLOUR.split(text)
    colours = _COLOUR.findall(text)
    shown = visible(pieces[0]) + "".join(
        colour + visible(piece) for colour, piece in zip(colours, pieces[1:], strict=True)
    )
    return shown + "\x1b[0m" if colours else shown


def decoded(data: bytes) -> str:
    """Bytes of a log as text: UTF-8, and every other byte as a backslash, x and two hex digits."""
    return data.decode("utf-8", "backslashreplace")


class _Spelling(dict[int, str]):
    """For each character itself or its code point written out; each is looked up once."""

    def __missing__(self, point: int) -> str:
        character = chr(point)
        is_plain = character in "\n\t" or unicodedata.category(character) not in _HIDDEN
        self[point] = character if is_plain else f"<U+{point:04X}>"
        return self[point]


_SPELLED = _Spelling()
