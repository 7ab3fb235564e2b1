"""Submit: write a job directory into the owner's datasite.

Everything is written into a directory under a temporary name, `config.yaml` last; then the directory is published under
the job's name in one step. Invariants: no half job is ever visible under a job's name, an existing job is never
replaced, and after an error nothing is left.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from syft_job import fs
from syft_job.errors import InvalidSubmission, JobExists, PathMissing, StoreError, UnreadableJob
from syft_job.format import manifest
from syft_job.format.manifest import CONFIG, RUN, FileEntry, JobResources, JobSpec
from syft_job.format.markers import now
from syft_job.format.signing import Key
from syft_job.home.contacts import read_published_keys
from syft_job.model import names
from syft_job.model.job_ref import JOBS, JobRef
from syft_job.model.names import InnerPath

from .exclusions import IGNORE_FILE
from .job_contents import is_remainder
from .participant import Participant
from .submission_options import SubmissionOptions
from .submission_source import Source


def submit(
    participant: Participant,
    owner: str,
    source: Source,
    *,
    name: str = "",
    dependencies: Sequence[str] = (),
    resources: JobResources | Mapping[str, Any] | None = None,
    datasets: Sequence[str] = (),
    metadata: Mapping[str, Any] | None = None,
) -> JobRef:
    """Write a job into ``owner``'s datasite; returns which.

    Raises:
        InvalidName: the owner's address or the job's name is not allowed.
        PathMissing: the owner has no datasite in this folder.
        JobExists: a job of that name is there already.
        InvalidSubmission: it is larger than the limits, or one of the options cannot be written down.
        StoreError: the folder cannot be written; no half job is left.
    """
    root = participant.home.root
    ref = JobRef(
        names.normalize_address(owner),
        participant.email,
        names.normalize_job_name(name.strip() or f"Job - {secrets.token_hex(4)}"),
    )
    require_datasite(root, ref.owner)
    check_limits(source.file_sizes, participant)
    options = SubmissionOptions.checked(
        dependencies=dependencies, resources=resources, datasets=datasets, metadata=metadata
    )
    try:
        key, owner_keys = participant.home.key(), read_published_keys(root, ref.owner)
    except FileNotFoundError as error:
        raise PathMissing(f"The folder {root} went away meanwhile: see whether it is still mounted.") from error
    spec = _new_spec(ref, source, options, owner_keys.present if owner_keys is not None else None)
    with (
        _submission_errors(ref.name),
        fs.translate_os_errors(f"submit to {str(root / ref.owner)!r}"),
        fs.open_directory(root, ref.owner, *JOBS, ref.submitter, create=True) as parent_fd,
    ):
        _refuse_taken(parent_fd, ref)
        temporary = fs.temporary_name()
        try:
            with _new_directory(participant, parent_fd, temporary) as job_fd:
                files = _write_files(job_fd, source, participant)
                _write_manifest(job_fd, replace(spec, files=files), ref, key, participant)
            _publish(parent_fd, temporary, ref)
        except BaseException:
            fs.discard(parent_fd, temporary)
            raise
    return ref


def require_datasite(root: Path, owner: str) -> None:
    """Return if ``owner`` has a datasite below ``root``.

    Raises:
        PathMissing: they have none.
        StoreError: the folder cannot be read.
    """
    with fs.translate_os_errors(f"submit to {str(root / owner)!r}"):
        has_datasite = fs.is_directory(root, owner)
    if not has_datasite:
        raise PathMissing(f"{owner} has no datasite in {root}. Is the address right, and is the folder synced?")


def check_limits(files: Sequence[tuple[str, int]], participant: Participant) -> None:
    """Refuse before the first byte is copied what readers with these limits would not accept.

    Args:
        files: path and size in bytes of each file.
        participant: the submitter, for the limits.

    Raises:
        InvalidSubmission: there are too many files or bytes.
    """
    limits, total = participant.limits, sum(size for _, size in files)
    if len(files) > limits.files:
        raise InvalidSubmission(
            f"There are {len(files)} files to submit; at most {limits.files} are accepted. Leave out what the job does"
            f" not need, for example in a file {IGNORE_FILE}."
        )
    if total > limits.total_bytes:
        path, size = max(files, key=lambda file: file[1])
        raise InvalidSubmission(
            f"The files are {total} bytes together; at most {limits.total_bytes} are accepted. The largest is {path!r}"
            f" with {size} bytes. Leave out what the job does not need, for example in a file {IGNORE_FILE}."
        )


def _new_spec(ref: JobRef, source: Source, options: SubmissionOptions, owner_key: str | None) -> JobSpec:
    """The manifest of a new submission, without its files: sizes and digests are known once they are copied."""
    return JobSpec(
        name=ref.name,
        submitted_by=ref.submitter,
        submitted_at=now(),
        type="python" if source.entrypoint else "bash",
        files={},
        entrypoint=source.entrypoint,
        dependencies=options.dependencies,
        resources=options.resources,
        datasets=options.datasets,
        metadata=options.metadata,
        owner_key=owner_key,
        nonce=manifest.new_nonce(),
    )


@contextmanager
def _submission_errors(name: str) -> Iterator[None]:
    """Raise errors with what is submitted as those of a submission."""
    try:
        yield
    except UnreadableJob as error:
        raise InvalidSubmission(f"'{name}' cannot be submitted: {error}.") from error
    except UnicodeError as error:
        raise InvalidSubmission(f"'{name}' cannot be submitted: one of its texts is no text: {error}.") from error
    except PathMissing:
        raise
    except FileNotFoundError as error:
        raise PathMissing(f"'{name}' cannot be submitted: {error.strerror}: {error.filename}.") from error


@contextmanager
def _new_directory(participant: Participant, parent_fd: int, name: str) -> Iterator[int]:
    """Make and open the directory that a job is written in; old ones of interrupted submissions are removed."""
    with ExitStack() as opened:
        with participant.home.locked():  # another process must not take the new directory for an abandoned one
            fs.remove_temporaries(parent_fd, only_old=True)
            fs.make_new_directory(parent_fd, name)
            job_fd = opened.enter_context(fs.open_directory(parent_fd, name))
            fs.mark_in_use(job_fd)
        yield job_fd


def _write_files(job_fd: int, source: Source, participant: Participant) -> dict[InnerPath, FileEntry]:
    """Write the files durably; returns size and digest of what was written."""
    files: dict[InnerPath, FileEntry] = {}
    remaining_bytes = participant.limits.total_bytes
    for path, content in source.texts.items():
        fs.create_file(job_fd, path, content, mode=0o755 if path == RUN else 0o644)
        files[names.require_inner_path(path)] = FileEntry(len(content), manifest.digest_of(content))
        remaining_bytes -= len(content)
    folders: set[str] = set()
    for path, origin in source.paths.items():
        folder, _, name = path.rpartition("/")
        with (
            fs.open_directory(origin.parent) as src_fd,
            fs.open_directory(job_fd, *folder.split("/"), create=True) as dst_fd,
        ):
            copied = fs.copy_file(
                src_fd, origin.name, dst_fd, name, max_bytes=max(remaining_bytes, 0), mode=0o644, durable=True
            )
        folders.add(folder)
        files[names.require_inner_path(path)] = FileEntry(copied.size, copied.sha256)
        remaining_bytes -= copied.size
    for folder in folders:
        with fs.open_directory(job_fd, *folder.split("/")) as folder_fd:
            fs.fsync_directory(folder_fd)
    return files


def _write_manifest(job_fd: int, spec: JobSpec, ref: JobRef, key: Key, participant: Participant) -> None:
    """Sign and write the manifest, if readers with these limits would accept it."""
    config = spec.sealed(ref, key)
    manifest.parse(config, participant.limits)
    fs.create_file(job_fd, CONFIG, config)
    fs.fsync_directory(job_fd)


def _refuse_taken(parent_fd: int, ref: JobRef) -> None:
    folded = ref.name.casefold()
    taken = next(
        (name for name in os.listdir(parent_fd) if name.casefold() == folded and not _is_remainder(parent_fd, name)),
        None,
    )
    if taken is not None:
        raise JobExists(
            f"You have a job called '{taken}' with {ref.owner} already. Choose another name, or leave it empty.",
            name=taken,
        )


def _is_remainder(parent_fd: int, name: str) -> bool:
    """Return True if the folder holds no job: an interrupted clean left it, or a sync tool that did not remove it."""
    try:
        with fs.open_directory(parent_fd, name) as job_fd:
            return is_remainder(job_fd)
    except (FileNotFoundError, UnreadableJob):
        return False


def _publish(parent_fd: int, temporary: str, ref: JobRef) -> None:
    try:
        if _is_remainder(parent_fd, ref.name):
            fs.remove(parent_fd, ref.name)
        fs.rename(parent_fd, temporary, parent_fd, ref.name)
    except StoreError as error:
        if fs.stat_entry(parent_fd, temporary) is not None and fs.stat_entry(parent_fd, ref.name) is not None:
            raise JobExists(f"You have a job called '{ref.name}' with {ref.owner} already.") from error
        raise
