"""Exclusions: what a submission leaves out, and why.

That is what sync tools do not carry, secrets, version control, caches, and what an ignore file names. Names are judged,
and the beginning of files for private keys; no directory is walked. Patterns and paths are
compared in Unicode form C, because some file systems spell names in another form than people type them in.

``--include`` brings back what is left out for the submitter's own good. It cannot bring back what sync tools do not
carry, which would leave the job arriving for ever, nor version control, which holds every earlier version of every
file.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from syft_job.errors import InvalidSubmission
from syft_job.model import names

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
    ".aws .ssh .gnupg .azure .kube .password-store .oci .huggingface .kaggle .secrets .config/gcloud .config/gh"
    " .config/rclone".split()
)
_ENV_FOLDERS: Final = frozenset({".env", ".envs"})
_SECRET_FILES: Final = frozenset(
    ".netrc _netrc .pypirc .npmrc .yarnrc.yml .pgpass .my.cnf .git-credentials .dockercfg .s3cfg .boto .htpasswd"
    " .vault-token .envrc .renviron kaggle.json secrets.toml secrets.json secrets.yaml secrets.yml"
    " .docker/config.json .cargo/credentials .cargo/credentials.toml .databrickscfg .snowsql/config credentials"
    " credentials.csv accesskeys.csv rootkey.csv kubeconfig pip.conf terraform.tfvars terraform.tfstate".split()
)
_HISTORY = re.compile(r"\.(?:[a-z0-9]+_)*(?:repl_)?history|\.rhistory|\.viminfo|\.lesshst")
"""Files in which shells and interpreters record what was typed, passwords included."""
_KEY_FILE = re.compile(r"id_(?:rsa|dsa|ecdsa|ed25519)(?:[._-].*)?(?<!\.pub)", re.DOTALL)
_KEY_ENDINGS: Final = (".key", ".p12", ".pfx", ".ppk", ".kdbx", ".jks", ".keystore")
_CREDENTIALS_JSON = re.compile(r".*(?:credential|service[-_]?account|client[-_]?secret).*\.json", re.DOTALL)
_ENV_FILE = re.compile(r"(?:.*\.env|\.env[._ -].*)", re.DOTALL)
_ENV_EXAMPLE = re.compile(r".*[._-](?:example|sample|template|dist)", re.DOTALL)
_COPY = re.compile(
    r"(?:\.#|\#|\.(?=.*\.sw[a-p]\Z))?(.+?)"
    r"(?:~|\#|[._ -](?:bak|backup|old|orig|save|copy|sw[a-p]|[0-9]{1,3})|[ ]?\([0-9]{1,3}\)|[ ]-[ ]copy)*",
    re.DOTALL,
)
"""A name as editors and file managers change it for a copy: ``.netrc~``, ``#.env#``, ``.aws.bak``, ``a.key (1)``."""
_CACHES: Final = frozenset(
    "__pycache__ .mypy_cache .pytest_cache .ruff_cache .hypothesis .ipynb_checkpoints node_modules .tox .nox .eggs"
    " .cache .sass-cache .rproj.user".split()
)
_ENVIRONMENT_MARKS: Final = ("pyvenv.cfg", "conda-meta")
_PRIVATE_KEY_TEXT = re.compile(
    rb"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----|---- BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY ----"
    rb"|PuTTY-User-Key-File-[0-9]|AGE-SECRET-KEY-1[0-9A-Z]"
)
_SECRET_REASONS: Final = frozenset({_ENV_REASON, _CREDENTIALS, _PRIVATE_KEY})
_NO_NAME: Final = "\x01"
"""A name that no submitted file has: a pattern that matches it matches everything beside it, and names nothing."""


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A file or folder that is not submitted: its path (a folder's ends with ``/``) and why."""

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
        self._ignored: dict[str, GitIgnoreSpec] = {}
        include = [_form_c(pattern) for pattern in include]
        self._included = _compiled(include, "include")
        self._each_included = [(pattern, spec) for pattern in include if (spec := _compiled([pattern], "include"))]
        self._include_patterns = tuple(include)
        self.add_ignore_file("", ignore)

    def add_ignore_file(self, folder: str, text: str) -> None:
        """Follow the ignore file in ``folder``, for what is below it; it goes before those of the folders above.

        Raises:
            InvalidSubmission: a pattern is not gitignore syntax.
        """
        spec = _compiled(_form_c(text).splitlines(), f"{folder}/{IGNORE_FILE}" if folder else IGNORE_FILE)
        if spec is not None:
            self._ignored[folder] = spec

    def judge(self, path: str, *, is_directory: bool) -> LeftOut | None:
        """Why ``path``, relative to the submitted folder, is left out by its name; None where it is not."""
        shown = f"{path}/" if is_directory else path
        refused = _cannot_travel(shown)
        if refused is not None:
            return LeftOut(shown, refused, can_include=False)
        reason = _by_name(path.casefold(), is_directory=is_directory)
        if reason in _SECRET_REASONS:
            return None if self.names_secret(shown) else LeftOut(shown, reason)
        if self.names(shown):
            return None
        if reason is None and self._is_ignored(shown):
            return LeftOut(shown, f"{IGNORE_FILE} says so", is_ignored=True)
        return None if reason is None else LeftOut(shown, reason)

    def _is_ignored(self, shown: str) -> bool:
        """Whether the nearest ignore file that speaks of a path leaves it out."""
        if not self._ignored:
            return False
        folder = shown.rstrip("/")
        while folder:
            folder = folder.rpartition("/")[0]
            spec = self._ignored.get(folder)
            if spec is not None:
                decided = spec.check_file(_form_c(shown[len(folder) + 1 :] if folder else shown)).include
                if decided is not None:
                    return decided
        return False

    def judge_folder(self, path: str, entries: Iterable[str]) -> LeftOut | None:
        """Why the folder ``path`` is left out by its entries: it is an environment."""
        shown = f"{path}/"
        if not any(mark in entries for mark in _ENVIRONMENT_MARKS) or self.names(shown):
            return None
        return LeftOut(shown, _ENVIRONMENT)

    def judge_content(self, path: str, beginning: bytes) -> LeftOut | None:
        """Why a file is left out by how it begins: it holds a private key."""
        return LeftOut(path, _PRIVATE_KEY) if _holds_private_key(beginning) and not self.names_secret(path) else None

    def names_secret(self, shown: str) -> bool:
        """Whether an include pattern names this secret, or a folder of secrets that it is in.

        The folder that it happens to be in, or everything, does not name it: a secret is named by who knows of it.
        """
        if not self.names(shown):
            return False
        parts = shown.rstrip("/").split("/")
        above = ["/".join(parts[:count]) for count in range(1, len(parts))]
        secret = [path for path in above if _by_name(path.casefold(), is_directory=True) in _SECRET_REASONS]
        return self._names_itself(shown) or any(
            self._names_itself(f"{path}/") or self._names_content(path, shown) for path in secret
        )

    def _names_itself(self, shown: str) -> bool:
        folder = shown.rstrip("/").rpartition("/")[0]
        beside = (f"{folder}/" if folder else "") + _NO_NAME + ("/" if shown.endswith("/") else "")
        shown, beside = _form_c(shown), _form_c(beside)
        return any(spec.match_file(shown) and not spec.match_file(beside) for _, spec in self._each_included)

    def _names_content(self, folder: str, shown: str) -> bool:
        """Whether a pattern such as ``.aws/*`` has the folder's name in it, and matches what is in the folder."""
        written, shown = _form_c(f"{folder.rpartition('/')[2]}/"), _form_c(shown)
        return any(written in pattern and spec.match_file(shown) for pattern, spec in self._each_included)

    def names(self, shown: str) -> bool:
        """Whether an include pattern names this path, or a folder that it is in."""
        return self._included is not None and bool(self._included.match_file(_form_c(shown)))

    def names_something_in(self, folder: str) -> bool:
        """Whether an include pattern begins with the path of ``folder``, which is left out, and goes on."""
        begin = _form_c(f"{folder}/")
        return any(pattern.lstrip("/").startswith(begin) for pattern in self._include_patterns)


def judge_file(name: str, beginning: bytes) -> str | None:
    """Why a file that is submitted by itself should not be: it looks like a secret; None where it does not."""
    reason = _by_name(name.casefold(), is_directory=False)
    return _PRIVATE_KEY if reason is None and _holds_private_key(beginning) else reason


def judge_submitted_folder(folder: str) -> str | None:
    """Why the folder at the path ``folder`` should not be submitted as a whole; None where it may."""
    parts = folder.casefold().strip("/").split("/")
    if any(part in _VERSION_CONTROL_NAMES for part in parts[-1:]):
        return _VERSION_CONTROL
    above = ("/".join(parts[max(0, count - 2) : count]) for count in range(1, len(parts) + 1))
    return _CREDENTIALS if any(_by_name(path, is_directory=True) == _CREDENTIALS for path in above) else None


def _holds_private_key(beginning: bytes) -> bool:
    """Whether the text of a private key is in it, in UTF-8 or UTF-16."""
    return _PRIVATE_KEY_TEXT.search(beginning.replace(b"\0", b"") if b"\0" in beginning else beginning) is not None


def _form_c(text: str) -> str:
    return text if text.isascii() else unicodedata.normalize("NFC", text)


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
    reason = names.untransportable_reason(shown)
    return None if reason is None else reason.partition(": ")[2]


def _by_name(path: str, *, is_directory: bool) -> str | None:
    """Why a case-folded path is a secret, a copy of one, or a cache, by its last one or two parts."""
    *folders, name = path.split("/")
    copied = _COPY.fullmatch(name)
    names_to_judge = (name, copied[1]) if copied is not None and copied[1] != name else (name,)
    for one in names_to_judge:
        reason = _secret_by_name(one, "/".join((*folders[-1:], one)), is_directory=is_directory)
        if reason is not None:
            return reason
    if is_directory:
        if name in _CACHES or name.endswith(".egg-info"):
            return _MADE_ANEW
        return _ENVIRONMENT if name == ".venv" else None
    return _MADE_ANEW if name.endswith((".pyc", ".pyo")) else None


def _secret_by_name(name: str, last_two: str, *, is_directory: bool) -> str | None:
    if is_directory:
        if name in _SECRET_FOLDERS or last_two in _SECRET_FOLDERS:
            return _CREDENTIALS
        return _ENV_REASON if name in _ENV_FOLDERS else None
    if _KEY_FILE.fullmatch(name) or name.endswith(_KEY_ENDINGS):
        return _PRIVATE_KEY
    if name in _SECRET_FILES or last_two in _SECRET_FILES or _CREDENTIALS_JSON.fullmatch(name):
        return _CREDENTIALS
    is_environment = _ENV_FILE.fullmatch(name) and not _ENV_EXAMPLE.fullmatch(name)
    return _ENV_REASON if is_environment or _HISTORY.fullmatch(name) else None
