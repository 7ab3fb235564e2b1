"""The name of every file in a home and in a workspace, each of them here once.

The names are those of home format 1; some are older than the project's vocabulary, and none may change without a new
home format. Paths only: nothing here touches the disk.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from syft_job.format.key_history import KEY_FILE
from syft_job.model.job_ref import JobRef

JOB: Final = "job"
"""The directory in a workspace in which the job runs."""
EXIT_RECORD: Final = "verdict"
"""The file in a workspace in which the supervisor records how the attempt ended."""
HANDLE: Final = "handle.json"
"""The file in a workspace with the backend's handle of the attempt."""
STREAMS: Final = ("stdout", "stderr")
"""The output streams of a job; each has a file of this name in the workspace while the job runs."""


@dataclass(frozen=True, slots=True)
class HomePaths:
    """The files and directories of one home.

    Attributes:
        home: the directory of the home.
    """

    home: Path

    @property
    def identity(self) -> Path:
        """What shows that the home was made or adopted here: format, epoch, machine, inode, shared folder."""
        return self.home / "home.json"

    @property
    def ledger(self) -> Path:
        """The append-only record of every decision and event."""
        return self.home / "ledger.jsonl"

    @property
    def lock(self) -> Path:
        """The lock that each verb holds for milliseconds."""
        return self.home / "home.lock"

    @property
    def runner_lock(self) -> Path:
        """The lock that the runner holds while it runs."""
        return self.home / "runner.lock"

    @property
    def runner_pid(self) -> Path:
        """The process id of the runner that last took the runner lock."""
        return self.home / "runner.pid"

    @property
    def private_key(self) -> Path:
        """The private half of the present key."""
        return self.home / "key"

    @property
    def public_key(self) -> Path:
        """The public half of the present key."""
        return self.home / "key.pub"

    @property
    def next_key(self) -> Path:
        """The private half of the next key, during a rotation."""
        return self.home / "key.next"

    @property
    def key_history(self) -> Path:
        """The signed key history, from the first rotation on; the datasite publishes a copy of it."""
        return self.home / KEY_FILE

    @property
    def earlier_keys(self) -> Path:
        """The directory of the private halves of earlier keys."""
        return self.home / "keys"

    @property
    def claims(self) -> Path:
        """The directory of claims, one file for each attempt that began."""
        return self.home / "begun"

    @property
    def held_results(self) -> Path:
        """The directory of held results, one directory for each attempt."""
        return self.home / "held"

    @property
    def blocked_reasons(self) -> Path:
        """The directory of the reasons of blocked jobs, one file for each submission."""
        return self.home / "aside"

    @property
    def pauses(self) -> Path:
        """The submitters whose jobs are paused."""
        return self.home / "paused"

    @property
    def review_notes(self) -> Path:
        """The directory of review notes, one file for each job."""
        return self.home / "reviewed"

    @property
    def legacy_review_notes(self) -> Path:
        """The directory of the review notes of earlier releases, which are not read any more."""
        return self.home / "seen"

    @property
    def outbox(self) -> Path:
        """How far the events of the ledger have been passed on to their subscribers."""
        return self.home / "told"

    def blocked_reason(self, submission_id: str) -> Path:
        """Return the file with the reason why a submission is blocked."""
        return self.blocked_reasons / submission_id

    def review_note(self, job_ref: JobRef) -> Path:
        """Return the file with the note about the review of a job."""
        return self.review_notes / review_note_name(job_ref)

    def earlier_key(self, fingerprint: str) -> Path:
        """Return the file with the private half of an earlier key, which its fingerprint names, without spaces."""
        return self.earlier_keys / fingerprint.replace(" ", "")


@dataclass(frozen=True, slots=True)
class AttemptPaths:
    """The files and directories of one attempt.

    Attributes:
        submission_id: the id of the submission, 32 hex digits.
        attempt: the number of the attempt, from 1.
        home: the paths of the home.
        workspaces: returns the directory of all workspaces, or raises as `Home.workspaces`.
    """

    submission_id: str
    attempt: int
    home: HomePaths
    workspaces: Callable[[], Path]

    @property
    def name(self) -> str:
        """The name of the attempt among the claims, the held results and the workspaces."""
        return f"{self.submission_id}.{self.attempt}"

    @property
    def claim(self) -> Path:
        """The file whose exclusive creation begins the attempt."""
        return self.home.claims / self.name

    @property
    def results(self) -> Path:
        """The directory of its held results; it stays after their release."""
        return self.home.held_results / self.name

    @property
    def workspace(self) -> Path:
        """The directory of its workspace: the job's own directory, and the files of its supervisor.

        Raises:
            ConfigError, StoreError: see `Home.workspaces`.
        """
        return self.workspaces() / self.name

    @property
    def job_directory(self) -> Path:
        """The directory in the workspace in which the job runs, with the verified copy of the submitted files."""
        return self.workspace / JOB

    @property
    def exit_record(self) -> Path:
        """The file in the workspace in which the supervisor records how the attempt ended."""
        return self.workspace / EXIT_RECORD

    @property
    def handle(self) -> Path:
        """The file in the workspace with the backend's handle of the attempt."""
        return self.workspace / HANDLE

    def live_log(self, stream: str) -> Path:
        """Return the file in the workspace to which a stream of the job is written, one of `STREAMS`."""
        return self.workspace / stream

    def held_log(self, stream: str) -> Path:
        """Return the file of a stream, one of `STREAMS`, among the held results."""
        return self.results / "logs" / f"{stream}.txt"


def review_note_name(job_ref: JobRef) -> str:
    """Return the name of the note about a job in `HomePaths.review_notes` and `HomePaths.legacy_review_notes`."""
    return hashlib.sha256(os.fsencode("\n".join(job_ref))).hexdigest()[:32]
