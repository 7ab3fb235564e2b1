"""Folders that misbehave, made to order: a disk that is full, read-only, away, broken or silent, and a power cut.

And a story to put them into: two people, a runner that serves all the time, one job that is taken through its life,
with a trouble that begins at one moment of it and ends later.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Any, Self

from syft_job import fs
from syft_job.errors import InvalidTransition, JobExists, StoreError, SyftJobError
from syft_job.job import JobInfo
from syft_job.model.states import JobState
from syft_job.runner import JobRunner
from syft_job.testing import TwoPeople
from tests.serving import serving as in_thread
from tests.serving import until

PAGE = 4096
_SERVER = Path(__file__).with_name("faulty_folder.py")


# What it takes


def why_no_mounts() -> str | None:
    """Why nothing can be mounted here; None where it can."""
    if os.geteuid() != 0:
        return "only root may mount a small disk"
    tried = subprocess.run(["unshare", "-m", "mount", "-t", "tmpfs", "none", "/mnt"], capture_output=True, check=False)
    return f"nothing can be mounted here: {tried.stderr.decode().strip()}" if tried.returncode else None


def why_no_fuse() -> str | None:
    """Why no file system of our own can be mounted here; None where it can."""
    if shutil.which("fusermount3") is None:
        return "fuse3 is not installed. Install the package fuse3."
    if not os.access("/dev/fuse", os.R_OK | os.W_OK):
        return "/dev/fuse cannot be opened by this user"
    return None


@contextmanager
def tmpfs(place: Path, *options: str) -> Iterator[Path]:
    """A small disk of its own at ``place``."""
    place.mkdir(parents=True, exist_ok=True)
    mount = ["mount", "-t", "tmpfs", "-o", ",".join(["mode=0755", *options]), "none", str(place)]
    subprocess.run(mount, check=True, timeout=30)
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True, timeout=30)


class FaultyFolder(AbstractContextManager["FaultyFolder"]):
    """A file system whose server is a process of ours: it errs, hangs and forgets when it is told to."""

    def __init__(self, base: Path) -> None:
        self.backing, self.mount, self._socket = base / "backing", base / "mount", base / "socket"
        for path in (self.backing, self.mount):
            path.mkdir(parents=True)
        self._log = (base / "server.log").open("wb")

    def __enter__(self) -> Self:
        # A socket's path is short: it is named from its own folder.
        self._server = subprocess.Popen(
            [sys.executable, str(_SERVER), str(self.backing), str(self.mount), self._socket.name],
            cwd=self._socket.parent,
            stdout=self._log,
            stderr=self._log,
        )
        until(lambda: self._server.poll() is not None or os.path.ismount(self.mount), "the file system is mounted")
        assert self._server.poll() is None, Path(self._log.name).read_text()
        return self

    def __exit__(self, *_: object) -> None:
        self.answer()
        self.refuse()
        subprocess.run(["fusermount3", "-u", "-z", str(self.mount)], check=True, timeout=30)
        try:
            self._server.wait(20)
        except subprocess.TimeoutExpired:
            self._server.kill()
            self._server.wait()
        self._log.close()

    def refuse(self, *rules: tuple[str, str, int]) -> None:
        """Answer these operations on paths that hold such a part with this error; without rules, answer all."""
        self._ask({"do": "refuse", "rules": rules})

    def cut_after(self, changes: int) -> None:
        """Let the power go before that change."""
        self._ask({"do": "cut", "after": changes})

    @property
    def changes(self) -> int:
        """How many changes there were since the last cut was asked for."""
        return int(self._ask({"do": "count"}))

    def settle(self) -> None:
        """Have everything durable that is there now."""
        self._ask({"do": "settle"})

    def restart(self) -> None:
        """Have the power back."""
        self._ask({"do": "restart"})

    def hang(self) -> None:
        """Stop answering, whatever is asked."""
        self._server.send_signal(signal.SIGSTOP)

    def answer(self) -> None:
        """Answer again, late."""
        self._server.send_signal(signal.SIGCONT)

    def _ask(self, said: dict[str, Any]) -> Any:
        before = os.open(".", os.O_RDONLY)
        with socket.socket(socket.AF_UNIX) as connection:
            os.chdir(self._socket.parent)
            try:
                connection.connect(self._socket.name)
            finally:
                os.fchdir(before)
                os.close(before)
            with connection.makefile("rw") as talk:
                print(json.dumps(said), file=talk, flush=True)
                return json.loads(talk.readline())


# Troubles: they begin and they end


class Trouble:
    """Something that is the matter for a while."""

    name = ""

    def begin(self) -> None:
        raise NotImplementedError

    def end(self) -> None:
        raise NotImplementedError


class Full(Trouble):
    """A small disk has no room but ``room`` pages."""

    def __init__(self, place: Path, room: int) -> None:
        self.name = f"{place.name} is full but for {room} pages"
        self._ballast, self._room = place / "ballast", room

    def begin(self) -> None:
        found = os.statvfs(self._ballast.parent)
        size = found.f_bavail * found.f_bsize - self._room * PAGE
        with self._ballast.open("wb") as file, suppress(OSError):  # somebody may have written meanwhile: it is full
            os.posix_fallocate(file.fileno(), 0, max(size, PAGE))

    def end(self) -> None:
        self._ballast.unlink()


class NoInodes(Trouble):
    """A small disk can hold no more than ``room`` further files."""

    def __init__(self, place: Path, room: int) -> None:
        self.name = f"{place.name} has room for {room} files"
        self._ballast, self._room = place / "ballast", room

    def begin(self) -> None:
        self._ballast.mkdir()
        with suppress(OSError):  # somebody may have written meanwhile: it is full
            for number in range(os.statvfs(self._ballast).f_ffree - self._room):
                (self._ballast / str(number)).touch()

    def end(self) -> None:
        shutil.rmtree(self._ballast)


class ReadOnly(Trouble):
    """A mounted disk can be read only."""

    def __init__(self, place: Path) -> None:
        self.name = f"{place.name} is read-only"
        self._place = place

    def begin(self) -> None:
        # The kernel refuses it while a file is open to be written, which the runner does for moments.
        until(self._is_remounted_read_only, f"{self._place} is read-only")

    def _is_remounted_read_only(self) -> bool:
        return subprocess.run(["mount", "-o", "remount,ro", str(self._place)], check=False, timeout=30).returncode == 0

    def end(self) -> None:
        subprocess.run(["mount", "-o", "remount,rw", str(self._place)], check=True, timeout=30)


class Away(Trouble):
    """Something is moved away; with ``leaves`` an empty folder lies in its place, as where a disk was unmounted."""

    def __init__(self, place: Path, *, leaves: bool = False) -> None:
        self.name = f"{place.name} is away{', and an empty folder in its place' if leaves else ''}"
        self._place, self._leaves = place, leaves
        self._kept = place.with_name(f".kept-{place.name}")

    def begin(self) -> None:
        self._place.rename(self._kept)
        if self._leaves:
            self._place.mkdir()

    def end(self) -> None:
        if self._leaves:
            assert list(self._place.iterdir()) == [], "nothing is laid into an empty mount point"
            self._place.rmdir()
        self._kept.rename(self._place)


class Refusing(Trouble):
    """A file system answers some operations with an error."""

    def __init__(self, folder: FaultyFolder, operations: Sequence[str], part: str, number: int = errno.EIO) -> None:
        self.name = f"{' and '.join(operations)} below {part} says {errno.errorcode[number]}"
        self._folder, self._rules = folder, [(operation, part, number) for operation in operations]

    def begin(self) -> None:
        self._folder.refuse(*self._rules)

    def end(self) -> None:
        self._folder.refuse()


CHANGING = ("create", "write", "truncate", "rename", "mkdir", "rmdir", "unlink", "open for writing", "chmod")


# The story


class Told(list[str]):
    """What the runner said, line by line."""

    @property
    def troubles(self) -> list[str]:
        return [line for line in self if line.startswith("⚠")]


@contextmanager
def serving(people: TwoPeople, said: Told, **options: Any) -> Iterator[JobRunner]:
    """A runner that serves all the time, whose lines are heard."""
    runner = JobRunner(people.owner.config, announce=said.append, poll_interval=0.1, **options)
    with in_thread(runner, lambda: runner._scheduler.was_there):
        yield runner


class Story:
    """One job, from its submission to the results in its submitter's hands."""

    MOMENTS = ("submit", "approve", "start", "finish", "share", "deposit", "reject", "cancel", "rerun")

    def __init__(self, people: TwoPeople, blocked_reason: Path, name: str, told: Told) -> None:
        self.people, self.name, self.told = people, name, told
        self.canary, self.gate = blocked_reason / f"{name}.ran", blocked_reason / f"{name}.gate"
        self.paused = people.owner.home.path / "paused"
        self.result = blocked_reason / f"{name}.result.csv"
        self.result.write_text("1\n")

    # What is done

    def submit(self) -> None:
        wait = f"until [ -e {self.gate} ]; do sleep 0.02; done"
        self.people.submit(f"echo ran >> {self.canary}; {wait}; echo 1 > outputs/one.csv\n", self.name)

    def approve(self) -> None:
        self.job.approve(share_outputs=True, share_logs=True)

    def share(self) -> None:
        self.job.share_outputs(self.people.submitter_email)

    def deposit(self) -> None:
        self.job.accept_by_depositing_result(self.result)

    def reject(self) -> None:
        self.job.reject("not now")

    def cancel(self) -> None:
        self.job.cancel("enough")

    def rerun(self) -> None:
        self.job.rerun()

    # What is so

    @property
    def job(self) -> JobInfo:
        return self.people.owner.job_at(self.people.place(self.name))

    @property
    def events(self) -> Counter[str]:
        self.people.owner.home.ledger.refresh()
        return Counter(line.event for line in self.people.owner.home.ledger.lines(self.id))

    @property
    def id(self) -> str:
        return self._id

    def remember(self) -> None:
        self._id = self.job.id

    def is_done(self, state: JobState = JobState.SUCCEEDED, marker: str = "done") -> bool:
        with suppress(SyftJobError, OSError):
            return self.job.state is state and (self.job.location / marker).exists()
        return False

    def is_released(self) -> bool:
        with suppress(SyftJobError, OSError, KeyError):
            theirs = self.people.submitters_job(self.name)
            return [path.name for path in theirs.output_paths] == ["one.csv"] and theirs.verify().ok
        return False

    def is_gone(self) -> bool:
        try:
            self.people.location(self.name).lstat()
        except OSError as error:
            return error.errno == errno.ENOENT
        return False

    def is_over(self) -> bool:
        with suppress(SyftJobError):
            return bool(self.events["over"])
        return False

    def runs(self) -> int:
        return self.canary.read_text().count("ran") if self.canary.exists() else 0

    def nothing_half(self) -> None:
        """What is half is not taken for whole, and what the folder says the ledger has."""
        location = self.people.location(self.name)
        held = self.people.owner.home.attempt_paths(self.id, 1).results
        try:
            said = self.events
        except StoreError:
            return  # the home cannot even be read
        with suppress(OSError):
            names = set(os.listdir(location))
            assert "approved" not in names or said["approve"] or said["deposit"], names
            assert "done" not in names or said["over"] or said["deposit"], names
            assert "done" not in names or (held / "outputs").is_dir(), "results are held before they are told of"
            assert "rejected" not in names or said["reject"]
        assert not self.runs() or said["start"], "nothing starts that the ledger does not have"

    # The whole of it

    def through(self, trouble: Trouble, moment: str) -> float:
        """Go through the job's life with a trouble at ``moment``; returns the seconds from its end to the right end."""
        before = len(self.told.troubles)
        if moment == "submit":
            ended = self._a_verb(trouble, self.submit)
            self.remember()
            self._to_the_end()
            return time.monotonic() - ended
        self.submit()
        self.remember()
        if moment in ("approve", "deposit", "reject"):
            ended = self._a_verb(trouble, getattr(self, moment))
        elif moment == "start":
            self.paused.write_text("*\n")
            self.approve()
            trouble.begin()
            # Behind the back of a file system that refuses this, too.
            Path(str(self.paused).replace("/faulty/mount/", "/faulty/backing/")).unlink()
            until(
                lambda: self.runs() or len(self.told.troubles) > before or self.is_gone(),
                "it starts, or is said not to, or is not there at all",
            )
            ended = self._ended(trouble)
        elif moment in ("finish", "cancel"):
            self.approve()
            until(lambda: self.runs() and self.events["start"], "it runs")
            if moment == "cancel":
                ended = self._a_verb(trouble, self.cancel)
            else:
                trouble.begin()
                self.gate.touch()
                until(lambda: self.is_over() or len(self.told.troubles) > before, "it ends, or it is said why not")
                ended = self._ended(trouble)
        else:
            self.job.approve()
            self.gate.touch()
            until(self.is_done, "it is done")
            ended = self._a_verb(trouble, getattr(self, moment))
        if moment == "deposit":
            until(self.is_done, "it is done")
        elif moment == "reject":
            until(lambda: self.is_done(JobState.REJECTED, "rejected"), "it is rejected")
        elif moment == "cancel":
            until(lambda: self.is_done(JobState.CANCELLED, "cancelled") and self.events["over"], "it is cancelled")
        elif moment == "share":
            until(self.is_released, "it is shared")
        elif moment == "rerun":
            until(lambda: self.is_done() and self.events["over"] == 2 and self.runs() == 2, "it ran once more")
        else:
            self._to_the_end()
        return time.monotonic() - ended

    def _to_the_end(self) -> None:
        if not self.events["approve"]:
            self.approve()
        self.gate.touch()
        until(lambda: self.is_done() and self.is_released(), "it is done and released")

    def _ended(self, trouble: Trouble) -> float:
        self.nothing_half()
        trouble.end()
        return time.monotonic()

    def _a_verb(self, trouble: Trouble, act: Callable[[], object]) -> float:
        """Try something while it cannot be, and again when it can."""
        trouble.begin()
        refused: SyftJobError | None = None
        try:
            act()
        except SyftJobError as error:  # and nothing else: every refusal is one of ours
            refused = error
            assert str(error), "it says what is so"
        if hasattr(self, "_id"):
            self.nothing_half()
        trouble.end()
        ended = time.monotonic()
        if refused is not None and "it holds" not in str(refused):  # who is told that it holds asks no second time
            with suppress(InvalidTransition, JobExists):  # it was laid in time
                act()
        return ended

    def is_cleaned(self) -> bool:
        with suppress(InvalidTransition):  # it is still being stopped
            self.job.clean()
            return True
        return False

    def count(self) -> tuple[int, int]:
        """How many jobs, results and releases this one lost, and how many attempts began twice; both ought to be 0."""
        starts = self.events["start"]
        return int(starts and self.runs() == 0), max(0, self.runs() - max(starts, 1))


def go_through(
    people: TwoPeople, blocked_reason: Path, told: Told, cases: Sequence[tuple[Trouble, str]]
) -> tuple[int, int, int, float]:
    """Take a job through each case; returns how many, what was lost, what began twice, and the longest wait."""
    lost = twice = 0
    longest = 0.0
    with serving(people, told) as runner:
        for number, (trouble, moment) in enumerate(cases):
            # One that begins before the last one is over is not said again.
            until(lambda: not {"room", "disk"} & runner._conditions._now.keys(), "what was before is over")
            story = Story(people, blocked_reason, f"job-{number}", told)
            try:
                longest = max(longest, story.through(trouble, moment))
            except BaseException as error:
                error.add_note(f"{trouble.name}, at {moment}; it said {told[-8:]}")
                raise
            one, two = story.count()
            lost, twice = lost + one, twice + two
            until(story.is_cleaned, "its room is given back")
    return len(cases), lost, twice, longest


def litter(*places: Path) -> list[str]:
    """What was left half done anywhere."""
    return [str(path) for place in places for path in place.rglob("*") if fs.is_temporary(path.name)]
