"""The question: may this person read, write or administer that path?"""

from __future__ import annotations

import os
import unicodedata
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from syft_job.errors import AclError
from syft_job.model import names
from syft_job.model.quoting import quoted

from .lookup import ClosedError, deciding_file
from .pattern import fits, includes
from .rule_file import FILE_NAME, legible, unknown_template

_NAME_CHARS = 255


@dataclass(frozen=True, slots=True)
class Answer:
    """What somebody may do with a path, and why.

    ``file`` is the permission file that decided, relative to the datasite, and ``pattern`` its rule; None where there
    was none.
    """

    read: bool
    write: bool
    admin: bool
    file: str | None
    pattern: str | None
    reason: str


def may_read(datasite: Path, path: Path | str, user: str) -> bool:
    """Tell whether ``user`` may read ``path`` in ``datasite``.

    ``datasite`` is the owner's folder, called after the owner's address; ``path`` is absolute under it or relative to
    it and need not exist.

    Raises:
        AclError: ``datasite`` is not called after an address, ``path`` leaves it, or the rules that decide use a
            template variable other than ``{{.UserEmail}}``.
        InvalidName: ``user`` is not an address.
    """
    return _ask(datasite, path, user).read


def may_write(datasite: Path, path: Path | str, user: str) -> bool:
    """Tell whether ``user`` may create, change or remove ``path`` in ``datasite``; see `may_read`."""
    return _ask(datasite, path, user).write


def may_admin(datasite: Path, path: Path | str, user: str) -> bool:
    """Tell whether ``user`` may change the permissions of ``path`` in ``datasite``; see `may_read`."""
    return _ask(datasite, path, user).admin


def explain(datasite: Path, path: Path | str, user: str) -> Answer:
    """Tell what ``user`` may do with ``path`` and which rule says so; see `may_read`.

    Where the rules cannot be understood, the answer is no and its reason says why.

    Raises:
        AclError: ``datasite`` is not called after an address, or ``path`` leaves it.
        InvalidName: ``user`` is not an address.
    """
    try:
        return _ask(datasite, path, user)
    except _ForeignTemplateError as error:
        return _nobody(error.file, str(error))


class _ForeignTemplateError(AclError):
    """The permission file that decides uses a template that is not known here."""

    def __init__(self, file: str, pattern: str) -> None:
        super().__init__(unknown_template(file, pattern))
        self.file = file


def _ask(datasite: Path, path: Path | str, user: str) -> Answer:
    owner = _owner(datasite)
    parts = _inside(datasite, path)
    user = names.address(user)
    if user == owner:
        return Answer(True, True, True, None, None, "the owner may do everything")
    if any(len(part) > _NAME_CHARS for part in parts):
        return _nobody(None, f"no file's name has more than {_NAME_CHARS} characters")
    try:
        folder, rules = deciding_file(datasite, parts)
    except ClosedError as closed:
        return _nobody(closed.file, str(closed))
    if rules is None:
        return _nobody(None, "no permission file lies on the way, and without one nobody but the owner may do anything")
    file = "/".join((*parts[:folder], FILE_NAME))
    if rules.foreign:
        raise _ForeignTemplateError(file, rules.foreign)
    below = tuple(unicodedata.normalize("NFC", part) for part in parts[folder:])
    rule = next((rule for rule in rules.rules if fits(rule, below, user)), None)
    if rule is None:
        return _nobody(file, f"no pattern in {legible(file)} matches, and no match means no")
    admin = includes(rule.admin, user)
    write = admin or includes(rule.write, user)
    read = write or includes(rule.read, user)
    reason = f"{rule.pattern!r} in {legible(file)} decides"
    if parts and parts[-1].casefold() == FILE_NAME and write != admin:
        write, reason = admin, f"{reason}; permission files are for those who administer"
    return Answer(read, write, admin, file, rule.pattern, reason)


def _nobody(file: str | None, reason: str) -> Answer:
    return Answer(False, False, False, file, None, reason)


def _owner(datasite: Path) -> str:
    name = unicodedata.normalize("NFC", Path(datasite).name)
    if not names.is_address(name):
        raise AclError(f"{name!r} is not a datasite: its folder is called after its owner's address")
    return name


def _inside(datasite: Path, path: Path | str) -> tuple[str, ...]:
    text = os.fspath(path)
    if "\0" in text:
        raise AclError(f"{quoted(text)} is not a path")
    place = PurePosixPath(text)
    if ".." in place.parts:
        raise AclError(f"{text!r} leaves the datasite; write the path without '..'")
    if place.is_absolute():
        try:
            place = place.relative_to(PurePosixPath(datasite))
        except ValueError as error:
            raise AclError(f"{text!r} does not lie in the datasite {Path(datasite).name!r}") from error
    return place.parts
