"""A command line as bash has it while it completes: which words were typed, and how a reply must be quoted and cut.

Readline replaces only the part of a word that follows its last word break. So an address is completed from its `@` on,
and a name with spaces needs backslashes, or the quote that is open.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

FILES: Final = ":files"
"""The reply that asks the shell to complete files."""
DIRECTORIES: Final = ":directories"
"""The reply that asks the shell to complete folders."""
_SPECIAL_PREFIXES: Final = "$@"
"""Word breaks that bash lets readline keep as the first character of the next word."""


@dataclass
class BashLine:
    """A command line up to the cursor, as bash has it.

    Attributes:
        words: the words after the program, without quotes; the last is the one at the cursor.
        quote: the quote that is open at the cursor, or an empty text.
        offset: where readline's word begins in the last word: after the last character of COMP_WORDBREAKS, or after the
            quote.
    """

    words: list[str]
    quote: str = ""
    offset: int = 0

    @classmethod
    def parse(cls, line: str, breaks: str) -> BashLine:
        """Split a line up to the cursor; ``breaks`` are the characters at which readline ends a word."""
        words: list[str] = []
        word: str | None = None
        quote, offset = "", 0
        letters = iter(line)
        for letter in letters:
            if quote and letter == quote:
                quote = ""
            elif letter == "\\" and quote != "'":
                word = (word or "") + next(letters, "")
            elif not quote and letter in "\"'":
                quote, word = letter, word or ""
                offset = len(word)
            elif not quote and letter.isspace():
                if word is not None:
                    words.append(word)
                word, offset = None, 0
            else:
                word = (word or "") + letter
                if not quote and letter in breaks:
                    offset = len(word) - (1 if letter in _SPECIAL_PREFIXES else 0)
        return cls([*words, word or ""][1:] or [""], quote, offset)

    def replies(self, candidate: str) -> list[str]:
        """The line that bash is given for a candidate for the last word; none if it cannot be quoted."""
        if candidate in (FILES, DIRECTORIES):
            return [candidate]
        rest = candidate[self.offset :]
        if self.quote == "'":
            return [] if "'" in candidate else [rest]
        special = r'(["$`\\])' if self.quote else r"([^\w@%+=:,./-])"
        return [re.sub(special, r"\\\1", rest)]
