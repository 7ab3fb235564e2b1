"""Quote text from others in an error or a finding: short whatever its length, with invisible characters written out."""

from __future__ import annotations

from .text import visible_repr

QUOTED_CHARS = 60


def quoted(value: object, limit: int = QUOTED_CHARS) -> str:
    """Return ``value`` as it may stand in a message.

    A text is quoted and cut after ``limit`` characters; of anything but a text, a number or None only the type is
    named, because its form may be of any length.
    """
    if isinstance(value, str):
        return visible_repr(value) if len(value) <= limit else f"{visible_repr(value[: limit - 3])}…"
    if value is None or isinstance(value, bool | int):
        return repr(value) if not isinstance(value, int) or value.bit_length() < 128 else "an enormous number"
    return type(value).__name__


def shortened(sentence: str, limit: int = 600) -> str:
    """Return a sentence that may contain text from others, cut after ``limit`` characters."""
    return sentence if len(sentence) <= limit else f"{sentence[: limit - 1]}…"
