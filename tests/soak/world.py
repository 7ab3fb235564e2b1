"""The world of a soak: a folder on a disk of its own, homes, workspaces, and a canary that no job can reach to lie.

As root it lies in a mount namespace of its own (`__main__` sees to that): the folder is a small file system in memory
that can be made full or read-only, and the canary is a FIFO that jobs in a sandbox can write to as well. Without root,
the folder is an ordinary one, the canary an ordinary file, and nothing runs in a sandbox.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from syft_job.client import JobClient
from syft_job.config import SyftJobConfig
from syft_job.execution.sandboxes import Bubblewrap, best_available
from tests.conftest import WORK_PARENTS

OWNER = "omar@example.org"
SUBMITTERS = ("ada@example.org", "bela@example.org", "cleo@example.org")
OWN_MOUNTS = "SOAK_HAS_OWN_MOUNTS"
"""Set where this process lives in a mount namespace that was made for it."""

_ROOM = "size=3g,nr_inodes=400000"
_SEEN_IN_SANDBOXES = Path("/usr/local/games")
"""A folder that every sandbox shows read-only; writing to a FIFO in there is no change of the folder."""


class World:
    """Everything that the soak stands on; removed at the end unless ``keeps``.

    Args:
        given: where everything lies; a temporary folder by default.
    """

    def __init__(self, given: Path | None) -> None:
        self._given = given
        self.has_disk = OWN_MOUNTS in os.environ
        self.sandboxes = ["bubblewrap", "bare"] if self.has_disk and _has_bubblewrap() else ["bare"]
        self.keeps = False

    def __enter__(self) -> Self:
        parent = next(parent for parent in WORK_PARENTS if os.access(parent, os.W_OK))
        self.base = self._given or Path(tempfile.mkdtemp(prefix="syft-job-soak-", dir=parent))
        self.base.mkdir(exist_ok=True)
        self.base.chmod(0o711)
        self.disk, self.work, self.homes = self.base / "disk", self.base / "work", self.base / "homes"
        for folder, mode in ((self.disk, 0o755), (self.work, 0o711), (self.homes, 0o700)):
            folder.mkdir()
            folder.chmod(mode)
        if self.has_disk:
            _mount("-t", "tmpfs", "-o", _ROOM, "soak", str(self.disk))
        self.box, self.away = self.disk / "box", self.disk / "away"
        for person in (OWNER, *SUBMITTERS):
            (self.box / person).mkdir(parents=True)
        self._set_environment()
        self.say_sandbox(self.sandboxes[-1])
        self.canary = Canary(self.base, in_sandboxes="bubblewrap" in self.sandboxes)
        self.client_of_owner = self.client(OWNER)
        for submitter in SUBMITTERS:
            self.client_of_owner.setup_ds_job_folder_as_do(submitter)
        self.jobs = self.box.joinpath(OWNER, "app_data", "job")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.canary.close()
        if self.keeps:
            return
        if self.has_disk:
            _run("umount", "--lazy", str(self.disk))
        shutil.rmtree(self.base)

    def client(self, email: str) -> JobClient:
        """A client of this person; nobody is told anything."""
        return JobClient(SyftJobConfig.from_syftbox_folder(self.box, email), announce=None)

    def command(self, *words: str) -> list[str]:
        """The command line of the owner."""
        return [sys.executable, "-m", "syft_job", "--root", str(self.box), "--as", OWNER, *words]

    def say_sandbox(self, name: str) -> None:
        """Have the next runner use this sandbox."""
        self.sandbox = name
        (self.base / "config.toml").write_text(
            f'[profiles.default]\nemail = "{OWNER}"\nsyftbox_folder = "{self.box}"\nsandbox = "{name}"\n'
        )

    def fill(self) -> None:
        """Let the folder's disk have no room left, neither for bytes nor for files."""
        _again(self._shrink)

    def empty(self) -> None:
        """Let there be room again."""
        self._remount(_ROOM)

    def close(self) -> None:
        """Let the folder's disk be read-only."""
        _again(lambda _: self._remount("ro"))

    def open(self) -> None:
        """Let the folder's disk be writable again."""
        self._remount("rw")

    def _shrink(self, more: int) -> bool:
        """Leave the disk what it holds now; others write meanwhile, so that a little more may be needed."""
        found = os.statvfs(self.disk)
        used = (found.f_blocks - found.f_bfree) * found.f_frsize
        return self._remount(f"size={used + more * 4096},nr_inodes={found.f_files - found.f_ffree + more}")

    def _remount(self, option: str) -> bool:
        return _run("mount", "-o", f"remount,{option}", str(self.disk))

    def _set_environment(self) -> None:
        for name in [name for name in os.environ if name.startswith(("SYFTBOX_", "SYFT_"))]:
            del os.environ[name]
        os.environ["SYFT_JOB_HOME"] = str(self.homes)
        os.environ["SYFT_JOB_WORK"] = str(self.work)
        os.environ["SYFT_JOB_CONFIG"] = str(self.base / "config.toml")
        for kind in ("CONFIG", "DATA", "STATE", "CACHE"):
            os.environ[f"XDG_{kind}_HOME"] = str(self.base / "xdg")


class Canary:
    """Takes down one line for each time that a job really began; it lies outside the folder, the homes and all jobs."""

    def __init__(self, base: Path, *, in_sandboxes: bool) -> None:
        self._starts: Counter[str] = Counter()
        self._guard = threading.Lock()
        self._file = base / "canary"
        self.path = self._file
        if in_sandboxes:
            _mount("-t", "tmpfs", "-o", "mode=755", "soak", str(_SEEN_IN_SANDBOXES))
            self.path = _SEEN_IN_SANDBOXES / "canary"
            os.mkfifo(self.path)
            self.path.chmod(0o666)
            self._reading = os.open(self.path, os.O_RDWR | os.O_NONBLOCK)
        else:
            self._file.touch()
            self._file.chmod(0o666)
            self._reading = os.open(self._file, os.O_RDONLY)
        self._rest = b""

    def starts(self, job: str) -> int:
        """How often the job with this word has begun so far."""
        with self._guard:
            with suppress(BlockingIOError):
                while data := os.read(self._reading, 1 << 16):
                    *lines, self._rest = (self._rest + data).split(b"\n")
                    self._starts.update(line.decode() for line in lines)
            return self._starts[job]

    def forget(self, job: str) -> None:
        """Count a job no more: it was judged."""
        with self._guard:
            self._starts.pop(job, None)

    def strangers(self) -> list[str]:
        """Of whom there are lines that nobody has judged: they began after they were over."""
        self.starts("")
        with self._guard:
            return sorted(name for name, count in self._starts.items() if count)

    def close(self) -> None:
        """Read no more."""
        os.close(self._reading)


def _has_bubblewrap() -> bool:
    return _SEEN_IN_SANDBOXES.is_dir() and isinstance(best_available(), Bubblewrap)


def _mount(*words: str) -> None:
    subprocess.run(["mount", *words], check=True, stdin=subprocess.DEVNULL)


def _run(*words: str) -> bool:
    return subprocess.run(words, check=False, capture_output=True, stdin=subprocess.DEVNULL).returncode == 0


def _again(act: Callable[[int], bool]) -> None:
    """Try until it can be done: a file that is open for writing keeps a disk from becoming read-only."""
    for tries in range(500):
        if act(tries):
            return
        time.sleep(0.01)
    raise RuntimeError("the disk of the folder could not be changed")
