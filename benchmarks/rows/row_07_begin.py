"""From the yes to the running process, with a runner that is up."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import mean, median, quantiles

from benchmarks import peers as others
from benchmarks import trees
from benchmarks.bench import OWNER, PROBES, Bench
from benchmarks.record import Row, Target
from benchmarks.trees import SUBMITTERS

from .row_05_one_job import jobs

COUNT = 120
PEER_COUNT = 5


def measure(bench: Bench) -> Iterator[Row]:
    count = bench.main_size
    beside = {}
    for size in bench.sizes:
        with trees.borrowed(bench.cache, size) as made, bench.runner(made):
            found = jobs(bench, made, COUNT, "start", "start")
        beside[f"{size:,} others"] = (median(found["seconds"]), "s")
        if size == count:
            ours, whole = found["seconds"], found["with_approve"]
    last = quantiles(ours, n=100)[98]
    peers = {version: _of_peer(bench, version) for version in others.VERSIONS} if bench.with_peers else {}
    yield Row(
        7,
        f"from the yes to the first line of the script, {count:,} others",
        median(ours),
        peers=peers,
        targets=(
            Target("median at most 20 ms", median(ours), 0.020, "s"),
            Target("99th percentile at most 100 ms", last, 0.100, "s"),
        ),
        beside={"with approve() itself": (median(whole), "s"), **beside},
        notes=(f"Ours: {COUNT} jobs, bare. Peers look each 5 s: the mean of {PEER_COUNT} jobs in an empty folder.",),
    )


def _of_peer(bench: Bench, version: str) -> float:
    root = bench.scratch(f"begin-{version}") / "box"
    others.people(root)
    command = [str(others.interpreter(bench.cache, version)), str(PROBES / "peer_jobs.py"), str(root), SUBMITTERS[0]]
    return float(mean(bench.run([*command, OWNER, str(PEER_COUNT), "Bench start", "start"])["seconds"]))
