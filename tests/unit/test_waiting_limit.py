from __future__ import annotations

import os
from pathlib import Path

import pytest

from syft_job import fs
from syft_job.exchange.legacy_layout import FileDigests
from syft_job.exchange.participant import Participant
from syft_job.exchange.recorded_decisions import RecordedDecisions
from syft_job.exchange.submitter_index import SubmitterIndex
from syft_job.exchange.waiting_limit import WaitingLimit
from syft_job.home.home import Home
from syft_job.model.job_record import JobRecord
from syft_job.model.job_ref import JobRef
from syft_job.model.states import JobState, Position

KEY = ("omar@example.org", "ada@example.org")


def waiting(name: str) -> JobRecord:
    return JobRecord(JobRef(*KEY, name), name, "", Position(JobState.SUBMITTED))


@pytest.fixture
def index() -> SubmitterIndex:
    index = SubmitterIndex(FileDigests(0))
    for name in ("a", "b"):
        index.put(waiting(name))
    return index


def limit_of(index: SubmitterIndex, tmp_path: Path, limit: int | None, *, is_owner: bool) -> WaitingLimit:
    decisions = RecordedDecisions(Participant(KEY[0], Home(tmp_path / "home", tmp_path, KEY[0])))
    return WaitingLimit(index, KEY, limit, decisions, is_owner=is_owner)


def test_a_waiting_job_above_the_limit_is_excluded(index: SubmitterIndex, tmp_path: Path):
    assert limit_of(index, tmp_path, 2, is_owner=True).excludes(waiting("c"))
    assert not limit_of(index, tmp_path, 3, is_owner=True).excludes(waiting("c"))
    assert not limit_of(index, tmp_path, None, is_owner=True).excludes(waiting("c"))
    done = waiting("d")._replace(position=Position(JobState.SUCCEEDED))
    assert not limit_of(index, tmp_path, 2, is_owner=True).excludes(done)


def test_only_the_owner_excludes_a_job_without_reading_it(index: SubmitterIndex, tmp_path: Path):
    assert not limit_of(index, tmp_path, 2, is_owner=False).excludes_unread("c", ())
    limit = limit_of(index, tmp_path, 2, is_owner=True)
    assert not limit.excludes_unread("c", ["c"]), "the ledger has a new line about it"
    assert limit.excludes_unread("c", ())
    assert list(index.beyond) == ["c"]


def test_the_oldest_jobs_keep_their_records(index: SubmitterIndex, tmp_path: Path):
    for at, name in enumerate(("c", "a", "b")):
        (tmp_path / name).mkdir()
        fs_time = 1_000_000_000 + at
        os.utime(tmp_path / name, (fs_time, fs_time))
    index.put_beyond("c")
    with fs.open_directory(tmp_path) as parent_fd:
        limit_of(index, tmp_path, 1, is_owner=True).keep_oldest(parent_fd)
    assert index.is_ordered
    assert list(index.beyond) == ["c", "a", "b"]
    assert not index.records


def test_jobs_above_the_limit_come_when_there_is_room_and_some_in_turn_without_a_ledger(
    index: SubmitterIndex, tmp_path: Path
):
    for number in range(30):
        index.put_beyond(f"more {number:02}")
    assert list(limit_of(index, tmp_path, 2, is_owner=True).pop_next()) == []
    index.drop("a")
    taken = limit_of(index, tmp_path, 2, is_owner=True).pop_next()
    assert next(taken) == "more 00"
    index.put(waiting("more 00"))
    assert list(taken) == []
    assert len(list(limit_of(index, tmp_path, 25, is_owner=False).pop_next())) == 25
    assert "more 00" not in index.beyond
