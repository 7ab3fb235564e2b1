"""Jobs and reviews as the JSON documents that programs read, and a job in one line for people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from syft_job.model.job_record import JobRecord
from syft_job.model.text import escape_line

if TYPE_CHECKING:
    from syft_job.client import JobClient
    from syft_job.review import Review

ID_DIGITS = 8
"""How many digits of an id are shown in lists; four that are unambiguous are enough to name a job."""


def job_json(client: JobClient, record: JobRecord) -> dict[str, Any]:
    """A job as a document."""
    from syft_job.exchange.history import reason_of

    return {
        "id": record.id,
        "owner": record.owner,
        "submitter": record.submitter,
        "name": record.name,
        "status": record.status,
        "state": record.state.value,
        "attempt": record.attempt,
        "digest": record.digest or None,
        "submitted_at": record.submitted_at,
        "location": str(record.location(client.root)),
        "problem": record.problem or None,
        "reason": reason_of(client.participant, record) or None,
        "blocked": record.blocked.value if record.blocked is not None else None,
        "arrived": [record.have, record.total],
        "missing": list(record.missing),
        "findings": list(record.findings),
    }


def review_json(review: Review) -> dict[str, Any]:
    """A review as a document: everything that its text shows."""
    from syft_job.format.source_checks import misreading_of

    spec, signer = review.spec, review.signer
    return {
        "digest": review.digest,
        "command": review.command,
        "entrypoint": spec.entrypoint if spec else None,
        "conditions": list(review.conditions),
        "warnings": list(review.warnings),
        "findings": [finding.to_json() for finding in review.findings],
        "submitters_key": review.submitters_key,
        "signer": {"relation": signer.relation.value, "words": str(signer)} if signer is not None else None,
        "address_problem": misreading_of(review.record.submitter),
        "dependencies": list(spec.dependencies) if spec else [],
        "datasets": list(spec.datasets) if spec else [],
        "resources": spec.resources.to_json() if spec else {},
        "metadata": dict(spec.metadata or {}) if spec else {},
        "files": [
            {
                "path": file.path,
                "size": file.entry.size,
                "sha256": file.entry.sha256,
                "text": file.text,
                "difference": file.difference,
            }
            for file in review.files
        ],
        "unlisted": list(review.unlisted),
        "as_listed": review.is_as_listed,
        "reviewable": review.why_not_reviewable is None,
        "why_not_reviewable": review.why_not_reviewable,
    }


def job_line(record: JobRecord) -> str:
    """A job in one line for people: submitter, name and the first digits of its id."""
    return f"{escape_line(record.submitter)}/{escape_line(record.name)}  ({record.id[:ID_DIGITS]})"
