"""A line that was read before its writer found that the disk would not keep it, and cut it off again."""

from __future__ import annotations

from pathlib import Path

import pytest

from syft_job.errors import StoreError
from syft_job.home.ledger import Ledger
from syft_job.model.events import Event

ONE, TWO, THREE = (digit * 32 for digit in "123")


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    made = Ledger(tmp_path / "ledger.jsonl", tmp_path / "witness" / "note")
    made.say(ONE, 1, Event.APPROVED)
    return made


@pytest.fixture
def reader(tmp_path: Path, ledger: Ledger) -> Ledger:
    """Another process, which reads without the lock."""
    reads = Ledger(tmp_path / "ledger.jsonl", tmp_path / "witness" / "note")
    reads.refresh()
    return reads


def write_and_cut(tmp_path: Path, reader: Ledger, job: str) -> int:
    """What a writer does whose fsync fails, with a reader in between; returns the reader's mark before."""
    path = tmp_path / "ledger.jsonl"
    whole, mark = path.read_bytes(), reader.end
    with path.open("ab") as file:
        file.write(b'{"id":"%s","n":1,"event":"approve","at":"2026-01-01T00:00:00Z"}\n' % job.encode())
    reader.refresh()
    assert reader.events(job) == {"approve"}
    path.write_bytes(whole)
    return mark


def test_it_was_never_said(tmp_path, ledger, reader):
    write_and_cut(tmp_path, reader, TWO)
    reader.refresh()
    assert reader.events(TWO) == frozenset()
    assert reader.facts(ONE) == ledger.facts(ONE)
    assert reader.end == ledger.end


@pytest.mark.parametrize("job", [TWO, THREE], ids=["of the same submission", "of another one"])
def test_the_next_line_takes_its_place(tmp_path, ledger, reader, job):
    mark_before = write_and_cut(tmp_path, reader, TWO)
    mark = reader.end
    ledger.say(job, 1, Event.APPROVED, at="2026-01-02T00:00:00Z")  # as long as the one that was cut off, to the byte
    reader.refresh()
    assert reader.events(job) == {"approve"}
    assert reader.events(ONE) == {"approve"}
    assert reader.changed_since(mark) == reader.changed_since(mark_before) == {TWO, job}, "the one that was unsaid, too"
    assert [line.id for line in reader.lines_since(mark)] == [job]
    ledger.say(THREE, 2, Event.ATTEMPT_PERMITTED)
    reader.refresh()
    assert reader.changed_since(reader.end) == set()


def test_its_lines_are_not_there_any_more_for_who_asks_meanwhile(tmp_path, reader):
    write_and_cut(tmp_path, reader, TWO)
    assert reader.lines(TWO) == []


def test_a_line_that_was_acknowledged_is_never_taken_back(tmp_path, ledger, reader):
    path = tmp_path / "ledger.jsonl"
    before = path.read_bytes()
    ledger.say(TWO, 1, Event.APPROVED)
    reader.refresh()
    path.write_bytes(before)
    for _ in range(2):
        with pytest.raises(StoreError, match="became shorter"):
            reader.refresh()


def test_a_note_that_cannot_be_written_unsays_nothing(tmp_path, ledger):
    """The disk has room for the line, and for nothing more."""
    note = tmp_path / "witness"
    note.rename(tmp_path / "kept")
    note.write_text("no folder\n")
    ledger.say(TWO, 1, Event.APPROVED)
    assert ledger.events(TWO) == {"approve"}
