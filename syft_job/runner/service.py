"""`JobRunner`: the service on the owner's machine that runs approved jobs.

A file event is only a hint; the state of a job is read from the folder and the ledger each time. Invariants: nothing
starts without a permit in the ledger; the runner can be stopped at any instruction, because running attempts continue
under their supervisors and the next runner collects them.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from syft_job import fs
from syft_job.config import SyftJobConfig
from syft_job.errors import JobNotFoundError, StoreError, SyftJobError
from syft_job.events import outbox
from syft_job.events.outbox import Outbox, Told, ToldAll
from syft_job.exchange import transitions
from syft_job.exchange.job_index import JobIndex
from syft_job.exchange.participant import Participant
from syft_job.exchange.release import Grants
from syft_job.exchange.submitter_index import MAX_DIRECTORIES
from syft_job.execution import backends
from syft_job.execution.backends.base import JobABC
from syft_job.execution.plan import ExecutionPlan
from syft_job.fs.mounts import filesystem_type, is_remote
from syft_job.fs.watch import MAX_BLIND_INTERVAL_S, Watch
from syft_job.home.home import Home
from syft_job.home.pauses import describe_pauses
from syft_job.model import names
from syft_job.model.events import Role
from syft_job.model.job_record import JobRecord, StatusTransition
from syft_job.model.job_ref import JOBS, JobRef
from syft_job.model.text import escape_message

from . import workspace
from .attempt import AttemptDriver
from .attempt_files import Attempt
from .conditions import Conditions, errno_of
from .hang_guard import HangGuard
from .job_watch import JobWatch
from .log_tail import LogTail
from .planner import Planner
from .scheduler import Scheduler, may_move
from .transfers import Inline, Pool

POLL_SECONDS = 5.0
_MIN_PAUSE_S = 0.002
_MAX_PAUSE_S = 0.05
_BRIEF_JOB_S = 0.1
"""A job that ends within this time gets neither a watch of its own nor its marker `running`."""
_DELIVERY_TIMEOUT_S = 10.0
"""How long the end of a run waits for events that are still being delivered."""


class JobRunner:
    """Executes the approved jobs of one datasite.

    Args:
        config: whose datasite, and what its owner allows.
        poll_interval: seconds between two sweeps of the unfinished jobs; in between, file events wake the runner.
            Where file events cannot be had, at most 5.
        announce: called with the lines that the runner announces; None silences it.
        told: called with each transition of a job; a release is a transition to the same state, with the reason
            "released". After a kill the next runner delivers the ends and releases that were not delivered, and
            perhaps some a second time.
        told_all: for a ``told`` that only enqueues: waits at most that many seconds until everything is delivered, and
            returns whether it is. Only then it counts as delivered.
        max_parallel: how many jobs run at once; the number of processors by default.
        backend: what runs the jobs; by default processes of this machine.
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
        backend: JobABC | None = None,
    ) -> None:
        self.config = config
        self.poll_interval = poll_interval
        self.announce = announce
        self.told = told
        self.told_all: ToldAll = told_all or (lambda _: True)
        self.max_parallel = max_parallel or os.cpu_count() or 1
        self.home = Home.of(config.syftbox_folder, config.email)
        self.participant = Participant(config.email, self.home, config.limits)
        self.store = JobIndex(config.syftbox_folder, self.participant)
        self._conditions = Conditions(self._say)
        self._hang_guard = HangGuard(config.syftbox_folder, self._conditions)
        self._outbox: Outbox | None = None
        self._delivering = threading.Lock()
        self._making = threading.Lock()
        self._made: Scheduler | None = None
        self._watch: Watch | None = None
        self._serves = False
        self._backend = backend or backends.default()

    @property
    def terms(self) -> ExecutionPlan:
        """The plan for any job on this machine: sandbox, interpreter, limits."""
        return self._scheduler.driver.general_plan

    @property
    def blocked_jobs(self) -> dict[JobRef, str]:
        """The approved jobs that cannot start now, each with the reason."""
        return dict(self._scheduler.blocked_jobs.reasons)

    def step(self, hints: Iterable[JobRef] | None = None) -> list[StatusTransition]:
        """Apply at most one transition to each hinted job, or to every unfinished one; returns the transitions.

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

        A folder that is full, read-only, broken, absent or silent is reported once and waited for; running attempts
        continue, and their results are collected. While the folder does not answer, this still returns soon after
        ``stop`` is set.

        Args:
            stop: set it from another thread to end the loop after the present step.
            once: end after everything that can start now was started and has ended.
            drain: end when nothing is approved or running any more.
            stop_jobs: when ``stop`` is set, cancel running attempts, wait until they have ended and collect their
                results. Without it, running attempts continue and are collected by the next runner.

        Raises:
            RunnerBusy, StoreError: see `step`.
        """
        stop_event = stop or threading.Event()
        self._hang_guard.while_running(
            lambda: self._serve(stop_event, once=once, drain=drain, stop_jobs=stop_jobs),
            stop_event,
            meanwhile=self._collect,
            farewell=lambda: self._leave(stop_jobs=stop_jobs),
        )

    def _serve(self, stop: threading.Event, *, once: bool, drain: bool, stop_jobs: bool) -> None:
        self._hang_guard.busy()
        try:
            with self._transferring() as pool, self._serving(stop):
                # Long work in here ends soon after `stop` is set: it may be killed anywhere, so it may be abandoned.
                with suppress(fs.Interrupted), fs.interruptible(stop), self._watching() as (watch, job_watch):
                    self._scheduler.driver.transfers = pool
                    pool.background("", lambda: workspace.tidy_folder(self.home), in_folder=True)
                    self._serve_watching(stop, watch, job_watch, once=once, drain=drain)
                self._hang_guard.busy()
                self._scheduler.driver.transfers = Inline()
                pool.close()
                if stop.is_set() and stop_jobs:
                    self._end_what_runs("the runner was stopped")
        except fs.Interrupted:  # before it served
            if stop_jobs:
                with self._serving():
                    self._end_what_runs("the runner was stopped")

    @contextmanager
    def _transferring(self) -> Iterator[Pool]:
        """Provide the pool for long file work; it also removes what this thread removes under the lock of the home."""
        pool = Pool(self._wake)
        try:
            with fs.redirect_removals(pool.remove_later):
                yield pool
        finally:
            pool.close()

    def _wake(self) -> None:
        """Wake the loop; called by any thread that finished some work."""
        watch = self._watch
        if watch is not None:
            watch.wake()

    def _serve_watching(
        self, stop: threading.Event, watch: Watch, job_watch: JobWatch, *, once: bool, drain: bool
    ) -> None:
        first: set[JobRef] | None = None
        news: set[JobRef] = set()
        while not stop.is_set():
            self._hang_guard.busy()
            moves, is_done = [], False
            is_sweep = watch.begin_sweep_if_due()
            with self._reporting_disk_errors():
                moves = self._step(None if is_sweep else news | self._scheduler.hints(job_watch))
                is_done = True
            self._report_refused_watches(watch)
            if is_sweep and is_done:
                self._conditions.end("disk")
            if (once or drain) and "disk" not in self._conditions:
                waiting = self._scheduler.waiting()
                first = waiting if first is None else first
                if self._scheduler.is_settled(waiting & first if once else waiting):
                    return
            news = set()
            self._hang_guard.idle()
            if moves or watch.wait(stop, at_most=_BRIEF_JOB_S):
                continue
            self._hang_guard.busy()
            with self._reporting_disk_errors():
                news = self._scheduler.keep_watch(job_watch)
            self._hang_guard.idle()
            if not news:
                watch.wait(stop)

    def process_approved_jobs(
        self,
        stream_output: bool = True,
        timeout: float | None = None,
        skip_job_names: Collection[str] | None = None,
        share_outputs_with_submitter: bool = False,
        share_logs_with_submitter: bool = False,
    ) -> list[JobRecord]:
        """Run everything that is approved now, one job after the other, and return their records.

        Running attempts are waited for and are among the records. Jobs of paused submitters (`Home.pause`) are not
        started.

        Args:
            stream_output: announce what the jobs print, as they print it.
            timeout: the time limit of each job in seconds; its own limit may be shorter.
            skip_job_names: jobs that are not started, as ``name`` or ``submitter/name``.
            share_outputs_with_submitter: release each job's outputs to its submitter when it has ended.
            share_logs_with_submitter: the same for its logs and return code.

        Raises:
            RunnerBusy, StoreError: see `step`.
        """
        skip = set(skip_job_names or ())
        records: list[JobRecord] = []
        paused: list[str] = []
        with self._serving(), self._at_most(timeout):
            unfinished = self.store.unfinished(
                self.config.email
            )  # before the step, which may collect what runs already
            self._step((), starts=False)
            for record in unfinished:
                if not may_move(record.state) or skip & {record.name, str(record.place)}:
                    continue
                who = self.home.paused()
                if ("*" in who or record.submitter in who) and not self._scheduler.is_under_way(record.place):
                    paused.append(record.name)
                    continue
                person = (record.submitter,)
                grants = Grants(person * share_outputs_with_submitter, person * share_logs_with_submitter)
                with self._scheduler.blocked_jobs.retry_or_block(record.place, "it is not run"):
                    if grants:
                        transitions.promise_release(self.participant, record.place, grants)
                    finished = self._run_one(record.place, stream_output)
                    if finished is not None:
                        records.append(finished)
        if paused:
            self._say(f"⏸ {describe_pauses(self.home.paused())}: {', '.join(map(repr, paused))}")
        return records

    def reset_all_jobs(self) -> int:
        """Remove every job from the own datasite, running ones included; returns how many. The ledger stays.

        Raises:
            RunnerBusy, StoreError: see `step`.
        """
        removed = 0
        with self._serving():
            for record in self.store.unfinished(self.config.email):
                if may_move(record.state):
                    transitions.cancel(self.participant, record.place, "all jobs were reset", Role.RUNNER)
            while self._step((), starts=False) or self._scheduler.running.total():
                time.sleep(_MAX_PAUSE_S)
            root, owner = self.config.syftbox_folder, self.config.email
            for submitter in sorted(fs.names_below(root, owner, *JOBS, limit=MAX_DIRECTORIES) or ()):
                if not fs.is_directory(root, owner, *JOBS, submitter):
                    continue
                with fs.open_directory(root, owner, *JOBS, submitter) as opened:
                    with fs.translate_os_errors(f"list the jobs of {submitter!r}"):
                        listed = sorted(os.listdir(opened))
                    for name in listed:
                        found = fs.stat_entry(opened, name)
                        if found is not None and fs.describe_type(found) == "a directory":
                            fs.remove(opened, name)
                            removed += not names.is_sync_artefact(name)
        self._say(f"🗑️ Removed {removed} jobs from the datasite of {self.config.email}.")
        return removed

    def _end_what_runs(self, reason: str) -> None:
        """Cancel every attempt whose start is recorded; return when all have ended and are collected."""
        self.home.ledger.refresh()
        for job, number in self.home.ledger.unfinished():
            ref = self.home.ledger.place_of(job)
            try:
                if self.store.get(ref).id == job:
                    transitions.cancel(self.participant, ref, reason, Role.RUNNER)
            except (SyftJobError, OSError) as error:
                # Its folder is absent, or it was cancelled before: its supervisor is asked all the same.
                self._say(f"⚠ '{ref.name}' from {ref.submitter} is stopped; its folder does not have it yet: {error}")
            transitions.ask_to_stop(self.participant, job, number)
        while self._step((), starts=False) or self._scheduler.running.total():
            self._hang_guard.busy()
            time.sleep(_MAX_PAUSE_S)

    # Called while the loop hangs in the folder; nothing here touches the folder

    def _collect(self) -> bool:
        """Collect the attempts that have ended; return whether some are still running."""
        moves: list[StatusTransition] = []
        try:
            return self._scheduler.collect(moves)
        finally:
            self._deliver(moves)

    def _leave(self, *, stop_jobs: bool) -> None:
        """Return without the loop, which ends by itself when the folder answers."""
        self._say("⚠ The runner ends while the folder does not answer; the next run continues from there.")
        if stop_jobs:
            for job, number in self.home.ledger.unfinished():
                transitions.ask_to_stop(self.participant, job, number)
        while self._collect() and stop_jobs:
            time.sleep(_MAX_PAUSE_S)
        self._scheduler.driver.transfers.close()

    @property
    def _scheduler(self) -> Scheduler:
        """The scheduler, created on first use because it looks for a sandbox; the loop and the hang guard share it."""
        with self._making:
            if self._made is None:
                planner = Planner(self.config, self.poll_interval, self._backend.short_name)
                self._made = Scheduler(
                    self.config.email,
                    self.store,
                    AttemptDriver(self.participant, self.config, planner, self._backend, self._say, self.poll_interval),
                    announce=self._say,
                    conditions=self._conditions,
                    hang_guard=self._hang_guard,
                    patience_s=self.poll_interval,
                )
            return self._made

    def _step(self, hints: Iterable[JobRef] | None, *, starts: bool = True) -> list[StatusTransition]:
        moves: list[StatusTransition] = []
        try:
            self._scheduler.go(hints, moves, at_most=self.max_parallel if starts else 0)
        finally:  # also the transitions before an error are delivered
            self._deliver(moves)
        return moves

    @contextmanager
    def _reporting_disk_errors(self) -> Iterator[None]:
        """Report a temporary error of the disk inside, and continue: the next round tries again."""
        try:
            yield
        except (StoreError, OSError) as error:
            if errno_of(error) is None:
                raise  # it is about the content of the folder, and does not pass by itself
            reason = error if isinstance(error, SyftJobError) else fs.store_error(f"use {error.filename!r}", error)
            self._conditions.begin("disk", f"{reason} Running jobs continue; the rest is tried again.")

    def _deliver(self, moves: Iterable[StatusTransition]) -> None:
        if self._outbox is not None:
            with self._delivering:  # while the loop hangs in the folder, the hang guard delivers
                self._outbox.tell(moves)

    def _run_one(self, ref: JobRef, stream_output: bool) -> JobRecord | None:
        """Run one job to its end; None where it does not start."""
        log_tail = LogTail(self._say)
        pause = _MIN_PAUSE_S
        is_started = False
        while True:
            moves = self._step((ref,), starts=False)
            if ref in self._scheduler.queue and not is_started:
                self._scheduler.start(ref)
            try:
                record = self.store.get(ref)
            except JobNotFoundError:
                if not self._scheduler.is_under_way(ref):
                    return None
                time.sleep(_MAX_PAUSE_S)  # it continues while its folder is absent
                continue
            is_under_way = self._scheduler.is_under_way(ref)
            is_started = is_started or is_under_way
            is_over = record.state.is_terminal and not is_under_way
            if stream_output:
                log_tail.tell(Attempt(self.participant, ref, record.id, record.attempt), is_over=is_over)
            if is_over:
                return record
            if not is_under_way and (ref in self.blocked_jobs or not may_move(record.state)):
                return None
            pause = _MIN_PAUSE_S if moves else min(pause * 1.3, _MAX_PAUSE_S)
            time.sleep(pause)

    @contextmanager
    def _serving(self, stop: threading.Event | None = None) -> Iterator[None]:
        """Hold the runner's lock of this datasite; nested uses share it.

        Raises:
            Interrupted: ``stop`` was set before the lock was taken.
        """
        if self._serves:
            yield
            return
        with ExitStack() as served:
            with fs.interruptible(stop):
                self.home.make()
                self.home.key()
                transitions.require_home(self.participant)
                served.enter_context(self.home.runner_locked())
                workspace.tidy(self.home)
                with self._reporting_disk_errors():
                    workspace.remove_copies(self.home)
            self._serves = True
            if self.told is None:
                outbox.forget(self.home)
            else:
                self._outbox = Outbox(self.home, self.told, self.told_all)
            try:
                yield
                if self._outbox is not None:
                    self._outbox.end(_DELIVERY_TIMEOUT_S)
            finally:
                self._serves, self._outbox = False, None

    @contextmanager
    def _watching(self) -> Iterator[tuple[Watch, JobWatch]]:
        """Watch the folder; the loop is woken by file events, and by a sweep each poll interval."""
        root = self.config.syftbox_folder
        is_far = is_remote(root)
        if is_far:
            self._say(
                f"⚠ {root} is on a network file system ({filesystem_type(root)}), which does not report what other"
                f" machines write. {self._poll_words()}"
            )
        with Watch(self.poll_interval, root=root, remote=is_far) as watch:
            self._scheduler.job_watch = job_watch = JobWatch(watch, self.home)
            self._watch = watch
            try:
                yield watch, job_watch
            finally:
                self._scheduler.job_watch = self._watch = None

    def _report_refused_watches(self, watch: Watch) -> None:
        """Report once that the system refuses file events; sweeps replace them."""
        if watch.refusal is not None:
            reason = watch.refusal.strerror or str(watch.refusal)
            self._conditions.begin(
                "file events",
                f"File events cannot be had here: {reason}. {self._poll_words()} More watches are allowed by the"
                " administrator's settings fs.inotify.max_user_instances and fs.inotify.max_user_watches.",
            )

    def _poll_words(self) -> str:
        every = min(self.poll_interval, MAX_BLIND_INTERVAL_S)
        return f"Jobs are found by a sweep every {every:g} s; nothing is lost."

    @contextmanager
    def _at_most(self, seconds: float | None) -> Iterator[None]:
        """Limit the jobs that are started inside to ``seconds`` each."""
        before = self.config
        if seconds is not None:
            shorter = seconds if before.time_limit is None else min(seconds, before.time_limit)
            self._scheduler.driver.config = replace(before, time_limit=shorter)
        try:
            yield
        finally:
            self._scheduler.driver.config = before

    def _say(self, line: str) -> None:
        if self.announce is not None:
            self.announce(escape_message(line))


def create_runner(
    syftbox_folder_path: str | Path, email: str, poll_interval: float = POLL_SECONDS, **options: Any
) -> JobRunner:
    """Return a runner for the datasite of ``email`` in an existing folder.

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
