"""Sign and verify statements about jobs: Ed25519 over canonical JSON.

A signature covers kind, owner, submitter, name, digest, attempt and body (`signed_bytes`), so it is not valid for
another job, name, submission or attempt. On disk its field is called ``seal`` (docs/reference/format.md).
This module knows keys and bytes; which key is trusted for which participant is decided by its callers.

Invariants:

1. A key has one spelling: canonical base64 (RFC 4648 §3.5) of the canonical encoding of a point (RFC 8032 §5.1.3).
2. A point of small order is no key, because signatures of one can be valid for many messages.
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
"""The domain separation of every signature."""
_FIELD_PRIME = (1 << 255) - 19
_ORDER_8 = 0x05FC536D880238B13933C6D305ACDFD5F098EFF289F4C345B027B2C28F95E826
_SMALL_ORDER = frozenset({0, 1, _FIELD_PRIME - 1, _ORDER_8, _FIELD_PRIME - _ORDER_8})
"""The y coordinates of the eight points of edwards25519 whose order divides 8."""
_PUBLIC_KEY_BYTES = 32
_PUBLIC_KEY_CHARACTERS = 44
_MAX_CACHED_RESULTS = 200_000
_checked: dict[bytes, bool] = {}
"""The results of `verify`, by a hash of its arguments."""


class Key:
    """A private key, and its public half in the base64 form that files contain."""

    def __init__(self, private: Ed25519PrivateKey) -> None:
        self._private = private

    @classmethod
    def generate(cls) -> Key:
        """Return a new random key."""
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        return cls(Ed25519PrivateKey.generate())

    @classmethod
    def from_bytes(cls, data: bytes) -> Key:
        """Parse what `to_bytes` returned.

        Raises:
            SealError: it is no private key.
        """
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        try:
            return cls(Ed25519PrivateKey.from_private_bytes(_decode_base64(data.strip().decode("ascii"))))
        except ValueError as error:
            raise SealError("the private key file holds no Ed25519 key") from error

    def to_bytes(self) -> bytes:
        """Return the private half, for a file that only its owner can read: 32 bytes in base64, and a newline."""
        return base64.b64encode(self._private.private_bytes_raw()) + b"\n"

    @cached_property
    def public(self) -> str:
        """The public half: 32 bytes in base64."""
        return base64.b64encode(self._private.public_key().public_bytes_raw()).decode("ascii")

    def sign(
        self, kind: str, subject: JobRef, body: Mapping[str, Any], *, digest: str = "", attempt: int = 0
    ) -> dict[str, str]:
        """Return the signature ``{"key", "sig"}`` of a statement, for the field ``seal`` of its body.

        Args:
            kind: the kind of the statement, such as "approved".
            subject: the job that it is about.
            body: its fields; a field ``seal`` is left out.
            digest: the digest of the manifest, 64 hex digits, if it is bound to one.
            attempt: the number of the attempt, if it is about one.

        Raises:
            UnreadableJob: the body has no canonical form.
        """
        signature = self._private.sign(signed_bytes(kind, subject, body, digest=digest, attempt=attempt))
        return {"key": self.public, "sig": base64.b64encode(signature).decode("ascii")}


def signed_bytes(kind: str, subject: JobRef, body: Mapping[str, Any], *, digest: str = "", attempt: int = 0) -> bytes:
    """Return the bytes that a signature is made over; see `Key.sign` for the arguments.

    Raises:
        UnreadableJob: the body has no canonical form.
    """
    statement = {
        "kind": kind,
        "owner": subject.owner,
        "submitter": subject.submitter,
        "name": subject.name,
        "digest": digest,
        "attempt": attempt,
        "body": {key: value for key, value in body.items() if key != "seal"},
    }
    return PREFIX + canonical(statement)


def claimed_signer(body: Mapping[str, Any]) -> str | None:
    """Return the public key that ``body`` names as its signer, unverified; None if it has no signature."""
    signature = body.get("seal")
    if (
        isinstance(signature, Mapping)
        and isinstance(signature.get("key"), str)
        and isinstance(signature.get("sig"), str)
    ):
        return str(signature["key"])
    return None


def is_signed_by(
    kind: str, subject: JobRef, body: Mapping[str, Any], key: str, *, digest: str = "", attempt: int = 0
) -> bool:
    """Return True if ``body`` has a valid signature of exactly this statement by the public key ``key``.

    See `Key.sign` for the other arguments.

    Raises:
        UnreadableJob: the body has no canonical form.
    """
    if claimed_signer(body) != key:
        return False
    return verify(key, body["seal"]["sig"], signed_bytes(kind, subject, body, digest=digest, attempt=attempt))


def verify(public: str, signature: str, message: bytes) -> bool:
    """Return True if ``signature`` is valid; the result is cached for the life of the process.

    Args:
        public: the public key in base64.
        signature: in base64.
        message: the signed bytes.
    """
    token = hashlib.sha256(f"{public}\n{signature}\n".encode() + message).digest()
    result = _checked.get(token)
    if result is None:
        if len(_checked) >= _MAX_CACHED_RESULTS:
            _checked.clear()
        result = _checked[token] = _verify(public, signature, message)
    return result


def is_public_key(text: object) -> bool:
    """Return True if ``text`` is a usable public key in its one canonical spelling.

    Keys are compared as texts, so a second spelling of a key must not pass for another key.
    """
    if not isinstance(text, str) or len(text) != _PUBLIC_KEY_CHARACTERS:
        return False
    try:
        return bool(_decode_public_key(text))
    except ValueError:
        return False


def fingerprint(public: str) -> str:
    """Return a short form of a public key for people to compare: sixteen hex digits in groups of four."""
    digits = hashlib.sha256(public.encode()).hexdigest()[:16]
    return " ".join(digits[start : start + 4] for start in range(0, 16, 4))


def _verify(public: str, signature: str, message: bytes) -> bool:
    from cryptography.exceptions import InvalidSignature

    try:
        _public_key(public).verify(_decode_base64(signature), message)
    except (ValueError, InvalidSignature):
        return False
    return True


@lru_cache(maxsize=256)
def _public_key(public: str) -> Ed25519PublicKey:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    return Ed25519PublicKey.from_public_bytes(_decode_public_key(public))


def _decode_base64(text: str) -> bytes:
    """Return the bytes of which ``text`` is the canonical base64 (RFC 4648 §3.5).

    Raises:
        ValueError: it is no base64, or not the canonical spelling.
    """
    data = base64.b64decode(text, validate=True)
    if base64.b64encode(data).decode("ascii") != text:
        raise ValueError("not canonical base64")
    return data


def _decode_public_key(public: str) -> bytes:
    """Return the 32 bytes of a public key.

    Raises:
        ValueError: ``public`` is not canonical base64 of 32 bytes, not the canonical encoding of a point (RFC 8032
            §5.1.3), or a point of small order.
    """
    data = _decode_base64(public)
    if len(data) != _PUBLIC_KEY_BYTES:
        raise ValueError("a public key has 32 bytes")
    y = int.from_bytes(data, "little") & ((1 << 255) - 1)
    if y >= _FIELD_PRIME or y in _SMALL_ORDER:
        raise ValueError("no public key that a signature can be relied on")
    return data
