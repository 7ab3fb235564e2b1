"""Reading the bytes of a `config.yaml`, within the limits of whoever reads."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from syft_job import names
from syft_job.codec import load_json, load_yaml
from syft_job.errors import InvalidName, InvalidSubmission, UnreadableJob
from syft_job.names import InnerPath
from syft_job.place import Place
from syft_job.seal import is_sealed, sealed_by

from .asked import CODE, FORMAT, KNOWN_NEEDS, RUN, TYPES, FileEntry, JobResources, JobSpec, Limits

_SHA256 = re.compile(r"[0-9a-f]{64}")
_NO_RESOURCES = JobResources()
FIELDS = frozenset(
    "format nonce name submitted_by submitted_at owner_key type entrypoint command dependencies files resources"
    " datasets retry after metadata needs seal".split()
)


@lru_cache(maxsize=64)
def parse(data: bytes, limits: Limits = Limits()) -> JobSpec:  # noqa: B008 - frozen
    """Read the bytes of a `config.yaml`.

    Raises:
        UnreadableJob: it says nothing that can be read as a job, or more than ``limits`` allow.
    """
    said = read(data, limits)
    return _older(said) if "format" not in said else _spec(said, limits)


def read(data: bytes, limits: Limits) -> dict[str, Any]:
    """The mapping that a `config.yaml` holds, with no more checked than that it is one."""
    try:
        said = load_json(data, limit=limits.config_bytes)
    except UnreadableJob as error:
        # A strict reader first: what carries `format` gets no second chance as YAML.
        if b'"format"' in data or len(data) > limits.config_bytes:
            raise UnreadableJob(f"config.yaml cannot be read: {error}") from error
        try:
            said = load_yaml(data, limit=limits.config_bytes)
        except UnreadableJob as yaml_error:
            raise UnreadableJob(f"config.yaml cannot be read: {yaml_error}") from yaml_error
        if isinstance(said, dict) and "format" in said:
            raise UnreadableJob(f"config.yaml cannot be read: {error}") from error
    if not isinstance(said, dict):
        raise UnreadableJob("config.yaml holds no mapping of names to values")
    return said


@lru_cache(maxsize=64)
def submitters_key(config: bytes, place: Place, limits: Limits) -> str | None:
    """The key that sealed these bytes for this place, or None; they need not be readable as a job."""
    try:
        said = read(config, limits)
    except UnreadableJob:
        return None
    key = sealed_by(said)
    try:
        return key if key is not None and is_sealed("config", place, said, key) else None
    except UnreadableJob:
        return None  # it holds what has no canonical form, so nobody can have sealed it


def timestamp(text: str | None, *, latest: float) -> float:
    """Read a submitter's time as seconds since 1970; one after ``latest`` counts as ``latest``, a bad one as the first.

    Returns:
        The seconds; minus infinity where there is no time that can be read.
    """
    if not text:
        return float("-inf")
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        return min(moment.timestamp(), latest)
    except (ValueError, OverflowError):
        return float("-inf")


def _spec(said: dict[str, Any], limits: Limits) -> JobSpec:
    if said["format"] != FORMAT or isinstance(said["format"], bool):
        raise UnreadableJob(f"config.yaml has format {said['format']!r}; this version reads format {FORMAT}")
    needs = _texts(said, "needs")
    if unknown := [need for need in needs if need not in KNOWN_NEEDS]:
        raise UnreadableJob(f"it needs {', '.join(map(repr, unknown))}, which this version does not know")
    files = _files(said.get("files"), limits)
    kind = _text(said, "type")
    if kind not in TYPES:
        raise UnreadableJob(f"its type is {kind!r}; known are {', '.join(TYPES)}")
    entrypoint = said.get("entrypoint")
    if entrypoint is not None and (not isinstance(entrypoint, str) or CODE + entrypoint not in files):
        raise UnreadableJob(f"its entrypoint {entrypoint!r} is not among its files")
    if kind == "python" and entrypoint is None:
        raise UnreadableJob("it is a Python job and names no entrypoint")
    owner_key, seal, retry, metadata = (said.get(key) for key in ("owner_key", "seal", "retry", "metadata"))
    for key, value, want in (("seal", seal, dict), ("retry", retry, dict), ("metadata", metadata, dict)):
        if value is not None and not isinstance(value, want):
            raise UnreadableJob(f"its {key} is no mapping")
    if owner_key is not None and not isinstance(owner_key, str):
        raise UnreadableJob("its owner_key is no text")
    after = said.get("after") or []
    if not isinstance(after, list) or not all(isinstance(item, dict) for item in after):
        raise UnreadableJob("its 'after' is no list of mappings")
    return JobSpec(
        name=_text(said, "name"),
        submitted_by=_text(said, "submitted_by"),
        submitted_at=_text(said, "submitted_at"),
        type=kind,
        files=files,
        entrypoint=entrypoint,
        command=_texts(said, "command"),
        dependencies=_texts(said, "dependencies"),
        resources=_resources(said.get("resources")),
        datasets=_texts(said, "datasets"),
        retry=retry,
        after=tuple(after),
        metadata=metadata or {},
        needs=needs,
        owner_key=owner_key,
        nonce=_text(said, "nonce"),
        seal=seal,
        extra={} if said.keys() <= FIELDS else {key: value for key, value in said.items() if key not in FIELDS},
    )


def _older(said: dict[str, Any]) -> JobSpec:
    submitted_at = said.get("submitted_at")
    kind = said.get("type") or ("python" if said.get("entrypoint") else "bash")
    dependencies = said.get("dependencies") or []
    return JobSpec(
        name=str(said.get("name", "")),
        submitted_by=str(said.get("submitted_by", "")),
        submitted_at=None if submitted_at is None else str(submitted_at),
        type=str(kind),
        files={},
        entrypoint=str(said["entrypoint"]) if said.get("entrypoint") else None,
        dependencies=tuple(str(item) for item in dependencies) if isinstance(dependencies, list) else (),
        extra={key: value for key, value in said.items() if key not in FIELDS},
        format=0,
    )


def _files(said: object, limits: Limits) -> dict[InnerPath, FileEntry]:
    if not isinstance(said, dict):
        raise UnreadableJob("it lists no files")
    if len(said) > limits.files:
        raise UnreadableJob(f"it lists {len(said)} files; at most {limits.files} are accepted")
    files: dict[InnerPath, FileEntry] = {}
    for path, entry in said.items():
        try:
            normal = names.inner_path(path)
        except InvalidName as error:
            raise UnreadableJob(f"it lists {path!r}: {error}") from error
        if normal != path or not (path == RUN or path.startswith(CODE)):
            raise UnreadableJob(f"it lists {path!r}; only {RUN} and files below {CODE} can be part of a job")
        files[normal] = file_entry(path, entry)
    if RUN not in files:
        raise UnreadableJob(f"it lists no {RUN}, so there is nothing to start")
    total = sum(entry.size for entry in files.values())
    if total > limits.total_bytes:
        raise UnreadableJob(f"its files are {total} bytes together; at most {limits.total_bytes} are accepted")
    if both := names.first_collision(files):
        raise UnreadableJob(f"it lists {both[0]!r} and {both[1]!r}, which are one file on some machines")
    for path in files:
        parent = path.rpartition("/")[0]
        while parent:
            if parent in files:
                raise UnreadableJob(f"it lists {parent!r} both as a file and as a folder")
            parent = parent.rpartition("/")[0]
    return files


def file_entry(path: str, entry: object) -> FileEntry:
    """The size and SHA-256 that a manifest or `shared` gives for the file ``path``.

    Raises:
        UnreadableJob: it gives something else.
    """
    size, sha256 = (entry.get("size"), entry.get("sha256")) if isinstance(entry, dict) else (None, None)
    if isinstance(size, bool) or not isinstance(size, int) or size < 0 or not isinstance(sha256, str):
        raise UnreadableJob(f"it lists {path!r} without a size and a SHA-256")
    if not _SHA256.fullmatch(sha256):
        raise UnreadableJob(f"it lists {path!r} with something that is no SHA-256")
    return FileEntry(size, sha256)


def _resources(said: object) -> JobResources:
    if not said and isinstance(said, dict | None):
        return _NO_RESOURCES
    if not isinstance(said, dict):
        raise UnreadableJob("its resources are no mapping")
    known = {key: said[key] for key in JobResources.__dataclass_fields__ if said.get(key) is not None}
    if known.get("gpu_type") is not None and not isinstance(known["gpu_type"], str):
        raise UnreadableJob("its gpu_type is no text")
    try:
        return JobResources(**known)
    except (ValueError, TypeError, AttributeError) as error:
        raise UnreadableJob(f"its resources cannot be read: {error}") from error


def _text(said: Mapping[str, Any], key: str) -> str:
    value = said.get(key)
    if not isinstance(value, str):
        raise UnreadableJob(f"its {key} is no text")
    return value


def _texts(said: Mapping[str, Any], key: str) -> tuple[str, ...]:
    value = said.get(key)
    if value is None:
        return ()
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise UnreadableJob(f"its {key} is no list of texts")
    return tuple(value)


def check_texts(what: str, values: Sequence[object]) -> tuple[str, ...]:
    """The values as a tuple, if they are texts without control characters.

    Raises:
        InvalidSubmission: they are not.
    """
    if isinstance(values, str):
        raise InvalidSubmission(f"{what} must be a list of texts, not one text: [{values!r}]")
    texts = []
    for value in values:
        if not isinstance(value, str) or not value.strip() or not value.isprintable():
            raise InvalidSubmission(f"{what} holds {value!r}; each must be printable text")
        texts.append(value)
    return tuple(texts)
