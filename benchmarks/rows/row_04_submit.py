"""Submitting one-file jobs, durable, with manifest and seal, beside the bare fsyncs of the same files."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from statistics import median

from benchmarks import peers as others
from benchmarks import trees
from benchmarks.bench import PROBES, Bench
from benchmarks.record import Row, Target
from benchmarks.trees import OWNER, SUBMITTERS

COUNT = 300


def measure(bench: Bench) -> Iterator[Row]:
    made = trees.empty(bench.scratch("submit"))
    ours, bare, floor_ratio = [], [], []
    command = [sys.executable, str(PROBES / "submit.py"), str(made.root), SUBMITTERS[0], OWNER, str(COUNT)]
    syncs = 0
    for turn in range(3):  # in turns, so that both see the same noise
        found = bench.run([*command, f"Turn {turn}"], made.environment)
        syncs, sizes = found["syncs"], [str(size) for size in found["sizes"]]
        floor = [sys.executable, str(PROBES / "bare_submit.py"), str(bench.scratch("bare") / "jobs"), str(COUNT)]
        floors = bench.run([*floor, str(syncs), *sizes])
        ours.append(median(found["seconds"]))
        bare.append(median(floors["seconds"]))
        floor_ratio.append(ours[-1] / bare[-1])
    rates: dict[str, float] = {}
    if bench.with_peers:
        for version in others.VERSIONS:
            root = bench.scratch(f"submit-{version}") / "box"
            others.people(root)
            python = others.interpreter(bench.cache, version)
            there = [str(python), str(PROBES / "submit.py"), str(root), SUBMITTERS[0], OWNER, str(COUNT), "Turn"]
            rates[version] = 1 / median(bench.run(there)["seconds"])
    among = bench.tree(bench.main_size)
    with_others = _among(bench, among)
    rate = 1 / median(ours)
    yield Row(
        4,
        "submit a one-file job, durable",
        rate,
        unit="/s",
        peers=rates,
        floor=(f"the same {syncs} fsyncs bare", 1 / median(bare)),
        targets=(
            Target("at least 300/s", rate, 300.0, "/s", least=True),
            Target("at most 2.5 times the bare fsyncs", median(floor_ratio), 2.5, "times"),
        ),
        any_target=True,
        beside={f"among {bench.main_size:,} other jobs": (1 / with_others, "/s")},
        notes=("The peers neither sync nor hash nor seal.",),
    )


def _among(bench: Bench, made: trees.Tree) -> float:
    """Submit a few jobs among many, and take them away again."""
    command = [sys.executable, str(PROBES / "submit.py"), str(made.root), SUBMITTERS[0], OWNER, "50", "Bench extra"]
    jobs = trees.jobs_folder(made.root) / SUBMITTERS[0]
    try:
        return float(median(bench.run(command, made.environment)["seconds"]))
    finally:
        trees.remove(jobs, "Bench extra")
