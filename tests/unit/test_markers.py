from __future__ import annotations

import json
import re

import pytest

from syft_job.errors import UnreadableJob
from syft_job.format import markers
from syft_job.format.markers import Marker, MarkerProblem
from syft_job.format.signing import Key
from syft_job.model.events import MarkerKey, MarkerKind
from syft_job.model.job_ref import JobRef
from syft_job.model.states import Fact, FactKind

PLACE = JobRef("omar@example.org", "ada@example.org", "Data Analysis")
DIGEST = "d" * 64
LIMIT = 64 << 10


@pytest.fixture(scope="module")
def key() -> Key:
    return Key.generate()


def test_a_marker_survives_its_bytes_and_is_valid(key: Key):
    marker = markers.make("rejected", PLACE, key, digest=DIGEST, attempt=2, by="omar@example.org", reason="no", x=None)
    again = markers.parse("rejected", markers.to_bytes(marker), limit=LIMIT)
    assert again == marker
    assert "x" not in again.body
    assert again.check(PLACE, DIGEST, {key.public}) is None
    assert again.fact == Fact(FactKind.REJECTED, 2)
    assert again.key == MarkerKey(MarkerKind.REJECTED, 2)


def test_unknown_fields_survive_and_are_signed(key: Key):
    marker = markers.make("approved", PLACE, key, digest=DIGEST, attempt=1, colour={"a": [1]})
    again = markers.parse("approved", markers.to_bytes(marker), limit=LIMIT)
    assert again.body["colour"] == {"a": [1]}
    assert markers.to_bytes(again) == markers.to_bytes(marker)
    assert again.check(PLACE, DIGEST, {key.public}) is None


def test_why_a_marker_is_not_valid(key: Key):
    marker = markers.make("done", PLACE, key, digest=DIGEST, attempt=1, outcome="succeeded")
    assert marker.check(PLACE, "e" * 64, {key.public}) is MarkerProblem.EARLIER_VERSION
    assert marker.check(PLACE, DIGEST, ()) is MarkerProblem.UNKNOWN_KEY
    assert marker.check(PLACE, DIGEST, {Key.generate().public}) is MarkerProblem.WRONG_SIGNATURE
    assert marker.check(PLACE._replace(name="x"), DIGEST, {key.public}) is MarkerProblem.WRONG_SIGNATURE
    bare = Marker(MarkerKind.DONE, DIGEST, 1, {"outcome": "succeeded"})
    assert bare.check(PLACE, DIGEST, {key.public}) is MarkerProblem.UNSIGNED
    moved = Marker(MarkerKind.DONE, DIGEST, 2, marker.body)
    assert moved.check(PLACE, DIGEST, {key.public}) is MarkerProblem.WRONG_SIGNATURE
    renamed = Marker(MarkerKind.APPROVED, DIGEST, 1, marker.body)
    assert renamed.check(PLACE, DIGEST, {key.public}) is MarkerProblem.WRONG_SIGNATURE


@pytest.mark.parametrize(
    "data",
    [
        b"[]",
        b"5",
        b"{",
        b'{"digest": 5}',
        b'{"attempt": 0}',
        b'{"attempt": true}',
        b'{"attempt": "1"}',
        b'{"attempt": 1.0}',
        b'{"attempt": 1, "attempt": 2}',
        b"\xff",
        b"a: 1",
    ],
)
@pytest.mark.parametrize("kind", ["approved", "shared", "attempt", "withdrawn"])
def test_what_is_no_marker_is_unreadable(kind: str, data: bytes):
    with pytest.raises(UnreadableJob):
        markers.parse(kind, data, limit=LIMIT)


@pytest.mark.parametrize("outcome", ["", None, "won", "running", 5, [], {}, ["succeeded"]])
def test_done_with_another_outcome_is_unreadable(outcome: object):
    with pytest.raises(UnreadableJob, match="outcome"):
        markers.parse("done", json.dumps({"outcome": outcome}).encode(), limit=LIMIT)


@pytest.mark.parametrize("data", [b"", b"\n", b"  \n\n"])
def test_an_empty_marker_is_bare(data: bytes):
    assert markers.parse("approved", data, limit=LIMIT) == Marker(MarkerKind.APPROVED, "", 1)


def test_a_marker_over_its_limit_is_unreadable():
    with pytest.raises(UnreadableJob, match="at most 65536"):
        markers.parse("approved", b'{"a": "' + b"x" * LIMIT + b'"}', limit=LIMIT)


@pytest.mark.parametrize("kind", list(MarkerKind))
@pytest.mark.parametrize("field", ["at", "by", "reason", "method", "epoch", "share"])
def test_a_known_field_of_another_type_makes_any_marker_unreadable(kind: MarkerKind, field: str):
    data = json.dumps({"outcome": "failed", field: 5}).encode()
    with pytest.raises(UnreadableJob, match=f"its {field} is no"):
        markers.parse(kind, data, limit=LIMIT)
    with pytest.raises(UnreadableJob, match="outcome"):
        markers.parse(kind, b'{"outcome": "won"}', limit=LIMIT)


def test_a_permit_is_the_fact_that_the_next_attempt_is_permitted_and_done_names_its_outcome():
    assert Marker(MarkerKind.ATTEMPT, DIGEST, 3, {"outcome": "failed"}).fact == Fact(FactKind.PERMITTED, 4)
    assert Marker(MarkerKind.SHARED, DIGEST, 3).fact is None
    assert Marker(MarkerKind.DONE, DIGEST, 3, {"outcome": "failed"}).fact == Fact(FactKind.DONE, 3, "failed")


def test_times_are_utc():
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?Z", markers.now())
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\dZ", markers.this_minute())
