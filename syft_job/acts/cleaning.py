"""Taking a job that is over out of the folder and the home."""

from __future__ import annotations

import os

from syft_job import disk, markers, release, review_notes, spec
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
        for base in (viewer.home.path / "held", viewer.home.workspaces):
            if base.is_dir():
                with disk.directory(base) as opened:
                    for name in [name for name in os.listdir(opened) if name.startswith(f"{record.id}.")]:
                        disk.remove(opened, name)
        # `config.yaml` last: while it is there, whoever was stopped here can see which job this is, and go on.
        for name in sorted(os.listdir(now.job), key=spec.CONFIG.__eq__):
            disk.remove(now.job, name)
        with disk.directory(viewer.home.root, *place.parts[:-1]) as parent:
            disk.remove(parent, place.name)
        review_notes.remove_note(viewer.home, place)  # another submission of that name is another job
