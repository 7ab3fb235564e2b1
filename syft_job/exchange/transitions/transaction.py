"""One act at a time: the home's lock, a fresh look at the job, and the table's word on whether it may happen."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from syft_job import fs
from syft_job.errors import InvalidTransition, JobNotFoundError, NotAllowed, PathMissing, StoreError
from syft_job.exchange import job_reader
from syft_job.exchange.participant import Participant
from syft_job.exchange.result_staging import Need, StagedResults
from syft_job.fs.probe import probe
from syft_job.model.job_record import JobRecord
from syft_job.model.job_ref import JobRef, require_valid
from syft_job.model.lifecycle import TABLE, Event, JobState, Role, allowed

from .marker_writer import Transaction, are_forgotten
from .recovery import restore_missing

Stage = Callable[[Participant, JobRef, Need], StagedResults | None]
"""Copies results while no lock is held; None where they are still being copied: then the act is done later."""


class _ResultsMissing(Exception):
    """The folder lacks results; the turn is taken again once they were copied without the lock."""

    def __init__(self, need: Need) -> None:
        super().__init__(need)
        self.need = need


@contextmanager
def transaction(participant: Participant, place: JobRef, event: Event | None, *roles: Role) -> Iterator[Transaction]:
    """Hold the home's lock, read the job again and ask whether ``event`` is allowed.

    Where the folder lacks results that it had, the lock is left once to copy them (`restore`). Directories that are
    removed inside are removed when the lock is free again.

    Args:
        participant: who acts.
        place: the job.
        event: what is to happen; None for putting back what is said already.
        roles: the hands that act; by default those of the person.

    Raises:
        JobNotFoundError: the directory is gone.
        UnreadableJob: the place's names are such that nothing can be said of it.
        InvalidTransition, NotAllowed: see `lifecycle.allowed`.
        ConfigError: the owner's word could not be sealed, see `Home.key`; nothing was said.
        StoreError: the folder or the home does not do what it is asked.
    """
    require_valid(place)
    if Role.RUNNER in roles and not participant.owns(place):
        raise NotAllowed(
            f"'{place.name}' is not in the datasite of {participant.email}, so no runner of theirs may act on it."
        )
    participant.home.make()
    try:
        with _locked_turn(participant, place, event, roles) as now:
            yield now
            return
    except _ResultsMissing:
        restore(participant, place)
    with _locked_turn(participant, place, event, roles, is_restored=True) as now:
        yield now


@contextmanager
def _locked_turn(
    participant: Participant, place: JobRef, event: Event | None, roles: tuple[Role, ...], *, is_restored: bool = False
) -> Iterator[Transaction]:
    probe(participant.home.root)  # a folder that hangs must not be met with the lock in hand
    with participant.home.locked(), fs.translate_os_errors(f"use {str(place.under(participant.home.root))!r}"):
        try:
            look = job_reader.look(participant.home.root, place, participant)
            if event is not None and participant.owns(place) and look.record.findings:
                with fs.open_directory(participant.home.root, *place.parts) as job:
                    need = restore_missing(participant, Transaction(look, job)).need
                if need is not None and not is_restored:
                    raise _ResultsMissing(need)
                look = job_reader.look(participant.home.root, place, participant)
            if event is not None:
                record = look.record
                check_allowed(participant, record, event, *roles)
                if participant.owns(place):
                    participant.home.key()  # what cannot be sealed must not be said either
            with fs.open_directory(participant.home.root, *place.parts) as job:
                yield Transaction(look, job)
        except FileNotFoundError as error:
            if isinstance(error, PathMissing):
                raise
            raise JobNotFoundError(f"'{place.name}' is not in the folder any more.", name=place.name) from error


def check_allowed(participant: Participant, record: JobRecord, event: Event, *roles: Role) -> None:
    """Return if ``event`` may happen to a job now: the state machine's table, asked with everything that it needs.

    Args:
        participant: who acts.
        record: the job as it was read just now.
        event: what is to happen.
        roles: the roles that act; by default those of the person.

    Raises:
        InvalidTransition, NotAllowed: see `lifecycle.allowed`.
    """
    ledger = participant.home.ledger
    events = ledger.events(record.id)
    try:
        allowed(
            record.position,
            event,
            roles or roles_of(participant, record.place),
            name=record.name,
            unreadable=bool(record.problem) and not record.state.is_terminal,
            starting=ledger.is_under_way(record.id, record.attempt),
            deposited="deposit" in events,
            cleaned="clean" in events,
        )
    except InvalidTransition as error:
        if record.state is not JobState.CREATED or not record.missing or record.problem:
            raise
        raise InvalidTransition(f"{error} {'; '.join(record.missing)}.", **error.context) from error


def allowed_events(participant: Participant, record: JobRecord) -> list[Event]:
    """The events that this participant may cause in this state, in the order of the table."""
    if participant.owns(record.place) and participant.is_home_elsewhere:
        return []  # this machine has no key to sign a decision with
    events = dict.fromkeys(
        row.event for row in TABLE if row.event is not Event.SUBMIT and {Role.OWNER, Role.SUBMITTER} & {*row.who}
    )
    found: list[Event] = []
    for event in events:
        if event is Event.SHARE and are_forgotten(participant, record.id, record.attempt):
            continue  # there is nothing left to share
        with suppress(InvalidTransition, NotAllowed):
            check_allowed(participant, record, event)
            found.append(event)
    return found


def roles_of(participant: Participant, place: JobRef) -> tuple[Role, ...]:
    """The hands that ``participant`` has in the job at ``place``."""
    return (Role.OWNER,) * participant.owns(place) + (Role.SUBMITTER,) * (participant.email == place.submitter)


def stage(participant: Participant, place: JobRef, need: Need, source: Path | None = None) -> StagedResults:
    """Copy results into the job's directory under a temporary name, here and now; the home's lock must be free.

    Args:
        participant: the owner.
        place: the job.
        need: what is to be copied.
        source: where from; by default where the home holds the results of the attempt.

    Raises:
        JobNotFoundError: the directory is gone.
        UnreadableJob, StoreError: see `StagedResults`.
    """
    try:
        with fs.translate_os_errors(f"use {str(place.under(participant.home.root))!r}"):
            return StagedResults(participant.home, place, need, participant.limits, source)
    except FileNotFoundError as error:
        raise JobNotFoundError(f"'{place.name}' is not in the folder any more.", name=place.name) from error


def restore(participant: Participant, place: JobRef, stage: Stage = stage) -> tuple[str, ...]:
    """Put back the owner's markers and released results that the ledger has and the folder lacks.

    Args:
        participant: who acts; for another one than the owner nothing is done.
        place: the job.
        stage: how results are copied.

    Returns:
        The names of what was put back.
    """
    with transaction(participant, place, None) as now:
        if not participant.owns(place):
            return ()
        done = restore_missing(participant, now)
    staged = None if done.need is None else stage(participant, place, done.need)
    if staged is None:
        return done.names
    with staged, transaction(participant, place, None) as now:
        again = restore_missing(participant, now, staged=staged)
    return (*done.names, *again.names)


def require_home(participant: Participant) -> None:
    """Refuse where the home is a copy that nobody adopted.

    Raises:
        StoreError: it is.
    """
    reason = participant.home.foreign_reason()
    if reason is not None:
        raise StoreError(
            f"The home {participant.home.path} is not used: {reason}. If it is meant to serve here, and no other copy"
            " of it runs anywhere, say so: syft-job doctor --adopt-home"
        )
