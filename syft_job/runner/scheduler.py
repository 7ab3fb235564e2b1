"""One round of the runner: look after what runs, look where something moved, start what there is room for.

What is true is read off the folder and the ledger each time; between two rounds it is only remembered where to look
next and what was said already. All of it belongs to the runner's loop, but for `collect`, which touches none of it.
"""

from __future__ import annotations

import errno
from collections import Counter, deque
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import suppress
from itertools import chain, islice

from syft_job import fs
from syft_job.errors import JobNotFoundError, StoreError, SyftJobError, UnreadableJob
from syft_job.exchange import datasite
from syft_job.exchange.job_index import HASHED_BYTES, JobIndex
from syft_job.exchange.job_reader import JobSnapshot
from syft_job.exchange.sweep_budget import SweepBudget
from syft_job.fs.watch import MAX_WATCHES
from syft_job.model import names
from syft_job.model.job_record import JobRecord, StatusTransition
from syft_job.model.job_ref import JOBS, JobRef
from syft_job.model.lifecycle import JobState, state_of

from . import attempt_files as attempts
from .attempt import AttemptDriver
from .attempt_files import Attempt
from .blocked_jobs import BlockedJobs
from .conditions import Conditions
from .hang_guard import HangGuard
from .job_watch import JobWatch
from .queue import JobQueue

_A_MOMENT = 0.5
CHECKED_A_SWEEP = 5
"""How many finished jobs are checked in full at each sweep, in turn: about 0.2 % of a core."""
_LATE_AT_MOST = 100
"""At how many directories a sweep looks that came while it looked; the next one meets the rest."""
_LOOKS_AT_MOST = 64
"""How many full looks of a round are kept for the starts at its end."""
_STATTED_A_SWEEP = 1000
"""At how many finished jobs a sweep glances, in turn: one `stat` each, together about 0.1 % of a core."""


class Scheduler:
    """Moves each job of one datasite at most one square at a time.

    Args:
        owner: whose datasite.
        store: the jobs of the folder, as the owner sees them.
        squares: what moves a job.
        say: called with one line for each thing that is worth one.
        troubles: where it is told what is in the way of all jobs.
        standby: told before each piece of work that a silent folder may hold up.
        patience: seconds between two tries of what did not go well for one job.
    """

    def __init__(
        self,
        owner: str,
        store: JobIndex,
        driver: AttemptDriver,
        *,
        say: Callable[[str], None],
        troubles: Conditions,
        hang_guard: HangGuard,
        patience: float,
    ) -> None:
        self.driver = driver
        self.blocked_reason = BlockedJobs(store, say, patience, self._gone)
        self.line = JobQueue()
        self.lookout: JobWatch | None = None
        self.running: Counter[str] = Counter()
        """How many attempts of each submitter run."""
        self.was_there = False
        """Whether the place for jobs was there at the last sweep."""
        self._owner = owner
        self._store = store
        self._participant = store.participant
        self._home = store.participant.home
        self._conditions = troubles
        self._hang_guard = hang_guard
        self._unfinished: dict[JobRef, JobState] = {}
        self._to_check: deque[JobRef] = deque()
        self._again: dict[JobRef, None] = {}
        self._mark = 0
        self._has_upgraded_rules = False
        self._budgets: dict[str, SweepBudget] = {}
        """What each submitter's undecided jobs may still cost until the next sweep."""
        self._budgets_of_ended: dict[str, SweepBudget] = {}
        """The same for jobs that the owner decided about and that do not wait to run."""

    def go(self, hints: Iterable[JobRef] | None, moves: list[StatusTransition], *, at_most: int) -> None:
        """Do one round and add what moved to ``moves``, as it happens.

        Args:
            hints: the jobs to look at beside what runs and what is owed; None looks at every unfinished one.
            moves: where the moves are added.
            at_most: start a job only while fewer than this many run.

        Raises:
            StoreError: the home or the folder cannot be used.
        """
        self.driver.say_errors()
        self._advance_all(moves)
        self._release_all()
        looks: dict[JobRef, JobSnapshot] = {}
        for place in in_turn(self._look(hints)):
            fs.check_interrupted()
            self._hang_guard.busy()
            self._again[place] = None
            with self.blocked_reason.retry_or_block(place, "it is not looked after"):
                look = self._look_after(place, is_swept=hints is None)
                if look is not None and place in self.line and len(looks) < _LOOKS_AT_MOST:
                    looks[place] = look
        self._start_next(at_most, looks)

    def _look_after(self, place: JobRef, *, is_swept: bool) -> JobSnapshot | None:
        """Note what a job is, and put right what the ledger has about it; returns the full look where there was one.

        A job that the ledger does not know is only looked at as far as a list needs. Such a look, and that at a job
        that is over, is made within the budget of its submitter: what is over it comes at the next sweep.
        """
        record = self._store.record_of(place)
        if record is None or not self._home.ledger.events(record.id):
            undecided = self._budget_of(self._budgets, place)
            if undecided.used_up:
                del self._again[place]  # the store's next sweep comes to it; what is remembered here has to stay small
                return None
            if record is None or not is_swept:
                undecided.start()
                try:
                    record = self._store.get(place, hash_at_most=HASHED_BYTES)
                finally:
                    undecided.settle_job(is_decided=False)
            if not self._home.ledger.events(record.id):
                self._note(record)
                del self._again[place]
                return None
        budget = None
        if not may_move(state_of(self._home.ledger.facts(record.id)).state):
            budget = self._budget_of(self._budgets_of_ended, place)
            if budget.used_up:
                return None  # it stays among those to look at again, which are no more than the owner decided about
            budget.start()
        try:
            look = self.driver.reconcile(place)
        finally:
            if budget is not None:
                budget.settle_job(is_decided=True)
        self._note(look.record)
        del self._again[place]
        return look

    def _budget_of(self, budgets: dict[str, SweepBudget], place: JobRef) -> SweepBudget:
        budget = budgets.get(place.submitter)
        if budget is None:
            budget = budgets[place.submitter] = SweepBudget(most_undecided=2 * self._participant.limits.unfinished)
        return budget

    def collect(self, moves: list[StatusTransition]) -> bool:
        """Bring home what is over, without touching the folder; returns whether something runs or is collected."""
        self._home.ledger.refresh()
        still = False
        for job, number in self._home.ledger.unfinished():
            attempt = Attempt(self._participant, self._home.ledger.place_of(job), job, number)
            try:
                moves += self.driver.collect(attempt)
                self._conditions.end(("home", job, number))
            except (SyftJobError, OSError) as error:
                whose = f"'{attempt.place.name}' from {attempt.place.submitter}"
                self._conditions.begin(
                    ("home", job, number), f"The results of {whose} are not brought home yet. {error}"
                )
            still = still or self.driver.is_collecting(attempt) or attempts.supervisor_is_alive(attempt)
        return still

    def start(self, place: JobRef, look: JobSnapshot | None = None) -> None:
        """Start one job now, whoever else waits; ``look`` is how it was a moment ago, for who looked."""
        self.line.leave(place)
        with self.blocked_reason.retry_or_block(place, "it is not started"):
            self.driver.start(place, look)
            self.running[place.submitter] += 1
            self.blocked_reason.forget(place)
            if self.lookout is not None:
                self.lookout.leave_job(place)  # so that it is watched anew, and looked at, once it has run for a moment

    def hints(self, lookout: JobWatch) -> set[JobRef]:
        """Where file events point, and of which jobs somebody else said something in the ledger."""
        hints = lookout.places()
        ledger = self._home.ledger
        ledger.refresh()
        end = ledger.end  # what is said from here on is heard the next time
        heard = ledger.heard_since(self._mark)
        self._mark = end
        if heard:
            with suppress(StoreError), self._home.locked(_A_MOMENT):
                pass  # who spoke lays the marker next and holds the lock until it lies there
        for job in heard:
            with suppress(JobNotFoundError):  # its line was cut off again
                hints.add(ledger.place_of(job))
        return {
            place for place in hints if names.is_address(place.submitter) and not names.is_sync_artefact(place.name)
        }

    def keep_watch(self, lookout: JobWatch) -> set[JobRef]:
        """Watch the jobs in whose directories something can happen: those that run, have a hindrance or still arrive.

        Returns:
            Those that are watched only from now on, so that the next round has to look at them once more.
        """
        ledger = self._home.ledger
        runs = (ledger.place_of(job) for job, _ in ledger.unfinished())
        arriving = (place for place, state in self._unfinished.items() if state is JobState.CREATED)
        wanted = islice(
            chain(runs, self.blocked_reason.reasons, arriving), MAX_WATCHES
        )  # there may be any number of them
        return {place for place in wanted if lookout.watch_job(place)}

    def waiting(self) -> set[JobRef]:
        """The jobs that may move by themselves."""
        return {place for place, state in self._unfinished.items() if may_move(state)}

    def is_settled(self, waiting: Collection[JobRef]) -> bool:
        """Whether nothing of ``waiting`` can move by itself and nothing runs."""
        paused = self._home.paused()
        stuck = self.blocked_reason.reasons.keys()
        held_back = {place for place in waiting if "*" in paused or place.submitter in paused}
        is_busy = self.running.total() or not self.driver.transfers.is_idle
        return not (set(waiting) - stuck - held_back) and not is_busy

    def is_under_way(self, place: JobRef) -> bool:
        """Whether an attempt of the job at ``place`` was said to start and is not over."""
        ledger = self._home.ledger
        return any(ledger.place_of(job) == place for job, _ in ledger.unfinished())

    def _advance_all(self, moves: list[StatusTransition]) -> None:
        """Look after everything that was said to start and is not over, wherever its folder is."""
        ledger = self._home.ledger
        ledger.refresh()
        running: Counter[str] = Counter()
        for job, number in ledger.unfinished():
            place = ledger.place_of(job)
            attempt = Attempt(self._participant, place, job, number)
            fs.check_interrupted()
            self._hang_guard.busy()
            with self.blocked_reason.now_and_then(place, f"attempt {number} is not looked after") as is_time:
                if is_time:
                    moves += self.driver.advance(attempt)
                    running[place.submitter] += attempts.supervisor_is_alive(attempt)
            if not ledger.is_under_way(job, number):
                self._leave_alone(attempt)
        self.running = running

    def _leave_alone(self, attempt: Attempt) -> None:
        """An attempt is over: who says something of its job makes us look at it again."""
        self.blocked_reason.forget(attempt.place)
        self._forget(attempt.place)

    def _forget(self, place: JobRef) -> None:
        """Nothing moves this job by itself any more."""
        self._unfinished.pop(place, None)
        if self.lookout is not None:
            self.lookout.leave_job(place)

    def _gone(self, place: JobRef) -> None:
        if fs.is_directory(self._store.root, *place.parts):
            self._unfinished[place] = JobState.CREATED  # nothing of it has arrived yet but its directory
        else:
            self._forget(place)
        if self._store.knows(place):
            # It went after the store's look. Should it come back as it was, with the folder around it, no look of the
            # store tells of it again.
            self._again[place] = None
        else:
            self._again.pop(place, None)
        self.line.leave(place)

    def _release_all(self) -> None:
        for job, _ in self._home.ledger.owed():
            fs.check_interrupted()
            place = self._home.ledger.place_of(job)
            self._hang_guard.busy()
            with self.blocked_reason.now_and_then(place, "its results are not released") as is_time:
                if is_time:
                    self.driver.carry_out_release(place)

    def _look(self, hints: Iterable[JobRef] | None) -> list[JobRef]:
        """Where to look now: where hints point; at a sweep what is unfinished, what moved and a few others in turn."""
        untold = self.driver.pop_unpublished()
        if hints is not None:
            return list(dict.fromkeys([*hints, *untold]))
        self._budgets.clear()
        self._budgets_of_ended.clear()
        self._look_for_room()
        self._require_folder()
        self._republish_key()
        self._upgrade_rules()
        self._mark = self._home.ledger.end  # what was said until now, the sweep hears
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
        if self.lookout is not None:
            lying = self.lookout.sweep(self._store.submitters(self._owner))
            late = [place for place in lying if not self._store.knows(place)]  # it came before the watch was set
            moved += late[:_LATE_AT_MOST]
        for place, state in list(self._unfinished.items()):
            if not self._store.knows(place):
                self._forget(place)
            elif state is JobState.QUEUED and not self.is_under_way(place):
                self.line.join(place)  # what was in its way may be over
        if not self._to_check:
            self._to_check.extend(record.place for record in self._store.finished(self._owner))
        in_turn = [self._to_check.popleft() for _ in range(min(CHECKED_A_SWEEP, len(self._to_check)))]
        return list(dict.fromkeys([*moved, *in_turn, *self._again, *self.blocked_reason.reasons, *untold]))

    def _look_for_room(self) -> None:
        """Say it where what runs has no room left: its supervisor cannot even note how it ends."""
        if self.running.total() and fs.is_disk_full(self._home.workspaces):
            self._conditions.begin(
                "room",
                f"The disk of the workspaces {str(self._home.workspaces)!r} is full. What runs may fail, and how it"
                " ends is noted only when there is room again. Free some space.",
            )
        else:
            self._conditions.end("room")

    def _require_folder(self) -> None:
        """Refuse to take a folder that is away for one without jobs: an unmounted one leaves an empty directory.

        Raises:
            StoreError: the place for jobs is away, and it was there before.
        """
        jobs = self._store.root.joinpath(self._owner, *JOBS)
        with fs.translate_os_errors(f"read {str(jobs)!r}"):
            is_there = fs.is_directory(self._store.root, self._owner, *JOBS)
        if not is_there and (self.was_there or next(self._home.ledger.jobs(), None) is not None):
            raise StoreError(
                f"The folder is away: there is no {'/'.join((self._owner, *JOBS))} in {str(self._store.root)!r}."
                " See whether it is mounted, and whether it is the right one.",
                errno=errno.ENOENT,
            )
        self.was_there = is_there

    def _republish_key(self) -> None:
        """Keep the present key published; what is wrong with it otherwise is told, and stops nothing."""
        try:
            trouble = self._home.republish_key_if_missing()
        except (SyftJobError, OSError) as error:
            trouble = str(error)
        self._conditions.only("key", {} if trouble is None else {trouble: trouble})

    def _upgrade_rules(self) -> None:
        """Once a run: let submitters read the markers that this release writes and an earlier one did not know."""
        if self._has_upgraded_rules:
            return
        try:
            with fs.translate_os_errors(f"write the rules of {self._owner!r}"):
                datasite.upgrade_rules(self._store.root, self._owner)
        except (FileNotFoundError, UnreadableJob):
            return  # there is no folder of jobs yet; or doctor names what is in the place of the rules
        except StoreError as error:
            self._conditions.begin("rules", f"Submitters cannot read why a job is blocked. {error}")
            return
        self._conditions.end("rules")
        self._has_upgraded_rules = True

    def _note(self, record: JobRecord) -> None:
        """Remember what may move by itself, and let approved jobs join the line."""
        place = record.place
        if record.state.is_terminal:
            self.blocked_reason.forget(place)
            self._forget(place)
        else:
            self._unfinished[place] = record.state
        if record.state is JobState.SUBMITTED and self.lookout is not None:
            self.lookout.leave_job(place)  # a yes to it is heard from the ledger
        if record.state is JobState.QUEUED and not self._home.ledger.is_under_way(record.id, record.attempt):
            self.line.join(place)
        else:
            self.line.leave(place)

    def _start_next(self, at_most: int, looks: Mapping[JobRef, JobSnapshot]) -> None:
        paused = self._home.paused() if at_most else ()
        while self.running.total() < at_most:
            place = self.line.next(self.running, paused)
            if place is None:
                return
            fs.check_interrupted()
            self.start(place, looks.get(place))


def may_move(state: JobState) -> bool:
    """Whether a job in this state moves by itself."""
    return state in (JobState.QUEUED, JobState.RUNNING)


def in_turn(places: Iterable[JobRef]) -> list[JobRef]:
    """The jobs of all submitters in turn, each submitter's in the order in which they came."""
    queues: dict[str, deque[JobRef]] = {}
    for place in places:
        queues.setdefault(place.submitter, deque()).append(place)
    ordered = []
    turns = deque(queues.values())
    while turns:
        queue = turns.popleft()
        ordered.append(queue.popleft())
        if queue:
            turns.append(queue)
    return ordered
