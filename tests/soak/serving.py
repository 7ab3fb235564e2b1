"""The runner of the soak as a process: started, killed, stopped, started again; and what it holds at a moment."""

from __future__ import annotations

import json
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from .world import World

PATIENCE = 120.0
POLL = 0.5
PARALLEL = 6


@dataclass(frozen=True, slots=True)
class Sample:
    """What the runner held at a moment: memory, open files, threads, watches."""

    at: float
    runner: int
    age: float
    memory: float
    descriptors: int
    threads: int
    watches: int
    is_calm: bool = False

    def to_json(self) -> dict[str, object]:
        """The fields by name; memory in MB."""
        return asdict(self)


class Serving:
    """The one runner that should be there, and everything that was told by those that were.

    Args:
        world: whose runner it is.
        find: called with what must not be.
    """

    def __init__(self, world: World, find: Callable[[str], None]) -> None:
        self._world = world
        self._find = find
        self._guard = threading.RLock()
        self._process: subprocess.Popen[bytes] | None = None
        self._count = 0
        self._is_hard = 0
        self._was_hard = False
        self.restarts = 0

    @property
    def log(self) -> Path:
        """What the present runner has to complain of."""
        return self._world.base / f"runner.{self._count}.err"

    @property
    def told(self) -> Path:
        """What the present runner tells: first that it serves, then each move."""
        return self._world.base / f"runner.{self._count}.out"

    def start(self) -> None:
        """Start one; each in the next sandbox."""
        with self._guard:
            self._count += 1
            self._world.say_sandbox(self._world.sandboxes[self._count % len(self._world.sandboxes)])
            with self.log.open("wb") as errors, self.told.open("wb") as told:
                self._process = subprocess.Popen(
                    self._world.command("--json", "run", "--poll", str(POLL), "--jobs", str(PARALLEL)),
                    stdin=subprocess.DEVNULL, stdout=told, stderr=errors, start_new_session=True,
                )  # fmt: skip
            self._was_hard = self._is_hard > 0

    def end(self, *, kill: bool) -> float:
        """End it; returns when it was told to."""
        with self._guard:
            process = self._living()
            at = time.monotonic()
            if kill:
                process.kill()
            else:
                process.terminate()
            try:
                code = process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                self._find(f"the runner did not end within {PATIENCE:g} s of SIGTERM")
                process.kill()
                code = process.wait()
            is_early = code == -signal.SIGTERM and not self._has_served()  # before it could listen for signals
            if not kill and code and not is_early:
                self._find(f"the runner ended with {code} after SIGTERM: {self._last_words()}")
            self._process = None
            return at

    def end_and_begin(self, *, kill: bool, pause: float) -> None:
        """End it and, after a while, start another one."""
        with self._guard:
            self.end(kill=kill)
            time.sleep(pause)
            self.start()

    @contextmanager
    def hard_times(self) -> Iterator[None]:
        """Inside, the folder is such that a runner that has just begun may refuse it."""
        self._is_hard += 1
        self._was_hard = True
        try:
            yield
        finally:
            self._is_hard -= 1

    def keep(self) -> None:
        """Start another one if it has ended by itself, which it may do only where it cannot begin at all."""
        if not self._guard.acquire(blocking=False):
            return  # it is being ended just now
        try:
            if self._process is None or self._process.poll() is None:
                return
            if self._has_served() or not self._was_hard:
                self._find(f"the runner ended by itself with {self._process.returncode}: {self._last_words()}")
            self.restarts += 1
            self.start()
        finally:
            self._guard.release()

    def _has_served(self) -> bool:
        return b'"serving"' in self.told.read_bytes()

    def sample(self, since: float, *, is_calm: bool = False) -> Sample | None:
        """What it holds now; None while there is none."""
        pid = self.pid
        if not pid:
            return None
        try:
            process = psutil.Process(pid)
            watches = sum(
                line.startswith("inotify") for path in Path(f"/proc/{pid}/fdinfo").iterdir() for line in _lines(path)
            )
            return Sample(
                round(time.monotonic() - since, 1),
                pid,
                round(time.time() - process.create_time(), 1),
                round(process.memory_info().rss / 1e6, 1),
                process.num_fds(),
                process.num_threads(),
                watches,
                is_calm,
            )
        except (psutil.Error, OSError):  # it ended just now
            return None

    @property
    def pid(self) -> int:
        """Its process, 0 while there is none."""
        process = self._process
        return process.pid if process is not None else 0

    def is_serving(self) -> bool:
        """Whether it is there and has the lock."""
        home = self._world.client_of_owner.home
        return self.pid != 0 and home.runner_pid() == self.pid

    def tracebacks(self) -> list[str]:
        """What any runner told on its error stream that is no sentence."""
        return [
            f"{path.name}: {text[-2000:]}"
            for path in sorted(self._world.base.glob("runner.*.err"))
            if "Traceback" in (text := path.read_text(errors="replace"))
        ]

    def moves(self) -> int:
        """How many moves the runners told; each line is a document, but for one that a kill cut."""
        count = 0
        told = sorted(self._world.base.glob("runner.*.out"))
        for line in (line for path in told for line in path.read_bytes().splitlines()):
            try:
                count += "to" in json.loads(line)
            except ValueError:
                continue
        return count

    def _living(self) -> subprocess.Popen[bytes]:
        self.keep()
        assert self._process is not None
        return self._process

    def _last_words(self) -> str:
        return self.log.read_text(errors="replace")[-1500:].strip() or "it said nothing"


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text().splitlines()
    except FileNotFoundError:
        return []
