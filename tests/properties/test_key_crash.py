"""A change of one's key, killed before each of its writes: repeated, left alone, and killed once more."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from syft_job.errors import SyftJobError
from syft_job.format.key_history import KeyHistory
from syft_job.home.contacts import read_published_keys
from syft_job.home.home import Home
from syft_job.model.states import JobState
from syft_job.testing import TwoPeople
from tests.properties.test_transitions import approved, killed_at, picture, shared
from tests.reliability import Faults


def rotate(people: TwoPeople) -> None:
    people.owner.rotate_key()


def give_up(people: TwoPeople) -> None:
    people.owner.rotate_key(compromised=True)


def fresh(people: TwoPeople) -> Home:
    """The owner's home as a process sees it that remembers nothing."""
    known = people.owner.home
    return Home(known.path, known.root, known.email)


def theirs(people: TwoPeople) -> KeyHistory:
    found = read_published_keys(people.root, people.owner_email)
    assert found is not None
    return found


@pytest.mark.parametrize("verb", [rotate, give_up], ids=lambda verb: verb.__name__)
def test_killed_at_any_write_and_repeated_a_rotation_ends_the_same(
    tmp_path: Path, verb: Callable[[TwoPeople], None], faults: Faults
):
    lost = times = 0
    longest = 0.0
    with TwoPeople(tmp_path / "plain") as people:
        shared(people)
        verb(people)
        expected = picture(people)
    for k in range(1, 40):
        with TwoPeople(tmp_path / str(k)) as people:
            shared(people)
            old = people.owner.home.key().public
            died = killed_at(people, verb, k)
            began = time.monotonic()
            between = theirs(people)
            home = fresh(people)
            assert between.knows(old), "whoever knew the old key can go on"
            assert home.keyring.history is not None
            assert home.keyring.history.knows(between.present), "nothing is published that this home does not have"
            if died:
                verb(people)
            home = fresh(people)
            chain = home.keyring.history
            assert chain is not None
            assert chain == theirs(people)
            assert [one.key for one in chain.rotations] == [old], f"killed at write {k}: changed once, not twice"
            assert between.present in {old, chain.present}, "no third key was ever published"
            assert chain.compromised_keys == (frozenset({old}) if verb is give_up else frozenset())
            assert {path.name for path in home.path.iterdir()} >= {"key", "key.pub", "keys", "key.json"}
            assert not (home.path / "key.next").exists()
            lost += old not in home.keyring.held_keys
            assert home.key().public == chain.present
            assert picture(people) == expected
            longest = max(longest, time.monotonic() - began)
            times += died
            if not died:
                break
    else:
        pytest.fail("more writes than expected")
    assert times >= 6
    assert lost == 0
    faults.saw(
        "a change of the owner's key is killed before any of its writes", times=times, lost=lost, seconds=longest
    )


def test_a_rotation_that_nobody_repeats_leaves_a_home_that_works(tmp_path: Path):
    for k in range(1, 40):
        with TwoPeople(tmp_path / str(k)) as people:
            approved(people)
            old = people.owner.home.key().public
            died = killed_at(people, rotate, k)
            people.submit(name="Meanwhile")
            for name in ("N", "Meanwhile"):
                people.owner_job(name).cancel() if name == "N" else people.owner_job(name).reject("no")
            home = fresh(people)
            assert home.keyring.history == theirs(people), f"killed at write {k}: the next verb brought it to its end"
            assert old in home.keyring.held_keys
            assert people.submitters_job("N").state is JobState.CANCELLED
            assert people.submitters_job("Meanwhile").state is JobState.REJECTED
            if not died:
                return
    pytest.fail("more writes than expected")


def test_killed_twice_a_rotation_is_still_one(tmp_path: Path):
    for k in range(1, 12, 2):
        for again in range(1, 8, 2):
            with TwoPeople(tmp_path / f"{k}-{again}") as people:
                people.submit(name="N")
                old = people.owner.home.key().public
                if killed_at(people, rotate, k):
                    killed_at(people, rotate, again)
                with suppress(SyftJobError):
                    people.owner_job("N").reject("no")
                home = fresh(people)
                assert home.keyring.history == theirs(people)
                assert old in home.keyring.held_keys
                assert people.submitters_job("N").state is JobState.REJECTED
