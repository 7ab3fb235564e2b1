"""Whole processes: a few lines of Python that list ten jobs, and the command line with a thousand."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import median

from benchmarks.bench import Bench
from benchmarks.record import Row, Target
from benchmarks.trees import OWNER

RUNS = 15
ENTRY = Path(sys.executable).parent / "syft-job"


def measure(bench: Bench) -> Iterator[Row]:
    few = bench.tree(10)
    nothing = [sys.executable, "-c", "pass"]
    listing = [
        sys.executable,
        "-c",
        "import sys; from syft_job import get_client; print(len(get_client(sys.argv[1], sys.argv[2]).jobs))",
        str(few.root),
        OWNER,
    ]
    floor, ours = _in_turns(bench, (nothing, {}), (listing, few.environment))
    over = ours - floor
    yield Row(
        10,
        "get_client and jobs, 10 jobs, whole process",
        ours,
        floor=("python -c pass", floor),
        targets=(Target("at most 150 ms over python -c pass", over, 0.150, "s"),),
    )
    thousand = bench.tree(1_000)
    command = [str(ENTRY), "--root", str(thousand.root), "--as", OWNER, "list"]
    if not ENTRY.exists() or not _works(bench, command, thousand.environment):
        return
    floor, ours = _in_turns(bench, (nothing, {}), (command, thousand.environment))
    yield Row(
        10,
        "syft-job list, 1,000 jobs, whole process",
        ours,
        floor=("python -c pass", floor),
        targets=(Target("at most 400 ms", ours, 0.400, "s"),),
    )


def _in_turns(bench: Bench, *programs: tuple[Sequence[str], Mapping[str, str]]) -> list[float]:
    for command, environment in programs:
        bench.seconds(command, environment)
    seconds: list[list[float]] = [[] for _ in programs]
    for _ in range(RUNS):
        for taken, (command, environment) in zip(seconds, programs, strict=True):
            taken.append(bench.seconds(command, environment))
    return [median(taken) for taken in seconds]


def _works(bench: Bench, command: Sequence[str], environment: Mapping[str, str]) -> bool:
    """Whether the command line is there already."""
    import subprocess

    return subprocess.run(command, env=bench.environment(environment), capture_output=True, check=False).returncode == 0
