from __future__ import annotations

import pytest

from syft_job.errors import AmbiguousJob
from syft_job.exchange.job_finder import find_job, possible_refs
from syft_job.model.job_ref import JobRef

OMAR, ADA, EVE = "omar@example.org", "ada@example.org", "eve@example.org"
JOBS = [
    (JobRef(OMAR, ADA, "Tides"), "3f2a" + "0" * 28),
    (JobRef(OMAR, EVE, "Tides"), "3f2b" + "0" * 28),
    (JobRef(EVE, ADA, "Tides"), "81c0" + "0" * 28),
    (JobRef(OMAR, ADA, "Gr\u00f6\u00dfe"), "81c1" + "0" * 28),
    (JobRef(OMAR, ADA, "3f2a"), ""),
]


@pytest.mark.conformance(60, 232)
@pytest.mark.parametrize(
    ("text", "position"),
    [
        (f"{OMAR}/{ADA}/Tides", 0),
        (f"{EVE}/Tides", 1),
        ("3f2b", 1),
        ("81c0" + "0" * 28, 2),
        ("Gr\u00f6\u00dfe", 3),
        ("  Gro\u0308\u00dfe ", 3),
        ("Nothing", None),
        ("ffff", None),
        ("", None),
        ("a/b/c/d", None),
    ],
)
def test_one_job_is_found_by_each_of_its_names(text: str, position: int | None):
    assert find_job(text, JOBS) == position


@pytest.mark.parametrize(("text", "count"), [("Tides", 3), (f"{ADA}/Tides", 2), ("3f2a", 2)])
def test_an_ambiguous_name_lists_all_that_it_may_mean(text: str, count: int):
    with pytest.raises(AmbiguousJob, match=f"'{text}' matches {count} jobs") as raised:
        find_job(text, JOBS)
    assert str(raised.value).partition("Name one of them")[2].count("example.org/") == 2 * count
    assert raised.value.context == {"name": text}


def test_a_long_list_of_candidates_is_cut_and_counted():
    jobs = [(JobRef(OMAR, f"p{number}@example.org", "N"), "") for number in range(13)]
    with pytest.raises(AmbiguousJob, match="and 3 more"):
        find_job("N", jobs)


def test_a_job_that_a_list_lacks_makes_a_name_ambiguous_but_not_one_with_its_submitter():
    def unlisted(name: str) -> list[JobRef]:
        return [JobRef(OMAR, EVE, name)]

    with pytest.raises(AmbiguousJob, match=f"{OMAR}/{EVE}/3f2a"):
        find_job("3f2a", JOBS[3:], unlisted)
    assert find_job(f"{ADA}/3f2a", JOBS[3:], unlisted) == 1
    assert find_job("Nothing", JOBS[3:], unlisted) is None


def test_a_name_that_no_list_has_may_still_be_looked_up():
    assert possible_refs(f"{ADA}/N", OMAR) == [JobRef(OMAR, ADA, "N")]
    assert possible_refs(f"{EVE}/{ADA}/N", OMAR) == [JobRef(EVE, ADA, "N")]
    for text in ("N", "x/N", f"{ADA}/..", f"{ADA}/{EVE}/a/b", ""):
        assert possible_refs(text, OMAR) == []
