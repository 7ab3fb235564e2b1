"""A listing in which one of several submitters submits every hostile input, beside the same without them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from statistics import median

from benchmarks.bench import PROBES, Bench
from benchmarks.hostile import HOSTILE, hostile_submitter
from benchmarks.record import Row, Target
from benchmarks.trees import OWNER, SUBMITTERS


def measure(bench: Bench) -> Iterator[Row]:
    count = bench.main_size
    made = bench.tree(count)
    for email, who in ((OWNER, "the owner"), (SUBMITTERS[0], "another submitter")):
        probe = [sys.executable, str(PROBES / "listing_with_hostile.py"), str(made.root), email, HOSTILE, "5"]
        bench.run(probe, made.environment)  # warms the cache of the disk
        alone = [bench.run(probe, made.environment) for _ in range(bench.runs)]
        with hostile_submitter(made) as theirs:
            bench.run(probe, made.environment)
            beside = [bench.run(probe, made.environment) for _ in range(bench.runs)]
        if any(found["others"] != count for found in (*alone, *beside)):
            raise AssertionError(f"{beside[0]['others']} of {count} jobs of the others were listed")
        for what in ("first", "again"):
            ours, before = (median(found[what] for found in runs) for runs in (beside, alone))
            yield Row(
                20,
                f"{what} listing of {count:,} jobs by {who}, beside a hostile submitter",
                ours,
                floor=("the same without them", before),
                targets=(Target("at most twice the time without them", ours, 2 * before, "s"),),
                notes=(f"{theirs:,} directories of theirs; all {count:,} jobs of the others are listed.",),
            )
