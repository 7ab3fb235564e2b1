"""A short soak, so that the long one stays runnable; how fast it goes is told, not asserted."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import make_work_dir, remove_tree
from tests.reliability import REPOSITORY


@pytest.fixture
def base() -> Iterator[Path]:
    """Where a job of another user can reach its workspace."""
    work = make_work_dir()
    yield work
    remove_tree(work)


def soak(base: Path, *words: str) -> Any:
    """Run it as a process of its own, with mounts of its own; it must end clean."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.soak", "--base", str(base / "soak"), "--json", str(base / "json"), *words],
        cwd=REPOSITORY, env=dict(os.environ), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    return json.loads((base / "json").read_text())


@pytest.mark.timeout(600)
def test_a_few_seconds_of_it(base: Path):
    told = soak(base, "--minutes", "0.08", "--jobs", "24", "--rounds", "1")
    assert sum(sum(ends.values()) for ends in told["ends"].values()) == 24
    assert told["faults"]
    assert told["samples"]


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_minute_of_it(base: Path):
    told = soak(base, "--minutes", "1", "--jobs", "300")
    assert sum(sum(ends.values()) for ends in told["ends"].values()) == 300
