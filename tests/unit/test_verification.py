from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from syft_job.exchange.verification import Verification
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


def test_verification_is_true_when_nothing_fails():
    assert Verification(("a",), ())
    assert not Verification(("a",), ("b",))
    assert str(Verification((), ("b",))) == "✗ b\nSomething does not hold; see above."
    assert Verification(("a",), ("b",)) + Verification(("c",), ()) == Verification(("a", "c"), ("b",))


def test_a_released_file_that_was_changed_is_named(people: TwoPeople):
    released = people.location("N") / "outputs" / "results" / "r.csv"
    theirs = people.submitters_job("N")
    assert theirs.verify().ok
    released.write_text("c,d\n")
    assert any("outputs/results/r.csv is not what was released" in line for line in theirs.verify().fails)
    released.unlink()
    assert any("has not arrived" in line for line in theirs.verify().fails)
    released.symlink_to("/etc/passwd")
    assert any("outputs/results/r.csv" in line for line in theirs.verify().fails)
