"""The first listing in a fresh process, after imports, the cache of the disk warm; beside it cold, and others'."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from benchmarks.bench import PROBES, Bench
from benchmarks.peers import MARKERS, NEWEST
from benchmarks.record import Row, Target
from benchmarks.trees import OWNER, SUBMITTERS


def measure(bench: Bench) -> Iterator[Row]:
    count = bench.main_size
    ours = bench.listing(count)
    floor = bench.floor(count)["walk"]
    theirs = bench.listing(count, SUBMITTERS[0], runs=2)
    beside = {
        "processor time": (ours.first_cpu, "s"),
        "as a submitter, who must check seals": (theirs.first, "s"),
        "all printed": (ours.printed, "s"),
    }
    cold = _cold(bench, count)
    if cold is not None:
        beside["cold"] = (cold, "s")
    peers: dict[str, float] = {}
    targets: tuple[Target, ...] = ()
    if bench.with_peers:
        peers = {version: bench.peer_listing(version, count).first for version in (MARKERS, NEWEST)}
        beside["0.1.40, jobs new to it"] = (bench.peer_listing(NEWEST, count, new=True).first, "s")
        for version in (MARKERS, NEWEST):
            beside[f"processor time of {version}"] = (bench.peer_listing(version, count).first_cpu, "s")
        beside["0.1.27, all printed"] = (bench.peer_listing(MARKERS, count).printed, "s")
        targets = (
            Target("at most 1/5 of 0.1.27", ours.first, peers[MARKERS] / 5, "s"),
            Target("at most 1/50 of 0.1.40, jobs new to it", ours.first, beside["0.1.40, jobs new to it"][0] / 50, "s"),
            Target("at most 1/50 of 0.1.40, jobs known to it", ours.first, peers[NEWEST] / 50, "s"),
        )
    yield Row(
        1,
        f"first listing, {count:,} jobs",
        ours.first,
        peers=peers,
        floor=("os.scandir walk of the same tree", floor),
        targets=targets,
        beside=beside,
        notes=(
            f"Ours: {bench.runs} fresh processes; 0.1.27: 3; 0.1.40: 1. Cold: "
            + ("measured." if cold is not None else "not measured (--cold)."),
        ),
    )


def _cold(bench: Bench, count: int) -> float | None:
    made = bench.tree(count)
    if not bench.drop_caches():
        return None
    # The interpreter and the packages are read again first: only the folder is to be cold.
    bench.seconds([sys.executable, "-c", "import syft_job.client, cryptography.hazmat.primitives.asymmetric.ed25519"])
    found = bench.run([sys.executable, str(PROBES / "ours_listing.py"), str(made.root), OWNER, "0"], made.environment)
    return float(found["first"])
