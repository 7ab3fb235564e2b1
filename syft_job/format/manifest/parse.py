"""Read the bytes of a `config.yaml` into a `JobSpec`, within the limits of the reader, and check who signed them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from syft_job.errors import UnreadableJob
from syft_job.format.codec import load_json, load_yaml
from syft_job.format.signing import claimed_signer, is_signed_by
from syft_job.model.bounded_cache import BytesCache
from syft_job.model.job_ref import JobRef
from syft_job.model.quoting import quoted

from .fields import (
    MAX_TIME_CHARS,
    files_field,
    mapping_field,
    mapping_list_field,
    optional_text_field,
    resources_field,
    text_field,
    text_list_field,
)
from .model import CODE, FIELDS, FORMAT, KNOWN_NEEDS, TYPES, JobSpec, SubmissionLimits
from .unversioned import refuse_large, unversioned_spec

_CACHED_BYTES = 4 << 20
_specs: BytesCache[JobSpec] = BytesCache(_CACHED_BYTES)
_signers: BytesCache[str | None] = BytesCache(_CACHED_BYTES)


def parse(data: bytes, limits: SubmissionLimits = SubmissionLimits()) -> JobSpec:  # noqa: B008 - frozen
    """Read the bytes of a `config.yaml`.

    Raises:
        UnreadableJob: they cannot be read as a job, or hold more than ``limits`` allow.
    """
    return _specs.get(data, limits, lambda: _parse(data, limits))


def _parse(data: bytes, limits: SubmissionLimits) -> JobSpec:
    fields = read(data, limits)
    return _spec(fields, limits) if "format" in fields else unversioned_spec(fields)


def read(data: bytes, limits: SubmissionLimits) -> dict[str, Any]:
    """The mapping that a `config.yaml` holds; nothing else about it is checked.

    Raises:
        UnreadableJob: it holds no mapping, or is too large.
    """
    try:
        fields = load_json(data, limit=limits.config_bytes)
    except UnreadableJob as error:
        fields = _read_yaml(data, limits, error)
    if not isinstance(fields, dict):
        raise UnreadableJob("config.yaml holds no mapping of names to values")
    if "format" not in fields:
        refuse_large(data, limits)
    return fields


def _read_yaml(data: bytes, limits: SubmissionLimits, json_error: UnreadableJob) -> object:
    """The value of a manifest that is no strict JSON; one that has a ``format`` must be, so it is refused."""
    unreadable = UnreadableJob(f"config.yaml cannot be read: {json_error}")
    if b'"format"' in data or len(data) > limits.config_bytes:
        raise unreadable from json_error
    refuse_large(data, limits)
    try:
        value: object = load_yaml(data, limit=limits.config_bytes)
    except UnreadableJob as yaml_error:
        raise UnreadableJob(f"config.yaml cannot be read: {yaml_error}") from yaml_error
    if isinstance(value, dict) and "format" in value:
        raise unreadable from json_error
    return value


def submitters_key(config: bytes, ref: JobRef, limits: SubmissionLimits) -> str | None:
    """The key that signed these bytes for this job, or None; they need not be readable as a job."""
    return _signers.get(config, (ref, limits), lambda: _submitters_key(config, ref, limits))


def _submitters_key(config: bytes, ref: JobRef, limits: SubmissionLimits) -> str | None:
    try:
        fields = read(config, limits)
    except UnreadableJob:
        return None
    key = claimed_signer(fields)
    try:
        return key if key is not None and is_signed_by("config", ref, fields, key) else None
    except UnreadableJob:
        return None  # a value without a canonical form cannot have been signed


def timestamp(text: str | None, *, latest: float) -> float:
    """The submitter's time in seconds since 1970.

    Args:
        text: the time in ISO 8601; without a time zone it is UTC.
        latest: a later time counts as this one.

    Returns:
        The seconds; minus infinity where there is no time that can be read.
    """
    if not text or len(text) > MAX_TIME_CHARS:
        return float("-inf")
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        return min(moment.timestamp(), latest)
    except (ValueError, OverflowError):
        return float("-inf")


def _spec(fields: dict[str, Any], limits: SubmissionLimits) -> JobSpec:
    """The spec of a manifest of `FORMAT`. What this version cannot honour makes it unreadable (format.md §Needs)."""
    if fields["format"] != FORMAT or isinstance(fields["format"], bool):
        raise UnreadableJob(f"config.yaml has format {quoted(fields['format'])}; this version reads format {FORMAT}")
    needs = text_list_field(fields, "needs")
    if unknown := [need for need in needs if need not in KNOWN_NEEDS]:
        raise UnreadableJob(f"it needs {', '.join(map(quoted, unknown[:10]))}, which this version does not know")
    spec = JobSpec(
        files=files_field(fields.get("files"), limits),
        type=_job_type(fields),
        entrypoint=fields.get("entrypoint"),
        seal=mapping_field(fields, "seal"),
        retry=mapping_field(fields, "retry"),
        metadata=mapping_field(fields, "metadata") or {},
        owner_key=optional_text_field(fields, "owner_key"),
        after=mapping_list_field(fields, "after"),
        name=text_field(fields, "name"),
        submitted_by=text_field(fields, "submitted_by"),
        submitted_at=text_field(fields, "submitted_at", MAX_TIME_CHARS),
        command=text_list_field(fields, "command"),
        dependencies=text_list_field(fields, "dependencies"),
        resources=resources_field(fields.get("resources")),
        datasets=text_list_field(fields, "datasets"),
        needs=needs,
        nonce=text_field(fields, "nonce"),
        extra={} if fields.keys() <= FIELDS else {key: value for key, value in fields.items() if key not in FIELDS},
    )
    _check_entrypoint(spec)
    return spec


def _job_type(fields: dict[str, Any]) -> str:
    job_type = text_field(fields, "type")
    if job_type not in TYPES:
        raise UnreadableJob(f"its type is {quoted(job_type)}; known are {', '.join(TYPES)}")
    return job_type


def _check_entrypoint(spec: JobSpec) -> None:
    """Refuse an entrypoint that is not listed, and a Python job without one."""
    entrypoint: object = spec.entrypoint  # untrusted: it may have any type
    if entrypoint is None:
        if spec.type == "python":
            raise UnreadableJob("it is a Python job and names no entrypoint")
    elif not isinstance(entrypoint, str) or CODE + entrypoint not in spec.files:
        raise UnreadableJob(f"its entrypoint {quoted(entrypoint)} is not among its files")
