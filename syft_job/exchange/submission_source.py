"""The code of a submission: from a script, a Python file or a folder to the files that the job will consist of.

Nothing is written. What is left out and what can be misread is part of the result.
"""

from __future__ import annotations

import shlex
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from syft_job import fs
from syft_job.errors import Action, InvalidSubmission, PathMissing, Remedy, UnreadableJob
from syft_job.format import manifest
from syft_job.format.manifest import CODE, RUN
from syft_job.model.job_ref import expand_user
from syft_job.model.names import InnerPath

from .exclusions import Exclusions, LeftOut, judge_file, judge_submitted_folder
from .submission_files import Gathered, beginning_of, gather, travelling_path

if TYPE_CHECKING:
    from syft_job.format.source_checks import Finding

PYTHON_RUN = """\
#!/bin/bash
# Starts the submitted Python file with the interpreter that the data owner chose.
exec "${{SYFT_JOB_PYTHON:-python3}}" {entrypoint}
"""

_MAX_CHECKED_BYTES = 8 << 20
"""The largest file that is checked for findings before it is submitted; a review checks every file."""


@dataclass(frozen=True, slots=True)
class Source:
    """The code of a submission.

    Attributes:
        texts: files whose content is in memory, by their path inside the job.
        paths: files on disk, by their path inside the job.
        entrypoint: the Python file to start, relative to `code/`; None for a bash job.
        left_out: files and folders that are not submitted, each with its reason.
        sizes: the size in bytes of each file of ``paths`` when it was looked at.
        warnings: sentences about what is submitted.
    """

    texts: Mapping[str, bytes]
    paths: Mapping[str, Path] = field(default_factory=dict)
    entrypoint: str | None = None
    left_out: tuple[LeftOut, ...] = ()
    sizes: Mapping[str, int] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    @property
    def file_sizes(self) -> list[tuple[str, int]]:
        """Path inside the job and size in bytes of each file, those in memory first."""
        return [
            *((path, len(text)) for path, text in self.texts.items()),
            *((path, self.sizes[path]) for path in sorted(self.paths)),
        ]


def bash_source(script: str | Path, *, include: Sequence[str] = ()) -> Source:
    """The source of a bash job: ``script`` is its text, or the path of a file that holds it.

    Raises:
        PathMissing: a path was given and there is nothing.
        InvalidSubmission: the script is empty, is the path of a file as a text, or looks like a secret and
            ``include`` does not name it.
    """
    content = _script_in_file(script, include) if isinstance(script, Path) else _script_in_text(script)
    if not content.strip():
        raise InvalidSubmission("The script is empty; there would be nothing to run.")
    return Source({RUN: content})


def _script_in_file(script: Path, include: Sequence[str]) -> bytes:
    if not script.is_file():
        raise PathMissing(f"There is no script at {script}.", path=str(script))
    _refuse_secret(script, include)
    with fs.translate_os_errors(f"read {str(script)!r}"):
        _refuse_large(script)
        content = script.read_bytes()
    try:
        content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InvalidSubmission(f"{script} is not UTF-8 text, so it could not be reviewed: {error}") from error
    return content


def _script_in_text(script: str) -> bytes:
    _refuse_path_as_text(script)
    try:
        return script.encode("utf-8")
    except UnicodeEncodeError as error:
        raise InvalidSubmission(f"The script is no text: {error}") from error


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
        gathered = gather(code_path, include=include, most=manifest.SubmissionLimits().files * 4)
        start = _entrypoint(code_path, gathered, entrypoint)
    else:
        gathered = _gather_file(code_path, entrypoint, include)
        (start,) = gathered.paths
    return Source(
        texts={RUN: python_run(CODE + start)},
        paths={CODE + path: origin for path, origin in gathered.paths.items()},
        entrypoint=start,
        left_out=tuple(gathered.left_out),
        sizes={CODE + path: size for path, size in gathered.sizes.items()},
        warnings=tuple(gathered.warnings),
    )


def _gather_file(file: Path, entrypoint: str | None, include: Sequence[str]) -> Gathered:
    if file.suffix != ".py":
        raise InvalidSubmission(f"{file.name} is not a .py file. Submit a .py file or a folder.")
    if entrypoint is not None and entrypoint != file.name:
        raise InvalidSubmission(f"The entrypoint {entrypoint!r} is not the submitted file {file.name!r}.")
    path = travelling_path(file.name)
    _refuse_secret(file, include)
    return Gathered({path: file}, {path: file.stat().st_size})


def python_run(entrypoint: str) -> bytes:
    """The ``run.sh`` of a Python job that starts ``entrypoint``, a path inside the job."""
    return PYTHON_RUN.format(entrypoint=shlex.quote(entrypoint)).encode()


def findings_of(source: Source) -> tuple[Finding, ...]:
    """What a reviewer of the code could misread, or bash and Python would read differently from what is displayed.

    Large data files are left out. A file that cannot be read is left out, too: `submit` refuses it and says why.
    """
    from syft_job.format.source_checks import check_file

    entrypoint = CODE + source.entrypoint if source.entrypoint else None
    findings = [finding for path, data in source.texts.items() for finding in check_file(path, data, entrypoint)]
    for path, origin in source.paths.items():
        try:
            with fs.open_directory(origin.parent) as folder_fd:
                data = fs.read_file(folder_fd, origin.name, limit=_MAX_CHECKED_BYTES)
        except (UnreadableJob, FileNotFoundError):
            continue
        findings += check_file(path, data or b"", entrypoint)
    return tuple(findings)


def _entrypoint(folder: Path, gathered: Gathered, entrypoint: str | None) -> InnerPath:
    """The Python file to start: the given one, else `main.py`, else the only one at the top of the folder."""
    if entrypoint is not None:
        return _given_entrypoint(folder, gathered, entrypoint)
    top = sorted(path for path in gathered.paths if path.endswith(".py") and "/" not in path)
    main = next((path for path in top if path == "main.py"), None)
    if main is not None:
        return main
    if len(top) == 1:
        return top[0]
    candidates = ", ".join(top) or "no .py file"
    left_out = [str(item) for item in gathered.left_out if item.path.endswith(".py") and "/" not in item.path]
    more = f"; left out: {', '.join(left_out)}" if left_out else ""
    raise InvalidSubmission(
        f"It is not clear what to start in {folder} ({candidates}{more}).",
        remedy=Remedy("Name the file", Action.NAME_ENTRYPOINT),
    )


def _given_entrypoint(folder: Path, gathered: Gathered, entrypoint: str) -> InnerPath:
    if not entrypoint.endswith(".py"):
        raise InvalidSubmission(f"The entrypoint {entrypoint!r} does not end in .py.")
    path = travelling_path(entrypoint)
    if path in gathered.paths:
        return path
    for item in gathered.left_out:
        if path == item.path or (item.path.endswith("/") and path.startswith(item.path)):
            advice = f" Name it with include={path!r}." if item.can_include else ""
            raise InvalidSubmission(f"The entrypoint {entrypoint!r} is left out ({item}).{advice}")
    raise InvalidSubmission(f"The entrypoint {entrypoint!r} is not in {folder}.")


def _refuse_secret_folder(folder: Path, include: Sequence[str]) -> None:
    reason = judge_submitted_folder(str(folder.resolve()))
    if reason is not None and not Exclusions(include=include).names_secret(f"{folder.name}/"):
        raise InvalidSubmission(
            f"{str(folder)!r} is not submitted: {reason}.",
            remedy=Remedy("If all of it is meant to be submitted, name it", Action.NAME_INCLUDED, value=folder.name),
        )


def _refuse_secret(file: Path, include: Sequence[str]) -> None:
    """Refuse a single file that looks like a secret, unless ``include`` names it."""
    with fs.translate_os_errors(f"read {str(file)!r}"):
        if not file.is_file():
            return  # the caller or the copy refuses it
        with fs.open_directory(file.resolve().parent) as folder_fd:
            beginning = beginning_of(folder_fd, file.resolve().name)
    reason = judge_file(file.name, beginning)
    if reason is not None and not Exclusions(include=include).names_secret(file.name):
        raise InvalidSubmission(
            f"{file.name!r} is not submitted: {reason}.",
            remedy=Remedy("If it is meant to be submitted, name it", Action.NAME_INCLUDED, value=file.name),
        )


def _refuse_large(script: Path) -> None:
    """Refuse before it is read into memory what no reader accepts; a sparse file can be larger than the memory."""
    size, max_bytes = script.stat().st_size, manifest.SubmissionLimits().total_bytes
    if size > max_bytes:
        raise InvalidSubmission(f"{script} is {size} bytes long; at most {max_bytes} are accepted.")


def _refuse_path_as_text(script: object) -> None:
    """Refuse a text that is the path of an existing file or folder: the path was meant, not its text as a script."""
    if not isinstance(script, str):
        raise InvalidSubmission(f"The script is a {type(script).__name__}; give its text, or a Path to its file.")
    text = script.strip(" \t")
    if not text or "\n" in text or "\0" in text:
        return
    try:
        path = expand_user(text)
        status = path.stat()
    except (OSError, ValueError):
        return  # no path of this machine
    if stat.S_ISDIR(status.st_mode):
        if "/" in text:
            raise InvalidSubmission(
                f"{text!r} is a folder, not a script. Submit it with submit_python_job(owner, path)."
            )
        return
    raise InvalidSubmission(
        f"{text!r} is not taken as the text of a script: that is a file; submit its content with Path({text!r})."
        " If the text itself is the script, end it with a line end."
    )
