"""Sign a statement, and check who signed it.

A seal is an Ed25519 signature over *what is said of which job by which hand*: kind, owner, submitter, name, digest,
attempt and body, in canonical JSON. So a seal cannot be moved to another job, name, submission or attempt. This module
knows keys and bytes; which key to believe is decided by its callers.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any

from syft_job.errors import SealError

from .codec import canonical

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

    from syft_job.model.job_ref import JobRef

PREFIX = b"syft-job/1\n"
_FIELD = (1 << 255) - 19
_ORDER_8 = 0x05FC536D880238B13933C6D305ACDFD5F098EFF289F4C345B027B2C28F95E826
_SMALL_ORDER = frozenset({0, 1, _FIELD - 1, _ORDER_8, _FIELD - _ORDER_8})
"""The y coordinates of the eight points of edwards25519 whose order divides 8."""
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
            return cls(Ed25519PrivateKey.from_private_bytes(_decoded(data.strip().decode("ascii"))))
        except ValueError as error:
            raise SealError("the private key file holds no Ed25519 key") from error

    def to_bytes(self) -> bytes:
        """The private half, for a file that only its owner can read."""
        return base64.b64encode(self._private.private_bytes_raw()) + b"\n"

    @cached_property
    def public(self) -> str:
        """The public half: 32 bytes in base64."""
        return base64.b64encode(self._private.public_key().public_bytes_raw()).decode("ascii")

    def seal(
        self, kind: str, place: JobRef, body: Mapping[str, Any], *, digest: str = "", attempt: int = 0
    ) -> dict[str, str]:
        """Seal ``body`` as a statement of ``kind`` about the job at ``place``; returns ``{"key", "sig"}``."""
        signature = self._private.sign(statement(kind, place, body, digest=digest, attempt=attempt))
        return {"key": self.public, "sig": base64.b64encode(signature).decode("ascii")}


def statement(kind: str, place: JobRef, body: Mapping[str, Any], *, digest: str = "", attempt: int = 0) -> bytes:
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
    kind: str, place: JobRef, body: Mapping[str, Any], key: str, *, digest: str = "", attempt: int = 0
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
    """Whether ``text`` is a usable public key: 32 bytes in the one canonical base64 spelling of them.

    Keys are compared as texts, so that a second spelling of a key must not pass for another key.
    """
    if not isinstance(text, str) or len(text) != 44:
        return False
    try:
        return bool(_public_bytes(text))
    except ValueError:
        return False


def fingerprint(public: str) -> str:
    """A short form of a public key for people to compare: sixteen hex digits in groups of four."""
    digits = hashlib.sha256(public.encode()).hexdigest()[:16]
    return " ".join(digits[at : at + 4] for at in range(0, 16, 4))


def _verify(public: str, signature: str, said: bytes) -> bool:
    from cryptography.exceptions import InvalidSignature

    try:
        _public_key(public).verify(_decoded(signature), said)
    except (ValueError, InvalidSignature):
        return False
    return True


@lru_cache(maxsize=256)
def _public_key(public: str) -> Ed25519PublicKey:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    return Ed25519PublicKey.from_public_bytes(_public_bytes(public))


def _decoded(text: str) -> bytes:
    """The bytes that ``text`` spells in canonical base64 (RFC 4648 §3.5): no other text spells them.

    Raises:
        ValueError: it is no base64, or not the canonical spelling.
    """
    data = base64.b64decode(text, validate=True)
    if base64.b64encode(data).decode("ascii") != text:
        raise ValueError("not canonical base64")
    return data


def _public_bytes(public: str) -> bytes:
    """The 32 bytes of a public key.

    Raises:
        ValueError: ``public`` is not canonical base64 of 32 bytes, not the canonical encoding of a point (RFC 8032
            §5.1.3), or a point of small order, under which a signature proves nothing.
    """
    data = _decoded(public)
    if len(data) != 32:
        raise ValueError("a public key has 32 bytes")
    y = int.from_bytes(data, "little") & ((1 << 255) - 1)
    if y >= _FIELD or y in _SMALL_ORDER:
        raise ValueError("no public key that a signature can be relied on")
    return data
