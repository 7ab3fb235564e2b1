"""What the tests that break something saw: how often a fault was injected, what it cost, how long until all was right.

A test that injects a fault asks for `faults` and says what it counted. Each process of a run leaves a file of its
sightings below `.reliability/`; `python -m tests.reliability` makes the table of `docs/explanation/reliability.md`
of them. Which rows there are, and in which order, stands here: a fault that a run did not inject keeps its row.
"""

from __future__ import annotations

import json
import os
import platform
import sys
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
SIGHTINGS = REPOSITORY / ".reliability"
PAGE = REPOSITORY / "docs" / "explanation" / "reliability.md"
BEGIN, END = "<!-- faults: begin (make test-all) -->", "<!-- faults: end -->"

OTHERS = "Others"
"""Under this stands what a test saw and no group below takes."""


@dataclass(frozen=True, slots=True)
class Group:
    """Some rows of the table.

    Attributes:
        title: what they have in common.
        faults: those that have a row whether or not they were injected, in their order, and what each needs that a
            machine may lack.
        takes: it takes whatever else begins with one of these words, in the order of the alphabet.
    """

    title: str
    faults: dict[str, str]
    takes: tuple[str, ...] = ()


GROUPS = (
    Group(
        "Killed before every write",
        {
            "the runner is killed before any write of a whole run": "",
            "the runner is killed before any write of a whole run, and the next one, too": "",
            "a change of the owner's key is killed before any of its writes": "",
        },
        takes=("`",),
    ),
    Group(
        "Killed processes, reboots, clocks",
        {
            "`kill -9` of a runner at a chosen point": "",
            "the runner is killed beside a job": "",
            "the runner is stopped while a job runs, and another one is started": "",
            "the runner is killed before it noted its supervisor, which stands still with an empty claim": "",
            "the supervisor of a running job is killed": "",
            "the supervisor is killed at any of its system calls": "needs strace",
            "a supervisor is killed while its sandbox is being made": "needs bubblewrap",
            "the machine reboots, with a job in each state": "",
            "the clock jumps by hours and years, ahead and back, while jobs run": "",
        },
    ),
    Group(
        "Two at once",
        {
            "two runners are started at once": "",
            "two runners are started together on 50 approved jobs": "",
        },
        takes=("two processes race: ",),
    ),
    Group(
        "A folder or a home that misbehaves",
        {"no file event arrives": ""},
        takes=(
            "a datasite ", "a folder ", "a full disk", "a job's folder ", "a power cut", "a read-only ",
            "a submitter's ", "the folder ", "EIO ",
        ),
    ),
    Group(
        "A sync tool and its worst day",
        {
            "the job's directory is taken away and delivered late": "",
            "unison is killed and leaves half a file": "needs unison",
            "both sides write a marker while unison cannot carry it": "needs unison",
            "Syncthing carries a marker that both sides wrote": "needs Syncthing",
        },
        takes=("a conflict copy ", "a file of ", "only the beginning "),
    ),
    Group(
        "All at once, for a while (the soak)",
        {
            "soak: the runner is killed": "",
            "soak: the runner is stopped (SIGTERM) and started again": "",
            "soak: a supervisor is killed": "",
            "soak: a second runner is started": "",
            "soak: the folder goes away for a while": "",
            "soak: a job's directory goes away for a while": "",
            "soak: the folder is read-only for a while": "needs root, for a disk of its own",
            "soak: the folder's disk is full for a while": "needs root, for a disk of its own",
            "soak: markers of no bytes arrive": "",
            "soak: conflict copies and half-arrived files lie about": "",
        },
    ),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Sighting:
    """One fault as one test saw it.

    Attributes:
        fault: what was done, in the words of the table; sightings of the same words are one row.
        times: how often it was done.
        lost: how many jobs, results, releases or decisions were lost by it.
        twice: how many attempts began more than once.
        seconds: from the end of the trouble until everything was right again, the longest; None where nothing waits.
    """

    fault: str
    times: int
    lost: int
    twice: int
    seconds: float | None

    def plus(self, other: Sighting) -> Sighting:
        """Both as one."""
        times, lost, twice = self.times + other.times, self.lost + other.lost, self.twice + other.twice
        told = [seconds for seconds in (self.seconds, other.seconds) if seconds is not None]
        return Sighting(self.fault, times, lost, twice, max(told, default=None))


class Faults:
    """Takes down what one test saw."""

    def __init__(self) -> None:
        self.seen: list[Sighting] = []

    def saw(self, fault: str, *, times: int = 1, lost: int = 0, twice: int = 0, seconds: float | None = None) -> None:
        """Take down that ``fault`` was injected ``times`` times, and what came of it; see `Sighting`."""
        self.seen.append(Sighting(fault, times, lost, twice, seconds))


@pytest.fixture
def faults() -> Iterator[Faults]:
    """Where a test says which faults it injected and what they cost; kept when it ends, also when it failed."""
    log = Faults()
    yield log
    if log.seen:
        keep(log.seen)


def keep(seen: Iterable[Sighting]) -> None:
    """Add what was seen to this process's own file of sightings."""
    SIGHTINGS.mkdir(exist_ok=True)
    with (SIGHTINGS / f"{os.getpid()}.jsonl").open("a", encoding="utf-8") as file:
        file.writelines(json.dumps(asdict(sighting)) + "\n" for sighting in seen)


def kept(folder: Path) -> dict[str, Sighting]:
    """Everything that the processes of a run saw, one sighting for each fault; the order of files does not matter."""
    rows: dict[str, Sighting] = {}
    for path in sorted(folder.glob("*.jsonl")):
        for line in path.read_text(encoding="utf-8").splitlines():
            sighting = Sighting(**json.loads(line))
            earlier = rows.get(sighting.fault)
            rows[sighting.fault] = sighting if earlier is None else earlier.plus(sighting)
    return rows


def table(rows: dict[str, Sighting]) -> str:
    """The tables of the page: one for each group in its fixed order, and what all came to."""
    left = dict.fromkeys(sorted(rows.keys() - {fault for group in GROUPS for fault in group.faults}), "")
    parts = []
    for group in (*GROUPS, Group(OTHERS, {}, takes=("",))):
        taken = {fault: left.pop(fault) for fault in list(left) if fault.startswith(group.takes)}
        if wanted := group.faults | taken:
            lines = ["| fault | times | lost | ran twice | all right again within |", "|---|---:|---:|---:|---:|"]
            lines += [_line(fault, rows.get(fault), needs) for fault, needs in wanted.items()]
            parts.append(f"### {group.title}\n\n" + "\n".join(lines))
    times, lost, twice = (sum(getattr(row, what) for row in rows.values()) for what in ("times", "lost", "twice"))
    parts.append(f"**Together: {times:,} faults, {lost} lost, {twice} ran twice.**")
    return "\n\n".join(parts) + "\n"


def _line(fault: str, row: Sighting | None, needs: str) -> str:
    if row is None:
        return f"| {fault} | *not in this run{f': it {needs}' if needs else ''}* | | | |"
    seconds = "–" if row.seconds is None else f"{max(row.seconds, 0.1):.1f} s"
    return f"| {fault} | {row.times:,} | {_loud(row.lost)} | {_loud(row.twice)} | {seconds} |"


def _loud(count: int) -> str:
    return f"**{count}**" if count else "0"


def write(page: Path, rows: dict[str, Sighting]) -> None:
    """Put the tables between the markers of the page; what was written by hand around them stays."""
    before, found, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    _, is_closed, after = rest.partition(END)
    if not (found and is_closed):
        raise SystemExit(f"{page} has no lines '{BEGIN}' and '{END}' to write between.")
    where = f"{os.cpu_count()} processors, Python {platform.python_version()}, Linux {platform.release()}"
    told = f"Made by `make test-all` on {datetime.now(UTC):%Y-%m-%d}; {where}."
    page.write_text(f"{before}{BEGIN}\n\n{told}\n\n{table(rows)}\n{END}{after}", encoding="utf-8")


def main() -> int:
    """Make the table of what the last run saw; 1 where something was lost or ran twice, or nothing was seen."""
    rows = kept(SIGHTINGS)
    if not rows:
        print(f"Nothing was seen: {SIGHTINGS} holds no sightings. `make test-all` makes them.", file=sys.stderr)
        return 1
    write(PAGE, rows)
    print(table(rows), end="")
    return int(any(row.lost or row.twice for row in rows.values()))


if __name__ == "__main__":
    sys.exit(main())
