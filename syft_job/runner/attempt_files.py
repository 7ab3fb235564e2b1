"""One attempt: where what belongs to it lies, and what that tells of it.

The claim in the home decides whether an attempt has begun; the verdict that its supervisor wrote decides how it ended.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from syft_job import fs
from syft_job.errors import NotStarted
from syft_job.exchange.participant import Participant
from syft_job.execution.backends.base import JobHandle
from syft_job.execution.backends.shell import (
    ExitRecord,
    ShellJob,
    is_alive,
    read_claim,
    read_exit_record,
    supervisor_of,
    this_host,
)
from syft_job.home import paths
from syft_job.model.job_ref import JobRef

JOB = paths.JOB
EXIT_RECORD = paths.EXIT_RECORD
HANDLE = paths.HANDLE
STREAMS = paths.STREAMS
_NOBODY = b"never begun\n"
_CLAIMING_SECONDS = 10.0
"""How long a supervisor may take from making the claim to writing into it; an empty one that is older is nobody's."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One run of one submission, and the paths that belong to it in the owner's home."""

    participant: Participant
    place: JobRef
    job: str
    number: int

    @property
    def workspace(self) -> Path:
        """Its directory: the job's own below `job`, and what is written about it."""
        return self.participant.home.attempt_paths(self.job, self.number).workspace

    @property
    def claim(self) -> Path:
        """The file that exists once it has begun."""
        return self.participant.home.attempt_paths(self.job, self.number).claim

    @property
    def held(self) -> Path:
        """Where its results go."""
        return self.participant.home.attempt_paths(self.job, self.number).results

    def log(self, stream: str) -> Path:
        """The live log."""
        return self.workspace / stream


def outcome_of(exit_record: ExitRecord | None) -> str:
    """The word for the ledger and for `done`: how an attempt ended, "lost" where nobody can say."""
    if exit_record is None:
        return "lost"
    if exit_record.cancelled:
        return "cancelled"
    if exit_record.timed_out:
        return "timed_out"
    return "succeeded" if exit_record.succeeded else "failed"


def told_by(exit_record: ExitRecord | None) -> dict[str, Any]:
    """What of a verdict is worth a word in the ledger."""
    if exit_record is None:
        return {}
    return {
        "started_at": exit_record.started_at.isoformat(),
        "ended_at": exit_record.ended_at.isoformat(),
        "log_cut": exit_record.log_cut or None,
        "too_big": exit_record.too_big or None,
        "sandbox_failed": exit_record.sandbox_failed or None,
        "left_behind": exit_record.left_behind or None,
    }


def exit_record_of(attempt: Attempt, *, is_nobody_there: bool = False) -> ExitRecord | None:
    """How the attempt ended, or None while nobody said so.

    Where its supervisor is gone, a verdict counts that is whole and did not get its name before the power went.

    Raises:
        StoreError: what was said cannot be read.
    """
    return read_exit_record(attempt.workspace / EXIT_RECORD, or_part=is_nobody_there)


def has_begun(attempt: Attempt) -> bool:
    """Whether the claim was made."""
    return attempt.claim.exists()


def supervisor_is_alive(attempt: Attempt) -> bool:
    """Whether the process that made the claim, or that was last spawned to make it, is still there."""
    claim = read_claim(attempt.claim)
    if claim is not None:
        return is_alive(claim.pid, claim.ticks, claim.boot_id)
    if _is_being_claimed(attempt):
        return True
    try:
        said = json.loads((attempt.workspace / HANDLE).read_bytes())
        if not ShellJob().status(JobHandle.model_validate(said)).status.is_finished:
            return True
    except (FileNotFoundError, ValueError):
        pass  # nothing was spawned, or nobody got to note it; the claim keeps a second one from beginning
    return has_begun(attempt) and supervisor_of(attempt.claim) is not None


def forfeit(attempt: Attempt) -> bool:
    """Make the claim ourselves, so that no late supervisor can begin the attempt; False when it has begun already."""
    try:
        with fs.open_directory(attempt.claim.parent) as opened:
            fs.create_file(opened, attempt.claim.name, _NOBODY, mode=0o600)
    except FileExistsError:
        return False
    return True


def is_forfeited(attempt: Attempt) -> bool:
    """Whether the claim is one that `forfeit` made: the attempt never began."""
    return attempt.claim.read_bytes() == _NOBODY


def refuse_other_host(attempt: Attempt) -> None:
    """Return if this host may judge an attempt whose supervisor does not live here.

    Raises:
        NotStarted: another host began it.
    """
    for line in attempt.participant.home.ledger.lines(attempt.job):
        if (
            line.event == "start"
            and line.attempt == attempt.number
            and line.said.get("host") not in (None, this_host())
        ):
            raise NotStarted("it was begun on another machine, and only that one can say how it ended")


def _is_being_claimed(attempt: Attempt) -> bool:
    """Whether the claim was made a moment ago and does not say yet by whom."""
    try:
        found = attempt.claim.stat()
    except FileNotFoundError:
        return False
    return found.st_size == 0 and abs(time.time() - found.st_mtime) < _CLAIMING_SECONDS
