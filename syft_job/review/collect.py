"""Everything that would run, gathered for the person who decides.

All listed files with their full content, what differs from the manifest, what lies beside it and would not be copied,
the command, the limits, the sandbox and the digest that a yes is said to. It reads; showing is done by a view.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from syft_job import fs
from syft_job.errors import UnreadableJob
from syft_job.exchange import job_contents, job_reader, submission
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
    """One file that would run: what the manifest says, what lies there, and why the two differ, if they do.

    ``text`` is None for binary data; such a file is named with size and digest. In text, a byte that is no UTF-8 is a
    backslash, x and two hex digits. ``findings`` are what a reader of the file could miss.
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
        conditions: under what it would run (sandbox, limits, interpreter), in sentences; empty for others than the
            owner.
        warnings: what is dangerous about that.
        level: the containment that an approval would be for; None for others than the owner.
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
        """What a yes is said to: 64 hex digits."""
        return self.record.digest

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What a reader of the files could miss, in the order of the files."""
        return tuple(finding for file in self.files for finding in file.findings)

    @property
    def is_as_listed(self) -> bool:
        """Whether every listed file is here with the content that the manifest says."""
        return all(file.difference is None for file in self.files)

    @property
    def why_not_reviewable(self) -> str | None:
        """Why this counts as no review and the job cannot be approved, in one sentence; None where it counts."""
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


def collect(participant: Participant, place: JobRef) -> Review:
    """Gather what the job at ``place`` would run, without the conditions of this machine.

    Raises:
        FileNotFoundError: the directory is gone.
    """
    root = participant.home.root
    look = job_reader.look(root, place, participant)
    asked = look.spec
    if asked is None:
        return Review(look.record, None, "")
    entrypoint = manifest.CODE + asked.entrypoint if asked.entrypoint else None
    files = tuple(
        _file(root, place, path, entry, entrypoint) for path, entry in sorted(asked.files.items(), key=_reading_order)
    )
    beside: tuple[str, ...] = ()
    if not look.record.older:
        with fs.open_directory(root, *place.parts) as job:
            beside = _beside(job, asked, participant)
    key = manifest.submitters_key(look.config, place, participant.limits)
    signer = identify(participant, key, place.submitter) if key is not None else None
    return Review(look.record, asked, _command(asked), files, beside, key, signer=signer)


def fingerprint_of(found: Review) -> str:
    """The key that signed the submission, in a form to compare by eye, and whose it is as known here."""
    return str(found.signer) if found.signer is not None else "not sealed"


def _command(asked: JobSpec) -> str:
    return (
        shlex.join(("bash", manifest.RUN))
        if asked.type == "bash"
        else f"bash {manifest.RUN}  →  code/{asked.entrypoint}"
    )


def _reading_order(item: tuple[str, FileEntry]) -> tuple[bool, str]:
    return (item[0] != manifest.RUN, item[0])


def _file(root: Path, place: JobRef, path: str, entry: FileEntry, entrypoint: str | None) -> ReviewedFile:
    *inside, name = path.split("/")
    try:
        with fs.open_directory(root, *place.parts, *inside) as opened:
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
    if path == manifest.RUN and entrypoint and data != submission.python_run(entrypoint):
        message = "it is not the script that syft_job writes for a Python job; what it starts may be something else"
        findings += (Finding(FindingCode.START_SCRIPT, Severity.WARNING, message, Location(path)),)
    return ReviewedFile(path, entry, reviewable_text(path, data, entrypoint), difference, findings)


def _beside(job: int, asked: JobSpec, participant: Participant) -> tuple[str, ...]:
    try:
        return tuple(path for path in job_contents.unlisted(job, asked, participant.limits) if path != CONFIG)
    except UnreadableJob as error:
        return (f"(more than can be listed: {error})",)
