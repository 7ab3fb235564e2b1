"""The digests over a `config.yaml`: what an approval is bound to, the submission id, and what would run."""

from __future__ import annotations

import hashlib
from json.encoder import encode_basestring as _quoted

from syft_job.format.codec import canonical
from syft_job.model.job_ref import JobRef

from .model import JobSpec

_WORK = ("files", "type", "entrypoint", "command", "dependencies", "resources", "datasets", "retry")


def digest_of(config: bytes) -> str:
    """SHA-256 of the bytes of a `config.yaml` of this format, in hex: what an approval is bound to."""
    return hashlib.sha256(config).hexdigest()


def job_id(ref: JobRef, config: bytes) -> str:
    """The id of one submission: 32 hex digits over the key of the job and the bytes of its `config.yaml`."""
    # Spelled out, because a listing asks for it once a job: the canonical form of a list of three texts.
    texts = f"[{_quoted(ref.owner)},{_quoted(ref.submitter)},{_quoted(ref.name)}]\n"
    return hashlib.sha256(texts.encode("utf-8") + config).hexdigest()[:32]


def work_digest(spec: JobSpec) -> str:
    """SHA-256 over what would run, in hex; it does not depend on the submitter, the name or the time."""
    fields = spec.to_json()
    return hashlib.sha256(canonical({key: fields[key] for key in _WORK})).hexdigest()
