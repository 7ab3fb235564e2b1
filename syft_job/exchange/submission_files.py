"""The files of a submitted folder: which are part of the submission, which are left out and why, and warnings.

The folder is the submitter's own. What is left out is pruned before it is walked through, so that its size costs
nothing; only what would be submitted counts against a limit.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from syft_job import fs
from syft_job.errors import InvalidName, InvalidSubmission, UnreadableJob
from syft_job.format.manifest import CODE
from syft_job.model import names
from syft_job.model.names import InnerPath

from .exclusions import IGNORE_FILE, IGNORE_FILE_BYTES, SEARCHED_BYTES, Exclusions, LeftOut

_ANY_SIZE = 1 << 62
LONG_NAME_BYTES = 120
"""Sync tools put a prefix and a suffix around a name while they carry it, and file systems end at 143 or 255 bytes."""


@dataclass(slots=True)
class Gathered:
    """The files of a folder that are submitted, by their path in it, their sizes, and what is left out."""

    paths: dict[InnerPath, Path] = field(default_factory=dict)
    sizes: dict[InnerPath, int] = field(default_factory=dict)
    left_out: list[LeftOut] = field(default_factory=list)

    @property
    def warnings(self) -> list[str]:
        """One sentence for each file that may not arrive everywhere."""
        return [warning for path in self.paths if (warning := name_warning(path))]


def gather(folder: Path, *, include: Sequence[str] = (), most: int) -> Gathered:
    """Find the files below ``folder`` that a submission takes along; no link is followed.

    Args:
        folder: the folder that is submitted.
        include: gitignore patterns of what travels although a rule leaves it out.
        most: how many files and folders that travel are accepted.

    Raises:
        InvalidSubmission: something there is no plain file, has a name that cannot travel, is one file with another
            on some machines, or there is more than ``most``.
        StoreError: a folder or file cannot be read.
    """
    gathered = Gathered()
    with fs.translate_os_errors(f"read {str(folder)!r}"), fs.open_directory(folder) as opened:
        rules = Exclusions(_ignore_text(opened), include)
        spelled = _walk(opened, folder, rules, gathered, most)
    if collision := names.find_collision(spelled):
        raise InvalidSubmission(
            f"{collision[0]!a} and {collision[1]!a} are one file on some machines: their names differ only in case or"
            " in Unicode form (NFC, NFD). Rename or remove one of them."
        )
    return gathered


def name_warning(path: str) -> str | None:
    """A sentence where a part of ``path`` is so long that some sync tools and file systems do not take it."""
    for part in path.split("/"):
        if (size := len(part.encode())) > LONG_NAME_BYTES:
            return (
                f"the name {part[:40]!r}… has {size} bytes; some sync tools and file systems do not carry names above"
                f" {LONG_NAME_BYTES}, and the job would then not arrive. A shorter name is safer"
            )
    return None


def travelling_path(path: str) -> InnerPath:
    """``path`` in the form in which it is listed below `code/`.

    Raises:
        InvalidSubmission: its name cannot travel.
    """
    try:
        return InnerPath(names.normalize_inner_path(CODE + path).removeprefix(CODE))
    except InvalidName as error:
        raise InvalidSubmission(str(error)) from error


def beginning_of(place: int, name: str) -> bytes:
    """The first bytes of a plain file, as far as they are searched for secrets; nothing is followed or waited for."""
    with fs.open_regular_file(place, name, _ANY_SIZE) as descriptor:
        data = b""
        while len(data) < SEARCHED_BYTES and (more := os.read(descriptor, SEARCHED_BYTES - len(data))):
            data += more
        return data


def _walk(opened: int, folder: Path, rules: Exclusions, gathered: Gathered, most: int) -> list[str]:
    """Fill ``gathered``; returns the paths of the submitted files as the file system spells them."""
    spelled: list[str] = []
    count = 0
    ahead: list[tuple[str, bool]] = [("", False)]
    while ahead:
        inside, only_named = ahead.pop()
        with fs.open_directory(opened, *(inside.split("/") if inside else ())) as directory:
            with os.scandir(directory) as listing:
                entries = sorted((entry.name, entry.is_dir(follow_symlinks=False)) for entry in listing)
            if inside and not only_named:
                environment = rules.judge_folder(inside, [name for name, _ in entries])
                if environment is not None:
                    gathered.left_out.append(environment)
                    only_named = True
                    if not rules.names_something_in(inside):
                        continue
            if inside and not only_named and any(name == IGNORE_FILE for name, _ in entries):
                rules.add_ignore_file(inside, _ignore_text(directory, inside))
            folders: list[tuple[str, bool]] = []
            for name, is_directory in entries:
                path = f"{inside}/{name}" if inside else name
                if only_named and not rules.names(f"{path}/" if is_directory else path):
                    if is_directory and rules.names_something_in(path):
                        folders.append((path, True))
                    continue  # the folder around it is in `left_out`
                excluded = rules.judge(path, is_directory=is_directory)
                if excluded is not None:
                    gathered.left_out.append(excluded)
                    if is_directory and excluded.can_include and rules.names_something_in(path):
                        folders.append((path, True))
                    continue
                count += 1
                if count > most:
                    raise InvalidSubmission(
                        f"{folder} has more than {most} files and folders that would travel; leave out what the job"
                        f" does not need, for example in a file {IGNORE_FILE}."
                    )
                if is_directory:
                    folders.append((path, False))
                elif _take(directory, name, path, folder, rules, gathered):
                    spelled.append(path)
        ahead.extend(reversed(folders))
    return spelled


def _take(directory: int, name: str, path: str, folder: Path, rules: Exclusions, gathered: Gathered) -> bool:
    """Add one file, unless its content shows that it is a secret."""
    status = fs.stat_entry(directory, name)
    if status is None:
        return False  # it went away meanwhile
    if fs.describe_type(status) != "a plain file":
        raise InvalidSubmission(
            f"{path!r} is {fs.describe_type(status)}; only plain files can travel. Replace, remove or ignore it"
            f" ({IGNORE_FILE})."
        )
    listed = travelling_path(path)
    if secret := rules.judge_content(path, beginning_of(directory, name)):
        gathered.left_out.append(secret)
        return False
    gathered.paths.setdefault(listed, folder / path)  # of two in other Unicode forms; `gather` refuses them
    gathered.sizes[listed] = status.st_size
    return True


def _ignore_text(opened: int, inside: str = "") -> str:
    file = f"{inside}/{IGNORE_FILE}" if inside else IGNORE_FILE
    try:
        data = fs.read_file(opened, IGNORE_FILE, limit=IGNORE_FILE_BYTES)
        return (data or b"").decode("utf-8-sig")
    except (UnreadableJob, UnicodeDecodeError) as error:
        raise InvalidSubmission(f"{file} cannot be used: {error}. It is a text file of patterns.") from error
