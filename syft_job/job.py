"""`JobInfo`: one job, with the verbs that its reader may use.

A `JobInfo` is live: its status is read off the folder each time it is asked. It decides nothing itself; every verb is
one act.
"""

from __future__ import annotations

import stat
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from syft_job import fs
from syft_job.exchange import job_reader, release, results, transitions
from syft_job.exchange.release import Grants
from syft_job.exchange.results import HistoryEntry, Verification
from syft_job.format.markers import OUTPUTS
from syft_job.model.job_record import JobRecord
from syft_job.model.job_ref import JobRef, expand_user, parse_location
from syft_job.model.lifecycle import JobState
from syft_job.model.text import escape_line, escape_repr
from syft_job.views import text
from syft_job.views.logs import StderrViewer, StdoutViewer

from .errors import ConfigError, InvalidTransition, JobNotFoundError, JobTimeoutError, UnreadableJob

if TYPE_CHECKING:
    from syft_job.views.review_text import ShownReview

    from .client import JobClient

_SWEEP_SECONDS = 0.5
"""How often a wait looks where no file events arrive."""
_UNREADABLE_SECONDS = 10.0
"""How long a wait takes a `shared` that cannot be read for one that is still being written by a sync tool."""
_MAX_FILES = 100_000


class JobInfo:
    """One job as a person sees it.

    Args:
        name: the job's name.
        datasite_owner_email: in whose datasite it lies.
        status: a folder word; shown as it is where ``location`` is no job's directory, else the folder tells.
        submitted_by: in whose folder of that datasite it lies.
        location: the job's directory.
        client: the `JobClient` to work through.
        current_user_email: who looks.
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
        self._place: JobRef | None = self._find_place()
        self._seen: str | None = None
        if self._place is not None:
            try:
                self._seen = self._refresh().digest
            except JobNotFoundError:
                self._place = None  # there is nothing to read; what was given is shown

    @classmethod
    def of_record(cls, record: JobRecord, client: JobClient) -> JobInfo:
        """The live object for a record that was just read."""
        job = cls.__new__(cls)
        job.name, job.datasite_owner_email, job.submitted_by = record.name, record.owner, record.submitter
        job.location = record.location(client.root)
        job.client = client
        job.current_user_email = client.email
        job.submitted_at = record.submitted_at
        job._take_over(record)  # noqa: SLF001 - it is one of us
        return job

    def _take_over(self, record: JobRecord) -> None:
        self._given_status = record.status
        self._record = record
        self._place = record.place
        self._seen = record.digest

    # What it is

    @property
    def record(self) -> JobRecord:
        """The job as the folder has it now.

        Raises:
            UnreadableJob: ``location`` is no job's directory below the client's folder.
        """
        if self._place is None:
            raise UnreadableJob(f"{self.location} is no job's directory in the folder {self._root}, or is gone.")
        return self._refresh()

    @property
    def status(self) -> str:
        """One word for people: arriving, inbox, approved, running, done, cancelled, rejected (or unreadable)."""
        return self._given_status if self._place is None else self._refresh().status

    @property
    def state(self) -> JobState:
        """The exact state; terminal ones tell how the job ended."""
        return self.record.state

    @property
    def id(self) -> str:
        """32 hex digits that stand for this submission."""
        return self.record.id

    @property
    def attempt(self) -> int:
        """Which attempt the state belongs to, counted from 1."""
        return self.record.attempt

    @property
    def digest(self) -> str:
        """What a yes would be said to, 64 hex digits."""
        return self.record.digest

    @property
    def findings(self) -> tuple[str, ...]:
        """What one should know about this job, one sentence each."""
        record = self.record
        problems = (record.problem,) if record.problem else ()
        return tuple(map(escape_line, (*problems, *record.missing, *record.findings)))

    @property
    def reason(self) -> str:
        """Why the job was rejected, cancelled or withdrawn; empty where it was not, or where no reason was given."""
        record = self.record
        if record.reason.endswith("…"):  # a record holds the beginning only
            return self._look().reason
        return results.reason_of(self.client.participant, record)

    @property
    def returncode(self) -> int | None:
        """The exit code: to the owner when the job is done, to others when its logs are shared with them.

        Raises:
            UnreadableJob: a link, a device, a folder or a huge file stands in its place.
        """
        return self._results().returncode()

    # The verbs of the owner

    def approve(
        self,
        reason: str | None = None,
        share_outputs: bool | Sequence[str] = False,
        share_logs: bool | Sequence[str] = False,
        *,
        allow_bare: bool = False,
        require_review: bool = False,
    ) -> None:
        """Approve exactly what was last shown, for the containment of this machine; the runner will start it.

        Where a review of the job was completed, by whichever object or command, the approval is of what it showed.
        Where none was, it is of the digest that this object was listed with, and that is announced and recorded.

        Args:
            reason: a note for the record.
            share_outputs: release the outputs when the job is over: to the submitter (True) or to these addresses.
            share_logs: the same for stdout, stderr and the return code.
            allow_bare: the job may also run without a sandbox; needed where this machine has none.
            require_review: refuse where no review of the job was completed, as the setting of that name always does.

        Raises:
            InvalidTransition: (a ValueError) it is not in the inbox, or its files differ from its manifest.
            NotAllowed: (a PermissionError) this is not the owner, a review is missing, or there is no sandbox.
            ChangedSinceSeen: the job is another one than was shown; nothing was approved.
            ConfigError: (a ValueError) the sandbox that the configuration asks for does not work here.
        """
        from syft_job.execution.offered_containment import level_to_approve

        participant, place, config = self.client.participant, self._known_place(), self.client.config
        promised = Grants(self._people(share_outputs), self._people(share_logs))
        # Others than the owner are refused by the act, whatever this machine offers.
        allow = level_to_approve(config, allow_bare=allow_bare) if participant.owns(place) else transitions.BUBBLEWRAP
        is_reviewed = transitions.approve(
            participant,
            place,
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
                f"⚠ Job '{self._shown_name}' was approved without a review. To see what will run:"
                " syft-job review, or job.review() in Python"
            )

    def reject(self, reason: str) -> None:
        """Say no; the submitter can read the reason.

        Raises:
            InvalidTransition: (a ValueError) it runs or is over.
            NotAllowed: (a PermissionError) this is not the owner.
        """
        transitions.reject(self.client.participant, self._known_place(), reason)
        self._say(f"❌ Job '{self._shown_name}' rejected.")

    def accept_by_depositing_result(self, path: str | Path) -> Path:
        """Answer the job with a result made by hand; it is done then, and its code never runs.

        What an earlier yes promised to share is shared of this result.

        Args:
            path: a file, or a folder that is taken as a whole; it stays where it is.

        Returns:
            Where the result lies: in ``location/outputs/``.

        Raises:
            InvalidTransition: (a ValueError) it is not in the inbox or approved.
            PathMissing: (a FileNotFoundError) there is nothing at ``path``.
            NotAllowed: (a PermissionError) this is not the owner.
        """
        source = expand_user(path).absolute()
        result = transitions.deposit(self.client.participant, self._known_place(), source)
        self._say(
            f"✅ Job '{self._shown_name}' completed successfully! Result deposited at: {escape_line(str(result))}"
        )
        return result

    def rerun(self) -> None:
        """Permit one more attempt of a finished job; what was shared of the earlier one ends.

        Raises:
            InvalidTransition: (a ValueError) it is not done, or was withdrawn, cleaned or answered by a deposit.
            NotAllowed: (a PermissionError) this is not the owner.
        """
        removed = transitions.rerun(self.client.participant, self._known_place())
        told = f"Removed: {', '.join(map(escape_line, removed))}" if removed else "(No cleanup needed)"
        self._say(f"🔄 Job '{self._shown_name}' prepared for rerun! {told}")

    def share_outputs(self, users: Iterable[str] | str) -> None:
        """Let ``users`` read the outputs. In a plain folder everybody who has it can, and this says so first.

        Raises:
            InvalidTransition: (a ValueError) the job is not done.
            NotAllowed: (a PermissionError) this is not the owner.
        """
        self._share(Grants(outputs=self._people(users)), "outputs")

    def share_logs(self, users: Iterable[str] | str) -> None:
        """Let ``users`` read stdout, stderr and the return code; see `share_outputs`."""
        self._share(Grants(logs=self._people(users)), "logs")

    def cancel(self, reason: str | None = None) -> None:
        """Stop the job: the owner at once, the submitter by withdrawing it; on one that is over it changes nothing.

        Raises:
            InvalidTransition: (a ValueError) the owner cancels what is not approved yet.
            NotAllowed: (a PermissionError) this is neither of them.
        """
        place, participant = self._known_place(), self.client.participant
        if self.state.is_terminal:
            return
        if participant.owns(place) or participant.email != place.submitter:
            transitions.cancel(participant, place, reason)
            self._say(f"🚫 Job '{self._shown_name}' cancelled.")
        else:
            self.withdraw(reason or "")

    def clean(self) -> None:
        """Remove a job that is over from the folder, and its results from the owner's home; the ledger stays.

        Raises:
            InvalidTransition: (a ValueError) it is not over.
            NotAllowed: (a PermissionError) this is not the owner.
        """
        transitions.clean(self.client.participant, self._known_place())
        self._say(f"🧹 Job '{self._shown_name}' cleaned.")

    # The verb of the submitter

    def withdraw(self, reason: str = "") -> None:
        """Take one's own job back; if it runs already, the owner's runner stops it.

        Raises:
            InvalidTransition: (a ValueError) it is over.
            NotAllowed: (a PermissionError) this is not the submitter.
        """
        transitions.withdraw(self.client.participant, self._known_place(), reason)
        self._say(f"↩️ Job '{self._shown_name}' withdrawn.")

    # Looking

    def review(self) -> ShownReview:
        """Everything that would run, and under what conditions, as text; a later `approve` approves this.

        To the owner, returning it completes the review, which the home records; that of files that differ from the
        manifest counts as none.

        Raises:
            JobNotFoundError: the directory is gone.
        """
        from syft_job.review import record_review

        shown = self.prepare_review()
        if shown.text:  # what cannot be shown completes nothing
            record_review(self.client.participant, shown.found)
        return shown

    def prepare_review(self) -> ShownReview:
        """The same as `review`, but it completes no review: for who delivers it and then records that it was delivered.

        Raises:
            JobNotFoundError: the directory is gone.
        """
        from syft_job.review import review
        from syft_job.views.review_text import ShownReview

        try:
            shown = ShownReview(review(self.client.participant, self._known_place(), self.client.config))
        except FileNotFoundError as error:
            raise JobNotFoundError(f"'{self.name}' is not in the folder any more.", name=self.name) from error
        self._record = shown.found.record
        self._seen = shown.found.digest
        return shown

    @property
    def output_paths(self) -> list[Path]:
        """What lies directly in the outputs, for those who may read them; empty before the job is done."""
        if self._place is None:
            return []
        return self._results().outputs()

    @property
    def output_files(self) -> list[Path]:
        """Every output file, those in folders included; only what `shared` lists where this is not the owner.

        Raises:
            UnreadableJob: the outputs hold something else than plain files and folders.
        """
        if self._place is None:
            return []
        outputs = self._results()
        return [outputs.outputs_directory / file.path for file in outputs.output_files()]

    def copy_outputs(self, target: str | Path) -> list[Path]:
        """Copy every output file into the existing folder ``target``; returns the copies.

        No link is followed and nothing is replaced. Where `shared` lists files, exactly those are copied, and each
        must have the listed size and SHA-256.

        Raises:
            UnreadableJob: a file is not what was released, or is no plain file.
            StoreError: the copy cannot be written.
        """
        return self._results().copy_outputs(Path(target)) if self._place is not None else []

    @property
    def files(self) -> list[Path]:
        """Files and folders directly in the job's directory, at most 100,000; empty when it is gone.

        Raises:
            UnreadableJob: a link stands in its place.
            StoreError: the directory cannot be read; ``context["errno"]`` tells why.
        """
        start: Path = self.location.parent
        inside: tuple[str, ...] = (self.location.name,)
        if self._root is not None and self._place is not None:
            start, inside = self._root, self._place.parts
        try:
            with fs.translate_os_errors(f"read {str(self.location)!r}"), fs.open_directory(start, *inside) as opened:
                return sorted(self.location / name for name in fs.first_names(opened, limit=_MAX_FILES))
        except FileNotFoundError:
            return []
        except UnreadableJob:
            found = fs.stat_below(start, *inside)
            if found is not None and stat.S_ISREG(found.st_mode):
                return []
            raise

    @property
    def stdout(self) -> StdoutViewer:
        """What the job printed, once it is done."""
        return StdoutViewer(*self._log("stdout"))

    @property
    def stderr(self) -> StderrViewer:
        """What the job printed to its error stream, once it is done."""
        return StderrViewer(*self._log("stderr"))

    @property
    def history(self) -> list[HistoryEntry]:
        """Everything that was said of this submission, oldest first: to the owner all, to others what is public."""
        return results.history(self.client.participant, self._look())

    def verify(self) -> Verification:
        """Check everything anew: seals, the submitted files, and the released ones against what was promised."""
        return results.verify(self.client.participant, self._look())

    def wait(self, timeout: float | None = None) -> JobState:
        """Return when the job is over and everything that was promised to this person has arrived.

        Args:
            timeout: seconds; None waits for ever.

        Raises:
            JobTimeoutError: it took longer; the job goes on.
            UnreadableJob: the job is over, and for some seconds now what its owner shared cannot be read.
            ConfigError: (a ValueError) ``timeout`` is not a number.
        """
        if timeout is not None and timeout != timeout:  # noqa: PLR0124 - only NaN differs from itself
            raise ConfigError("timeout: NaN is no number of seconds; give a number, or None to wait for ever")
        record = self.record
        if record.state.is_terminal and self._results().is_complete:
            return record.state
        from syft_job.fs.watch import Watch

        until = float("inf") if timeout is None else time.monotonic() + timeout
        patience = float("inf")
        with Watch(_SWEEP_SECONDS, root=self._root) as watch:
            while True:
                is_new_there = watch.watch_only({self.location: None, self.location / OUTPUTS: None})
                record = self.record
                found = self._results()
                if record.state.is_terminal and found.is_complete:
                    return record.state
                problem = found.unreadable_share if record.state.is_terminal else ""
                patience = min(patience, time.monotonic() + _UNREADABLE_SECONDS) if problem else float("inf")
                left = min(until, patience) - time.monotonic()
                if left <= 0 and patience <= until:
                    raise UnreadableJob(problem)
                if left <= 0:
                    raise JobTimeoutError(
                        f"'{self.name}' is still {record.status} after {timeout:g} s; it goes on."
                        f" Now {text.waits_for(record)}." + (f" {problem}." if problem else "")
                    )
                if not is_new_there:
                    watch.wait(at_most=left)
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

    # Beneath

    @property
    def _root(self) -> Path | None:
        return getattr(self.client, "root", None)

    def _find_place(self) -> JobRef | None:
        if self._root is None:
            return None
        try:
            return parse_location(self._root, self.location)
        except UnreadableJob:
            return None

    def _known_place(self) -> JobRef:
        return self.record.place

    def _refresh(self) -> JobRecord:
        assert self._place is not None  # noqa: S101 - asked only where there is one
        try:
            record = self.client.store.again(self._place, self._record)
        except JobNotFoundError:
            if self._record is None:
                raise
            return self._record  # what it was when it was last there
        self._record = record
        return record

    def _look(self) -> job_reader.JobSnapshot:
        place = self._known_place()
        try:
            return job_reader.look(self.client.root, place, self.client.participant)
        except FileNotFoundError as error:
            raise JobNotFoundError(f"'{self.name}' is not in the folder any more.", name=self.name) from error

    def _results(self) -> results.Results:
        return results.Results(self.client.participant, self.record)

    def _log(self, stream: str) -> tuple[Path | None, str, Path | None]:
        if self._place is None or not self._refresh().state.is_terminal or self.status != "done":
            return None, f"No {stream} available - job not completed yet", None
        found = self._results()
        path = found.log(stream)
        return path, f"No {stream} file found", None if path is None else found.base_of(path)

    def _people(self, who: bool | Iterable[str]) -> tuple[str, ...]:
        if isinstance(who, bool):
            return (self.submitted_by,) if who else ()
        if isinstance(who, str):
            who = [who]
        return release.may_share_with(who)

    def _share(self, grants: Grants, what: str) -> None:
        people = grants.outputs or grants.logs
        if not people:
            raise InvalidTransition(f"Name at least one person to share the {what} of '{self.name}' with.")
        place = self._known_place()
        transitions.may_share(self.client.participant, place)
        if self.client.config.folder == "plain":
            name = self._shown_name
            self._say(f"This folder enforces nothing: everybody who has it can read the {what} of '{name}'.")
        transitions.share(self.client.participant, place, grants)
        self._say(f"📤 The {what} of '{self._shown_name}' are shared with {', '.join(people)}.")

    @property
    def _shown_name(self) -> str:
        return escape_line(self.name)

    def _say(self, line: str) -> None:
        self.client.say(line)


def __getattr__(name: str) -> object:
    """`JobsList` is found here, too, as the older package had it."""
    if name == "JobsList":
        from .jobs import JobsList

        return JobsList
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
