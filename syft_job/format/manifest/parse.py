"""Reading the bytes of a `config.yaml`, within the limits of whoever reads."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from syft_job.errors import InvalidName, InvalidSubmission, UnreadableJob
from syft_job.format.codec import load_json, load_yaml
from syft_job.format.signing import claimed_signer, is_signed_by
from syft_job.model import names
from syft_job.model.bounded_cache import BytesCache
from syft_job.model.job_ref import JobRef
from syft_job.model.names import InnerPath
from syft_job.model.quoting import quoted, shortened

from .model import CODE, FORMAT, KNOWN_NEEDS, RUN, TYPES, FileEntry, JobResources, JobSpec, SubmissionLimits

OLDER_CONFIG_BYTES = 256 << 10
"""The size of a manifest without ``format``; its YAML takes a hundred times longer to read than JSON."""
MAX_TEXT_CHARS = 1024
MAX_TIME_CHARS = 64
MAX_LIST_ITEMS = 1000
MAX_ITEM_CHARS = 4096
"""What one text, one time and one list of texts in a manifest may hold; checked before anything else is done to it."""
_CACHED_BYTES = 4 << 20
_specs: BytesCache[JobSpec] = BytesCache(_CACHED_BYTES)
_signers: BytesCache[str | None] = BytesCache(_CACHED_BYTES)
_SHA256 = re.compile(r"[0-9a-f]{64}")
_NO_RESOURCES = JobResources()
FIELDS = frozenset(
    "format nonce name submitted_by submitted_at owner_key type entrypoint command dependencies files resources"
    " datasets retry after metadata needs seal".split()
)


def parse(data: bytes, limits: SubmissionLimits = SubmissionLimits()) -> JobSpec:  # noqa: B008 - frozen
    """Read the bytes of a `config.yaml`.

    Raises:
        UnreadableJob: it says nothing that can be read as a job, or more than ``limits`` allow.
    """
    return _specs.get(data, limits, lambda: _parse(data, limits))


def _parse(data: bytes, limits: SubmissionLimits) -> JobSpec:
    said = read(data, limits)
    return _older(said) if "format" not in said else _spec(said, limits)


def read(data: bytes, limits: SubmissionLimits) -> dict[str, Any]:
    """The mapping that a `config.yaml` holds, with no more checked than that it is one."""
    try:
        said = load_json(data, limit=limits.config_bytes)
    except UnreadableJob as error:
        # A strict reader first: what carries `format` gets no second chance as YAML.
        if b'"format"' in data or len(data) > limits.config_bytes:
            raise UnreadableJob(f"config.yaml cannot be read: {error}") from error
        _refuse_large_older(data, limits)
        try:
            said = load_yaml(data, limit=limits.config_bytes)
        except UnreadableJob as yaml_error:
            raise UnreadableJob(f"config.yaml cannot be read: {yaml_error}") from yaml_error
        if isinstance(said, dict) and "format" in said:
            raise UnreadableJob(f"config.yaml cannot be read: {error}") from error
    if not isinstance(said, dict):
        raise UnreadableJob("config.yaml holds no mapping of names to values")
    if "format" not in said:
        _refuse_large_older(data, limits)
    return said


def _refuse_large_older(data: bytes, limits: SubmissionLimits) -> None:
    most = min(OLDER_CONFIG_BYTES, limits.config_bytes)
    if len(data) > most:
        raise UnreadableJob(
            f"config.yaml is {len(data)} bytes long and has no `format`; of the older layout at most {most} are read"
        )


def submitters_key(config: bytes, place: JobRef, limits: SubmissionLimits) -> str | None:
    """The key that sealed these bytes for this place, or None; they need not be readable as a job."""
    return _signers.get(config, (place, limits), lambda: _submitters_key(config, place, limits))


def _submitters_key(config: bytes, place: JobRef, limits: SubmissionLimits) -> str | None:
    try:
        said = read(config, limits)
    except UnreadableJob:
        return None
    key = claimed_signer(said)
    try:
        return key if key is not None and is_signed_by("config", place, said, key) else None
    except UnreadableJob:
        return None  # it holds what has no canonical form, so nobody can have sealed it


def timestamp(text: str | None, *, latest: float) -> float:
    """Read a submitter's time as seconds since 1970; one after ``latest`` counts as ``latest``, a bad one as the first.

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


def _spec(said: dict[str, Any], limits: SubmissionLimits) -> JobSpec:
    if said["format"] != FORMAT or isinstance(said["format"], bool):
        raise UnreadableJob(f"config.yaml has format {quoted(said['format'])}; this version reads format {FORMAT}")
    needs = _texts(said, "needs")
    if unknown := [need for need in needs if need not in KNOWN_NEEDS]:
        raise UnreadableJob(f"it needs {', '.join(map(quoted, unknown[:10]))}, which this version does not know")
    files = _files(said.get("files"), limits)
    kind = _text(said, "type")
    if kind not in TYPES:
        raise UnreadableJob(f"its type is {quoted(kind)}; known are {', '.join(TYPES)}")
    entrypoint = said.get("entrypoint")
    if entrypoint is not None and (not isinstance(entrypoint, str) or CODE + entrypoint not in files):
        raise UnreadableJob(f"its entrypoint {quoted(entrypoint)} is not among its files")
    if kind == "python" and entrypoint is None:
        raise UnreadableJob("it is a Python job and names no entrypoint")
    owner_key, seal, retry, metadata = (said.get(key) for key in ("owner_key", "seal", "retry", "metadata"))
    for key, value, want in (("seal", seal, dict), ("retry", retry, dict), ("metadata", metadata, dict)):
        if value is not None and not isinstance(value, want):
            raise UnreadableJob(f"its {key} is no mapping")
    if owner_key is not None:
        owner_key = _text(said, "owner_key")
    after = said.get("after") or []
    if not isinstance(after, list) or not all(isinstance(item, dict) for item in after):
        raise UnreadableJob("its 'after' is no list of mappings")
    return JobSpec(
        name=_text(said, "name"),
        submitted_by=_text(said, "submitted_by"),
        submitted_at=_text(said, "submitted_at", MAX_TIME_CHARS),
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
    entrypoint = _older_text(said, "entrypoint") or None
    dependencies = said.get("dependencies") or []
    if isinstance(dependencies, list) and len(dependencies) > MAX_LIST_ITEMS:
        raise UnreadableJob(f"it lists {len(dependencies)} dependencies; at most {MAX_LIST_ITEMS} are accepted")
    return JobSpec(
        name=_older_text(said, "name"),
        submitted_by=_older_text(said, "submitted_by"),
        submitted_at=_older_text(said, "submitted_at") or None,
        type=_older_text(said, "type") or ("python" if entrypoint else "bash"),
        files={},
        entrypoint=entrypoint,
        dependencies=tuple(str(item) for item in dependencies) if isinstance(dependencies, list) else (),
        extra={key: value for key, value in said.items() if key not in FIELDS},
        format=0,
    )


def _older_text(said: Mapping[str, Any], key: str) -> str:
    """A field of the older layout as text: YAML makes a number or a truth value of some."""
    value = said.get(key)
    text = "" if value is None else str(value)
    if len(text) > MAX_TEXT_CHARS:
        raise UnreadableJob(f"its {key} is {len(text)} characters long; at most {MAX_TEXT_CHARS} are accepted")
    return text


def _files(said: object, limits: SubmissionLimits) -> dict[InnerPath, FileEntry]:
    if not isinstance(said, dict):
        raise UnreadableJob("it lists no files")
    if len(said) > limits.files:
        raise UnreadableJob(f"it lists {len(said)} files; at most {limits.files} are accepted")
    files: dict[InnerPath, FileEntry] = {}
    for path, entry in said.items():
        try:
            normal = names.normalize_inner_path(path)
        except InvalidName as error:
            raise UnreadableJob(f"it lists {quoted(path, 160)}: {error}") from error
        if normal != path or not (path == RUN or path.startswith(CODE)):
            raise UnreadableJob(f"it lists {quoted(path, 160)}; only {RUN} and files below {CODE} can be part of a job")
        files[normal] = file_entry(path, entry)
    if RUN not in files:
        raise UnreadableJob(f"it lists no {RUN}, so there is nothing to start")
    total = sum(entry.size for entry in files.values())
    if total > limits.total_bytes:
        raise UnreadableJob(f"its files are {total} bytes together; at most {limits.total_bytes} are accepted")
    if both := names.find_collision(files):
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
        raise UnreadableJob(f"it lists {quoted(path, 160)} without a size and a SHA-256")
    if not _SHA256.fullmatch(sha256):
        raise UnreadableJob(f"it lists {quoted(path, 160)} with something that is no SHA-256")
    return FileEntry(size, sha256)


def _resources(said: object) -> JobResources:
    if not said and isinstance(said, dict | None):
        return _NO_RESOURCES
    if not isinstance(said, dict):
        raise UnreadableJob("its resources are no mapping")
    known = {key: said[key] for key in JobResources.__dataclass_fields__ if said.get(key) is not None}
    if "gpu_type" in known:
        _text(known, "gpu_type")
    try:
        return JobResources(**known)
    except (ValueError, TypeError, AttributeError) as error:
        raise UnreadableJob(f"its resources cannot be read: {shortened(str(error))}") from error


def _text(said: Mapping[str, Any], key: str, most: int = MAX_TEXT_CHARS) -> str:
    value = said.get(key)
    if not isinstance(value, str):
        raise UnreadableJob(f"its {key} is no text")
    if len(value) > most:
        raise UnreadableJob(f"its {key} is {len(value)} characters long; at most {most} are accepted")
    return value


def _texts(said: Mapping[str, Any], key: str) -> tuple[str, ...]:
    value = said.get(key)
    if value is None:
        return ()
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise UnreadableJob(f"its {key} is no list of texts")
    if len(value) > MAX_LIST_ITEMS:
        raise UnreadableJob(f"its {key} has {len(value)} entries; at most {MAX_LIST_ITEMS} are accepted")
    if any(len(item) > MAX_ITEM_CHARS for item in value):
        raise UnreadableJob(f"its {key} has an entry of more than {MAX_ITEM_CHARS} characters")
    return tuple(value)


def check_texts(what: str, values: Sequence[object]) -> tuple[str, ...]:
    """The values as a tuple, if they are texts without control characters.

    Raises:
        InvalidSubmission: they are not.
    """
    if isinstance(values, str):
        raise InvalidSubmission(f"{what} must be a list of texts, not one text: [{values!r}]")
    if not isinstance(values, Iterable):
        raise InvalidSubmission(f"{what} must be a list of texts, not {values!r}")
    texts = []
    for value in values:
        if not isinstance(value, str) or not value.strip() or not value.isprintable():
            raise InvalidSubmission(f"{what} holds {value!r}; each must be printable text")
        texts.append(value)
    return tuple(texts)
