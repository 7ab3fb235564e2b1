"""Release by the runner: what the permit of an attempt, or a later promise, says is to be released when it is over."""

from __future__ import annotations

from syft_job import fs
from syft_job.errors import JobNotFoundError, NotAllowed
from syft_job.exchange import job_reader, release
from syft_job.exchange.participant import Participant
from syft_job.exchange.release import Grants
from syft_job.model.events import Event, Role
from syft_job.model.job_record import JobRecord
from syft_job.model.job_ref import JobRef
from syft_job.model.transitions import Verb

from .recovery import restore_missing
from .transaction import Stage, stage, transaction


def promise_release(participant: Participant, ref: JobRef, grants: Grants) -> None:
    """Record that results of the present attempt are to be released when it is over, beyond what its permit says.

    Raises:
        NotAllowed: this is not the owner.
    """
    with transaction(participant, ref, None) as txn:
        if not participant.owns(ref):
            raise NotAllowed(f"Only the owner of '{ref.name}' may promise its results.", name=ref.name)
        promised = release.promised(participant, txn.id, txn.attempt)
        if promised.plus(grants) != promised:
            participant.home.ledger.say(
                txn.id, txn.attempt, Event.RELEASE_PROMISED, place=list(ref), share=grants.to_json()
            )


def release_promised_results(participant: Participant, ref: JobRef, stage: Stage = stage) -> Grants | None:
    """Release what was promised for the present attempt, if that has not happened.

    Args:
        participant: the owner.
        ref: the job.
        stage: how results are copied. Where it copies them elsewhere and answers None, nothing is released yet.

    Returns:
        Everything that is granted now; None where nothing was released.

    Raises:
        JobNotFoundError: the directory is gone.
    """
    participant.home.make()
    try:
        with (
            fs.translate_os_errors(f"use {str(ref.under(participant.home.root))!r}"),
            fs.open_directory(participant.home.root, *ref.parts[:-1]) as parent_fd,
        ):
            record = job_reader.read_summary(parent_fd, ref, participant)
    except FileNotFoundError as error:
        raise JobNotFoundError(f"'{ref.name}' is not in the folder any more.", name=ref.name) from error
    participant.home.ledger.refresh()
    wanted = _pending_grants(participant, record)
    if wanted is None:
        return None
    staged = stage(participant, ref, release.need_of(record.id, record.attempt, wanted))
    if staged is None:
        return None
    with staged, transaction(participant, ref, Verb.RELEASE, Role.RUNNER) as txn:
        wanted = _pending_grants(participant, txn.record)
        need = None if wanted is None else release.need_of(txn.id, txn.attempt, wanted)
        if wanted is None or need is None or not staged.fits(txn.record, txn.dir_fd, need):
            return None  # where it is still pending, it is tried again
        release.publish(participant, txn.snapshot, wanted, staged)
        restore_missing(participant, txn, is_published=True)
        return wanted


def _pending_grants(participant: Participant, record: JobRecord) -> Grants | None:
    """Everything that is to be granted where not all of what was promised is; None where it is."""
    promised = release.promised(participant, record.id, record.attempt)
    granted = release.granted(participant, record.id, record.attempt)
    return None if not promised or promised.plus(granted) == granted else granted.plus(promised)
