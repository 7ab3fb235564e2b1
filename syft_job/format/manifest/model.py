"""The manifest as a model: the files, how to start them, what they may use, and how it is written and signed."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from syft_job.format.codec import dump
from syft_job.format.signing import Key
from syft_job.model.job_ref import JobRef
from syft_job.model.names import InnerPath
from syft_job.model.quoting import quoted
from syft_job.model.units import Duration, Memory

FORMAT = 1
CONFIG = "config.yaml"
RUN = "run.sh"
CODE = "code/"
TYPES = ("bash", "python")
KNOWN_NEEDS: frozenset[str] = frozenset()
"""Entries of ``needs`` that this version understands: none yet."""
FIELDS = frozenset(
    "format nonce name submitted_by submitted_at owner_key type entrypoint command dependencies files resources"
    " datasets retry after metadata needs seal".split()
)
"""The fields that this version knows."""


@dataclass(frozen=True, slots=True)
class SubmissionLimits:
    """How much of a submission a reader accepts: a job above it is unreadable. Sizes in bytes."""

    config_bytes: int = 4 << 20
    marker_bytes: int = 64 << 10
    shared_bytes: int = 4 << 20
    files: int = 10_000
    total_bytes: int = 1 << 30
    unfinished: int = 1000


class FileEntry(NamedTuple):
    """One listed file: its size in bytes and the SHA-256 of its content in hex."""

    size: int
    sha256: str


@dataclass(frozen=True, slots=True, init=False)
class JobResources:
    """What a job may use; None leaves it to the owner.

    Args:
        cpu_count: processors, at least 1.
        memory: a `Memory`, or text such as ``"2G"``, or a number of bytes.
        gpu_count: graphics processors; recorded for schedulers that have them.
        gpu_type: the kind of graphics processor.
        time_limit: a `Duration`, or text such as ``"2h30m"``, or seconds.

    Raises:
        ValueError: a value is not positive or cannot be read.
    """

    cpu_count: int | None
    memory: Memory | None
    gpu_count: int | None
    gpu_type: str | None
    time_limit: Duration | None

    def __init__(
        self,
        cpu_count: int | None = None,
        memory: Memory | str | int | None = None,
        gpu_count: int | None = None,
        gpu_type: str | None = None,
        time_limit: Duration | str | int | None = None,
    ) -> None:
        set_once = object.__setattr__
        set_once(self, "cpu_count", cpu_count)
        set_once(self, "memory", None if memory is None else Memory.of(memory))
        set_once(self, "gpu_count", gpu_count)
        set_once(self, "gpu_type", gpu_type)
        set_once(self, "time_limit", None if time_limit is None else Duration.of(time_limit))
        for count in ("cpu_count", "gpu_count"):
            value = getattr(self, count)
            if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
                raise ValueError(f"{count} must be a whole number of at least 1, not {quoted(value)}")
        if self.memory is not None and self.memory.bytes < 1:
            raise ValueError("memory must be more than nothing")
        if self.time_limit is not None and self.time_limit.seconds < 1:
            raise ValueError("time_limit must be at least one second")

    def to_json(self) -> dict[str, Any]:
        """The fields that are set, as integers (bytes, seconds) and text."""
        fields: dict[str, Any] = {
            "cpu_count": self.cpu_count,
            "memory": self.memory and self.memory.bytes,
            "gpu_count": self.gpu_count,
            "gpu_type": self.gpu_type,
            "time_limit": self.time_limit and int(self.time_limit.seconds),
        }
        return {key: value for key, value in fields.items() if value is not None}


@dataclass(frozen=True, slots=True)
class JobSpec:
    """The manifest of a job: its files and how to start them, as the submitter wrote it.

    ``name``, ``submitted_by`` and ``submitted_at`` are claims; owner, submitter and name of a job are given by its
    path. ``extra`` holds the fields that this version does not know, which are kept when the spec is written again.
    ``format`` is 0 for a manifest without that field, which lists no files (see `unversioned`).
    """

    name: str
    submitted_by: str
    submitted_at: str | None
    type: str
    files: Mapping[InnerPath, FileEntry]
    entrypoint: str | None = None
    command: tuple[str, ...] = ("bash", RUN)
    dependencies: tuple[str, ...] = ()
    resources: JobResources = field(default_factory=JobResources)
    datasets: tuple[str, ...] = ()
    retry: Mapping[str, Any] | None = None
    after: tuple[Mapping[str, Any], ...] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict)
    needs: tuple[str, ...] = ()
    owner_key: str | None = None
    nonce: str = ""
    seal: Mapping[str, str] | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)
    format: int = FORMAT

    def to_json(self) -> dict[str, Any]:
        """The fields as they stand in the file, the signature included when there is one."""
        fields: dict[str, Any] = {
            **self.extra,
            "format": self.format,
            "nonce": self.nonce,
            "name": self.name,
            "submitted_by": self.submitted_by,
            "submitted_at": self.submitted_at,
            "owner_key": self.owner_key,
            "type": self.type,
            "entrypoint": self.entrypoint,
            "command": list(self.command),
            "dependencies": list(self.dependencies),
            "files": {path: {"size": entry.size, "sha256": entry.sha256} for path, entry in self.files.items()},
            "resources": self.resources.to_json(),
            "datasets": list(self.datasets),
            "retry": self.retry,
            "after": list(self.after),
            "metadata": dict(self.metadata),
            "needs": list(self.needs),
        }
        if self.seal is not None:
            fields["seal"] = dict(self.seal)
        return fields

    def sealed(self, ref: JobRef, key: Key) -> bytes:
        """The bytes of `config.yaml`, signed by its submitter for this job."""
        fields = self.to_json()
        fields["seal"] = key.sign("config", ref, fields)
        return dump(fields)

    @property
    def lists_files(self) -> bool:
        """Whether the manifest lists its files; one without a ``format`` does not."""
        return self.format != 0

    @property
    def total_bytes(self) -> int:
        """The size of all listed files together."""
        return sum(entry.size for entry in self.files.values())


def new_nonce() -> str:
    """Random text that makes every submission a new one."""
    return secrets.token_hex(16)
