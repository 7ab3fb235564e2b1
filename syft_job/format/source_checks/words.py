"""Words and signs that can be misread: mixed scripts, letters and signs that look like Latin ones, other spellings."""

from __future__ import annotations

import builtins
import unicodedata
from typing import Final

from syft_job.model.findings import FindingCode, Severity
from syft_job.model.text import CharacterMap, escape_character, escape_code, is_plainly_visible
from syft_job.model.unicode_tables import LATIN_LOOKALIKES, SIGN_LOOKALIKES, TYPOGRAPHIC_QUOTES

_MAX_WORD_CHARACTERS: Final = 200
"""Longer words are checked in pieces, because normalisation is not linear."""
_COMPATIBLE_SCRIPTS: Final = (
    frozenset({"LATIN", "CJK", "HIRAGANA", "KATAKANA"}),
    frozenset({"LATIN", "CJK", "BOPOMOFO"}),
    frozenset({"LATIN", "CJK", "HANGUL"}),
)
"""Scripts that are written together in one word (UTS #39, "highly restrictive")."""

_NO_SCRIPT: Final = frozenset(
    "MICRO MODIFIER FEMININE MASCULINE KATAKANA-HIRAGANA IDEOGRAPHIC MATHEMATICAL FULLWIDTH HALFWIDTH SUPERSCRIPT"
    " SUBSCRIPT DOUBLE-STRUCK SCRIPT BLACK-LETTER".split()
)
"""First words of the names of letters that belong to no script, or are covered by their normal form."""

_SIGNS: Final = {ord(other): sign for sign, others in SIGN_LOOKALIKES.items() for other in others}

# Characters that cannot be in a Python identifier become spaces, so that `split` finds the words.
_IDENTIFIER_CHARACTERS: Final = CharacterMap(lambda code: chr(code) if f"a{chr(code)}".isidentifier() else " ")


def misreading_of(text: str) -> str | None:
    """Return why a name or an address could be misread as another one, or None."""
    if not is_plainly_visible(text):
        return "it has characters that are not plainly visible"
    problems = (word_problem(word) for word in words_of(text))
    if (reason := next((problem[2] for problem in problems if problem is not None), None)) is not None:
        return reason
    signs = ((one, SIGN_OF[ord(one)]) for one in text if not one.isascii() and one not in TYPOGRAPHIC_QUOTES)
    return next((f"it has {escape_character(one)}, which looks like {sign}" for one, sign in signs if sign), None)


def _sign_like(code_point: int) -> str:
    """Return the ASCII sign that a character looks like; an empty text for any other character."""
    character = chr(code_point)
    if character in TYPOGRAPHIC_QUOTES:
        return "a quotation mark"
    normal = unicodedata.normalize("NFKC", character)
    is_sign = not character.isascii() and len(normal) == 1 and normal.isascii() and normal.isprintable()
    return normal if is_sign and not normal.isalnum() and normal != " " else _SIGNS.get(code_point, "")


SIGN_OF = CharacterMap(_sign_like)


def words_of(text: str) -> list[str]:
    """Return the identifiers and other words of a text, including those in comments and strings."""
    return [
        word[start : start + _MAX_WORD_CHARACTERS]
        for word in text.translate(_IDENTIFIER_CHARACTERS).split()
        for start in range(0, len(word), _MAX_WORD_CHARACTERS)
    ]


def word_problem(word: str) -> tuple[FindingCode, Severity, str] | None:
    """Return why a word that is not ASCII could be misread, or None."""
    if word.isascii():
        return None
    shown = escape_code(word)
    word = word.replace("\N{MICRO SIGN}", "\N{GREEK SMALL LETTER MU}")
    normal = unicodedata.normalize("NFKC", word)
    if word.isidentifier() and (normal.isascii() or normal != unicodedata.normalize("NFC", word)):
        message = f"Python reads the identifier '{shown}' as '{escape_code(normal)}'"
        severity = Severity.DANGER if hasattr(builtins, normal) else Severity.WARNING
        return FindingCode.NORMALISED, severity, message
    scripts = _letters_by_script(word)
    if len(scripts) > 1 and not any(set(scripts) <= compatible for compatible in _COMPATIBLE_SCRIPTS):
        # Formulas mix Greek with Latin (Δx); only letters that look Latin are reported.
        if set(scripts) != {"GREEK", "LATIN"} or scripts["GREEK"] & LATIN_LOOKALIKES["GREEK"]:
            message = f"the word '{shown}' mixes {' and '.join(sorted(name.capitalize() for name in scripts))} letters"
            return FindingCode.MIXED_SCRIPTS, Severity.WARNING, message
    elif len(scripts) == 1 and (script := next(iter(scripts))) in LATIN_LOOKALIKES:
        is_symbol = script == "GREEK" and len(word) == 1
        if not is_symbol and scripts[script] <= LATIN_LOOKALIKES[script]:
            message = f"the word '{shown}' has {script.capitalize()} letters that look like Latin ones"
            return FindingCode.LOOKALIKE, Severity.WARNING, message
    return None


def _letters_by_script(word: str) -> dict[str, set[str]]:
    scripts: dict[str, set[str]] = {}
    for character in word:
        if character.isalpha():
            script = unicodedata.name(character, "").partition(" ")[0]
            if script not in _NO_SCRIPT:
                scripts.setdefault(script, set()).add(character)
    return scripts
