"""Threats 33 (removal), 45, the runner's threads: what a job or a submitter makes large holds no lock and no runner.

Nothing here is timed. Whether a lock is held is asked from another process's point of view, at each change to the disk.
"""

from __future__ import annotations

import fcntl
import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from syft_job import fs
from syft_job.errors import StoreError
from syft_job.home.home import Home
from syft_job.job import JobInfo
from syft_job.model.states import JobState
from syft_job.runner import JobRunner
from syft_job.testing import TwoPeople
from tests.killing import litter
from tests.serving import until

MANY = 60


@pytest.fixture
def people(tmp_path: Path) -> Iterator[TwoPeople]:
    with TwoPeople(tmp_path, sandbox="bare") as both:
        yield both


def is_locked(home: Home) -> bool:
    """Whether any process holds the home's lock, as another process sees it."""
    descriptor = os.open(home.path / "home.lock", os.O_RDWR)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


@contextmanager
def noted(home: Home) -> Iterator[list[tuple[str, bool]]]:
    """Each change to the disk made inside, and whether the home's lock was held then."""
    seen: list[tuple[str, bool]] = []
    with fs.hook_writes(lambda what: seen.append((what, is_locked(home)))):
        yield seen


RESULT = re.compile(r"create r\d+\.csv")


def under_lock(seen: list[tuple[str, bool]]) -> list[str]:
    return [what for what, locked in seen if locked and RESULT.fullmatch(what)]


def copies(seen: list[tuple[str, bool]]) -> int:
    return sum(RESULT.fullmatch(what) is not None for what, _ in seen)


def done_with(people: TwoPeople, files: int, name: str = "Tides", *, share: bool = False) -> JobInfo:
    """A job that left so many small results; they are held."""
    people.submit(f"for i in $(seq {files}); do echo $i > outputs/r$i.csv; done\n", name)
    job = people.owner_job(name)
    job.approve(share_outputs=share, share_logs=share)
    JobRunner(people.owner.config, announce=None).process_approved_jobs(stream_output=False)
    assert job.status == "done"
    return job


def nested(base: Path, levels: int) -> None:
    """Folders in each other, deeper than a path can say."""
    descriptor = os.open(base, os.O_RDONLY)
    for _ in range(levels):
        os.mkdir("d" * 20, dir_fd=descriptor)
        inner = os.open("d" * 20, os.O_RDONLY, dir_fd=descriptor)
        os.close(descriptor)
        descriptor = inner
    os.close(os.open("leaf", os.O_CREAT | os.O_WRONLY, 0o600, dir_fd=descriptor))
    os.close(descriptor)


# Threat 45: results are copied outside the lock


def test_threat_45_many_small_results_are_collected_and_released_outside_the_lock(people):
    with noted(people.owner.home) as seen:
        done_with(people, MANY, share=True)
    assert copies(seen) == 2 * MANY, "once to the home, once into the folder"
    assert under_lock(seen) == []
    theirs = people.submitters_job("Tides")
    assert len(theirs.output_paths) == MANY
    assert theirs.verify().ok
    assert litter(people) == []


def test_threat_45_share_and_deposit_copy_outside_the_lock(people, tmp_path):
    shared = done_with(people, MANY)
    results = tmp_path / "results"
    results.mkdir()
    for number in range(MANY):
        (results / f"r{number}.csv").write_text("1\n")
    people.submit(name="Answered")
    answered = people.owner_job("Answered")
    with noted(people.owner.home) as seen:
        shared.share_outputs([people.submitter_email])
        answered.accept_by_depositing_result(results)
    assert copies(seen) == 3 * MANY
    assert under_lock(seen) == []
    assert len(people.submitters_job("Tides").output_paths) == MANY
    assert litter(people) == []


def test_threat_45_results_that_a_submitter_removed_are_put_back_outside_the_lock(people):
    """Otherwise a submitter chooses when the lock is held for long, and how often."""
    job = done_with(people, MANY, share=True)
    with noted(people.owner.home) as seen:
        (job.location / "shared").unlink()
        JobRunner(people.owner.config, announce=None).step([job.record.place])
        (job.location / "shared").unlink()
        people.owner_job("Tides").share_logs(["eve@example.org"])
    assert copies(seen) >= 2 * MANY
    assert under_lock(seen) == []
    assert people.submitters_job("Tides").verify().ok


def test_threat_45_copies_of_an_attempt_that_is_not_the_present_one_are_not_released(people):
    """While they are copied, the owner permits another attempt: that ends every grant."""
    job = done_with(people, MANY)
    is_rerun = threading.Event()

    def rerun(what: str) -> None:
        if what == "create r7.csv" and not is_rerun.is_set():
            is_rerun.set()
            people.owner_job("Tides").rerun()

    with fs.hook_writes(rerun), pytest.raises(ValueError, match="approved"):
        job.share_outputs([people.submitter_email])
    assert is_rerun.is_set()
    assert people.submitters_job("Tides").output_paths == []
    assert not (job.location / "outputs").exists()
    assert not (job.location / "shared").exists()
    assert litter(people) == []


@pytest.mark.parametrize("where", ["home", "folder"])
def test_threat_45_other_jobs_start_and_end_while_results_are_copied(people, where):
    """The copy of many results waits until another job, which was approved meanwhile, is done."""
    people.submit(f"for i in $(seq {MANY}); do echo $i > outputs/r$i.csv; done\n", "Many")
    many = people.owner_job("Many")
    many.approve(share_outputs=True)
    people.submit("echo 1 > outputs/quick.csv\n", "Quick")
    quick = people.owner_job("Quick")
    is_copied, may_go_on = threading.Event(), threading.Event()
    passes = {"home": 0, "folder": 1}

    def wait(what: str) -> None:
        if what == "create r7.csv":
            if passes[where] == 0:
                is_copied.set()
                assert may_go_on.wait(60)
            passes[where] -= 1

    stop = threading.Event()
    serving = JobRunner(people.owner.config, announce=None, poll_interval=0.2, max_parallel=1)
    thread = threading.Thread(target=serving.run, args=(stop,))
    with fs.hook_writes(wait):
        thread.start()
        try:
            assert is_copied.wait(60)
            quick.approve(share_outputs=True)
            until(lambda: len(people.submitters_job("Quick").output_paths) == 1)
            assert len(people.submitters_job("Many").output_paths) == 0
            may_go_on.set()
            until(lambda: len(people.submitters_job("Many").output_paths) == MANY)
        finally:
            may_go_on.set()
            stop.set()
            thread.join(60)
    assert not thread.is_alive()
    assert people.submitters_job("Many").verify().ok
    assert litter(people) == []


def test_threat_45_a_sparse_result_counts_with_its_apparent_size(people):
    """What takes no room in the workspace would fill the disk when it is copied."""
    people.submit("truncate -s 3G outputs/a.bin\necho 1 > outputs/b.csv\n", "Sparse")
    job = people.owner_job("Sparse")
    job.approve(share_outputs=True)
    said: list[str] = []
    JobRunner(people.owner.config, announce=said.append).process_approved_jobs()
    assert job.status == "done"
    assert [path.name for path in people.submitters_job("Sparse").output_paths] == ["b.csv"]
    assert any("left out" in line and "'a.bin' is 3221225472 bytes long" in line for line in said)


def test_threat_45_a_sparse_result_does_not_escape_disk_bytes(tmp_path):
    """Both while it runs, by the supervisor, and when it is collected."""
    with TwoPeople(tmp_path, sandbox="bare", disk_bytes=8 << 20) as people:
        people.submit("truncate -s 100M outputs/a.bin\nsleep 100\n", "Long")
        people.submit("truncate -s 100M outputs/a.bin\necho 1 > outputs/b.csv\n", "Short")
        for name in ("Long", "Short"):
            people.owner_job(name).approve(share_outputs=True, share_logs=True)
        JobRunner(people.owner.config, announce=None).process_approved_jobs()
        ended = people.owner_job("Long")
        assert ended.state is JobState.FAILED
        assert "held more than" in str(ended.stderr)
        assert [path.name for path in people.submitters_job("Short").output_paths] == ["b.csv"]


# Threat 33: what is large is removed outside the lock


def test_threat_33_a_wide_tree_is_removed_outside_the_lock(people):
    """`clean` of what a submitter laid in the folder, and of what the job left at home."""
    job = done_with(people, MANY)
    for number in range(MANY):
        (job.location / "litter" / str(number)).mkdir(parents=True)
    with noted(people.owner.home) as seen:
        held: list[bool] = []
        with removals_noted(people.owner.home, held):
            job.clean()
    assert len(held) > 2 * MANY
    assert not any(held)
    assert seen
    assert not job.location.exists()
    assert list((people.owner.home.paths.held_results).iterdir()) == []
    assert litter(people) == []


@contextmanager
def removals_noted(home: Home, held: list[bool]) -> Iterator[None]:
    """Note at each file and folder that is removed whether the home's lock is held."""
    unlink, rmdir = os.unlink, os.rmdir

    def noting(act: Callable[..., None]) -> Callable[..., None]:
        def noted_act(path: str, *, dir_fd: int | None = None) -> None:
            if not str(path).endswith(("shared", "syft.pub.yaml", "config.yaml", "Tides")):
                held.append(is_locked(home))
            act(path, dir_fd=dir_fd)

        return noted_act

    os.unlink, os.rmdir = noting(unlink), noting(rmdir)
    try:
        yield
    finally:
        os.unlink, os.rmdir = unlink, rmdir


@pytest.mark.parametrize(
    "name", ["outputs", "done", "shared", "syft.pub.yaml", ".0123456789abcdef.tmp", "attempts/1.json"]
)
def test_threat_33_what_a_submitter_laid_in_the_way_is_removed_outside_the_lock(people, name):
    """A folder in the place of whatever the owner writes or takes away, as a rerun does."""
    job = done_with(people, 1, share=True)
    path = job.location / name
    if path.is_file():
        path.unlink()
    for number in range(MANY):
        (path / "in the way" / str(number)).mkdir(parents=True)
    held: list[bool] = []
    with removals_noted(people.owner.home, held):
        people.owner_job("Tides").rerun()
        JobRunner(people.owner.config, announce=None).process_approved_jobs(stream_output=False)
    assert len(held) >= MANY
    assert sum(held) < 30, "single files of ours"
    assert people.owner_job("Tides").status == "done"
    assert litter(people) == []


def test_threat_33_deeply_nested_folders_are_removed(people):
    """Deeper than Python's recursion, deeper than any path; in the folder and in a workspace."""
    people.submit("mkdir -p outputs/$(printf 'd/%.0s' $(seq 1200))\n", "Deep")
    job = people.owner_job("Deep")
    job.approve()
    JobRunner(people.owner.config, announce=None).process_approved_jobs(stream_output=False)
    assert job.status == "done"
    assert list(people.owner.home.workspaces.iterdir()) == []
    nested(job.location, 2000)
    job.clean()
    assert not job.location.exists()
    assert litter(people) == []


def test_threat_33_few_descriptors_are_open_while_a_deep_tree_is_removed(tmp_path, monkeypatch):
    (tmp_path / "deep").mkdir()
    nested(tmp_path / "deep", 500)
    most = 0
    rmdir = os.rmdir

    def counting(path: str, *, dir_fd: int | None = None) -> None:
        nonlocal most
        most = max(most, len(os.listdir("/proc/self/fd")))
        rmdir(path, dir_fd=dir_fd)

    before = len(os.listdir("/proc/self/fd"))
    with monkeypatch.context() as patch, fs.open_directory(tmp_path) as opened:
        patch.setattr(os, "rmdir", counting)
        fs.remove(opened, "deep")
    assert most - before < 100
    assert list(tmp_path.iterdir()) == []


def test_threat_33_removal_follows_no_link_and_survives_changes(tmp_path, monkeypatch):
    """While a tree is removed, a submitter replaces folders in it by links, and adds what was not there."""
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "file").write_text("1")
    tree = tmp_path / "tree"
    for number in range(5):
        (tree / f"d{number}").mkdir(parents=True)
        (tree / f"d{number}" / "x").touch()
    opening = os.open
    count = 0

    def changing(path, flags, mode=0o777, *, dir_fd=None):
        nonlocal count
        if dir_fd is not None and str(path).startswith("d") and count < 3:
            count += 1
            (tree / str(path) / "x").unlink(missing_ok=True)
            (tree / str(path)).rmdir()
            (tree / str(path)).symlink_to(precious)
            (tree / f"late{count}").mkdir()
        return opening(path, flags, mode, dir_fd=dir_fd)

    with monkeypatch.context() as patch, fs.open_directory(tmp_path) as opened:
        patch.setattr(os, "open", changing)
        fs.remove(opened, "tree")
    assert count == 3
    assert not tree.exists()
    assert (precious / "file").read_text() == "1"


def test_threat_33_a_tree_that_grows_for_ever_ends_in_an_error(tmp_path, monkeypatch):
    (tmp_path / "tree" / "a").mkdir(parents=True)
    rmdir = os.rmdir

    def growing(path: str, *, dir_fd: int | None = None) -> None:
        if str(path) == "a":
            (tmp_path / "tree" / "a" / "more").touch()
        rmdir(path, dir_fd=dir_fd)

    with monkeypatch.context() as patch, fs.open_directory(tmp_path) as opened:
        patch.setattr(os, "rmdir", growing)
        with pytest.raises(StoreError, match="added to it"):
            fs.remove(opened, "tree")


# The runner


def test_threat_33_sigterm_is_heard_while_a_large_result_is_copied(people, tmp_path):
    """The runner ends, the copy is given up, and the next runner brings everything to its end."""
    people.submit("head -c 150M /dev/zero > outputs/a.bin\n", "Large")
    job = people.owner_job("Large")
    job.approve(share_outputs=True)
    program = (
        "import os, signal, sys, threading\n"
        "from syft_job import fs\n"
        "from syft_job.runner import create_runner\n"
        "stop = threading.Event()\n"
        "signal.signal(signal.SIGTERM, lambda *_: stop.set())\n"
        "serving = create_runner(sys.argv[1], sys.argv[2], 0.2, sandbox='bare')\n"
        "serving.announce = None\n"
        "def before(what):\n"
        "    if what == 'create a.bin':\n"
        "        os.kill(os.getpid(), signal.SIGTERM)\n"
        "with fs.hook_writes(before):\n"
        "    serving.run(stop)\n"
        "print('ended')\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program, str(people.root), people.owner_email],
        stdout=subprocess.PIPE,
        timeout=60,
        check=True,
    )
    assert ended.stdout == b"ended\n"
    people.owner.home.ledger.refresh()
    assert people.owner.home.ledger.unfinished() == [(job.id, 1)], "it was not copied to the end first"
    JobRunner(people.owner.config, announce=None).run(once=True)
    assert job.state is JobState.SUCCEEDED
    assert [path.stat().st_size for path in people.submitters_job("Large").output_paths] == [150 << 20]
    assert litter(people) == []


def test_threat_33_stop_is_heard_while_a_job_is_hashed(people):
    """The check of a large submission is interrupted between two pieces."""
    people.submit_code({"main.py": "pass\n", "data.bin": b"x" * (64 << 20)}, "Large")
    job = people.owner_job("Large")
    job.approve()
    stop = threading.Event()
    serving = JobRunner(people.owner.config, announce=None)
    with fs.hook_writes(lambda what: stop.set() if what == "create data.bin" else None):
        serving.run(stop)
    assert stop.is_set()
    people.owner.home.ledger.refresh()
    assert people.owner.home.ledger.unfinished() == [], "it did not start"
    assert job.status == "approved"
    people.owner.home.pause()
    JobRunner(people.owner.config, announce=None).step()  # which removes what the stopped one had no time to remove
    assert litter(people) == []


def test_stop_is_heard_while_another_process_holds_the_homes_lock(people):
    """A verb that a folder holds up may hold the lock for as long as it likes."""
    people.submit(name="Tides")
    people.owner_job("Tides").approve()
    stop = threading.Event()
    serving = JobRunner(people.owner.config, announce=None)
    descriptor = os.open(people.owner.home.path / "home.lock", os.O_RDWR)
    thread = threading.Thread(target=serving.run, args=(stop,))
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        thread.start()
        stop.set()
        thread.join(20)  # the lock would be waited for for 30 s
        assert not thread.is_alive()
    finally:
        os.close(descriptor)
        thread.join()


def test_process_approved_jobs_honours_pause(people):
    people.submit(name="Tides")
    job = people.owner_job("Tides")
    job.approve()
    for who in ("*", people.submitter_email):
        people.owner.home.pause(who)
        said: list[str] = []
        assert JobRunner(people.owner.config, announce=said.append).process_approved_jobs() == []
        assert job.status == "approved"
        assert any("paused" in line and "Tides" in line for line in said)
        people.owner.home.resume()
    people.owner.home.pause("eve@example.org")
    assert [record.name for record in JobRunner(people.owner.config, announce=None).process_approved_jobs()] == [
        "Tides"
    ]


def test_threads_of_one_process_exclude_each_other_from_the_first_lock_on(people):
    """The lock object is made by whichever thread comes first, and all of them use the same one."""
    home = Home(people.owner.home.path, people.root, people.owner_email)
    inside, most = 0, 0
    start = threading.Barrier(8)

    def enter() -> None:
        nonlocal inside, most
        start.wait()
        for _ in range(20):
            with home.locked():
                inside += 1
                most = max(most, inside)
                inside -= 1

    threads = [threading.Thread(target=enter) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1
    assert not is_locked(home)
