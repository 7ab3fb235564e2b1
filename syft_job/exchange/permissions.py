"""Find the permission file that decides for a path of a datasite, and return the access that it gives.

The rules are those of `format.permissions`; this module reads the files. No symbolic link is followed, nothing blocks,
and what cannot be read or parsed gives access to the owner only.
"""

from __future__ import annotations

import os
import stat
import unicodedata
from pathlib import Path, PurePosixPath
from typing import Final

from syft_job.errors import AclError
from syft_job.format.permissions import (
    FILE_NAME,
    MAX_FILE_BYTES,
    Access,
    RuleFile,
    UnknownTemplateError,
    evaluate,
    no_access,
    owner_access,
    parse_any_template,
    printable_path,
)
from syft_job.model import names
from syft_job.model.quoting import quoted

_MAX_NAME_CHARACTERS: Final = 255
_DIRECTORY_FLAGS: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
_FILE_FLAGS: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK


class _ClosedError(AclError):
    """Something on the way to the path cannot be read or parsed, so that only the owner has access."""

    def __init__(self, file: str | None, message: str) -> None:
        super().__init__(message)
        self.file = file


def may_read(datasite: Path, path: Path | str, user: str) -> bool:
    """Return True if ``user`` may read ``path`` in ``datasite``.

    Args:
        datasite: the owner's directory, whose name is the owner's address.
        path: absolute and below it, or relative to it; it need not exist.
        user: an address.

    Raises:
        AclError: the name of ``datasite`` is no address, ``path`` is not below it, or the permission file that decides
            uses a template variable other than ``{{.UserEmail}}``.
        InvalidName: ``user`` is not an address.
    """
    return _access(datasite, path, user).read


def may_write(datasite: Path, path: Path | str, user: str) -> bool:
    """Return True if ``user`` may create, change or remove ``path`` in ``datasite``; see `may_read`."""
    return _access(datasite, path, user).write


def may_admin(datasite: Path, path: Path | str, user: str) -> bool:
    """Return True if ``user`` may change the permissions of ``path`` in ``datasite``; see `may_read`."""
    return _access(datasite, path, user).admin


def explain(datasite: Path, path: Path | str, user: str) -> Access:
    """Return the access of ``user`` to ``path``, and which rule gives it; see `may_read` for the arguments.

    An unknown template is no error here: then there is no access, and the reason names the template.

    Raises:
        AclError: the name of ``datasite`` is no address, or ``path`` is not below it.
        InvalidName: ``user`` is not an address.
    """
    try:
        return _access(datasite, path, user)
    except UnknownTemplateError as error:
        return no_access(error.file, str(error))


def _access(datasite: Path, path: Path | str, user: str) -> Access:
    owner = _owner(datasite)
    parts = _parts_below(datasite, path)
    user = names.normalize_address(user)
    if user == owner:
        return owner_access()
    if any(len(part) > _MAX_NAME_CHARACTERS for part in parts):
        return no_access(None, f"no file's name has more than {_MAX_NAME_CHARACTERS} characters")
    try:
        depth, rules = _deciding_file(datasite, parts)
    except _ClosedError as closed:
        return no_access(closed.file, str(closed))
    if rules is None:
        return no_access(None, "there is no permission file on the way, and without one only the owner has access")
    return evaluate(rules, parts, depth, user)


def _owner(datasite: Path) -> str:
    name = unicodedata.normalize("NFC", Path(datasite).name)
    if not names.is_address(name):
        raise AclError(f"{name!r} is not a datasite: its folder is called after its owner's address")
    return name


def _parts_below(datasite: Path, path: Path | str) -> tuple[str, ...]:
    text = os.fspath(path)
    if "\0" in text:
        raise AclError(f"{quoted(text)} is not a path")
    pure_path = PurePosixPath(text)
    if ".." in pure_path.parts:
        raise AclError(f"{text!r} leaves the datasite; write the path without '..'")
    if pure_path.is_absolute():
        try:
            pure_path = pure_path.relative_to(PurePosixPath(datasite))
        except ValueError as error:
            raise AclError(f"{text!r} is not in the datasite {Path(datasite).name!r}") from error
    return pure_path.parts


def _deciding_file(datasite: Path, parts: tuple[str, ...]) -> tuple[int, RuleFile | None]:
    """Return the permission file that decides, or None, and how many of ``parts`` lead to its directory.

    Raises:
        _ClosedError: something on the way cannot be read or parsed.
    """
    decided: tuple[int, RuleFile | None] = (0, None)
    dir_fd = _open_directory(os.fspath(datasite), None, ".")
    try:
        for depth in range(len(parts) + 1):
            if dir_fd is None:
                break
            rules = _read_rules(dir_fd, "/".join((*parts[:depth], FILE_NAME)))
            if rules is not None:
                decided = (depth, rules)
                if rules.terminal:
                    break
            if depth < len(parts):
                inner_fd = _open_directory(parts[depth], dir_fd, "/".join(parts[: depth + 1]))
                os.close(dir_fd)
                dir_fd = inner_fd
    finally:
        if dir_fd is not None:
            os.close(dir_fd)
    return decided


def _open_directory(name: str, dir_fd: int | None, path: str) -> int | None:
    """Open a directory without following links; None if it is missing, or if it is a file.

    Args:
        name: its name in the open directory ``dir_fd``, or its path.
        dir_fd: the directory above it; None for the datasite.
        path: its path below the datasite, for messages.
    """
    try:
        return os.open(name, _DIRECTORY_FLAGS, dir_fd=dir_fd)
    except FileNotFoundError:
        return None
    except UnicodeEncodeError as error:
        raise AclError(f"{path!r} is not a path") from error
    except OSError as error:
        problem = error.strerror
    try:
        mode = os.stat(name, dir_fd=dir_fd, follow_symlinks=False).st_mode
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _ClosedError(None, f"{printable_path(path)} cannot be examined: {error.strerror}") from error
    if stat.S_ISLNK(mode):
        raise _ClosedError(None, f"{printable_path(path)} is a link, and links are not followed")
    if stat.S_ISDIR(mode):
        raise _ClosedError(None, f"{printable_path(path)} cannot be opened: {problem}")
    return None


def _read_rules(dir_fd: int, path: str) -> RuleFile | None:
    """Return the permission file of an open directory; None if it has none.

    Args:
        dir_fd: the open directory.
        path: the path of the file below the datasite, for messages.
    """
    shown_path = printable_path(path)
    try:
        file = os.open(FILE_NAME, _FILE_FLAGS, dir_fd=dir_fd)
    except FileNotFoundError:
        return None
    except OSError as error:
        # Also ELOOP, for a link, and ENXIO, for a socket.
        raise _ClosedError(path, f"{shown_path} cannot be opened as a plain file: {error.strerror}") from error
    try:
        status = os.fstat(file)
        if not stat.S_ISREG(status.st_mode):
            raise _ClosedError(path, f"{shown_path} is not a plain file")
        if status.st_size > MAX_FILE_BYTES:
            raise _ClosedError(path, f"{shown_path} is {status.st_size} bytes long; at most {MAX_FILE_BYTES} are read")
        data = b""
        while len(data) <= MAX_FILE_BYTES and (more := os.read(file, MAX_FILE_BYTES + 1 - len(data))):
            data += more
        return parse_any_template(data)
    except OSError as error:
        raise _ClosedError(path, f"{shown_path} cannot be read: {error.strerror}") from error
    except _ClosedError:
        raise
    except AclError as error:
        message = f"{shown_path} cannot be parsed, so that only the owner has access: {error}"
        raise _ClosedError(path, message) from error
    finally:
        os.close(file)
