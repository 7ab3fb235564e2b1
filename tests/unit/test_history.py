from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from syft_job.exchange.history import HistoryEntry
from syft_job.testing import TwoPeople


@pytest.fixture
def people(tmp_path: Path) -> Iterator[TwoPeople]:
    with TwoPeople(tmp_path) as both:
        yield both


def test_an_entry_is_one_line():
    assert str(HistoryEntry("t", "approved", 2, "by x")) == "t  approved (attempt 2): by x"


def test_the_owner_reads_the_ledger_and_others_the_markers(people: TwoPeople):
    people.submit(name="N")
    people.owner_job("N").reject("no")
    for job in (people.owner_job("N"), people.submitters_job("N")):
        assert [(entry.what, entry.attempt) for entry in job.history] == [
            ("submitted by ada@example.org", 1),
            ("rejected", 1),
        ]
        assert "reason no" in job.history[-1].detail
