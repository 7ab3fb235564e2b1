"""One run: where things are kept, which sizes, and the measurements that several rows share, each made once."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any, TypeVar

from . import peers, trees
from .trees import OWNER, SUBMITTERS, Tree

Kept = TypeVar("Kept")
PROBES = Path(__file__).parent / "probes"
REPOSITORY = Path(__file__).parent.parent


def cache_folder() -> Path:
    """Where the trees are kept; for root, who drops to another user to run a job, that user can pass through it."""
    base = os.environ.get("XDG_CACHE_HOME")
    usual = Path("/var/cache") if os.geteuid() == 0 else Path.home() / ".cache"
    return (Path(base) if base else usual) / "syft_job-bench"


@dataclass(frozen=True, slots=True)
class Listing:
    """Seconds of a first listing and of another one, medians over fresh processes; bytes of memory a job.

    Each is told in seconds of the clock and of the processor: on a machine that is busy with other things, the second
    says more.
    """

    first: float
    again: float
    first_cpu: float
    again_cpu: float
    printed: float
    resident: float
    jobs: int


@dataclass
class Bench:
    """What the rows share: sizes, whether the peers are measured, the cache."""

    sizes: tuple[int, ...] = (1_000, 10_000, 100_000)
    with_peers: bool = True
    runs: int = 5
    is_cold_wanted: bool = False
    cache: Path = field(default_factory=cache_folder)
    _known: dict[tuple[object, ...], Any] = field(default_factory=dict)

    @property
    def main_size(self) -> int:
        """The size that most rows speak of: 10,000 jobs, or the nearest that was asked for."""
        return min(self.sizes, key=lambda size: abs(size - 10_000))

    def tree(self, count: int) -> Tree:
        return self.once(("tree", count), lambda: trees.tree(self.cache, count))

    def scratch(self, name: str) -> Path:
        """An empty place for one measurement."""
        path = self.cache / "scratch" / name
        shutil.rmtree(path, ignore_errors=True)
        path.mkdir(parents=True)
        return path

    def listing(self, count: int, email: str = OWNER, *, runs: int | None = None) -> Listing:
        """Our listing of ``count`` jobs."""
        return self.once(("listing", count, email), lambda: self._listing(count, email, runs or self.runs))

    def _listing(self, count: int, email: str, runs: int) -> Listing:
        made = self.tree(count)
        arguments = [str(PROBES / "ours_listing.py"), str(made.root), email, "5"]
        self.run([sys.executable, *arguments], made.environment)  # warms the cache of the disk
        found = [self.run([sys.executable, *arguments], made.environment) for _ in range(runs)]
        if any(one["jobs"] != count for one in found):
            raise AssertionError(f"{found[0]['jobs']} of {count} jobs were listed")
        return _listing_of(found)

    def peer_listing(self, version: str, count: int, *, new: bool = False) -> Listing:
        """A peer's listing of ``count`` jobs; with ``new``, as its owner sees them for the first time."""
        return self.once(("peer", version, count, new), lambda: self._peer_listing(version, count, new=new))

    def _peer_listing(self, version: str, count: int, *, new: bool) -> Listing:
        python = peers.interpreter(self.cache, version)
        root = peers.tree(self.cache, version, count)
        is_slow = version == peers.NEWEST
        if new:
            copy = self.scratch(f"new-{version}") / "box"
            shutil.copytree(root, copy)
            root = copy
            peers.forget_reviews(root)
        arguments = [str(python), str(PROBES / "peer_listing.py"), str(root), OWNER, "1" if is_slow else "2"]
        arguments += [] if is_slow else ["print"]
        if not is_slow:
            self.run(arguments)
        found = [self.run(arguments) for _ in range(1 if is_slow else 3)]
        if any(one["jobs"] != count for one in found):
            raise AssertionError(f"{version} listed {found[0]['jobs']} of {count} jobs")
        if new:
            shutil.rmtree(root)
        return _listing_of(found)

    def floor(self, count: int) -> dict[str, float]:
        """Seconds of an `os.scandir` walk over all of a tree's jobs, and of one stat for each of them."""
        return self.once(("floor", count), lambda: self._floor(count))

    def _floor(self, count: int) -> dict[str, float]:
        found = self.run([sys.executable, str(PROBES / "floor.py"), str(trees.jobs_folder(self.tree(count).root)), "5"])
        return {what: median(seconds) for what, seconds in found.items()}

    def run(self, command: Sequence[str], environment: Mapping[str, str] | None = None) -> Any:
        """Run a probe and read the JSON that it prints last."""
        begin = time.perf_counter()
        done = subprocess.run(
            command, env=self.environment(environment), stdout=subprocess.PIPE, text=True, check=True, cwd=self.cache
        )
        probe = next((Path(word).stem for word in command if word.endswith(".py")), command[0])
        taken, load = time.perf_counter() - begin, os.getloadavg()[0]
        print(f"  {probe} {taken:.1f} s, load {load:.1f}", file=sys.stderr, flush=True)
        return json.loads(done.stdout.splitlines()[-1])

    @contextmanager
    def runner(self, made: Tree, sandbox: str = "bare") -> Iterator[subprocess.Popen[str]]:
        """A runner of the tree's owner in a process of its own, up and past its first sweep."""
        command = [sys.executable, str(PROBES / "runner.py"), str(made.root), OWNER, sandbox]
        serving = subprocess.Popen(
            command,
            env=self.environment(made.environment),
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            text=True,
            cwd=self.cache,
        )
        try:
            self._wait_until_idle(serving)
            yield serving
        finally:
            serving.communicate()

    @staticmethod
    def _wait_until_idle(serving: subprocess.Popen[str]) -> None:
        spent, quiet = -1.0, 0
        while quiet < 5:
            time.sleep(0.2)
            if serving.poll() is not None:
                raise AssertionError("the runner ended by itself")
            now = cpu_seconds(serving.pid)
            quiet = quiet + 1 if now - spent <= 0.01 else 0
            spent = now

    def environment(self, more: Mapping[str, str] | None = None) -> dict[str, str]:
        kept = {key: os.environ[key] for key in ("PATH", "HOME", "LANG", "TMPDIR") if key in os.environ}
        return kept | dict(more or {})

    def seconds(self, command: Sequence[str], environment: Mapping[str, str] | None = None) -> float:
        """The seconds that a whole process takes."""
        begin = time.perf_counter()
        subprocess.run(
            command, env=self.environment(environment), stdout=subprocess.DEVNULL, check=True, cwd=self.cache
        )
        return time.perf_counter() - begin

    def drop_caches(self) -> bool:
        """Empty the kernel's cache of the disk, for everybody on this machine; False where nobody wants or may that."""
        if not self.is_cold_wanted:
            return False
        try:
            os.sync()
            Path("/proc/sys/vm/drop_caches").write_text("3", "ascii")
        except OSError:
            return False
        return True

    def once(self, key: tuple[object, ...], make: Callable[[], Kept]) -> Kept:
        if key not in self._known:
            self._known[key] = make()
        kept: Kept = self._known[key]
        return kept


def cpu_seconds(pid: int) -> float:
    """The processor seconds of a living process, its waited-for children apart."""
    fields = Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _listing_of(found: list[dict[str, Any]]) -> Listing:
    jobs = found[0]["jobs"]
    return Listing(
        first=median(one["first"] for one in found),
        again=median(seconds for one in found for seconds in one["again"]),
        first_cpu=median(one["first_cpu"] for one in found),
        again_cpu=median(seconds for one in found for seconds in one["again_cpu"]),
        printed=median(one.get("printed", 0.0) for one in found),
        resident=median(one.get("resident", 0) for one in found) / jobs,
        jobs=jobs,
    )


__all__ = ["OWNER", "PROBES", "SUBMITTERS", "Bench", "Listing", "cache_folder", "cpu_seconds"]
