"""What a submission would take along and leave out, for people; nothing is written."""

from __future__ import annotations

from dataclasses import dataclass

from syft_job.model import names

from .exclusions import IGNORE_FILE, LeftOut
from .participant import Participant
from .submission import check_limits, require_datasite
from .submission_source import Source, findings_of

_MAX_ANNOUNCED_IGNORED = 20


@dataclass(frozen=True, slots=True)
class SubmissionPreview:
    """What a submission would take along, and what it would leave out; nothing was written.

    Attributes:
        owner: the address that it would be submitted to.
        files: (path inside the job, size in bytes) of each file, `run.sh` first.
        left_out: the files and folders that would be left out, each with its reason.
        warnings: sentences about what would be submitted.
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
        """The preview for people, line by line."""
        lines = [f"Would submit to {self.owner}: {len(self.files)} files, {self.total_bytes} bytes together"]
        width = max((len(str(size)) for _, size in self.files), default=0)
        lines += [f"  {size:>{width}}  {path}" for path, size in self.files]
        if self.left_out:
            lines += [f"Left out: {len(self.left_out)}", *(f"  {item}" for item in self.left_out)]
        lines += [f"Warning: {warning}" for warning in self.warnings]
        return [*lines, "Nothing was written."]

    def __str__(self) -> str:
        return "\n".join(self.lines)


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
    require_datasite(participant.home.root, address)
    files = source.file_sizes
    check_limits(files, participant)
    warnings = (*source.warnings, *map(str, findings_of(source)))
    return SubmissionPreview(address, tuple(files), source.left_out, warnings)


def announced(name: str, source: Source) -> list[str]:
    """The lines to print about a submission: what was left out, and warnings.

    Each path has a line; of those that only the ignore file leaves out, the first few.
    """
    ignored = [item for item in source.left_out if item.is_ignored]
    lines = [f"Left out of '{name}': {item}" for item in source.left_out if not item.is_ignored]
    lines += [f"Left out of '{name}': {item}" for item in ignored[:_MAX_ANNOUNCED_IGNORED]]
    if len(ignored) > _MAX_ANNOUNCED_IGNORED:
        lines.append(f"Left out of '{name}': {len(ignored) - _MAX_ANNOUNCED_IGNORED} more by {IGNORE_FILE}")
    return lines + [f"Warning for '{name}': {warning}." for warning in source.warnings]
