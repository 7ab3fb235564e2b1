"""What the runner does for one job: reconcile it, start it, advance its attempt, carry out a promised release.

How an attempt lives is `execution.attempt.AttemptMachine`; what the exchange does for it is `exchange_operations`.
This module connects both with the scheduler, and decides when a failed start is tried again.

Two threads come here: the runner's loop, and, while the folder holds that one up, the thread that stands by, which only
calls `poll`, `collect` and `is_active`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import NamedTuple

from syft_job.config import SyftJobConfig
from syft_job.errors import BlockedCategory, InvalidTransition, JobNotFoundError, NotStarted, SyftJobError
from syft_job.exchange import job_reader, transitions
from syft_job.exchange.job_reader import JobSnapshot
from syft_job.exchange.participant import Participant
from syft_job.execution.attempt import AttemptMachine
from syft_job.execution.backends.base import JobABC
from syft_job.execution.evidence import Evidence
from syft_job.execution.plan import ExecutionPlan
from syft_job.model.blocked_reason import category_of
from syft_job.model.events import Role
from syft_job.model.job_record import StatusTransition
from syft_job.model.job_ref import JobRef
from syft_job.model.states import JobState

from . import workspace
from .attempt_files import Attempt
from .block_reporting import BlockedReports
from .exchange_operations import ExchangeOperations
from .planner import Planner
from .transfers import Transfers

_PAUSE_FACTOR = 20.0
"""After a start of a large job that failed on its files, how many times as long as it took passes before the next try,
for each job of its submitter that fails like this: their copies take about 5 % of the time, whatever changes them."""
_LARGE_FILES = 256
"""With more files than this, or more than `workspace.SMALL_BYTES`, a job's failed start is not tried again at once."""
_FORGOTTEN_AFTER_S = 600.0
"""A failed start that could have been tried again for so long is forgotten: its job went away or was decided about."""


class _FailedStart(NamedTuple):
    """A start that failed because the files differ, and when to try again, on the monotonic clock."""

    submitter: str
    reason: str
    not_before: float


class AttemptDriver:
    """Starts, advances and finishes attempts of one datasite.

    Args:
        participant: the owner.
        config: the owner's settings.
        planner: plans the jobs.
        backend: what runs the attempts.
        announce: called with one line for each thing that happens.
        patience_s: seconds between two tries of something that failed.
    """

    def __init__(
        self,
        participant: Participant,
        config: SyftJobConfig,
        planner: Planner,
        backend: JobABC,
        announce: Callable[[str], None],
        patience_s: float,
    ) -> None:
        self._participant = participant
        self._planner = planner
        self._announce = announce
        self._blocked = BlockedReports(announce)
        self._failed_starts: dict[tuple[str, int], _FailedStart] = {}
        self._operations = ExchangeOperations(participant, config, planner, announce)
        self._machine = AttemptMachine[Attempt](backend, self._operations, patience_s)

    @property
    def general_plan(self) -> ExecutionPlan:
        """The plan for any job, as it was determined last."""
        return self._planner.general

    @property
    def config(self) -> SyftJobConfig:
        """The owner's settings, which a call may replace for its attempts."""
        return self._operations.config

    @config.setter
    def config(self, config: SyftJobConfig) -> None:
        self._operations.config = config

    @property
    def transfers(self) -> Transfers:
        """Where results are copied and large trees are removed."""
        return self._operations.transfers

    @transfers.setter
    def transfers(self, transfers: Transfers) -> None:
        self._operations.transfers = transfers

    def reconcile(self, ref: JobRef) -> JobSnapshot:
        """Read a job in full, write the owner's markers that it lacks and end it where its submitter withdrew it.

        An attempt that has begun gets its marker `running` here, which one that is over in a moment never needs.
        The end of what is cancelled here is published when it is dead, as every end is.

        Raises:
            JobNotFoundError: it is gone.
        """
        try:
            snapshot = job_reader.look(self._participant.home.root, ref, self._participant)
        except FileNotFoundError as error:
            raise JobNotFoundError(f"There is no job '{ref}'.") from error
        record = snapshot.record
        if transitions.is_out_of_order(self._participant, snapshot):
            label = Attempt(self._participant, ref, record.id, record.attempt).paths.label
            for name in transitions.restore(self._participant, ref, self._operations.stage):
                if name != "running" or not self._operations.is_first_restore(label):
                    self._announce(f"'{ref.name}': put '{name}' back, which was missing from the folder.")
        if record.state is JobState.RUNNING and record.position.withdrawn:
            transitions.cancel(self._participant, ref, "withdrawn by its submitter", Role.RUNNER)
        return snapshot

    def start(self, ref: JobRef, snapshot: JobSnapshot | None = None) -> None:
        """Launch the present attempt of an approved job; nothing happens if it is not approved any more.

        Args:
            ref: the job.
            snapshot: the job as it was read a moment ago; the start checks it against the ledger and the folder.

        Raises:
            NotStarted: it may not start, or not now; the message has the reason.
        """
        snapshot = snapshot or job_reader.look(self._participant.home.root, ref, self._participant)
        record = snapshot.record
        attempt = Attempt(self._participant, ref, record.id, record.attempt)
        if record.state is not JobState.QUEUED or self._participant.home.ledger.is_under_way(record.id, record.attempt):
            return
        began, key = time.monotonic(), (record.id, record.attempt)
        failed = self._failed_starts.get(key)
        if failed is not None and began < failed.not_before:
            raise NotStarted(failed.reason, category=BlockedCategory.FILES)
        self._failed_starts.pop(key, None)
        try:
            self._operations.use_snapshot(attempt, snapshot)
            self._machine.advance(attempt)
        except (InvalidTransition, FileNotFoundError, JobNotFoundError):
            raise  # it has moved on or went away, and is not blocked
        except (SyftJobError, OSError) as error:
            self._blocked.report(attempt, snapshot, error)
            if category_of(error) is BlockedCategory.FILES and _is_large(snapshot):
                self._pause(key, ref.submitter, str(error), time.monotonic() - began)
            raise

    def poll(self, attempts: Iterable[Attempt]) -> list[tuple[Attempt, Evidence]]:
        """Return what the backend knows about attempts that were started."""
        return self._machine.poll(attempts)

    def is_active(self, attempt: Attempt) -> bool:
        """Return True if the attempt takes a slot: it runs or is about to."""
        return self._machine.is_active(attempt)

    def advance(self, attempt: Attempt, evidence: Evidence) -> list[StatusTransition]:
        """Take the step that a started attempt is due for; returns the moves.

        Raises:
            NotStarted, SyftJobError, OSError: see `AttemptMachine.advance`.
        """
        self._machine.advance(attempt, evidence)
        return self._operations.pop_moves()

    def collect(self, attempt: Attempt, evidence: Evidence) -> list[StatusTransition]:
        """Finish an attempt that ended, as far as that needs no folder; returns the moves.

        Called from another thread than the rest, while the folder holds that one up.

        Raises:
            SyftJobError, OSError: the results cannot be kept now.
        """
        self._machine.collect(attempt, evidence)
        return self._operations.pop_moves()

    def is_collecting(self, attempt: Attempt) -> bool:
        """Return True while the results of an attempt are being copied to the home."""
        return self._operations.is_collecting(attempt)

    def pop_unpublished(self) -> list[JobRef]:
        """Return the jobs whose folder lacks something that the ledger has, since the last call."""
        return self._operations.pop_unpublished()

    def carry_out_release(self, ref: JobRef) -> None:
        """Release what the approval promised, if it is pending; where much is to be copied, when that is done."""
        released = transitions.release_promised_results(self._participant, ref, self._operations.stage)
        if released is not None:
            people = ", ".join(sorted({*released.outputs, *released.logs}))
            self._announce(f"📤 '{ref.name}': released to {people}, as approved.")

    def say_errors(self) -> None:
        """Announce what could not be done in the background."""
        for error in self.transfers.pop_errors():
            self._announce(f"⚠ Something that is not needed any more could not be removed: {error}")

    def _pause(self, key: tuple[str, int], submitter: str, reason: str, seconds: float) -> None:
        """Do not try a start again for a while that took ``seconds`` and failed on the job's files."""
        now = time.monotonic()
        for other in [other for other, it in self._failed_starts.items() if it.not_before + _FORGOTTEN_AFTER_S < now]:
            del self._failed_starts[other]
        count = 1 + sum(failed.submitter == submitter for failed in self._failed_starts.values())
        self._failed_starts[key] = _FailedStart(submitter, reason, now + _PAUSE_FACTOR * seconds * count)


def _is_large(snapshot: JobSnapshot) -> bool:
    """Return True if copying a job into its workspace takes long enough to count."""
    files = {} if snapshot.spec is None else snapshot.spec.files
    return len(files) > _LARGE_FILES or sum(entry.size for entry in files.values()) > workspace.SMALL_BYTES
