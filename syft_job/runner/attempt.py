"""Moving one job at most one square: the steps of the table that the runner takes.

A square reads what is true, does one thing and tells what moved. It keeps no job's state; it only remembers what it
need not do again: which starts it has announced and when it last tried what did not work.

Two threads come here: the runner's loop, and, while the folder holds that one up, the one that stands by, which only
brings results home. What both touch (`_announced`, `_shown`, `_tried`) is guarded by `_memory`; that one attempt is not
finished by both at once, by `_at_home`. What takes long is done by `transfers`, and neither lock is held for it there.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import NamedTuple

from syft_job import fs
from syft_job.config import SyftJobConfig
from syft_job.errors import BlockedCategory, InvalidTransition, JobNotFoundError, NotStarted, SyftJobError
from syft_job.events.outbox import ENDED, end_of
from syft_job.exchange import job_reader, release, transitions
from syft_job.exchange.job_reader import JobSnapshot
from syft_job.exchange.participant import Participant
from syft_job.exchange.result_staging import Need, StagedResults
from syft_job.exchange.results import MISHAPS
from syft_job.execution.backends.shell import ExitRecord
from syft_job.execution.plan import CurrentTerms, Terms
from syft_job.model.blocked_reason import category_of
from syft_job.model.job_record import StatusTransition
from syft_job.model.job_ref import JobRef
from syft_job.model.lifecycle import Fact, JobState, Role

from . import attempt_files as attempts
from . import launch, workspace
from .attempt_files import Attempt
from .block_reporting import BlockedReports
from .transfers import Inline, Transfers

_PAUSE_FACTOR = 20.0
"""After a start of a large job that failed on its files, how many times as long as it took passes before the next try,
for each job of its submitter that fails like this: their copies take about 5 % of the time, whoever changes them."""
_LARGE_FILES = 256
"""With more files than this, or more than `workspace.SMALL_BYTES`, a job's failed start is not tried again at once."""
_FORGOTTEN_AFTER_S = 600.0
"""A failed start that could have been tried again for so long is forgotten: its job went away or was decided about."""


class _FailedStart(NamedTuple):
    """A start that failed because the files differ, and when to try again, on the monotonic clock."""

    submitter: str
    reason: str
    not_before: float


class _Brought(NamedTuple):
    """An attempt's results are home and its end is in the ledger."""

    moves: list[StatusTransition]
    is_small: bool = True


class AttemptDriver:
    """The runner's hand: starts, looks after and finishes attempts of one datasite.

    Args:
        participant: the owner.
        config: what the owner allows.
        terms: under what jobs run here.
        say: called with one line for each thing that happens.
        patience: seconds between two tries of something that did not work.
    """

    def __init__(
        self,
        participant: Participant,
        config: SyftJobConfig,
        terms: CurrentTerms,
        say: Callable[[str], None],
        patience: float,
    ) -> None:
        self.participant = participant
        self.config = config
        self._terms = terms
        self._say = say
        self._blocked = BlockedReports(say)
        self._patience = patience
        self._announced: set[tuple[str, int]] = set()
        self._shown: set[tuple[str, int]] = set()
        self._tried: dict[tuple[str, int], float] = {}
        self._untold: dict[JobRef, None] = {}
        self._failed_starts: dict[tuple[str, int], _FailedStart] = {}
        self._memory = threading.Lock()
        self._at_home = threading.Lock()
        self.transfers: Transfers = Inline()
        """Where results are copied and large trees are removed."""

    @property
    def terms(self) -> Terms:
        """Under what jobs run here, as it was found last."""
        return self._terms.terms

    def reconcile(self, place: JobRef) -> JobSnapshot:
        """Look at a job in full; lay the owner's markers that it lacks and end what its submitter took back.

        An attempt that has begun gets its `running` here, which one that is over in a moment never needs.

        What is ended is told when it is dead, as every end is.

        Raises:
            JobNotFoundError: it is gone.
        """
        try:
            look = job_reader.look(self.participant.home.root, place, self.participant)
        except FileNotFoundError as error:
            raise JobNotFoundError(f"There is no job '{place}'.") from error
        record = look.record
        if transitions.is_out_of_order(self.participant, look):
            for name in transitions.restore(self.participant, place, self._stage):
                if name != "running" or not self._is_news((record.id, record.attempt)):
                    self._say(f"'{place.name}': put '{name}' back, which was missing from the folder.")
        if record.state is JobState.RUNNING and record.position.withdrawn:
            transitions.cancel(self.participant, place, "withdrawn by its submitter", Role.RUNNER)
        return look

    def start(self, place: JobRef, look: JobSnapshot | None = None) -> None:
        """Take an approved job to the point where its supervisor is spawned; harmless if it is not approved any more.

        Args:
            place: the job.
            look: how it was a moment ago, for who looked; what it says is held against the ledger and the folder again.

        Raises:
            NotStarted: it may not start, or not now; the message says why.
        """
        look = look or job_reader.look(self.participant.home.root, place, self.participant)
        record = look.record
        attempt = Attempt(self.participant, place, record.id, record.attempt)
        if record.state is not JobState.QUEUED or self.participant.home.ledger.is_under_way(record.id, record.attempt):
            return
        began, key = time.monotonic(), (record.id, record.attempt)
        failed = self._failed_starts.get(key)
        if failed is not None and began < failed.not_before:
            raise NotStarted(failed.reason, category=BlockedCategory.FILES)
        with self._memory:
            self._tried[key] = began
        self._failed_starts.pop(key, None)
        try:
            launch.start(attempt, look, self.config, self._terms.at_start())
        except (InvalidTransition, FileNotFoundError, JobNotFoundError):
            raise  # it has moved on or went away, and is not blocked
        except (SyftJobError, OSError) as error:
            self._blocked.report(attempt, look, error)
            if category_of(error) is BlockedCategory.FILES and _is_large(look):
                self._pause(key, place.submitter, str(error), time.monotonic() - began)
            raise

    def _pause(self, key: tuple[str, int], submitter: str, reason: str, seconds: float) -> None:
        """Do not try a start again for a while that took ``seconds`` and failed on the job's files."""
        now = time.monotonic()
        for other in [other for other, it in self._failed_starts.items() if it.not_before + _FORGOTTEN_AFTER_S < now]:
            del self._failed_starts[other]
        count = 1 + sum(failed.submitter == submitter for failed in self._failed_starts.values())
        self._failed_starts[key] = _FailedStart(submitter, reason, now + _PAUSE_FACTOR * seconds * count)

    def advance(self, attempt: Attempt) -> list[StatusTransition]:
        """Look after an attempt that was said to start: has it begun, is it over, is nobody there any more?"""
        exit_record = attempts.exit_record_of(attempt)
        if exit_record is not None:
            return self._finish(attempt, attempts.outcome_of(exit_record), exit_record)
        self._stop_what_was_cancelled(attempt)
        if attempts.has_begun(attempt):
            if attempts.is_forfeited(attempt):
                return self._finish(attempt, "cancelled", None)
            if attempts.supervisor_is_alive(attempt):
                return self._announce_start(attempt)
            attempts.refuse_other_host(attempt)
            # It may have ended between the two looks, or the power went before the verdict had its name.
            exit_record = attempts.exit_record_of(attempt, is_nobody_there=True)
            return self._finish(attempt, attempts.outcome_of(exit_record), exit_record)
        if not attempts.supervisor_is_alive(attempt):
            return self._begin_again(attempt)
        return []

    def pop_unpublished(self) -> list[JobRef]:
        """The jobs whose folder could not be told what happened, since the last call: look at them again."""
        taken, self._untold = list(self._untold), {}
        return taken

    def collect(self, attempt: Attempt) -> list[StatusTransition]:
        """Finish an attempt as far as that needs no folder, where its supervisor said how it ended.

        From another thread than the rest, while the folder holds that one up; where it is at it, nothing is done.
        """
        exit_record = attempts.exit_record_of(attempt)
        if exit_record is None or not self._at_home.acquire(blocking=False):
            return []
        try:
            brought = self._collect(attempt, attempts.outcome_of(exit_record), exit_record)
        finally:
            self._at_home.release()
        if brought is None:
            return []
        self._remove_workspace(attempt, brought)
        return brought.moves

    def is_collecting(self, attempt: Attempt) -> bool:
        """Whether the results of an attempt are being copied to the home."""
        return self.transfers.is_pending(_collect_key(attempt))

    def carry_out_release(self, place: JobRef) -> None:
        """Release what the yes promised, if that is still owed; where much is to be copied, when that is done."""
        released = transitions.carry_out_release(self.participant, place, self._stage)
        if released is not None:
            people = ", ".join(sorted({*released.outputs, *released.logs}))
            self._say(f"📤 '{place.name}': released to {people}, as the yes said.")

    def say_errors(self) -> None:
        """Say what could not be done in the background."""
        for error in self.transfers.pop_errors():
            self._say(f"⚠ Something that is not needed any more could not be removed: {error}")

    def _stage(self, participant: Participant, place: JobRef, need: Need) -> StagedResults | None:
        """Copy results into a job's directory: few at once, many in the pool; None while that is being done."""
        if workspace.is_small(participant.home.attempt_paths(need.job, need.attempt).results):
            with fs.interruptible(None):
                return transitions.stage(participant, place, need)
        finished = self.transfers.result(
            ("release", place), place.submitter, lambda: transitions.stage(participant, place, need), in_folder=True
        )
        if finished is not None and finished.value.need != need:
            finished.value.close()  # more was granted meanwhile, or another attempt is the present one
            return self._stage(participant, place, need)
        if finished is None:
            self._untold[place] = None  # the job is looked at again, where nothing else asks for the copies
            return None
        return finished.value

    def _begin_again(self, attempt: Attempt) -> list[StatusTransition]:
        """An attempt that was said to start and has not begun: spawn it again, unless it must not start any more."""
        try:
            look = job_reader.look(self.participant.home.root, attempt.place, self.participant)
        except FileNotFoundError:
            return []  # the folder is away; nothing says that it is not wanted any more
        if look.record.id != attempt.job or look.record.state is not JobState.QUEUED:
            return self._finish(attempt, "cancelled", None) if attempts.forfeit(attempt) else []
        key = (attempt.job, attempt.number)
        with self._memory:
            before = self._tried.get(key)
            is_time = before is None or time.monotonic() - before >= self._patience
            if is_time:
                self._tried[key] = time.monotonic()
        if is_time:
            launch.start(attempt, look, self.config, self._terms.at_start())
            if before is not None:
                raise NotStarted(
                    "its supervisor ended without beginning it, and was started again. See whether"
                    f" {str(attempt.claim.parent)!r} can be written"
                )
        return []

    def _stop_what_was_cancelled(self, attempt: Attempt) -> None:
        """Ask the supervisor once more where whoever cancelled did not get that far."""
        is_cancelled = Fact("cancelled", attempt.number) in self.participant.home.ledger.facts(attempt.job)
        if is_cancelled and not (attempt.workspace / transitions.CANCEL_REQUEST).exists():
            transitions.ask_to_stop(self.participant, attempt.job, attempt.number)

    def _is_news(self, key: tuple[str, int]) -> bool:
        """Whether `running` of this attempt was never laid by this runner before now."""
        with self._memory:
            is_news = key not in self._shown
            self._shown.add(key)
        return is_news

    def _announce_start(self, attempt: Attempt) -> list[StatusTransition]:
        key = (attempt.job, attempt.number)
        with self._memory:
            if key in self._announced:
                return []
            self._announced.add(key)
        self._say(f"🔄 '{attempt.place.name}' from {attempt.place.submitter} is running.")
        now = time.time()
        return [StatusTransition(attempt.job, JobState.QUEUED, JobState.RUNNING, now, "begun", attempt.place)]

    def _finish(self, attempt: Attempt, outcome: str, exit_record: ExitRecord | None) -> list[StatusTransition]:
        moves = self._announce_start(attempt) if exit_record is not None else []
        with self._at_home:
            brought = self._collect(attempt, outcome, exit_record)
        if brought is None:
            return moves  # the pool copies; it is asked again when that is done
        with self._telling(attempt.place):
            transitions.restore(self.participant, attempt.place, self._stage)
        self._remove_workspace(attempt, brought)
        return moves + brought.moves

    def _collect(self, attempt: Attempt, outcome: str, exit_record: ExitRecord | None) -> _Brought | None:
        """Results to the home, the end to the ledger; nothing here needs the folder. None while they are copied."""
        job, number, place = attempt.job, attempt.number, attempt.place
        self.participant.home.ledger.refresh()
        if not self.participant.home.ledger.is_under_way(job, number):
            return _Brought([])  # it was brought home while the folder held this thread up
        is_small = workspace.is_small(attempt.workspace)
        max_bytes = self.config.disk_bytes
        if is_small:
            with fs.interruptible(None):
                collected = workspace.Collected(attempt, exit_record, max_bytes)
        else:
            finished = self.transfers.result(
                _collect_key(attempt),
                place.submitter,
                lambda: workspace.Collected(attempt, exit_record, max_bytes),
                in_folder=False,
            )
            if finished is None:
                return None
            collected = finished.value
        told = attempts.told_by(exit_record)
        with closing(collected):
            collected.keep()
            transitions.record_finish(
                self.participant,
                place,
                job,
                number,
                outcome,
                owed=bool(release.promised(self.participant, job, number)),
                tacit=self.config.tell_outcome == "when_shared",
                left_out=collected.left_out or None,
                **told,
            )
        with self._memory:
            self._announced.discard((job, number))
            self._shown.discard((job, number))
            self._tried.pop((job, number), None)
        state = end_of(self.participant.home, job, number, outcome)
        emoji = "🎉" if state is JobState.SUCCEEDED else "💥"
        if exit_record is not None and exit_record.sandbox_failed:
            self._terms.doubt()
        self._say(f"{emoji} '{place.name}' from {place.submitter} {ENDED[state]}.")
        for key, words in MISHAPS.items():
            if told.get(key):
                self._say(f"   {words}")
        for words in collected.left_out:
            self._say(f"   left out of its results: {words}")
        moves = [StatusTransition(job, JobState.RUNNING, state, time.time(), ENDED[state], place)]
        return _Brought(moves, is_small=is_small)

    def _remove_workspace(self, attempt: Attempt, brought: _Brought) -> None:
        if not brought.is_small:
            self.transfers.background(
                attempt.place.submitter, lambda: workspace.remove_workspace(attempt), in_folder=False
            )
            return
        try:
            with fs.interruptible(None):
                workspace.remove_workspace(attempt)
        except (SyftJobError, OSError) as error:
            self._say(f"   its workspace stays until syft-job clean: {error}")

    @contextmanager
    def _telling(self, place: JobRef) -> Iterator[None]:
        """Tell the folder what is said already; where that does not work now, the job is looked at again."""
        try:
            yield
        except JobNotFoundError:
            return  # it went away; the sweep finds it when it is back
        except (SyftJobError, OSError):
            self._untold[place] = None  # the look that follows says what is in the way


def _is_large(look: JobSnapshot) -> bool:
    """Whether copying a job into its workspace takes long enough to count."""
    files = {} if look.spec is None else look.spec.files
    return len(files) > _LARGE_FILES or sum(entry.size for entry in files.values()) > workspace.SMALL_BYTES


def _collect_key(attempt: Attempt) -> tuple[str, str, int]:
    return ("collect", attempt.job, attempt.number)
