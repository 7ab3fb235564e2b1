"""Quote untrusted text in an error or a finding: bounded in length, with invisible characters escaped."""

from __future__ import annotations

from .text import escape_repr

MAX_QUOTED_CHARACTERS = 60


def quoted(value: object, limit: int = MAX_QUOTED_CHARACTERS) -> str:
    """Return ``value`` in a form that is safe and short enough for a message.

    Args:
        value: a text is quoted; of a value other than a text, a number or None only the type is named, because its
            representation may have any length.
        limit: the number of characters after which a text is cut.
    """
    if isinstance(value, str):
        return escape_repr(value) if len(value) <= limit else f"{escape_repr(value[: limit - 3])}…"
    if value is None or isinstance(value, bool | int):
        return repr(value) if not isinstance(value, int) or value.bit_length() < 128 else "an enormous number"
    return type(value).__name__


def shortened(sentence: str, limit: int = 600) -> str:
    """Return a sentence that may contain untrusted text, cut after ``limit`` characters."""
    return sentence if len(sentence) <= limit else f"{sentence[: limit - 1]}…"
