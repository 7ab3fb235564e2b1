"""What a runner costs that has nothing to do."""

from __future__ import annotations

import time
from collections.abc import Iterator

from benchmarks import trees
from benchmarks.bench import Bench, cpu_seconds
from benchmarks.record import Row, Target

SECONDS = 30.0


def measure(bench: Bench) -> Iterator[Row]:
    count = bench.main_size
    idle: dict[str, float] = {}
    for size in bench.sizes:
        with trees.borrowed(bench.cache, size, finished_only=True) as made, bench.runner(made) as serving:
            idle[f"{size:,} finished"] = _share(serving.pid)
    with trees.borrowed(bench.cache, count) as made, bench.runner(made) as serving:
        idle[f"{count:,}, of which {count // 50:,} wait"] = _share(serving.pid)
    yield Row(
        13,
        f"an idle runner's share of a core, {count:,} finished jobs",
        idle[f"{count:,} finished"],
        unit="%",
        floor=("nothing", 0.0),
        targets=(Target("at most 0.5 % of a core", idle[f"{count:,} finished"], 0.5, "%"),),
        beside={words: (share, "%") for words, share in idle.items()},
        notes=(f"Over {SECONDS:g} s, a sweep each 5 s. 0.1.40 was measured for planning: 18 % at 2,000 jobs.",),
    )


def _share(pid: int) -> float:
    """Percent of a core; the clock of processes counts in hundredths of a second."""
    before, begin = cpu_seconds(pid), time.monotonic()
    time.sleep(SECONDS)
    return 100 * (cpu_seconds(pid) - before) / (time.monotonic() - begin)
