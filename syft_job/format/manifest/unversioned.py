"""Manifests without a ``format`` field, as releases before format 1 wrote them.

They are YAML, list no files and carry no signature. They are read into the same `JobSpec` with ``format`` 0.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from syft_job.errors import UnreadableJob
from syft_job.format.codec import canonical
from syft_job.model.names import InnerPath

from .fields import MAX_LIST_ITEMS, MAX_TEXT_CHARS
from .model import FIELDS, FileEntry, JobSpec, SubmissionLimits

MAX_UNVERSIONED_BYTES = 256 << 10
"""The size of a manifest without ``format``; its YAML takes a hundred times longer to read than JSON."""


def refuse_large(data: bytes, limits: SubmissionLimits) -> None:
    """Return if ``data`` is not larger than a manifest without ``format`` may be.

    Raises:
        UnreadableJob: it is larger.
    """
    max_bytes = min(MAX_UNVERSIONED_BYTES, limits.config_bytes)
    if len(data) > max_bytes:
        raise UnreadableJob(
            f"config.yaml is {len(data)} bytes long and has no `format`; of the older layout at most {max_bytes} are"
            " read"
        )


def unversioned_spec(fields: Mapping[str, Any]) -> JobSpec:
    """The spec that the fields of such a manifest describe; its files are not known from it.

    Raises:
        UnreadableJob: a text or the list of dependencies is too long.
    """
    entrypoint = _text(fields, "entrypoint") or None
    dependencies = fields.get("dependencies") or []
    if isinstance(dependencies, list) and len(dependencies) > MAX_LIST_ITEMS:
        raise UnreadableJob(f"it lists {len(dependencies)} dependencies; at most {MAX_LIST_ITEMS} are accepted")
    return JobSpec(
        name=_text(fields, "name"),
        submitted_by=_text(fields, "submitted_by"),
        submitted_at=_text(fields, "submitted_at") or None,
        type=_text(fields, "type") or ("python" if entrypoint else "bash"),
        files={},
        entrypoint=entrypoint,
        dependencies=tuple(str(item) for item in dependencies) if isinstance(dependencies, list) else (),
        extra={key: value for key, value in fields.items() if key not in FIELDS},
        format=0,
    )


def files_digest(files: Mapping[InnerPath, FileEntry]) -> str:
    """The digest of a job whose manifest lists no files: over all its plain files outside the owner's names."""
    return hashlib.sha256(canonical({path: [entry.size, entry.sha256] for path, entry in files.items()})).hexdigest()


def _text(fields: Mapping[str, Any], key: str) -> str:
    """A field as text: YAML reads some values as numbers or truth values."""
    value = fields.get(key)
    text = "" if value is None else str(value)
    if len(text) > MAX_TEXT_CHARS:
        raise UnreadableJob(f"its {key} is {len(text)} characters long; at most {MAX_TEXT_CHARS} are accepted")
    return text
