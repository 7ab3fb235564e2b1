"""Listing 100,000 jobs again, and the memory of each."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from benchmarks.bench import PROBES, Bench
from benchmarks.peers import MARKERS
from benchmarks.record import Row, Target
from benchmarks.trees import OWNER


def measure(bench: Bench) -> Iterator[Row]:
    count, small = max(bench.sizes), bench.main_size
    made = bench.tree(count)
    found = bench.run(
        [sys.executable, str(PROBES / "ours_listing.py"), str(made.root), OWNER, "3", "memory"], made.environment
    )
    again = sorted(found["again"])[1]
    resident = found["resident"] / count / 1024
    factor = 1.2 * count / small
    bounds: tuple[Target, ...] = ()
    if bench.with_peers:
        bound = bench.peer_listing(MARKERS, small).again / 60 * factor
        bounds = (Target(f"at most {factor:g} times the bound of row 2", again, bound, "s"),)
    yield Row(
        3,
        f"listing again, {count:,} jobs",
        again,
        floor=("one stat for each job", bench.floor(count)["stat"]),
        targets=(*bounds, Target("memory of a job", resident, 3.0, "KB")),
        beside={"first listing": (found["first"], "s")},
        notes=(f"{found['jobs']:,} jobs listed; memory is the growth of the resident set by the first listing.",),
    )
    traced = bench.run(
        [sys.executable, str(PROBES / "ours_listing.py"), str(bench.tree(small).root), OWNER, "0", "tracemalloc"],
        bench.tree(small).environment,
    )
    peers = {}
    if bench.with_peers:
        peers = {version: bench.peer_listing(version, small).resident / 1024 for version in (MARKERS, "0.1.40")}
    yield Row(
        3,
        f"memory of a job, {small:,} jobs",
        bench_resident(bench, small),
        unit="KB",
        peers=peers,
        targets=(Target("memory of a job (tracemalloc)", traced["traced"] / small / 1024, 3.0, "KB"),),
    )


def bench_resident(bench: Bench, count: int) -> float:
    made = bench.tree(count)
    found = bench.run(
        [sys.executable, str(PROBES / "ours_listing.py"), str(made.root), OWNER, "0", "memory"], made.environment
    )
    return float(found["resident"]) / count / 1024
