"""Marker files: frozen records to bytes and back, and whether one is valid for a submission.

A marker is a signed file that states one event by being there. It names a submission (by digest) and an attempt, and
its signature covers its kind, the job's path and its content, so one that was altered, moved or copied to another job
is not valid. Which keys may sign is decided by the callers.

Invariants:

- The known fields of a parsed marker have the types that its event's definition gives them (`model.events`): a correct
  signature says who wrote a field, not that it can be used.
- Fields without a rule are kept as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum
from typing import Any, NamedTuple

from syft_job.errors import ConfigError, InvalidName, UnreadableJob
from syft_job.model import names
from syft_job.model.events import (
    ATTEMPTS,
    MARKER_EVENTS,
    FieldShape,
    MarkerField,
    MarkerKey,
    MarkerKind,
    Role,
)
from syft_job.model.job_ref import JobRef
from syft_job.model.names import InnerPath
from syft_job.model.states import OUTCOMES, Fact

from .codec import canonical, dump, load_json
from .manifest import FileEntry, SubmissionLimits, file_entry
from .signing import Key, claimed_signer, is_signed_by

OWNERS_KINDS = tuple(
    kind
    for kind, definition in MARKER_EVENTS.items()
    if definition.writer is not Role.SUBMITTER and kind not in (MarkerKind.ATTEMPT, MarkerKind.BLOCKED)
)
"""The owner's markers at the top of a job's directory that are part of its history."""
OWNERS = tuple(kind.value for kind in OWNERS_KINDS)
"""Their file names."""
WITHDRAWN = MarkerKind.WITHDRAWN.value
BLOCKED = MarkerKind.BLOCKED.value
"""The owner's marker of an approved job that cannot start now. It is no state: nothing is derived from it."""
OUTPUTS = "outputs"
LOGS = {"stdout": "stdout.txt", "stderr": "stderr.txt", "returncode": "returncode.txt"}
RULES = "syft.pub.yaml"
_RULES = {kind: definition.marker_fields for kind, definition in MARKER_EVENTS.items()}
_SIGNATURE_BYTES = 1024
"""Room for the signature and the fields that every marker has."""
OWNERS_NAMES = frozenset({*OWNERS, BLOCKED, ATTEMPTS, OUTPUTS, *LOGS.values(), "logs", RULES})
"""Names in a job's directory that are the owner's, so nothing under them is part of a submission."""


class MarkerProblem(Enum):
    """Why a marker does not count."""

    UNREADABLE = "it is no marker"
    UNSIGNED = "it has no signature"
    EARLIER_VERSION = "it names another digest than that of the submission"
    UNKNOWN_KEY = "no key of its writer is known"
    WRONG_SIGNATURE = "its signature is not valid for its content, its path or its writer's keys"
    NOT_RECORDED = "its key was given up, and the owner's ledger does not have it"
    OTHER_ATTEMPT = "it is of another attempt than the present one"


@dataclass(frozen=True, slots=True)
class Marker:
    """One marker: its kind, the submission and the attempt that it names, and its content.

    ``body`` is the whole content as it stands in the file, unknown fields included.
    """

    kind: MarkerKind
    digest: str
    attempt: int
    body: Mapping[str, Any] = field(default_factory=dict)

    @property
    def at(self) -> str:
        """Its time, RFC 3339, or an empty text."""
        return str(self.body.get("at", ""))

    @property
    def key(self) -> MarkerKey:
        """Which marker of the job it is."""
        return MarkerKey(self.kind, self.attempt)

    @property
    def fact(self) -> Fact | None:
        """The fact that it contributes if it is valid; None where nothing is derived from its kind."""
        return MARKER_EVENTS[self.kind].fact_of(self.attempt, str(self.body.get("outcome", "")))

    def check(self, ref: JobRef, digest: str, keys: Collection[str]) -> MarkerProblem | None:
        """Check whether it is valid for a submission.

        Args:
            ref: the job in whose directory it was found.
            digest: the digest of the submission.
            keys: the public keys of which one must have signed it.

        Returns:
            None where it is valid; otherwise the first problem.
        """
        signer = claimed_signer(self.body)
        if signer is None:
            return MarkerProblem.UNSIGNED
        if self.digest != digest:
            return MarkerProblem.EARLIER_VERSION
        if not keys:
            return MarkerProblem.UNKNOWN_KEY
        if signer not in keys or not is_signed_by(
            self.kind, ref, self.body, signer, digest=self.digest, attempt=self.attempt
        ):
            return MarkerProblem.WRONG_SIGNATURE
        return None


def make(kind: str, ref: JobRef, key: Key, *, digest: str, attempt: int, **fields: Any) -> Marker:
    """Build a signed marker of a `MarkerKind`; fields that are None are left out."""
    kind = MarkerKind(kind)
    body: dict[str, Any] = {name: value for name, value in fields.items() if value is not None}
    body |= {"digest": digest, "attempt": attempt}
    body.setdefault("at", now())
    body["seal"] = key.sign(kind, ref, body, digest=digest, attempt=attempt)
    return Marker(kind, digest, attempt, body)


def require_publishable(fields: Mapping[str, Any]) -> None:
    """Return if a marker with this content can be signed, and read by others; call it before anything is recorded.

    Raises:
        ConfigError: (a ValueError) a text in it is no valid text, or it is longer than readers accept.
    """
    try:
        canonical(dict(fields))
    except UnicodeError as error:
        raise ConfigError(
            "reason: it holds bytes that are no UTF-8, or half a character, which no other participant could read."
            " Write it anew, under a UTF-8 locale"
        ) from error
    size, limit = len(dump(dict(fields))), SubmissionLimits().marker_bytes - _SIGNATURE_BYTES
    if size > limit:
        raise ConfigError(
            f"reason or people: they are {size} bytes together, and others read at most {limit}. Write a shorter"
            " reason, or name fewer people"
        )


def to_bytes(marker: Marker) -> bytes:
    """The marker's file content; never empty."""
    return dump(marker.body)


def parse(kind: str, data: bytes, *, limit: int) -> Marker:
    """Parse the content of a marker strictly. An empty file is a marker without content, which is never valid.

    Args:
        kind: the `MarkerKind` that the file's name gives.
        data: the file's content.
        limit: how many bytes are accepted.

    Raises:
        UnreadableJob: it is no marker of that kind, or a known field has another type than format.md §Markers gives it.
    """
    kind = MarkerKind(kind)
    if not data.strip():
        return Marker(kind, "", 1)
    body = load_json(data, limit=limit)
    if not isinstance(body, dict):
        raise UnreadableJob(f"'{kind}' holds no mapping")
    digest, attempt = body.get("digest", ""), body.get("attempt", 1)
    if not isinstance(digest, str) or isinstance(attempt, bool) or not isinstance(attempt, int) or attempt < 1:
        raise UnreadableJob(f"'{kind}' has no proper digest and attempt")
    _check_fields(kind, body)
    return Marker(kind, digest, attempt, body)


class SharedPart(NamedTuple):
    """The outputs or the logs in a `shared`: who may read them, and which files they are.

    ``files`` is None where the marker lists none, because its submitter is not among the people.
    """

    who: tuple[str, ...] = ()
    files: Mapping[InnerPath, FileEntry] | None = None

    def is_for(self, person: str) -> bool:
        """Whether ``person`` may read them; ``*`` stands for everybody."""
        return person in self.who or "*" in self.who


def shared_part(body: Mapping[str, Any], what: str) -> SharedPart:
    """Read ``body[what]`` of a `shared`; ``what`` is "outputs" or "logs".

    Raises:
        UnreadableJob: it has another shape, or lists a path that leaves the results.
    """
    part = body.get(what)
    if part is None:
        return SharedPart()
    if not isinstance(part, dict) or not _is_list_of_texts(part.get("who", [])):
        raise UnreadableJob(f"its {what} are no mapping with a list of people in 'who'")
    who, listed = tuple(part.get("who", [])), part.get("files")
    if listed is None:
        return SharedPart(who)
    if not isinstance(listed, dict):
        raise UnreadableJob(f"the files of its {what} are no mapping")
    files: dict[InnerPath, FileEntry] = {}
    for text, entry in listed.items():
        try:
            path = names.require_inner_path(text)
        except InvalidName as error:
            raise UnreadableJob(f"its {what} list {text!a}: {error}") from error
        if what == "logs" and path not in LOGS.values():
            raise UnreadableJob(f"its logs list {text!a}, which is no log")
        files[path] = file_entry(path, entry)
    return SharedPart(who, files)


def people_in_share(body: Mapping[str, Any], what: str) -> tuple[str, ...]:
    """The people to whom ``body["share"]`` promises the outputs or the logs (``what``); none where it is left out."""
    share = body.get("share")
    people = share.get(what) if isinstance(share, dict) else None
    return tuple(people) if people is not None and _is_list_of_texts(people) else ()


def _check_fields(kind: MarkerKind, body: Mapping[str, Any]) -> None:
    """Check the known fields of a marker against the rules of its event.

    Raises:
        UnreadableJob: a field has another shape, or a required one is missing.
    """
    for rule in _RULES[kind]:
        _CHECKS[rule.shape](kind, rule, body)


def _check_text(_: MarkerKind, rule: MarkerField, body: Mapping[str, Any]) -> None:
    if not isinstance(body.get(rule.name, ""), str):
        raise UnreadableJob(f"its {rule.name} is no text")


def _check_outcome(kind: MarkerKind, rule: MarkerField, body: Mapping[str, Any]) -> None:
    outcome = body.get(rule.name)
    if outcome is None and not rule.is_required:
        return
    if not isinstance(outcome, str) or outcome not in OUTCOMES:
        raise UnreadableJob(f"'{kind}' has the outcome {outcome!r}")


def _check_people(_: MarkerKind, rule: MarkerField, body: Mapping[str, Any]) -> None:
    share = body.get(rule.name)
    if share is not None and not (
        isinstance(share, dict)
        and _is_list_of_texts(share.get("outputs", []))
        and _is_list_of_texts(share.get("logs", []))
    ):
        raise UnreadableJob(f"its {rule.name} is no mapping with lists of people in 'outputs' and 'logs'")


def _check_released_files(_: MarkerKind, rule: MarkerField, body: Mapping[str, Any]) -> None:
    shared_part(body, rule.name)


_CHECKS: Mapping[FieldShape, Callable[[MarkerKind, MarkerField, Mapping[str, Any]], None]] = {
    FieldShape.TEXT: _check_text,
    FieldShape.OUTCOME: _check_outcome,
    FieldShape.PEOPLE: _check_people,
    FieldShape.RELEASED_FILES: _check_released_files,
}


def _is_list_of_texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def is_of_first_attempt(data: bytes) -> bool:
    """Return True if ``data`` is certainly a first-attempt marker, or no marker at all.

    A conservative byte test that avoids parsing: it may return False for one, never True for another attempt.
    """
    return data.count(b'"attempt"') == 1 and b'"attempt": 1,' in data and b"\\" not in data


def now() -> str:
    """The present time, RFC 3339 UTC, to the microsecond."""
    return datetime.now(UTC).isoformat().replace("+00:00", "Z")


def this_minute() -> str:
    """The present time to the minute, for `done`, which is no more precise than that."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%MZ")
