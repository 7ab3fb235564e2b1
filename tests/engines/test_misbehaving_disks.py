"""A disk that is full, has no inodes or is read-only, under the shared folder, the home or the workspaces.

At each moment of a job's life: a clear refusal, nothing half-written taken for whole, and it goes on by itself when
there is room again.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from syft_job.testing import TwoPeople
from tests.engines.misbehaving import (
    Full,
    NoInodes,
    ReadOnly,
    Story,
    Told,
    go_through,
    litter,
    tmpfs,
    why_no_mounts,
)

pytestmark = [pytest.mark.engine, pytest.mark.skipif(why_no_mounts() is not None, reason=str(why_no_mounts()))]

PLACES = ("box", "homes", "work")
NAMES = {"box": "shared folder", "homes": "home", "work": "workspaces"}


@pytest.fixture(params=PLACES)
def place(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A disk of 1 MB where one of the three lies."""
    monkeypatch.setenv("SYFT_JOB_WORK", str(tmp_path / "work"))
    with tmpfs(tmp_path / request.param, "size=1m", "nr_inodes=400") as small:
        yield small


@pytest.fixture
def people(place: Path, tmp_path: Path) -> Iterator[TwoPeople]:
    with TwoPeople(tmp_path, sandbox="bare") as both:
        yield both


def left_nothing(people: TwoPeople) -> None:
    home = people.owner.home
    assert litter(people.root, home.path, home.workspaces) == []


@pytest.mark.parametrize("kind", [Full, NoInodes], ids=["no room", "no inodes"])
def test_a_full_disk_at_any_moment(people, place, tmp_path, faults, kind):
    cases = [(kind(place, 1), moment) for moment in Story.MOMENTS]
    times, lost, twice, seconds = go_through(people, tmp_path, Told(), cases)
    left_nothing(people)
    faults.saw(f"a full disk (1 MB): the {NAMES[place.name]}", times=times, lost=lost, twice=twice, seconds=seconds)
    assert (lost, twice) == (0, 0)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("kind", [Full, NoInodes], ids=["no room", "no inodes"])
def test_a_full_disk_in_the_middle_of_every_moment(people, place, tmp_path, faults, kind):
    """With room for some more pages or files, another write of each is the one that fails."""
    least = 1 if place.name == "work" else 0  # with no room at all the job itself fails, as it must
    cases = [(kind(place, room), moment) for room in (least, 2, 3, 4, 5, 6, 8, 11) for moment in Story.MOMENTS]
    times, lost, twice, seconds = go_through(people, tmp_path, Told(), cases)
    left_nothing(people)
    faults.saw(f"a full disk (1 MB): the {NAMES[place.name]}", times=times, lost=lost, twice=twice, seconds=seconds)
    assert (lost, twice) == (0, 0)


@pytest.mark.parametrize("place", ["box"], indirect=True)
def test_a_folder_that_is_read_only_for_a_while(people, place, tmp_path, faults):
    cases = [(ReadOnly(place), moment) for moment in Story.MOMENTS]
    times, lost, twice, seconds = go_through(people, tmp_path, Told(), cases)
    left_nothing(people)
    faults.saw("a read-only shared folder", times=times, lost=lost, twice=twice, seconds=seconds)
    assert (lost, twice) == (0, 0)
