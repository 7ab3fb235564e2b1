"""Listing again in the same process when nothing changed."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.bench import Bench
from benchmarks.peers import MARKERS, NEWEST
from benchmarks.record import Row, Target
from benchmarks.trees import SUBMITTERS


def measure(bench: Bench) -> Iterator[Row]:
    count = bench.main_size
    ours = bench.listing(count)
    peers: dict[str, float] = {}
    targets: tuple[Target, ...] = ()
    beside = {
        "processor time": (ours.again_cpu, "s"),
        "as a submitter": (bench.listing(count, SUBMITTERS[0], runs=2).again, "s"),
    }
    if bench.with_peers:
        peers = {version: bench.peer_listing(version, count).again for version in (MARKERS, NEWEST)}
        beside["processor time of 0.1.27"] = (bench.peer_listing(MARKERS, count).again_cpu, "s")
        targets = (Target("at most 1/60 of 0.1.27", ours.again, peers[MARKERS] / 60, "s"),)
    yield Row(
        2,
        f"listing again, {count:,} jobs",
        ours.again,
        peers=peers,
        floor=("one stat for each job", bench.floor(count)["stat"]),
        targets=targets,
        beside=beside,
    )
