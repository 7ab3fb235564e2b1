"""Whether approved jobs wait for a free slot of the runner: recorded by the runner, read by `show` and `doctor`.

The runner writes the file when jobs begin to wait and removes it when none waits any more, not once a sweep or a job.
It is a report and no decision: nothing starts or is kept from starting because of it, and it need not survive a crash.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from syft_job import fs

from .home import Home

FILE: Final = "slots.json"


@dataclass(frozen=True, slots=True)
class BusySlots:
    """All slots of a runner are busy while jobs wait: how many there are, and since when, in seconds since 1970."""

    count: int
    since: float

    def __str__(self) -> str:
        since = datetime.fromtimestamp(self.since, UTC).strftime("%Y-%m-%d %H:%M UTC")
        return f"a free slot ({self.count} of {self.count} busy since {since})"


def write_busy_slots(home: Home, busy: BusySlots | None) -> None:
    """Record that jobs wait for a free slot, or with None that none does.

    Raises:
        StoreError: the home cannot be written.
    """
    if busy is None and not (home.path / FILE).exists():
        return
    with fs.open_directory(home.path) as dir_fd:
        if busy is None:
            fs.remove(dir_fd, FILE, durable=False)
        else:
            text = json.dumps({"count": busy.count, "since": busy.since})
            fs.write_file(dir_fd, FILE, text.encode() + b"\n", mode=0o600, durable=False)


def read_busy_slots(home: Home) -> BusySlots | None:
    """Return the slots that jobs wait for; None where no runner serves, none waits, or that cannot be told."""
    if home.runner_pid() is None:
        return None
    try:
        body = json.loads((home.path / FILE).read_bytes())
        return BusySlots(int(body["count"]), float(body["since"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def awaits_slot(home: Home, submitter: str, job: str, attempt: int) -> bool:
    """Return True if nothing but a free slot keeps an approved job from its start.

    Args:
        home: the owner's.
        submitter: whose job it is.
        job: its submission id.
        attempt: its present attempt.
    """
    is_paused = bool({"*", submitter} & home.paused())
    return not is_paused and home.read_blocked(job) is None and not home.ledger.is_under_way(job, attempt)
