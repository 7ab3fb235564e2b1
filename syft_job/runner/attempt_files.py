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
from syft_job.exchange.participant import Viewer
from syft_job.execution.backends.base import JobHandle
from syft_job.execution.backends.shell import (
    ShellJob,
    Verdict,
    is_alive,
    read_claim,
    read_verdict,
    supervisor_of,
    this_host,
)
from syft_job.model.job_ref import Place

JOB = "job"
VERDICT = "verdict"
HANDLE = "handle.json"
STREAMS = ("stdout", "stderr")
_NOBODY = b"never begun\n"
_CLAIMING_SECONDS = 10.0
"""How long a supervisor may take from making the claim to writing into it; an empty one that is older is nobody's."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One run of one submission, and the paths that belong to it in the owner's home."""

    viewer: Viewer
    place: Place
    job: str
    number: int

    @property
    def workspace(self) -> Path:
        """Its directory: the job's own below `job`, and what is written about it."""
        return self.viewer.home.work(self.job, self.number)

    @property
    def claim(self) -> Path:
        """The file that exists once it has begun."""
        return self.viewer.home.begun(self.job, self.number)

    @property
    def held(self) -> Path:
        """Where its results go."""
        return self.viewer.home.held(self.job, self.number)

    def log(self, stream: str) -> Path:
        """The live log."""
        return self.workspace / stream


def outcome_of(verdict: Verdict | None) -> str:
    """The word for the ledger and for `done`: how an attempt ended, "lost" where nobody can say."""
    if verdict is None:
        return "lost"
    if verdict.cancelled:
        return "cancelled"
    if verdict.timed_out:
        return "timed_out"
    return "succeeded" if verdict.succeeded else "failed"


def told_by(verdict: Verdict | None) -> dict[str, Any]:
    """What of a verdict is worth a word in the ledger."""
    if verdict is None:
        return {}
    return {
        "started_at": verdict.started_at.isoformat(),
        "ended_at": verdict.ended_at.isoformat(),
        "log_cut": verdict.log_cut or None,
        "too_big": verdict.too_big or None,
        "sandbox_failed": verdict.sandbox_failed or None,
        "left_behind": verdict.left_behind or None,
    }


def verdict_of(attempt: Attempt, *, is_nobody_there: bool = False) -> Verdict | None:
    """How the attempt ended, or None while nobody said so.

    Where its supervisor is gone, a verdict counts that is whole and did not get its name before the power went.

    Raises:
        StoreError: what was said cannot be read.
    """
    return read_verdict(attempt.workspace / VERDICT, or_part=is_nobody_there)


def has_begun(attempt: Attempt) -> bool:
    """Whether the claim was made."""
    return attempt.claim.exists()


def supervisor_lives(attempt: Attempt) -> bool:
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


def claim_for_nobody(attempt: Attempt) -> bool:
    """Make the claim ourselves, so that no late supervisor can begin the attempt; False when it has begun already."""
    try:
        with fs.directory(attempt.claim.parent) as opened:
            fs.create(opened, attempt.claim.name, _NOBODY, mode=0o600)
    except FileExistsError:
        return False
    return True


def is_claimed_for_nobody(attempt: Attempt) -> bool:
    """Whether the claim is one that `claim_for_nobody` made: the attempt never began."""
    return attempt.claim.read_bytes() == _NOBODY


def refuse_other_host(attempt: Attempt) -> None:
    """Return if this host may judge an attempt whose supervisor does not live here.

    Raises:
        NotStarted: another host began it.
    """
    for line in attempt.viewer.home.ledger.lines(attempt.job):
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
