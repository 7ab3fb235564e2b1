from __future__ import annotations

import os
from pathlib import Path

import pytest

from syft_job import disk, release
from syft_job.errors import InvalidName, UnreadableJob
from syft_job.release import Grants
from syft_job.spec import Limits


def test_grants_join_sorted_and_once():
    one, other = Grants(("b@x", "a@x")), Grants(("a@x",), ("c@x",))
    assert one.plus(other) == Grants(("a@x", "b@x"), ("c@x",))
    assert Grants.from_json(one.plus(other).to_json()) == one.plus(other)
    assert not Grants()
    assert Grants(logs=("a@x",))


@pytest.mark.parametrize("said", [None, [], 5, "x", {"outputs": "ada"}, {"outputs": [5], "logs": {}}])
def test_what_is_no_grant_grants_nothing(said: object):
    assert not Grants.from_json(said)


def test_people_are_normal_and_once():
    assert release.may_share_with(["Ada@Example.org", "ada@example.org", "*"]) == ("*", "ada@example.org")
    with pytest.raises(InvalidName):
        release.may_share_with(["ada"])


@pytest.mark.parametrize(
    "strange", ["link", "folder link", "fifo", "syft.pub.yaml", "inner/SYFT.pub.YAML", "a:b", "x" * 160]
)
def test_what_must_not_travel_is_refused_or_left_out(tmp_path: Path, strange: str):
    held, target = tmp_path / "held", tmp_path / "target"
    source = held / "outputs"
    for folder in (source / "inner", target):
        folder.mkdir(parents=True)
    (source / "good").write_text("1")
    path = source / strange
    if "link" in strange:
        path.symlink_to("/etc" if "folder" in strange else "/etc/passwd")
    elif strange == "fifo":
        os.mkfifo(path)
    else:
        path.write_text("x")
    with disk.directory(target) as opened:
        with pytest.raises(UnreadableJob):
            release.lay(held, opened, Limits())
        assert list(target.iterdir()) == []
        left_out: list[str] = []
        with disk.directory(source) as tree:
            files = release.copy_tree(tree, opened, Limits(), left_out=left_out)
    assert set(files) == {"good"}
    assert len(left_out) == 1
    assert {path.name for path in target.rglob("*") if path.is_file()} == {"good"}


def test_limits_hold_for_results(tmp_path: Path):
    source = tmp_path / "held" / "outputs"
    source.mkdir(parents=True)
    for name in "abc":
        (source / name).write_bytes(b"12345")
    (tmp_path / "target").mkdir()
    with disk.directory(tmp_path / "target") as opened:
        for limits in (Limits(files=2), Limits(total_bytes=14)):
            with pytest.raises(UnreadableJob):
                release.lay(tmp_path / "held", opened, limits)
            assert list((tmp_path / "target").iterdir()) == []
        assert len(release.lay(tmp_path / "held", opened, Limits(files=3, total_bytes=15))) == 3
