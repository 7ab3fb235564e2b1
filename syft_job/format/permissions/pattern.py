"""One pattern of a permission file: what it may look like, what it matches, how specific it is, whom it names."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from syft_job.errors import AclError

EVERYBODY: Final = "*"
ASKING_USER: Final = "USER"
TEMPLATE: Final = "{{.UserEmail}}"
TEMPLATES = re.compile(r"\{\{\s*\.UserEmail\s*\}\}")
_WILD = re.compile(r"[*?\[{]")
_PATTERN_BYTES: Final = 512
_STARS: Final = 3
"""Stars in one part of a pattern. Each may be tried at every place of a name, so their number is an exponent."""
_GROUPS: Final = 3
_COMMAS: Final = 15
_ALTERNATIVES: Final = 256


@dataclass(frozen=True, slots=True)
class Rule:
    """One pattern and the people it names; ``parts`` is the pattern between its slashes."""

    pattern: str
    parts: tuple[str, ...]
    read: tuple[str, ...]
    write: tuple[str, ...]
    admin: tuple[str, ...]

    @property
    def is_template(self) -> bool:
        """Tell whether the pattern speaks of the asking user's own folder."""
        return TEMPLATES.search(self.pattern) is not None


def parts_of(pattern: str, number: int) -> tuple[str, ...]:
    """The pattern between its slashes, if it is one that can be matched in bounded time; else `AclError`."""
    refuse_longer(pattern, number)
    parts = tuple(part for part in pattern.split("/") if part not in ("", "."))
    if not parts or ".." in parts:
        raise AclError(f"the pattern of its rule {number} names nothing in its folder")
    for part in parts:
        bare = TEMPLATES.sub("", part)
        if part != "**":
            check_wild(bare, f"the pattern of its rule {number}")
        # Braces with a slash inside would have to be expanded before the pattern is taken apart.
        if len(re.findall(r"\{", bare)) != len(re.findall(r"\}", bare)):
            raise AclError(f"the pattern of its rule {number} has braces around a slash, or open ones")
    return parts


def refuse_longer(pattern: str, number: int) -> None:
    """Refuse a pattern of more than 512 bytes with `AclError`; to be called before anything else is done with it."""
    if len(pattern) > _PATTERN_BYTES or len(pattern.encode("utf-8", "surrogatepass")) > _PATTERN_BYTES:
        raise AclError(f"the pattern of its rule {number} is longer than {_PATTERN_BYTES} bytes")


def check_wild(text: str, what: str) -> None:
    """Refuse with `AclError` what would take too long to match."""
    if len(re.findall(r"\*+", text)) > _STARS:
        raise AclError(f"{what} has more than {_STARS} stars between two slashes")
    # Bounds what the braces expand to, below the limit at which wcmatch would raise an error of its own.
    if "{" in text and (text.count("{") > _GROUPS or text.count(",") > _COMMAS or ".." in text):
        raise AclError(f"{what} has too many alternatives in braces, or a range")


def specificity(rule: Rule) -> tuple[bool, int, int, int, int]:
    """How specific a pattern is; the greatest that matches decides."""
    stars = rule.parts.count("**")
    wild = sum(1 for part in rule.parts if part != "**" and _WILD.search(TEMPLATES.sub("", part)))
    literal = len(rule.parts) - wild - stars
    return (rule.is_template, literal, wild, -stars, len(rule.parts))


def fits(rule: Rule, path: tuple[str, ...], user: str) -> bool:
    """Match the path below the file against a pattern; only ``**`` crosses folders, and it may match none."""
    pattern = rule.parts
    at = where = 0
    star, resume = -1, 0
    while where < len(path):
        if at < len(pattern) and pattern[at] == "**":
            star, resume = at, where
            at += 1
        elif at < len(pattern) and _is_like(path[where], pattern[at], user):
            at += 1
            where += 1
        elif star >= 0:
            resume += 1
            at, where = star + 1, resume
        else:
            return False
    return all(part == "**" for part in pattern[at:])


def includes(people: Sequence[str], user: str) -> bool:
    """Whether one of ``people``, addresses or patterns of them, is ``user``."""
    # USER is the asking user where the pattern has the template, and then the pattern let only that user come here;
    # elsewhere it is everybody. Either way it is whoever asks.
    return any(one in (EVERYBODY, ASKING_USER) or _is_like(user, one.lower()) for one in people)


def _is_like(name: str, part: str, user: str = "") -> bool:
    plain = TEMPLATES.sub(lambda _: user, part)
    if plain in (name, "*"):
        return True
    if not _WILD.search(TEMPLATES.sub("", part)) and "\\" not in part:
        return False
    from wcmatch import fnmatch

    # An address holds no wildcard, but this is no place to depend on it.
    wild = TEMPLATES.sub(lambda _: fnmatch.escape(user), part)
    return bool(fnmatch.fnmatch(name, wild, flags=_glob_flags(), limit=_ALTERNATIVES))


def _glob_flags() -> int:
    from wcmatch import fnmatch

    return fnmatch.CASE | fnmatch.DOTMATCH | fnmatch.BRACE | fnmatch.FORCEUNIX
