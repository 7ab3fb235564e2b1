"""One permission file: parse its bytes, and encode the two that syft_job writes."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from syft_job.errors import AclError, UnreadableJob
from syft_job.format import codec
from syft_job.model import names
from syft_job.model.bounded_cache import BytesCache

from .pattern import (
    EVERYONE,
    REQUESTING_USER,
    TEMPLATES,
    USER_TEMPLATE,
    Rule,
    parse_pattern,
    require_bounded_wildcards,
    require_pattern_size,
    specificity,
)

FILE_NAME: Final = names.PERMISSION_FILE
MAX_FILE_BYTES: Final = 64 * 1024
_MAX_PERSON_CHARACTERS: Final = 4 * names.MAX_ADDRESS_BYTES
_MAX_CACHED_BYTES: Final = 1 << 20
MARKERS: Final = ("approved", "rejected", "cancelled", "shared", "running", "done", "attempts/**", "blocked")
"""The owner's markers of a job, which its submitter may read."""
_MARKERS_BEFORE_BLOCKED: Final = MARKERS[:-1]
"""The markers in the permission file of a datasite that releases up to 0.1 wrote."""
LOGS: Final = ("stdout.txt", "stderr.txt", "returncode.txt")
RESULTS: Final = ("outputs/**", *LOGS, "logs/**", FILE_NAME)
"""What only the owner may read until access is granted."""


@dataclass(frozen=True, slots=True)
class RuleFile:
    """The content of one permission file.

    Attributes:
        rules: the most specific first.
        terminal: whether permission files below its directory are ignored.
        unknown_template: the first pattern with a template that syft_job does not know, or "". It is known whether
            such a file is terminal, but not which access it gives.
    """

    rules: tuple[Rule, ...]
    terminal: bool
    unknown_template: str = ""


_rule_files: BytesCache[RuleFile] = BytesCache(_MAX_CACHED_BYTES)


def parse(data: bytes) -> RuleFile:
    """Parse a permission file.

    Args:
        data: at most 64 KiB of YAML or JSON.

    Raises:
        AclError: it is no permission file, or it uses a template that syft_job does not know.
    """
    rules = parse_any_template(data)
    if rules.unknown_template:
        raise AclError(unknown_template_message("the file", rules.unknown_template))
    return rules


def parse_any_template(data: bytes) -> RuleFile:
    """Parse a permission file; one with a template that syft_job does not know is marked with it.

    Args:
        data: at most 64 KiB of YAML or JSON. The result is cached.

    Raises:
        AclError: it is no permission file.
    """
    return _rule_files.get(data, None, lambda: _parse(data))


def _parse(data: bytes) -> RuleFile:
    try:
        content = codec.load_yaml(data, limit=MAX_FILE_BYTES)
    except UnreadableJob as error:
        raise AclError(str(error)) from error
    if not isinstance(content, dict):
        raise AclError("it is not a mapping with a list of rules")
    terminal = content.get("terminal", False)
    entries = content.get("rules")
    if not isinstance(terminal, bool):
        raise AclError("its `terminal` is neither true nor false")
    if not isinstance(entries, list):
        raise AclError("it has no list of rules")
    unknown_template = ""
    rules: list[Rule] = []
    for number, entry in enumerate(entries, start=1):
        if not isinstance(entry, dict) or not isinstance(entry.get("pattern"), str):
            raise AclError(f"its rule {number} has no pattern")
        require_pattern_size(entry["pattern"], number)
        pattern = unicodedata.normalize("NFC", entry["pattern"])
        if "{{" in TEMPLATES.sub("", pattern) or "}}" in TEMPLATES.sub("", pattern):
            unknown_template = unknown_template or pattern
            continue
        access = entry.get("access")
        if access is not None and not isinstance(access, dict):
            raise AclError(f"the access of its rule {number} is not a mapping")
        people = {level: _people((access or {}).get(level), number) for level in ("read", "write", "admin")}
        rules.append(Rule(pattern=pattern, parts=parse_pattern(pattern, number), **people))
    # The sort is stable, even with `reverse`: of two equally specific rules the one written first decides.
    rules.sort(key=specificity, reverse=True)
    return RuleFile(tuple(rules), terminal, unknown_template)


def _people(entries: object, number: int) -> tuple[str, ...]:
    if entries is None:
        return ()
    if not isinstance(entries, list) or not all(isinstance(person, str) for person in entries):
        raise AclError(f"the access of its rule {number} does not list people")
    for person in entries:
        if len(person) > _MAX_PERSON_CHARACTERS:
            raise AclError(f"who is named in its rule {number} has more than {_MAX_PERSON_CHARACTERS} characters")
        require_bounded_wildcards(person, f"who is named in its rule {number}")
    return tuple(unicodedata.normalize("NFC", person) for person in entries)


def unknown_template_message(file: str, pattern: str) -> str:
    """Return the sentence about a template that syft_job does not know, with the remedy."""
    return (
        f"{printable_path(file)} uses {pattern!r}: of SyftBox's templates only {USER_TEMPLATE} is known here. "
        "Write the addresses out, or move that rule to a folder without jobs"
    )


def printable_path(path: str) -> str:
    """Return a path for messages: quoted with escapes if it contains control characters."""
    return path if path.isprintable() else repr(path)


def datasite_rules() -> bytes:
    """Return the permission file of a datasite's ``app_data/job``: each user writes below a directory of their own.

    It names no address, so it is the same for every datasite.
    """
    return _datasite_rules(MARKERS)


def is_earlier_datasite_rules(data: bytes) -> bool:
    """Return True if ``data`` is a datasite's permission file as an earlier release wrote it, unchanged."""
    return data == _datasite_rules(_MARKERS_BEFORE_BLOCKED)


def _datasite_rules(markers: Sequence[str]) -> bytes:
    rules = [_rule(f"{USER_TEMPLATE}/**", write=[REQUESTING_USER])]
    rules += [_rule(f"{USER_TEMPLATE}/*/{pattern}", read=[REQUESTING_USER]) for pattern in markers]
    rules += [_rule(f"{USER_TEMPLATE}/*/{pattern}") for pattern in RESULTS]
    return codec.dump({"rules": rules})


def job_rules(submitter: str, outputs: Sequence[str] = (), logs: Sequence[str] = ()) -> bytes:
    """Return a job's own permission file, which grants access to results and nothing else beyond the datasite's file.

    The file is terminal, so that a permission file among the results or the submitted code is ignored.

    Args:
        submitter: the address of the submitter, who has access to results only if listed.
        outputs: who may read the directory ``outputs/``: addresses, or ``"*"`` for everyone.
        logs: who may read the three log files, likewise.

    Raises:
        AclError: ``outputs`` or ``logs`` is one text.
        InvalidName: one of the entries is not an address.
    """
    submitter = names.normalize_address(submitter)
    readers, log_readers = _grantees(outputs, "outputs"), _grantees(logs, "logs")
    # Without the template in the pattern USER would be everyone, so the submitter is named.
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
    return sorted({person if person == EVERYONE else names.normalize_address(person) for person in people})
