"""The home: private, made once, with a signing key, an epoch and a ledger."""

from __future__ import annotations

import multiprocessing
import stat
from pathlib import Path

import pytest

from syft_job.errors import ConfigError, StoreError
from syft_job.format.key_history import KeyHistory
from syft_job.home.contacts import read_published_keys
from syft_job.home.home import Home
from syft_job.home.ledger import Ledger
from syft_job.model.events import Event
from syft_job.model.states import Fact, FactKind
from syft_job.testing import TwoPeople

JOB, OTHER = "0" * 32, "1" * 32


@pytest.fixture
def home(tmp_path: Path) -> Home:
    (tmp_path / "box" / "omar@example.org").mkdir(parents=True)
    return Home(tmp_path / "home", tmp_path / "box", "omar@example.org")


@pytest.mark.conformance(241)
def test_a_home_is_private_and_its_key_is_made_once(home: Home):
    assert not home.exists
    key = home.key()
    for path in (home.path, *(path for path in home.path.iterdir() if path.name != "home.lock")):
        assert not stat.S_IMODE(path.stat().st_mode) & 0o077, path
    assert Home(home.path, home.root, home.email).key().public == key.public
    assert read_published_keys(home.root, home.email) == KeyHistory(key.public)


def test_a_home_inside_the_shared_folder_is_refused(tmp_path: Path):
    home = Home(tmp_path / "box" / "home", tmp_path / "box", "omar@example.org")
    with pytest.raises(StoreError, match="inside the shared folder"):
        home.make()
    assert not home.path.exists()


def test_a_second_key_is_never_made_over_a_published_one(home: Home, tmp_path: Path):
    home.key()
    other = Home(tmp_path / "another", home.root, home.email)
    with pytest.raises(ConfigError, match="already published"):
        other.key()
    assert not (other.path / "key").exists()


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"key": 5}', b"\xff", b" " * 70_000])
def test_an_invalid_published_key_is_an_error(home: Home, content: bytes):
    home.key()
    (home.root / home.email / "public" / "syft_job" / "key.json").write_bytes(content)
    with pytest.raises(ConfigError, match=r"key\.json"):
        read_published_keys(home.root, home.email)


def test_adopting_starts_a_new_epoch(home: Home):
    home.make()
    epoch = home.epoch
    assert home.foreign_reason() is None
    assert home.adopt() != epoch


def test_the_ledger_is_appended_to_and_read_by_other_processes(tmp_path: Path):
    mine, theirs = Ledger(tmp_path / "ledger", tmp_path / "witness"), Ledger(tmp_path / "ledger", tmp_path / "witness")
    mine.say(JOB, 1, Event.APPROVED, mark={"reason": 'quotes " and \n lines \u2028'})
    mine.say(JOB, 1, Event.STARTED)
    assert mine.unfinished() == [(JOB, 1)]
    mine.say(JOB, 1, Event.FINISHED, outcome="failed")
    mine.say(OTHER, 1, Event.REJECTED)
    theirs.refresh()
    assert theirs.facts(JOB) == mine.facts(JOB) == (Fact(FactKind.APPROVED), Fact(FactKind.DONE, 1, "failed"))
    assert theirs.facts(OTHER) == (Fact(FactKind.REJECTED),)
    assert [line.event for line in theirs.lines(JOB)] == ["approve", "start", "over"]
    assert theirs.lines(JOB)[0].said["mark"]["reason"] == 'quotes " and \n lines \u2028'
    assert theirs.unfinished() == []
    mark = theirs.end
    mine.say(OTHER, 2, Event.APPROVED)
    theirs.refresh()
    assert theirs.changed_since(mark) == {OTHER}


def test_an_incomplete_last_line_does_not_count(tmp_path: Path):
    ledger = Ledger(tmp_path / "ledger", tmp_path / "witness")
    ledger.say(JOB, 1, Event.APPROVED)
    with (tmp_path / "ledger").open("ab") as file:
        file.write(b'{"id":"' + OTHER.encode() + b'","n":1,"ev')
    again = Ledger(tmp_path / "ledger", tmp_path / "witness")
    again.refresh()
    assert again.facts(OTHER) == ()
    again.say(OTHER, 1, Event.REJECTED)
    assert Ledger.facts(again, OTHER) == (Fact(FactKind.REJECTED),)


def test_a_damaged_shortened_or_lost_ledger_is_an_error(tmp_path: Path):
    path = tmp_path / "ledger"
    ledger = Ledger(path, path.with_name("witness"))
    ledger.say(JOB, 1, Event.APPROVED)
    whole = path.read_bytes()
    path.write_bytes(b"junk\n" + whole)
    with pytest.raises(StoreError, match="damaged at byte 0"):
        Ledger(path, path.with_name("witness")).refresh()
    path.write_bytes(whole[:-5])
    with pytest.raises(StoreError, match="shorter"):
        ledger.refresh()
    path.unlink()
    with pytest.raises(StoreError, match="is gone"):
        ledger.refresh()


def _approve(people: TwoPeople, answer: multiprocessing.Queue[str]) -> None:
    try:
        people.owner_job("N").approve()
    except BaseException as error:  # noqa: BLE001 - reported to the parent
        answer.put(repr(error))
    else:
        answer.put("approved")


def test_a_verb_works_in_a_forked_child(tmp_path: Path):
    with TwoPeople(tmp_path) as people:
        people.submit(name="N")
        fork = multiprocessing.get_context("fork")
        answer = fork.Queue()
        child = fork.Process(target=_approve, args=(people, answer))
        child.start()
        result = answer.get(timeout=30)
        child.join()
        assert result == "approved"
        assert people.owner_job("N").status == "approved"
