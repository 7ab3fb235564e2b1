"""Where the results of a job's present attempt are for a participant, and which of them the participant may read.

The owner reads the held results in the home. Others read what `shared` grants them in the shared folder. Deposited
results, and those that a runner of an unsigned layout left, are in the folder for all of its readers.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path

from syft_job import fs
from syft_job.errors import UnreadableJob
from syft_job.format.markers import SharedPart, people_in_share, shared_part
from syft_job.model.events import Event, marker_of_fact
from syft_job.model.job_record import JobRecord
from syft_job.model.states import Fact, FactKind

from . import job_reader
from .job_snapshot import JobSnapshot
from .marker_check import UNREADABLE
from .participant import Participant

_MAX_OWN_FILES = 1_000_000
_RESULT_KINDS = ("outputs", "logs")


class ResultAccess:
    """What a participant may read of the results of a job's present attempt, and the directory that holds them."""

    def __init__(self, participant: Participant, record: JobRecord) -> None:
        self._participant = participant
        self._record = record
        self._is_owner = participant.owns(record.place)

    @cached_property
    def _snapshot(self) -> JobSnapshot | None:
        try:
            return job_reader.look(self._participant.home.root, self._record.place, self._participant)
        except FileNotFoundError:
            return None

    @cached_property
    def reads_folder(self) -> bool:
        """Whether the results are in the job's directory for all of its readers."""
        may_be_there = self._record.layout.may_hold_results
        if self._is_owner:
            events = self._participant.home.ledger.events(self._record.id)
            return Event.DEPOSITED in events or (may_be_there and Event.FINISHED not in events)
        return may_be_there and not any(self.shared(what).who for what in _RESULT_KINDS)

    @property
    def reads_home(self) -> bool:
        """Whether the results are those that the home holds."""
        return self._is_owner and not self.reads_folder

    @property
    def is_unrestricted(self) -> bool:
        """Whether no `shared` restricts what is read: for the owner, and where the folder holds the results for all."""
        return self.reads_folder or self._is_owner

    @property
    def base(self) -> Path:
        """The directory that holds `outputs`: the held results for the owner, the job's directory for others."""
        if self.reads_home:
            return self._participant.home.attempt_paths(self._record.id, self._record.attempt).results
        return self._record.location(self._participant.home.root)

    @contextmanager
    def directory(self, *folder: str) -> Iterator[int]:
        """Open a directory below `base`; in the shared folder no link is followed on the way."""
        root = self._participant.home.root
        start, parts = (self.base, ()) if self.reads_home else (root, self._record.place.parts)
        with (
            fs.translate_os_errors(f"read the results of '{self._record.name}'"),
            fs.open_directory(start, *parts, *folder) as folder_fd,
        ):
            yield folder_fd

    @property
    def max_entries(self) -> int:
        """How many entries of the results are read at most."""
        return _MAX_OWN_FILES if self.reads_home else self._participant.limits.files * 2

    @property
    def max_bytes(self) -> int | None:
        """How many bytes of results are copied at most; None where there is no limit."""
        return None if self.reads_home else self._participant.limits.total_bytes

    def shared(self, what: str) -> SharedPart:
        """What `shared` of the present attempt grants this participant of ``what``; nothing where it grants nothing."""
        marker = self._snapshot.marker("shared") if self._snapshot is not None else None
        if marker is None or marker.attempt != self._record.attempt:
            return SharedPart()
        part = shared_part(marker.body, what)
        return part if part.is_for(self._participant.email) else SharedPart()

    @property
    def is_release_pending(self) -> bool:
        """Whether the approval promised this participant something that no `shared` of this attempt lists yet."""
        if self._is_owner or not self._record.state.is_finished:
            return False
        return any(not self.shared(what).who for what in self._promised())

    def _promised(self) -> set[str]:
        """The kinds of results that the permit of the present attempt promised this participant."""
        promised: set[str] = set()
        if self._snapshot is None:
            return promised
        for fact_kind in (FactKind.PERMITTED, FactKind.APPROVED):
            kind, attempt = marker_of_fact(Fact(fact_kind, self._record.attempt))
            marker = self._snapshot.marker(kind)
            if marker is not None and marker.attempt == attempt:
                people = {what: people_in_share(marker.body, what) for what in _RESULT_KINDS}
                promised = {what for what in people if self._participant.email in people[what] or "*" in people[what]}
        return promised

    @property
    def unreadable_share(self) -> str:
        """What is wrong with a `shared` that cannot be read, and what helps; empty where that is not so."""
        findings = self._snapshot.record.findings if self._snapshot is not None else ()
        for finding in findings:
            if finding.startswith(f"'shared' {UNREADABLE}"):
                return (
                    f"What the owner shared of '{self._record.name}' cannot be told: {finding}."
                    " Ask the owner to share the results again"
                )
        return ""

    def require_readable_share(self) -> None:
        """Return if no `shared` is there that cannot be read.

        Raises:
            UnreadableJob: there is one.
        """
        if problem := self.unreadable_share:
            raise UnreadableJob(problem)
