"""The report that approved jobs wait for a free slot of the runner."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from syft_job import doctor
from syft_job.home import slots
from syft_job.home.slots import BusySlots, awaits_slot, read_busy_slots, write_busy_slots
from syft_job.runner import JobRunner
from syft_job.testing import FakeBackend, TwoPeople


@pytest.fixture
def people(tmp_path: Path) -> Iterator[TwoPeople]:
    with TwoPeople(tmp_path, sandbox="bare") as both:
        yield both


def approved(people: TwoPeople, *names: str) -> None:
    for name in names:
        people.submit(name=name)
        people.owner_job(name).approve()


def awaits(people: TwoPeople, name: str) -> bool:
    record = people.owner_job(name).record
    people.owner.home.ledger.refresh()
    return awaits_slot(people.owner.home, record.submitter, record.id, record.attempt)


def test_a_job_beyond_the_slots_waits_for_one_until_there_is_one(people: TwoPeople):
    approved(people, "a", "b", "c")
    home, backend = people.owner.home, FakeBackend()
    runner = JobRunner(people.owner.config, announce=None, max_parallel=2, backend=backend)
    with runner._serving():
        runner.step()
        busy = read_busy_slots(home)
        assert busy is not None
        assert str(busy).startswith("a free slot (2 of 2 busy since 20")
        assert sum(awaits(people, name) for name in "abc") == 1
        told = [check.told for check in doctor.examine(people.owner.config) if check.name == "slots"]
        assert told == [f"1 approved job waits for {busy}"]
        backend.end(backend.submitted[0].label)
        while read_busy_slots(home) is not None:
            runner.step()
        assert len(backend.submitted) == 3


def test_it_is_written_when_it_changes_and_not_at_each_look(people: TwoPeople, monkeypatch: pytest.MonkeyPatch):
    approved(people, "a", "b", "c")
    written: list[BusySlots | None] = []
    monkeypatch.setattr("syft_job.runner.slot_report.write_busy_slots", lambda _, busy: written.append(busy))
    backend = FakeBackend()
    runner = JobRunner(people.owner.config, announce=None, max_parallel=1, backend=backend)
    with runner._serving():
        for _ in range(4):
            runner.step()
        assert len(written) == 1
        for _ in range(2):
            backend.end(backend.submitted[-1].label)
            runner.step()
            runner.step()
        assert [busy is not None for busy in written] == [True, False]


def test_it_counts_only_while_a_runner_serves(people: TwoPeople):
    approved(people, "a")
    home = people.owner.home
    write_busy_slots(home, BusySlots(2, 1000.0))
    assert read_busy_slots(home) is None
    runner = JobRunner(people.owner.config, announce=None, backend=FakeBackend())
    with runner._serving():
        assert read_busy_slots(home) == BusySlots(2, 1000.0)
        runner.step()
        assert read_busy_slots(home) is None, "what an earlier runner left is removed"


def test_what_is_paused_or_blocked_waits_for_something_else(people: TwoPeople):
    approved(people, "a", "b")
    home = people.owner.home
    home.record_blocked_reason(people.owner_job("a").record.id, "it needs data")
    assert [awaits(people, name) for name in "ab"] == [False, True]
    home.pause()
    assert [awaits(people, name) for name in "ab"] == [False, False]


@pytest.mark.parametrize("content", ["", "{", "[]", '{"count": 2}', '{"count": "x", "since": 1}'])
def test_a_damaged_report_is_none(people: TwoPeople, content: str):
    approved(people, "a")
    runner = JobRunner(people.owner.config, announce=None, backend=FakeBackend())
    with runner._serving():
        (people.owner.home.path / slots.FILE).write_text(content)
        assert read_busy_slots(people.owner.home) is None


def test_a_home_that_cannot_be_written_holds_nothing_up(people: TwoPeople, monkeypatch: pytest.MonkeyPatch):
    approved(people, "a", "b")

    def refuse(*_: object) -> None:
        raise OSError("no")

    monkeypatch.setattr("syft_job.runner.slot_report.write_busy_slots", refuse)
    backend = FakeBackend()
    runner = JobRunner(people.owner.config, announce=None, max_parallel=1, backend=backend)
    with runner._serving():
        runner.step()
        backend.end(backend.submitted[0].label)
        while len(backend.submitted) < 2:
            runner.step()
