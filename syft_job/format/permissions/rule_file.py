"""One permission file: reading its bytes, and the bytes of the two that this package writes."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from syft_job.errors import AclError, UnreadableJob
from syft_job.format import codec
from syft_job.model import names
from syft_job.model.bounded_cache import BytesCache

from .pattern import ASKING_USER, EVERYBODY, TEMPLATE, TEMPLATES, Rule, check_wild, parts_of, refuse_longer, specificity

FILE_NAME: Final = names.PERMISSION_FILE
FILE_BYTES: Final = 64 * 1024
_PERSON_CHARS: Final = 4 * names.ADDRESS_BYTES
_CACHED_BYTES: Final = 1 << 20
MARKERS: Final = ("approved", "rejected", "cancelled", "shared", "running", "done", "attempts/**", "blocked")
"""What the owner's hand says about a job; its submitter may read it."""
_MARKERS_BEFORE_BLOCKED: Final = MARKERS[:-1]
"""What releases up to 0.1 wrote into the rule file of a datasite."""
LOGS: Final = ("stdout.txt", "stderr.txt", "returncode.txt")
RESULTS: Final = ("outputs/**", *LOGS, "logs/**", FILE_NAME)
"""What only the owner may read until it is granted."""


@dataclass(frozen=True, slots=True)
class RuleFile:
    """What one permission file says, the most specific rule first.

    ``foreign`` is the first template in it that is not ours to know, or "". Such a file has a known end of the way,
    but what it would decide is unknown.
    """

    rules: tuple[Rule, ...]
    terminal: bool
    foreign: str = ""


_rule_files: BytesCache[RuleFile] = BytesCache(_CACHED_BYTES)


def parse(data: bytes) -> RuleFile:
    """Read the bytes of a permission file, at most 64 KiB of YAML or JSON.

    Raises:
        AclError: they are not what a permission file says, or they use a template that is not known here.
    """
    rules = read(data)
    if rules.foreign:
        raise AclError(unknown_template("the file", rules.foreign))
    return rules


def read(data: bytes) -> RuleFile:
    """What the bytes of a permission file say; one with a template that is not ours is marked ``foreign``."""
    return _rule_files.get(data, None, lambda: _read(data))


def _read(data: bytes) -> RuleFile:
    try:
        content = codec.load_yaml(data, limit=FILE_BYTES)
    except UnreadableJob as error:
        raise AclError(str(error)) from error
    if not isinstance(content, dict):
        raise AclError("it is not a mapping with a list of rules")
    terminal = content.get("terminal", False)
    listed = content.get("rules")
    if not isinstance(terminal, bool):
        raise AclError("its `terminal` is neither true nor false")
    if not isinstance(listed, list):
        raise AclError("it has no list of rules")
    foreign = ""
    rules: list[Rule] = []
    for number, one in enumerate(listed, start=1):
        if not isinstance(one, dict) or not isinstance(one.get("pattern"), str):
            raise AclError(f"its rule {number} has no pattern")
        refuse_longer(one["pattern"], number)
        pattern = unicodedata.normalize("NFC", one["pattern"])
        if "{{" in TEMPLATES.sub("", pattern) or "}}" in TEMPLATES.sub("", pattern):
            foreign = foreign or pattern
            continue
        access = one.get("access")
        if access is not None and not isinstance(access, dict):
            raise AclError(f"the access of its rule {number} is not a mapping")
        people = {level: _people((access or {}).get(level), number) for level in ("read", "write", "admin")}
        rules.append(Rule(pattern=pattern, parts=parts_of(pattern, number), **people))
    # The sort is stable, also reversed: of two equally specific rules the one written first decides.
    rules.sort(key=specificity, reverse=True)
    return RuleFile(tuple(rules), terminal, foreign)


def _people(listed: object, number: int) -> tuple[str, ...]:
    if listed is None:
        return ()
    if not isinstance(listed, list) or not all(isinstance(one, str) for one in listed):
        raise AclError(f"the access of its rule {number} does not list people")
    for one in listed:
        if len(one) > _PERSON_CHARS:
            raise AclError(f"who is named in its rule {number} has more than {_PERSON_CHARS} characters")
        check_wild(one, f"who is named in its rule {number}")
    return tuple(unicodedata.normalize("NFC", one) for one in listed)


def unknown_template(file: str, pattern: str) -> str:
    """The sentence about a template that is not known here."""
    return (
        f"{legible(file)} uses {pattern!r}: of SyftBox's templates only {TEMPLATE} is known here. "
        "Write the addresses out, or move that rule to a folder without jobs"
    )


def legible(path: str) -> str:
    """The path as a person may see it: control characters as escapes."""
    return path if path.isprintable() else repr(path)


def datasite_rules() -> bytes:
    """Return the permission file of a datasite's ``app_data/job``: everybody's own folder, and what is closed in it.

    It names nobody, so it is the same for every datasite.
    """
    return _datasite_rules(MARKERS)


def is_earlier_datasite_rules(data: bytes) -> bool:
    """Return True if these bytes are a datasite's permission file as an earlier release wrote it, unchanged."""
    return data == _datasite_rules(_MARKERS_BEFORE_BLOCKED)


def _datasite_rules(markers: Sequence[str]) -> bytes:
    rules = [_rule(f"{TEMPLATE}/**", write=[ASKING_USER])]
    rules += [_rule(f"{TEMPLATE}/*/{pattern}", read=[ASKING_USER]) for pattern in markers]
    rules += [_rule(f"{TEMPLATE}/*/{pattern}") for pattern in RESULTS]
    return codec.dump({"rules": rules})


def job_rules(submitter: str, outputs: Sequence[str] = (), logs: Sequence[str] = ()) -> bytes:
    """Return a job's own permission file, which grants results and closes everything else as before.

    ``outputs`` may read the folder ``outputs/``, ``logs`` the three log files: addresses, or ``"*"`` for everybody.
    The submitter is one of them only when listed. The file is terminal: a permission file among the results or the
    submitted code says nothing.

    Raises:
        InvalidName: somebody in it is not an address.
    """
    submitter = names.address(submitter)
    readers, log_readers = _grantees(outputs, "outputs"), _grantees(logs, "logs")
    # Outside a datasite's rules USER would be everybody, so the submitter is named.
    rules = [_rule("**", write=[submitter])]
    rules += [_rule(pattern, read=[submitter]) for pattern in MARKERS]
    granted = {"outputs/**": readers, **dict.fromkeys(LOGS, log_readers)}
    rules += [_rule(pattern, read=granted.get(pattern, [])) for pattern in RESULTS]
    return codec.dump({"rules": rules, "terminal": True})


def _rule(pattern: str, *, read: Sequence[str] = (), write: Sequence[str] = ()) -> dict[str, Any]:
    return {"access": {"admin": [], "read": list(read), "write": list(write)}, "pattern": pattern}


def _grantees(people: Iterable[str], what: str) -> list[str]:
    if isinstance(people, str):
        raise AclError(f"who may read the {what} is given as a list of addresses: [{people!r}]")
    return sorted({one if one == EVERYBODY else names.address(one) for one in people})
