"""Key histories: which keys count, and which files are refused."""

from __future__ import annotations

from typing import Any

import pytest

from syft_job.errors import UnreadableJob
from syft_job.format.codec import dump
from syft_job.format.key_history import KeyHistory, KeyRotation, encode, parse, subject_of_keys
from syft_job.format.signing import Key

OMAR, ADA = "omar@example.org", "ada@example.org"
FIRST, SECOND, THIRD, UNRELATED = Key.generate(), Key.generate(), Key.generate(), Key.generate()


def signed_rotation(
    key: Key, following: Key, *, by: Key | None = None, person: str = OMAR, **fields: Any
) -> dict[str, Any]:
    body = {"key": key.public, "next": following.public, "at": "2026-03-01T09:30:00Z"} | fields
    return body | {"seal": (by or key).sign("passage", subject_of_keys(person), body)}


def test_a_history_names_the_present_and_the_earlier_keys():
    data = encode(OMAR, THIRD, [signed_rotation(FIRST, SECOND), signed_rotation(SECOND, THIRD)])
    history = parse(data, OMAR)
    assert history.present == THIRD.public
    assert [rotation.key for rotation in history.rotations] == [FIRST.public, SECOND.public]
    assert history.trusted_keys == {FIRST.public, SECOND.public, THIRD.public}
    for key in (FIRST, SECOND, THIRD):
        assert history.knows(key.public)
        assert history.follows(key.public)
    assert not history.knows(UNRELATED.public)
    assert not history.follows(UNRELATED.public)


def test_a_rotation_from_a_compromised_key_is_not_followed():
    from_compromised = signed_rotation(FIRST, SECOND, compromised=True)
    history = parse(encode(OMAR, THIRD, [from_compromised, signed_rotation(SECOND, THIRD)]), OMAR)
    assert history.compromised_keys == {FIRST.public}
    assert history.trusted_keys == {SECOND.public, THIRD.public}
    assert history.knows(FIRST.public)
    assert not history.follows(FIRST.public), "the person who stole it could have signed the rotation"
    assert history.follows(SECOND.public)


def test_a_key_without_rotations_is_written_as_by_earlier_releases():
    data = encode(OMAR, FIRST, [])
    assert b"before" not in data
    assert parse(data, OMAR) == KeyHistory(FIRST.public)


FORGED = {
    "signed by the next key": [signed_rotation(FIRST, SECOND, by=SECOND), signed_rotation(SECOND, THIRD)],
    "signed by an unrelated key": [signed_rotation(FIRST, THIRD, by=UNRELATED)],
    "a rotation to another key": [signed_rotation(FIRST, SECOND)],
    "a rotation of another person": [signed_rotation(FIRST, THIRD, person=ADA)],
    "a rotation left out": [signed_rotation(FIRST, SECOND), signed_rotation(UNRELATED, THIRD)],
    "the wrong order": [signed_rotation(SECOND, THIRD), signed_rotation(FIRST, SECOND)],
    "a circle": [signed_rotation(THIRD, SECOND), signed_rotation(SECOND, THIRD)],
    "a field changed after signing": [signed_rotation(FIRST, THIRD, compromised=True) | {"compromised": False}],
    "no signature": [{"key": FIRST.public, "next": THIRD.public, "at": "2026-03-01T09:30:00Z"}],
    "no key": [{"key": 5, "next": THIRD.public, "at": "2026-03-01T09:30:00Z"}],
    "no time": [signed_rotation(FIRST, THIRD) | {"at": None}],
    "no mapping": ["text"],
}


@pytest.mark.parametrize("rotations", FORGED.values(), ids=FORGED)
def test_a_history_with_one_invalid_rotation_is_refused_as_a_whole(rotations: list[Any]):
    with pytest.raises(UnreadableJob):
        parse(encode(OMAR, THIRD, rotations), OMAR)


def test_a_published_file_changed_by_other_people_is_refused():
    data = encode(OMAR, SECOND, [])
    assert parse(data, OMAR) == KeyHistory(SECOND.public)
    body = {"format": 1, "owner": OMAR, "key": SECOND.public, "before": [signed_rotation(FIRST, SECOND)]}
    body["seal"] = FIRST.sign("key", subject_of_keys(OMAR), body)
    with pytest.raises(UnreadableJob, match="not signed by its key"):
        parse(dump(body), OMAR)
    with pytest.raises(UnreadableJob, match="no list"):
        parse(encode(OMAR, SECOND, {"key": 1}), OMAR)  # type: ignore[arg-type]
    with pytest.raises(UnreadableJob):
        parse(data, ADA)


def test_unknown_fields_of_a_rotation_are_ignored():
    assert parse(encode(OMAR, SECOND, [signed_rotation(FIRST, SECOND, reason="spring")]), OMAR).rotations == (
        KeyRotation(FIRST.public, SECOND.public, "2026-03-01T09:30:00Z"),
    )
