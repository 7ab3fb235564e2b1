"""What this person has reviewed: one note for each job in the home, `reviewed/<hash of its JobRef>`.

A note names the digest and the containment that a review showed, and whether the review was complete: everything that
would run was as the manifest lists it, and was delivered in full. Only a complete one counts as a review. The notes of
earlier releases (`seen/`) were written before a review was shown and are not read.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from syft_job import fs
from syft_job.errors import StoreError, UnreadableJob
from syft_job.format.codec import dump, load_json
from syft_job.format.markers import now
from syft_job.model.containment import ContainmentLevel, parse_allow
from syft_job.model.job_ref import JobRef

from .home import Home, seen_name

FOLDER = "reviewed"
_NOTE_BYTES = 4096


@dataclass(frozen=True, slots=True)
class ReviewNote:
    """The last review of a job that counts, or the last attempt at one where none was complete.

    Attributes:
        digest: of the manifest that was shown, 64 hex digits.
        is_complete: whether it counts as a review.
        level: the containment under which the review said that the job would run.
    """

    digest: str
    is_complete: bool
    level: ContainmentLevel


def read_note(home: Home, place: JobRef) -> ReviewNote | None:
    """Read the note about the job at ``place``; None where it was never reviewed.

    Raises:
        StoreError: the note cannot be read.
    """
    folder = home.path / FOLDER
    try:
        with fs.in_words(f"read {str(folder)!r}"), fs.directory(folder) as opened:
            data = fs.read(opened, seen_name(place), limit=_NOTE_BYTES)
    except FileNotFoundError:
        return None
    except UnreadableJob as error:
        raise _damaged(home, place, error) from error
    if data is None:
        return None
    try:
        return _parse(load_json(data, limit=_NOTE_BYTES))
    except UnreadableJob as error:
        raise _damaged(home, place, error) from error


def write_note(home: Home, place: JobRef, note: ReviewNote) -> None:
    """Record a review. One that is not complete never replaces a complete one of the same digest.

    Raises:
        StoreError: the home cannot be written.
    """
    fs.make_directory(home.path / FOLDER, mode=0o700)
    content = {"digest": note.digest, "complete": note.is_complete, "allow": note.level.to_json(), "at": now()}
    with home.locked(), fs.directory(home.path / FOLDER) as opened:
        if not note.is_complete and _is_complete_already(home, place, note.digest):
            return
        fs.put(opened, seen_name(place), dump(content), mode=0o600)


def remove_note(home: Home, place: JobRef) -> None:
    """Forget what was reviewed at ``place``; call it under the home's lock, when the job is removed for good."""
    try:
        with fs.directory(home.path / FOLDER) as opened:
            fs.remove(opened, seen_name(place), durable=False)
    except FileNotFoundError:
        return


def _is_complete_already(home: Home, place: JobRef, digest: str) -> bool:
    try:
        earlier = read_note(home, place)
    except StoreError:
        return False  # a damaged note is replaced
    return earlier is not None and earlier.is_complete and earlier.digest == digest


def _parse(content: Any) -> ReviewNote:
    if not isinstance(content, dict):
        raise UnreadableJob("it holds no mapping")
    digest, is_complete = content.get("digest"), content.get("complete")
    if not isinstance(digest, str) or not isinstance(is_complete, bool):
        raise UnreadableJob("it has no proper digest")
    return ReviewNote(digest, is_complete, parse_allow(content.get("allow")))


def _damaged(home: Home, place: JobRef, error: UnreadableJob) -> StoreError:
    path = home.path / FOLDER / seen_name(place)
    return StoreError(f"The note {path} about the review of '{place.name}' cannot be used ({error}). Review it again.")
