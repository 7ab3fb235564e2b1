"""One transition at a time: the home's lock, a fresh reading of the job, and the check against the table.

Invariants:

- Nothing is recorded without the home's lock, and nothing is decided by a reading from before the lock was taken.
- The lock is not held while results are copied, or while a folder is probed that may not respond.
- The owner's folder is recovered first, so that a transition starts from what the ledger says.
"""

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
from syft_job.model.events import Event, Role
from syft_job.model.job_record import JobRecord
from syft_job.model.job_ref import JobRef, require_valid
from syft_job.model.states import JobFacts, JobState
from syft_job.model.transitions import TRANSITIONS, Transition, Verb, check_transition

from .marker_writer import Transaction, are_results_deleted
from .recovery import restore_missing

Stage = Callable[[Participant, JobRef, Need], StagedResults | None]
"""Copies results while no lock is held; None where they are still being copied: then the caller continues later."""


class _ResultsMissing(Exception):
    """The folder lacks results; the transaction begins again once they were copied without the lock."""

    def __init__(self, need: Need) -> None:
        super().__init__(need)
        self.need = need


@contextmanager
def transaction(participant: Participant, ref: JobRef, verb: Verb | None, *roles: Role) -> Iterator[Transaction]:
    """Hold the home's lock, read the job again and check that ``verb`` is possible.

    Where the folder lacks results that it had, the lock is released once to copy them (`restore`). Directories that are
    removed inside are removed when the lock is free again.

    Args:
        participant: the participant.
        ref: the job.
        verb: what is to be done; None for what decides nothing.
        roles: the roles in which it is done; by default those of the participant.

    Raises:
        JobNotFoundError: the directory is gone.
        UnreadableJob: the job's name is such that nothing can be recorded about it.
        InvalidTransition, NotAllowed: see `check_transition`.
        ConfigError: the owner's markers could not be signed, see `Home.key`; nothing was recorded.
        StoreError: the folder or the home cannot be used.
    """
    require_valid(ref)
    if Role.RUNNER in roles and not participant.owns(ref):
        raise NotAllowed(
            f"'{ref.name}' is not in the datasite of {participant.email}, so no runner of theirs may act on it."
        )
    participant.home.make()
    try:
        with _locked(participant, ref, verb, roles) as txn:
            yield txn
            return
    except _ResultsMissing:
        restore(participant, ref)
    with _locked(participant, ref, verb, roles, is_restored=True) as txn:
        yield txn


@contextmanager
def _locked(
    participant: Participant, ref: JobRef, verb: Verb | None, roles: tuple[Role, ...], *, is_restored: bool = False
) -> Iterator[Transaction]:
    root = participant.home.root
    probe(root)  # a folder that does not respond must not be used while the lock is held
    with participant.home.locked(), fs.translate_os_errors(f"use {str(ref.under(root))!r}"):
        try:
            snapshot = job_reader.look(root, ref, participant)
            if verb is not None and participant.owns(ref) and snapshot.record.findings:
                with fs.open_directory(root, *ref.parts) as dir_fd:
                    need = restore_missing(participant, Transaction(snapshot, dir_fd)).need
                if need is not None and not is_restored:
                    raise _ResultsMissing(need)
                snapshot = job_reader.look(root, ref, participant)
            transition = None
            if verb is not None:
                transition = check_verb(participant, snapshot.record, verb, *roles)
                if participant.owns(ref):
                    participant.home.key()  # what cannot be signed must not be recorded either
            with fs.open_directory(root, *ref.parts) as dir_fd:
                yield Transaction(snapshot, dir_fd, transition)
        except FileNotFoundError as error:
            if isinstance(error, PathMissing):
                raise
            raise JobNotFoundError(f"'{ref.name}' is not in the folder any more.", name=ref.name) from error


def facts_of(participant: Participant, record: JobRecord) -> JobFacts:
    """Gather everything that decides which verbs are possible, from a reading of the folder and the ledger."""
    ledger = participant.home.ledger
    events = ledger.events(record.id)
    return JobFacts(
        record.name,
        record.position,
        is_unreadable=bool(record.problem) and not record.state.is_terminal,
        is_start_recorded=ledger.is_under_way(record.id, record.attempt),
        is_deposited=Event.DEPOSITED in events,
        is_cleaned=Event.CLEANED in events,
    )


def check_verb(participant: Participant, record: JobRecord, verb: Verb, *roles: Role) -> Transition:
    """Check whether ``verb`` is possible for a job now, and return the row of the table.

    Args:
        participant: the participant.
        record: the job as it was read just now.
        verb: what is to be done.
        roles: the roles in which it is done; by default those of the participant.

    Raises:
        InvalidTransition, NotAllowed: see `check_transition`.
    """
    try:
        return check_transition(facts_of(participant, record), verb, roles or roles_of(participant, record.place))
    except InvalidTransition as error:
        if record.state is not JobState.CREATED or not record.missing or record.problem:
            raise
        missing = "; ".join(record.missing)
        raise InvalidTransition(f"{error.message} {missing}.", remedy=error.remedy, **error.context) from error


def allowed_verbs(participant: Participant, record: JobRecord) -> list[Verb]:
    """The verbs that are possible for this participant in this state, in the order of the table."""
    if participant.owns(record.place) and participant.is_home_elsewhere:
        return []  # this machine has no key to sign a decision with
    allowed: list[Verb] = []
    for verb in _VERBS_OF_PEOPLE:
        if verb is Verb.SHARE and are_results_deleted(participant, record.id, record.attempt):
            continue  # there is nothing left to share
        with suppress(InvalidTransition, NotAllowed):
            check_verb(participant, record, verb)
            allowed.append(verb)
    return allowed


_VERBS_OF_PEOPLE = tuple(
    dict.fromkeys(
        row.verb
        for row in TRANSITIONS
        if row.verb is not Verb.SUBMIT and not {Role.OWNER, Role.SUBMITTER}.isdisjoint(row.roles)
    )
)
"""The verbs on an existing job that people can do, in the order of the table."""


def roles_of(participant: Participant, ref: JobRef) -> tuple[Role, ...]:
    """The roles of ``participant`` in a job: owner, submitter, both or none."""
    roles = {Role.OWNER: participant.owns(ref), Role.SUBMITTER: participant.email == ref.submitter}
    return tuple(role for role, has_role in roles.items() if has_role)


def stage(participant: Participant, ref: JobRef, need: Need, source: Path | None = None) -> StagedResults:
    """Copy results into the job's directory under a temporary name, here and now; the home's lock must be free.

    Args:
        participant: the owner.
        ref: the job.
        need: what is to be copied.
        source: where from; by default where the home holds the results of the attempt.

    Raises:
        JobNotFoundError: the directory is gone.
        UnreadableJob, StoreError: see `StagedResults`.
    """
    try:
        with fs.translate_os_errors(f"use {str(ref.under(participant.home.root))!r}"):
            return StagedResults(participant.home, ref, need, participant.limits, source)
    except FileNotFoundError as error:
        raise JobNotFoundError(f"'{ref.name}' is not in the folder any more.", name=ref.name) from error


def restore(participant: Participant, ref: JobRef, stage: Stage = stage) -> tuple[str, ...]:
    """Write the owner's markers and released results that the ledger has and the folder lacks.

    Args:
        participant: the participant; for another one than the owner nothing is done.
        ref: the job.
        stage: how results are copied.

    Returns:
        The kinds of the markers that were written.
    """
    with transaction(participant, ref, None) as txn:
        if not participant.owns(ref):
            return ()
        restored = restore_missing(participant, txn)
    staged = None if restored.need is None else stage(participant, ref, restored.need)
    if staged is None:
        return restored.names
    with staged, transaction(participant, ref, None) as txn:
        with_results = restore_missing(participant, txn, staged=staged)
    return (*restored.names, *with_results.names)


def require_home(participant: Participant) -> None:
    """Refuse where the home is a copy that was not adopted.

    Raises:
        StoreError: it is.
    """
    reason = participant.home.foreign_reason()
    if reason is not None:
        raise StoreError(
            f"The home {participant.home.path} is not used: {reason}. If it is meant to serve here, and no other copy"
            " of it runs anywhere, say so: syft-job doctor --adopt-home"
        )
