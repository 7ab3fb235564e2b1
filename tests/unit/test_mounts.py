"""The mounts of a sandbox: what shows one path, and which of several has precedence."""

from __future__ import annotations

from pathlib import Path

import pytest

from syft_job.errors import ConfigError
from syft_job.execution.sandboxes.bind_mounts import (
    Bind,
    Link,
    Mask,
    Mount,
    bwrap_options,
    mounts_showing,
    order_mounts,
)


def test_a_path_without_links_is_one_bind(tmp_path: Path):
    (tmp_path / "file").touch()

    assert mounts_showing(tmp_path / "file") == [Bind(tmp_path / "file")]


def test_each_link_on_the_way_is_repeated_and_only_the_end_is_bound(tmp_path: Path):
    (tmp_path / "real" / "bin").mkdir(parents=True)
    (tmp_path / "real" / "bin" / "python3.11").touch()
    (tmp_path / "real" / "bin" / "python").symlink_to("./python3.11")
    (tmp_path / "links").mkdir()
    (tmp_path / "links" / "to").symlink_to("../real")
    (tmp_path / "absolute").symlink_to(tmp_path / "links" / "to" / "bin")

    assert mounts_showing(tmp_path / "absolute" / "python") == [
        Link(tmp_path / "absolute", f"{tmp_path}/links/to/bin"),
        Link(tmp_path / "links" / "to", "../real"),
        Link(tmp_path / "real" / "bin" / "python", "./python3.11"),
        Bind(tmp_path / "real" / "bin" / "python3.11"),
    ]


def test_what_does_not_exist_or_has_no_end_is_an_error(tmp_path: Path):
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(ConfigError, match="symbolic links"):
        mounts_showing(tmp_path / "loop")
    with pytest.raises(ConfigError, match="does not exist"):
        mounts_showing(tmp_path / "absent")


def test_the_most_specific_mount_counts_whatever_the_order_of_adding(tmp_path: Path):
    shown = tmp_path / "a" / "private" / "python"
    shown.mkdir(parents=True)
    mounts: list[Mount] = [Bind(shown), Mask(tmp_path / "a" / "private"), Bind(tmp_path / "a")]

    assert order_mounts(mounts) == [Bind(tmp_path / "a"), Mask(tmp_path / "a" / "private"), Bind(shown)]
    assert order_mounts(mounts[:2], beneath=[Bind(tmp_path / "a")]) == [Mask(tmp_path / "a" / "private"), Bind(shown)]


def test_redundant_mounts_are_left_out(tmp_path: Path):
    (tmp_path / "a" / "b").mkdir(parents=True)
    mounts: list[Mount] = [
        Bind(tmp_path / "a"),
        Bind(tmp_path / "a" / "b"),
        Link(tmp_path / "a" / "link", "b"),
        Mask(tmp_path / "a" / "absent"),
        Mask(tmp_path / "elsewhere"),
    ]

    assert order_mounts(mounts) == [Bind(tmp_path / "a")]


def test_a_mask_hides_what_is_bound_at_the_same_path(tmp_path: Path):
    assert order_mounts([Mask(tmp_path), Bind(tmp_path)]) == [Bind(tmp_path), Mask(tmp_path)]


def test_the_options_are_those_of_bubblewrap():
    mounts: list[Mount] = [Bind(Path("/a")), Bind(Path("/b"), optional=True), Link(Path("/c"), "d"), Mask(Path("/e"))]

    assert " ".join(bwrap_options(mounts)) == "--ro-bind /a /a --ro-bind-try /b /b --symlink d /c --tmpfs /e"
