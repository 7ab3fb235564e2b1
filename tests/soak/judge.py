"""What must be so whenever nothing is under way, and what must not be left over."""

from __future__ import annotations

import json
import os
import re
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from syft_job import fs
from syft_job.home.ledger import LedgerLine
from syft_job.model.job_ref import JobRef

from .serving import PATIENCE, Sample, Serving
from .stories import NEVER_RUN, Task
from .world import OWNER, World

_TEMPORARY = re.compile(r"\.[0-9a-f]{16}\.tmp|.*\.part|.*\.sync-conflict-.*|\.syncthing\..*")
_ENDS = ("over", "cancel", "reject", "deposit")

MOST_GROWTH = 0.10
"""How much more memory the runner may hold in the last quarter than in the second, beside its index of the ledger."""
BYTES_OF_A_JOB = 2000
"""What the index of the ledger may take in memory for each job that there ever was."""


class Judge:
    """Looks at everything when nothing is under way.

    Args:
        world, serving: what is looked at.
        find: called with what must not be.
    """

    def __init__(self, world: World, serving: Serving, find: Callable[[str], None]) -> None:
        self.lost: set[str] = set()
        self.twice: set[str] = set()
        self._world = world
        self._serving = serving
        self._find = find

    def settled(self, tasks: Iterable[Task]) -> None:
        """Compare each job with its canary, the claims in the home and the ledger."""
        home = self._world.client_of_owner.home
        home.ledger.refresh()
        ids = {home.ledger.lines(job)[0].said["place"][2]: job for job in home.ledger.jobs()}
        for task in tasks:
            starts = self._world.canary.starts(task.name)
            self._world.canary.forget(task.name)
            job = ids.get(task.name, "")
            lines = home.ledger.lines(job) if job else []
            begun = sum(self._is_begun(home.attempt_paths(job, n).claim) for n in range(1, 4)) if job else 0
            where = f"{task.name} ({task.state}): {starts} starts, {begun} claims, ledger {_told(lines)}"
            if starts > begun or starts > task.story.attempts:
                self.twice.add(task.name)
                self._find(f"it ran more often than it may: {where}")
            is_whole = not (task.may_be_lost or task.was_asked_to_stop)
            expected = 0 if task.story.name in NEVER_RUN else task.story.attempts
            if starts < expected and is_whole:
                self.lost.add(task.name)
                self._find(f"it ran less often than it was approved: {where}")
            if task.state == "lost" and not task.may_be_lost:
                self.lost.add(task.name)
                self._find(f"it is called lost, and nobody killed its supervisor: {where}")
            self._ledger(task, lines, where)

    def calm(self) -> None:
        """Nothing is under way: there is nothing left of what was."""
        home = self._world.client_of_owner.home
        for pid, command in self.processes().items():
            self._find(f"a process is left: {pid}: {command}")
        for path in self.temporary_files():
            self._find(f"a temporary file is left: {path}")
        for path in home.workspaces.iterdir() if home.workspaces.is_dir() else ():
            self._find(f"a workspace is left: {path}")
        if (unfinished := home.ledger.unfinished()) or home.ledger.pending_releases():
            self._find(f"the ledger is not at rest: unfinished {unfinished}, owed {home.ledger.pending_releases()}")
        for name in self._world.canary.strangers():
            self.twice.add(name)
            self._find(f"{name} began after it was over")
        if (reason := home.foreign_reason()) is not None:
            self._find(f"the home is not used any more: {reason}")
        self._doctor()

    def processes(self) -> dict[int, str]:
        """Every process that bears our mark in its environment or its command, but for this one and the runner."""
        mark = os.fsencode(str(self._world.base))
        found = {}
        for path in Path("/proc").iterdir():
            if not path.name.isdigit() or int(path.name) in {os.getpid(), self._serving.pid}:
                continue
            command = _bytes(path / "cmdline")
            if mark in command or mark in _bytes(path / "environ"):
                found[int(path.name)] = command.replace(bytes(1), b" ").decode(errors="replace")[:300]
        return found

    def temporary_files(self) -> list[Path]:
        """Everything below folder, homes and workspaces that is called like something half-written."""
        roots, unsent = (self._world.disk, self._world.homes, self._world.work), set(self._unsent())
        found = (path for root in roots for path in _below(root) if _TEMPORARY.fullmatch(path.name))
        return sorted(path for path in found if path not in unsent)

    def send_once_more(self) -> None:
        """What a submission left that the disk did not let it remove goes with the next one, an hour later."""
        for path in self._unsent():
            os.utime(path, (0, time.time() - 2 * 3600))
            person = path.parent.name
            name = f"afterwards-{path.name[1:9]}"
            self._world.client(person).submit_bash_job(OWNER, "true\n", name)
            if path.exists():
                self._find(f"what a submission left outlives an hour and the next submission: {path}")
            job = self._world.client_of_owner.job_at(JobRef(OWNER, person, name))
            job.reject("it was sent to see the folder tidied")
            job.clean()

    def _unsent(self) -> list[Path]:
        people = [path for path in self._world.jobs.iterdir() if path.is_dir()]
        return [path for person in people for path in person.iterdir() if fs.is_temporary(path.name)]

    def flat(self, calm: list[Sample], over: list[int]) -> None:
        """Compare what the runner held when nothing was under way: early, and late.

        Args:
            calm: what it held.
            over: how many jobs there had been at each of these moments.
        """
        if len(calm) < 2:
            return
        for what in ("descriptors", "threads", "watches"):
            held = [getattr(sample, what) for sample in calm]
            if max(held) - held[0] > 2:
                self._find(f"the runner's {what} are not flat when nothing is under way: {held}")
        quarter = max(1, len(calm) // 4)
        early, late = calm[quarter : 2 * quarter] or calm[:1], calm[-quarter:]
        before, after = (sum(sample.memory for sample in part) / len(part) for part in (early, late))
        ledger = (over[-1] - over[min(quarter, len(over) - 1)]) * BYTES_OF_A_JOB / 1e6
        if after > before * (1 + MOST_GROWTH) + ledger + 2:
            self._find(f"the runner's memory grows: {before:.1f} MB in the second quarter, {after:.1f} MB in the last")

    def _ledger(self, task: Task, lines: list[LedgerLine], where: str) -> None:
        events = Counter((line.event, line.attempt) for line in lines)
        for event in ("start", "over"):
            for attempt in range(1, 4):
                if events[event, attempt] > 1:
                    self.twice.add(task.name)
                    self._find(f"'{event}' {attempt} stands twice in the ledger: {where}")
                if event == "over" and events[event, attempt] > events["start", attempt]:
                    self._find(f"an attempt is over that never started: {where}")
        is_owners = any(event in _ENDS for event, _ in events)
        if not is_owners and task.story.name not in {"withdrawn", "regretted"}:
            self._find(f"the ledger does not say how it ended: {where}")

    def _is_begun(self, claim: Path) -> bool:
        return claim.exists() and claim.read_bytes() != b"never begun\n"

    def _doctor(self) -> None:
        done = subprocess.run(
            self._world.command("--json", "doctor"), capture_output=True, check=False, text=True, timeout=PATIENCE
        )
        try:
            checks = json.loads(done.stdout)["checks"]
        except (ValueError, KeyError):
            self._find(f"doctor ended with {done.returncode}: {done.stdout[-500:]} {done.stderr[-1000:]}")
            return
        for check in checks:
            # That this runner has no sandbox, and how full this machine's disk is, is not the soak's doing.
            is_known = check["name"] == "disk space" or (check["name"] == "sandbox" and self._world.sandbox == "bare")
            if check["ok"] is False and not is_known:
                self._find(f"doctor: {check['name']}: {check['told']}")


def _told(lines: list[LedgerLine]) -> str:
    return " ".join(f"{line.event}{line.attempt}" for line in lines) or "nothing"


def _below(root: Path) -> Iterator[Path]:
    for folder, folders, files in os.walk(root):
        for name in (*folders, *files):
            yield Path(folder, name)


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""
