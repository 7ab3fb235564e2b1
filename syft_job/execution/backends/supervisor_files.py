"""The files of a supervisor: the claim by which it begins an attempt, and the exit record that it writes last.

A file keeps the name ``verdict`` for the exit record on disk.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from syft_job.errors import StoreError
from syft_job.execution.evidence import ExitRecord

SUPERVISOR: Final = Path(__file__).with_name("supervise.sh")
MAX_RECORD_BYTES: Final = 4096
FORFEITED: Final = "never begun\n"
"""The content of a claim that was made so that no supervisor can begin the attempt."""
CLAIMING_S: Final = 10.0
"""How long a supervisor may take from the creation of the claim to its content; an older empty claim has no holder."""


@dataclass(frozen=True, slots=True)
class Claim:
    """The supervisor that began an attempt: its process id, its start in clock ticks after boot, and that boot."""

    pid: int
    ticks: int
    boot_id: str


def read_claim(path: Path) -> Claim | None:
    """Return the supervisor that the claim names, or None if there is no claim or it names none.

    The file exists for an instant before it has content. An attempt has begun once the file exists.

    Raises:
        StoreError: the file cannot be read.
    """
    text = read_text(path)
    return None if text is None else parse_claim(text)


def parse_claim(text: str) -> Claim | None:
    """Return the supervisor that the content of a claim names, or None if it names none."""
    words = text.split()
    if len(words) != 3 or not words[0].isascii() or not (words[0] + words[1]).isdigit():
        return None
    return Claim(int(words[0]), int(words[1]), words[2])


def read_exit_record(path: Path, *, or_part: bool = False) -> ExitRecord | None:
    """Return the exit record, or None if there is none yet. The file's own time is that of the end.

    A line without its end is none yet. ``or_part`` also accepts a whole record under the name that an earlier version
    wrote it to first; pass it only where the supervisor is known to be gone.

    Raises:
        StoreError: the file cannot be read, or is no exit record.
    """
    text = read_text(path)
    if text is None or not text.endswith("\n"):
        if not or_part:
            return None
        try:
            part = read_exit_record(path.with_name(f"{path.name}.part"))
        except StoreError:  # torn: its writer ended in the middle, so that nothing is known
            return None
        # A supervisor of an earlier version writes it there first, and may rename it between the two reads.
        return part or read_exit_record(path)
    try:
        body = json.loads(text)
        flags = {name: body[name] for name in ("timed_out", "cancelled", "log_cut", "left_behind")}
        for name in ("too_big", "sandbox_failed"):  # a supervisor of an earlier version does not write them
            flags[name] = body.get(name, False)
        if type(body["returncode"]) is not int or not all(type(flag) is bool for flag in flags.values()):
            raise TypeError("wrong type")
        ended = datetime.fromtimestamp(path.stat().st_mtime, UTC)
        started = ended - timedelta(seconds=body["seconds"])
    except (ValueError, KeyError, TypeError, OverflowError, OSError) as error:
        raise StoreError(f"{path} is no exit record of a supervisor ({error}). It was changed or damaged.") from error
    return ExitRecord(returncode=body["returncode"], **flags, started_at=started, ended_at=ended)


def is_being_claimed(claim: Path) -> bool:
    """Whether the claim was made a moment ago and has no content yet."""
    try:
        stat = claim.stat()
    except FileNotFoundError:
        return False
    return stat.st_size == 0 and abs(time.time() - stat.st_mtime) < CLAIMING_S


def read_text(path: Path) -> str | None:
    """Return the content of a small file of a supervisor, or None if there is no such file.

    Raises:
        StoreError: the file cannot be read.
    """
    try:
        with path.open("rb") as file:
            return file.read(MAX_RECORD_BYTES).decode("utf-8", errors="replace")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StoreError(f"{path} cannot be read: {error}.", errno=error.errno) from error
