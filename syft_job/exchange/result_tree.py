"""Copy a tree of results. Everything that a job or a deposit leaves passes through here.

Only plain files and real directories with valid names pass; links, devices and permission files do not. Sizes count as
they appear (``st_size``), so that a sparse file costs what a reader of it would get. Each file is durable.
"""

from __future__ import annotations

import unicodedata

from syft_job import fs
from syft_job.errors import InvalidName, UnreadableJob
from syft_job.format.manifest import FileEntry, SubmissionLimits
from syft_job.format.markers import RULES
from syft_job.model import names
from syft_job.model.names import InnerPath


def copy_tree(
    source: int,
    target: int,
    limits: SubmissionLimits,
    *,
    left_out: list[str] | None = None,
    max_bytes: int | None = None,
    private: bool = False,
) -> dict[InnerPath, FileEntry]:
    """Copy all plain files of one open directory into another, durably; no link is followed.

    Args:
        source: the open directory to copy from; others may write in it meanwhile.
        target: the open directory to copy to; it is empty.
        limits: how many files and how many bytes pass.
        left_out: what cannot be copied is described here and left out, instead of raised.
        max_bytes: a further limit for the sum of the sizes; None for no other than that of ``limits``.
        private: for a copy in the home: files get mode 0600 and directories 0700; else 0644 and 0755, less the umask.

    Returns:
        Size and digest of each file, by its path below ``target``.

    Raises:
        FileNotFoundError: something was removed meanwhile, and there is no ``left_out``.
        UnreadableJob: there is a link, a device, an invalid name, or more than the limits allow.
    """
    files: dict[InnerPath, FileEntry] = {}
    folders: list[list[str]] = [[]]
    forms = UnicodeForms()
    file_mode, folder_mode = (0o600, 0o700) if private else (0o644, 0o755)
    left = limits.total_bytes if max_bytes is None else min(max_bytes, limits.total_bytes)
    for entry in fs.walk(source, max_entries=limits.files, skipped=left_out):
        fs.check_interrupted()
        folder, _, name = entry.path.rpartition("/")
        refused = why_not(name, entry) or forms.twin_of(entry.path) or _too_long(entry, left)
        inside = folder.split("/") if folder else []
        *listed_inside, listed_name = (entry.path if refused else names.normalize_inner_path(entry.path)).split("/")
        if not refused and entry.is_dir:
            with fs.open_directory(target, *listed_inside, listed_name, create=True, mode=folder_mode):
                folders.append([*listed_inside, listed_name])
            continue
        if not refused:
            with fs.open_directory(target, *listed_inside, create=True, mode=folder_mode) as writing:
                try:
                    with fs.open_directory(source, *inside) as reading:
                        copied = fs.copy_file(
                            reading, name, writing, listed_name, max_bytes=left, mode=file_mode, durable=True
                        )
                except FileNotFoundError:
                    if left_out is None:
                        raise
                    refused = f"{entry.path!r} was removed while the results were copied"
                except UnreadableJob as error:
                    refused = str(error)  # it grew or became something else since it was listed
                    fs.remove(writing, listed_name, durable=False)
                else:
                    files[names.normalize_inner_path(entry.path)] = FileEntry(copied.size, copied.sha256)
                    left -= copied.size
        if refused and left_out is None:
            raise UnreadableJob(f"{refused}. Remove it first.")
        if refused and left_out is not None:
            left_out.append(refused)
    for inside in folders if files or folders[1:] else ():  # a name that is not durable is lost with a power cut, too
        with fs.open_directory(target, *inside) as opened:
            fs.fsync_directory(opened)
    return files


class UnicodeForms:
    """The paths of one tree in Unicode form C, to notice a second spelling of one of them."""

    def __init__(self) -> None:
        self._spelled: dict[str, str] = {}
        self._twins: list[str] = []

    def twin_of(self, path: str) -> str | None:
        """Why ``path`` cannot be kept beside a path that was added earlier; None where it can, and it is added."""
        if any(path.startswith(f"{twin}/") for twin in self._twins):
            return f"{path!a} is in a folder whose name has a twin in another Unicode form"
        earlier = self._spelled.setdefault(unicodedata.normalize("NFC", path), path)
        if earlier == path:
            return None
        self._twins.append(path)
        return f"{path!a} and {earlier!a} are one name in two Unicode forms (NFC, NFD); only one can be kept"


def why_not(name: str, entry: fs.Entry) -> str | None:
    """Why a result of this name and kind cannot be released; None where it can."""
    if name.casefold() == RULES:
        return f"{entry.path!r} is a permission file, and those are the owner's to write"
    if not entry.is_dir and not entry.is_file:
        return f"{entry.path!r} is {fs.describe_type(entry.stat)}, and only plain files can be results"
    try:
        names.normalize_inner_path(entry.path)
    except InvalidName as error:
        return f"{entry.path!r} has a name that cannot travel: {error}"
    return None


def _too_long(entry: fs.Entry, left: int) -> str | None:
    if entry.is_file and entry.stat.st_size > left:
        return f"{entry.path!r} is {entry.stat.st_size} bytes long, and {left} more bytes of results are accepted"
    return None
