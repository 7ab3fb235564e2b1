"""Escape untrusted text for display: every character that is not plainly visible becomes ``<U+XXXX>``.

A character is *not plainly visible* if it is

- of category Cc, Cf, Cs, Co or Cn (control, format, surrogate, private use, unassigned), Zl or Zp (line and paragraph
  separators);
- a space other than U+0020;
- a default-ignorable code point, such as a variation selector or a Hangul filler, or a symbol that draws nothing;
- a combining mark without a letter or digit before it, the fifth and later nonspacing mark on one letter, or the same
  nonspacing mark twice in a row (UTS #39, section 5.4);
- a conjoining Hangul vowel or final that no Hangul syllable precedes: terminals draw it with no width.

Ordinary text in any script passes unchanged, decomposed or not. Which code points are assigned depends on the Unicode
version of the running Python; newer ones are escaped. ASCII text takes a fast path.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from functools import cache
from typing import Final

from .unicode_tables import BLANK, DEFAULT_IGNORABLE, EMOJI_BASES, in_ranges

_EMOJI_VARIATION_SELECTOR: Final = 0xFE0F
_INVISIBLE_CATEGORIES: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp", "Zs"})

# Each character is mapped to one letter for its class, so that the rules are regular expressions over ASCII:
# x always escaped, b base of marks, h Hangul base, n nonspacing mark, c spacing mark, v conjoining Hangul vowel or
# final, e emoji base, f U+FE0F, p any other visible character.
_ESCAPED: Final = r"[xf][xfncv]*|(?<![bhncv])[nc]+|(?<=nnnn)n[nc]*|(?<![hv])v[vnc]*"
_ESCAPED_EXCEPT_EMOJI: Final = r"(?:x|(?<!e)f)(?:[xncv]|f)*|(?<![bhncv])[nc]+|(?<=nnnn)n[nc]*|(?<![hv])v[vnc]*"
_MARKS: Final = "nn+"
_NEEDS_CONTEXT: Final = "[fncv]"
_SUSPICIOUS_CLASSES: Final = ("x", "f", "v", "pn", "pc", "en", "ec", "nnnnn")
"""A line is plainly visible if none of these occurs in its classes and it does not begin with a mark."""

# Fast path: printable characters of these ranges are no marks, draw something, and do not depend on their neighbours.
_NEEDS_CLASSES: Final = (
    "[^\x20-\u02ff\u0370-\u0482\u048a-\u0590\u1e00-\u1fff\u2010-\u2027\u2030-\u205e\u2070-\u20cf\u2100-\u27ff"
    "\u3001-\u3029\u3040-\u3098\u30a0-\u3130\u3400-\ua66e\uac00-\ud7a3\uff01-\uff9f\U0001f000-\U0001faff"
    "\U00020000-\U0003ffff]"
)
_ASCII_ESCAPES: Final = {code: f"<U+{code:04X}>" for code in (*range(32), 127) if chr(code) not in "\t\n"}
MAX_CACHED_CHARACTERS: Final = 1 << 15


def escape_text(text: str) -> str:
    """Escape every character that is not plainly visible; tabs and line ends stay.

    U+FE0F directly after an emoji stays, because messages and logs contain such sequences; use `escape_line` for names
    and `escape_code` for code, which escape it too.
    """
    return _by_line(text, _ESCAPED_EXCEPT_EMOJI)


def escape_code(text: str) -> str:
    """Escape as `escape_text` does, and every variation selector: for text that would be executed."""
    return _by_line(text, _ESCAPED)


def escape_line(text: str) -> str:
    """Escape as `escape_code` does, and line ends and tabs: for names and other short texts."""
    if text.isascii() and text.isprintable():
        return text
    return _by_line(text, _ESCAPED).replace("\n", "<U+000A>").replace("\t", "<U+0009>")


def escape_message(text: str) -> str:
    """Escape as `escape_text` does, and line ends, so that a name in a message cannot forge another message."""
    return escape_text(text).replace("\n", "<U+000A>")


def escape_repr(text: str) -> str:
    """Return ``text`` as `repr` quotes it, with the characters escaped that `repr` leaves invisible."""
    return escape_line(repr(text))


def is_plainly_visible(text: str) -> bool:
    """Return True if `escape_line` would not change ``text``."""
    return escape_line(text) == text


def decode_utf8(data: bytes) -> str:
    """Decode UTF-8; a byte that cannot be decoded becomes a backslash, x and two hex digits."""
    return data.decode("utf-8", "backslashreplace")


def escape_character(character: str) -> str:
    """Return the escaped form of a character, such as ``<U+202E>``."""
    return f"<U+{ord(character):04X}>"


@cache
def _compiled(expression: str) -> re.Pattern[str]:
    """Compile at first use: most calls of the command line display nothing but ASCII."""
    return re.compile(expression)


def _by_line(text: str, rules: str) -> str:
    if text.isascii() and text.replace("\n", "").replace("\t", "").isprintable():
        return text
    return "\n".join(line if _is_plain(line) else _line(line, rules) for line in text.split("\n"))


def _is_plain(line: str) -> bool:
    return line.isprintable() and (line.isascii() or not _compiled(_NEEDS_CLASSES).search(line))


def _line(line: str, rules: str) -> str:
    if line.isascii():
        return line.translate(_ASCII_ESCAPES)
    classes = line.translate(_CLASSES)
    if "nn" in classes:
        classes = _compiled(_MARKS).sub(lambda run: _with_repeated_marks(line, run), classes)
    if classes[0] not in "nc" and not any(suspicious in classes for suspicious in _SUSPICIOUS_CLASSES):
        return line
    if not _compiled(_NEEDS_CONTEXT).search(classes):
        return line.translate(_ESCAPED_CHARACTERS)
    pieces = []
    end = 0
    for match in _compiled(rules).finditer(classes):
        pieces += [line[end : match.start()], *map(escape_character, line[match.start() : match.end()])]
        end = match.end()
    return "".join([*pieces, line[end:]]) if pieces else line


def _with_repeated_marks(line: str, run: re.Match[str]) -> str:
    """Return the classes of a run of nonspacing marks, in which each mark that repeats the one before it is escaped."""
    return "".join(
        "x" if position > run.start() and line[position] == line[position - 1] else "n"
        for position in range(run.start(), run.end())
    )


class CharacterMap(dict[int, str]):
    """A table for `str.translate`: a value for each code point, computed once and cached.

    Untrusted text decides which values are cached, so their number is bounded.
    """

    def __init__(self, compute: Callable[[int], str]) -> None:
        super().__init__()
        self._compute = compute

    def __missing__(self, code_point: int) -> str:
        if len(self) >= MAX_CACHED_CHARACTERS:
            self.clear()
        self[code_point] = value = self._compute(code_point)
        return value


def _class_of(code_point: int) -> str:
    if code_point == _EMOJI_VARIATION_SELECTOR:
        return "f"
    category = unicodedata.category(chr(code_point))
    if chr(code_point) in " \t":
        return "p"
    if category in _INVISIBLE_CATEGORIES or code_point in BLANK or in_ranges(code_point, DEFAULT_IGNORABLE):
        return "x"
    if category[0] == "M":
        return "c" if category == "Mc" else "n"
    if 0x1161 <= code_point <= 0x11FF or 0xD7B0 <= code_point <= 0xD7FB:
        return "v"
    if 0x1100 <= code_point <= 0x115E or 0xA960 <= code_point <= 0xA97C or 0xAC00 <= code_point <= 0xD7A3:
        return "h"
    if in_ranges(code_point, EMOJI_BASES):
        return "e"
    return "b" if category[0] in "LN" else "p"


_CLASSES = CharacterMap(_class_of)
_ESCAPED_CHARACTERS = CharacterMap(lambda code: f"<U+{code:04X}>" if _CLASSES[code] == "x" else chr(code))
