"""The workspace of an attempt: the approved bytes are copied in, its results are copied home, and it is removed.

Each function is one step that may be killed anywhere and repeated.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from syft_job import fs
from syft_job.errors import BlockedCategory, NotStarted, UnreadableJob
from syft_job.exchange import listed_files
from syft_job.exchange.job_reader import JobSnapshot
from syft_job.exchange.result_staging import StagedDirectory
from syft_job.exchange.result_tree import copy_tree
from syft_job.execution.attempt_operations import JOB, STREAMS
from syft_job.execution.evidence import ExitRecord
from syft_job.format.manifest import JobSpec
from syft_job.format.markers import LOGS, OUTPUTS
from syft_job.fs.probe import probe
from syft_job.home.home import Home
from syft_job.model import names
from syft_job.model.job_ref import JOBS
from syft_job.model.quoting import shortened

from .attempt_files import Attempt

MAX_LEFT_OUT = 100
MAX_LEFT_OUT_CHARACTERS = 400
SMALL_ENTRIES = 32
SMALL_BYTES = 4 << 20
"""Up to this, results are copied by the runner's own thread: an fsync a file, so some milliseconds."""


def create_workspace(attempt: Attempt, snapshot: JobSnapshot) -> None:
    """Make the workspace: exactly the listed files, hashed while they are copied; in place once it is whole.

    It need not survive a power cut, so one that was made before is hashed again and made anew where it is not whole.

    Raises:
        NotStarted: a file is missing or differs from the manifest; the message names it.
    """
    spec = snapshot.spec
    if spec is None:
        raise _differs(snapshot.record.problem or "it cannot be read")
    base = attempt.workspace.parent
    mode = attempt.participant.home.workspace_mode
    fs.make_directory(base, mode=mode)
    # A cleaner of /tmp may have removed it, and another user replaced it.
    attempt.participant.home.require_safe_workspaces()
    temporary = fs.temporary_name()
    with fs.open_directory(base) as opened:
        if fs.stat_entry(opened, attempt.workspace.name) is not None:
            if _is_whole(attempt, spec):
                return  # made by a runner that was stopped before it could start the attempt
            fs.remove(opened, attempt.workspace.name)
        fs.make_new_directory(opened, temporary, mode=mode)
        try:
            with fs.open_directory(opened, temporary, JOB, create=True, mode=0o700, durable=False) as job:
                _copy_listed(attempt, snapshot, job)
                fs.make_new_directory(job, OUTPUTS, mode=0o700)
            fs.rename(opened, temporary, opened, attempt.workspace.name, durable=False)
        except BaseException:
            fs.discard(opened, temporary)
            raise


class LeftOutResults(list[str]):
    """Reasons why some of an attempt's results could not be kept: the first ones, as many as the ledger may hold.

    The job chooses how many names there are and how long they are.
    """

    def __init__(self) -> None:
        super().__init__()
        self.more = 0

    def append(self, words: str) -> None:
        """Add a reason, cut to a bounded length; beyond `MAX_LEFT_OUT` they are only counted."""
        if len(self) < MAX_LEFT_OUT:
            super().append(shortened(words, MAX_LEFT_OUT_CHARACTERS).encode("utf-8", "backslashreplace").decode())
        else:
            self.more += 1

    def end(self) -> None:
        """Add how many reasons were only counted."""
        if self.more:
            super().append(f"and {self.more} more files and folders")


class ResultCopies:
    """Copies of everything that an attempt left, in the home under a temporary name; close it.

    Args:
        attempt: the attempt.
        exit_record: how it ended; None where that is not known.
        max_bytes: how much its outputs may hold; None for no other limit than the owner's for results.
    """

    def __init__(self, attempt: Attempt, exit_record: ExitRecord | None, max_bytes: int | None) -> None:
        self.left_out = LeftOutResults()
        """What could not be kept, and why."""
        self._name = attempt.held.name
        self._staged: StagedDirectory | None = None
        if not attempt.workspace.is_dir() and attempt.held.exists():
            return  # copied before, by a runner that was stopped before it could record that
        self._staged = StagedDirectory(attempt.participant.home, attempt.held.parent, locked=False)
        try:
            self._copy(self._staged.descriptor, attempt, exit_record, max_bytes)
        except BaseException:
            self._staged.close()
            raise

    def _copy(self, held: int, attempt: Attempt, exit_record: ExitRecord | None, max_bytes: int | None) -> None:
        with fs.open_directory(held, "logs", create=True, mode=0o700, durable=False) as logs:
            _copy_logs(attempt, logs, self.left_out)
            if exit_record is not None:
                fs.create_file(logs, LOGS["returncode"], f"{exit_record.returncode}\n".encode(), mode=0o600)
            fs.fsync_directory(logs)
        with fs.open_directory(held, OUTPUTS, create=True, mode=0o700, durable=False) as outputs:
            _copy_outputs(attempt, outputs, self.left_out, max_bytes)
        self.left_out.end()
        if self.left_out:
            fs.create_file(held, "left_out.txt", "\n".join(self.left_out).encode() + b"\n", mode=0o600)
        fs.fsync_directory(held)

    def keep(self) -> None:
        """Make the copies what the home holds of the attempt, as a whole; harmless where that was done before."""
        if self._staged is not None:
            with fs.defer_removals():
                self._staged.put_in_place(self._name)

    def close(self) -> None:
        """Remove what was not kept."""
        if self._staged is not None:
            self._staged.close()


def is_small(path: Path) -> bool:
    """Return True if the tree at ``path`` is copied and removed faster than another thread is told to do it."""
    entries, size = 0, 0
    ahead = [path]
    while ahead:
        try:
            with os.scandir(ahead.pop()) as found:
                for entry in found:
                    entries += 1
                    if entry.is_dir(follow_symlinks=False):
                        ahead.append(Path(entry.path))
                    else:
                        size += entry.stat(follow_symlinks=False).st_size
                    if entries > SMALL_ENTRIES or size > SMALL_BYTES:
                        return False
        except FileNotFoundError:
            continue
        except OSError:
            return False  # that cannot be told; a thread of its own can wait for it
    return True


def remove_workspace(attempt: Attempt) -> None:
    """Remove the workspace; the results are held and the end is in the ledger."""
    try:
        with fs.open_directory(attempt.workspace.parent) as opened:
            fs.remove(opened, attempt.workspace.name, durable=False)
    except FileNotFoundError:
        return


def tidy(home: Home) -> None:
    """Remove what stopped processes left half done: unfinished copies, and workspaces of attempts that do not run.

    Under the lock, so that no process is in the middle of it, trees are only renamed away; they are removed after it.
    """
    with home.locked():
        home.ledger.tidy()
        for base in (
            home.path,
            home.paths.held_results,
            home.paths.review_notes,
            home.paths.blocked_reasons,
            home.workspaces,
        ):
            if base.is_dir():
                with fs.open_directory(base) as opened:
                    fs.remove_temporaries(opened)
        if not home.workspaces.is_dir():
            return
        unfinished = {f"{job}.{number}" for job, number in home.ledger.unfinished()}
        with fs.open_directory(home.workspaces) as opened:
            for name in os.listdir(opened):
                if name not in unfinished and not fs.is_temporary(name):
                    fs.remove(opened, name, durable=False)


def remove_copies(home: Home) -> None:
    """Remove the copies of results that killed processes left on their way into jobs of this datasite (`staging`)."""
    probe(home.root)  # a folder that hangs must not be met with the lock in hand
    with (
        suppress(FileNotFoundError, UnreadableJob),
        fs.open_directory(home.root, home.email, *JOBS) as jobs,
        home.locked(),
    ):
        fs.remove_temporaries(jobs)


def tidy_folder(home: Home) -> None:
    """Remove what a `clean` that was killed left under temporary names among the jobs of this datasite."""
    with suppress(FileNotFoundError, UnreadableJob), fs.open_directory(home.root, home.email, *JOBS) as jobs:
        for submitter in os.listdir(jobs):
            fs.check_interrupted()
            if names.is_address(submitter):
                with suppress(FileNotFoundError, UnreadableJob), fs.open_directory(jobs, submitter) as opened:
                    fs.remove_temporaries(opened, only_old=True)


def _is_whole(attempt: Attempt, spec: JobSpec) -> bool:
    """Return True if a workspace that was made before holds exactly the listed files, byte for byte."""
    try:
        with fs.open_directory(attempt.workspace, JOB) as job:
            present = [entry for entry in fs.walk(job, max_entries=2 * len(spec.files) + 64) if not entry.is_dir]
            if {entry.path for entry in present} != spec.files.keys() or fs.stat_entry(job, OUTPUTS) is None:
                return False
            for path, entry in spec.files.items():
                fs.check_interrupted()
                *inside, name = path.split("/")
                with fs.open_directory(job, *inside) as folder:
                    if fs.hash_file(folder, name, max_bytes=entry.size) != (entry.size, entry.sha256):
                        return False
    except (FileNotFoundError, UnreadableJob):
        return False
    return True


def _copy_listed(attempt: Attempt, snapshot: JobSnapshot, job: int) -> None:
    assert snapshot.spec is not None  # noqa: S101 - the caller checked
    root = attempt.participant.home.root
    with fs.open_directory(root, *attempt.ref.parts) as source:
        if not listed_files.is_same_file_set(snapshot, source, attempt.participant.limits):
            raise _differs("its files changed since the approval; it waits until the bytes are back")
        for path, entry in snapshot.spec.files.items():
            fs.check_interrupted()  # files without content, which hold no chunk to check at, count, too
            *inside, name = path.split("/")
            try:
                with (
                    fs.open_directory(source, *inside) as reading,
                    fs.open_directory(job, *inside, create=True, mode=0o700, durable=False) as to,
                ):
                    copied = fs.copy_file(
                        reading, name, to, name, max_bytes=entry.size, mode=0o700 if not inside else 0o600, private=True
                    )
            except FileNotFoundError:
                if entry.size:
                    raise _differs(f"{path!r} is not here; it waits until the bytes are back") from None
                with fs.open_directory(job, *inside, create=True, mode=0o700, durable=False) as to:
                    fs.create_file(to, name, b"", mode=0o600, durable=False)
                continue
            except UnreadableJob as error:
                raise _differs(f"{path!r} is not what was approved: {error}") from error
            if copied != (entry.size, entry.sha256):
                raise _differs(f"{path!r} is not what was approved; it waits until the bytes are back")


def _differs(message: str) -> NotStarted:
    return NotStarted(message, category=BlockedCategory.FILES)


def _copy_logs(attempt: Attempt, logs: int, left_out: LeftOutResults) -> None:
    try:
        with fs.open_directory(attempt.workspace) as workspace:
            for stream in STREAMS:
                if fs.stat_entry(workspace, stream) is None:
                    continue
                try:
                    fs.copy_file(workspace, stream, logs, LOGS[stream], max_bytes=1 << 40, durable=True)
                except UnreadableJob as error:  # a job without a sandbox can reach it
                    left_out.append(f"the log of {stream}: {error}")
    except FileNotFoundError:
        return  # it never had a workspace: lost before anything was printed


def _copy_outputs(attempt: Attempt, outputs: int, left_out: LeftOutResults, max_bytes: int | None) -> None:
    try:
        with fs.open_directory(attempt.workspace, JOB, OUTPUTS) as source:
            copy_tree(source, outputs, attempt.participant.limits, left_out=left_out, max_bytes=max_bytes, private=True)
    except FileNotFoundError:
        return  # the job removed its folder, or never had one
    except UnreadableJob as error:
        left_out.append(f"not all of the outputs could be kept: {error}")
