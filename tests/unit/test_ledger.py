from __future__ import annotations

from pathlib import Path

import pytest

from syft_job.errors import StoreError
from syft_job.home import ledger as room
from syft_job.home.ledger import Ledger
from syft_job.model.events import Event

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
