"""The manifest `config.yaml`: what a submitter asks for, and the digests over it.

Bytes are read into a `JobSpec` and written from one; the files that it lists are not touched. A manifest in strict JSON
has a ``format``; one without it is read as YAML (`unversioned`).
"""

from .digests import digest_of, job_id, work_digest
from .fields import file_entry
from .model import (
    CODE,
    CONFIG,
    FIELDS,
    FORMAT,
    KNOWN_NEEDS,
    RUN,
    TYPES,
    FileEntry,
    JobResources,
    JobSpec,
    SubmissionLimits,
    new_nonce,
)
from .parse import parse, read, submitters_key, timestamp
from .unversioned import files_digest

__all__ = [
    "CODE",
    "CONFIG",
    "FIELDS",
    "FORMAT",
    "KNOWN_NEEDS",
    "RUN",
    "TYPES",
    "FileEntry",
    "JobResources",
    "JobSpec",
    "SubmissionLimits",
    "digest_of",
    "file_entry",
    "files_digest",
    "job_id",
    "new_nonce",
    "parse",
    "read",
    "submitters_key",
    "timestamp",
    "work_digest",
]
