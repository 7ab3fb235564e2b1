"""The other marker files: frozen records to bytes and back, and whether one counts.

A marker is a file whose presence is a fact. Each says of which submission (digest) and which attempt it speaks and
carries a seal over that; a bare, altered or moved one counts for nothing. Which key is the right one is decided by who
asks.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from .codec import dump, load_json
from .errors import UnreadableJob
from .lifecycle import OUTCOMES, Fact
from .place import Place
from .quoting import quoted
from .seal import Key, is_sealed, sealed_by

OWNERS = ("approved", "rejected", "cancelled", "shared", "running", "done")
"""Markers of the owner's hand at the top of a job's directory."""
WITHDRAWN = "withdrawn"
BLOCKED = "blocked"
"""The owner's marker of an approved job that cannot start now. It is no state: nothing is derived from it."""
ATTEMPTS = "attempts"
OUTPUTS = "outputs"
LOGS = {"stdout": "stdout.txt", "stderr": "stderr.txt", "returncode": "returncode.txt"}
RULES = "syft.pub.yaml"
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

    def counts(self, place: Place, digest: str, keys: Collection[str]) -> str | None:
        """None when this marker counts for the submission ``digest`` under one of ``keys``; else why it does not."""
        sealer = sealed_by(self.body)
        if sealer is None:
            return f"unsealed '{self.kind}' ignored"
        if self.digest != digest:
            return f"'{self.kind}' of an earlier version ignored"
        if not keys:
            return f"'{self.kind}' cannot be checked: no key of its writer is known"
        if sealer not in keys or not is_sealed(
            self.kind, place, self.body, sealer, digest=self.digest, attempt=self.attempt
        ):
            return f"'{self.kind}' with a wrong seal ignored"
        return None


def make(kind: str, place: Place, key: Key, *, digest: str, attempt: int, **said: Any) -> Marker:
    """Build a sealed marker; fields that are None are left out."""
    body: dict[str, Any] = {name: value for name, value in said.items() if value is not None}
    body |= {"digest": digest, "attempt": attempt}
    body.setdefault("at", now())
    body["seal"] = key.seal(kind, place, body, digest=digest, attempt=attempt)
    return Marker(kind, digest, attempt, body)


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
    outcome = said.get("outcome")
    if kind == "done" and (not isinstance(outcome, str) or outcome not in OUTCOMES):
        raise UnreadableJob(f"'done' has the outcome {quoted(outcome)}")
    return Marker(kind, digest, attempt, said)


def is_of_first_attempt(data: bytes) -> bool:
    """Whether these bytes, if they are a marker at all, are one of attempt 1; told unparsed, but never wrongly."""
    return data.count(b'"attempt"') == 1 and b'"attempt": 1,' in data and b"\\" not in data


def now() -> str:
    """This moment, RFC 3339 UTC, to the microsecond."""
    return datetime.now(UTC).isoformat().replace("+00:00", "Z")


def this_minute() -> str:
    """This moment to the minute, for `done`, which tells no more than that."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%MZ")
