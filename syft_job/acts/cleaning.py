"""Taking a job that is over out of the folder and the home."""

from __future__ import annotations

from contextlib import suppress

from syft_job import disk, markers, release
from syft_job.errors import InvalidTransition
from syft_job.lifecycle import Event, state_of
from syft_job.place import Place
from syft_job.viewer import Viewer

from .turns import turn


def clean(viewer: Viewer, place: Place) -> None:
    """Remove a job that is over from the folder, and its results and workspaces from the home; the ledger stays."""
    with turn(viewer, place, Event.CLEAN) as now:
        record = now.look.record
        if any(job == record.id for job, _ in viewer.home.ledger.unfinished()):
            raise InvalidTransition(
                f"'{place.name}' is still being stopped; clean it when that is over.", name=place.name
            )
        if not state_of(viewer.home.ledger.facts(record.id)).state.is_terminal:
            # Taken back by its submitter, or unreadable, which goes with the folder: the ledger keeps that it is over.
            body = {"by": viewer.email, "at": markers.now(), "digest": record.digest, "attempt": record.attempt}
            viewer.home.ledger.say(record.id, record.attempt, "cancel", place=list(place), mark=body)
        viewer.home.ledger.say(record.id, record.attempt, "clean", place=list(place), by=viewer.email)
        release.withdraw_grants(now.job)
        last = max(line.attempt for line in viewer.home.ledger.lines(record.id)) + 1  # a permit opens the next one
        # Each tree is renamed away here, and removed when the lock is free again.
        for base in (viewer.home.path / "held", viewer.home.workspaces):
            if base.is_dir():
                with disk.directory(base) as opened:
                    for number in range(1, last + 1):
                        disk.remove(opened, f"{record.id}.{number}")
        with disk.directory(viewer.home.root, *place.parts[:-1]) as parent:
            disk.remove(parent, place.name)
    _remove_what_was_left(viewer, place)


def _remove_what_was_left(viewer: Viewer, place: Place) -> None:
    """Remove what a `clean` that was killed renamed away in the same submitter's folder."""
    with suppress(FileNotFoundError), disk.directory(viewer.home.root, *place.parts[:-1]) as parent:
        disk.remove_temporaries(parent, only_old=True)
