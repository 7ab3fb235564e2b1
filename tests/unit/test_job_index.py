from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from syft_job.errors import JobNotFoundError
from syft_job.exchange.job_index import JobIndex
from syft_job.exchange.participant import Participant
from syft_job.format import signing
from syft_job.home.keyring import Keyring
from syft_job.model.states import JobState
from syft_job.testing import TwoPeople


@pytest.fixture
def people(tmp_path: Path) -> Iterator[TwoPeople]:
    with TwoPeople(tmp_path) as both:
        yield both


def test_a_list_is_the_callers_and_follows_the_folder(people: TwoPeople):
    people.submit(name="a")
    records = people.owner.store.records()
    records.clear()
    people.submit(name="b")
    assert {record.name for record in people.owner.store.records()} == {"a", "b"}
    shutil.rmtree(people.location("a"))
    assert {record.name for record in people.owner.store.records()} == {"b"}
    shutil.rmtree(people.root / people.owner_email / "app_data")
    assert people.owner.store.records() == []


def test_a_finished_job_whose_folder_did_not_move_is_the_same_record(people: TwoPeople):
    people.submit(name="a")
    people.owner_job("a").reject("no")
    long_ago = time.time() - 100
    os.utime(people.location("a"), (long_ago, long_ago))
    first = people.owner.store.records()[0]
    assert first.stamp is not None
    assert people.owner.store.records()[0] is first
    people.owner_job("a").approve()
    assert people.owner.store.records()[0].status == "approved"


def test_another_process_word_is_seen_where_the_folder_did_not_move(people: TwoPeople):
    from syft_job import get_client

    people.submit(name="a")
    people.owner_job("a").reject("no")
    long_ago = time.time() - 100
    os.utime(people.location("a"), (long_ago, long_ago))
    other = get_client(people.root, people.owner_email)
    assert other.jobs["a"].status == people.owner_job("a").status == "rejected"
    people.owner_job("a").approve()
    os.utime(people.location("a"), (long_ago, long_ago))
    assert other.jobs["a"].status == "approved"


def settled(people: TwoPeople, *names: str) -> None:
    """Jobs that are over, in folders that moved long ago."""
    long_ago = time.time() - 100
    for name in names:
        people.submit(name=name)
        people.owner_job(name).reject("no")
        os.utime(people.location(name), (long_ago, long_ago))
    people.owner.store.records()


def test_a_sweep_reads_what_is_new_or_open_and_comes_to_the_others_in_turn(people: TwoPeople):
    settled(people, "a", "b", "c")
    store, owner = people.owner.store, people.owner_email
    for name in "abc":
        (people.location(name) / "rejected").unlink()
    people.submit(name="new")
    swept = [{place.name for place in store.sweep(owner, 1)} for _ in range(6)]
    assert all("new" in names for names in swept), "what is not over is looked at each time"
    assert set().union(*swept) == {"a", "b", "c", "new"}, "and nobody is forgotten"
    assert len(swept[0] - {"new"}) <= 1


def test_a_sweep_sees_at_once_what_the_ledger_says_anew_and_what_went_away(people: TwoPeople):
    settled(people, "a", "b")
    store, owner = people.owner.store, people.owner_email
    store.sweep(owner, 0)
    people.owner_job("a").approve()
    assert people.place("a") in store.sweep(owner, 0)
    shutil.rmtree(people.location("b"))
    store.sweep(owner, 0)
    assert (store.knows(people.place("a")), store.knows(people.place("b"))) == (True, False)


def test_unfinished_jobs_oldest_first(people: TwoPeople):
    for name in ("a", "b", "c"):
        people.submit(name=name)
    people.owner_job("b").reject("no")
    assert [record.name for record in people.owner.store.unfinished(people.owner_email)] == ["a", "c"]
    assert people.owner.store.unfinished("nobody@example.org") == []


def test_one_job(people: TwoPeople):
    people.submit(name="a")
    record = people.owner.store.get(people.place("a"))
    assert people.owner.store.refresh(people.place("a"), record) == record
    with pytest.raises(JobNotFoundError, match="There is no job"):
        people.owner.store.get(people.place("b"))
    shutil.rmtree(people.location("a"))
    with pytest.raises(JobNotFoundError):
        people.owner.store.refresh(people.place("a"), record)


def test_no_datasites_no_jobs(tmp_path: Path):
    from syft_job import get_client

    (tmp_path / "box").mkdir()
    (tmp_path / "box" / "omar@example.org").write_text("a file")
    assert get_client(tmp_path / "box", "omar@example.org").jobs.jobs == []


def test_a_first_list_checks_one_seal_of_a_job_that_somebody_else_answered(
    people: TwoPeople, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "r").write_text("1")
    for name in ("a", "b", "c"):
        people.submit(name=name)
        people.owner_job(name).accept_by_depositing_result(tmp_path / "r")
    checked: list[str] = []
    really = signing._verify

    def verify(public: str, signature: str, said: bytes) -> bool:
        checked.append(json.loads(said.removeprefix(signing.PREFIX))["kind"])
        return really(public, signature, said)

    monkeypatch.setattr(signing, "_verify", verify)
    monkeypatch.setattr(signing, "_checked", {})
    records = JobIndex(people.root, people.submitter.participant).records()
    assert {record.state for record in records} == {JobState.SUCCEEDED}
    assert checked.count("done") == 3
    assert {kind for kind in checked if kind != "done"} <= {"key"}, "the owner's key.json is no job's"


def test_a_list_asks_the_home_for_its_keys_once(people: TwoPeople, monkeypatch: pytest.MonkeyPatch):
    asked: list[Keyring] = []
    really = Keyring._read_keys

    def look(keyring: Keyring) -> object:
        asked.append(keyring)
        return really(keyring)

    monkeypatch.setattr(Keyring, "_read_keys", look)
    counts = []
    for count in (1, 6):
        for index in range(count):
            people.submit(name=f"{count} {index}")
        asked.clear()
        assert people.owner.jobs
        counts.append(len(asked))
    assert 0 < counts[0] == counts[1]


def test_a_key_that_was_given_up_meanwhile_is_seen_at_the_next_look(people: TwoPeople):
    people.submit(name="N")
    mine = JobIndex(people.root, Participant(people.owner_email, people.owner.home))
    told = "it was submitted to a key that you gave up"
    assert not any(told in finding for finding in mine.records()[0].findings)
    people.owner.rotate_key(compromised=True)
    assert any(told in finding for finding in mine.get(people.place("N")).findings)
    assert any(told in finding for finding in mine.records()[0].findings)
