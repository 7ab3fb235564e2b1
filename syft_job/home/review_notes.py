"""Review notes: what this participant has reviewed, one note for each job in the home.

A note names the digest and the containment that a review showed, and whether the review was complete: everything that
would run was as the manifest lists it, and was delivered in full. Only a complete one counts as a review. The notes of
earlier releases (`HomePaths.legacy_review_notes`) were written before a review was shown and are not read.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from syft_job import fs
from syft_job.errors import StoreError, UnreadableJob
from syft_job.format.codec import dump, load_json
from syft_job.format.markers import now
from syft_job.model.containment import ContainmentLevel, parse_allow
from syft_job.model.job_ref import JobRef

from .home import Home

_MAX_NOTE_BYTES = 4096


@dataclass(frozen=True, slots=True)
class ReviewNote:
    """The last review of a job that counts, or the last attempt at one where none was complete.

    Attributes:
        digest: the digest of the manifest that was shown, 64 hex digits.
        is_complete: whether it counts as a review.
        level: the containment under which the job would run, as shown in the review.
    """

    digest: str
    is_complete: bool
    level: ContainmentLevel


def read_note(home: Home, job_ref: JobRef) -> ReviewNote | None:
    """Return the note about a job; None if it was never reviewed.

    Raises:
        StoreError: the note cannot be read.
    """
    path = home.paths.review_note(job_ref)
    try:
        with fs.translate_os_errors(f"read {str(path.parent)!r}"), fs.open_directory(path.parent) as dir_fd:
            data = fs.read_file(dir_fd, path.name, limit=_MAX_NOTE_BYTES)
    except FileNotFoundError:
        return None
    except UnreadableJob as error:
        raise _damaged(path, job_ref, error) from error
    if data is None:
        return None
    try:
        return _parse(load_json(data, limit=_MAX_NOTE_BYTES))
    except UnreadableJob as error:
        raise _damaged(path, job_ref, error) from error


def write_note(home: Home, job_ref: JobRef, note: ReviewNote) -> None:
    """Record a review. One that is not complete never replaces a complete one of the same digest.

    Raises:
        StoreError: the home cannot be written.
    """
    path = home.paths.review_note(job_ref)
    fs.make_directory(path.parent, mode=0o700)
    content = {"digest": note.digest, "complete": note.is_complete, "allow": note.level.to_json(), "at": now()}
    with home.locked(), fs.open_directory(path.parent) as dir_fd:
        if not note.is_complete and _is_complete_already(home, job_ref, note.digest):
            return
        fs.write_file(dir_fd, path.name, dump(content), mode=0o600)


def remove_note(home: Home, job_ref: JobRef) -> None:
    """Remove the note about a job, because the job is removed for good; call it under the home's lock.

    Raises:
        StoreError: it cannot be removed.
    """
    path = home.paths.review_note(job_ref)
    try:
        with fs.open_directory(path.parent) as dir_fd:
            fs.remove(dir_fd, path.name, durable=False)
    except FileNotFoundError:
        return


def _is_complete_already(home: Home, job_ref: JobRef, digest: str) -> bool:
    try:
        earlier = read_note(home, job_ref)
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


def _damaged(path: Path, job_ref: JobRef, error: UnreadableJob) -> StoreError:
    return StoreError(
        f"The note {path} about the review of '{job_ref.name}' cannot be used ({error}). Review it again."
    )
