"""`JobInfo`: one job, with the methods of its owner and its submitter.

A `JobInfo` is live: its status is read from the folder on each access. It decides nothing itself; each method that
changes something is one transition. The module is longer than 350 lines because the class is the public interface of a
job, documented method by method.
"""

from __future__ import annotations

import stat
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from syft_job import fs
from syft_job.exchange import history, job_reader, release, results, transitions, verification
from syft_job.exchange.history import HistoryEntry
from syft_job.exchange.release import Grants
from syft_job.exchange.verification import Verification
from syft_job.format.markers import OUTPUTS
from syft_job.model.job_record import JobRecord
from syft_job.model.job_ref import JobRef, expand_user, parse_location
from syft_job.model.states import JobState
from syft_job.model.text import escape_line, escape_repr
from syft_job.views import text
from syft_job.views.logs import StderrViewer, StdoutViewer

from .errors import (
    Action,
    ConfigError,
    InvalidTransition,
    JobNotFoundError,
    JobTimeoutError,
    Remedy,
    UnreadableJob,
)

if TYPE_CHECKING:
    from syft_job.views.review_text import ShownReview

    from .client import JobClient

_SWEEP_INTERVAL_S = 0.5
"""How often `JobInfo.wait` reads the job where no file events arrive."""
_UNREADABLE_PATIENCE_S = 10.0
"""For how long `JobInfo.wait` assumes that a sync tool is still writing a `shared` that cannot be read."""
_MAX_FILES = 100_000


class JobInfo:
    """One job as a participant sees it.

    Args:
        name: the job's name.
        datasite_owner_email: the owner of the datasite that the job is in.
        status: a status word; used where ``location`` is not a job's directory, otherwise the folder decides.
        submitted_by: the submitter.
        location: the job's directory.
        client: the `JobClient` that acts.
        current_user_email: the address of the participant.
        submitted_at: ISO time of submission, or None.
    """

    def __init__(
        self,
        name: str,
        datasite_owner_email: str,
        status: str,
        submitted_by: str,
        location: Path,
        client: JobClient,
        current_user_email: str,
        submitted_at: str | None = None,
    ) -> None:
        self.name = name
        self.datasite_owner_email = datasite_owner_email
        self.submitted_by = submitted_by
        self.location = Path(location)
        self.client = client
        self.current_user_email = current_user_email
        self.submitted_at = submitted_at
        self._given_status = status
        self._record: JobRecord | None = None
        self._ref: JobRef | None = self._find_ref()
        self._seen: str | None = None
        if self._ref is not None:
            try:
                self._seen = self._refresh().digest
            except JobNotFoundError:
                self._ref = None  # there is nothing to read; the arguments are shown

    @classmethod
    def of_record(cls, record: JobRecord, client: JobClient) -> JobInfo:
        """The `JobInfo` of a record that was just read."""
        job = cls.__new__(cls)
        job.name, job.datasite_owner_email, job.submitted_by = record.name, record.owner, record.submitter
        job.location = record.location(client.root)
        job.client = client
        job.current_user_email = client.email
        job.submitted_at = record.submitted_at
        job._take_over(record)  # noqa: SLF001 - an object of this class
        return job

    def _take_over(self, record: JobRecord) -> None:
        self._given_status = record.status
        self._record = record
        self._ref = record.place
        self._seen = record.digest

    # Properties

    @property
    def record(self) -> JobRecord:
        """The job as it is in the folder now.

        Raises:
            UnreadableJob: ``location`` is not a job's directory in the client's folder.
        """
        if self._ref is None:
            raise UnreadableJob(
                f"{self.location} is not a job's directory in the folder {self._root}, or does not exist."
            )
        return self._refresh()

    @property
    def status(self) -> str:
        """The status word: arriving, inbox, approved, running, done, cancelled, rejected (or unreadable)."""
        return self._given_status if self._ref is None else self._refresh().status

    @property
    def state(self) -> JobState:
        """The exact state, which also says how a finished job ended."""
        return self.record.state

    @property
    def id(self) -> str:
        """The id of this submission, 32 hexadecimal digits."""
        return self.record.id

    @property
    def attempt(self) -> int:
        """The attempt that the state belongs to, counted from 1."""
        return self.record.attempt

    @property
    def digest(self) -> str:
        """The digest that an approval is bound to: SHA-256 of the manifest, 64 hexadecimal digits."""
        return self.record.digest

    @property
    def findings(self) -> tuple[str, ...]:
        """Observations about this job, one sentence each."""
        record = self.record
        problems = (record.problem,) if record.problem else ()
        return tuple(map(escape_line, (*problems, *record.missing, *record.findings)))

    @property
    def reason(self) -> str:
        """The reason for which the job was rejected, cancelled or withdrawn; empty if there is none."""
        record = self.record
        if record.reason.endswith("…"):  # a record holds only the beginning
            return self._look().reason
        return history.reason_of(self.client.participant, record)

    @property
    def returncode(self) -> int | None:
        """The exit code: for the owner when the job is done, for others when its logs are shared with them.

        Raises:
            UnreadableJob: it is a link, a device, a folder or a huge file.
        """
        return self._results().returncode()

    # Methods of the owner

    def approve(
        self,
        reason: str | None = None,
        share_outputs: bool | Sequence[str] = False,
        share_logs: bool | Sequence[str] = False,
        *,
        allow_bare: bool = False,
        require_review: bool = False,
    ) -> None:
        """Approve exactly the content that was last shown, for the containment of this machine; the runner starts it.

        If a review of the job was completed, by any object or command, the approval is bound to the digest of that
        review. Otherwise it is bound to the digest that this object was listed with, which is announced and recorded.

        Args:
            reason: a note for the ledger.
            share_outputs: share the outputs when the job is finished: with the submitter (True) or these addresses.
            share_logs: the same for stdout, stderr and the exit code.
            allow_bare: allow the job to run without a sandbox; required where this machine has none.
            require_review: refuse if no review of the job was completed, as the setting of that name always does.

        Raises:
            InvalidTransition: (a ValueError) the job is not in the inbox, or its files differ from its manifest.
            NotAllowed: (a PermissionError) the participant is not the owner, or a review or a sandbox is missing.
            ChangedSinceSeen: the job changed since it was shown; nothing was approved.
            ConfigError: (a ValueError) the configured sandbox does not work on this machine.
        """
        from syft_job.execution.plan import containment_to_approve

        participant, ref, config = self.client.participant, self._known_ref(), self.client.config
        promised = Grants(self._recipients(share_outputs), self._recipients(share_logs))
        # The transition refuses everyone but the owner, whatever this machine offers.
        allow = transitions.BUBBLEWRAP
        if participant.owns(ref):
            allow = containment_to_approve(config, allow_bare=allow_bare)
        is_reviewed = transitions.approve(
            participant,
            ref,
            seen=self._seen,
            allow=allow,
            allow_weaker=allow_bare,
            require_review=require_review or config.require_review,
            reason=reason,
            share=promised,
        )
        self._say(f"✅ Job '{self._shown_name}' approved successfully!")
        if not is_reviewed:
            self.client.warn(
                f"⚠ Job '{self._shown_name}' was approved without a review.",
                Remedy("To see what will run", Action.REVIEW, job=str(ref)),
            )

    def reject(self, reason: str) -> None:
        """Reject the job; the submitter can read the reason.

        Raises:
            InvalidTransition: (a ValueError) it is running or finished.
            NotAllowed: (a PermissionError) the participant is not the owner.
        """
        transitions.reject(self.client.participant, self._known_ref(), reason)
        self._say(f"❌ Job '{self._shown_name}' rejected.")

    def accept_by_depositing_result(self, path: str | Path) -> Path:
        """Complete the job with a result of your own: it is done, and its code never runs.

        If an earlier approval promised to share results, this result is shared.

        Args:
            path: a file or a folder; it is copied.

        Returns:
            The path of the copy in ``location/outputs/``.

        Raises:
            InvalidTransition: (a ValueError) it is not in the inbox or approved.
            PathMissing: (a FileNotFoundError) there is nothing at ``path``.
            NotAllowed: (a PermissionError) the participant is not the owner.
        """
        source = expand_user(path).absolute()
        result = transitions.deposit(self.client.participant, self._known_ref(), source)
        self._say(
            f"✅ Job '{self._shown_name}' completed successfully! Result deposited at: {escape_line(str(result))}"
        )
        return result

    def rerun(self) -> None:
        """Permit another attempt of a finished job; results of the earlier attempt are no longer shared.

        Raises:
            InvalidTransition: (a ValueError) it is not done, or was withdrawn, cleaned or completed by a deposit.
            NotAllowed: (a PermissionError) the participant is not the owner.
        """
        removed = transitions.rerun(self.client.participant, self._known_ref())
        cleanup = f"Removed: {', '.join(map(escape_line, removed))}" if removed else "(No cleanup needed)"
        self._say(f"🔄 Job '{self._shown_name}' prepared for rerun! {cleanup}")

    def share_outputs(self, users: Iterable[str] | str) -> None:
        """Share the outputs with ``users``. A plain folder cannot restrict readers, which is announced first.

        Raises:
            InvalidTransition: (a ValueError) the job is not done.
            NotAllowed: (a PermissionError) the participant is not the owner.
        """
        self._share(Grants(outputs=self._recipients(users)), "outputs")

    def share_logs(self, users: Iterable[str] | str) -> None:
        """Share stdout, stderr and the exit code with ``users``; see `share_outputs`."""
        self._share(Grants(logs=self._recipients(users)), "logs")

    def cancel(self, reason: str | None = None) -> None:
        """Cancel the job; for its submitter, this withdraws it. A finished job is not changed.

        Raises:
            InvalidTransition: (a ValueError) the owner cancels a job that is not approved yet.
            NotAllowed: (a PermissionError) the participant is neither owner nor submitter.
        """
        ref, participant = self._known_ref(), self.client.participant
        if self.state.is_terminal:
            return
        if participant.owns(ref) or participant.email != ref.submitter:
            transitions.cancel(participant, ref, reason)
            self._say(f"🚫 Job '{self._shown_name}' cancelled.")
        else:
            self.withdraw(reason or "")

    def clean(self) -> None:
        """Remove a finished job from the folder, and its results from the owner's home; the ledger keeps its events.

        Raises:
            InvalidTransition: (a ValueError) it is not finished.
            NotAllowed: (a PermissionError) the participant is not the owner.
        """
        transitions.clean(self.client.participant, self._known_ref())
        self._say(f"🧹 Job '{self._shown_name}' cleaned.")

    # Methods of the submitter

    def withdraw(self, reason: str = "") -> None:
        """Withdraw the job; if it is running, the owner's runner stops it.

        Raises:
            InvalidTransition: (a ValueError) it is finished.
            NotAllowed: (a PermissionError) the participant is not the submitter.
        """
        transitions.withdraw(self.client.participant, self._known_ref(), reason)
        self._say(f"↩️ Job '{self._shown_name}' withdrawn.")

    # Methods for both

    def review(self) -> ShownReview:
        """Everything that would run, and under which conditions, as text; a later `approve` is bound to this.

        For the owner, returning it completes the review, and the home records it. A review of files that differ from
        the manifest does not count.

        Raises:
            JobNotFoundError: the directory does not exist any more.
        """
        from syft_job.review import record_review

        shown = self.prepare_review()
        if shown.text:  # a text that cannot be rendered raises here, and completes nothing
            record_review(self.client.participant, shown.found)
        return shown

    def prepare_review(self) -> ShownReview:
        """The same as `review`, without recording it: the caller delivers the text, and then records the review.

        Raises:
            JobNotFoundError: the directory does not exist any more.
        """
        from syft_job.review import review
        from syft_job.views.review_text import ShownReview

        try:
            shown = ShownReview(review(self.client.participant, self._known_ref(), self.client.config))
        except FileNotFoundError as error:
            raise JobNotFoundError(f"'{self.name}' is not in the folder any more.", name=self.name) from error
        self._record = shown.found.record
        self._seen = shown.found.digest
        return shown

    @property
    def output_paths(self) -> list[Path]:
        """Files and folders directly in the outputs that this participant may read; empty before the job is done."""
        if self._ref is None:
            return []
        return self._results().outputs()

    @property
    def output_files(self) -> list[Path]:
        """All output files, also those in folders; for others than the owner, those that `shared` lists.

        Raises:
            UnreadableJob: the outputs contain something else than plain files and folders.
        """
        if self._ref is None:
            return []
        outputs = self._results()
        return [outputs.outputs_directory / file.path for file in outputs.output_files()]

    def copy_outputs(self, target: str | Path) -> list[Path]:
        """Copy all output files into the existing folder ``target``; returns the copies.

        No link is followed and nothing is replaced. If `shared` lists files, exactly those are copied, and each must
        have the listed size and SHA-256.

        Raises:
            UnreadableJob: a file differs from the released one, or is not a plain file.
            StoreError: the copy cannot be written.
        """
        return self._results().copy_outputs(Path(target)) if self._ref is not None else []

    @property
    def files(self) -> list[Path]:
        """Files and folders directly in the job's directory, at most 100,000; empty if it does not exist any more.

        Raises:
            UnreadableJob: it is a link.
            StoreError: the directory cannot be read; ``context["errno"]`` has the cause.
        """
        start: Path = self.location.parent
        inside: tuple[str, ...] = (self.location.name,)
        if self._root is not None and self._ref is not None:
            start, inside = self._root, self._ref.parts
        try:
            with fs.translate_os_errors(f"read {str(self.location)!r}"), fs.open_directory(start, *inside) as opened:
                return sorted(self.location / name for name in fs.first_names(opened, limit=_MAX_FILES))
        except FileNotFoundError:
            return []
        except UnreadableJob:
            status = fs.stat_below(start, *inside)
            if status is not None and stat.S_ISREG(status.st_mode):
                return []
            raise

    @property
    def stdout(self) -> StdoutViewer:
        """What the job wrote to stdout, once it is done."""
        return StdoutViewer(*self._log("stdout"))

    @property
    def stderr(self) -> StderrViewer:
        """What the job wrote to stderr, once it is done."""
        return StderrViewer(*self._log("stderr"))

    @property
    def history(self) -> list[HistoryEntry]:
        """The recorded events of this submission, oldest first: all for the owner, the public ones for others."""
        return history.read_history(self.client.participant, self._look())

    def verify(self) -> Verification:
        """Verify all signatures, the submitted files, and the released files against the list in `shared`."""
        return verification.verify(self.client.participant, self._look())

    def wait(self, timeout: float | None = None) -> JobState:
        """Wait until the job is finished and all results that are shared with this participant have arrived.

        Args:
            timeout: seconds; None waits without a limit.

        Raises:
            JobTimeoutError: the timeout is over; the job continues.
            UnreadableJob: the job is finished, and what its owner shared has not been readable for some seconds.
            ConfigError: (a ValueError) ``timeout`` is not a number.
        """
        if timeout is not None and timeout != timeout:  # noqa: PLR0124 - only NaN differs from itself
            raise ConfigError("timeout: NaN is not a number of seconds; use a number, or None to wait without a limit")
        record = self.record
        if record.state.is_terminal and self._results().is_complete:
            return record.state
        from syft_job.fs.watch import Watch

        deadline = float("inf") if timeout is None else time.monotonic() + timeout
        readable_by = float("inf")
        with Watch(_SWEEP_INTERVAL_S, root=self._root) as watch:
            while True:
                is_new_there = watch.watch_only({self.location: None, self.location / OUTPUTS: None})
                record = self.record
                available = self._results()
                if record.state.is_terminal and available.is_complete:
                    return record.state
                problem = available.unreadable_share if record.state.is_terminal else ""
                readable_by = min(readable_by, time.monotonic() + _UNREADABLE_PATIENCE_S) if problem else float("inf")
                remaining = min(deadline, readable_by) - time.monotonic()
                if remaining <= 0 and readable_by <= deadline:
                    raise UnreadableJob(problem)
                if remaining <= 0:
                    raise JobTimeoutError(
                        f"'{self.name}' is still {record.status} after {timeout:g} s; it continues."
                        f" Now {text.waits_for(record)}." + (f" {problem}." if problem else "")
                    )
                if not is_new_there:
                    watch.wait(at_most=remaining)
                    watch.pop_changes()
                    watch.begin_sweep_if_due()

    def __str__(self) -> str:
        return text.job_line(self.name, self.status, self.datasite_owner_email)

    def __repr__(self) -> str:
        return (
            f"JobInfo(name={escape_repr(self.name)}, submitted_by={escape_repr(self.submitted_by)},"
            f" current_user_email={escape_repr(self.current_user_email)}, status={escape_repr(self.status)})"
        )

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, JobInfo):
            return NotImplemented
        return (self.location, self.current_user_email) == (other.location, other.current_user_email)

    def __hash__(self) -> int:
        return hash((self.location, self.current_user_email))

    # Internals

    @property
    def _known_id(self) -> str:
        """The id as it was last read, without reading the folder; empty where it never was."""
        return "" if self._record is None else self._record.id

    @property
    def _root(self) -> Path | None:
        return getattr(self.client, "root", None)

    def _find_ref(self) -> JobRef | None:
        if self._root is None:
            return None
        try:
            return parse_location(self._root, self.location)
        except UnreadableJob:
            return None

    def _known_ref(self) -> JobRef:
        return self.record.place

    def _refresh(self) -> JobRecord:
        assert self._ref is not None  # noqa: S101 - callers check
        try:
            record = self.client.store.refresh(self._ref, self._record)
        except JobNotFoundError:
            if self._record is None:
                raise
            return self._record  # as it was when it last existed
        self._record = record
        return record

    def _look(self) -> job_reader.JobSnapshot:
        ref = self._known_ref()
        try:
            return job_reader.look(self.client.root, ref, self.client.participant)
        except FileNotFoundError as error:
            raise JobNotFoundError(f"'{self.name}' is not in the folder any more.", name=self.name) from error

    def _results(self) -> results.Results:
        return results.Results(self.client.participant, self.record)

    def _log(self, stream: str) -> tuple[Path | None, str, Path | None]:
        if self._ref is None or not self._refresh().state.is_terminal or self.status != "done":
            return None, f"No {stream} available - job not completed yet", None
        available = self._results()
        path = available.log(stream)
        return path, f"No {stream} file found", None if path is None else available.base_of(path)

    def _recipients(self, users: bool | Iterable[str]) -> tuple[str, ...]:
        if isinstance(users, bool):
            return (self.submitted_by,) if users else ()
        if isinstance(users, str):
            users = [users]
        return release.may_share_with(users)

    def _share(self, grants: Grants, what: str) -> None:
        recipients = grants.outputs or grants.logs
        if not recipients:
            raise InvalidTransition(f"Name at least one person to share the {what} of '{self.name}' with.")
        ref = self._known_ref()
        transitions.check_share(self.client.participant, ref)
        if self.client.config.folder == "plain":
            name = self._shown_name
            self._say(f"This folder enforces nothing: everybody who has it can read the {what} of '{name}'.")
        transitions.share(self.client.participant, ref, grants)
        self._say(f"📤 The {what} of '{self._shown_name}' are shared with {', '.join(recipients)}.")

    @property
    def _shown_name(self) -> str:
        return escape_line(self.name)

    def _say(self, line: str) -> None:
        self.client.say(line)


def __getattr__(name: str) -> object:
    """`JobsList` can also be imported from here, as document 002 shows it."""
    if name == "JobsList":
        from .jobs import JobsList

        return JobsList
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
