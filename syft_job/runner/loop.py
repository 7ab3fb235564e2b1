"""`JobRunner`: look, move each job at most one square, repeat.

An event only says *look here*; what is true is read off the folder and the ledger each time. The runner starts nothing
that the ledger does not permit, and it can be stopped anywhere: what runs goes on under its own supervisor and is
collected by the next runner.
"""

from __future__ import annotations

import errno
import os
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from syft_job import acts, disk, names
from syft_job.config import SyftJobConfig
from syft_job.errors import InvalidTransition, JobNotFoundError, StoreError, SyftJobError
from syft_job.folder import Viewer
from syft_job.home import Home
from syft_job.lifecycle import JobState, Who
from syft_job.place import JOBS, Place
from syft_job.record import JobRecord, StatusTransition
from syft_job.release import Grants
from syft_job.store import JobStore
from syft_job.visible import visible
from syft_job.watch import Watch

from . import attempt as attempts
from . import telling
from .attempt import Attempt
from .line import Line
from .lookout import Lookout
from .squares import Squares
from .standby import Standby
from .telling import Teller, Told, ToldAll
from .terms import Terms, terms_of
from .troubles import Troubles, errno_of

POLL_SECONDS = 5.0
_AT_ONCE = 0.002
_LONGEST_PAUSE = 0.05
_A_MOMENT = 0.5
_TELLING_SECONDS = 10.0
"""How long the end of a run waits for what is still being told."""
_CHECKED_A_SWEEP = 5
"""How many finished jobs are checked in full at each sweep, in turn: about 0.2 % of a core."""
_STATTED_A_SWEEP = 1000
"""At how many finished jobs a sweep glances, in turn: one `stat` each, together about 0.1 % of a core."""


class JobRunner:
    """Executes the approved jobs of one datasite.

    Args:
        config: whose datasite, and what its owner allows.
        poll_interval: seconds between two sweeps of the unfinished jobs; in between, file events wake the runner.
        announce: called with the lines that the runner announces; None silences it.
        told: called with each move of a job; a release is a move to the same state, with the reason "released". After a
            kill the next runner tells the ends and releases that were not told, and perhaps some a second time.
        told_all: for a ``told`` that only takes note: wait at most so many seconds until all of it is told; whether it
            is. Then it counts as told.
        max_parallel: how many jobs run at once; the number of processors by default.
    """

    def __init__(
        self,
        config: SyftJobConfig,
        *,
        poll_interval: float = POLL_SECONDS,
        announce: Callable[[str], object] | None = print,
        told: Told | None = None,
        told_all: ToldAll | None = None,
        max_parallel: int | None = None,
    ) -> None:
        self.config = config
        self.poll_interval = poll_interval
        self.announce = announce
        self.told = told
        self.told_all: ToldAll = told_all or (lambda _: True)
        self.max_parallel = max_parallel or os.cpu_count() or 1
        self.home = Home.of(config.syftbox_folder, config.email)
        self.viewer = Viewer(config.email, self.home, config.limits)
        self.store = JobStore(config.syftbox_folder, self.viewer)
        self.set_aside: dict[Place, str] = {}
        self._troubles = Troubles(self._say)
        self._standby = Standby(config.syftbox_folder, self._troubles)
        self._hand: Squares | None = None
        self._teller: Teller | None = None
        self._telling = threading.Lock()
        self._line = Line()
        self._serves = False
        self._running: Counter[str] = Counter()
        self._unfinished: dict[Place, JobState] = {}
        self._lookout: Lookout | None = None
        self._has_started = False
        self._to_check: deque[Place] = deque()
        self._not_before: dict[tuple[Place, str], float] = {}
        self._said_of: dict[tuple[Place, str], str] = {}
        self._again: dict[Place, None] = {}
        self._was_there = False
        self._mark = 0
        self._key_trouble: str | None = None

    @property
    def terms(self) -> Terms:
        """Under what jobs run here: sandbox, interpreter, limits."""
        return self._squares.terms

    def step(self, hints: Iterable[Place] | None = None) -> list[StatusTransition]:
        """Move each hinted job, or every unfinished one, at most one square; returns the moves.

        Raises:
            RunnerBusy: another runner serves this datasite.
            StoreError: the home is a copy that nobody adopted, or home or folder cannot be used.
        """
        with self._serving():
            return self._step(hints)

    def run(
        self,
        stop: threading.Event | None = None,
        *,
        once: bool = False,
        drain: bool = False,
        stop_jobs: bool = False,
    ) -> None:
        """Serve until ``stop`` is set: woken by file events, and by a sweep each ``poll_interval``.

        A folder that is full, read-only, broken, away or silent is told once and waited for; what runs goes on, and
        its results are brought home. While the folder does not answer, this still returns soon after ``stop`` is set.

        Args:
            stop: set it from another thread to end the loop after the present step.
            once: end after everything that can start now was started and is over.
            drain: end when nothing is approved or running any more.
            stop_jobs: when ``stop`` is set, end what runs, wait until it is dead and bring its results home. Without
                it, jobs that run when the loop ends go on and are collected by the next runner.

        Raises:
            RunnerBusy, StoreError: see `step`.
        """
        asked = stop or threading.Event()
        self._standby.while_running(
            lambda: self._serve(asked, once=once, drain=drain, stop_jobs=stop_jobs),
            asked,
            meanwhile=self._bring_home,
            farewell=lambda: self._leave(stop_jobs=stop_jobs),
        )

    def _serve(self, stop: threading.Event, *, once: bool, drain: bool, stop_jobs: bool) -> None:
        self._standby.busy()
        with self._serving(), Watch(self.poll_interval) as watch:
            self._lookout = Lookout(watch, self.home)
            first: set[Place] | None = None
            while not stop.is_set():
                self._standby.busy()
                moves, is_done = [], False
                self._has_started = False
                is_sweep = watch.is_sweep_due()
                try:
                    moves = self._step(None if is_sweep else self._hints(self._lookout))
                    is_done = True
                except (StoreError, OSError) as error:
                    if errno_of(error) is None:
                        raise  # not the disk's word of the moment, but a finding about what lies there
                    said = error if isinstance(error, SyftJobError) else disk.trouble(f"use {error.filename!r}", error)
                    self._troubles.begin("disk", f"{said} What runs goes on; the rest is tried again and again.")
                if is_sweep and is_done:
                    self._troubles.end("disk")
                if (once or drain) and "disk" not in self._troubles:
                    waiting = {place for place, state in self._unfinished.items() if _may_move(state)}
                    first = waiting if first is None else first
                    if (once and self._is_settled(waiting & first)) or (drain and self._is_settled(waiting)):
                        return
                self._standby.idle()
                if not moves and not self._has_started:  # what has started is watched from the next step on
                    watch.wait(stop)
            self._standby.busy()
            if stop_jobs:
                self._end_what_runs("the runner was stopped")

    def process_approved_jobs(
        self,
        stream_output: bool = True,
        timeout: float | None = None,
        skip_job_names: Collection[str] | None = None,
        share_outputs_with_submitter: bool = False,
        share_logs_with_submitter: bool = False,
    ) -> list[JobRecord]:
        """Run everything that is approved now, one job after the other, and return their records.

        What runs already is waited for, and is among them.

        Args:
            stream_output: announce what the jobs print, as they print it.
            timeout: seconds for each job, at most; its own limit may be shorter.
            skip_job_names: jobs to leave alone, as ``name`` or ``submitter/name``.
            share_outputs_with_submitter: release each job's outputs to its submitter when it is over.
            share_logs_with_submitter: the same for its logs and return code.

        Raises:
            RunnerBusy, StoreError: see `step`.
        """
        skip = set(skip_job_names or ())
        records = []
        with self._serving(), self._at_most(timeout):
            asked = self.store.unfinished(self.config.email)  # before the step, which may collect what runs already
            self._step((), starts=False)
            for record in asked:
                if not _may_move(record.state) or skip & {record.name, str(record.place)}:
                    continue
                person = (record.submitter,)
                grants = Grants(person * share_outputs_with_submitter, person * share_logs_with_submitter)
                with self._in_the_way(record.place, "it is not run"):
                    if grants:
                        acts.promise(self.viewer, record.place, grants)
                    finished = self._run_one(record.place, stream_output)
                    if finished is not None:
                        records.append(finished)
        return records

    def reset_all_jobs(self) -> int:
        """Remove every job from the own datasite, running ones included; returns how many. The ledger stays.

        Raises:
            RunnerBusy, StoreError: see `step`.
        """
        removed = 0
        with self._serving():
            for record in self.store.unfinished(self.config.email):
                if _may_move(record.state):
                    acts.cancel(self.viewer, record.place, "all jobs were reset", Who.RUNNER)
            while self._step((), starts=False) or self._running.total():
                time.sleep(_LONGEST_PAUSE)
            jobs = self.config.datasite.joinpath(*JOBS)
            for submitter in sorted(path.name for path in jobs.iterdir() if path.is_dir()) if jobs.is_dir() else ():
                with disk.directory(jobs, submitter) as opened:
                    for name in sorted(os.listdir(opened)):
                        found = disk.look(opened, name)
                        if found is not None and disk.kind_of(found) == "a directory":
                            disk.remove(opened, name)
                            removed += not names.is_litter(name)
        self._say(f"🗑️ Removed {removed} jobs from the datasite of {self.config.email}.")
        return removed

    def _end_what_runs(self, reason: str) -> None:
        """Cancel each attempt that was said to start, and return when all of them are dead and collected."""
        self.home.ledger.refresh()
        for job, number in self.home.ledger.unfinished():
            place = self._place_of(job, number)
            try:
                if self.store.get(place).id == job:
                    acts.cancel(self.viewer, place, reason, Who.RUNNER)
            except (SyftJobError, OSError) as error:
                # Its folder is away, or it was cancelled before: its supervisor is asked all the same.
                self._say(f"⚠ '{place.name}' from {place.submitter} is stopped, which is not said there: {error}")
            acts.ask_to_stop(self.viewer, job, number)
        while self._step((), starts=False) or self._running.total():
            self._standby.busy()
            time.sleep(_LONGEST_PAUSE)

    # While the folder holds the loop up; none of this touches it

    def _bring_home(self) -> bool:
        """Bring home what is over; returns whether something still runs."""
        self.home.ledger.refresh()
        still = False
        for job, number in self.home.ledger.unfinished():
            place = self._place_of(job, number)
            attempt = Attempt(self.viewer, place, job, number)
            try:
                self._tell(self._squares.bring_home(attempt))
                self._troubles.end(("home", job, number))
            except (SyftJobError, OSError) as error:
                words = f"The results of '{place.name}' from {place.submitter} are not brought home yet. {error}"
                self._troubles.begin(("home", job, number), words)
            still = still or attempts.supervisor_lives(attempt)
        return still

    def _leave(self, *, stop_jobs: bool) -> None:
        """End without the loop, which ends by itself when the folder answers."""
        self._say("⚠ It ends while something in the folder is still being done; the next run goes on from there.")
        if stop_jobs:
            for job, number in self.home.ledger.unfinished():
                acts.ask_to_stop(self.viewer, job, number)
        while self._bring_home() and stop_jobs:
            time.sleep(_LONGEST_PAUSE)

    # One step

    def _step(self, hints: Iterable[Place] | None, *, starts: bool = True) -> list[StatusTransition]:
        moves: list[StatusTransition] = []
        try:
            self._tend_all(moves)
            self._release_all()
            for place in self._look(hints):
                self._standby.busy()
                self._again[place] = None
                if self._lookout is not None:
                    self._lookout.watch_job(place)  # first watch, then look: nothing falls between
                with self._in_the_way(place, "it is not looked after"):
                    self._note(self._squares.put_right(place))
                    del self._again[place]
            if starts:
                self._start_next()
        finally:  # whatever is in the way of the rest
            self._tell(moves)
        return moves

    def _tell(self, moves: Iterable[StatusTransition]) -> None:
        if self._teller is not None:
            with self._telling:  # while the folder holds the loop up, another thread tells
                self._teller.tell(moves)

    def _tend_all(self, moves: list[StatusTransition]) -> None:
        """Look after everything that was said to start and is not over, wherever its folder is."""
        self.home.ledger.refresh()
        running: Counter[str] = Counter()
        for job, number in self.home.ledger.unfinished():
            place = self._place_of(job, number)
            attempt = Attempt(self.viewer, place, job, number)
            self._standby.busy()
            if self._lookout is not None:
                self._lookout.watch_attempt(attempt)
            with self._now_and_then(place, f"attempt {number} is not looked after") as is_time:
                if is_time:
                    moves += self._squares.tend(attempt)
                    running[place.submitter] += attempts.supervisor_lives(attempt)
            if (job, number) not in self.home.ledger.unfinished():
                self._leave_alone(attempt)
        self._running = running

    def _leave_alone(self, attempt: Attempt) -> None:
        """An attempt is over: who says something of its job makes us look at it again."""
        if self._lookout is not None:
            self._lookout.leave_attempt(attempt)
        self.set_aside.pop(attempt.place, None)
        self._forget(attempt.place)

    def _forget(self, place: Place) -> None:
        """Nothing moves this job by itself any more."""
        self._unfinished.pop(place, None)
        if self._lookout is not None:
            self._lookout.leave_job(place)

    def _tend_key(self) -> None:
        """Keep the present key published; what is wrong with it otherwise is said once, and stops nothing."""
        try:
            trouble = self.home.tend_key()
        except (SyftJobError, OSError) as error:
            trouble = str(error)
        if trouble != self._key_trouble and trouble is not None:
            self._say(f"⚠ {trouble}")
        self._key_trouble = trouble

    def _release_all(self) -> None:
        for job, number in self.home.ledger.owed():
            place = self._place_of(job, number)
            self._standby.busy()
            with self._now_and_then(place, "its results are not released") as is_time:
                if is_time:
                    self._squares.carry_out_release(place)

    def _look(self, hints: Iterable[Place] | None) -> list[Place]:
        """Where to look now: where hints point; at a sweep what is unfinished, what moved and a few others in turn."""
        untold = self._squares.take_untold()
        if hints is not None:
            return list(dict.fromkeys([*hints, *untold]))
        self._look_for_room()
        self._require_folder()
        self._tend_key()
        moved = self.store.sweep(self.config.email, _STATTED_A_SWEEP)
        self._troubles.only(
            "submitter",
            {who: f"The jobs of {who} cannot be looked at: {why}" for (_, who), why in self.store.unread.items()},
        )
        if self._lookout is not None:
            self._lookout.sweep(self.store.submitters(self.config.email))
        for place, state in list(self._unfinished.items()):
            if not self.store.knows(place):
                self._forget(place)
            elif state is JobState.QUEUED and not self._is_under_way(place):
                self._line.join(place)  # what was in its way may be over
        if not self._to_check:
            self._to_check.extend(record.place for record in self.store.finished(self.config.email))
        in_turn = [self._to_check.popleft() for _ in range(min(_CHECKED_A_SWEEP, len(self._to_check)))]
        return list(dict.fromkeys([*moved, *in_turn, *self._again, *self.set_aside, *untold]))

    def _look_for_room(self) -> None:
        """Say it where what runs has no room left: its supervisor cannot even note how it ends."""
        if self._running.total() and disk.is_full(self.home.workspaces):
            self._troubles.begin(
                "room",
                f"The disk of the workspaces {str(self.home.workspaces)!r} is full. What runs may fail, and how it ends"
                " is noted only when there is room again. Free some space.",
            )
        else:
            self._troubles.end("room")

    def _require_folder(self) -> None:
        """Refuse to take a folder that is away for one without jobs: an unmounted one leaves an empty directory.

        Raises:
            StoreError: the place for jobs is away, and it was there before.
        """
        jobs = self.config.datasite.joinpath(*JOBS)
        with disk.in_words(f"read {str(jobs)!r}"):
            is_there = jobs.is_dir()
        if not is_there and (self._was_there or next(self.home.ledger.jobs(), None) is not None):
            raise StoreError(
                f"The folder is away: there is no {'/'.join((self.config.email, *JOBS))} in"
                f" {str(self.config.syftbox_folder)!r}. See whether it is mounted, and whether it is the right one.",
                errno=errno.ENOENT,
            )
        self._was_there = is_there

    def _note(self, record: JobRecord) -> None:
        """Remember what may move by itself, and let approved jobs join the line."""
        place = record.place
        if record.state.is_terminal:
            self.set_aside.pop(place, None)
            self._forget(place)
        else:
            self._unfinished[place] = record.state
        if record.state is JobState.QUEUED and (record.id, record.attempt) not in self.home.ledger.unfinished():
            self._line.join(place)
        else:
            self._line.leave(place)

    def _start_next(self) -> None:
        paused = self.home.paused()
        while self._running.total() < self.max_parallel:
            place = self._line.next(self._running, paused)
            if place is None:
                return
            self._start(place)

    def _start(self, place: Place) -> None:
        with self._in_the_way(place, "it is not started"):
            self._squares.start(place)
            self._has_started = True
            self._running[place.submitter] += 1
            self.set_aside.pop(place, None)

    @contextmanager
    def _now_and_then(self, place: Place, trouble: str) -> Iterator[bool]:
        """As `_in_the_way`; yields False where it did not go well less than a poll interval ago."""
        key = (place, trouble)
        if time.monotonic() < self._not_before.get(key, 0.0):
            yield False
            return
        self._not_before[key] = time.monotonic() + self.poll_interval
        with self._in_the_way(place, trouble):
            yield True
            del self._not_before[key]

    @contextmanager
    def _in_the_way(self, place: Place, trouble: str) -> Iterator[None]:
        """Set a job aside, visibly and with the reason, when something is in its way; the others go on."""
        try:
            with disk.in_words(f"use {str(place.under(self.config.syftbox_folder))!r}"):
                yield
        except (JobNotFoundError, FileNotFoundError):
            self._forget(place)  # it went away; the sweep finds it when it is back
            self._again.pop(place, None)
            self._said_of.pop((place, trouble), None)
            self._line.leave(place)
        except InvalidTransition:
            return  # it moved on while we looked: the next look tells how
        except (SyftJobError, RecursionError) as error:
            self._set_aside(place, trouble, error)
        else:
            self._said_of.pop((place, trouble), None)
            if self.set_aside.get(place, "").startswith(f"{trouble}: "):
                del self.set_aside[place]

    def _set_aside(self, place: Place, trouble: str, error: Exception) -> None:
        reason = f"{trouble}: {error}"
        # A disk refuses now this and now that for one reason, and what it says of one job it says of many.
        number = errno_of(error)
        mark = reason if number is None else errno.errorcode.get(number, "")
        if self._said_of.get((place, trouble)) == mark:
            return
        is_said = number is not None and reason in self.set_aside.values()
        self._said_of[place, trouble] = mark
        self.set_aside[place] = reason
        if not is_said:
            self._say(f"⚠ '{place.name}' from {place.submitter}: {reason}")
        self._note_aside(place, str(error))

    def _note_aside(self, place: Place, reason: str) -> None:
        try:
            self.home.say_aside(self.store.get(place).id, reason)
        except (SyftJobError, OSError):
            return  # it cannot even be read, and its row says so; or the home is what is in the way

    # Beneath

    @property
    def _squares(self) -> Squares:
        if self._hand is None:
            self._hand = Squares(self.viewer, self.config, terms_of(self.config), self._say, self.poll_interval)
        return self._hand

    def _run_one(self, place: Place, stream_output: bool) -> JobRecord | None:
        """Take one job through all its squares; None when it does not start."""
        shown = dict.fromkeys(attempts.STREAMS, 0)
        pause = _AT_ONCE
        is_started = False
        while True:
            moves = self._step((place,), starts=False)
            if place in self._line and not is_started:
                self._start(place)
                self._line.leave(place)
            try:
                record = self.store.get(place)
            except JobNotFoundError:
                if not self._is_under_way(place):
                    return None
                time.sleep(_LONGEST_PAUSE)  # it runs on while its folder is away
                continue
            is_started = is_started or self._is_under_way(place)
            if stream_output:
                self._stream(Attempt(self.viewer, place, record.id, record.attempt), shown)
            if record.state.is_terminal and not self._is_under_way(place):
                return record
            if not self._is_under_way(place) and (place in self.set_aside or not _may_move(record.state)):
                return None
            pause = _AT_ONCE if moves else min(pause * 1.3, _LONGEST_PAUSE)
            time.sleep(pause)

    def _is_under_way(self, place: Place) -> bool:
        return any(self._place_of(job, number) == place for job, number in self.home.ledger.unfinished())

    def _is_settled(self, waiting: Collection[Place]) -> bool:
        """Whether nothing of ``waiting`` can move by itself and nothing runs."""
        paused = self.home.paused()
        stuck = self.set_aside.keys()
        held_back = {place for place in waiting if "*" in paused or place.submitter in paused}
        return not (set(waiting) - stuck - held_back) and not self._running.total()

    def _stream(self, attempt: Attempt, shown: dict[str, int]) -> None:
        for stream in attempts.STREAMS:
            path = attempt.log(stream)
            if not path.exists():
                path = attempt.held / "logs" / f"{stream}.txt"
            try:
                with path.open("rb") as log:
                    log.seek(shown[stream])
                    new = log.read()
            except FileNotFoundError:
                continue
            shown[stream] += len(new)
            for line in new.decode("utf-8", "backslashreplace").splitlines():
                self._say(f"   {visible(line)}")

    @contextmanager
    def _serving(self) -> Iterator[None]:
        """Be the runner of this datasite; nested uses share that."""
        if self._serves:
            yield
            return
        self.home.make()
        self.home.key()
        acts.require_home(self.viewer)
        with self.home.serving():
            self._serves = True
            attempts.tidy(self.home)
            if self.told is None:
                telling.forget(self.home)
            else:
                self._teller = Teller(self.home, self.told, self.told_all)
            try:
                yield
                if self._teller is not None:
                    self._teller.end(_TELLING_SECONDS)
            finally:
                self._serves, self._teller = False, None

    @contextmanager
    def _at_most(self, seconds: float | None) -> Iterator[None]:
        """Let the jobs started inside take at most ``seconds`` each."""
        before = self.config
        if seconds is not None:
            shorter = seconds if before.time_limit is None else min(seconds, before.time_limit)
            self._squares.config = replace(before, time_limit=shorter)
        try:
            yield
        finally:
            self._squares.config = before

    def _place_of(self, job: str, number: int) -> Place:
        for line in self.home.ledger.lines(job):
            if line.attempt == number and "place" in line.said:
                return Place(*line.said["place"])
        raise JobNotFoundError(f"The ledger does not say where job {job} lies.")

    def _hints(self, lookout: Lookout) -> set[Place]:
        """Where file events point, and of which jobs somebody else said something in the ledger."""
        hints = lookout.places()
        self.home.ledger.refresh()
        end = self.home.ledger.end  # what is said from here on is heard the next time
        heard = self.home.ledger.heard_since(self._mark)
        self._mark = end
        if heard:
            with suppress(StoreError), self.home.locked(_A_MOMENT):
                pass  # who spoke lays the marker next and holds the lock until it lies there
        for job in heard:
            line = next((line for line in self.home.ledger.lines(job) if "place" in line.said), None)
            if line is not None:
                hints.add(Place(*line.said["place"]))
        return {place for place in hints if names.is_address(place.submitter) and not names.is_litter(place.name)}

    def _say(self, line: str) -> None:
        if self.announce is not None:
            self.announce(line)


def create_runner(
    syftbox_folder_path: str | Path, email: str, poll_interval: float = POLL_SECONDS, **options: Any
) -> JobRunner:
    """A runner for the datasite of ``email`` in an existing folder.

    Args:
        syftbox_folder_path: the folder that holds the datasites; ``~`` is expanded.
        email: the owner's address.
        poll_interval: seconds between sweeps.
        options: further fields of `SyftJobConfig`.

    Raises:
        PathMissing, ConfigError: see `SyftJobConfig.from_syftbox_folder`.
    """
    config = SyftJobConfig.from_syftbox_folder(syftbox_folder_path, email, **options)
    return JobRunner(config, poll_interval=poll_interval)


def _may_move(state: JobState) -> bool:
    return state in (JobState.QUEUED, JobState.RUNNING)
