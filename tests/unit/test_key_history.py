from __future__ import annotations

from typing import Any

import pytest

from syft_job.errors import UnreadableJob
from syft_job.format.codec import dump
from syft_job.format.key_history import KeyHistory, KeyRotation, document, key_place, parse
from syft_job.format.signing import Key

OMAR, ADA = "omar@example.org", "ada@example.org"
FIRST, SECOND, THIRD, STRANGER = Key.generate(), Key.generate(), Key.generate(), Key.generate()


def passage(key: Key, following: Key, *, by: Key | None = None, person: str = OMAR, **said: Any) -> dict[str, Any]:
    body = {"key": key.public, "next": following.public, "at": "2026-03-01T09:30:00Z"} | said
    return body | {"seal": (by or key).seal("passage", key_place(person), body)}


def test_a_chain_tells_who_followed_whom():
    data = document(OMAR, THIRD, [passage(FIRST, SECOND), passage(SECOND, THIRD)])
    chain = parse(data, OMAR)
    assert chain.present == THIRD.public
    assert [one.key for one in chain.before] == [FIRST.public, SECOND.public]
    assert chain.accepted == {FIRST.public, SECOND.public, THIRD.public}
    for key in (FIRST, SECOND, THIRD):
        assert chain.knows(key.public)
        assert chain.follows(key.public)
    assert not chain.knows(STRANGER.public)
    assert not chain.follows(STRANGER.public)


def test_a_key_that_was_given_up_leads_nowhere():
    given_up = passage(FIRST, SECOND, compromised=True)
    chain = parse(document(OMAR, THIRD, [given_up, passage(SECOND, THIRD)]), OMAR)
    assert chain.given_up == {FIRST.public}
    assert chain.accepted == {SECOND.public, THIRD.public}
    assert chain.knows(FIRST.public)
    assert not chain.follows(FIRST.public), "whoever stole it could have made the passage"
    assert chain.follows(SECOND.public)


def test_a_key_without_a_past_is_written_as_it_always_was():
    data = document(OMAR, FIRST, [])
    assert b"before" not in data
    assert parse(data, OMAR) == KeyHistory(FIRST.public)


FORGED = {
    "sealed by the one that follows": [passage(FIRST, SECOND, by=SECOND), passage(SECOND, THIRD)],
    "sealed by a stranger": [passage(FIRST, THIRD, by=STRANGER)],
    "a passage to another key": [passage(FIRST, SECOND)],
    "a passage of another person": [passage(FIRST, THIRD, person=ADA)],
    "a passage left out": [passage(FIRST, SECOND), passage(STRANGER, THIRD)],
    "the wrong order": [passage(SECOND, THIRD), passage(FIRST, SECOND)],
    "a circle": [passage(THIRD, SECOND), passage(SECOND, THIRD)],
    "a word changed after the seal": [passage(FIRST, THIRD, compromised=True) | {"compromised": False}],
    "no seal": [{"key": FIRST.public, "next": THIRD.public, "at": "2026-03-01T09:30:00Z"}],
    "no key": [{"key": 5, "next": THIRD.public, "at": "2026-03-01T09:30:00Z"}],
    "no time": [passage(FIRST, THIRD) | {"at": None}],
    "no mapping": ["text"],
}


@pytest.mark.parametrize("before", FORGED.values(), ids=FORGED)
def test_a_chain_that_does_not_hold_is_refused_as_a_whole(before: list[Any]):
    with pytest.raises(UnreadableJob):
        parse(document(OMAR, THIRD, before), OMAR)


def test_what_was_added_to_a_published_key_by_others_is_refused():
    data = document(OMAR, SECOND, [])
    said = parse(data, OMAR)
    assert said == KeyHistory(SECOND.public)
    body = {"format": 1, "owner": OMAR, "key": SECOND.public, "before": [passage(FIRST, SECOND)]}
    body["seal"] = FIRST.seal("key", key_place(OMAR), body)
    with pytest.raises(UnreadableJob, match="not signed by its key"):
        parse(dump(body), OMAR)
    with pytest.raises(UnreadableJob, match="no list"):
        parse(document(OMAR, SECOND, {"key": 1}), OMAR)  # type: ignore[arg-type]
    with pytest.raises(UnreadableJob):
        parse(data, ADA)


def test_unknown_words_in_a_chain_are_no_reason_to_refuse_it():
    assert parse(document(OMAR, SECOND, [passage(FIRST, SECOND, reason="spring")]), OMAR).before == (
        KeyRotation(FIRST.public, SECOND.public, "2026-03-01T09:30:00Z"),
    )
