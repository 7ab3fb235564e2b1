"""Which paths other users could replace: owners, modes, groups, access control lists and links (threat 39)."""

from __future__ import annotations

import errno
import grp
import os
import pwd
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest

from syft_job import fs
from syft_job.errors import StoreError
from syft_job.fs import ownership

USER, GROUP = os.geteuid(), 7777
as_root = pytest.mark.skipif(USER != 0, reason="only root can give directories to others")


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> Iterator[SimpleNamespace]:
    """A user database in which the group 7777 is this user's private group; tests change it before the check."""
    me = SimpleNamespace(pw_name="ada", pw_uid=USER, pw_gid=GROUP)
    database = SimpleNamespace(users=[me], group=SimpleNamespace(gr_name="ada", gr_gid=GROUP, gr_mem=[]))

    monkeypatch.setattr(pwd, "getpwuid", lambda uid: next(user for user in database.users if user.pw_uid == uid))
    monkeypatch.setattr(pwd, "getpwall", lambda: database.users)
    monkeypatch.setattr(grp, "getgrgid", lambda _: database.group)
    ownership._is_private_group.cache_clear()
    yield database
    ownership._is_private_group.cache_clear()


@pytest.fixture
def group_writable(tmp_path: Path) -> Path:
    path = tmp_path / "inner"
    path.mkdir()
    if USER == 0:
        os.chown(path, 0, GROUP)
    path.chmod(0o775)
    return path


@as_root
def test_the_users_own_group_may_write(known: SimpleNamespace, group_writable: Path):
    assert fs.find_unsafe(group_writable / "home") is None


@as_root
@pytest.mark.parametrize("why", ["another member", "another's primary group", "another name", "not the primary group"])
def test_a_group_with_others_in_it_may_not_write(known: SimpleNamespace, group_writable: Path, why: str):
    if why == "another member":
        known.group.gr_mem = ["ada", "eve"]
    elif why == "another's primary group":
        known.users.append(SimpleNamespace(pw_name="eve", pw_uid=4321, pw_gid=GROUP))
    elif why == "another name":
        known.group.gr_name = "users"
    else:
        known.users[0].pw_gid = 100
    found = fs.find_unsafe(group_writable / "home")
    assert found is not None
    assert found.path == str(group_writable)
    assert "can be written by the group" in found.reason
    assert found.remedy == f"Run: chmod g-w {group_writable}"


@as_root
def test_an_access_control_list_counts_as_writable_by_others(known: SimpleNamespace, group_writable: Path):
    entries = [
        (0x01, 7, 0xFFFFFFFF),
        (0x02, 7, 4321),
        (0x04, 5, 0xFFFFFFFF),
        (0x10, 7, 0xFFFFFFFF),
        (0x20, 5, 0xFFFFFFFF),
    ]
    data = struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)
    try:
        os.setxattr(group_writable, "system.posix_acl_access", data)
    except OSError as error:
        pytest.skip(f"this file system has no access control lists: {error}")
    found = fs.find_unsafe(group_writable)
    assert found is not None
    assert "access control list" in found.reason
    assert "setfacl -b" in found.remedy


@pytest.mark.parametrize("last", [True, False])
def test_writable_by_everyone_is_refused_wherever_it_is(tmp_path: Path, last: bool):
    (tmp_path / "a b" / "home").mkdir(parents=True)
    wrong = tmp_path / "a b" / "home" if last else tmp_path / "a b"
    wrong.chmod(0o777)
    found = fs.find_unsafe(tmp_path / "a b" / "home")
    assert found is not None
    assert found.path == str(wrong)
    assert found.remedy == f"Run: chmod go-w '{wrong}'"
    with pytest.raises(StoreError, match=r"The thing .*chmod go-w .* with SOME_VARIABLE"):
        fs.require_safe(tmp_path / "a b" / "home", "the thing", setting="SOME_VARIABLE")


def test_missing_components_are_accepted(tmp_path: Path):
    assert fs.find_unsafe(tmp_path / "a" / "b" / "c") is None


def test_links_are_resolved_one_by_one(tmp_path: Path):
    (tmp_path / "real" / "inner").mkdir(parents=True)
    (tmp_path / "link").symlink_to("real/../real/./inner")
    (tmp_path / "absolute").symlink_to(tmp_path / "link")
    assert fs.find_unsafe(tmp_path / "absolute" / "home") is None
    (tmp_path / "real").chmod(0o777)
    for name in ("link", "absolute"):
        found = fs.find_unsafe(tmp_path / name / "home")
        assert found is not None
        assert found.path == str(tmp_path / "real")


def test_a_loop_of_links_and_a_file_on_the_way_are_errors(tmp_path: Path):
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="more than 40 symbolic links"):
        fs.find_unsafe(tmp_path / "loop" / "home")
    with pytest.raises(StoreError, match="not a directory"):
        fs.find_unsafe(tmp_path / "file" / "home")


@as_root
@pytest.mark.parametrize("owner", [0, 4321])
def test_below_a_sticky_directory_only_the_users_own_passes(tmp_path: Path, owner: int):
    sticky = tmp_path / "sticky"
    (sticky / "own").mkdir(parents=True)
    sticky.chmod(0o1777)
    os.chown(sticky / "own", owner, owner)
    found = fs.find_unsafe(sticky / "own" / "home")
    assert (found is None) == (owner == 0)
    assert fs.find_unsafe(sticky / "not-there-yet") is None
    assert fs.find_unsafe(sticky / ".." / "own" / "home") is None
    os.chown(sticky, 4321, 4321)  # sticky, but its owner may rename what others have there
    found = fs.find_unsafe(sticky / "own" / "home")
    assert found is not None
    assert found.path == str(sticky)


def test_a_directory_that_the_umask_closes_is_made_and_opened(tmp_path: Path):
    before = os.umask(0o777)
    try:
        fs.make_directory(tmp_path / "a" / "b", mode=0o711)
        with fs.open_directory(tmp_path, "c", "d", create=True) as opened:
            fs.write_file(opened, "file", b"x")
            fs.make_new_directory(opened, "e", mode=0o700)
        assert (tmp_path / "c" / "d" / "file").read_bytes() == b"x"
    finally:
        os.umask(before)
    modes = {name: (tmp_path / name).stat().st_mode & 0o777 for name in ("a", "a/b", "c", "c/d", "c/d/file", "c/d/e")}
    assert modes == {"a": 0o711, "a/b": 0o711, "c": 0o700, "c/d": 0o700, "c/d/file": 0o600, "c/d/e": 0o700}


def test_a_listing_that_fails_in_the_middle_is_a_store_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "held").mkdir()
    scandir = os.scandir

    @contextmanager
    def failing(descriptor: int) -> Iterator[Iterator[os.DirEntry[str]]]:
        def entries() -> Iterator[os.DirEntry[str]]:
            with scandir(descriptor) as found:
                yield next(found)
            raise OSError(errno.EIO, "Input/output error")

        yield entries()

    with monkeypatch.context() as patched:
        patched.setattr(os, "scandir", failing)
        with pytest.raises(StoreError, match=r"cannot be examined.*Input/output error"):
            fs.find_unsafe_entry(tmp_path)
