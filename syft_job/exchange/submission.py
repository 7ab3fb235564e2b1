"""From a script or a folder of code to a job directory in the owner's datasite.

It gathers plain files, says what stays home and why, writes everything into a directory that nobody takes for a job
yet, `config.yaml` last, and publishes that directory under its name in one step.
"""

from __future__ import annotations

import json
import os
import secrets
import shlex
import stat
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from syft_job import fs
from syft_job.errors import (
    ConfigError,
    ConfigTypeError,
    InvalidSubmission,
    JobExists,
    PathMissing,
    StoreError,
    UnreadableJob,
)
from syft_job.format import manifest
from syft_job.format.codec import canonical
from syft_job.format.manifest import CODE, CONFIG, RUN, FileEntry, JobResources, JobSpec
from syft_job.format.markers import now
from syft_job.home.contacts import read_published_keys
from syft_job.model import names
from syft_job.model.job_ref import JOBS, JobRef, expand_user
from syft_job.model.names import InnerPath

from . import job_contents
from .exclusions import IGNORE_FILE, Exclusions, LeftOut, judge_file, judge_submitted_folder
from .participant import Participant
from .submission_files import Gathered, beginning_of, gather, travelling_path

if TYPE_CHECKING:
    from syft_job.format.source_checks import Finding

_ANNOUNCED_IGNORED = 20
PYTHON_RUN = """\
#!/bin/bash
# Starts the submitted Python file with the interpreter that the data owner chose.
exec "${{SYFT_JOB_PYTHON:-python3}}" {entrypoint}
"""

_MOST_CHECKED_BYTES = 8 << 20
"""The largest file that is checked for findings before it is submitted; a review checks every file."""


@dataclass(frozen=True, slots=True)
class Source:
    """The code of a submission: files by their path inside the job, from memory or from disk; what is left out.

    ``sizes`` holds the size in bytes of each file of ``paths`` when it was looked at.
    """

    texts: Mapping[str, bytes]
    paths: Mapping[str, Path] = field(default_factory=dict)
    entrypoint: str | None = None
    left_out: tuple[LeftOut, ...] = ()
    sizes: Mapping[str, int] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SubmissionPreview:
    """What a submission would take along, and what it would leave out; nothing was written.

    Attributes:
        owner: the address that it would be submitted to.
        files: (path inside the job, size in bytes) of each file, `run.sh` first.
        left_out: the files and folders that would stay, each with its reason.
        warnings: sentences about what travels.
    """

    owner: str
    files: tuple[tuple[str, int], ...]
    left_out: tuple[LeftOut, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def total_bytes(self) -> int:
        """The size of all files together."""
        return sum(size for _, size in self.files)

    @property
    def lines(self) -> list[str]:
        """It for people, line by line."""
        lines = [f"Would submit to {self.owner}: {len(self.files)} files, {self.total_bytes} bytes together"]
        width = max((len(str(size)) for _, size in self.files), default=0)
        lines += [f"  {size:>{width}}  {path}" for path, size in self.files]
        if self.left_out:
            lines += [f"Left out: {len(self.left_out)}", *(f"  {one}" for one in self.left_out)]
        lines += [f"Warning: {warning}" for warning in self.warnings]
        return [*lines, "Nothing was written."]

    def __str__(self) -> str:
        return "\n".join(self.lines)


def bash_source(script: str | Path, *, include: Sequence[str] = ()) -> Source:
    """The source of a bash job: ``script`` is its text, or the path of a file that holds it.

    Raises:
        PathMissing: a path was given and there is nothing.
        InvalidSubmission: the script is empty, is the path of a file as a text, or looks like a secret and
            ``include`` does not name it.
    """
    if isinstance(script, Path):
        if not script.is_file():
            raise PathMissing(f"There is no script at {script}.", path=str(script))
        _refuse_secret(script, include)
        with fs.translate_os_errors(f"read {str(script)!r}"):
            _refuse_large(script)
            content = script.read_bytes()
        try:
            content.decode("utf-8")
        except UnicodeDecodeError as error:
            raise InvalidSubmission(f"{script} is not UTF-8 text, so nobody could review it: {error}") from error
    else:
        _refuse_path_as_text(script)
        try:
            content = script.encode("utf-8")
        except UnicodeEncodeError as error:
            raise InvalidSubmission(f"The script is no text: {error}") from error
    if not content.strip():
        raise InvalidSubmission("The script is empty; there would be nothing to run.")
    return Source({RUN: content})


def python_source(code_path: Path, entrypoint: str | None, *, include: Sequence[str] = ()) -> Source:
    """The source of a Python job: one `.py` file, or a folder with `main.py`, a single `.py`, or a named one.

    ``include`` are patterns in gitignore syntax of what travels although it would be left out.

    Raises:
        PathMissing: there is nothing at ``code_path``.
        InvalidSubmission: it is no Python code, the entrypoint is not clear, or something in it cannot travel.
        StoreError: something in it cannot be read.
    """
    if not code_path.exists():
        raise PathMissing(f"There is nothing at {code_path} to submit.", path=str(code_path))
    if code_path.is_dir():
        _refuse_secret_folder(code_path, include)
        found = gather(code_path, include=include, most=manifest.SubmissionLimits().files * 4)
        start = _entrypoint(code_path, found, entrypoint)
    else:
        if code_path.suffix != ".py":
            raise InvalidSubmission(f"{code_path.name} is not a .py file. Submit a .py file or a folder.")
        if entrypoint is not None and entrypoint != code_path.name:
            raise InvalidSubmission(f"The entrypoint {entrypoint!r} is not the submitted file {code_path.name!r}.")
        start = travelling_path(code_path.name)
        _refuse_secret(code_path, include)
        found = Gathered({start: code_path}, {start: code_path.stat().st_size})
    return Source(
        {RUN: python_run(CODE + start)},
        {CODE + path: source for path, source in found.paths.items()},
        start,
        tuple(found.left_out),
        {CODE + path: size for path, size in found.sizes.items()},
        tuple(found.warnings),
    )


def python_run(entrypoint: str) -> bytes:
    """The ``run.sh`` of a Python job that starts ``entrypoint``, a path inside the job."""
    return PYTHON_RUN.format(entrypoint=shlex.quote(entrypoint)).encode()


def findings_of(source: Source) -> tuple[Finding, ...]:
    """What a reviewer of the code could misread, or bash and Python would read differently from what is displayed.

    Large data files are left out. A file that cannot be read is left out, too: `submit` refuses it and says why.
    """
    from syft_job.format.source_checks import check_file

    entrypoint = CODE + source.entrypoint if source.entrypoint else None
    found = [finding for path, data in source.texts.items() for finding in check_file(path, data, entrypoint)]
    for path, origin in source.paths.items():
        try:
            with fs.open_directory(origin.parent) as folder:
                data = fs.read_file(folder, origin.name, limit=_MOST_CHECKED_BYTES)
        except (UnreadableJob, FileNotFoundError):
            continue
        found += check_file(path, data or b"", entrypoint)
    return tuple(found)


def announced(name: str, source: Source) -> list[str]:
    """The lines to announce of a submission: what was left out of it, and what to be warned of.

    Each path has a line, but of those that only the ignore file leaves out the first few.
    """
    ignored = [one for one in source.left_out if one.is_ignored]
    lines = [f"Left out of '{name}': {one}" for one in source.left_out if not one.is_ignored]
    lines += [f"Left out of '{name}': {one}" for one in ignored[:_ANNOUNCED_IGNORED]]
    if len(ignored) > _ANNOUNCED_IGNORED:
        lines.append(f"Left out of '{name}': {len(ignored) - _ANNOUNCED_IGNORED} more by {IGNORE_FILE}")
    return lines + [f"Warning for '{name}': {warning}." for warning in source.warnings]


def preview(participant: Participant, owner: str, source: Source, *, name: str = "") -> SubmissionPreview:
    """What `submit` would do, with the same refusals as far as they can be known; writes nothing.

    Raises:
        InvalidName: the owner's address or the job's name is not allowed.
        PathMissing: the owner has no datasite in this folder.
        InvalidSubmission: it is larger than the limits.
        StoreError: the folder cannot be read.
    """
    address = names.normalize_address(owner)
    if name.strip():
        names.normalize_job_name(name.strip())
    _require_datasite(participant.home.root, address)
    files = [(path, len(text)) for path, text in source.texts.items()]
    files += [(path, source.sizes[path]) for path in sorted(source.paths)]
    _check_limits(files, participant)
    warnings = (*source.warnings, *map(str, findings_of(source)))
    return SubmissionPreview(address, tuple(files), source.left_out, warnings)


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
    """Lay a job into ``owner``'s datasite; returns where.

    Raises:
        InvalidName: the owner's address or the job's name is not allowed.
        PathMissing: the owner has no datasite in this folder.
        JobExists: a job of that name is there already.
        InvalidSubmission: it is larger than the limits, or one of the options cannot be written down.
        StoreError: the folder cannot be written; no half job is left.
    """
    root = participant.home.root
    place = JobRef(
        names.normalize_address(owner),
        participant.email,
        names.normalize_job_name(name.strip() or f"Job - {secrets.token_hex(4)}"),
    )
    _require_datasite(root, place.owner)
    _check_limits([*((path, len(text)) for path, text in source.texts.items()), *source.sizes.items()], participant)
    try:
        key, owners = participant.home.key(), read_published_keys(root, place.owner)
    except FileNotFoundError as error:
        raise PathMissing(f"The folder {root} went away meanwhile: see whether it is still mounted.") from error
    asked = JobSpec(
        name=place.name,
        submitted_by=place.submitter,
        submitted_at=now(),
        type="python" if source.entrypoint else "bash",
        files={},
        entrypoint=source.entrypoint,
        dependencies=manifest.check_texts("dependencies", dependencies),
        resources=_resources(resources),
        datasets=manifest.check_texts("datasets", datasets),
        metadata=_plain(metadata or {}),
        owner_key=owners.present if owners is not None else None,
        nonce=manifest.new_nonce(),
    )
    try:
        with (
            fs.translate_os_errors(f"submit to {str(root / place.owner)!r}"),
            fs.open_directory(root, place.owner, *JOBS, place.submitter, create=True) as parent,
        ):
            _refuse_taken(parent, place)
            temporary = fs.temporary_name()
            try:
                with _new_folder(participant, parent, temporary) as job:
                    asked = replace(asked, files=_write(job, source, participant))
                    config = asked.sealed(place, key)
                    manifest.parse(config, participant.limits)
                    fs.create_file(job, CONFIG, config)
                    fs.fsync_directory(job)
                _publish(parent, temporary, place)
            except BaseException:
                fs.discard(parent, temporary)
                raise
    except UnreadableJob as error:
        raise InvalidSubmission(f"'{place.name}' cannot be submitted: {error}.") from error
    except UnicodeError as error:
        raise InvalidSubmission(f"'{place.name}' cannot be submitted: one of its texts is no text: {error}.") from error
    except PathMissing:
        raise
    except FileNotFoundError as error:
        raise PathMissing(f"'{place.name}' cannot be submitted: {error.strerror}: {error.filename}.") from error
    return place


def _require_datasite(root: Path, owner: str) -> None:
    with fs.translate_os_errors(f"submit to {str(root / owner)!r}"):
        is_there = fs.is_directory(root, owner)
    if not is_there:
        raise PathMissing(f"{owner} has no datasite in {root}. Is the address right, and is the folder synced?")


def _check_limits(files: Sequence[tuple[str, int]], participant: Participant) -> None:
    """Refuse before the first byte is copied what readers with these limits would not accept."""
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


@contextmanager
def _new_folder(participant: Participant, parent: int, name: str) -> Iterator[int]:
    """Make and open the folder that a job is written in; those that earlier calls were stopped in are removed."""
    with ExitStack() as opened:
        with participant.home.locked():  # so that nobody takes a new one for one that was left
            fs.remove_temporaries(parent, only_old=True)
            fs.make_new_directory(parent, name)
            job = opened.enter_context(fs.open_directory(parent, name))
            fs.mark_in_use(job)
        yield job


def _resources(resources: object) -> JobResources:
    """What is asked for, as `JobResources`; a mapping holds its arguments by name.

    Raises:
        ConfigTypeError: it is something else, or has an argument that there is not.
        ConfigError: (a ValueError) one of its values cannot be used.
    """
    if isinstance(resources, JobResources):
        return resources
    known = tuple(JobResources.__dataclass_fields__)
    if resources is not None and not isinstance(resources, Mapping):
        raise ConfigTypeError(
            f"resources must be a JobResources or a mapping such as {{'time_limit': '2h'}}, not {resources!r}"
        )
    asked = dict(resources or {})
    if unknown := [key for key in asked if key not in known]:
        raise ConfigTypeError(f"resources has no {unknown[0]!r}; it has {', '.join(known)}")
    try:
        return JobResources(**asked)
    except ConfigError as error:
        raise type(error)(f"resources: {error}") from error
    except ValueError as error:
        raise ConfigError(f"resources: {error}") from error


def _plain(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """The metadata as it can be written down and sealed.

    Raises:
        InvalidSubmission: it holds something else than texts, integers, booleans, lists and mappings with text keys.
    """
    try:
        said = json.loads(canonical(dict(metadata)))
    except (TypeError, ValueError, AttributeError, RecursionError, UnreadableJob) as error:
        raise InvalidSubmission(
            f"The metadata cannot be written down ({error}): use texts, whole numbers, lists and mappings."
        ) from error
    return said  # type: ignore[no-any-return]


def _write(job: int, source: Source, participant: Participant) -> dict[InnerPath, FileEntry]:
    files: dict[InnerPath, FileEntry] = {}
    left = participant.limits.total_bytes
    for path, text in source.texts.items():
        fs.create_file(job, path, text, mode=0o755 if path == RUN else 0o644)
        files[names.require_inner_path(path)] = FileEntry(len(text), manifest.digest_of(text))
        left -= len(text)
    folders: set[str] = set()
    for path, origin in source.paths.items():
        folder, _, name = path.rpartition("/")
        with (
            fs.open_directory(origin.parent) as reading,
            fs.open_directory(job, *folder.split("/"), create=True) as writing,
        ):
            copied = fs.copy_file(reading, origin.name, writing, name, max_bytes=max(left, 0), mode=0o644, durable=True)
        folders.add(folder)
        files[names.require_inner_path(path)] = FileEntry(copied.size, copied.sha256)
        left -= copied.size
    for folder in folders:
        with fs.open_directory(job, *folder.split("/")) as inner:
            fs.fsync_directory(inner)
    return files


def _refuse_taken(parent: int, place: JobRef) -> None:
    folded = place.name.casefold()
    taken = next(
        (name for name in os.listdir(parent) if name.casefold() == folded and not _is_ruin(parent, name)), None
    )
    if taken is not None:
        raise JobExists(
            f"You have a job called '{taken}' with {place.owner} already. Choose another name, or leave it empty.",
            name=taken,
        )


def _is_ruin(parent: int, name: str) -> bool:
    """Whether a folder lies there that is no job: what a clean that was stopped left, or a tool that did not follow."""
    try:
        with fs.open_directory(parent, name) as job:
            return job_contents.is_ruin(job)
    except (FileNotFoundError, UnreadableJob):
        return False


def _publish(parent: int, temporary: str, place: JobRef) -> None:
    try:
        if _is_ruin(parent, place.name):
            fs.remove(parent, place.name)
        fs.rename(parent, temporary, parent, place.name)
    except StoreError as error:
        if fs.stat_entry(parent, temporary) is not None and fs.stat_entry(parent, place.name) is not None:
            raise JobExists(f"You have a job called '{place.name}' with {place.owner} already.") from error
        raise


def _entrypoint(folder: Path, found: Gathered, entrypoint: str | None) -> InnerPath:
    if entrypoint is not None:
        if not entrypoint.endswith(".py"):
            raise InvalidSubmission(f"The entrypoint {entrypoint!r} does not end in .py.")
        start = travelling_path(entrypoint)
        if start in found.paths:
            return start
        for left_out in found.left_out:
            if start == left_out.path or (left_out.path.endswith("/") and start.startswith(left_out.path)):
                advice = f" Name it with include={start!r}." if left_out.can_include else ""
                raise InvalidSubmission(f"The entrypoint {entrypoint!r} is left out ({left_out}).{advice}")
        raise InvalidSubmission(f"The entrypoint {entrypoint!r} is not in {folder}.")
    top = sorted(path for path in found.paths if path.endswith(".py") and "/" not in path)
    main = next((path for path in top if path == "main.py"), None)
    if main is not None:
        return main
    if len(top) == 1:
        return top[0]
    candidates = ", ".join(top) or "no .py file"
    away = [str(one) for one in found.left_out if one.path.endswith(".py") and "/" not in one.path]
    told = f"; left out: {', '.join(away)}" if away else ""
    raise InvalidSubmission(
        f"It is not clear what to start in {folder} ({candidates}{told}). Name it with entrypoint=…."
    )


def _refuse_secret_folder(folder: Path, include: Sequence[str]) -> None:
    reason = judge_submitted_folder(str(folder.resolve()))
    if reason is not None and not Exclusions(include=include).names_secret(f"{folder.name}/"):
        raise InvalidSubmission(
            f"{str(folder)!r} is not submitted: {reason}. If all of it is meant to travel, name it:"
            f" --include {folder.name!r}, or include=[{folder.name!r}]."
        )


def _refuse_secret(file: Path, include: Sequence[str]) -> None:
    """Refuse a single file that looks like a secret, unless ``include`` names it."""
    with fs.translate_os_errors(f"read {str(file)!r}"):
        if not file.is_file():
            return  # which the caller or the copy refuses
        with fs.open_directory(file.resolve().parent) as opened:
            beginning = beginning_of(opened, file.resolve().name)
    reason = judge_file(file.name, beginning)
    if reason is not None and not Exclusions(include=include).names_secret(file.name):
        raise InvalidSubmission(
            f"{file.name!r} is not submitted: {reason}. If it is meant to travel, name it:"
            f" --include {file.name!r}, or include=[{file.name!r}]."
        )


def _refuse_large(script: Path) -> None:
    """Refuse before it is read into memory what no reader accepts; a sparse file can be larger than the memory."""
    size, most = script.stat().st_size, manifest.SubmissionLimits().total_bytes
    if size > most:
        raise InvalidSubmission(f"{script} is {size} bytes long; at most {most} are accepted.")


def _refuse_path_as_text(script: object) -> None:
    """Refuse a text that is the path of an existing file or folder: the path was meant, not its text as a script."""
    if not isinstance(script, str):
        raise InvalidSubmission(f"The script is a {type(script).__name__}; give its text, or a Path to its file.")
    text = script.strip(" \t")
    if not text or "\n" in text or "\0" in text:
        return
    try:
        path = expand_user(text)
        found = path.stat()
    except (OSError, ValueError):
        return  # no path of this machine
    if stat.S_ISDIR(found.st_mode):
        if "/" in text:
            raise InvalidSubmission(
                f"{text!r} is a folder, not a script. Submit it with submit_python_job(owner, path)."
            )
        return
    raise InvalidSubmission(
        f"{text!r} is not taken as the text of a script: that is a file; submit its content with Path({text!r})."
        " If the text itself is the script, end it with a line end."
    )
