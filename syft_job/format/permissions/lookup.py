"""The way from a datasite to a path: which permission file on it decides. Links are never followed."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Final

from syft_job.errors import AclError

from .rule_file import FILE_BYTES, FILE_NAME, RuleFile, legible, read

_DIRECTORY: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
_FILE: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK


class ClosedError(AclError):
    """What lies on the way cannot be understood, so that nobody gets through."""

    def __init__(self, file: str | None, message: str) -> None:
        super().__init__(message)
        self.file = file


def deciding_file(datasite: Path, parts: tuple[str, ...]) -> tuple[int, RuleFile | None]:
    """Return how many of ``parts`` lead to the file that decides, and what it says."""
    decided: tuple[int, RuleFile | None] = (0, None)
    folder = _enter(os.fspath(datasite), None, ".")
    try:
        for depth in range(len(parts) + 1):
            if folder is None:
                break
            here = "/".join((*parts[:depth], FILE_NAME))
            rules = _read_file(folder, here)
            if rules is not None:
                decided = (depth, rules)
                if rules.terminal:
                    break
            if depth < len(parts):
                inner = _enter(parts[depth], folder, "/".join(parts[: depth + 1]))
                os.close(folder)
                folder = inner
    finally:
        if folder is not None:
            os.close(folder)
    return decided


def _enter(name: str, parent: int | None, shown: str) -> int | None:
    """Open a folder without following links; None where there is none (a file, or nothing yet)."""
    try:
        return os.open(name, _DIRECTORY, dir_fd=parent)
    except FileNotFoundError:
        return None
    except UnicodeEncodeError as error:
        raise AclError(f"{shown!r} is not a path") from error
    except OSError as error:
        problem = error.strerror
    try:
        mode = os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ClosedError(None, f"{legible(shown)} cannot be looked at: {error.strerror}") from error
    if stat.S_ISLNK(mode):
        raise ClosedError(None, f"{legible(shown)} is a link, and links are not followed")
    if stat.S_ISDIR(mode):
        raise ClosedError(None, f"{legible(shown)} cannot be opened: {problem}")
    return None


def _read_file(folder: int, shown: str) -> RuleFile | None:
    try:
        file = os.open(FILE_NAME, _FILE, dir_fd=folder)
    except FileNotFoundError:
        return None
    except OSError as error:
        # Also ELOOP, which a link gives, and ENXIO, which a socket gives.
        raise ClosedError(shown, f"{legible(shown)} cannot be opened as a plain file: {error.strerror}") from error
    try:
        facts = os.fstat(file)
        if not stat.S_ISREG(facts.st_mode):
            raise ClosedError(shown, f"{legible(shown)} is not a plain file")
        if facts.st_size > FILE_BYTES:
            raise ClosedError(shown, f"{legible(shown)} is {facts.st_size} bytes long; at most {FILE_BYTES} are read")
        data = b""
        while len(data) <= FILE_BYTES and (more := os.read(file, FILE_BYTES + 1 - len(data))):
            data += more
        return read(data)
    except OSError as error:
        raise ClosedError(shown, f"{legible(shown)} cannot be read: {error.strerror}") from error
    except AclError as error:
        if isinstance(error, ClosedError):
            raise
        closed = f"{legible(shown)} is not understood, so that nobody but the owner gets through: {error}"
        raise ClosedError(shown, closed) from error
    finally:
        os.close(file)
