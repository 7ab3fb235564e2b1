"""The digests over a `config.yaml`: what a yes is said to, which submission it is, what would run."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from json.encoder import encode_basestring as _quoted

from syft_job.format.codec import canonical
from syft_job.model.job_ref import JobRef
from syft_job.model.names import InnerPath

from .model import FileEntry, JobSpec

_WORK = ("files", "type", "entrypoint", "command", "dependencies", "resources", "datasets", "retry")


def digest_of(config: bytes) -> str:
    """SHA-256 of the bytes of a `config.yaml` of this format, in hex: what a yes is said to."""
    return hashlib.sha256(config).hexdigest()


def older_digest(files: Mapping[InnerPath, FileEntry]) -> str:
    """The digest of a job of the older layout: over all its plain files outside the owner's names."""
    return hashlib.sha256(canonical({path: [entry.size, entry.sha256] for path, entry in files.items()})).hexdigest()


def job_id(place: JobRef, config: bytes) -> str:
    """The id of one submission: 32 hex digits over its place and the bytes of its `config.yaml`."""
    # Spelled out, because a listing asks for it once a job: the canonical form of a list of three texts.
    texts = f"[{_quoted(place.owner)},{_quoted(place.submitter)},{_quoted(place.name)}]\n"
    return hashlib.sha256(texts.encode("utf-8") + config).hexdigest()[:32]


def work_digest(spec: JobSpec) -> str:
    """SHA-256 over what would run, whoever asks and whenever, in hex."""
    said = spec.to_json()
    return hashlib.sha256(canonical({key: said[key] for key in _WORK})).hexdigest()
