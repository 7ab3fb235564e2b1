"""Validate the names that become path components: addresses, job names, and paths inside a job.

Invariants of a name that is accepted:

1. It is in Unicode normal form C, and of bounded size in UTF-8.
2. It has no character that a file system, a terminal or a sync tool could interpret in a second way, and no component
   that leaves its directory.
3. It is not a name that sync tools or desktops use for their own files.

Text only: nothing here touches a disk. The messages of most refusals name the reason and the remedy.

This module is longer than 350 lines because the rules for one kind of name are used by the others.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from typing import Final, NewType

from syft_job.errors import InvalidName

from .quoting import quoted
from .text import is_plainly_visible

MAX_ADDRESS_BYTES: Final = 80
MAX_NAME_BYTES: Final = 80
MAX_PATH_BYTES: Final = 150
MAX_PATH_LEVELS: Final = 12
_MAX_NFC_SHRINKAGE: Final = 4
"""NFC leaves at least a quarter of a text's characters, and a text never has fewer bytes than characters.

So a text of more than four times the limit is too long in any form. That is checked first, because the work of
`unicodedata.normalize` takes quadratic time in the length of a run of combining marks.
"""

PERMISSION_FILE: Final = "syft.pub.yaml"

InnerPath = NewType("InnerPath", str)
"""The path of a file inside a job that `normalize_inner_path` or `require_inner_path` accepted."""

# Fast path for nearly every name. A name without a dot has no extension and, but for a few words, is no sync artefact;
# a name of five characters or more is no bare device name.
_PLAIN_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]{4,}(?: [A-Za-z0-9_-]+)*")
_PLAIN_PATH = re.compile(
    r"(?:(?!(?:con|prn|aux|nul|com[0-9]|lpt[0-9])[/.])[a-z0-9_-]+/)*"
    r"(?!(?:con|prn|aux|nul|com[0-9]|lpt[0-9])(?:\.|$))[a-z0-9_-]+(?:\.[a-z0-9]+)?"
)
_PLAIN_ADDRESS = re.compile(r"[a-z0-9_][a-z0-9_+-]*(?:\.[a-z0-9_+-]+)*@[a-z0-9]+(?:[.-][a-z0-9]+)*")

_REFUSED = re.compile(r"[/\\<>:|?*\x00-\x1f\x7f-\x9f\u2028\u2029\ufdd0-\ufdef\ufffe\uffff]")
_REFUSED_CATEGORIES: Final = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
_DEVICE = re.compile(
    r"(?:con|prn|aux|nul|conin\$|conout\$|clock\$|(?:com|lpt)[0-9\u00b9\u00b2\u00b3])[ ]*(?:\..*)?",
    re.IGNORECASE | re.DOTALL,
)

_LOCAL = re.compile(r"[\w%+='&#$^](?:[\w%+='&#$^~-]|\.(?!\.))*")
_LABEL = re.compile(r"[^\W_](?:[\w-]*[^\W_])?")

# Two expressions for lower-case text: each begins with plain characters, which lets the search skip most names quickly.
_ARTEFACT_START = re.compile(
    r"""
      ~syncthing~ | \.syncthing\. | \.stfolder | \.stversions$ | \.stignore$ | \.~tmp~ | \.~lock\.
    | \.unison | \.fuse_hidden | \.nfs[0-9a-f]{4} | \.dropbox | \.goutputstream- | \.sync$ | \.rsync-partial$
    | \.csync_journal\.db | \._ | \.sync_[0-9a-z]+\.db | \.owncloudsync\.log
    | \.ds_store$ | desktop\.ini$ | thumbs\.db$ | ehthumbs\.db$ | icon\r$ | ~\$
    """,
    re.VERBOSE,
)
_ARTEFACT_WITHIN = re.compile(
    r"""
      \.sync-conflict- | conflicted[ ]copy | syftconflict | syftrejected | _conflict-[0-9] | \.tmp
    | \.part$ | \.filepart$ | \.crdownload$ | \.!sync$ | \.!ut$
    """,
    re.VERBOSE,
)
_TEMPLATE = re.compile(r"\.tmpl(?![a-z0-9])", re.IGNORECASE)

_EXCLUDED_PARTS: Final = {
    "__pycache__": "Python recreates it",
    ".git": "it holds the history of the code, not the code",
    ".venv": "an environment works only on the machine that it was made on",
}
_UNTRANSPORTED_FOLDERS: Final = {
    "dist": "sync tools do not carry folders called dist",
    "logs": "sync tools do not carry folders called logs",
}
_RECREATED_SUFFIX: Final = ".pyc"
_UNTRANSPORTED_SUFFIXES: Final = {
    ".log": "sync tools do not carry *.log",
    ".tmp": "sync tools do not carry *.tmp",
}

_ID = re.compile(r"[0-9a-f]{4,32}")


def normalize_address(text: str) -> str:
    """Return the normal form of an e-mail address, which names the directories of datasites and submitters.

    It has no surrounding spaces, is in Unicode normal form C and in lower case, and has at most 80 bytes. A domain
    without a dot (``me@localhost``) is accepted.

    Raises:
        InvalidName: ``text`` is not an address, or cannot be the name of a directory.
    """
    if not isinstance(text, str):
        raise InvalidName(f"{quoted(text)} is not an e-mail address; write it as a text like ada@example.org")
    if len(text) <= MAX_ADDRESS_BYTES and _PLAIN_ADDRESS.fullmatch(text) and not _ARTEFACT_WITHIN.search(text):
        return text
    _refuse_longer(text, MAX_ADDRESS_BYTES, "is not an e-mail address that can be used here")
    # Twice: lower case can leave the normal form, and the result has to be its own normal form.
    normal = unicodedata.normalize("NFC", unicodedata.normalize("NFC", text.strip(" \t\r\n")).lower())
    reason = _address_problem(normal)
    if reason:
        raise InvalidName(f"{quoted(text)} is not an e-mail address that can be used here: {reason}")
    return normal


def is_address(text: str) -> bool:
    """Return True if ``text``, the name of a directory, is an address in its normal form."""
    try:
        return normalize_address(text) == text
    except InvalidName:
        return False


def normalize_job_name(text: str, *, limit: int = MAX_NAME_BYTES) -> str:
    """Return the normal form of a job's name: NFC, one path component.

    Letters of all scripts, spaces inside, quotes and emoji are accepted.

    Args:
        text: the name.
        limit: the number of bytes in UTF-8 that it may have.

    Raises:
        InvalidName: ``text`` cannot be a job's name on every system; the message states the reason.
    """
    if not isinstance(text, str):
        raise InvalidName(f"{quoted(text)} is not a text; a job's name is one")
    if len(text) <= limit and _PLAIN_NAME.fullmatch(text) and not is_sync_artefact(text):
        return text
    _refuse_longer(text, limit, "cannot be the name of a job")
    normal = unicodedata.normalize("NFC", text)
    reason = _name_problem(normal, limit)
    if reason:
        raise InvalidName(f"{quoted(text)} cannot be the name of a job: {reason}. Choose another name.")
    return normal


def normalize_inner_path(text: str, *, limit: int = MAX_PATH_BYTES, levels: int = MAX_PATH_LEVELS) -> InnerPath:
    """Return the normal form of the path of a file inside a job: relative, ``/`` between the components, NFC.

    Components may begin with a dot or a dash (``.env.example``).

    Args:
        text: the path.
        limit: the number of bytes in UTF-8 that it may have.
        levels: the number of components that it may have.

    Raises:
        InvalidName: ``text`` leaves the directory, or a component cannot be a file's name on every system.
    """
    if not isinstance(text, str):
        raise InvalidName(f"{quoted(text)} is not a text; a path inside a job is one")
    if len(text) <= limit and text.count("/") < levels and _PLAIN_PATH.fullmatch(text):
        return InnerPath(text)
    _refuse_longer(text, limit, "cannot be a path inside a job")
    normal = unicodedata.normalize("NFC", text)
    reason = _path_problem(normal, limit, levels)
    if reason:
        raise InvalidName(f"{quoted(text)} cannot be a path inside a job: {reason}. Rename the file.")
    return InnerPath(normal)


def require_inner_path(text: object) -> InnerPath:
    """Return ``text``, a path that a marker lists, unchanged if `normalize_inner_path` accepts it.

    Earlier releases listed released files in the Unicode form that the file system had, so a form other than NFC is
    accepted here and kept.

    Raises:
        InvalidName: see `normalize_inner_path`.
    """
    if not isinstance(text, str):
        raise InvalidName(f"{quoted(text)} is not a text; a path inside a job is one")
    normalize_inner_path(text)
    return InnerPath(text)


def find_collision(paths: Iterable[str]) -> tuple[str, str] | None:
    """Return the first two of ``paths`` that are the same path on some file system, or None.

    Two paths collide if they, or directories on the way to them, differ only in case or Unicode form, if one is given
    twice, and if one would have to be both a file and a directory.
    """
    folders: dict[str, tuple[str, str]] = {}
    files: dict[str, str] = {}
    known: set[str] = set()
    for path in paths:
        parent = path.rpartition("/")[0]
        while parent and parent not in known:
            known.add(parent)
            key = _folded(parent)
            spelled, first = folders.setdefault(key, (parent, path))
            if spelled != parent:
                return first, path
            if key in files:
                return files[key], path
            parent = parent.rpartition("/")[0]
        key = _folded(path)
        if key in files:
            return files[key], path
        if key in folders:
            return folders[key][1], path
        files[key] = path
    return None


def is_sync_artefact(name: str) -> bool:
    """Return True if a name is one that sync tools and desktops give to temporary files and conflict copies."""
    text = name.lower()
    # Fast path: all of these names have one of these, and nearly no job's name does. A listing asks twice a job.
    if "." not in text and "conflict" not in text and "~" not in text and "syftr" not in text and "\r" not in text:
        return False
    return _ARTEFACT_START.match(text) is not None or _ARTEFACT_WITHIN.search(text) is not None


def exclusion_reason(path: str) -> str | None:
    """Return why a path is left out of a submission, or None.

    Args:
        path: relative; that of a directory ends with a slash, as in ``code/dist/``.
    """
    for part in path.split("/"):
        if part in _EXCLUDED_PARTS:
            return f"{part}: {_EXCLUDED_PARTS[part]}"
    if path.endswith(_RECREATED_SUFFIX):
        return f"*{_RECREATED_SUFFIX}: Python recreates it"
    return untransportable_reason(path)


def untransportable_reason(path: str) -> str | None:
    """Return why sync tools would not transport a path, or readers not accept it, or None.

    Args:
        path: relative; that of a directory ends with a slash, as in ``code/dist/``.
    """
    *folders, last = path.split("/")
    for part in folders:
        if part in _UNTRANSPORTED_FOLDERS:
            return f"{part}/: {_UNTRANSPORTED_FOLDERS[part]}"
    for ending, reason in _UNTRANSPORTED_SUFFIXES.items():
        if last.endswith(ending):
            return f"*{ending}: {reason}"
    for part in (*folders, last):
        if part.casefold() == PERMISSION_FILE:
            return f"{PERMISSION_FILE}: permissions in a submission grant nothing"
        # `page.tmpl` is a template; `page.tmp7f3` is an incomplete file.
        if is_sync_artefact(_TEMPLATE.sub("", part)):
            return f"{quoted(part)}: sync tools and desktops leave such files behind"
    return None


def is_id_prefix(text: str) -> bool:
    """Return True if ``text`` can be the beginning of a job's id: 4 to 32 hexadecimal digits in lower case."""
    return _ID.fullmatch(text) is not None


def _refuse_longer(text: str, limit: int, what: str) -> None:
    if len(text) > _MAX_NFC_SHRINKAGE * limit:
        raise InvalidName(
            f"{quoted(text)} {what}: it is {len(text)} characters long; at most {limit} bytes are possible"
        )


def _address_problem(text: str) -> str:
    if not text:
        return "it is empty"
    reason = _character_problem(text)
    if reason:
        return reason
    if len(text.encode()) > MAX_ADDRESS_BYTES:
        return f"it is {len(text.encode())} bytes long, and a folder for it may have {MAX_ADDRESS_BYTES}"
    local, at, domain = text.rpartition("@")
    if not at or not local or not domain:
        return "it has to look like name@domain"
    if not is_plainly_visible(text):
        return "it has invisible characters; type it with plain letters"
    if unicodedata.normalize("NFKC", text) != text:
        return "it has characters that look like others; type it with plain letters"
    if not _LOCAL.fullmatch(local) or not all(map(_is_word, local)) or local.endswith("."):
        return "the part before the @ may have letters, digits and . _ + - inside"
    if not all(_LABEL.fullmatch(label) and all(map(_is_word, label)) for label in domain.split(".")):
        return "the part after the @ has to be a domain like example.org"
    if is_sync_artefact(text):
        return "sync tools name their temporary files and conflict copies like that"
    return ""


def _name_problem(text: str, limit: int) -> str:
    reason = _component_problem(text)
    if reason:
        return reason
    size = len(text.encode())
    if size > limit:
        return f"it is {size} bytes long; at most {limit} are possible"
    if text[0] in ".-":
        return f"it begins with {text[0]!r}"
    if ".." in text:
        return "it contains '..'"
    if text.casefold() == PERMISSION_FILE:
        return "permission files are called that"
    if is_sync_artefact(text):
        return "sync tools name their temporary files and conflict copies like that"
    return ""


def _path_problem(text: str, limit: int, levels: int) -> str:
    if not text:
        return "it is empty"
    if text.startswith("/"):
        return "it is absolute"
    # Before it is split: a hostile path may have a million components.
    if len(text) > limit:
        return f"it is longer than {limit} bytes"
    parts = text.split("/")
    if len(parts) > levels:
        return f"it is {len(parts)} levels deep; at most {levels} are possible"
    for part in parts:
        reason = _component_problem(part)
        if reason:
            return f"in the part {quoted(part)}, {reason}"
    if len(text.encode()) > limit:
        return f"it is {len(text.encode())} bytes long; at most {limit} are possible"
    return ""


def _component_problem(part: str) -> str:
    if not part:
        return "it is empty"
    if part in {".", ".."}:
        return "it leaves its directory"
    reason = _character_problem(part)
    if reason:
        return reason
    if part != part.strip():
        return "it begins or ends with a space"
    if part.endswith("."):
        return "it ends with a dot"
    if _DEVICE.fullmatch(part):
        return "Windows keeps it for a device"
    return ""


def _character_problem(text: str) -> str:
    bad = _REFUSED.search(text)
    if bad:
        return f"it contains {bad[0]!a}"
    if not text.isascii():
        for char in text:
            # Unpaired surrogates cannot be encoded; format characters change only what is displayed. The last two code
            # points of every plane are no characters.
            if unicodedata.category(char) in _REFUSED_CATEGORIES or ord(char) & 0xFFFE == 0xFFFE:
                return f"it contains the invisible or unpaired character {char!a}"
    return ""


def _is_word(char: str) -> bool:
    return char.isascii() or unicodedata.category(char)[0] in "LNM"


def _folded(text: str) -> str:
    if text.isascii():
        return text.lower()
    return unicodedata.normalize("NFD", unicodedata.normalize("NFD", text).casefold())
