"""How many no-op jobs a runner brings to an end in a second, with as many other jobs as the main size has."""

from __future__ import annotations

import os
from collections.abc import Iterator

from benchmarks import peers as others
from benchmarks import trees
from benchmarks.bench import Bench
from benchmarks.record import Row, Target

from .row_05_one_job import jobs, of_peer

COUNT = 200


def measure(bench: Bench) -> Iterator[Row]:
    rates = {}
    for size in bench.sizes:
        with trees.borrowed(bench.cache, size) as made, bench.runner(made):
            rates[size] = COUNT / float(jobs(bench, made, COUNT, "all", "all")["seconds"])
    count = bench.main_size
    peers = {}
    if bench.with_peers:
        peers = {version: 1 / of_peer(bench, version, count) for version in others.VERSIONS}
    yield Row(
        6,
        f"no-op jobs in a second, bare, {count:,} others",
        rates[count],
        unit="/s",
        peers=peers,
        targets=(Target("at least 100/s", rates[count], 100.0, "/s", least=True),),
        beside={f"{size:,} others": (rate, "/s") for size, rate in rates.items()},
        notes=(f"{COUNT} jobs, approved before; {os.cpu_count()} processors. The peers run one after the other.",),
    )
