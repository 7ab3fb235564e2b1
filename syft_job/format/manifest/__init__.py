"""`config.yaml`: what a submitter asks, and the digests taken over it.

It reads bytes into a `JobSpec` and writes one back; it does not look at the files that a spec lists. A spec in strict
JSON carries ``format``; one without it is of the older marker layout and is read with the YAML reader.
"""

from .digests import digest_of, job_id, older_digest, work_digest
from .model import (
    CODE,
    CONFIG,
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
from .parse import FIELDS, check_texts, file_entry, parse, read, submitters_key, timestamp

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
    "check_texts",
    "digest_of",
    "file_entry",
    "job_id",
    "new_nonce",
    "older_digest",
    "parse",
    "read",
    "submitters_key",
    "timestamp",
    "work_digest",
]
