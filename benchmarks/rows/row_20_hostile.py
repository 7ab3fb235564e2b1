"""A listing in which one of several submitters submits every hostile input, beside the same without them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from statistics import median
from typing import Any

from benchmarks.bench import PROBES, Bench
from benchmarks.hostile import HOSTILE, hostile_submitter
from benchmarks.record import Row, Target
from benchmarks.trees import OWNER, SUBMITTERS, Tree


def measure(bench: Bench) -> Iterator[Row]:
    count = bench.main_size
    made = bench.tree(count)
    people = {OWNER: "the owner", SUBMITTERS[0]: "another submitter"}
    alone = {email: _listings(bench, made, email) for email in people}
    with hostile_submitter(made) as theirs:
        beside = {email: _listings(bench, made, email) for email in people}
    for email, who in people.items():
        if any(found["others"] != count for found in (*alone[email], *beside[email])):
            raise AssertionError(f"{beside[email][0]['others']} of {count} jobs of the others were listed")
        for what in ("first", "again"):
            ours, before = (median(found[what] for found in runs[email]) for runs in (beside, alone))
            spent, needed = (median(found[f"{what}_cpu"] for found in runs[email]) for runs in (beside, alone))
            yield Row(
                20,
                f"{what} listing of {count:,} jobs by {who}, beside a hostile submitter",
                ours,
                floor=("the same without them", before),
                targets=(Target("at most twice the time without them", ours, 2 * before, "s"),),
                beside={"processor time": (spent, "s"), "processor time without them": (needed, "s")},
                notes=(f"{theirs:,} directories of theirs; all {count:,} jobs of the others are listed.",),
            )


def _listings(bench: Bench, made: Tree, email: str) -> list[dict[str, Any]]:
    probe = [sys.executable, str(PROBES / "listing_with_hostile.py"), str(made.root), email, HOSTILE, "5"]
    bench.run(probe, made.environment)  # warms the cache of the disk
    return [bench.run(probe, made.environment) for _ in range(bench.runs)]
