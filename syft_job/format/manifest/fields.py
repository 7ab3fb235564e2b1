"""Typed access to the fields of a manifest: each function returns a value of its type and bounded size, or refuses.

The limits here are checked before anything else is done to a value, because the values are untrusted.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from syft_job.errors import InvalidName, UnreadableJob
from syft_job.model import names
from syft_job.model.names import InnerPath
from syft_job.model.quoting import quoted, shortened

from .model import CODE, RUN, FileEntry, JobResources, SubmissionLimits

MAX_TEXT_CHARS = 1024
MAX_TIME_CHARS = 64
MAX_LIST_ITEMS = 1000
MAX_ITEM_CHARS = 4096
"""What one text, one time and one list of texts in a manifest may hold."""
_SHA256 = re.compile(r"[0-9a-f]{64}")
_NO_RESOURCES = JobResources()


def text_field(fields: Mapping[str, Any], key: str, max_chars: int = MAX_TEXT_CHARS) -> str:
    """The text of a field that every manifest has.

    Raises:
        UnreadableJob: it is missing, no text, or longer than ``max_chars``.
    """
    value = fields.get(key)
    if not isinstance(value, str):
        raise UnreadableJob(f"its {key} is no text")
    if len(value) > max_chars:
        raise UnreadableJob(f"its {key} is {len(value)} characters long; at most {max_chars} are accepted")
    return value


def optional_text_field(fields: Mapping[str, Any], key: str) -> str | None:
    """The text of a field, or None where it is missing.

    Raises:
        UnreadableJob: see `text_field`.
    """
    return None if fields.get(key) is None else text_field(fields, key)


def text_list_field(fields: Mapping[str, Any], key: str) -> tuple[str, ...]:
    """The texts of a field; none where it is missing.

    Raises:
        UnreadableJob: it is no list of texts, or too long.
    """
    value = fields.get(key)
    if value is None:
        return ()
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise UnreadableJob(f"its {key} is no list of texts")
    if len(value) > MAX_LIST_ITEMS:
        raise UnreadableJob(f"its {key} has {len(value)} entries; at most {MAX_LIST_ITEMS} are accepted")
    if any(len(item) > MAX_ITEM_CHARS for item in value):
        raise UnreadableJob(f"its {key} has an entry of more than {MAX_ITEM_CHARS} characters")
    return tuple(value)


def mapping_field(fields: Mapping[str, Any], key: str) -> dict[str, Any] | None:
    """The mapping of a field, or None where it is missing.

    Raises:
        UnreadableJob: it is something else.
    """
    value = fields.get(key)
    if value is not None and not isinstance(value, dict):
        raise UnreadableJob(f"its {key} is no mapping")
    return value


def mapping_list_field(fields: Mapping[str, Any], key: str) -> tuple[dict[str, Any], ...]:
    """The mappings of a field; none where it is missing or empty.

    Raises:
        UnreadableJob: it is no list of mappings.
    """
    value = fields.get(key) or []
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise UnreadableJob(f"its {key!r} is no list of mappings")
    return tuple(value)


def resources_field(value: object) -> JobResources:
    """What a manifest gives for ``resources``; fields of `JobResources` that are missing stay unset.

    Raises:
        UnreadableJob: it is no mapping, or one of its values cannot be used.
    """
    if not value and isinstance(value, dict | None):
        return _NO_RESOURCES
    if not isinstance(value, dict):
        raise UnreadableJob("its resources are no mapping")
    known = {key: value[key] for key in JobResources.__dataclass_fields__ if value.get(key) is not None}
    optional_text_field(known, "gpu_type")
    try:
        return JobResources(**known)
    except (ValueError, TypeError, AttributeError) as error:
        raise UnreadableJob(f"its resources cannot be read: {shortened(str(error))}") from error


def files_field(value: object, limits: SubmissionLimits) -> dict[InnerPath, FileEntry]:
    """The files that a manifest lists, by their validated path.

    Raises:
        UnreadableJob: a path or an entry is invalid, `run.sh` is missing, two paths are one file on some machines, or
            there is more than ``limits`` allow.
    """
    if not isinstance(value, dict):
        raise UnreadableJob("it lists no files")
    if len(value) > limits.files:
        raise UnreadableJob(f"it lists {len(value)} files; at most {limits.files} are accepted")
    files = {_job_path(path): file_entry(path, entry) for path, entry in value.items()}
    if RUN not in files:
        raise UnreadableJob(f"it lists no {RUN}, so there is nothing to start")
    total = sum(entry.size for entry in files.values())
    if total > limits.total_bytes:
        raise UnreadableJob(f"its files are {total} bytes together; at most {limits.total_bytes} are accepted")
    if collision := names.find_collision(files):
        raise UnreadableJob(f"it lists {collision[0]!r} and {collision[1]!r}, which are one file on some machines")
    for path in files:
        parent = path.rpartition("/")[0]
        while parent:
            if parent in files:
                raise UnreadableJob(f"it lists {parent!r} both as a file and as a folder")
            parent = parent.rpartition("/")[0]
    return files


def file_entry(path: str, value: object) -> FileEntry:
    """The size and SHA-256 that a manifest or `shared` gives for the file ``path``.

    Raises:
        UnreadableJob: it gives something else.
    """
    size, sha256 = (value.get("size"), value.get("sha256")) if isinstance(value, dict) else (None, None)
    if isinstance(size, bool) or not isinstance(size, int) or size < 0 or not isinstance(sha256, str):
        raise UnreadableJob(f"it lists {quoted(path, 160)} without a size and a SHA-256")
    if not _SHA256.fullmatch(sha256):
        raise UnreadableJob(f"it lists {quoted(path, 160)} with something that is no SHA-256")
    return FileEntry(size, sha256)


def _job_path(text: str) -> InnerPath:
    """A listed path, validated: `run.sh`, or a path below `code/` in its normal form."""
    try:
        path = names.normalize_inner_path(text)
    except InvalidName as error:
        raise UnreadableJob(f"it lists {quoted(text, 160)}: {error}") from error
    if path != text or not (path == RUN or path.startswith(CODE)):
        raise UnreadableJob(f"it lists {quoted(text, 160)}; only {RUN} and files below {CODE} can be part of a job")
    return path
