"""`python -m tests.soak`: run a soak, say how it went, and end with 1 when anything was not as it must be."""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path

from .course import Course
from .world import OWN_MOUNTS, World

ROUND_SECONDS = 300.0
FEWEST_ROUNDS = 3


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=60.0, help="over how long the jobs are sent")
    parser.add_argument("--jobs", type=int, default=10_000, help="how many")
    parser.add_argument("--rounds", type=int, help="how often everything comes to rest and is looked at")
    parser.add_argument("--seed", type=int, default=1, help="another order of jobs and troubles")
    parser.add_argument("--patience", type=float, default=300.0, help="seconds until what is not right never will be")
    parser.add_argument("--base", type=Path, help="an empty folder to work in; everybody must be able to pass through")
    parser.add_argument("--json", type=Path, help="where to keep figures and samples")
    asked = parser.parse_args()
    _have_own_mounts()
    rounds = asked.rounds or max(FEWEST_ROUNDS, round(asked.minutes * 60 / ROUND_SECONDS))
    with World(asked.base) as world:
        course = Course(world, asked.minutes, asked.jobs, rounds, asked.seed, asked.patience)
        is_clean = course.run()
        course.note()
        if asked.json:
            course.to_file(asked.json)
        print(report(course))
        world.keeps = not is_clean and asked.base is None
        if world.keeps:
            print(f"What is left to look at lies in {world.base}")
    return 0 if is_clean else 1


def report(course: Course) -> str:
    """The closing tables."""
    lines = ["", f"{'job':<11} {'how many':>8}  how they ended"]
    for story, ends in course.ends().items():
        told = ", ".join(f"{state} {count}" for state, count in sorted(ends.items()))
        lines.append(f"{story:<11} {sum(ends.values()):>8}  {told}")
    lines += ["", f"{'trouble':<62} {'times':>6} {'lost':>5} {'twice':>6} {'right after':>12}"]
    lines += [
        f"{row.fault:<62} {row.times:>6} {row.lost:>5} {row.twice:>6} {row.seconds or 0:>10.1f} s"
        for row in course.sightings
    ]
    lines += ["", "at rest after   runner  its age      MB  files  threads  watches"]
    lines += [
        f"{row.at:>11.0f} s {row.runner:>8} {row.age:>6.0f} s {row.memory:>7.1f} {row.descriptors:>6} {row.threads:>8}"
        f" {row.watches:>8}"
        for row in course.calm_samples
    ]
    lines += ["", *(f"{key}: {value}" for key, value in course.facts.items() if key != "findings")]
    lines += ["", *(f"‼ {found}" for found in course.findings)]
    lines.append("CLEAN" if not course.findings else f"NOT CLEAN: {len(course.findings)} findings")
    return "\n".join(lines)


def _have_own_mounts() -> None:
    """As root: begin again in a mount namespace of our own, where that can be had; what is mounted ends with us."""
    if OWN_MOUNTS in os.environ or os.geteuid() != 0:
        return
    unshare = shutil.which("unshare")
    words = [str(unshare), "--mount", "--propagation", "private"]
    if unshare is None or subprocess.run([*words, "true"], check=False, capture_output=True).returncode:
        return
    os.environ[OWN_MOUNTS] = "1"
    os.execv(unshare, [*words, sys.executable, "-m", "tests.soak", *sys.argv[1:]])


if __name__ == "__main__":
    sys.exit(main())
