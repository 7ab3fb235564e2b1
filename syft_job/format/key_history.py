"""What a person's `key.json` says: the present key, and those that it took the place of.

Each passage from one key to the next is sealed by the key that was left, so that whoever knew that one can follow. It
knows public keys only; where the private ones lie is the home's business.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from syft_job.errors import UnreadableJob
from syft_job.model.job_ref import JobRef

from . import signing
from .codec import dump, load_json
from .markers import now
from .signing import Key

FORMAT = 1
KEY_FILE = "key.json"
LIMIT = 64 << 10


@dataclass(frozen=True, slots=True)
class KeyRotation:
    """One key that was left for the next; ``compromised`` says that it may be known to others."""

    key: str
    next: str
    at: str
    compromised: bool = False


@dataclass(frozen=True, slots=True)
class KeyHistory:
    """The present key of a person, and the passages that led to it, oldest first."""

    present: str
    before: tuple[KeyRotation, ...] = ()

    @property
    def given_up(self) -> frozenset[str]:
        """The keys that are not to be relied on any more, each by its own seal."""
        return frozenset(passage.key for passage in self.before if passage.compromised)

    @property
    def accepted(self) -> frozenset[str]:
        """The keys by which this person speaks or spoke, but for those that were given up."""
        return frozenset({self.present, *(passage.key for passage in self.before)}) - self.given_up

    def knows(self, key: str) -> bool:
        """Whether ``key`` is the present one or one of those before it."""
        return key == self.present or any(passage.key == key for passage in self.before)

    def follows(self, key: str) -> bool:
        """Whether who knew ``key`` may take the present one for the same person's.

        A passage from a key that was given up proves nothing: who stole that key could have made it.
        """
        at = next((at for at, passage in enumerate(self.before) if passage.key == key), None)
        if at is None:
            return key == self.present
        return not any(passage.compromised for passage in self.before[at:])


def parse(data: bytes, person: str, *, checked: bool = True) -> KeyHistory:
    """Read a `key.json` of ``person``; ``checked=False`` is for the home's own copy, which nobody else can write.

    Raises:
        UnreadableJob: it is no key and no chain, or one of the seals is wrong.
    """
    said = load_json(data, limit=LIMIT)
    place = key_place(person)
    if not isinstance(said, dict) or not signing.is_key(said.get("key")):
        raise UnreadableJob("it holds no key")
    present = str(said["key"])
    if checked and not signing.is_sealed("key", place, said, present):
        raise UnreadableJob("its key did not seal it")
    entries = said.get("before", [])
    if not isinstance(entries, list):
        raise UnreadableJob("its 'before' is no list")
    before = tuple(_passage(entry) for entry in entries)
    keys = [*(passage.key for passage in before), present]
    if len(set(keys)) < len(keys) or any(one.next != key for one, key in zip(before, keys[1:], strict=True)):
        raise UnreadableJob("the keys in it do not follow each other")
    if checked:
        for entry in entries:
            if not signing.is_sealed("passage", place, entry, entry["key"]):
                raise UnreadableJob(f"the key {signing.fingerprint(entry['key'])} did not say that another follows it")
    return KeyHistory(present, before)


def document(person: str, key: Key, before: list[dict[str, Any]]) -> bytes:
    """The `key.json` of ``person`` that publishes ``key``; ``before`` are the passages to it, each sealed."""
    said: dict[str, Any] = {"format": FORMAT, "owner": person, "key": key.public, "at": now()}
    if before:
        said["before"] = before
    said["seal"] = key.seal("key", key_place(person), said)
    return dump(said)


def key_place(person: str) -> JobRef:
    """Where statements about a person's keys are said to lie."""
    return JobRef(person, person, "key")


def _passage(entry: object) -> KeyRotation:
    if not isinstance(entry, Mapping) or not signing.is_key(entry.get("key")) or not signing.is_key(entry.get("next")):
        raise UnreadableJob("one of the keys before it is no key")
    at, compromised = entry.get("at"), entry.get("compromised", False)
    if not isinstance(at, str) or not isinstance(compromised, bool):
        raise UnreadableJob("one of the passages in it cannot be understood")
    return KeyRotation(entry["key"], entry["next"], at, compromised)
