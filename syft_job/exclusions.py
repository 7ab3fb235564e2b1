"""What a submission leaves out, and why: what cannot travel, secrets, version control, caches, and an ignore file.

It judges names, and the beginning of small files for private keys; it walks through nothing. ``--include`` brings back
what is left out for the submitter's own good. It cannot bring back what sync tools do not carry, which would leave the
job arriving for ever, nor version control, which holds every earlier version of every file.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from . import names
from .errors import InvalidSubmission

if TYPE_CHECKING:
    from pathspec import GitIgnoreSpec

IGNORE_FILE: Final = ".syftjobignore"
IGNORE_FILE_BYTES: Final = 64 << 10
SEARCHED_BYTES: Final = 256 << 10
"""How much of each file is searched for a private key."""

_ENV_REASON = "it may hold a password, key or token"
_CREDENTIALS = "it holds credentials"
_PRIVATE_KEY = "it holds a private key"
_VERSION_CONTROL = "it holds the history of the code, not the code"
_MADE_ANEW = "tools make it anew"
_ENVIRONMENT = "an environment works only on the machine that it was made on"

_VERSION_CONTROL_NAMES: Final = frozenset({".git", ".hg", ".svn", ".bzr", "_darcs", "cvs", ".jj", ".fslckout"})
_SECRET_FOLDERS: Final = frozenset(
    {".aws", ".ssh", ".gnupg", ".azure", ".kube", ".password-store", ".oci", ".config/gcloud", ".config/gh"}
)
_SECRET_FILES: Final = frozenset(
    ".netrc _netrc .pypirc .npmrc .yarnrc.yml .pgpass .my.cnf .git-credentials .dockercfg .s3cfg .boto .htpasswd"
    " .vault-token .envrc .renviron kaggle.json secrets.toml secrets.json secrets.yaml secrets.yml"
    " .docker/config.json .cargo/credentials .cargo/credentials.toml .databrickscfg .snowsql/config".split()
)
_KEY_FILE = re.compile(r"id_(?:rsa|dsa|ecdsa|ed25519)(?:[._-].*)?(?<!\.pub)", re.DOTALL)
_KEY_ENDINGS: Final = (".key", ".p12", ".pfx", ".ppk", ".kdbx", ".jks", ".keystore")
_CREDENTIALS_JSON = re.compile(r".*(?:credential|service[-_]?account|client[-_]?secret).*\.json", re.DOTALL)
_ENV_FILE = re.compile(r"(?:.*\.env|\.env\..*)", re.DOTALL)
_ENV_EXAMPLE = re.compile(r".*\.(?:example|sample|template|dist)", re.DOTALL)
_CACHES: Final = frozenset(
    "__pycache__ .mypy_cache .pytest_cache .ruff_cache .hypothesis .ipynb_checkpoints node_modules .tox .nox .eggs"
    " .cache .sass-cache .rproj.user".split()
)
_ENVIRONMENT_MARKS: Final = ("pyvenv.cfg", "conda-meta")
_PRIVATE_KEY_TEXT = re.compile(rb"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----|PuTTY-User-Key-File-[0-9]")


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A file or folder that does not travel: its path (a folder's ends with ``/``) and why."""

    path: str
    reason: str
    can_include: bool = True
    is_ignored: bool = False
    """Whether only the ignore file leaves it out, so that it is no surprise."""

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"


class Exclusions:
    """The rules for one submitted folder.

    Args:
        ignore: the text of its ignore file, in gitignore syntax.
        include: patterns in the same syntax of what is to travel although a rule would leave it out.

    Raises:
        InvalidSubmission: a pattern is not gitignore syntax.
    """

    def __init__(self, ignore: str = "", include: Sequence[str] = ()) -> None:
        if isinstance(include, str) or not all(isinstance(pattern, str) for pattern in include):
            raise InvalidSubmission(f"include must be a list of patterns in gitignore syntax, not {include!r}")
        self._ignored = _compiled(ignore.splitlines(), IGNORE_FILE)
        self._included = _compiled(include, "include")
        self._include_patterns = tuple(include)

    def judge(self, path: str, *, is_directory: bool) -> LeftOut | None:
        """Why ``path``, relative to the submitted folder, is left out by its name; None where it travels."""
        shown = f"{path}/" if is_directory else path
        refused = _cannot_travel(shown)
        if refused is not None:
            return LeftOut(shown, refused, can_include=False)
        if self.names(shown):
            return None
        reason = _by_name(path.casefold(), is_directory=is_directory)
        if reason is None and self._ignored is not None and self._ignored.match_file(shown):
            return LeftOut(shown, f"{IGNORE_FILE} says so", is_ignored=True)
        return None if reason is None else LeftOut(shown, reason)

    def judge_folder(self, path: str, entries: Iterable[str]) -> LeftOut | None:
        """Why the folder ``path`` is left out by what lies in it: it is an environment."""
        shown = f"{path}/"
        if not any(mark in entries for mark in _ENVIRONMENT_MARKS) or self.names(shown):
            return None
        return LeftOut(shown, _ENVIRONMENT)

    def judge_content(self, path: str, beginning: bytes) -> LeftOut | None:
        """Why a file is left out by how it begins: it holds a private key."""
        return LeftOut(path, _PRIVATE_KEY) if _holds_private_key(beginning) and not self.names(path) else None

    def names(self, shown: str) -> bool:
        """Whether an include pattern names this path, or a folder that it is in."""
        return self._included is not None and bool(self._included.match_file(shown))

    def names_something_in(self, folder: str) -> bool:
        """Whether an include pattern begins with the path of ``folder``, which is left out, and goes on."""
        return any(pattern.lstrip("/").startswith(f"{folder}/") for pattern in self._include_patterns)


def judge_file(name: str, beginning: bytes) -> str | None:
    """Why a file that is submitted by itself should not be: it looks like a secret; None where it does not."""
    reason = _by_name(name.casefold(), is_directory=False)
    return _PRIVATE_KEY if reason is None and _holds_private_key(beginning) else reason


def judge_submitted_folder(folder: str) -> str | None:
    """Why the folder at the path ``folder`` should not be submitted as a whole; None where it may."""
    parts = folder.casefold().strip("/").split("/")
    if any(part in _VERSION_CONTROL_NAMES for part in parts[-1:]):
        return _VERSION_CONTROL
    return _CREDENTIALS if _by_name("/".join(parts[-2:]), is_directory=True) == _CREDENTIALS else None


def _holds_private_key(beginning: bytes) -> bool:
    """Whether the text of a private key is in it, in UTF-8 or UTF-16."""
    return _PRIVATE_KEY_TEXT.search(beginning.replace(b"\0", b"") if b"\0" in beginning else beginning) is not None


def _compiled(patterns: Sequence[str], where: str) -> GitIgnoreSpec | None:
    if not any(pattern.strip() for pattern in patterns):
        return None
    from pathspec import GitIgnoreSpec

    for number, pattern in enumerate(patterns, 1):
        try:
            GitIgnoreSpec.from_lines([pattern])
        except ValueError as error:
            raise InvalidSubmission(
                f"{where}, pattern {number}: {pattern!r} is not a pattern in gitignore syntax. Correct or remove it."
            ) from error
    return GitIgnoreSpec.from_lines(patterns)


def _cannot_travel(shown: str) -> str | None:
    """Why it never travels: sync tools would not carry it, or it is version control. A folder ends with ``/``."""
    parts = shown.rstrip("/").casefold().split("/")
    if any(part in _VERSION_CONTROL_NAMES for part in parts):
        return _VERSION_CONTROL
    if parts[-1] == IGNORE_FILE:
        return "it says what stays here"
    reason = names.cannot_travel(shown)
    return None if reason is None else reason.partition(": ")[2]


def _by_name(path: str, *, is_directory: bool) -> str | None:
    """Why a case-folded path is a secret or a cache, by its last one or two parts."""
    *_, name = path.split("/")
    last_two = "/".join(path.split("/")[-2:])
    if is_directory:
        if name in _SECRET_FOLDERS or last_two in _SECRET_FOLDERS:
            return _CREDENTIALS
        if name in _CACHES or name.endswith(".egg-info"):
            return _MADE_ANEW
        return _ENVIRONMENT if name == ".venv" else None
    if _KEY_FILE.fullmatch(name) or name.endswith(_KEY_ENDINGS):
        return _PRIVATE_KEY
    if name in _SECRET_FILES or last_two in _SECRET_FILES or _CREDENTIALS_JSON.fullmatch(name):
        return _CREDENTIALS
    if _ENV_FILE.fullmatch(name) and not _ENV_EXAMPLE.fullmatch(name):
        return _ENV_REASON
    return _MADE_ANEW if name.endswith((".pyc", ".pyo")) else None
