"""A no-op job from the yes to `done`, among many other jobs, bare and in bubblewrap; does the number matter?"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from statistics import median
from typing import Any

from benchmarks import peers as others
from benchmarks import trees
from benchmarks.bench import OWNER, PROBES, Bench
from benchmarks.record import Row, Target
from benchmarks.trees import GUEST, Tree
from syft_job.execution import sandboxes

COUNT = 40
PEER_COUNT = 3
LIMITS = {"bare": 0.015, "bubblewrap": 0.030}


def measure(bench: Bench) -> Iterator[Row]:
    names = ["bare", *(["bubblewrap"] if sandboxes.unavailable_reason() is None else [])]
    found: dict[tuple[str, int], float] = {}
    for size in bench.sizes:
        with trees.borrowed(bench.cache, size) as made:
            for sandbox in names:
                found[sandbox, size] = _seconds(bench, made, sandbox, f"{sandbox} one")
    count = bench.main_size
    peers = {version: of_peer(bench, version, count) for version in others.VERSIONS} if bench.with_peers else {}
    for sandbox in names:
        few, many = found[sandbox, min(bench.sizes)], found[sandbox, max(bench.sizes)]
        yield Row(
            5,
            f"no-op job, from the yes to done, {sandbox}, {count:,} others",
            found[sandbox, count],
            peers=peers,
            floor=("bare bash -c :", _bash()),
            targets=(
                Target(f"at most {LIMITS[sandbox] * 1000:.0f} ms", found[sandbox, count], LIMITS[sandbox], "s"),
                Target(f"{max(bench.sizes):,} others: at most 1.25 times {min(bench.sizes):,}", many / few, 1.25, ""),
            ),
            beside={f"{size:,} others": (found[sandbox, size], "s") for size in bench.sizes},
            notes=("The peers run the job in the process that approved it, unsandboxed, and copy and seal nothing.",),
        )


def _seconds(bench: Bench, made: Tree, sandbox: str, prefix: str) -> float:
    with bench.runner(made, sandbox):
        return float(median(jobs(bench, made, COUNT, prefix, "one")["seconds"]))


def jobs(bench: Bench, made: Tree, count: int, prefix: str, what: str) -> dict[str, Any]:
    """Have a guest's jobs run by the runner that is up."""
    command = [sys.executable, str(PROBES / "ours_jobs.py"), str(made.root), GUEST, OWNER, str(count), prefix, what]
    found: dict[str, Any] = bench.run(command, made.environment)
    return found


def of_peer(bench: Bench, version: str, count: int) -> float:
    """The seconds that a peer takes to run one no-op job among ``count`` others, once it has been approved."""
    return bench.once(("peer job", version, count), lambda: _of_peer(bench, version, count))


def _of_peer(bench: Bench, version: str, count: int) -> float:
    root = others.tree(bench.cache, version, count)
    skipped = bench.scratch("skipped") / "names"
    approved = (index for index in range(count) if trees.state_word(index) == "approved")
    skipped.write_text("\n".join(trees.name_of(index) for index in approved))
    command = [str(others.interpreter(bench.cache, version)), str(PROBES / "peer_jobs.py"), str(root)]
    try:
        said = bench.run([*command, trees.SUBMITTERS[0], OWNER, str(PEER_COUNT), "Bench one", "one", str(skipped)])
    finally:
        others.remove(root, "Bench one")
    return float(median(said["seconds"]))


def _bash() -> float:
    import subprocess

    seconds = []
    for _ in range(30):
        begin = time.perf_counter()
        subprocess.run(["/bin/bash", "-c", ":"], check=True)
        seconds.append(time.perf_counter() - begin)
    return median(seconds)
