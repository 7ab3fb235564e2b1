"""Signatures: valid for exactly one statement by one key."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Any

import pytest

from syft_job.errors import SealError
from syft_job.format import signing
from syft_job.format.signing import Key
from syft_job.model.job_ref import JobRef

SUBJECT = JobRef("omar@example.org", "ada@example.org", "Data Analysis")
BODY = {"at": "2026-03-02T10:30:00Z", "reason": "fine", "digest": "d" * 64, "attempt": 1}


@dataclass
class Statement:
    kind: str = "approved"
    subject: JobRef = SUBJECT
    digest: str = "d" * 64
    attempt: int = 1


@pytest.fixture(scope="module")
def key() -> Key:
    return Key.generate()


@pytest.fixture(scope="module")
def signed(key: Key) -> dict[str, Any]:
    return BODY | {"seal": key.sign("approved", SUBJECT, BODY, digest="d" * 64, attempt=1)}


def is_valid(body: dict[str, Any], key: str, statement: Statement) -> bool:
    return signing.is_signed_by(
        statement.kind, statement.subject, body, key, digest=statement.digest, attempt=statement.attempt
    )


def test_a_signature_is_valid_for_its_key_only(key: Key, signed: dict[str, Any]):
    assert is_valid(signed, key.public, Statement())
    assert not is_valid(signed, Key.generate().public, Statement())


@pytest.mark.parametrize(
    "statement",
    [
        Statement(kind="rejected"),
        Statement(subject=SUBJECT._replace(owner="eve@example.org")),
        Statement(subject=SUBJECT._replace(submitter="eve@example.org")),
        Statement(subject=SUBJECT._replace(name="Data Analysis 2")),
        Statement(digest="e" * 64),
        Statement(attempt=2),
    ],
)
def test_a_signature_cannot_be_moved_to_another_statement(key: Key, signed: dict[str, Any], statement: Statement):
    assert not is_valid(signed, key.public, statement)


@pytest.mark.parametrize("change", [{"reason": "not fine"}, {"more": 1}, {"at": ""}])
def test_a_changed_body_invalidates_the_signature(key: Key, signed: dict[str, Any], change: dict[str, Any]):
    assert not is_valid(signed | change, key.public, Statement())


def test_a_removed_field_invalidates_the_signature(key: Key, signed: dict[str, Any]):
    assert not is_valid({name: value for name, value in signed.items() if name != "reason"}, key.public, Statement())


def test_names_that_are_equal_when_joined_are_different_statements():
    one = signing.signed_bytes("config", JobRef("a@b", "c@d", "e"), {})
    other = signing.signed_bytes("config", JobRef("a@b", "c@d\ne", ""), {})
    assert one != other


@pytest.mark.parametrize(
    "wrong",
    [
        None,
        "text",
        [],
        {},
        {"key": 1, "sig": "x"},
        {"key": "x"},
        {"key": "ü", "sig": "ü"},
        {"key": "A" * 44, "sig": ""},
    ],
)
def test_a_malformed_signature_is_invalid_and_raises_nothing(wrong: object):
    body = BODY | {"seal": wrong}
    claimed = signing.claimed_signer(body)
    assert not is_valid(body, claimed or "", Statement())


def test_a_key_is_restored_from_its_bytes(key: Key):
    again = Key.from_bytes(key.to_bytes())
    assert again.public == key.public
    assert len(base64.b64decode(key.public)) == 32


@pytest.mark.parametrize("data", [b"", b"hello", b"A" * 44, base64.b64encode(b"x" * 31), b"\xff"])
def test_what_is_no_key_is_refused(data: bytes):
    with pytest.raises(SealError):
        Key.from_bytes(data)


def test_is_public_key_and_fingerprint(key: Key):
    assert signing.is_public_key(key.public)
    for wrong in ("", "A" * 44, key.public[:-1], key.public.encode(), None, 5):
        assert not signing.is_public_key(wrong)
    words = signing.fingerprint(key.public).split(" ")
    assert [len(word) for word in words] == [4, 4, 4, 4]


def test_the_cached_result_of_a_wrong_signature_does_not_apply_to_the_right_one(key: Key, signed: dict[str, Any]):
    forged = signed | {"seal": signed["seal"] | {"sig": base64.b64encode(b"\0" * 64).decode()}}
    assert not is_valid(forged, key.public, Statement())
    assert is_valid(signed, key.public, Statement())
    assert not is_valid(forged, key.public, Statement())
