"""Sign a statement, and check who signed it.

A seal is an Ed25519 signature over *what is said of which job by which hand*: kind, owner, submitter, name, digest,
attempt and body, in canonical JSON. So a seal cannot be moved to another job, name, submission or attempt. This module
knows keys and bytes; which key to believe is decided by its callers.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Mapping
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any

from .codec import canonical
from .errors import SealError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

    from .place import Place

PREFIX = b"syft-job/1\n"
_CHECKED_AT_MOST = 200_000
_checked: dict[bytes, bool] = {}


class Key:
    """A private key, and the public half in the base64 form that files carry."""

    def __init__(self, private: Ed25519PrivateKey) -> None:
        self._private = private

    @classmethod
    def generate(cls) -> Key:
        """Make a new random key."""
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        return cls(Ed25519PrivateKey.generate())

    @classmethod
    def from_bytes(cls, data: bytes) -> Key:
        """Read the 32 raw bytes that `to_bytes` gave, base64 and a newline.

        Raises:
            SealError: they are no key.
        """
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        try:
            return cls(Ed25519PrivateKey.from_private_bytes(base64.b64decode(data.strip(), validate=True)))
        except (ValueError, binascii.Error) as error:
            raise SealError("the private key file holds no Ed25519 key") from error

    def to_bytes(self) -> bytes:
        """The private half, for a file that only its owner can read."""
        return base64.b64encode(self._private.private_bytes_raw()) + b"\n"

    @cached_property
    def public(self) -> str:
        """The public half: 32 bytes in base64."""
        return base64.b64encode(self._private.public_key().public_bytes_raw()).decode("ascii")

    def seal(
        self, kind: str, place: Place, body: Mapping[str, Any], *, digest: str = "", attempt: int = 0
    ) -> dict[str, str]:
        """Seal ``body`` as a statement of ``kind`` about the job at ``place``; returns ``{"key", "sig"}``."""
        signature = self._private.sign(statement(kind, place, body, digest=digest, attempt=attempt))
        return {"key": self.public, "sig": base64.b64encode(signature).decode("ascii")}


def statement(kind: str, place: Place, body: Mapping[str, Any], *, digest: str = "", attempt: int = 0) -> bytes:
    """The bytes that are signed; ``body`` is taken without its ``seal``."""
    said = {
        "kind": kind,
        "owner": place.owner,
        "submitter": place.submitter,
        "name": place.name,
        "digest": digest,
        "attempt": attempt,
        "body": {key: value for key, value in body.items() if key != "seal"},
    }
    return PREFIX + canonical(said)


def sealed_by(body: Mapping[str, Any]) -> str | None:
    """The public key that ``body`` says it was sealed with, unchecked; None when it carries no seal."""
    seal = body.get("seal")
    if isinstance(seal, Mapping) and isinstance(seal.get("key"), str) and isinstance(seal.get("sig"), str):
        return str(seal["key"])
    return None


def is_sealed(
    kind: str, place: Place, body: Mapping[str, Any], key: str, *, digest: str = "", attempt: int = 0
) -> bool:
    """Whether ``body`` carries a seal that ``key`` made over exactly this statement."""
    if sealed_by(body) != key:
        return False
    said = statement(kind, place, body, digest=digest, attempt=attempt)
    return verify(key, body["seal"]["sig"], said)


def verify(public: str, signature: str, said: bytes) -> bool:
    """Check one signature; the answer is remembered for the life of the process."""
    token = hashlib.sha256(f"{public}\n{signature}\n".encode() + said).digest()
    known = _checked.get(token)
    if known is None:
        if len(_checked) >= _CHECKED_AT_MOST:
            _checked.clear()
        known = _checked[token] = _verify(public, signature, said)
    return known


def is_key(text: object) -> bool:
    """Whether ``text`` is a public key: 32 bytes in base64."""
    if not isinstance(text, str) or len(text) != 44:
        return False
    try:
        return len(base64.b64decode(text, validate=True)) == 32
    except (ValueError, binascii.Error):
        return False


def fingerprint(public: str) -> str:
    """A short form of a public key for people to compare: sixteen hex digits in groups of four."""
    digits = hashlib.sha256(public.encode()).hexdigest()[:16]
    return " ".join(digits[at : at + 4] for at in range(0, 16, 4))


def _verify(public: str, signature: str, said: bytes) -> bool:
    from cryptography.exceptions import InvalidSignature

    try:
        _public_key(public).verify(base64.b64decode(signature, validate=True), said)
    except (ValueError, binascii.Error, InvalidSignature):
        return False
    return True


@lru_cache(maxsize=256)
def _public_key(public: str) -> Ed25519PublicKey:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    return Ed25519PublicKey.from_public_bytes(base64.b64decode(public, validate=True))
