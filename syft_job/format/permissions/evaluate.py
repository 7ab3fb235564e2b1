"""Evaluate the permission file that decides: which access it gives a user to a path. No I/O."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass

from syft_job.errors import AclError

from .pattern import includes, matches
from .rule_file import FILE_NAME, RuleFile, printable_path, unknown_template_message


@dataclass(frozen=True, slots=True)
class Access:
    """The access of one user to one path, and the reason.

    Attributes:
        read: whether the user may read it.
        write: whether the user may create, change or remove it.
        admin: whether the user may change its permissions.
        file: the permission file that decided, relative to the datasite; None if there was none.
        pattern: the pattern that decided; None if there was none.
        reason: for people, safe to display.
    """

    read: bool
    write: bool
    admin: bool
    file: str | None
    pattern: str | None
    reason: str


class UnknownTemplateError(AclError):
    """The permission file that decides uses a template that syft_job does not know.

    Attributes:
        file: the permission file, relative to the datasite.
    """

    def __init__(self, file: str, pattern: str) -> None:
        super().__init__(unknown_template_message(file, pattern))
        self.file = file


def owner_access() -> Access:
    """Return the access of the owner of a datasite to everything in it."""
    return Access(True, True, True, None, None, "the owner may do everything")


def no_access(file: str | None, reason: str) -> Access:
    """Return the access of a user who may do nothing.

    Args:
        file: the permission file that decided, or None.
        reason: why, for people.
    """
    return Access(False, False, False, file, None, reason)


def evaluate(rules: RuleFile, parts: tuple[str, ...], depth: int, user: str) -> Access:
    """Return the access that a permission file gives.

    Args:
        rules: the parsed file, which decides for the path.
        parts: the components of the path below the datasite.
        depth: how many of them lead to the directory of the file.
        user: the normal form of the user's address. The user is not the owner.

    Raises:
        UnknownTemplateError: the file uses a template that is not known.
    """
    file = "/".join((*parts[:depth], FILE_NAME))
    if rules.unknown_template:
        raise UnknownTemplateError(file, rules.unknown_template)
    below = tuple(unicodedata.normalize("NFC", part) for part in parts[depth:])
    rule = next((rule for rule in rules.rules if matches(rule, below, user)), None)
    if rule is None:
        return no_access(file, f"no pattern in {printable_path(file)} matches, and no match means no")
    admin = includes(rule.admin, user)
    write = admin or includes(rule.write, user)
    read = write or includes(rule.read, user)
    reason = f"{rule.pattern!r} in {printable_path(file)} decides"
    if parts and parts[-1].casefold() == FILE_NAME and write != admin:
        write, reason = admin, f"{reason}; permission files are for those who administer"
    return Access(read, write, admin, file, rule.pattern, reason)
