"""Job directories without signatures, as releases before format 1 wrote them: the adapter that reads them.

Their manifest has no ``format`` and lists no files (format.md §The older layout). The files that are there are hashed,
so the job's digest covers exactly them; markers are empty files. `gather` gives the same evidence as for a directory
of format 1, with a `Layout` that tells what is missing. No other module knows of this layout.

Invariants: an empty marker starts nothing; only a signed approval of the owner over the digest of the files counts.
What a review, an approval or a copy is about is hashed each time; only lists use cached digests.
"""

from __future__ import annotations

import os
import time
from dataclasses import replace

from syft_job import fs
from syft_job.errors import InvalidName, UnreadableJob
from syft_job.format.manifest import FileEntry, JobSpec, SubmissionLimits, files_digest
from syft_job.format.markers import BLOCKED, OWNERS_NAMES
from syft_job.model import names
from syft_job.model.job_record import Layout
from syft_job.model.names import InnerPath
from syft_job.model.quoting import quoted
from syft_job.model.states import Fact, FactKind, JobState, derive_state

from .arrival import Arrival
from .evidence import Evidence, Statements, SubmissionReader
from .job_contents import is_litter_path
from .job_directory import JobDirectory
from .participant import Participant

UNSIGNED_LAYOUT = Layout(is_signed=False, lists_files=False, may_hold_results=True)
_UNSIGNED_REMARK = "older layout: its submitter signed nothing"
_MAX_CACHED_DIGESTS = 2000
_CHECK_INTERVAL_FILES = 256


class NotHashed(UnreadableJob):
    """The files of a job have not been hashed yet."""


class FileDigests:
    """The cached digests of files that no manifest lists, for lists: each file is hashed once per change.

    Never for a decision. Holds the digests of at most 2,000 files; the oldest are dropped first.

    Args:
        settles: seconds for which a file must not have changed before its times show a later change.
    """

    def __init__(self, settles: float) -> None:
        self._settles = settles
        self._entries: dict[tuple[int, int, int, int], FileEntry] = {}
        self._remaining_bytes = 0

    def allow(self, size: int) -> None:
        """Allow ``size`` bytes to be hashed from now on; the rest of an earlier allowance ends."""
        self._remaining_bytes = size

    def entry(self, directory_fd: int, name: str, status: os.stat_result) -> FileEntry:
        """The size and digest of a plain file, cached or hashed now.

        Raises:
            NotHashed: hashing it would take more than is allowed.
        """
        key = (status.st_ino, status.st_ctime_ns, status.st_mtime_ns, status.st_size)
        cached = self._entries.get(key)
        if cached is not None:
            return cached
        if status.st_size > self._remaining_bytes:
            raise NotHashed(f"{quoted(name)} of {status.st_size} bytes is more than may be hashed now")
        self._remaining_bytes -= status.st_size
        before = time.time()
        entry = FileEntry(*fs.hash_file(directory_fd, name, max_bytes=status.st_size))
        if before - max(status.st_mtime, status.st_ctime) > self._settles:
            while len(self._entries) >= _MAX_CACHED_DIGESTS:
                del self._entries[next(iter(self._entries))]
            self._entries[key] = entry
        return entry


def gather(
    directory: JobDirectory, spec: JobSpec, participant: Participant, digests: FileDigests | None = None
) -> Evidence:
    """The evidence about a job directory of this layout; ``spec`` is its manifest, which lists no files."""
    problem, digest, not_hashed = "", "", None
    try:
        spec = replace(spec, files=hash_files(directory.fd, participant.limits, digests))
        digest = files_digest(spec.files)
    except NotHashed as error:
        not_hashed = f"its files have not been hashed yet, so its digest is unknown in this list: {error}"
    except UnreadableJob as error:
        problem = str(error)
    source = SubmissionReader(directory, spec, digest, participant)
    markers = source.markers(full=True)
    empty_kinds = {item.marker.kind for item in markers.checked if not item.is_valid and not item.marker.digest}
    facts = [Fact(FactKind.SUBMITTED)]
    if not_hashed is not None:
        # Without its digest it is unknown whether a marker is of this submission.
        markers = markers._replace(findings=[not_hashed])
    if not source.recorded and "done" in empty_kinds:
        facts.append(Fact(FactKind.DONE, 1, JobState.SUCCEEDED.value))
        markers = markers._replace(findings=[finding for finding in markers.findings if "'done'" not in finding])
    statements = Statements(source.recorded, markers, claim=source.claim())
    position = derive_state([*facts, *statements.facts])
    is_block_read = position.state is JobState.QUEUED or BLOCKED in directory.names
    return Evidence(
        source=source,
        statements=statements,
        position=position,
        problem=problem,
        arrival=Arrival(len(spec.files), ()),
        total=len(spec.files),
        remarks=[_UNSIGNED_REMARK],
        warnings=(),
        unpublished=source.unpublished(position),
        block=source.block(position) if is_block_read else None,
        layout=UNSIGNED_LAYOUT,
        has_forged_approval="approved" in empty_kinds and not source.recorded,
        is_settled=not_hashed is None,
    )


def hash_files(job_fd: int, limits: SubmissionLimits, digests: FileDigests | None = None) -> dict[InnerPath, FileEntry]:
    """Hash all plain files of the open job directory that are not the owner's.

    Args:
        job_fd: the open directory.
        limits: what is accepted.
        digests: for a list only, the cached digests of files that did not change.

    Raises:
        NotHashed: they are more than ``digests`` may hash now.
        UnreadableJob: something there is no plain file, or there is more than ``limits`` allow.
    """
    files: dict[InnerPath, FileEntry] = {}
    remaining_bytes = limits.total_bytes
    for entry in fs.walk(job_fd, max_entries=limits.files * 2):
        top = entry.path.partition("/")[0]
        if entry.is_dir or top in OWNERS_NAMES or is_litter_path(entry.path):
            continue
        if len(files) % _CHECK_INTERVAL_FILES == _CHECK_INTERVAL_FILES - 1:
            fs.check_interrupted()  # hashing an empty file does not check; a small job is read to its end
        path = _inner_path(entry)
        folder, _, name = path.rpartition("/")
        with fs.open_directory(job_fd, *(folder.split("/") if folder else ())) as folder_fd:
            if digests is not None and entry.stat.st_size <= remaining_bytes:
                files[path] = digests.entry(folder_fd, name, entry.stat)
            else:
                files[path] = FileEntry(*fs.hash_file(folder_fd, name, max_bytes=remaining_bytes))
        remaining_bytes -= files[path].size
        if len(files) > limits.files:
            raise UnreadableJob(f"there are more than {limits.files} files")
    if collision := names.find_collision(files):
        raise UnreadableJob(f"{collision[0]!r} and {collision[1]!r} are one file on some machines")
    return files


def _inner_path(entry: fs.Entry) -> InnerPath:
    try:
        path = names.normalize_inner_path(entry.path)
    except InvalidName as error:
        raise UnreadableJob(str(error)) from error
    if path != entry.path or not entry.is_file:
        raise UnreadableJob(f"{entry.path!r} is {fs.describe_type(entry.stat)}, not a plain file")
    return path
