from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Any

import pytest

from syft_job.errors import SealError
from syft_job.format import signing
from syft_job.format.signing import Key
from syft_job.model.job_ref import JobRef

PLACE = JobRef("omar@example.org", "ada@example.org", "Data Analysis")
BODY = {"at": "2026-03-02T10:30:00Z", "reason": "fine", "digest": "d" * 64, "attempt": 1}


@dataclass
class HistoryEntry:
    kind: str = "approved"
    place: JobRef = PLACE
    digest: str = "d" * 64
    attempt: int = 1


@pytest.fixture(scope="module")
def key() -> Key:
    return Key.generate()


@pytest.fixture(scope="module")
def sealed(key: Key) -> dict[str, Any]:
    return BODY | {"seal": key.seal("approved", PLACE, BODY, digest="d" * 64, attempt=1)}


def holds(body: dict[str, Any], key: str, said: HistoryEntry) -> bool:
    return signing.is_sealed(said.kind, said.place, body, key, digest=said.digest, attempt=said.attempt)


def test_a_seal_verifies_with_its_key_only(key: Key, sealed: dict[str, Any]):
    assert holds(sealed, key.public, HistoryEntry())
    assert not holds(sealed, Key.generate().public, HistoryEntry())


@pytest.mark.parametrize(
    "said",
    [
        HistoryEntry(kind="rejected"),
        HistoryEntry(place=PLACE._replace(owner="eve@example.org")),
        HistoryEntry(place=PLACE._replace(submitter="eve@example.org")),
        HistoryEntry(place=PLACE._replace(name="Data Analysis 2")),
        HistoryEntry(digest="e" * 64),
        HistoryEntry(attempt=2),
    ],
)
def test_a_seal_cannot_be_moved_to_another_statement(key: Key, sealed: dict[str, Any], said: HistoryEntry):
    assert not holds(sealed, key.public, said)


@pytest.mark.parametrize("change", [{"reason": "not fine"}, {"more": 1}, {"at": ""}])
def test_a_changed_body_breaks_the_seal(key: Key, sealed: dict[str, Any], change: dict[str, Any]):
    assert not holds(sealed | change, key.public, HistoryEntry())


def test_a_field_taken_out_breaks_the_seal(key: Key, sealed: dict[str, Any]):
    assert not holds({name: value for name, value in sealed.items() if name != "reason"}, key.public, HistoryEntry())


def test_names_that_only_join_alike_are_different_statements():
    one = signing.statement("config", JobRef("a@b", "c@d", "e"), {})
    other = signing.statement("config", JobRef("a@b", "c@d\ne", ""), {})
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
def test_a_malformed_seal_is_no_seal_and_raises_nothing(wrong: object):
    body = BODY | {"seal": wrong}
    claimed = signing.sealed_by(body)
    assert not holds(body, claimed or "", HistoryEntry())


def test_a_key_survives_its_bytes(key: Key):
    again = Key.from_bytes(key.to_bytes())
    assert again.public == key.public
    assert len(base64.b64decode(key.public)) == 32


@pytest.mark.parametrize("data", [b"", b"hello", b"A" * 44, base64.b64encode(b"x" * 31), b"\xff"])
def test_what_is_no_key_is_refused(data: bytes):
    with pytest.raises(SealError):
        Key.from_bytes(data)


def test_is_key_and_fingerprint(key: Key):
    assert signing.is_key(key.public)
    for wrong in ("", "A" * 44, key.public[:-1], key.public.encode(), None, 5):
        assert not signing.is_key(wrong)
    words = signing.fingerprint(key.public).split(" ")
    assert [len(word) for word in words] == [4, 4, 4, 4]


def test_the_answer_to_a_wrong_seal_is_not_remembered_for_the_right_one(key: Key, sealed: dict[str, Any]):
    forged = sealed | {"seal": sealed["seal"] | {"sig": base64.b64encode(b"\0" * 64).decode()}}
    assert not holds(forged, key.public, HistoryEntry())
    assert holds(sealed, key.public, HistoryEntry())
    assert not holds(forged, key.public, HistoryEntry())
