"""`key.json`: a participant's present public key and the key rotations that led to it.

Each rotation is signed by the key that it replaces, so a reader who trusts an earlier key can trust the present one.
Public keys only; the private ones belong to the home. (docs/reference/format.md)

Invariants of a parsed `KeyHistory`: no key occurs twice, each rotation leads to the next key, and, unless it was parsed
with ``verified=False``, every signature is valid.
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
MAX_KEY_FILE_BYTES = 64 << 10


@dataclass(frozen=True, slots=True)
class KeyRotation:
    """The replacement of one key by the next.

    Attributes:
        key: the public key that was replaced.
        next: the public key that replaced it.
        at: when, in the time format of markers.
        compromised: the replaced key may be known to other people.
    """

    key: str
    next: str
    at: str
    compromised: bool = False


@dataclass(frozen=True, slots=True)
class KeyHistory:
    """The present public key of a participant, and the rotations that led to it.

    Attributes:
        present: the present public key.
        rotations: the oldest first.
    """

    present: str
    rotations: tuple[KeyRotation, ...] = ()

    @property
    def compromised_keys(self) -> frozenset[str]:
        """The keys that their owner declared compromised; their signatures count no more."""
        return frozenset(rotation.key for rotation in self.rotations if rotation.compromised)

    @property
    def trusted_keys(self) -> frozenset[str]:
        """The present and earlier keys whose signatures count: all but the compromised ones."""
        return frozenset({self.present, *(rotation.key for rotation in self.rotations)}) - self.compromised_keys

    def knows(self, key: str) -> bool:
        """Return True if ``key`` is the present key or an earlier one."""
        return key == self.present or any(rotation.key == key for rotation in self.rotations)

    def follows(self, key: str) -> bool:
        """Return True if a reader who trusts ``key`` may trust the present key as the same participant's.

        A rotation from a compromised key proves nothing, because the person who stole the key could have signed it.
        """
        index = next((index for index, rotation in enumerate(self.rotations) if rotation.key == key), None)
        if index is None:
            return key == self.present
        return not any(rotation.compromised for rotation in self.rotations[index:])


def parse(data: bytes, person: str, *, verified: bool = True) -> KeyHistory:
    """Parse the `key.json` of ``person``.

    Args:
        data: the bytes of the file, at most `MAX_KEY_FILE_BYTES`.
        person: the address whose keys they must be.
        verified: verify every signature; False for the home's own copy, which no other user can write.

    Raises:
        UnreadableJob: it is no key history, or one of the signatures is not valid.
    """
    content = load_json(data, limit=MAX_KEY_FILE_BYTES)
    subject = subject_of_keys(person)
    if not isinstance(content, dict) or not signing.is_public_key(content.get("key")):
        raise UnreadableJob("it holds no key")
    present = str(content["key"])
    if verified and not signing.is_signed_by("key", subject, content, present):
        raise UnreadableJob("it is not signed by its key")
    entries = content.get("before", [])
    if not isinstance(entries, list):
        raise UnreadableJob("its 'before' is no list")
    rotations = tuple(_parse_rotation(entry) for entry in entries)
    keys = [*(rotation.key for rotation in rotations), present]
    is_chain = all(rotation.next == key for rotation, key in zip(rotations, keys[1:], strict=True))
    if len(set(keys)) < len(keys) or not is_chain:
        raise UnreadableJob("the keys in it do not follow each other")
    if verified:
        for entry in entries:
            if not signing.is_signed_by("passage", subject, entry, entry["key"]):
                raise UnreadableJob(
                    f"the key {signing.fingerprint(entry['key'])} did not sign the rotation to the next one"
                )
    return KeyHistory(present, rotations)


def encode(person: str, key: Key, rotations: list[dict[str, Any]]) -> bytes:
    """Return the `key.json` that publishes a key.

    Args:
        person: the address of its owner.
        key: the present key, which signs the file.
        rotations: the entries of the rotations that led to it, each signed by the key that it replaces.
    """
    content: dict[str, Any] = {"format": FORMAT, "owner": person, "key": key.public, "at": now()}
    if rotations:
        content["before"] = rotations
    content["seal"] = key.sign("key", subject_of_keys(person), content)
    return dump(content)


def subject_of_keys(person: str) -> JobRef:
    """Return the `JobRef` that stands for a participant's keys where a signature names its subject."""
    return JobRef(person, person, "key")


def _parse_rotation(entry: object) -> KeyRotation:
    if (
        not isinstance(entry, Mapping)
        or not signing.is_public_key(entry.get("key"))
        or not signing.is_public_key(entry.get("next"))
    ):
        raise UnreadableJob("one of the keys before it is no key")
    at, compromised = entry.get("at"), entry.get("compromised", False)
    if not isinstance(at, str) or not isinstance(compromised, bool):
        raise UnreadableJob("one of the rotations in it cannot be understood")
    return KeyRotation(entry["key"], entry["next"], at, compromised)
