"""Letting results out: by hand, by a grant, by what the yes promised."""

from __future__ import annotations

import os
from pathlib import Path

from syft_job import disk, names, release
from syft_job.errors import NotAllowed, PathMissing, UnreadableJob
from syft_job.lifecycle import Event, Who
from syft_job.markers import LOGS, OUTPUTS
from syft_job.place import Place
from syft_job.release import Grants
from syft_job.viewer import Viewer

from .laying import Turn, are_forgotten, publish_deposit, telling
from .putting_back import put_back
from .turns import turn


def deposit(viewer: Viewer, place: Place, source: Path) -> Path:
    """Answer a job with a result made by hand: a file or a folder goes to `outputs/`, and the job is done.

    Returns:
        Where the result lies in the job's directory.

    Raises:
        PathMissing: there is nothing at ``source``.
        UnreadableJob: it holds links, devices or more than the limits allow.
    """
    with turn(viewer, place, Event.DEPOSIT) as now:
        record = now.look.record
        source = Path(os.path.abspath(source))
        if not source.exists():
            raise PathMissing(f"There is nothing at {source} to deposit.", path=str(source))
        held = viewer.home.held(record.id, record.attempt)
        _hold_deposit(held, source, viewer)
        promised = release.promised(viewer, record.id, record.attempt)
        has_yes = any(item.ignored is None and item.marker.kind == "approved" for item in now.look.markers)
        viewer.home.ledger.say(
            record.id,
            record.attempt,
            "deposit",
            outcome="succeeded",
            owed=bool(promised),
            place=list(place),
            mark={"by": viewer.email, "method": "deposit", "digest": record.digest, "approves": not has_yes},
        )
        with telling(now, "deposit"):
            publish_deposit(viewer, now)
            if promised:
                release.publish(viewer, now.look, promised)
        return place.under(viewer.home.root) / OUTPUTS / names.inner_path(source.name)


def may_share(viewer: Viewer, place: Place) -> None:
    """Return if this person may share results of the job now.

    Raises:
        InvalidTransition, NotAllowed: see `lifecycle.allowed`.
    """
    with turn(viewer, place, Event.SHARE):
        return


def share(viewer: Viewer, place: Place, grants: Grants) -> Grants:
    """Release results to more people; returns everything that is granted now."""
    with turn(viewer, place, Event.SHARE) as now:
        record = now.look.record
        _hold_what_lies_there(viewer, now)
        if are_forgotten(viewer, record.id, record.attempt):
            raise PathMissing(
                f"The results of '{record.name}' were removed from this home to free its room, so no more people can be"
                " given them. What was shared before stays. To have them again: job.rerun()",
                name=record.name,
            )
        together = release.granted(viewer, record.id, record.attempt).plus(grants)
        release.publish(viewer, now.look, together)
        put_back(viewer, now, is_published=True)  # an outcome that was kept back until now
        return together


def promise(viewer: Viewer, place: Place, grants: Grants) -> None:
    """Say that results of the present attempt are to be released when it is over, beyond what its yes says."""
    with turn(viewer, place, None) as now:
        record = now.look.record
        if not viewer.owns(place):
            raise NotAllowed(f"Only the owner of '{place.name}' may promise its results.", name=place.name)
        if release.promised(viewer, record.id, record.attempt).plus(grants) != release.promised(
            viewer, record.id, record.attempt
        ):
            viewer.home.ledger.say(record.id, record.attempt, "promise", place=list(place), share=grants.to_json())


def carry_out_release(viewer: Viewer, place: Place) -> Grants | None:
    """Release what the yes to the present attempt promised, if that has not happened; None where it has."""
    with turn(viewer, place, Event.RELEASE, Who.RUNNER) as now:
        record = now.look.record
        wanted = release.promised(viewer, record.id, record.attempt)
        done = release.granted(viewer, record.id, record.attempt)
        if not wanted or wanted.plus(done) == done:
            return None
        together = done.plus(wanted)
        release.publish(viewer, now.look, together)
        put_back(viewer, now, is_published=True)
        return together


def _hold_deposit(held: Path, source: Path, viewer: Viewer) -> None:
    """Copy what is deposited into the home first, as a whole, so that it can be published again after a crash."""
    temporary = disk.temporary_name()
    with disk.directory(held.parent) as base, disk.directory(source.parent) as parent:
        disk.make_new_directory(base, temporary, mode=0o700)
        try:
            with disk.directory(base, temporary, OUTPUTS, create=True) as outputs:
                found = os.stat(source.name, dir_fd=parent)  # what the owner names may be a link
                if refused := release.why_not(source.name, disk.Entry(source.name, found)):
                    raise UnreadableJob(f"{refused}. Deposit something else.")
                name = names.inner_path(source.name)
                if source.is_dir():
                    with disk.directory(source) as tree, disk.directory(outputs, name, create=True) as target:
                        release.copy_tree(tree, target, viewer.limits)
                else:
                    with disk.directory(source.resolve().parent) as place:
                        most = viewer.limits.total_bytes
                        disk.copy(place, source.resolve().name, outputs, name, most=most, durable=True)
                        disk.sync(outputs)
            disk.remove(base, held.name)
            disk.rename(base, temporary, base, held.name)
        except BaseException:
            disk.discard(base, temporary)
            raise


def _hold_what_lies_there(viewer: Viewer, now: Turn) -> None:
    """Take results that an older runner left in the folder into the home, so that they are released like others."""
    record = now.look.record
    held = viewer.home.held(record.id, record.attempt)
    if not record.older or held.exists():
        return
    disk.make_directory(held, mode=0o700)
    with disk.directory(held) as opened:
        if OUTPUTS in now.look.names:
            with disk.directory(now.job, OUTPUTS) as lying, disk.directory(opened, OUTPUTS, create=True) as outputs:
                release.copy_tree(lying, outputs, viewer.limits)
        with disk.directory(opened, "logs", create=True) as logs:
            for name in LOGS.values():
                if name in now.look.names:
                    disk.copy(now.job, name, logs, name, most=viewer.limits.total_bytes)
