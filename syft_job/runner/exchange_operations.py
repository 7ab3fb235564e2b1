"""What the exchange does for an attempt (`AttemptOperations`): a verified copy, held results, markers in the folder.

The runner's loop calls all of it. While the folder holds that thread up, the thread that stands by calls `collect`,
`record_end` and `remove_workspace`, which touch the home only. `_memory` guards what both remember. Long copies and
removals are done by `transfers`, without a lock.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import closing
from typing import Any

from syft_job import fs
from syft_job.config import SyftJobConfig
from syft_job.errors import JobNotFoundError, SyftJobError
from syft_job.events.outbox import ENDED, end_of
from syft_job.exchange import job_reader, release, transitions
from syft_job.exchange.history import END_REMARKS
from syft_job.exchange.job_reader import JobSnapshot
from syft_job.exchange.participant import Participant
from syft_job.exchange.result_staging import Need, StagedResults
from syft_job.execution.attempt_operations import Collected, Permission, Prepared
from syft_job.execution.evidence import ExitRecord
from syft_job.model.events import Event
from syft_job.model.job_record import StatusTransition
from syft_job.model.job_ref import JobRef
from syft_job.model.states import Fact, FactKind, JobState

from . import launch, workspace
from .attempt_files import Attempt
from .planner import Planner
from .transfers import Inline, Transfers


class ExchangeOperations:
    """The operations of a job exchange, on the side of the owner.

    Args:
        participant: the owner.
        config: the owner's settings.
        planner: plans the jobs.
        announce: called with one line for each thing that happens.
    """

    def __init__(
        self, participant: Participant, config: SyftJobConfig, planner: Planner, announce: Callable[[str], None]
    ) -> None:
        self.participant = participant
        self.config = config
        self._planner = planner
        self.transfers: Transfers = Inline()
        """Where results are copied and large trees are removed."""
        self._announce = announce
        self._memory = threading.Lock()
        self._moves: list[StatusTransition] = []
        self._restored: set[str] = set()
        self._unpublished: dict[JobRef, None] = {}
        self._given: dict[str, JobSnapshot] = {}
        self._permitted: dict[str, JobSnapshot] = {}

    def is_started(self, attempt: Attempt) -> bool:
        """Return True if the ledger has the start of the attempt and not its end."""
        ledger = self.participant.home.ledger
        ledger.refresh()
        return ledger.is_under_way(attempt.job, attempt.number)

    def is_cancelled(self, attempt: Attempt) -> bool:
        """Return True if the ledger has a cancellation of the attempt."""
        return Fact(FactKind.CANCELLED, attempt.number) in self.participant.home.ledger.facts(attempt.job)

    def use_snapshot(self, attempt: Attempt, snapshot: JobSnapshot) -> None:
        """Let the next `permission` use ``snapshot``, read a moment ago; the start checks it against the folder."""
        self._given[attempt.paths.label] = snapshot

    def permission(self, attempt: Attempt) -> Permission:
        """Return whether the job is approved and this is its present attempt; `UNKNOWN` while the folder is away."""
        label = attempt.paths.label
        try:
            snapshot = self._given.pop(label, None) or job_reader.look(
                self.participant.home.root, attempt.ref, self.participant
            )
        except FileNotFoundError:
            return Permission.UNKNOWN
        record = snapshot.record
        if record.id != attempt.job or record.state is not JobState.QUEUED:
            return Permission.ENDED
        if record.attempt != attempt.number:
            return Permission.UNKNOWN
        self._permitted[label] = snapshot
        return Permission.GRANTED

    def prepare(self, attempt: Attempt) -> Prepared:
        """Make the verified copy and the command; `permission` read the job before.

        Raises:
            NotStarted: it may not start, or not now.
        """
        snapshot = self._permitted.pop(attempt.paths.label)
        plan = self._planner.plan_at_start(snapshot.spec, self.config)
        return launch.prepare(attempt, snapshot, self.config, plan)

    def recorded_host(self, attempt: Attempt) -> str | None:
        """Return the machine that the start in the ledger names."""
        hosts = [
            line.said.get("host")
            for line in self.participant.home.ledger.lines(attempt.job)
            if line.event == Event.STARTED and line.attempt == attempt.number
        ]
        return hosts[-1] if hosts else None

    def announce_start(self, attempt: Attempt) -> None:
        """Announce that the job runs."""
        self._announce(f"🔄 '{attempt.ref.name}' from {attempt.ref.submitter} is running.")
        self._add_move(attempt, JobState.QUEUED, JobState.RUNNING, "begun")

    def collect(self, attempt: Attempt, record: ExitRecord | None) -> Collected | None:
        """Copy results and logs to the home; the pool makes large copies, and None is returned until one is done."""
        max_bytes = self.config.disk_bytes
        if workspace.is_small(attempt.workspace):
            with fs.interruptible(None):
                copies = workspace.ResultCopies(attempt, record, max_bytes)
            is_large = False
        else:
            finished = self.transfers.result(
                _collect_key(attempt),
                attempt.ref.submitter,
                lambda: workspace.ResultCopies(attempt, record, max_bytes),
                in_folder=False,
            )
            if finished is None:
                return None
            copies, is_large = finished.value, True
        with closing(copies):
            copies.keep()
        return Collected(tuple(copies.left_out), is_large=is_large)

    def record_end(self, attempt: Attempt, outcome: str, record: ExitRecord | None, collected: Collected) -> None:
        """Record the end in the ledger, and the release that was promised; announce both."""
        home, details = self.participant.home, _details_of(record)
        transitions.record_finish(
            self.participant,
            attempt.ref,
            attempt.job,
            attempt.number,
            outcome,
            is_release_promised=bool(release.promised(self.participant, attempt.job, attempt.number)),
            withhold_outcome=self.config.tell_outcome == "when_shared",
            left_out=list(collected.left_out) or None,
            **details,
        )
        with self._memory:
            self._restored.discard(attempt.paths.label)
        if record is not None and record.sandbox_failed:
            self._planner.doubt()
        state = end_of(home, attempt.job, attempt.number, outcome)
        emoji = "🎉" if state is JobState.SUCCEEDED else "💥"
        self._announce(f"{emoji} '{attempt.ref.name}' from {attempt.ref.submitter} {ENDED[state]}.")
        for key, text in END_REMARKS.items():
            if details.get(key):
                self._announce(f"   {text}")
        for text in collected.left_out:
            self._announce(f"   left out of its results: {text}")
        self._add_move(attempt, JobState.RUNNING, state, ENDED[state])

    def publish(self, attempt: Attempt) -> None:
        """Write the owner's markers that the job lacks; where that fails now, the job is read again."""
        try:
            transitions.restore(self.participant, attempt.ref, self.stage)
        except JobNotFoundError:
            return  # it went away; the sweep finds it when it is back
        except (SyftJobError, OSError):
            self._unpublished[attempt.ref] = None  # the next reading of the job reports the reason

    def remove_workspace(self, attempt: Attempt, collected: Collected) -> None:
        """Remove the workspace, a large one in the pool; one that cannot be removed stays until `syft-job clean`."""
        if collected.is_large:
            self.transfers.background(
                attempt.ref.submitter, lambda: workspace.remove_workspace(attempt), in_folder=False
            )
            return
        try:
            with fs.interruptible(None):
                workspace.remove_workspace(attempt)
        except (SyftJobError, OSError) as error:
            self._announce(f"   its workspace stays until syft-job clean: {error}")

    # For the driver

    def stage(self, participant: Participant, ref: JobRef, need: Need) -> StagedResults | None:
        """Copy results into a job's directory: few at once, many in the pool; None while that is being done."""
        if workspace.is_small(participant.home.attempt_paths(need.job, need.attempt).results):
            with fs.interruptible(None):
                return transitions.stage(participant, ref, need)
        finished = self.transfers.result(
            ("release", ref), ref.submitter, lambda: transitions.stage(participant, ref, need), in_folder=True
        )
        if finished is not None and finished.value.need != need:
            finished.value.close()  # more was granted meanwhile, or another attempt is the present one
            return self.stage(participant, ref, need)
        if finished is None:
            self._unpublished[ref] = None  # so that the job is read again, and the copies are asked for
            return None
        return finished.value

    def is_collecting(self, attempt: Attempt) -> bool:
        """Return True while the results of the attempt are being copied to the home."""
        return self.transfers.is_pending(_collect_key(attempt))

    def is_first_restore(self, label: str) -> bool:
        """Return True for the first call for an attempt: only then its marker `running` is not a restored one."""
        with self._memory:
            is_first = label not in self._restored
            self._restored.add(label)
        return is_first

    def pop_moves(self) -> list[StatusTransition]:
        """Return the moves since the last call."""
        with self._memory:
            moves, self._moves = self._moves, []
        return moves

    def pop_unpublished(self) -> list[JobRef]:
        """Return the jobs whose folder lacks something that the ledger has, since the last call: read them again."""
        refs, self._unpublished = list(self._unpublished), {}
        return refs

    def _add_move(self, attempt: Attempt, old: JobState, new: JobState, reason: str) -> None:
        with self._memory:
            self._moves.append(StatusTransition(attempt.job, old, new, time.time(), reason, attempt.ref))


def _details_of(record: ExitRecord | None) -> dict[str, Any]:
    """The details of an exit record that the ledger keeps."""
    if record is None:
        return {}
    return {
        "started_at": record.started_at.isoformat(),
        "ended_at": record.ended_at.isoformat(),
        "log_cut": record.log_cut or None,
        "too_big": record.too_big or None,
        "sandbox_failed": record.sandbox_failed or None,
        "left_behind": record.left_behind or None,
    }


def _collect_key(attempt: Attempt) -> tuple[str, str, int]:
    return ("collect", attempt.job, attempt.number)
