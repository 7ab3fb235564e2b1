"""Everything that would run, gathered for the person who decides.

All listed files with their full content, what differs from the manifest, what lies beside it and would not be copied,
the command, the limits, the sandbox and the digest that a yes is said to. It reads; showing is done by a view.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path

from syft_job import disk, folder, presence, spec
from syft_job.errors import UnreadableJob
from syft_job.folder import Look
from syft_job.key_holder import KeyHolder, identify
from syft_job.place import Place
from syft_job.record import JobRecord
from syft_job.spec import CONFIG, FileEntry, JobSpec
from syft_job.viewer import Viewer


@dataclass(frozen=True, slots=True)
class ReviewedFile:
    """One file that would run: what the manifest says, what lies there, and why the two differ, if they do.

    ``text`` is None for content that is no text; such a file is named with size and digest.
    """

    path: str
    entry: FileEntry
    text: str | None
    difference: str | None


@dataclass(frozen=True, slots=True)
class Review:
    """What would run if the owner says yes now."""

    record: JobRecord
    spec: JobSpec | None
    command: str
    files: tuple[ReviewedFile, ...] = ()
    unlisted: tuple[str, ...] = ()
    submitters_key: str | None = None
    conditions: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    signer: KeyHolder | None = None

    @property
    def digest(self) -> str:
        """What a yes is said to: 64 hex digits."""
        return self.record.digest

    @property
    def is_as_listed(self) -> bool:
        """Whether every listed file is here with the content that the manifest says."""
        return all(file.difference is None for file in self.files)


def review(viewer: Viewer, place: Place, *, conditions: tuple[str, ...] = (), warnings: tuple[str, ...] = ()) -> Review:
    """Gather what the job at ``place`` would run.

    ``conditions`` say under what it would run (sandbox, limits, interpreter) and ``warnings`` what is dangerous about
    that, in sentences.

    Raises:
        FileNotFoundError: the directory is gone.
    """
    root = viewer.home.root
    look = folder.look(root, place, viewer)
    asked = look.spec
    if asked is None:
        return Review(look.record, None, "", conditions=conditions, warnings=warnings)
    files = tuple(_file(root, place, path, entry) for path, entry in sorted(asked.files.items(), key=_reading_order))
    beside: tuple[str, ...] = ()
    if not look.record.older:
        with disk.directory(root, *place.parts) as job:
            beside = _beside(job, asked, viewer)
    key = spec.submitters_key(look.config, place, viewer.limits)
    signer = identify(viewer, key, place.submitter) if key is not None else None
    return Review(look.record, asked, _command(asked), files, beside, key, conditions, warnings, signer)


def fingerprint_of(found: Review) -> str:
    """The key that signed the submission, in a form to compare by eye, and whose it is as known here."""
    return str(found.signer) if found.signer is not None else "not sealed"


def _command(asked: JobSpec) -> str:
    return shlex.join(("bash", spec.RUN)) if asked.type == "bash" else f"bash {spec.RUN}  →  code/{asked.entrypoint}"


def _reading_order(item: tuple[str, FileEntry]) -> tuple[bool, str]:
    return (item[0] != spec.RUN, item[0])


def _file(root: Path, place: Place, path: str, entry: FileEntry) -> ReviewedFile:
    *inside, name = path.split("/")
    try:
        with disk.directory(root, *place.parts, *inside) as opened:
            data = disk.read(opened, name, limit=max(entry.size, 1) * 2 + (64 << 10))
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
    elif spec.digest_of(data) != entry.sha256:
        difference = "its content is not what was submitted"
    return ReviewedFile(path, entry, _text(data), difference)


def _text(data: bytes) -> str | None:
    if b"\0" in data:
        return None
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return None


def _beside(job: int, asked: JobSpec, viewer: Viewer) -> tuple[str, ...]:
    try:
        return tuple(path for path in presence.unlisted(job, asked, viewer.limits) if path != CONFIG)
    except UnreadableJob as error:
        return (f"(more than can be listed: {error})",)


def hashes_match(look: Look, root: Path) -> list[str]:
    """The listed files that are not here as submitted, each with the reason."""
    if look.spec is None:
        return [look.record.problem or "config.yaml is missing"]
    wrong = []
    for path, entry in look.spec.files.items():
        *inside, name = path.split("/")
        try:
            with disk.directory(root, *look.record.place.parts, *inside) as opened:
                if tuple(disk.hash_file(opened, name, most=entry.size)) != tuple(entry):
                    wrong.append(f"{path}: its content is not what was submitted")
        except FileNotFoundError:
            wrong += [f"{path}: it has not arrived"] if entry.size else []
        except UnreadableJob as error:
            wrong.append(f"{path}: {error}")
    return wrong
