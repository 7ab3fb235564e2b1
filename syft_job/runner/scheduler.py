"""One round of the runner: advance what runs, read the jobs that moved, start approved jobs while slots are free.

The state of jobs is read from the folder and the ledger each time; only what to read next, and what was announced, is
remembered between rounds. All of it belongs to the runner's loop, except for `collect`, which uses none of it.
"""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import suppress
from itertools import chain, islice

from syft_job import fs
from syft_job.errors import JobNotFoundError, StoreError, SyftJobError
from syft_job.exchange.job_index import JobIndex
from syft_job.exchange.job_reader import JobSnapshot
from syft_job.exchange.submitter_sweep import HASHED_BYTES
from syft_job.exchange.sweep_budget import SweepBudget
from syft_job.fs.watch import MAX_WATCHES
from syft_job.model import names
from syft_job.model.job_record import JobRecord, StatusTransition
from syft_job.model.job_ref import JobRef
from syft_job.model.states import JobState, derive_state

from .attempt import AttemptDriver
from .attempt_files import Attempt
from .blocked_jobs import BlockedJobs
from .conditions import Conditions
from .hang_guard import HangGuard
from .job_watch import JobWatch
from .queue import JobQueue, in_turn
from .slot_report import SlotReport
from .sweep_checks import SweepChecks

_LOCK_PATIENCE_S = 0.5
"""How long a round waits for a process that recorded something and holds the home's lock until its marker is there."""
CHECKED_A_SWEEP = 5
"""How many finished jobs are checked in full at each sweep, in turn: about 0.2 % of a core."""
_MAX_LATE = 100
"""How many directories that appeared during a sweep it reads itself; the next one reads the rest."""
_MAX_SNAPSHOTS = 64
"""How many snapshots of a round are kept for the starts at its end."""
_STATTED_A_SWEEP = 1000
"""How many finished jobs a sweep checks by their stamps, in turn: one `stat` each, together about 0.1 % of a core."""


class Scheduler:
    """Takes each job of one datasite through at most one transition at a time.

    Args:
        owner: the address of the datasite.
        store: the index of the jobs, as the owner sees them.
        driver: what reconciles, starts and advances one job.
        announce: called with one line for each blocked job.
        conditions: where problems of all jobs are reported.
        hang_guard: told before each piece of work that a hung folder may hold up.
        patience_s: seconds between two tries of what failed for one job.
    """

    def __init__(
        self,
        owner: str,
        store: JobIndex,
        driver: AttemptDriver,
        *,
        announce: Callable[[str], None],
        conditions: Conditions,
        hang_guard: HangGuard,
        patience_s: float,
    ) -> None:
        self.driver = driver
        self.blocked_jobs = BlockedJobs(store, announce, patience_s, self._handle_missing)
        self.queue = JobQueue()
        self.job_watch: JobWatch | None = None
        self.running: Counter[str] = Counter()
        """How many attempts of each submitter run."""
        self._checks = SweepChecks(owner, store, conditions)
        self._owner, self._store = owner, store
        self._participant = store.participant
        self._home = store.participant.home
        self._conditions = conditions
        self._hang_guard = hang_guard
        self._unfinished: dict[JobRef, JobState] = {}
        self._to_check: deque[JobRef] = deque()
        self._again: dict[JobRef, None] = {}
        self._mark = 0
        self._slot_report = SlotReport(self._home)
        self._budgets: defaultdict[str, SweepBudget] = defaultdict(self._new_budget)
        """The rest of each submitter's budget for undecided jobs until the next sweep."""
        self._budgets_of_ended: defaultdict[str, SweepBudget] = defaultdict(self._new_budget)
        """The same for jobs that the owner decided about and that do not wait to run."""

    @property
    def was_there(self) -> bool:
        """Whether the folder of jobs was there at the last sweep."""
        return self._checks.has_seen_folder

    def go(self, hints: Iterable[JobRef] | None, moves: list[StatusTransition], *, at_most: int) -> None:
        """Do one round and add its moves to ``moves``, as they happen.

        Args:
            hints: the jobs to read beside those that run or have a pending release; None sweeps all unfinished ones.
            moves: the list that the moves are added to.
            at_most: start a job only while fewer than this many run.

        Raises:
            StoreError: the home or the folder cannot be used.
        """
        self.driver.say_errors()
        self._advance_all(moves)
        self._release_all()
        snapshots: dict[JobRef, JobSnapshot] = {}
        for ref in in_turn(self._jobs_to_read(hints)):
            fs.check_interrupted()
            self._hang_guard.busy()
            self._again[ref] = None
            with self.blocked_jobs.retry_or_block(ref, "it is not looked after"):
                snapshot = self._update(ref, is_swept=hints is None)
                if snapshot is not None and ref in self.queue and len(snapshots) < _MAX_SNAPSHOTS:
                    snapshots[ref] = snapshot
        self._start_next(at_most, snapshots)
        if at_most:
            is_full = self.running.total() >= at_most and self.queue.has_waiting(self._home.paused())
            self._slot_report.update(is_full=is_full, count=at_most)

    def _update(self, ref: JobRef, *, is_swept: bool) -> JobSnapshot | None:
        """Note the state of a job, and reconcile it where the ledger knows it; returns its snapshot if one was made.

        A job that the ledger does not know is only read as far as a list needs. That reading, and that of a job that is
        over, is made within the budget of its submitter: a job beyond the budget is read at a later sweep.
        """
        record = self._store.record_of(ref)
        if record is None or not self._home.ledger.events(record.id):
            undecided = self._budgets[ref.submitter]
            if undecided.used_up:
                del self._again[ref]  # the index's next sweep reaches it; what is remembered here has to stay small
                return None
            if record is None or not is_swept:
                undecided.start()
                try:
                    record = self._store.get(ref, hash_at_most=HASHED_BYTES)
                finally:
                    undecided.settle_job(is_decided=False)
            if not self._home.ledger.events(record.id):
                self._note(record)
                del self._again[ref]
                return None
        budget = None
        if not may_move(derive_state(self._home.ledger.facts(record.id)).state):
            budget = self._budgets_of_ended[ref.submitter]
            if budget.used_up:
                return None  # it stays among those to read again, which are no more than the owner decided about
            budget.start()
        try:
            snapshot = self.driver.reconcile(ref)
        finally:
            if budget is not None:
                budget.settle_job(is_decided=True)
        self._note(snapshot.record)
        del self._again[ref]
        return snapshot

    def _new_budget(self) -> SweepBudget:
        return SweepBudget(most_undecided=2 * self._participant.limits.unfinished)

    def collect(self, moves: list[StatusTransition]) -> bool:
        """Finish what ended, without touching the folder; returns whether something still runs or is being copied."""
        is_busy = False
        for attempt, evidence in self.driver.poll(self._unfinished_attempts()):
            condition = ("home", attempt.job, attempt.number)
            try:
                moves += self.driver.collect(attempt, evidence)
                self._conditions.end(condition)
            except (SyftJobError, OSError) as error:
                job = f"'{attempt.ref.name}' from {attempt.ref.submitter}"
                self._conditions.begin(condition, f"The results of {job} are not collected yet. {error}")
            is_busy = is_busy or self.driver.is_collecting(attempt) or self.driver.is_active(attempt)
        return is_busy

    def _unfinished_attempts(self) -> list[Attempt]:
        """The attempts that were started and are not finished, as the ledger has them."""
        ledger = self._home.ledger
        ledger.refresh()
        return [Attempt(self._participant, ledger.place_of(job), job, number) for job, number in ledger.unfinished()]

    def start(self, ref: JobRef, snapshot: JobSnapshot | None = None) -> None:
        """Start one job now, whatever else waits; ``snapshot`` is the job as it was read a moment ago."""
        self.queue.leave(ref)
        with self.blocked_jobs.retry_or_block(ref, "it is not started"):
            self.driver.start(ref, snapshot)
            self.running[ref.submitter] += 1
            self.blocked_jobs.forget(ref)
            if self.job_watch is not None:
                self.job_watch.leave_job(ref)  # so that it is watched anew, and read, once it has run for a moment

    def hints(self, job_watch: JobWatch) -> set[JobRef]:
        """Return the jobs that file events point to, and those of which another process recorded something."""
        hints = job_watch.places()
        ledger = self._home.ledger
        ledger.refresh()
        end = ledger.end  # what is recorded from here on is a hint of the next round
        changed = ledger.heard_since(self._mark)
        self._mark = end
        if changed:
            with suppress(StoreError), self._home.locked(_LOCK_PATIENCE_S):
                pass  # the process that recorded it writes the marker next and holds the lock until it is there
        for job in changed:
            with suppress(JobNotFoundError):  # its line was cut off again
                hints.add(ledger.place_of(job))
        return {ref for ref in hints if names.is_address(ref.submitter) and not names.is_sync_artefact(ref.name)}

    def keep_watch(self, job_watch: JobWatch) -> set[JobRef]:
        """Watch the jobs in whose directories something can happen: those that run, are blocked or still arrive.

        Returns:
            Those that are watched only from now on, so that the next round has to read them once more.
        """
        ledger = self._home.ledger
        runs = (ledger.place_of(job) for job, _ in ledger.unfinished())
        arriving = (ref for ref, state in self._unfinished.items() if state is JobState.CREATED)
        wanted = islice(chain(runs, self.blocked_jobs.reasons, arriving), MAX_WATCHES)  # there may be any number
        return {ref for ref in wanted if job_watch.watch_job(ref)}

    def waiting(self) -> set[JobRef]:
        """Return the jobs that may move by themselves."""
        return {ref for ref, state in self._unfinished.items() if may_move(state)}

    def is_settled(self, waiting: Collection[JobRef]) -> bool:
        """Return True if none of ``waiting`` can move by itself and nothing runs."""
        paused = self._home.paused()
        blocked = self.blocked_jobs.reasons.keys()
        held_back = {ref for ref in waiting if "*" in paused or ref.submitter in paused}
        is_busy = self.running.total() or not self.driver.transfers.is_idle
        return not (set(waiting) - blocked - held_back) and not is_busy

    def is_under_way(self, ref: JobRef) -> bool:
        """Return True if an attempt of the job was started and is not finished."""
        ledger = self._home.ledger
        return any(ledger.place_of(job) == ref for job, _ in ledger.unfinished())

    def _advance_all(self, moves: list[StatusTransition]) -> None:
        """Advance every attempt that was started and is not finished, wherever its folder is."""
        ledger = self._home.ledger
        running: Counter[str] = Counter()
        for attempt, evidence in self.driver.poll(self._unfinished_attempts()):
            fs.check_interrupted()
            self._hang_guard.busy()
            trouble = f"attempt {attempt.number} is not looked after"
            with self.blocked_jobs.now_and_then(attempt.ref, trouble) as is_time:
                if is_time:
                    moves += self.driver.advance(attempt, evidence)
            running[attempt.ref.submitter] += self.driver.is_active(attempt)
            if not ledger.is_under_way(attempt.job, attempt.number):
                self.blocked_jobs.forget(attempt.ref)
                self._forget(attempt.ref)  # the ledger reports what people decide about it
        self.running = running

    def _forget(self, ref: JobRef) -> None:
        """Note that nothing moves this job by itself any more."""
        self._unfinished.pop(ref, None)
        if self.job_watch is not None:
            self.job_watch.leave_job(ref)

    def _handle_missing(self, ref: JobRef) -> None:
        """Note that a job went away while it was read, in whole or but for its directory."""
        if fs.is_directory(self._store.root, *ref.parts):
            self._unfinished[ref] = JobState.CREATED  # nothing of it has arrived yet but its directory
        else:
            self._forget(ref)
        if self._store.knows(ref):
            # It went after the index read it. Should it come back as it was, with the folder around it, the index does
            # not report it again.
            self._again[ref] = None
        else:
            self._again.pop(ref, None)
        self.queue.leave(ref)

    def _release_all(self) -> None:
        """Carry out the pending releases."""
        for job, _ in self._home.ledger.pending_releases():
            fs.check_interrupted()
            ref = self._home.ledger.place_of(job)
            self._hang_guard.busy()
            with self.blocked_jobs.now_and_then(ref, "its results are not released") as is_time:
                if is_time:
                    self.driver.carry_out_release(ref)

    def _jobs_to_read(self, hints: Iterable[JobRef] | None) -> list[JobRef]:
        """Return the hinted jobs; at a sweep the unfinished ones, those that moved and a few others in turn."""
        unpublished = self.driver.pop_unpublished()
        if hints is not None:
            return list(dict.fromkeys([*hints, *unpublished]))
        self._budgets.clear()
        self._budgets_of_ended.clear()
        self._checks.run(is_running=bool(self.running.total()))
        self._mark = self._home.ledger.end  # the sweep covers what was recorded until now
        moved = self._store.sweep(self._owner, _STATTED_A_SWEEP)
        self._conditions.only(
            "submitter",
            {who: f"The jobs of {who} cannot be looked at: {why}" for (_, who), why in self._store.unread.items()},
        )
        self._conditions.only(
            "budget",
            {
                who: f"Not all jobs of {who} were looked at in one sweep: their budget is used up, so they come in"
                " turn. syft-job doctor says more."
                for (_, who) in self._store.not_looked_at()
            },
        )
        if self.job_watch is not None:
            present = self.job_watch.sweep(self._store.submitters(self._owner))  # some before the watch was set
            moved += [ref for ref in present if not self._store.knows(ref)][:_MAX_LATE]
        for ref, state in list(self._unfinished.items()):
            if not self._store.knows(ref):
                self._forget(ref)
            elif state is JobState.QUEUED and not self.is_under_way(ref):
                self.queue.join(ref)  # what blocked it may be over
        if not self._to_check:
            self._to_check.extend(record.place for record in self._store.finished(self._owner))
        in_turn = [self._to_check.popleft() for _ in range(min(CHECKED_A_SWEEP, len(self._to_check)))]
        return list(dict.fromkeys([*moved, *in_turn, *self._again, *self.blocked_jobs.reasons, *unpublished]))

    def _note(self, record: JobRecord) -> None:
        """Note whether a job may move by itself, and let an approved one join the queue."""
        ref = record.place
        if record.state.is_terminal:
            self.blocked_jobs.forget(ref)
            self._forget(ref)
        else:
            self._unfinished[ref] = record.state
        if record.state is JobState.SUBMITTED and self.job_watch is not None:
            self.job_watch.leave_job(ref)  # the ledger reports its approval
        if record.state is JobState.QUEUED and not self._home.ledger.is_under_way(record.id, record.attempt):
            self.queue.join(ref)
        else:
            self.queue.leave(ref)

    def _start_next(self, at_most: int, snapshots: Mapping[JobRef, JobSnapshot]) -> None:
        paused = self._home.paused() if at_most else ()
        while self.running.total() < at_most:
            ref = self.queue.next(self.running, paused)
            if ref is None:
                return
            fs.check_interrupted()
            self.start(ref, snapshots.get(ref))


def may_move(state: JobState) -> bool:
    """Return True if a job in this state moves by itself."""
    return state in (JobState.QUEUED, JobState.RUNNING)
