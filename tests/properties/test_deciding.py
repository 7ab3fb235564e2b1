"""A list for others opens no more than what decides, and says the same as a look at everything."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from syft_job import fs
from syft_job.exchange import job_reader
from syft_job.format.markers import make, to_bytes
from syft_job.format.signing import Key
from syft_job.testing import TwoPeople

KINDS = ("rejected", "cancelled", "done", "running", "approved", "shared")
FORMS = ("as written", "compact", "escaped", "forged", "stale", "bare", "junk", "nested")


@pytest.fixture(scope="module")
def people() -> Iterator[TwoPeople]:
    with tempfile.TemporaryDirectory() as base, TwoPeople(Path(base)) as both:
        both.submit(name="N")
        yield both


def content(people: TwoPeople, kind: str, attempt: int, form: str, outcome: str) -> bytes:
    place, key = people.place("N"), people.owner.home.key()
    said: dict[str, Any] = {"outcome": outcome} if kind == "done" else {}
    if form in ("nested", "escaped"):
        said["note"] = {"attempt": 1, "z": 0}
    digest = "e" * 64 if form == "stale" else people.owner_job("N").digest
    marker = make(kind, place, Key.generate() if form == "forged" else key, digest=digest, attempt=attempt, **said)
    written = to_bytes(marker)
    if form == "compact":
        return json.dumps(marker.body, separators=(",", ":")).encode()
    if form == "escaped":  # what a plain search would take for the first attempt
        return written.replace(b'\n  "attempt"', b'\n  "\\u0061ttempt"')
    return {"bare": b"", "junk": written[:-9]}.get(form, written)


markers = st.dictionaries(
    st.sampled_from(KINDS),
    st.tuples(st.integers(1, 3), st.sampled_from(FORMS), st.sampled_from(("succeeded", "failed", "cancelled"))),
    max_size=5,
)


@settings(max_examples=150)
@given(markers, st.sets(st.integers(1, 2)))
@example({"done": (1, "as written", "failed"), "running": (2, "as written", "failed")}, set())
@example({"done": (1, "as written", "failed"), "approved": (2, "nested", "failed")}, set())
@example({"done": (1, "as written", "failed"), "approved": (2, "escaped", "failed")}, set())
@example({"done": (1, "as written", "failed"), "shared": (2, "as written", "failed")}, set())
@example({"rejected": (1, "forged", "failed"), "done": (1, "as written", "succeeded")}, set())
@example({"done": (1, "as written", "succeeded"), "approved": (1, "forged", "failed")}, set())
def test_a_list_says_to_others_what_a_full_look_says(people: TwoPeople, lying, permits):
    place, location = people.place("N"), people.location("N")
    for kind, (attempt, form, outcome) in lying.items():
        (location / kind).write_bytes(content(people, kind, attempt, form, outcome))
    (location / "attempts").mkdir()
    for number in permits:
        (location / "attempts" / f"{number}.json").write_bytes(content(people, "attempt", number, "as written", ""))
    if not permits:
        (location / "attempts").rmdir()
    try:
        participant = people.submitter.participant
        full = job_reader.look(people.root, place, participant).record
        with fs.open_directory(people.root, *place.parts[:-1]) as parent:
            listed = job_reader.read_summary(parent, place, participant)
        assert (listed.position, listed.status) == (full.position, full.status)
        assert set(listed.findings) <= set(full.findings)
    finally:
        for path in [*location.glob("attempts/*"), *(location / kind for kind in KINDS)]:
            path.unlink(missing_ok=True)
        if permits:
            (location / "attempts").rmdir()
