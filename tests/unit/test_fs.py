"""Race-free file access: bounded reads, atomic writes, removal that follows no link."""

from __future__ import annotations

import errno
import hashlib
import os
import resource
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from syft_job import fs
from syft_job.errors import StoreError, UnreadableJob
from syft_job.testing import TwoPeople


@pytest.fixture
def dir_fd(tmp_path: Path) -> Iterator[int]:
    with fs.open_directory(tmp_path) as opened:
        yield opened


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MiB; only root can mount one."""
    mount_point = tmp_path / "small"
    mount_point.mkdir()
    if os.geteuid() != 0:
        pytest.skip("only root mounts")
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(mount_point)], check=False, capture_output=True
    )
    if mounted.returncode:
        pytest.skip(f"cannot mount here: {mounted.stderr.decode()}")
    yield mount_point
    subprocess.run(["umount", str(mount_point)], check=True)


def make_irregular_entries(directory: Path) -> list[str]:
    (directory / "link").symlink_to("/etc/passwd")
    (directory / "dangling").symlink_to("nowhere")
    (directory / "loop").symlink_to("loop")
    os.mkfifo(directory / "fifo")
    (directory / "folder").mkdir()
    return ["link", "dangling", "loop", "fifo", "folder"]


def test_only_regular_files_are_read_and_nothing_blocks(tmp_path: Path, dir_fd: int):
    for name in make_irregular_entries(tmp_path):
        with pytest.raises(UnreadableJob):
            fs.read_file(dir_fd, name, limit=100)
        with pytest.raises(UnreadableJob):
            fs.hash_file(dir_fd, name, max_bytes=100)
        with pytest.raises(UnreadableJob):
            fs.copy_file(dir_fd, name, dir_fd, "copy", max_bytes=100)
        assert not (tmp_path / "copy").exists()
    assert fs.read_file(dir_fd, "nothing", limit=100) is None
    for act in (
        lambda: fs.hash_file(dir_fd, "nothing", max_bytes=1),
        lambda: fs.copy_file(dir_fd, "nothing", dir_fd, "x", max_bytes=1),
    ):
        with pytest.raises(FileNotFoundError):
            act()


def test_a_file_is_read_up_to_its_limit(tmp_path: Path, dir_fd: int):
    (tmp_path / "file").write_bytes(b"12345")
    assert fs.read_file(dir_fd, "file", limit=5) == b"12345"
    with pytest.raises(UnreadableJob, match="5 bytes long; at most 4"):
        fs.read_file(dir_fd, "file", limit=4)
    assert fs.hash_file(dir_fd, "file", max_bytes=5).size == 5
    with pytest.raises(UnreadableJob):
        fs.hash_file(dir_fd, "file", max_bytes=4)


def test_a_huge_sparse_file_is_refused_by_its_size_before_it_is_read(tmp_path: Path):
    with (tmp_path / "sparse").open("wb") as file:
        file.truncate(1 << 40)
    program = (
        "import resource, sys; from pathlib import Path; from syft_job import fs\n"
        "from syft_job.errors import UnreadableJob\n"
        "resource.setrlimit(resource.RLIMIT_CPU, (2, 2))\n"
        "with fs.open_directory(Path(sys.argv[1])) as dir_fd:\n"
        "    for act in (lambda: fs.read_file(dir_fd, 'sparse', limit=1 << 36),\n"
        "                lambda: fs.hash_file(dir_fd, 'sparse', max_bytes=1 << 36)):\n"
        "        try: act()\n"
        "        except UnreadableJob: continue\n"
        "        sys.exit(1)\n"
    )
    assert subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=False).returncode == 0


def test_no_link_is_followed_on_the_way(tmp_path: Path):
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "link").symlink_to("a")
    (tmp_path / "a" / "file").touch()
    with fs.open_directory(tmp_path, "a", "b") as opened:
        assert os.listdir(opened) == []
    for parts in (("link",), ("link", "b"), ("a", "file")):
        for create in (False, True):
            with pytest.raises(UnreadableJob), fs.open_directory(tmp_path, *parts, create=create):
                pass
    with pytest.raises(FileNotFoundError), fs.open_directory(tmp_path, "none", "x"):
        pass
    with fs.open_directory(tmp_path, "none", "x", create=True):
        assert (tmp_path / "none" / "x").is_dir()


def test_no_descriptor_is_left_open(tmp_path: Path):
    make_irregular_entries(tmp_path)
    (tmp_path / "file").write_bytes(b"1")
    before = os.listdir("/proc/self/fd")
    with fs.open_directory(tmp_path) as dir_fd:
        for name in ("link", "fifo", "folder", "file", "none"):
            for act in (
                lambda name=name: fs.read_file(dir_fd, name, limit=0),
                lambda name=name: fs.hash_file(dir_fd, name, max_bytes=0),
                lambda name=name: fs.copy_file(dir_fd, name, dir_fd, "file", max_bytes=9),
            ):
                try:
                    act()
                except (UnreadableJob, StoreError, FileNotFoundError):
                    continue
        list(fs.walk(dir_fd, max_entries=100))
    assert os.listdir("/proc/self/fd") == before


def test_walk_yields_links_and_follows_none(tmp_path: Path, dir_fd: int):
    make_irregular_entries(tmp_path)
    (tmp_path / "folder" / "inner").mkdir()
    (tmp_path / "folder" / "file").write_bytes(b"1")
    (tmp_path / "folder" / "up").symlink_to("..")
    found = {entry.path: (entry.is_file, entry.is_dir) for entry in fs.walk(dir_fd, max_entries=100)}
    assert found == {
        "dangling": (False, False),
        "fifo": (False, False),
        "folder": (False, True),
        "folder/file": (True, False),
        "folder/inner": (False, True),
        "folder/up": (False, False),
        "link": (False, False),
        "loop": (False, False),
    }
    with pytest.raises(UnreadableJob, match="more than 7"):
        list(fs.walk(dir_fd, max_entries=7))


def test_walk_is_bounded_in_depth(tmp_path: Path, dir_fd: int):
    (tmp_path / "/".join("d" * 70)).mkdir(parents=True)
    with pytest.raises(UnreadableJob, match="deeper than 64"):
        list(fs.walk(dir_fd, max_entries=1000))


def test_write_file_is_atomic_and_leaves_no_temporary_file(tmp_path: Path, dir_fd: int):
    fs.write_file(dir_fd, "file", b"one")
    fs.write_file(dir_fd, "file", b"two", mode=0o600)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert (tmp_path / "file").read_bytes() == b"two"
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o600


def test_write_file_replaces_a_link_and_not_its_target(tmp_path: Path, dir_fd: int):
    (tmp_path / "outside").write_bytes(b"untouched")
    (tmp_path / "file").symlink_to("outside")
    fs.write_file(dir_fd, "file", b"new")
    assert (tmp_path / "outside").read_bytes() == b"untouched"
    assert not (tmp_path / "file").is_symlink()


def test_write_file_over_a_directory_fails_and_leaves_no_temporary_file(tmp_path: Path, dir_fd: int):
    (tmp_path / "file" / "inner").mkdir(parents=True)
    with pytest.raises(StoreError):
        fs.write_file(dir_fd, "file", b"new")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_create_file_never_replaces(tmp_path: Path, dir_fd: int):
    fs.create_file(dir_fd, "file", b"one", mode=0o755)
    with pytest.raises(FileExistsError):
        fs.create_file(dir_fd, "file", b"two")
    (tmp_path / "link").symlink_to("elsewhere")
    with pytest.raises(FileExistsError):
        fs.create_file(dir_fd, "link", b"two")
    assert not (tmp_path / "elsewhere").exists()
    assert os.access(tmp_path / "file", os.X_OK)


@pytest.mark.parametrize("size", [0, 1, 3 << 20, (37 << 20) + 5])
@pytest.mark.parametrize("private", [False, True])
def test_copy_file_hashes_what_it_wrote(tmp_path: Path, dir_fd: int, size: int, private: bool):
    content = os.urandom(size)
    (tmp_path / "file").write_bytes(content)
    copied = fs.copy_file(dir_fd, "file", dir_fd, "copy", max_bytes=size, private=private)
    assert copied == (size, hashlib.sha256(content).hexdigest())
    assert (tmp_path / "copy").read_bytes() == content
    assert fs.hash_file(dir_fd, "copy", max_bytes=size) == copied
    with pytest.raises((StoreError, FileExistsError)):
        fs.copy_file(dir_fd, "file", dir_fd, "copy", max_bytes=size, private=private)


@pytest.mark.parametrize("copied_before", [0, 2])
def test_copy_file_copies_what_the_kernel_does_not(tmp_path: Path, dir_fd: int, monkeypatch, copied_before: int):
    content = os.urandom(37 << 20)
    (tmp_path / "file").write_bytes(content)
    by_kernel, calls = os.copy_file_range, []

    def copy_file_range(*arguments: int) -> int:
        calls.append(arguments)
        if len(calls) > copied_before:
            raise OSError(errno.EXDEV, "not between these two")
        return by_kernel(*arguments)

    monkeypatch.setattr(os, "copy_file_range", copy_file_range)
    copied = fs.copy_file(dir_fd, "file", dir_fd, "copy", max_bytes=len(content), private=True)
    assert copied == (len(content), hashlib.sha256(content).hexdigest())
    assert (tmp_path / "copy").read_bytes() == content


@pytest.mark.parametrize("private", [False, True])
def test_copy_file_fails_on_a_full_disk(tmp_path: Path, dir_fd: int, monkeypatch, private: bool):
    (tmp_path / "file").write_bytes(bytes(9 << 20))

    def no_room(*arguments: object) -> int:
        raise OSError(errno.ENOSPC, "no room")

    monkeypatch.setattr(os, "copy_file_range", no_room)
    monkeypatch.setattr(os, "write", no_room)
    with pytest.raises(StoreError, match="full"):
        fs.copy_file(dir_fd, "file", dir_fd, "copy", max_bytes=9 << 20, private=private)


def test_remove_removes_an_entry_of_any_type_and_follows_no_link(tmp_path: Path, dir_fd: int):
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "file").touch()
    (tmp_path / "tree" / "deep").mkdir(parents=True)
    (tmp_path / "tree" / "link").symlink_to("../kept")
    (tmp_path / "link").symlink_to("kept")
    os.mkfifo(tmp_path / "fifo")
    for name in ("tree", "link", "fifo"):
        assert fs.remove(dir_fd, name)
    assert not fs.remove(dir_fd, "nothing")
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]
    assert (tmp_path / "kept" / "file").exists()


def test_append_line_adds_one_line_and_cuts_off_an_incomplete_one(tmp_path: Path):
    path = tmp_path / "ledger"
    assert fs.append_line(path, b"one\n") == 0
    assert fs.append_line(path, b"two\n") == 4
    with path.open("ab") as file:
        file.write(b"x" * 200_000)
    assert fs.append_line(path, b"three\n") == 8
    assert path.read_bytes() == b"one\ntwo\nthree\n"
    (tmp_path / "link").symlink_to("elsewhere")
    with pytest.raises(StoreError):
        fs.append_line(tmp_path / "link", b"x\n")
    assert not (tmp_path / "elsewhere").exists()


def test_the_write_hook_is_called_before_every_change(tmp_path: Path, dir_fd: int):
    counted: list[str] = []

    def count(what: str) -> None:
        counted.append(what)

    (tmp_path / "source").write_bytes(b"1")
    with fs.hook_writes(count):
        fs.write_file(dir_fd, "a", b"1")
        fs.create_file(dir_fd, "b", b"1")
        fs.copy_file(dir_fd, "source", dir_fd, "c", max_bytes=1)
        fs.append_line(tmp_path / "d", b"1\n")
        fs.make_directory(tmp_path / "e")
        fs.make_new_directory(dir_fd, "f")
        fs.rename(dir_fd, "f", dir_fd, "g")
        fs.remove(dir_fd, "g")
        fs.remove(dir_fd, "nothing")
        with fs.open_directory(dir_fd, "h", create=True):
            pass
        fs.read_file(dir_fd, "a", limit=1)
    assert counted == [
        "create a", "rename a", "create b", "create c", "append d", "mkdir e", "mkdir f", "rename g", "remove g",
        "mkdir h",
    ]  # fmt: skip
    fs.write_file(dir_fd, "a", b"2")
    assert len(counted) == 10


def test_a_full_disk_is_a_store_error_and_leaves_nothing_incomplete(small_disk: Path):
    with fs.open_directory(small_disk) as dir_fd:
        fs.write_file(dir_fd, "kept", b"old")
        with pytest.raises(StoreError, match="disk is full") as error:
            fs.write_file(dir_fd, "kept", b"x" * (2 << 20))
        assert error.value.context["errno"] == errno.ENOSPC
        assert [path.name for path in small_disk.iterdir()] == ["kept"]
        assert (small_disk / "kept").read_bytes() == b"old"
        fs.append_line(small_disk / "ledger", b"one\n")
        with pytest.raises(StoreError):
            fs.append_line(small_disk / "ledger", b"x" * (2 << 20) + b"\n")
        assert (small_disk / "ledger").read_bytes() == b"one\n"
        with pytest.raises(StoreError):
            fs.create_file(dir_fd, "new", b"x" * (2 << 20))


def test_a_full_disk_refuses_a_whole_submission(small_disk: Path, tmp_path: Path):
    with TwoPeople(tmp_path / "people") as people:
        from syft_job import get_client

        (small_disk / people.owner_email).mkdir()
        client = get_client(small_disk, people.submitter_email)
        with pytest.raises(StoreError):
            client.submit_bash_job(people.owner_email, "x" * (2 << 20), "N")
        assert list((small_disk / people.owner_email / "app_data" / "job" / people.submitter_email).iterdir()) == []


def test_a_full_disk_during_sharing_leaves_nothing_incomplete(small_disk: Path, tmp_path: Path):
    from syft_job import get_client
    from syft_job.exchange import transitions

    with TwoPeople(tmp_path / "people") as people:
        for person in (people.owner_email, people.submitter_email):
            (small_disk / person).mkdir()
        owner = get_client(small_disk, people.owner_email)
        owner.announce = None
        owner.setup_ds_job_folder_as_do(people.submitter_email)
        get_client(small_disk, people.submitter_email).submit_bash_job(people.owner_email, "true\n", "N")
        job = owner.jobs["N"]
        job.approve()
        transitions.start(owner.participant, people.place("N"), job.id, job.digest, offered=transitions.BUBBLEWRAP)
        held = owner.home.attempt_paths(job.id, 1).results
        for name in ("outputs/r.csv", "logs/stdout.txt"):
            (held / name).parent.mkdir(parents=True)
            (held / name).write_bytes(b"x" * (2 << 20))
        transitions.finish(owner.participant, people.place("N"), job.id, 1, "succeeded", digest=job.digest)
        before = sorted(path.name for path in job.location.iterdir())
        for share in (job.share_outputs, job.share_logs):
            with pytest.raises(StoreError):
                share([people.submitter_email])
            assert sorted(path.name for path in job.location.iterdir()) == before


def test_a_read_only_folder_is_a_store_error(tmp_path: Path, small_disk: Path):
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    with fs.open_directory(small_disk) as dir_fd, pytest.raises(StoreError, match="read-only"):
        fs.write_file(dir_fd, "a", b"1")


def test_too_many_open_files_is_a_store_error_and_no_broken_job(tmp_path: Path):
    (tmp_path / "file").write_bytes(b"1")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with fs.open_directory(tmp_path) as dir_fd:
        resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
        try:
            with pytest.raises(StoreError):
                fs.read_file(dir_fd, "file", limit=10)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
