"""Does the new treatment lower blood pressure more than the usual one? Read, compare, write it down."""

from __future__ import annotations

import csv
import random
import statistics
from pathlib import Path

MEASUREMENTS = Path(__file__).with_name("measurements.csv")
OUTPUTS = Path("outputs")
SHUFFLES = 5000


def main() -> None:
    """Compare the two groups and write a table and a short report."""
    changes = read_changes()
    groups = sorted(changes)
    OUTPUTS.mkdir(exist_ok=True)
    with (OUTPUTS / "summary.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["group", "patients", "mean_change_mmHg", "standard_deviation"])
        for group in groups:
            values = changes[group]
            table.writerow([group, len(values), f"{statistics.mean(values):.2f}", f"{statistics.stdev(values):.2f}"])
    new, usual = changes["new"], changes["usual"]
    difference = statistics.mean(new) - statistics.mean(usual)
    chance = permutation_test(new, usual)
    report = (
        f"Change of systolic blood pressure over twelve weeks, {len(new) + len(usual)} patients.\n"
        f"new treatment:   {statistics.mean(new):+.1f} mmHg\n"
        f"usual treatment: {statistics.mean(usual):+.1f} mmHg\n"
        f"difference:      {difference:+.1f} mmHg; by chance alone in {chance:.1%} of {SHUFFLES} shuffles\n"
    )
    (OUTPUTS / "report.txt").write_text(report)
    print(report, end="")


def read_changes() -> dict[str, list[float]]:
    """For each group the change of each patient's pressure, in mmHg."""
    changes: dict[str, list[float]] = {}
    with MEASUREMENTS.open(newline="") as file:
        for row in csv.DictReader(file):
            change = float(row["systolic_week_12"]) - float(row["systolic_week_0"])
            changes.setdefault(row["group"], []).append(change)
    return changes


def permutation_test(some: list[float], others: list[float]) -> float:
    """How often a random division into two groups of these sizes differs at least as much."""
    shuffled = random.Random(20)  # noqa: S311 - a shuffle that comes out the same each time
    seen = abs(statistics.fmean(some) - statistics.fmean(others))
    everyone = [*some, *others]
    total = sum(everyone)
    hits = 0
    for _ in range(SHUFFLES):
        part = sum(shuffled.sample(everyone, len(some)))
        difference = part / len(some) - (total - part) / len(others)
        hits += abs(difference) >= seen
    return hits / SHUFFLES


if __name__ == "__main__":
    main()
