from __future__ import annotations

from pathlib import Path

import pytest

from syft_job.errors import StoreError
from syft_job.home import ledger as room
from syft_job.home.ledger import Ledger
from syft_job.model.events import Event
from syft_job.model.states import Fact, FactKind

A, B = "a" * 32, "b" * 32


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    made = Ledger(tmp_path / "ledger.jsonl", tmp_path / "witness" / "note")
    for job in (A, B):
        made.say(job, 1, Event.APPROVED, reason="because " * 40)
        made.say(job, 1, Event.STARTED)
        made.say(job, 1, Event.FINISHED, outcome="succeeded", note="é\u2028" * 30)
    made.say(A, 1, Event.RELEASED)
    return made


def told(ledger: Ledger) -> list[object]:
    return [
        ledger.end,
        ledger.lines_since(0),
        [(ledger.facts(job), ledger.events(job), ledger.released(job), ledger.lines(job)) for job in (A, B)],
        ledger.unfinished(),
    ]


@pytest.mark.parametrize("piece", [1, 7, 64, 200, 1 << 20])
def test_a_ledger_read_in_pieces_is_the_same(
    ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, piece: int
):
    monkeypatch.setattr(room, "_PIECE", piece)
    again = Ledger(tmp_path / "ledger.jsonl", tmp_path / "witness" / "note")
    again.refresh()
    assert told(again) == told(ledger)
    with (tmp_path / "ledger.jsonl").open("ab") as file:
        file.write(b'{"id":"' + b"c" * 300)  # somebody is writing, or was killed at it
    again.refresh()
    assert told(again) == told(ledger)
    ledger.say(B, 2, Event.ATTEMPT_PERMITTED)
    again.refresh()
    assert told(again) == told(ledger)


def test_a_line_before_a_damaged_one_is_taken_once(ledger: Ledger, tmp_path: Path):
    path = tmp_path / "ledger.jsonl"
    good = path.read_bytes()
    begin = good.index(b'{"id":"b')
    path.write_bytes(good[:begin] + b"x" + good[begin + 1 :])
    again = Ledger(path, tmp_path / "witness" / "note")
    for _ in range(2):
        with pytest.raises(StoreError, match=f"damaged at byte {begin}"):
            again.refresh()
    path.write_bytes(good)
    again.refresh()
    assert told(again) == told(ledger)


def test_a_line_knows_its_fact_and_the_attempt_that_it_is_about(ledger: Ledger):
    ledger.say(B, 1, Event.ATTEMPT_PERMITTED)
    approved, started, finished, permitted = ledger.lines(B)
    assert approved.fact == Fact(FactKind.APPROVED, 1)
    assert started.fact is None
    assert finished.fact == Fact(FactKind.DONE, 1, "succeeded")
    assert (permitted.attempt, permitted.concerned_attempt) == (1, 2)
    assert permitted.fact == Fact(FactKind.PERMITTED, 2)
    assert ledger.facts(B) == (approved.fact, finished.fact, permitted.fact)


def test_a_word_of_a_later_release_is_kept_and_contributes_nothing(ledger: Ledger, tmp_path: Path):
    facts = ledger.facts(A)
    with (tmp_path / "ledger.jsonl").open("ab") as file:
        file.write(b'{"id":"%s","n":1,"event":"teleport","at":"2026-01-01T00:00:00Z"}\n' % A.encode())
    ledger.refresh()
    line = ledger.lines(A)[-1]
    assert (line.event, line.definition, line.fact, line.concerned_attempt) == ("teleport", None, None, 1)
    assert ledger.facts(A) == facts
    assert "teleport" in ledger.events(A)
