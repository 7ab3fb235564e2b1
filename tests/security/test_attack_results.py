"""Threats 33 and 45, attacked once more after the merge: the pool for long file work, and leftovers among the jobs."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from syft_job import fs
from syft_job.errors import SyftJobError
from syft_job.exchange import release
from syft_job.runner import JobRunner
from syft_job.runner.transfers import FOLDER_WORKERS, Finished, Pool
from syft_job.testing import TwoPeople
from tests.killing import litter
from tests.serving import until


class Copies:
    """What a piece of work made; knows whether it was closed."""

    is_closed = False

    def close(self) -> None:
        self.is_closed = True


@pytest.fixture
def pool() -> Iterator[Pool]:
    made = Pool(lambda: None)
    yield made
    made.close()


def test_threat_45_a_folder_that_hangs_keeps_no_results_of_the_same_submitter_from_getting_home(pool: Pool):
    """A third release of a submitter waited for the folder, and everything else of that submitter behind it."""
    answers = threading.Event()
    got: list[Finished[Copies]] = []

    def hang() -> Copies:
        answers.wait(60)
        return Copies()

    def is_home() -> bool:
        finished = pool.result(("collect", 1), "ada", Copies, in_folder=False)
        got.extend([finished] if finished is not None else [])
        return bool(got)

    try:
        for number in range(FOLDER_WORKERS + 1):
            assert pool.result(("release", number), "ada", hang, in_folder=True) is None
        until(is_home, "the results get home")
        assert not answers.is_set()
    finally:
        answers.set()


def test_threat_33_removing_trees_leaves_room_for_what_is_released(pool: Pool):
    """A submitter with two large trees in the owner's way took both workers that may be in the folder."""
    may_end = threading.Event()
    started: list[int] = []

    def remove() -> None:
        started.append(1)
        may_end.wait(60)

    try:
        for _ in range(FOLDER_WORKERS + 1):
            pool.background("", remove, in_folder=True)
        until(lambda: started)
        until(lambda: pool.result("release", "ada", Copies, in_folder=True), "the results are released")
        assert len(started) == 1
    finally:
        may_end.set()
    until(lambda: len(started) == FOLDER_WORKERS + 1 and pool.is_idle)


def test_threat_45_copies_that_nobody_asks_for_are_closed(pool: Pool, monkeypatch: pytest.MonkeyPatch):
    """A submitter who removed the job during the copy left the copies and three descriptors open until the end."""
    monkeypatch.setattr("syft_job.runner.transfers._MAX_UNCLAIMED_S", 0.0)
    made: list[Copies] = []

    def copy() -> Copies:
        made.append(Copies())
        return made[-1]

    assert pool.result("gone", "ada", copy, in_folder=True) is None
    until(lambda: made and pool.is_idle)
    assert pool.result("other", "ada", copy, in_folder=True) is None
    until(lambda: made[0].is_closed, "the copies are closed")
    assert not pool.is_pending("gone")


def test_threat_45_a_leftover_that_cannot_be_removed_is_in_the_way_of_no_release(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Copies are made beside the submitters' folders; in a plain folder anybody can put something there, too."""
    with TwoPeople(tmp_path) as people:
        people.submit(name="Tides")
        job = people.owner_job("Tides")
        job.approve()
        JobRunner(people.owner.config, announce=None).process_approved_jobs(stream_output=False)
        stuck = people.location("Tides").parent.with_name(".0123456789abcdef.tmp") / "stuck"
        stuck.mkdir(parents=True)
        rmdir = os.rmdir

        def refuse(name: str, *, dir_fd: int | None = None) -> None:
            if name == "stuck":
                raise OSError(errno.EBUSY, os.strerror(errno.EBUSY), name)
            rmdir(name, dir_fd=dir_fd)

        with monkeypatch.context() as patch:
            patch.setattr(os, "rmdir", refuse)
            job.share_outputs([people.submitter_email])
        assert stuck.exists()
        assert len(people.submitters_job("Tides").output_paths) == 1
        job.share_logs([people.submitter_email])
        assert not stuck.exists()


def test_threat_33_stop_is_heard_while_files_without_content_are_copied(tmp_path: Path):
    """Copying checked for a stop at each chunk of content only: 10,000 empty files kept a runner for seconds."""
    with TwoPeople(tmp_path) as people:
        files = {f"f{number}.txt": "" for number in range(300)}
        people.submit_code(files | {"main.py": "print(1)\n"}, "Empty", entrypoint="main.py")
        people.owner_job("Empty").approve()
        stop = threading.Event()
        created = 0

        def note(what: str) -> None:
            nonlocal created
            if what.startswith("create f"):
                created += 1
                stop.set()

        with fs.hook_writes(note):
            JobRunner(people.owner.config, announce=None).run(stop)
        assert created < 10
        assert people.owner_job("Empty").status == "approved"
        JobRunner(people.owner.config, announce=None).run(once=True)
        assert people.owner_job("Empty").status == "done"
        assert litter(people) == []


def test_threat_45_the_names_of_what_is_left_out_do_not_fill_the_ledger(tmp_path: Path):
    """9,000 links below long names made one line of 158 MB in the ledger, written under the lock and read by all."""
    announced: list[str] = []
    with TwoPeople(tmp_path) as people:
        people.submit(
            "long=$(printf '\\001%.0s' {1..250})\n"
            "cd outputs; echo 1 > good.txt\n"
            "for level in 1 2 3 4 5 6; do mkdir $long; cd $long; done\n"
            "for number in $(seq 300); do ln -s x l$number; done\n",
            "Links",
        )
        people.owner_job("Links").approve(share_outputs=True)
        JobRunner(people.owner.config, announce=announced.append).process_approved_jobs(stream_output=False)
        assert people.owner_job("Links").status == "done"
        assert (people.owner.home.path / "ledger.jsonl").stat().st_size < 100_000
        assert sum(map(len, announced)) < 100_000
        assert any("and 206 more files and folders" in line for line in announced)
        assert [path.name for path in people.submitters_job("Links").output_paths] == ["good.txt"]


def test_threat_45_names_that_are_no_utf_8_keep_no_results_from_getting_home(tmp_path: Path):
    """Folders of such names, deeper than is walked, made each look at the attempt fail: it ran for ever."""
    with TwoPeople(tmp_path) as people:
        people.submit(
            "cd outputs; echo 1 > good.txt\nfor level in $(seq 70); do mkdir $'\\xff'; cd $'\\xff'; done\n", "Deep"
        )
        people.owner_job("Deep").approve(share_outputs=True)
        JobRunner(people.owner.config, announce=None).run(once=True)
        assert people.owner_job("Deep").status == "done"
        assert [path.name for path in people.submitters_job("Deep").output_paths] == ["good.txt"]


def test_threat_21_a_directory_that_is_renamed_meanwhile_keeps_rules_and_results_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """The results went into the directory that was checked, and their rules into what had its name a moment later."""
    with TwoPeople(tmp_path) as people:
        people.submit(name="Tides")
        job = people.owner_job("Tides")
        job.approve()
        JobRunner(people.owner.config, announce=None).process_approved_jobs(stream_output=False)
        location = people.location("Tides")
        moved = location.with_name("Moved")
        publish = release.publish

        def swap(*given: Any, **more: Any) -> None:
            location.rename(moved)
            shutil.copytree(moved, location)
            publish(*given, **more)

        monkeypatch.setattr(release, "publish", swap)
        with contextlib.suppress(SyftJobError):
            job.share_outputs(["bea@example.org"])
        monkeypatch.undo()
        assert (moved / "outputs").is_dir() == (moved / "syft.pub.yaml").exists()
        assert (location / "outputs").is_dir() == (location / "syft.pub.yaml").exists()
