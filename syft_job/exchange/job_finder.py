"""Find a job by what a person calls it: its name, alone or after submitter and owner, or the first digits of its id.

The one place with these rules; the command line and `JobsList` both use it. It reads nothing from the folder: the
candidates, and what a list is known to lack, are given.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from syft_job.errors import AmbiguousJob, SyftJobError
from syft_job.model import names
from syft_job.model.job_ref import JobRef

_MAX_NAMED: Final = 10
"""How many candidates the message about an ambiguous name lists."""
_ID_DIGITS: Final = 8


def find_job(
    text: str,
    candidates: Iterable[tuple[JobRef, str]],
    unlisted: Callable[[str], Sequence[JobRef]] | None = None,
) -> int | None:
    """Return the position of the one candidate that ``text`` names, or None if it names none.

    Args:
        text: ``name``, ``submitter/name``, ``owner/submitter/name``, or the first digits of an id, at least four.
        candidates: the jobs to choose from, each with its id, which is empty where it is not known.
        unlisted: the jobs of a name that exist and are not among the candidates; with one of them a name is ambiguous.

    Raises:
        AmbiguousJob: it names several; the message lists them.
    """
    text = normalized(text)
    path = tuple(text.split("/"))
    is_id = names.is_id_prefix(text)
    matches = {
        position: (ref, job_id)
        for position, (ref, job_id) in enumerate(candidates)
        if tuple(ref)[-len(path) :] == path or (is_id and job_id.startswith(text))
    }
    if not matches:
        return None
    listed = [_described(ref, job_id) for ref, job_id in matches.values()]
    if unlisted is not None and len(path) == 1:
        listed += ["/".join(ref) for ref in unlisted(text)]
    if len(listed) > 1:
        more = f"; and {len(listed) - _MAX_NAMED} more" if len(listed) > _MAX_NAMED else ""
        raise AmbiguousJob(
            f"'{text}' matches {len(listed)} jobs. Name one of them: {'; '.join(listed[:_MAX_NAMED])}{more}.", name=text
        )
    return next(iter(matches))


def possible_refs(text: str, owner: str) -> list[JobRef]:
    """The job that ``submitter/name`` or ``owner/submitter/name`` means if no list has it; ``owner`` is the default."""
    parts = normalized(text).split("/", 2)
    if len(parts) == 2:
        parts = [owner, *parts]
    if len(parts) != 3:
        return []
    ref = JobRef(*parts)
    is_valid = names.is_address(ref.owner) and names.is_address(ref.submitter) and _is_job_name(ref.name)
    return [ref] if is_valid else []


def normalized(text: str) -> str:
    """``text`` as names in the folder are written: Unicode form NFC, without spaces around it."""
    return unicodedata.normalize("NFC", text.strip())


def _described(ref: JobRef, job_id: str) -> str:
    return "/".join(ref) + (f" ({job_id[:_ID_DIGITS]})" if job_id else "")


def _is_job_name(text: str) -> bool:
    try:
        return names.normalize_job_name(text) == text
    except SyftJobError:
        return False
