"""Letting results out: by hand, by a grant, by what the yes promised."""

from __future__ import annotations

import os
from contextlib import ExitStack
from pathlib import Path

from syft_job import fs
from syft_job.errors import InvalidTransition, JobNotFoundError, NotAllowed, PathMissing, StoreError, UnreadableJob
from syft_job.exchange import job_reader, release
from syft_job.exchange.participant import Participant
from syft_job.exchange.release import Grants
from syft_job.exchange.result_staging import LOGS_FOLDER, Need, StagedDirectory
from syft_job.exchange.result_tree import copy_tree, why_not
from syft_job.format.markers import LOGS, OUTPUTS
from syft_job.model import names
from syft_job.model.job_record import JobRecord
from syft_job.model.job_ref import JobRef
from syft_job.model.lifecycle import Event, Role

from .marker_writer import Transaction, are_forgotten, publish_deposit, telling, unblock
from .recovery import restore_missing
from .transaction import Stage, stage, transaction

_TRIES = 5
"""How often results are copied again because the job changed meanwhile."""


def deposit(participant: Participant, place: JobRef, source: Path) -> Path:
    """Answer a job with a result made by hand: a file or a folder goes to `outputs/`, and the job is done.

    Everything is copied before the home's lock is taken, and put in place under it.

    Returns:
        Where the result lies in the job's directory.

    Raises:
        PathMissing: there is nothing at ``source``.
        UnreadableJob: it holds links, devices or more than the limits allow.
    """
    with transaction(participant, place, Event.DEPOSIT) as now:
        record = now.look.record
    need = Need(record.id, record.attempt, outputs=True, logs=True)
    source = Path(os.path.abspath(source))
    if not source.exists():
        raise PathMissing(f"There is nothing at {source} to deposit.", path=str(source))
    held = participant.home.attempt_paths(record.id, record.attempt).results
    with ExitStack() as copies:
        copies.enter_context(fs.translate_os_errors(f"deposit {str(source)!r}"))
        deposited = copies.enter_context(StagedDirectory(participant.home, held.parent))
        try:
            _copy_deposit(deposited, source, participant)
        except FileNotFoundError as error:
            raise PathMissing(
                f"{source} changed while it was copied; nothing was deposited. Try again when it is whole.",
                path=str(source),
            ) from error
        staged, refused = None, None
        try:
            staged = copies.enter_context(stage(participant, place, need, held.parent / deposited.name))
        except StoreError as error:
            refused = error  # by the folder; it holds all the same, and the runner publishes it later
        now = copies.enter_context(transaction(participant, place, Event.DEPOSIT))
        if (now.id, now.look.record.attempt) != (need.job, need.attempt) or (
            staged is not None and not staged.fits(now.look.record, now.job, need)
        ):
            raise InvalidTransition(
                f"'{place.name}' changed while the result was copied; nothing was deposited. Look at it again.",
                name=place.name,
            )
        deposited.put_in_place(held.name)
        promised = release.promised(participant, need.job, need.attempt)
        has_yes = any(item.ignored is None and item.marker.kind == "approved" for item in now.look.markers)
        participant.home.ledger.say(
            need.job,
            need.attempt,
            "deposit",
            outcome="succeeded",
            owed=bool(promised),
            place=list(place),
            mark={
                "by": participant.email,
                "method": "deposit",
                "digest": now.look.record.digest,
                "approves": not has_yes,
            },
        )
        with telling(now, "deposit"):
            if refused is not None:
                raise refused
            publish_deposit(participant, now, staged)
            unblock(participant, now)
            if promised and staged is not None:
                release.publish(participant, now.look, promised, staged)
        return place.under(participant.home.root) / OUTPUTS / names.normalize_inner_path(source.name)


def may_share(participant: Participant, place: JobRef) -> None:
    """Return if this person may share results of the job now.

    Raises:
        InvalidTransition, NotAllowed: see `lifecycle.allowed`.
    """
    with transaction(participant, place, Event.SHARE):
        return


def share(participant: Participant, place: JobRef, grants: Grants) -> Grants:
    """Release results to more people; returns everything that is granted now."""
    for _ in range(_TRIES):
        with transaction(participant, place, Event.SHARE) as now:
            record, wanted = now.look.record, _together(participant, now, grants)
        _hold_what_lies_there(participant, place, record)
        with (
            stage(participant, place, release.need_of(record.id, record.attempt, wanted)) as staged,
            transaction(participant, place, Event.SHARE) as now,
        ):
            wanted = _together(participant, now, grants)
            if staged.fits(now.look.record, now.job, release.need_of(now.id, now.look.record.attempt, wanted)):
                release.publish(participant, now.look, wanted, staged)
                restore_missing(participant, now, is_published=True)  # an outcome that was kept back until now
                return wanted
    raise StoreError(
        f"'{place.name}' changed each time its results were copied, so nothing more was shared. Try again."
    )


def _together(participant: Participant, now: Transaction, grants: Grants) -> Grants:
    """What is granted once ``grants`` are added.

    Raises:
        PathMissing: the results are not held any more.
    """
    record = now.look.record
    if are_forgotten(participant, record.id, record.attempt):
        raise PathMissing(
            f"The results of '{record.name}' were removed from this home to free its room, so no more people can be"
            " given them. What was shared before stays. To have them again: job.rerun()",
            name=record.name,
        )
    return release.granted(participant, record.id, record.attempt).plus(grants)


def promise(participant: Participant, place: JobRef, grants: Grants) -> None:
    """Say that results of the present attempt are to be released when it is over, beyond what its yes says."""
    with transaction(participant, place, None) as now:
        record = now.look.record
        if not participant.owns(place):
            raise NotAllowed(f"Only the owner of '{place.name}' may promise its results.", name=place.name)
        if release.promised(participant, record.id, record.attempt).plus(grants) != release.promised(
            participant, record.id, record.attempt
        ):
            participant.home.ledger.say(record.id, record.attempt, "promise", place=list(place), share=grants.to_json())


def carry_out_release(participant: Participant, place: JobRef, stage: Stage = stage) -> Grants | None:
    """Release what the yes to the present attempt promised, if that has not happened; None where it has.

    Args:
        participant: the owner.
        place: the job.
        stage: how results are copied. Where it copies them elsewhere and answers None, nothing is released yet.
    """
    participant.home.make()
    try:
        with (
            fs.translate_os_errors(f"use {str(place.under(participant.home.root))!r}"),
            fs.open_directory(participant.home.root, *place.parts[:-1]) as parent,
        ):
            record = job_reader.read_summary(parent, place, participant)
    except FileNotFoundError as error:
        raise JobNotFoundError(f"'{place.name}' is not in the folder any more.", name=place.name) from error
    participant.home.ledger.refresh()
    wanted = _owed(participant, record)
    if wanted is None:
        return None
    staged = stage(participant, place, release.need_of(record.id, record.attempt, wanted))
    if staged is None:
        return None
    with staged, transaction(participant, place, Event.RELEASE, Role.RUNNER) as now:
        wanted = _owed(participant, now.look.record)
        need = None if wanted is None else release.need_of(now.id, now.look.record.attempt, wanted)
        if wanted is None or need is None or not staged.fits(now.look.record, now.job, need):
            return None  # where it is still owed, it is tried again
        release.publish(participant, now.look, wanted, staged)
        restore_missing(participant, now, is_published=True)
        return wanted


def _owed(participant: Participant, record: JobRecord) -> Grants | None:
    """All that is to be granted where not all of what was promised is; None where it is."""
    wanted = release.promised(participant, record.id, record.attempt)
    done = release.granted(participant, record.id, record.attempt)
    return None if not wanted or wanted.plus(done) == done else done.plus(wanted)


def _copy_deposit(deposited: StagedDirectory, source: Path, participant: Participant) -> None:
    """Copy what is deposited into the home first, as a whole, so that it can be published again after a crash."""
    with (
        fs.open_directory(source.parent) as parent,
        fs.open_directory(deposited.descriptor, OUTPUTS, create=True, mode=0o700) as outputs,
    ):
        found = os.stat(source.name, dir_fd=parent)  # what the owner names may be a link
        if refused := why_not(source.name, fs.Entry(source.name, found)):
            raise UnreadableJob(f"{refused}. Deposit something else.")
        name = names.normalize_inner_path(source.name)
        if source.is_dir():
            with (
                fs.open_directory(source) as tree,
                fs.open_directory(outputs, name, create=True, mode=0o700) as target,
            ):
                copy_tree(tree, target, participant.limits, private=True)
        else:
            with fs.open_directory(source.resolve().parent) as place:
                most = participant.limits.total_bytes
                fs.copy_file(place, source.resolve().name, outputs, name, max_bytes=most, durable=True)
                fs.fsync_directory(outputs)


def _hold_what_lies_there(participant: Participant, place: JobRef, record: JobRecord) -> None:
    """Take results that an older runner left in the folder into the home, so that they are released like others."""
    held = participant.home.attempt_paths(record.id, record.attempt).results
    if not record.older or held.exists():
        return
    with (
        fs.translate_os_errors(f"use {str(place.under(participant.home.root))!r}"),
        StagedDirectory(participant.home, held.parent) as taken,
        fs.open_directory(participant.home.root, *place.parts) as job,
    ):
        with fs.open_directory(taken.descriptor, OUTPUTS, create=True, mode=0o700) as outputs:
            if fs.stat_entry(job, OUTPUTS) is not None:
                with fs.open_directory(job, OUTPUTS) as lying:
                    copy_tree(lying, outputs, participant.limits, private=True)
        with fs.open_directory(taken.descriptor, LOGS_FOLDER, create=True, mode=0o700) as logs:
            for name in LOGS.values():
                if fs.stat_entry(job, name) is not None:
                    fs.copy_file(job, name, logs, name, max_bytes=participant.limits.total_bytes)
        with transaction(participant, place, Event.SHARE) as now:
            if now.id == record.id and not held.exists():
                taken.put_in_place(held.name)
