from __future__ import annotations

import os
from pathlib import Path

import pytest

from syft_job import fs
from syft_job.errors import UnreadableJob
from syft_job.exchange.result_tree import copy_tree
from syft_job.format.manifest import SubmissionLimits


@pytest.mark.parametrize(
    "strange", ["link", "folder link", "fifo", "syft.pub.yaml", "inner/SYFT.pub.YAML", "a:b", "x" * 160]
)
def test_what_must_not_travel_is_refused_or_left_out(tmp_path: Path, strange: str):
    source, target, other = tmp_path / "source", tmp_path / "target", tmp_path / "other"
    for folder in (source / "inner", target, other):
        folder.mkdir(parents=True)
    (source / "good").write_text("1")
    path = source / strange
    if "link" in strange:
        path.symlink_to("/etc" if "folder" in strange else "/etc/passwd")
    elif strange == "fifo":
        os.mkfifo(path)
    else:
        path.write_text("x")
    left_out: list[str] = []
    with fs.open_directory(source) as tree, fs.open_directory(target) as opened, fs.open_directory(other) as refusing:
        with pytest.raises(UnreadableJob):
            copy_tree(tree, refusing, SubmissionLimits())
        files = copy_tree(tree, opened, SubmissionLimits(), left_out=left_out)
    assert set(files) == {"good"}
    assert len(left_out) == 1
    assert {path.name for path in target.rglob("*") if path.is_file()} == {"good"}


def test_limits_hold_for_results(tmp_path: Path):
    source = tmp_path / "source"
    source.mkdir(parents=True)
    for name in "abc":
        (source / name).write_bytes(b"12345")
    for number, limits in enumerate(
        (SubmissionLimits(files=2), SubmissionLimits(total_bytes=14), SubmissionLimits(files=3, total_bytes=15))
    ):
        target = tmp_path / str(number)
        target.mkdir()
        with fs.open_directory(source) as tree, fs.open_directory(target) as opened:
            if number < 2:
                with pytest.raises(UnreadableJob):
                    copy_tree(tree, opened, limits)
            else:
                assert len(copy_tree(tree, opened, limits)) == 3


def test_a_sparse_file_counts_with_the_size_that_it_appears_to_have(tmp_path: Path):
    """Threat 45: it takes no room where it is, and all of it in a copy."""
    source, target = tmp_path / "source", tmp_path / "target"
    for folder in (source, target):
        folder.mkdir()
    with (source / "a.bin").open("wb") as sparse:
        sparse.truncate(1 << 40)
    (source / "b.csv").write_text("1\n")
    left_out: list[str] = []
    with fs.open_directory(source) as tree, fs.open_directory(target) as opened:
        files = copy_tree(tree, opened, SubmissionLimits(), left_out=left_out, max_bytes=10)
    assert set(files) == {"b.csv"}
    assert left_out == ["'a.bin' is 1099511627776 bytes long, and 10 more bytes of results are accepted"]
    assert [path.name for path in target.iterdir()] == ["b.csv"]
