"""The other marker files: frozen records to bytes and back, and whether one counts.

A marker is a file whose presence is a fact. Each says of which submission (digest) and which attempt it speaks and
carries a seal over that; a bare, altered or moved one counts for nothing. Which key is the right one is decided by who
asks.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NamedTuple

from syft_job.errors import ConfigError, InvalidName, UnreadableJob
from syft_job.model import names
from syft_job.model.job_ref import JobRef
from syft_job.model.lifecycle import OUTCOMES, Fact
from syft_job.model.names import InnerPath

from .codec import canonical, dump, load_json
from .manifest import FileEntry, SubmissionLimits, file_entry
from .signing import Key, claimed_signer, is_signed_by

OWNERS = ("approved", "rejected", "cancelled", "shared", "running", "done")
"""Markers of the owner's hand at the top of a job's directory."""
WITHDRAWN = "withdrawn"
BLOCKED = "blocked"
"""The owner's marker of an approved job that cannot start now. It is no state: nothing is derived from it."""
ATTEMPTS = "attempts"
OUTPUTS = "outputs"
LOGS = {"stdout": "stdout.txt", "stderr": "stderr.txt", "returncode": "returncode.txt"}
RULES = "syft.pub.yaml"
_RESULTS = ("outputs", "logs")
_SIGNATURE_BYTES = 1024
"""Room for the signature and the fields that every marker has."""
_TEXT_FIELDS = ("at", "by", "reason", "method", "epoch")
OWNERS_NAMES = frozenset({*OWNERS, BLOCKED, ATTEMPTS, OUTPUTS, *LOGS.values(), "logs", RULES})
"""Names in a job's directory that are the owner's, so nothing under them is part of a submission."""


@dataclass(frozen=True, slots=True)
class Marker:
    """One marker: its kind, what it says it speaks of, and everything else it says.

    ``body`` is the whole content as it stands in the file, unknown fields included.
    """

    kind: str
    digest: str
    attempt: int
    body: Mapping[str, Any] = field(default_factory=dict)

    @property
    def at(self) -> str:
        """When it was said, RFC 3339, or an empty text."""
        return str(self.body.get("at", ""))

    @property
    def fact(self) -> Fact:
        """What it means for the state, if it counts."""
        kind = "permit" if self.kind == "attempt" else self.kind
        return Fact(kind, self.attempt, str(self.body.get("outcome", "")) if kind == "done" else "")

    def counts(self, place: JobRef, digest: str, keys: Collection[str]) -> str | None:
        """None when this marker counts for the submission ``digest`` under one of ``keys``; else why it does not."""
        sealer = claimed_signer(self.body)
        if sealer is None:
            return f"unsealed '{self.kind}' ignored"
        if self.digest != digest:
            return f"'{self.kind}' of an earlier version ignored"
        if not keys:
            return f"'{self.kind}' cannot be checked: no key of its writer is known"
        if sealer not in keys or not is_signed_by(
            self.kind, place, self.body, sealer, digest=self.digest, attempt=self.attempt
        ):
            return f"'{self.kind}' with a wrong seal ignored"
        return None


def make(kind: str, place: JobRef, key: Key, *, digest: str, attempt: int, **said: Any) -> Marker:
    """Build a sealed marker; fields that are None are left out."""
    body: dict[str, Any] = {name: value for name, value in said.items() if value is not None}
    body |= {"digest": digest, "attempt": attempt}
    body.setdefault("at", now())
    body["seal"] = key.sign(kind, place, body, digest=digest, attempt=attempt)
    return Marker(kind, digest, attempt, body)


def require_publishable(said: Mapping[str, Any]) -> None:
    """Return if a marker that says this can be signed, and read by others; ask before it is said in the ledger.

    Raises:
        ConfigError: (a ValueError) a text in it is no text for others, or it is longer than readers accept.
    """
    try:
        canonical(dict(said))
    except UnicodeError as error:
        raise ConfigError(
            "reason: it holds bytes that are no UTF-8, or half a character, which nobody else could read."
            " Write it anew, under a UTF-8 locale"
        ) from error
    size, most = len(dump(dict(said))), SubmissionLimits().marker_bytes - _SIGNATURE_BYTES
    if size > most:
        raise ConfigError(
            f"reason or people: they are {size} bytes together, and others read at most {most}. Write a shorter reason,"
            " or name fewer people"
        )


def to_bytes(marker: Marker) -> bytes:
    """The marker's file content; never empty."""
    return dump(marker.body)


def parse(kind: str, data: bytes, *, limit: int) -> Marker:
    """Read a marker's bytes.

    Raises:
        UnreadableJob: they are no marker of that kind.
    """
    if not data.strip():
        return Marker(kind, "", 1)
    said = load_json(data, limit=limit)
    if not isinstance(said, dict):
        raise UnreadableJob(f"'{kind}' holds no mapping")
    digest, attempt = said.get("digest", ""), said.get("attempt", 1)
    if not isinstance(digest, str) or isinstance(attempt, bool) or not isinstance(attempt, int) or attempt < 1:
        raise UnreadableJob(f"'{kind}' has no proper digest and attempt")
    _check_fields(kind, said)
    return Marker(kind, digest, attempt, said)


class SharedPart(NamedTuple):
    """What `shared` says of the outputs or of the logs: who may read them, and which files they are.

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


def _check_fields(kind: str, said: Mapping[str, Any]) -> None:
    """Refuse a marker whose known fields have other types than format.md §Markers gives them.

    A correct signature says who wrote a field, not that it can be used: everything that reads markers relies on this.

    Raises:
        UnreadableJob: one of them has.
    """
    outcome = said.get("outcome")
    if (kind == "done" or outcome is not None) and (not isinstance(outcome, str) or outcome not in OUTCOMES):
        raise UnreadableJob(f"'{kind}' has the outcome {outcome!r}")
    for key in _TEXT_FIELDS:
        if not isinstance(said.get(key, ""), str):
            raise UnreadableJob(f"its {key} is no text")
    if kind == "shared":
        for what in _RESULTS:
            shared_part(said, what)
    share = said.get("share")
    if share is not None and not (
        isinstance(share, dict)
        and _is_list_of_texts(share.get("outputs", []))
        and _is_list_of_texts(share.get("logs", []))
    ):
        raise UnreadableJob("its share is no mapping with lists of people in 'outputs' and 'logs'")


def _is_list_of_texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def is_of_first_attempt(data: bytes) -> bool:
    """Whether these bytes, if they are a marker at all, are one of attempt 1; told unparsed, but never wrongly."""
    return data.count(b'"attempt"') == 1 and b'"attempt": 1,' in data and b"\\" not in data


def now() -> str:
    """This moment, RFC 3339 UTC, to the microsecond."""
    return datetime.now(UTC).isoformat().replace("+00:00", "Z")


def this_minute() -> str:
    """This moment to the minute, for `done`, which tells no more than that."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%MZ")
