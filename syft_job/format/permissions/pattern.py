"""One pattern of a permission file: its syntax, what it matches, how specific it is, and which users its rule names.

A pattern comes from other people, so everything that matching costs is bounded when the pattern is parsed.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from syft_job.errors import AclError

EVERYONE: Final = "*"
REQUESTING_USER: Final = "USER"
USER_TEMPLATE: Final = "{{.UserEmail}}"
TEMPLATES = re.compile(r"\{\{\s*\.UserEmail\s*\}\}")
_WILDCARD = re.compile(r"[*?\[{]")
_MAX_PATTERN_BYTES: Final = 512
_MAX_STARS: Final = 3
"""Stars in one component of a pattern. Each may be tried at every position, so their number is an exponent."""
_MAX_BRACES: Final = 3
_MAX_COMMAS: Final = 15
_MAX_ALTERNATIVES: Final = 256


@dataclass(frozen=True, slots=True)
class Rule:
    """One pattern and the users to whom it gives access.

    Attributes:
        pattern: the pattern as written, in Unicode normal form C.
        parts: its components.
        read: the addresses, or patterns of addresses, with read access.
        write: those with write access.
        admin: those with admin access.
    """

    pattern: str
    parts: tuple[str, ...]
    read: tuple[str, ...]
    write: tuple[str, ...]
    admin: tuple[str, ...]

    @property
    def is_template(self) -> bool:
        """Whether the pattern contains the address of the requesting user."""
        return TEMPLATES.search(self.pattern) is not None


def parse_pattern(pattern: str, number: int) -> tuple[str, ...]:
    """Return the components of a pattern that can be matched in bounded time.

    Args:
        pattern: in Unicode normal form C.
        number: the position of its rule in the file, from 1, for messages.

    Raises:
        AclError: it is too long, has too many wildcards, or names nothing below its directory.
    """
    require_pattern_size(pattern, number)
    parts = tuple(part for part in pattern.split("/") if part not in ("", "."))
    if not parts or ".." in parts:
        raise AclError(f"the pattern of its rule {number} names nothing in its folder")
    for part in parts:
        bare = TEMPLATES.sub("", part)
        if part != "**":
            require_bounded_wildcards(bare, f"the pattern of its rule {number}")
        # Braces with a slash inside would have to be expanded before the pattern is split.
        if len(re.findall(r"\{", bare)) != len(re.findall(r"\}", bare)):
            raise AclError(f"the pattern of its rule {number} has braces around a slash, or open ones")
    return parts


def require_pattern_size(pattern: str, number: int) -> None:
    """Return if a pattern has at most 512 bytes; to be called before it is processed in any other way.

    Raises:
        AclError: it is longer.
    """
    size_limit = _MAX_PATTERN_BYTES
    if len(pattern) > size_limit or len(pattern.encode("utf-8", "surrogatepass")) > size_limit:
        raise AclError(f"the pattern of its rule {number} is longer than {size_limit} bytes")


def require_bounded_wildcards(text: str, what: str) -> None:
    """Return if a component of a pattern, or a pattern of addresses, can be matched in bounded time.

    Args:
        text: the component.
        what: what it is, for messages.

    Raises:
        AclError: it has too many stars or alternatives.
    """
    if len(re.findall(r"\*+", text)) > _MAX_STARS:
        raise AclError(f"{what} has more than {_MAX_STARS} stars between two slashes")
    # Keeps the expansion of braces below the limit at which wcmatch would raise an error of its own.
    if "{" in text and (text.count("{") > _MAX_BRACES or text.count(",") > _MAX_COMMAS or ".." in text):
        raise AclError(f"{what} has too many alternatives in braces, or a range")


def specificity(rule: Rule) -> tuple[bool, int, int, int, int]:
    """Return a sort key; of several rules that match, the one with the greatest key decides."""
    stars = rule.parts.count("**")
    wild = sum(1 for part in rule.parts if part != "**" and _WILDCARD.search(TEMPLATES.sub("", part)))
    literal = len(rule.parts) - wild - stars
    return (rule.is_template, literal, wild, -stars, len(rule.parts))


def matches(rule: Rule, path: tuple[str, ...], user: str) -> bool:
    """Return True if the pattern of a rule matches; only ``**`` crosses directories, and it may match none.

    Args:
        rule: the rule.
        path: the components below the directory of the permission file, in Unicode normal form C.
        user: the address of the requesting user.
    """
    pattern = rule.parts
    pattern_index = path_index = 0
    last_star, resume_at = -1, 0
    while path_index < len(path):
        if pattern_index < len(pattern) and pattern[pattern_index] == "**":
            last_star, resume_at = pattern_index, path_index
            pattern_index += 1
        elif pattern_index < len(pattern) and _matches_component(path[path_index], pattern[pattern_index], user):
            pattern_index += 1
            path_index += 1
        elif last_star >= 0:
            resume_at += 1
            pattern_index, path_index = last_star + 1, resume_at
        else:
            return False
    return all(part == "**" for part in pattern[pattern_index:])


def includes(people: Sequence[str], user: str) -> bool:
    """Return True if one of ``people``, addresses or patterns of addresses, is ``user``."""
    # USER stands for the requesting user. With the template in the pattern, only that user's path matches; without it,
    # every user is the requesting one. So USER always includes the user.
    return any(person in (EVERYONE, REQUESTING_USER) or _matches_component(user, person.lower()) for person in people)


def _matches_component(name: str, part: str, user: str = "") -> bool:
    plain = TEMPLATES.sub(lambda _: user, part)
    if plain in (name, "*"):
        return True
    if not _WILDCARD.search(TEMPLATES.sub("", part)) and "\\" not in part:
        return False
    from wcmatch import fnmatch

    # An address contains no wildcard, but this must not depend on it.
    wild = TEMPLATES.sub(lambda _: fnmatch.escape(user), part)
    return bool(fnmatch.fnmatch(name, wild, flags=_glob_flags(), limit=_MAX_ALTERNATIVES))


def _glob_flags() -> int:
    from wcmatch import fnmatch

    return fnmatch.CASE | fnmatch.DOTMATCH | fnmatch.BRACE | fnmatch.FORCEUNIX
