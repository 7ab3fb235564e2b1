"""Sharing by the owner: held results of a finished job are released to more people."""

from __future__ import annotations

from syft_job import fs
from syft_job.errors import Action, PathMissing, Remedy, StoreError
from syft_job.exchange import release
from syft_job.exchange.participant import Participant
from syft_job.exchange.release import Grants
from syft_job.exchange.result_staging import LOGS_FOLDER, StagedDirectory
from syft_job.exchange.result_tree import copy_tree
from syft_job.format.markers import LOGS, OUTPUTS
from syft_job.model.job_record import JobRecord
from syft_job.model.job_ref import JobRef
from syft_job.model.transitions import Verb

from .marker_writer import Transaction, are_results_deleted
from .recovery import restore_missing
from .transaction import stage, transaction

_MAX_TRIES = 5
"""How often results are copied again because the job changed meanwhile."""


def check_share(participant: Participant, ref: JobRef) -> None:
    """Return if this participant may share results of the job now.

    Raises:
        InvalidTransition, NotAllowed: see `check_transition`.
    """
    with transaction(participant, ref, Verb.SHARE):
        return


def share(participant: Participant, ref: JobRef, grants: Grants) -> Grants:
    """Release results to more people.

    Returns:
        Everything that is granted now.

    Raises:
        PathMissing: the results are not held any more.
        StoreError: the job changed each time its results were copied.
    """
    for _ in range(_MAX_TRIES):
        with transaction(participant, ref, Verb.SHARE) as txn:
            record, wanted = txn.record, _all_grants(participant, txn, grants)
        _hold_released_results(participant, ref, record)
        with (
            stage(participant, ref, release.need_of(record.id, record.attempt, wanted)) as staged,
            transaction(participant, ref, Verb.SHARE) as txn,
        ):
            wanted = _all_grants(participant, txn, grants)
            if staged.fits(txn.record, txn.dir_fd, release.need_of(txn.id, txn.attempt, wanted)):
                release.publish(participant, txn.snapshot, wanted, staged)
                restore_missing(participant, txn, is_published=True)  # an outcome that was withheld until now
                return wanted
    raise StoreError(f"'{ref.name}' changed each time its results were copied, so nothing more was shared. Try again.")


def _all_grants(participant: Participant, txn: Transaction, grants: Grants) -> Grants:
    """Everything that is granted once ``grants`` are added.

    Raises:
        PathMissing: the results are not held any more.
    """
    record = txn.record
    if are_results_deleted(participant, record.id, record.attempt):
        raise PathMissing(
            f"The results of '{record.name}' were removed from this home to free its room, so no more people can be"
            " given them. What was shared before stays.",
            remedy=Remedy("To produce them again", Action.RERUN, job=str(record.place)),
            name=record.name,
        )
    return release.granted(participant, record.id, record.attempt).plus(grants)


def _hold_released_results(participant: Participant, ref: JobRef, record: JobRecord) -> None:
    """Copy results that an older runner left in the folder into the home, so that they are released like others."""
    held = participant.home.attempt_paths(record.id, record.attempt).results
    if not record.layout.may_hold_results or held.exists():
        return
    with (
        fs.translate_os_errors(f"use {str(ref.under(participant.home.root))!r}"),
        StagedDirectory(participant.home, held.parent) as taken,
        fs.open_directory(participant.home.root, *ref.parts) as job_fd,
    ):
        with fs.open_directory(taken.descriptor, OUTPUTS, create=True, mode=0o700) as outputs_fd:
            if fs.stat_entry(job_fd, OUTPUTS) is not None:
                with fs.open_directory(job_fd, OUTPUTS) as src_fd:
                    copy_tree(src_fd, outputs_fd, participant.limits, private=True)
        with fs.open_directory(taken.descriptor, LOGS_FOLDER, create=True, mode=0o700) as logs_fd:
            for name in LOGS.values():
                if fs.stat_entry(job_fd, name) is not None:
                    fs.copy_file(job_fd, name, logs_fd, name, max_bytes=participant.limits.total_bytes)
        with transaction(participant, ref, Verb.SHARE) as txn:
            if txn.id == record.id and not held.exists():
                taken.put_in_place(held.name)
