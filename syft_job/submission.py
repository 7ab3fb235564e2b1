"""From a script or a folder of code to a job directory in the owner's datasite.

It gathers plain files, says what stays home and why, writes everything into a directory that nobody takes for a job
yet, `config.yaml` last, and publishes that directory under its name in one step.
"""

from __future__ import annotations

import json
import os
import secrets
import shlex
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from . import disk, names, presence, spec
from .codec import canonical
from .errors import InvalidName, InvalidSubmission, JobExists, PathMissing, StoreError, UnreadableJob
from .keys import published
from .markers import now
from .names import InnerPath
from .place import JOBS, Place
from .spec import CODE, CONFIG, RUN, FileEntry, JobResources, JobSpec
from .viewer import Viewer

PYTHON_RUN = """\
#!/bin/bash
# Starts the submitted Python file with the interpreter that the data owner chose.
exec "${{SYFT_JOB_PYTHON:-python3}}" {entrypoint}
"""


@dataclass(frozen=True, slots=True)
class Source:
    """The code of a submission: files by their path inside the job, from memory or from disk; what stayed home."""

    texts: Mapping[str, bytes]
    paths: Mapping[str, Path] = field(default_factory=dict)
    entrypoint: str | None = None
    left_out: tuple[str, ...] = ()


def bash_source(script: str | Path) -> Source:
    """The source of a bash job: ``script`` is its text, or the path of a file that holds it.

    Raises:
        PathMissing: a path was given and there is nothing.
        InvalidSubmission: the script is empty.
    """
    if isinstance(script, Path):
        if not script.is_file():
            raise PathMissing(f"There is no script at {script}.", path=str(script))
        content = script.read_bytes()
        try:
            content.decode("utf-8")
        except UnicodeDecodeError as error:
            raise InvalidSubmission(f"{script} is not UTF-8 text, so nobody could review it: {error}") from error
    else:
        try:
            content = script.encode("utf-8")
        except UnicodeEncodeError as error:
            raise InvalidSubmission(f"The script is no text: {error}") from error
    if not content.strip():
        raise InvalidSubmission("The script is empty; there would be nothing to run.")
    return Source({RUN: content})


def python_source(code_path: Path, entrypoint: str | None) -> Source:
    """The source of a Python job: one `.py` file, or a folder with `main.py`, a single `.py`, or a named one.

    Raises:
        PathMissing: there is nothing at ``code_path``.
        InvalidSubmission: it is no Python code, the entrypoint is not clear, or something in it cannot travel.
    """
    if not code_path.exists():
        raise PathMissing(f"There is nothing at {code_path} to submit.", path=str(code_path))
    if code_path.is_dir():
        paths, left_out = _gather(code_path)
        start = _entrypoint(code_path, paths, entrypoint)
    else:
        if code_path.suffix != ".py":
            raise InvalidSubmission(f"{code_path.name} is not a .py file. Submit a .py file or a folder.")
        if entrypoint is not None and entrypoint != code_path.name:
            raise InvalidSubmission(f"The entrypoint {entrypoint!r} is not the submitted file {code_path.name!r}.")
        start = _checked(code_path.name)
        paths, left_out = {start: code_path}, []
    run = PYTHON_RUN.format(entrypoint=shlex.quote(CODE + start))
    return Source({RUN: run.encode()}, {CODE + path: source for path, source in paths.items()}, start, tuple(left_out))


def submit(
    viewer: Viewer,
    owner: str,
    source: Source,
    *,
    name: str = "",
    dependencies: Sequence[str] = (),
    resources: JobResources | None = None,
    datasets: Sequence[str] = (),
    metadata: Mapping[str, Any] | None = None,
) -> Place:
    """Lay a job into ``owner``'s datasite; returns where.

    Raises:
        InvalidName: the owner's address or the job's name is not allowed.
        PathMissing: the owner has no datasite in this folder.
        JobExists: a job of that name is there already.
        InvalidSubmission: it is larger than the limits, or one of the options cannot be written down.
        StoreError: the folder cannot be written; no half job is left.
    """
    root = viewer.home.root
    place = Place(names.address(owner), viewer.email, names.job_name(name.strip() or f"Job - {secrets.token_hex(4)}"))
    with disk.in_words(f"submit to {str(root / place.owner)!r}"):
        is_there = (root / place.owner).is_dir()
    if not is_there:
        raise PathMissing(f"{place.owner} has no datasite in {root}. Is the address right, and is the folder synced?")
    try:
        key, owners = viewer.home.key(), published(root, place.owner)
    except FileNotFoundError as error:
        raise PathMissing(f"The folder {root} went away meanwhile: see whether it is still mounted.") from error
    asked = JobSpec(
        name=place.name,
        submitted_by=place.submitter,
        submitted_at=now(),
        type="python" if source.entrypoint else "bash",
        files={},
        entrypoint=source.entrypoint,
        dependencies=spec.check_texts("dependencies", dependencies),
        resources=resources or JobResources(),
        datasets=spec.check_texts("datasets", datasets),
        metadata=_plain(metadata or {}),
        owner_key=owners.present if owners is not None else None,
        nonce=spec.new_nonce(),
    )
    try:
        with (
            disk.in_words(f"submit to {str(root / place.owner)!r}"),
            disk.directory(root, place.owner, *JOBS, place.submitter, create=True) as parent,
        ):
            _refuse_taken(parent, place)
            temporary = disk.temporary_name()
            try:
                with _new_folder(viewer, parent, temporary) as job:
                    asked = replace(asked, files=_write(job, source, viewer))
                    config = asked.sealed(place, key)
                    spec.parse(config, viewer.limits)
                    disk.create(job, CONFIG, config)
                    disk.sync(job)
                _publish(parent, temporary, place)
            except BaseException:
                disk.discard(parent, temporary)
                raise
    except UnreadableJob as error:
        raise InvalidSubmission(f"'{place.name}' cannot be submitted: {error}.") from error
    except PathMissing:
        raise
    except FileNotFoundError as error:
        raise PathMissing(f"'{place.name}' cannot be submitted: {error.strerror}: {error.filename}.") from error
    return place


@contextmanager
def _new_folder(viewer: Viewer, parent: int, name: str) -> Iterator[int]:
    """Make and open the folder that a job is written in; those that earlier calls were stopped in are removed."""
    with ExitStack() as opened:
        with viewer.home.locked():  # so that nobody takes a new one for one that was left
            disk.remove_temporaries(parent, held_too=False)
            disk.make_new_directory(parent, name)
            job = opened.enter_context(disk.directory(parent, name))
            disk.hold(job)
        yield job


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


def _write(job: int, source: Source, viewer: Viewer) -> dict[InnerPath, FileEntry]:
    files: dict[InnerPath, FileEntry] = {}
    left = viewer.limits.total_bytes
    for path, text in source.texts.items():
        disk.create(job, path, text, mode=0o755 if path == RUN else 0o644)
        files[names.listed_path(path)] = FileEntry(len(text), spec.digest_of(text))
        left -= len(text)
    folders: set[str] = set()
    for path, origin in source.paths.items():
        folder, _, name = path.rpartition("/")
        with disk.directory(origin.parent) as reading, disk.directory(job, *folder.split("/"), create=True) as writing:
            copied = disk.copy(reading, origin.name, writing, name, most=max(left, 0), mode=0o644, durable=True)
        folders.add(folder)
        files[names.listed_path(path)] = FileEntry(copied.size, copied.sha256)
        left -= copied.size
    for folder in folders:
        with disk.directory(job, *folder.split("/")) as inner:
            disk.sync(inner)
    return files


def _refuse_taken(parent: int, place: Place) -> None:
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
        with disk.directory(parent, name) as job:
            return presence.is_ruin(job)
    except (FileNotFoundError, UnreadableJob):
        return False


def _publish(parent: int, temporary: str, place: Place) -> None:
    try:
        if _is_ruin(parent, place.name):
            disk.remove(parent, place.name)
        disk.rename(parent, temporary, parent, place.name)
    except StoreError as error:
        if disk.look(parent, temporary) is not None and disk.look(parent, place.name) is not None:
            raise JobExists(f"You have a job called '{place.name}' with {place.owner} already.") from error
        raise


def _gather(folder: Path) -> tuple[dict[str, Path], list[str]]:
    paths: dict[str, Path] = {}
    left_out: list[str] = []
    skipped: list[str] = []
    with disk.directory(folder) as opened:
        for entry in disk.walk(opened, most=spec.Limits().files * 4):
            if any(entry.path.startswith(prefix) for prefix in skipped):
                continue
            reason = names.stays_home(entry.path)
            if reason is not None:
                left_out.append(f"{entry.path}: {reason}")
                if entry.is_dir:
                    skipped.append(entry.path + "/")
            elif entry.is_file:
                paths[_checked(entry.path)] = folder / entry.path
            elif not entry.is_dir:
                raise InvalidSubmission(
                    f"{entry.path!r} is {disk.kind_of(entry.stat)}; only plain files can travel. Replace or remove it."
                )
    return paths, left_out


def _checked(path: str) -> str:
    try:
        names.inner_path(CODE + path)
    except InvalidName as error:
        raise InvalidSubmission(str(error)) from error
    return names.inner_path(CODE + path).removeprefix(CODE)


def _entrypoint(folder: Path, paths: Mapping[str, Path], entrypoint: str | None) -> str:
    if entrypoint is not None:
        if not entrypoint.endswith(".py"):
            raise InvalidSubmission(f"The entrypoint {entrypoint!r} does not end in .py.")
        if entrypoint not in paths:
            raise InvalidSubmission(f"The entrypoint {entrypoint!r} is not in {folder}.")
        return entrypoint
    top = sorted(path for path in paths if path.endswith(".py") and "/" not in path)
    if "main.py" in top:
        return "main.py"
    if len(top) == 1:
        return top[0]
    found = ", ".join(top) or "no .py file"
    raise InvalidSubmission(f"It is not clear what to start in {folder} ({found}). Name it with entrypoint=….")
