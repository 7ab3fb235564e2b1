from __future__ import annotations

import pytest

from syft_job.exchange.marker_check import Checked, MarkerReport, expected
from syft_job.format.markers import Marker, MarkerProblem
from syft_job.model.events import MarkerKind
from syft_job.model.states import Fact, FactKind, JobState, Position

P = MarkerProblem
DONE = Marker(MarkerKind.DONE, "d" * 64, 2, {"outcome": "failed"})
APPROVED = Marker(MarkerKind.APPROVED, "d" * 64, 1)


@pytest.mark.parametrize("problem", list(MarkerProblem))
@pytest.mark.parametrize("kind", list(MarkerKind))
def test_every_problem_is_a_sentence_that_names_the_marker(kind: MarkerKind, problem: MarkerProblem):
    checked = Checked(Marker(kind, "", 3), problem, "it holds no mapping")
    assert not checked.is_valid
    assert f"'{kind.value}'" in checked.message
    assert (problem is P.UNREADABLE) is ("it holds no mapping" in checked.message)


def test_a_valid_marker_has_no_message():
    assert Checked(DONE, None).is_valid
    assert Checked(DONE, None).message == ""


@pytest.mark.parametrize(
    ("marker", "problem", "message"),
    [
        (DONE, P.UNSIGNED, "unsigned 'done' ignored"),
        (DONE, P.EARLIER_VERSION, "'done' of an earlier version ignored"),
        (DONE, P.UNKNOWN_KEY, "'done' cannot be checked: no key of its writer is known"),
        (DONE, P.WRONG_SIGNATURE, "'done' with an invalid signature ignored"),
        (DONE, P.OTHER_ATTEMPT, "'done' of attempt 2 ignored"),
        (APPROVED, P.UNSIGNED, "unsigned 'approved': will not run"),
        (APPROVED, P.WRONG_SIGNATURE, "unsigned 'approved': will not run"),
        (APPROVED, P.EARLIER_VERSION, "'approved' of an earlier version ignored"),
    ],
)
def test_the_words_for_the_problems(marker: Marker, problem: MarkerProblem, message: str):
    assert Checked(marker, problem).message == message


@pytest.mark.parametrize("problem", [None, *MarkerProblem])
def test_an_approval_is_forged_unless_it_is_valid_or_of_an_earlier_version(problem: MarkerProblem | None):
    report = MarkerReport([Checked(APPROVED, problem), Checked(DONE, P.UNSIGNED)], [])
    assert report.has_forged_approval is (problem not in (None, P.EARLIER_VERSION))


def test_only_valid_markers_contribute_facts_and_a_share_never_does():
    shared = Marker(MarkerKind.SHARED, "d" * 64, 2)
    report = MarkerReport([Checked(DONE, None), Checked(APPROVED, P.UNSIGNED), Checked(shared, None)], [])
    assert report.facts == [Fact(FactKind.DONE, 2, "failed")]


def test_of_earlier_attempts_only_the_permits_and_the_last_approval_should_be_in_the_folder():
    recorded = [
        Fact(FactKind.APPROVED),
        Fact(FactKind.DONE, 1, "failed"),
        Fact(FactKind.PERMITTED, 2),
        Fact(FactKind.REJECTED, 2),
        Fact(FactKind.APPROVED, 3),
        Fact(FactKind.DONE, 3, "lost"),
    ]
    assert expected(recorded, Position(JobState.LOST, 3)) == [
        Fact(FactKind.PERMITTED, 2),
        Fact(FactKind.APPROVED, 3),
        Fact(FactKind.DONE, 3, "lost"),
    ]
