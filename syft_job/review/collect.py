"""Collect everything that a job would run, for the owner who decides.

That is: all listed files with their full content, their differences from the manifest, files that are not part of the
submission, the command, the limits, the sandbox, and the digest that an approval is bound to. This module reads and
decides nothing; `views.text` formats the review.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from syft_job import fs
from syft_job.errors import UnreadableJob
from syft_job.exchange import job_contents, job_reader, submission_source
from syft_job.exchange.key_holder import KeyHolder, identify
from syft_job.exchange.participant import Participant
from syft_job.format import manifest
from syft_job.format.manifest import CONFIG, FileEntry, JobSpec
from syft_job.model.containment import ContainmentLevel
from syft_job.model.job_record import JobRecord
from syft_job.model.job_ref import JobRef

if TYPE_CHECKING:
    from syft_job.format.source_checks import Finding


@dataclass(frozen=True, slots=True)
class ReviewedFile:
    """One file that would run: its entry in the manifest, its content, and how the two differ, if they do.

    ``text`` is None for binary data, of which only size and digest are shown. Bytes that are not UTF-8 become a
    backslash, x and two hexadecimal digits. ``findings`` are what a reader of the file could miss.
    """

    path: str
    entry: FileEntry
    text: str | None
    difference: str | None
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True)
class Review:
    """What would run if the owner approved the job now.

    Attributes:
        conditions: sandbox, limits and interpreter that it would run with, in sentences; empty for others than the
            owner.
        warnings: what is dangerous about them.
        level: the containment that an approval would name; None for others than the owner.
    """

    record: JobRecord
    spec: JobSpec | None
    command: str
    files: tuple[ReviewedFile, ...] = ()
    unlisted: tuple[str, ...] = ()
    submitters_key: str | None = None
    conditions: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    signer: KeyHolder | None = None
    level: ContainmentLevel | None = None

    @property
    def digest(self) -> str:
        """The digest that an approval is bound to, 64 hexadecimal digits."""
        return self.record.digest

    @property
    def findings(self) -> tuple[Finding, ...]:
        """The findings of all files, in the order of the files."""
        return tuple(finding for file in self.files for finding in file.findings)

    @property
    def is_as_listed(self) -> bool:
        """True if every listed file has the size and SHA-256 that the manifest lists."""
        return all(file.difference is None for file in self.files)

    @property
    def why_not_reviewable(self) -> str | None:
        """The reason for which this is no review and the job cannot be approved; None if the job is reviewable."""
        if self.record.problem or self.spec is None:
            return f"It cannot be read as a job: {self.record.problem or 'config.yaml has not arrived'}."
        different = [file.path for file in self.files if file.difference is not None]
        if not different:
            return None
        named = ", ".join(different[:5]) + (f" and {len(different) - 5} more" if len(different) > 5 else "")
        return (
            f"{len(different)} of its {len(self.files)} files are missing or differ from what its manifest lists"
            f" ({named}), so what is shown here is not what would run."
        )


def collect(participant: Participant, ref: JobRef) -> Review:
    """Collect what the job would run, without the conditions of this machine.

    Raises:
        FileNotFoundError: the directory does not exist any more.
    """
    root = participant.home.root
    snapshot = job_reader.look(root, ref, participant)
    spec = snapshot.spec
    if spec is None:
        return Review(snapshot.record, None, "")
    entrypoint = manifest.CODE + spec.entrypoint if spec.entrypoint else None
    files = tuple(
        _file(root, ref, path, entry, entrypoint) for path, entry in sorted(spec.files.items(), key=_reading_order)
    )
    unlisted: tuple[str, ...] = ()
    if snapshot.record.layout.lists_files:
        with fs.open_directory(root, *ref.parts) as job_fd:
            unlisted = _unlisted(job_fd, spec, participant)
    key = manifest.submitters_key(snapshot.config, ref, participant.limits)
    signer = identify(participant, key, ref.submitter) if key is not None else None
    return Review(snapshot.record, spec, _command(spec), files, unlisted, key, signer=signer)


def fingerprint_of(review: Review) -> str:
    """The fingerprint of the key that signed the submission, and whose key it is as far as this home knows."""
    return str(review.signer) if review.signer is not None else "not sealed"


def _command(spec: JobSpec) -> str:
    return (
        shlex.join(("bash", manifest.RUN)) if spec.type == "bash" else f"bash {manifest.RUN}  →  code/{spec.entrypoint}"
    )


def _reading_order(item: tuple[str, FileEntry]) -> tuple[bool, str]:
    return (item[0] != manifest.RUN, item[0])


def _file(root: Path, ref: JobRef, path: str, entry: FileEntry, entrypoint: str | None) -> ReviewedFile:
    *inside, name = path.split("/")
    try:
        with fs.open_directory(root, *ref.parts, *inside) as opened:
            data = fs.read_file(opened, name, limit=max(entry.size, 1) * 2 + (64 << 10))
    except FileNotFoundError:
        data = None
    except UnreadableJob as error:
        return ReviewedFile(path, entry, None, str(error))
    if data is None and entry.size:
        return ReviewedFile(path, entry, None, "it has not arrived")
    data = data or b""
    difference = None
    if len(data) != entry.size:
        difference = f"it is {len(data)} bytes long, and {entry.size} were submitted"
    elif manifest.digest_of(data) != entry.sha256:
        difference = "its content is not what was submitted"
    from syft_job.format.source_checks import Finding, FindingCode, Location, Severity, check_file, reviewable_text

    findings = check_file(path, data, entrypoint)
    if path == manifest.RUN and entrypoint and data != submission_source.python_run(entrypoint):
        message = "it is not the script that syft_job writes for a Python job; what it starts may be something else"
        findings += (Finding(FindingCode.START_SCRIPT, Severity.WARNING, message, Location(path)),)
    return ReviewedFile(path, entry, reviewable_text(path, data, entrypoint), difference, findings)


def _unlisted(job_fd: int, spec: JobSpec, participant: Participant) -> tuple[str, ...]:
    try:
        return tuple(path for path in job_contents.unlisted(job_fd, spec, participant.limits) if path != CONFIG)
    except UnreadableJob as error:
        return (f"(more than can be listed: {error})",)
