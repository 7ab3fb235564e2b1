"""What goes wrong in a soak, one trouble after the other; each is over when its function returns."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from syft_job.execution.backends.processes import is_alive
from syft_job.execution.backends.supervisor_files import read_claim

from .people import Tasks
from .serving import PATIENCE, Serving
from .stories import Task
from .world import World


@dataclass(slots=True)
class Fault:
    """One trouble that was made: its words, when it was over, and which jobs were under way then."""

    words: str
    over_at: float
    under_way: list[Task] = field(default_factory=list)

    @property
    def seconds(self) -> float:
        """How long until all of them were right."""
        ends = [task.settled_at for task in self.under_way if task.settled_at is not None]
        return max(0.0, max(ends, default=self.over_at) - self.over_at)


class Trouble(threading.Thread):
    """Makes trouble until it is stopped.

    Args:
        world, serving, tasks: what it disturbs.
        random: decides what comes when.
        every: seconds between two of them, on average.
        find: called with what must not be.
    """

    def __init__(
        self,
        world: World,
        serving: Serving,
        tasks: Tasks,
        random: Random,
        every: float,
        find: Callable[[str], None],
    ) -> None:
        super().__init__(name="trouble", daemon=True)
        self.faults: list[Fault] = []
        self.spares_the_runner = False
        self._world = world
        self._serving = serving
        self._tasks = tasks
        self._random = random
        self._every = every
        self._find = find
        self._over = threading.Event()
        self._may = threading.Event()
        self._idle = threading.Event()
        self._bag: list[str] = []
        self._longest = min(3.0, every)

    @property
    def kinds(self) -> dict[str, Callable[[], bool]]:
        """Every trouble that can be made here, by its words in the table."""
        kinds: dict[str, Callable[[], bool]] = {
            "soak: a supervisor is killed": self._kill_supervisor,
            "soak: a second runner is started": self._start_second,
            "soak: the folder goes away for a while": self._take_folder_away,
            "soak: a job's directory goes away for a while": self._take_job_away,
            "soak: markers of no bytes arrive": self._lay_empty_markers,
            "soak: conflict copies and half-arrived files lie about": self._lay_conflict_copies,
        }
        if self._world.has_disk:
            kinds["soak: the folder is read-only for a while"] = self._make_read_only
            kinds["soak: the folder's disk is full for a while"] = self._fill_disk
        if not self.spares_the_runner:
            kinds["soak: the runner is killed"] = self._kill_runner
            kinds["soak: the runner is stopped (SIGTERM) and started again"] = self._stop_runner
        return kinds

    def run(self) -> None:
        """Make one trouble after the other."""
        while not self._over.is_set():
            if not self._may.is_set():
                self._idle.set()
                self._may.wait(0.05)
                continue
            self._over.wait(self._every * self._random.uniform(0.5, 1.5))
            kinds = self.kinds
            self._bag = [words for words in self._bag if words in kinds]  # each once, before one comes again
            if not self._bag:
                self._bag = self._random.sample(sorted(kinds), len(kinds))
            words = self._bag.pop()
            if self._may.is_set() and not self._over.is_set():
                try:
                    self._make(words, kinds[words])
                except Exception as error:  # noqa: BLE001 - told; the soak goes on
                    self._find(f"making trouble failed: {words}: {error!r}")

    def begin(self) -> None:
        """Make trouble from now on."""
        self._idle.clear()
        self._may.set()

    def pause(self) -> None:
        """Make none until `begin`; returns when the last one is over."""
        self._may.clear()
        self._idle.wait(PATIENCE)

    def stop(self) -> None:
        """Make none any more."""
        self._over.set()
        self.join(PATIENCE)

    def _make(self, words: str, act: Callable[[], bool]) -> None:
        before = self._tasks.under_way()
        if act():
            touched = {task.name: task for task in (*before, *self._tasks.under_way())}
            self.faults.append(Fault(words, time.monotonic(), list(touched.values())))

    def _a_while(self) -> None:
        time.sleep(self._random.uniform(0.1, self._longest))

    # One function each; True when it was really made

    def _kill_runner(self) -> bool:
        self._serving.end_and_begin(kill=True, pause=self._random.choice([0.0, 0.0, self._longest]))
        return True

    def _stop_runner(self) -> bool:
        self._serving.end_and_begin(kill=False, pause=self._random.choice([0.0, 0.0, self._longest]))
        return True

    def _kill_supervisor(self) -> bool:
        home = self._world.client_of_owner.home
        for _ in range(50):
            home.ledger.refresh()
            unfinished = home.ledger.unfinished()
            self._random.shuffle(unfinished)
            for job, number in unfinished:
                claim = read_claim(home.attempt_paths(job, number).claim)
                task = self._task_of(job)
                if claim is None or task is None:
                    continue
                task.may_be_lost = True
                if is_alive(claim.pid, claim.ticks, claim.boot_id):
                    with suppress(ProcessLookupError):
                        os.kill(claim.pid, signal.SIGKILL)
                    return True
            time.sleep(0.1)
        return False

    def _start_second(self) -> bool:
        if not self._serving.is_serving():
            return False
        done = subprocess.run(
            self._world.command("run", "--once"), capture_output=True, check=False, text=True, timeout=PATIENCE
        )
        if self._serving.is_serving() and (done.returncode != 1 or "Another runner" not in done.stderr):
            self._find(f"a second runner ended with {done.returncode}: {done.stdout} {done.stderr}")
        return True

    def _take_folder_away(self) -> bool:
        with self._serving.hard_times():
            self._world.box.rename(self._world.away)
            self._a_while()
            self._world.away.rename(self._world.box)
        return True

    def _make_read_only(self) -> bool:
        with self._serving.hard_times():
            self._world.close()
            self._a_while()
            self._world.open()
        return True

    def _fill_disk(self) -> bool:
        with self._serving.hard_times():
            self._world.fill()
            self._a_while()
            self._world.empty()
        return True

    def _take_job_away(self) -> bool:
        for task in self._some():
            lies, away = task.place.under(self._world.box), self._world.disk / "away-job"
            try:
                lies.rename(away)
            except FileNotFoundError:
                continue
            self._a_while()
            away.rename(lies)
            return True
        return False

    def _lay_empty_markers(self) -> bool:
        """As some tools do: the file is there at once, its bytes come later, or never."""
        laid: list[Path] = []
        for task in self._some():
            path = task.place.under(self._world.box) / self._random.choice(("approved", "running", "done", "shared"))
            with suppress(FileNotFoundError):
                path.write_bytes(b"")
                laid.append(path)
        self._a_while()
        for path in laid:
            with suppress(FileNotFoundError):
                if path.stat().st_size == 0:
                    path.unlink()
        return bool(laid)

    def _lay_conflict_copies(self) -> bool:
        laid: list[Path] = []
        for task in self._some():
            with suppress(FileNotFoundError):
                for path in sorted(task.place.under(self._world.box).iterdir()):
                    if path.is_file():
                        data = path.read_bytes()
                        copies = (f"{path.name}.sync-conflict-20260302-103000-ABCDEFG", f".syncthing.{path.name}.tmp")
                        for name, part in zip(copies, (data, data[: len(data) // 2]), strict=True):
                            copy = path.with_name(name)
                            copy.write_bytes(part)
                            laid.append(copy)
        self._a_while()
        for path in laid:
            path.unlink(missing_ok=True)
        return bool(laid)

    def _some(self) -> Iterator[Task]:
        """A few of the jobs that are under way and were sent, in any order."""
        tasks = [task for task in self._tasks.under_way() if task.at]
        self._random.shuffle(tasks)
        yield from tasks[:5]

    def _task_of(self, job: str) -> Task | None:
        home = self._world.client_of_owner.home
        places = [line.said["place"] for line in home.ledger.lines(job) if "place" in line.said]
        return self._tasks.open.get(places[0][2]) if places else None
