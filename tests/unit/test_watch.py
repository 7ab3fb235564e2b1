"""File events are hints: they wake a loop, and without them a sweep is due after each interval."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from syft_job.fs.watch import Watch

LONG_INTERVAL_S = 15.0


@pytest.fixture
def watch() -> Iterator[Watch]:
    with Watch(LONG_INTERVAL_S) as running:
        assert running.begin_sweep_if_due(), "the first one is due at once"
        yield running


def wait_for(watch: Watch, name: str) -> set[str]:
    """Return the names that changed, once ``name`` is among them; the test's time limit ends an endless wait."""
    seen: set[str] = set()
    never = threading.Event()
    while name not in seen:
        watch.wait(never)
        assert not watch.begin_sweep_if_due(), f"no event for {name} before the next sweep"
        seen |= {path.name for path in watch.pop_changes()}
    return seen


def test_a_written_file_is_reported(watch, tmp_path):
    watch.watch_only(dict.fromkeys([tmp_path]))
    (tmp_path / "config.yaml").write_text("{}")
    wait_for(watch, "config.yaml")


def test_a_rename_names_both_ends(watch, tmp_path):
    (tmp_path / ".syncthing.run.sh.tmp").write_text("x")
    watch.watch_only(dict.fromkeys([tmp_path]))
    (tmp_path / ".syncthing.run.sh.tmp").rename(tmp_path / "run.sh")
    wait_for(watch, "run.sh")


def test_a_removal_is_reported(watch, tmp_path):
    (tmp_path / "approved").write_text("x")
    watch.watch_only(dict.fromkeys([tmp_path]))
    (tmp_path / "approved").unlink()
    wait_for(watch, "approved")


def test_reading_is_not_reported(watch, tmp_path):
    (tmp_path / "quiet").write_text("x")
    watch.watch_only(dict.fromkeys([tmp_path]))
    (tmp_path / "quiet").read_text()
    list(tmp_path.iterdir())
    (tmp_path / "loud").write_text("x")
    assert "quiet" not in wait_for(watch, "loud")


def test_a_change_is_returned_once(watch, tmp_path):
    watch.watch_only(dict.fromkeys([tmp_path]))
    watch.record_change(tmp_path / "one")
    assert watch.pop_changes() == {tmp_path / "one"}
    assert watch.pop_changes() == set()


def test_a_directory_that_is_not_watched_any_more_is_not_reported(watch, tmp_path):
    old, new = tmp_path / "old", tmp_path / "new"
    old.mkdir()
    new.mkdir()
    watch.watch_only(dict.fromkeys([old]))
    watch.watch_only(dict.fromkeys([new]))
    (old / "late").write_text("x")
    (new / "mark").write_text("x")
    assert "late" not in wait_for(watch, "mark")


def test_a_missing_directory_is_no_error_and_is_watched_once_it_exists(watch, tmp_path):
    late = tmp_path / "late"
    watch.watch_only(dict.fromkeys([tmp_path, late]))
    assert not watch.is_blind, "a missing directory is not an unwatched one"
    late.mkdir()
    watch.watch_only(dict.fromkeys([tmp_path, late]))
    (late / "inside").write_text("x")
    wait_for(watch, "inside")


def test_a_directory_that_was_removed_and_recreated_is_watched_again(watch, tmp_path):
    """A submitter's directory that a sync tool recreates must be watched again (threats 25, 27)."""
    inner = tmp_path / "inner"
    inner.mkdir()
    watch.watch_only(dict.fromkeys([tmp_path, inner]))
    inner.rmdir()
    wait_for(watch, "inner")
    watch.watch_only(dict.fromkeys([tmp_path, inner]))
    inner.mkdir()
    wait_for(watch, "inner")
    watch.watch_only(dict.fromkeys([tmp_path, inner]))
    (inner / "inside").write_text("x")
    wait_for(watch, "inside")


def test_without_events_a_sweep_is_due():
    with Watch(0.05) as watch:
        assert watch.begin_sweep_if_due()
        watch.wait(threading.Event())
        assert watch.begin_sweep_if_due()


def test_a_sweep_forgets_changes_because_it_covers_everything():
    with Watch(0.01) as watch:
        assert watch.begin_sweep_if_due()
        watch.wait(threading.Event())
        watch.record_change(Path("/somewhere"))
        assert watch.begin_sweep_if_due()
        assert watch.pop_changes() == set()


def test_stop_ends_the_wait_long_before_the_sweep(watch):
    stop = threading.Event()
    threading.Timer(0.1, stop.set).start()
    watch.wait(stop)  # long before the sweep: the test's own limit would end an endless wait
    assert stop.is_set()
    assert not watch.begin_sweep_if_due()


def test_more_directories_than_the_limit_are_left_to_the_sweep(tmp_path, monkeypatch):
    monkeypatch.setattr("syft_job.fs.watch.MAX_WATCHES", 2)
    folders = [tmp_path / str(number) for number in range(4)]
    for folder in folders:
        folder.mkdir()
    with Watch(LONG_INTERVAL_S) as watch:
        watch.watch_only(dict.fromkeys(folders))
        assert watch.is_blind, "doctor reports it"
