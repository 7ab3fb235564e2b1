"""Copying and hashing a submission of 1 GB into the workspace, beside `cp` and `openssl` on the same file."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from benchmarks.bench import PROBES, Bench
from benchmarks.record import Row, Target

BYTES = 1 << 30
RUNS = 3


def measure(bench: Bench) -> Iterator[Row]:
    place = bench.scratch("large")
    block = bytes(range(256)) * 4096
    with (place / "data.bin").open("wb") as file:
        for number in range(BYTES // len(block)):
            file.write(number.to_bytes(8, "big") + block[8:])
    ours, spent, tools = [], [], []
    for _ in range(RUNS):  # in turns, so that both see the same noise
        said = bench.run([sys.executable, str(PROBES / "copy_in.py"), str(place)])
        ours.append(said["seconds"])
        spent.append(said["cpu"])
        tools.append(_tools(place))
    ratio = median(mine / theirs for mine, theirs in zip(ours, tools, strict=True))
    bench.scratch("large")
    yield Row(
        14,
        "copy and hash a submission of 1 GB",
        median(ours),
        floor=("cp and openssl dgst -sha256 side by side", median(tools)),
        targets=(Target("at most 1.3 times cp and openssl", ratio, 1.3, "times"),),
        beside={"processor time": (median(spent), "s")},
    )


def _tools(place: Path) -> float:
    copy = place / "copied by cp"
    begin = time.perf_counter()
    both = [
        subprocess.Popen(["cp", str(place / "data.bin"), str(copy)]),
        subprocess.Popen(["openssl", "dgst", "-sha256", str(place / "data.bin")], stdout=subprocess.DEVNULL),
    ]
    if any(process.wait() for process in both):
        raise AssertionError("cp or openssl failed")
    taken = time.perf_counter() - begin
    copy.unlink()
    return taken
