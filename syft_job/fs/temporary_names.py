"""The names of entries that are not complete yet, or are being removed; every reader ignores them.

A name is a dot, 16 hex digits and ``.tmp``. Eight leading zeros mark a tree that is being removed, which any process
may finish removing.
"""

from __future__ import annotations

import re
import secrets

_TEMPORARY_NAME = re.compile(r"\.[0-9a-f]{16}\.tmp")
_REMOVAL_NAME = re.compile(r"\.0{8}[0-9a-f]{8}\.tmp")


def temporary_name() -> str:
    """Return a new random name for an entry that is still being written."""
    return f".{secrets.token_hex(8)}.tmp"


def removal_name() -> str:
    """Return a new random name for a tree that is being removed."""
    return f".{'0' * 8}{secrets.token_hex(4)}.tmp"


def is_temporary(name: str) -> bool:
    """Return True if `temporary_name` or `removal_name` made this name."""
    return _TEMPORARY_NAME.fullmatch(name) is not None


def is_removal_name(name: str) -> bool:
    """Return True if `removal_name` made this name."""
    return _REMOVAL_NAME.fullmatch(name) is not None
