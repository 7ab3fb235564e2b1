"""One act at a time: the home's lock, a fresh look at the job, and the table's word on whether it may happen."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from syft_job import disk, folder
from syft_job.errors import JobNotFoundError, NotAllowed, PathMissing, StoreError
from syft_job.knocking import knock
from syft_job.lifecycle import Event, Who, allowed
from syft_job.place import Place, checked
from syft_job.viewer import Viewer

from .laying import Turn
from .putting_back import put_back


@contextmanager
def turn(viewer: Viewer, place: Place, event: Event | None, *roles: Who) -> Iterator[Turn]:
    """Hold the home's lock, read the job again and ask whether ``event`` is allowed.

    Args:
        viewer: who acts.
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
    checked(place)
    if Who.RUNNER in roles and not viewer.owns(place):
        raise NotAllowed(
            f"'{place.name}' is not in the datasite of {viewer.email}, so no runner of theirs may act on it."
        )
    viewer.home.make()
    knock(viewer.home.root)  # a folder that hangs must not be met with the lock in hand
    with viewer.home.locked(), disk.in_words(f"use {str(place.under(viewer.home.root))!r}"):
        try:
            look = folder.look(viewer.home.root, place, viewer)
            if event is not None and viewer.owns(place) and look.record.findings:
                with disk.directory(viewer.home.root, *place.parts) as job:
                    put_back(viewer, Turn(look, job))
                look = folder.look(viewer.home.root, place, viewer)
            if event is not None:
                record = look.record
                said = viewer.home.ledger.events(record.id)
                allowed(
                    record.standing,
                    event,
                    roles or roles_of(viewer, place),
                    name=place.name,
                    unreadable=bool(record.problem) and not record.state.is_terminal,
                    starting=viewer.home.ledger.is_under_way(record.id, record.attempt),
                    deposited="deposit" in said,
                    cleaned="clean" in said,
                )
                if viewer.owns(place):
                    viewer.home.key()  # what cannot be sealed must not be said either
            with disk.directory(viewer.home.root, *place.parts) as job:
                yield Turn(look, job)
        except FileNotFoundError as error:
            if isinstance(error, PathMissing):
                raise
            raise JobNotFoundError(f"'{place.name}' is not in the folder any more.", name=place.name) from error


def roles_of(viewer: Viewer, place: Place) -> tuple[Who, ...]:
    """The hands that ``viewer`` has in the job at ``place``."""
    return (Who.OWNER,) * viewer.owns(place) + (Who.SUBMITTER,) * (viewer.email == place.submitter)


def restore(viewer: Viewer, place: Place) -> tuple[str, ...]:
    """Put back the owner's markers that the ledger has and the folder lacks; returns their names."""
    with turn(viewer, place, None) as now:
        return put_back(viewer, now) if viewer.owns(place) else ()


def require_home(viewer: Viewer) -> None:
    """Refuse where the home is a copy that nobody adopted.

    Raises:
        StoreError: it is.
    """
    reason = viewer.home.why_not_ours()
    if reason is not None:
        raise StoreError(
            f"The home {viewer.home.path} is not used: {reason}. If it is meant to serve here, and no other copy of it"
            " runs anywhere, say so: syft-job doctor --adopt-home"
        )
