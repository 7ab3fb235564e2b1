"""The results of a job's present attempt: its outputs, logs and exit code, as far as a participant may read them.

Nothing in the shared folder or the home is changed; `ResultAccess` decides what may be read.
"""

from __future__ import annotations

import re
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from syft_job import fs
from syft_job.errors import Action, Remedy, UnreadableJob
from syft_job.format.manifest import FileEntry
from syft_job.format.markers import LOGS, OUTPUTS, RULES
from syft_job.model.job_record import JobRecord

from .participant import Participant
from .result_access import ResultAccess

_RETURN_CODE = re.compile(rb"\s*(-?[0-9]{1,5})\s*")
_MAX_RETURN_CODE_BYTES = 64 << 10
_ANY_SIZE = 1 << 50


class OutputFile(NamedTuple):
    """One output: its path relative to `outputs/`, and its size and SHA-256 where `shared` lists them."""

    path: str
    entry: FileEntry | None = None


class Results:
    """The results of a job's present attempt, as far as this participant may read them."""

    def __init__(self, participant: Participant, record: JobRecord) -> None:
        self._participant = participant
        self._record = record
        self._access = ResultAccess(participant, record)

    def outputs(self) -> list[Path]:
        """Files and folders directly in the outputs, in name order."""
        if self._record.status != "done":
            return []
        shared = None if self._access.is_unrestricted else self._access.shared("outputs")
        if shared is not None and not shared.who:
            return []
        try:
            with self._access.directory(OUTPUTS) as outputs_fd:
                if shared is None or shared.files is None:
                    names = fs.first_names(outputs_fd, limit=self._access.max_entries)
                    tops = {name for name in names if name != RULES}
                else:
                    tops = {path.partition("/")[0] for path in shared.files}
                directory = self.outputs_directory
                return [directory / top for top in sorted(tops) if _is_file_or_directory(outputs_fd, top)]
        except (FileNotFoundError, UnreadableJob):
            return []  # `output_files` and `verify` report what is there instead

    def output_files(self) -> list[OutputFile]:
        """Every output file: those that `shared` lists, and no others, where it lists files.

        Raises:
            UnreadableJob: the outputs hold something else than plain files and folders, or more than the limits allow,
                or there is a `shared` that cannot be read.
        """
        if self._record.status != "done":
            return []
        shared = None if self._access.is_unrestricted else self._access.shared("outputs")
        if shared is not None and shared.files is not None:
            return [OutputFile(path, entry) for path, entry in sorted(shared.files.items()) if self._has_output(path)]
        if shared is not None and not shared.who:
            self._access.require_readable_share()
            return []
        return self._all_output_files()

    def _all_output_files(self) -> list[OutputFile]:
        files = []
        try:
            with self._access.directory(OUTPUTS) as outputs_fd:
                for entry in fs.walk(outputs_fd, max_entries=self._access.max_entries):
                    name = entry.path.rpartition("/")[2]
                    if entry.is_file and name != RULES:
                        files.append(OutputFile(entry.path))
                    elif not entry.is_dir and not entry.is_file:
                        raise UnreadableJob(
                            f"the output {entry.path!a} of '{self._record.name}' is {fs.describe_type(entry.stat)};"
                            " only plain files can be results. Ask the owner to remove it"
                        )
        except FileNotFoundError:
            return []
        return files

    def copy_outputs(self, target: Path) -> list[Path]:
        """Copy every output file into the existing folder ``target``; returns the copies.

        No link is followed, nothing is replaced, and nothing outside ``target`` is written. Where `shared` lists
        files, all of those are copied, no others, and each must have the listed size and SHA-256.

        Raises:
            UnreadableJob: a listed file has not arrived, a file is not what was released, is no plain file, or all are
                larger than the limits allow.
            StoreError: the copy cannot be written.
        """
        files = self.output_files()
        dropped = self._require_arrived(files)
        max_bytes = self._require_within_limit(files)
        copies: list[Path] = []
        with fs.open_directory(target) as target_fd:
            for path in dropped:
                *folder, name = path.split("/")
                with (
                    fs.translate_os_errors(f"write {str(target / path)!r}"),
                    fs.open_directory(target_fd, *folder, create=True, mode=0o700) as dst_fd,
                ):
                    fs.create_file(dst_fd, name, b"", mode=0o600, durable=False)
                copies.append(target / path)
            if not files:
                return copies
            with self._access.directory(OUTPUTS) as outputs_fd:
                return sorted(copies + self._copy_files(files, outputs_fd, target, target_fd, max_bytes))

    def _require_arrived(self, present: Sequence[OutputFile]) -> list[str]:
        """The listed empty files that the transport dropped.

        Raises:
            UnreadableJob: another listed file has not arrived, so that a copy would lack it.
        """
        if self._record.status != "done" or self._access.is_unrestricted:
            return []
        listed = self._access.shared("outputs").files or {}
        absent = sorted(listed.keys() - {file.path for file in present})
        missing = [path for path in absent if listed[path].size]
        if missing:
            more = f" (and {len(missing) - 1} more)" if len(missing) > 1 else ""
            raise UnreadableJob(
                f"outputs/{missing[0]} of '{self._record.name}' has not arrived{more}, so nothing was copied. Ask the"
                " owner whether it was removed, or wait.",
                remedy=Remedy("To wait for it", Action.WAIT, job=str(self._record.place)),
            )
        return [str(path) for path in absent]

    def _require_within_limit(self, files: Sequence[OutputFile]) -> int:
        """How many bytes may be copied; refuses before the first byte what is listed with more."""
        max_bytes = self._access.max_bytes
        if max_bytes is None:
            return _ANY_SIZE
        total = sum(entry.size for _, entry in files if entry is not None)
        if total > max_bytes:
            raise UnreadableJob(
                f"the outputs of '{self._record.name}' are {total} bytes together; at most {max_bytes} are copied."
                " To accept more, raise limits.total_bytes in your profile"
            )
        return max_bytes

    def _copy_files(
        self, files: Sequence[OutputFile], outputs_fd: int, target: Path, target_fd: int, max_bytes: int
    ) -> list[Path]:
        """Copy ``files`` from the open outputs into the open directory ``target``, at most ``max_bytes`` bytes."""
        copies: list[Path] = []
        remaining_bytes = max_bytes
        for path, entry in files:
            *folder, name = path.split("/")
            with (
                fs.open_directory(outputs_fd, *folder) as src_fd,
                fs.open_directory(target_fd, *folder, create=True, mode=0o700) as dst_fd,
            ):
                copied = fs.copy_file(
                    src_fd, name, dst_fd, name, max_bytes=remaining_bytes if entry is None else entry.size
                )
                if entry is not None and tuple(copied) != tuple(entry):
                    fs.remove(dst_fd, name)
                    raise UnreadableJob(
                        f"outputs/{path} is not what was released: its content differs from what 'shared' lists."
                        " It was not copied.",
                        remedy=Remedy("To check all of it", Action.VERIFY, job=str(self._record.place)),
                    )
            remaining_bytes -= copied.size
            copies.append(target / path)
        return copies

    def log(self, stream: str) -> Path | None:
        """The file that holds ``stream`` ("stdout", "stderr", "returncode"), or None."""
        for folder in self._log_folders(stream):
            try:
                with self._access.directory(*folder) as folder_fd:
                    status = fs.stat_entry(folder_fd, LOGS[stream])
            except (FileNotFoundError, UnreadableJob):
                continue
            if status is not None and stat.S_ISREG(status.st_mode):
                return self._access.base.joinpath(*folder, LOGS[stream])
        return None

    def returncode(self) -> int | None:
        """The exit code, or None where there is none to read.

        Raises:
            UnreadableJob: a link, a device, a folder or a huge file stands in its place.
        """
        for folder in self._log_folders("returncode"):
            try:
                with self._access.directory(*folder) as folder_fd:
                    data = fs.read_file(folder_fd, LOGS["returncode"], limit=_MAX_RETURN_CODE_BYTES)
            except FileNotFoundError:
                continue
            if data is not None:
                match = _RETURN_CODE.fullmatch(data)
                return int(match[1]) if match else None
        return None

    def base_of(self, path: Path) -> Path:
        """The trusted directory that a path of these results is below: the shared folder, or the owner's home."""
        home = self._participant.home
        return home.root if path.is_relative_to(home.root) else home.path

    @property
    def outputs_directory(self) -> Path:
        """Where the outputs are for this participant."""
        return self._access.base / OUTPUTS

    @property
    def unreadable_share(self) -> str:
        """What is wrong with a `shared` that cannot be read, and what helps; empty where that is not so."""
        return self._access.unreadable_share

    @property
    def is_complete(self) -> bool:
        """Whether everything that was promised to this participant is here, whole."""
        have, total = self.arrived
        return have == total and not self._access.is_release_pending

    @property
    def arrived(self) -> tuple[int, int]:
        """The number of files that `shared` lists for this participant and that are here whole, and of all listed."""
        if self._participant.owns(self._record.place):
            return (0, 0)
        listed: dict[str, FileEntry] = {}
        for what, prefix in (("outputs", f"{OUTPUTS}/"), ("logs", "")):
            listed |= {prefix + path: entry for path, entry in (self._access.shared(what).files or {}).items()}
        return (sum(self._is_here(path, entry) for path, entry in listed.items()), len(listed))

    def _has_output(self, path: str) -> bool:
        *folder, name = path.split("/")
        try:
            with self._access.directory(OUTPUTS, *folder) as folder_fd:
                return fs.stat_entry(folder_fd, name) is not None
        except FileNotFoundError:
            return False

    def _log_folders(self, stream: str) -> list[tuple[str, ...]]:
        """The folders below the base in which this participant may find a log, the likeliest first."""
        if self._access.reads_folder:
            return [(), ("logs",)]
        if self._access.reads_home:
            return [("logs",)]
        shared = self._access.shared("logs")
        may_read = shared.who and (shared.files is None or LOGS[stream] in shared.files)
        return [()] if may_read else []

    def _is_here(self, path: str, entry: FileEntry) -> bool:
        *folder, name = path.split("/")
        try:
            with self._access.directory(*folder) as folder_fd:
                status = fs.stat_entry(folder_fd, name)
        except (FileNotFoundError, UnreadableJob):
            status = None
        return entry.size == 0 if status is None else entry.size == status.st_size


def _is_file_or_directory(directory_fd: int, name: str) -> bool:
    status = fs.stat_entry(directory_fd, name)
    return status is not None and (stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode))
