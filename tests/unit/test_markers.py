from __future__ import annotations

import json
import re

import pytest

from syft_job.errors import UnreadableJob
from syft_job.format import markers
from syft_job.format.markers import Marker
from syft_job.format.signing import Key
from syft_job.model.job_ref import JobRef
from syft_job.model.lifecycle import Fact

PLACE = JobRef("omar@example.org", "ada@example.org", "Data Analysis")
DIGEST = "d" * 64
LIMIT = 64 << 10


@pytest.fixture(scope="module")
def key() -> Key:
    return Key.generate()


def test_a_marker_survives_its_bytes_and_counts(key: Key):
    marker = markers.make("rejected", PLACE, key, digest=DIGEST, attempt=2, by="omar@example.org", reason="no", x=None)
    again = markers.parse("rejected", markers.to_bytes(marker), limit=LIMIT)
    assert again == marker
    assert "x" not in again.body
    assert again.counts(PLACE, DIGEST, {key.public}) is None
    assert again.fact == Fact("rejected", 2)


def test_unknown_fields_survive_and_are_sealed(key: Key):
    marker = markers.make("approved", PLACE, key, digest=DIGEST, attempt=1, colour={"a": [1]})
    again = markers.parse("approved", markers.to_bytes(marker), limit=LIMIT)
    assert again.body["colour"] == {"a": [1]}
    assert markers.to_bytes(again) == markers.to_bytes(marker)
    assert again.counts(PLACE, DIGEST, {key.public}) is None


def test_why_a_marker_does_not_count(key: Key):
    marker = markers.make("done", PLACE, key, digest=DIGEST, attempt=1, outcome="succeeded")
    assert marker.counts(PLACE, "e" * 64, {key.public}) == "'done' of an earlier version ignored"
    assert "no key" in (marker.counts(PLACE, DIGEST, ()) or "")
    assert "wrong seal" in (marker.counts(PLACE, DIGEST, {Key.generate().public}) or "")
    assert "wrong seal" in (marker.counts(PLACE._replace(name="x"), DIGEST, {key.public}) or "")
    bare = Marker("done", DIGEST, 1, {"outcome": "succeeded"})
    assert bare.counts(PLACE, DIGEST, {key.public}) == "unsealed 'done' ignored"
    moved = Marker("done", DIGEST, 2, marker.body)
    assert "wrong seal" in (moved.counts(PLACE, DIGEST, {key.public}) or "")
    renamed = Marker("approved", DIGEST, 1, marker.body)
    assert "wrong seal" in (renamed.counts(PLACE, DIGEST, {key.public}) or "")


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
    assert markers.parse("approved", data, limit=LIMIT) == Marker("approved", "", 1)


def test_a_marker_over_its_limit_is_unreadable():
    with pytest.raises(UnreadableJob, match="at most 65536"):
        markers.parse("approved", b'{"a": "' + b"x" * LIMIT + b'"}', limit=LIMIT)


def test_a_permit_is_the_fact_of_its_attempt_and_done_tells_its_outcome():
    assert Marker("attempt", DIGEST, 3, {"outcome": "failed"}).fact == Fact("permit", 3)
    assert Marker("done", DIGEST, 3, {"outcome": "failed"}).fact == Fact("done", 3, "failed")


def test_times_are_utc():
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?Z", markers.now())
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\dZ", markers.this_minute())
