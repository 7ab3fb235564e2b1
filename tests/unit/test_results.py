from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from syft_job.testing import TwoPeople


@pytest.fixture
def people(tmp_path: Path) -> Iterator[TwoPeople]:
    with TwoPeople(tmp_path) as both:
        (tmp_path / "results").mkdir()
        (tmp_path / "results" / "r.csv").write_text("a,b\n")
        both.submit(name="N")
        job = both.owner_job("N")
        job.accept_by_depositing_result(tmp_path / "results")
        job.share_outputs([both.submitter_email])
        yield both


def test_results_are_complete_when_all_is_here(people: TwoPeople):
    theirs = people.submitters_job("N")
    assert theirs._results().arrived == (1, 1)
    released = people.location("N") / "outputs" / "results" / "r.csv"
    content = released.read_bytes()
    released.write_bytes(content[:1])
    assert theirs._results().arrived == (0, 1)
    with pytest.raises(TimeoutError):
        theirs.wait(0)
    released.write_bytes(content)
    theirs.wait(0)


def test_what_was_not_listed_is_not_shown(people: TwoPeople):
    (people.location("N") / "outputs" / "smuggled.csv").write_text("x")
    assert [path.name for path in people.submitters_job("N").output_paths] == ["results"]
