"""What two people must see of a job, told from what was really said and from the files that lie before them.

It is written from the format's description, apart from the code that it judges: it knows ranks and attempts, compares
bytes with what the owner's hand is known to have laid, and checks no seal.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Mapping
from typing import Any, NamedTuple

from syft_job.format.manifest import CONFIG, job_id
from syft_job.model.job_ref import JobRef
from syft_job.model.states import JobState

YES, TAKEN_BACK, BEGUN, OVER, STOPPED, NO = 2, 3, 4, 5, 6, 7
"""The ranks of what is said."""
_RANKS = {"approved": YES, "running": BEGUN, "done": OVER, "cancelled": STOPPED, "rejected": NO}
_STATES = {YES: JobState.QUEUED, BEGUN: JobState.RUNNING, STOPPED: JobState.CANCELLED, NO: JobState.REJECTED}


class Word(NamedTuple):
    """One thing that was said of a job; the greatest decides."""

    attempt: int
    rank: int
    state: JobState


class View(NamedTuple):
    """What somebody sees of a job."""

    attempt: int
    state: JobState
    is_taken_back: bool


class Oracle:
    """What was said of every submission, and to whom which results were let out."""

    def __init__(self) -> None:
        self.submissions: set[bytes] = set()
        self.words: dict[str, set[Word]] = defaultdict(set)
        self.taken_back: dict[str, set[bytes]] = defaultdict(set)
        self.promised: dict[tuple[str, int], set[str]] = defaultdict(set)
        self.deposited: set[str] = set()
        self.cleaned: set[str] = set()

    def said(self, job: str, attempt: int, rank: int, state: JobState | None = None) -> None:
        """The owner's hand said something of a submission; ``state`` is given with how an attempt ended."""
        self.words[job].add(Word(attempt, rank, state or _STATES[rank]))

    def view(
        self, place: JobRef, files: Mapping[str, bytes], laid: Mapping[str, list[bytes]], *, is_owner: bool
    ) -> View | None:
        """What a person must see of a job of which these files lie before them; None where that is not a job's.

        Args:
            place: the job's.
            files: what lies in its directory.
            laid: of each path in the directory, everything that was ever laid there by somebody's hand.
            is_owner: whether it is the owner who looks.
        """
        config = files.get(CONFIG)
        if config is not None and config not in self.submissions:
            return None
        job = job_id(place, config or b"")
        digest = hashlib.sha256(config).hexdigest() if config else ""
        words = {Word(1, 0, JobState.CREATED)}
        if config and _is_whole(json.loads(config), files):
            words.add(Word(1, 1, JobState.SUBMITTED))
        words |= self.words[job] if is_owner else set()
        for path, content in files.items():
            if content in laid.get(path, ()):
                words |= _words_of(path, content, digest)
        attempt, rank, state = max(words)
        is_taken_back = files.get("withdrawn") in self.taken_back[job]
        return View(attempt, JobState.CANCELLED if is_taken_back and rank < TAKEN_BACK else state, is_taken_back)


def _is_whole(config: Mapping[str, Any], files: Mapping[str, bytes]) -> bool:
    return all(len(files.get(path, b"")) == entry["size"] for path, entry in config["files"].items())


def _words_of(path: str, content: bytes, digest: str) -> set[Word]:
    folder, _, name = path.rpartition("/")
    if folder not in ("", "attempts") or (folder == "" and name not in _RANKS):
        return set()
    said = json.loads(content)
    if said["digest"] != digest:
        return set()
    if folder:
        return {Word(said["attempt"] + 1, YES, JobState.QUEUED)}
    rank = _RANKS[name]
    return {Word(said["attempt"], rank, JobState(said["outcome"]) if rank == OVER else _STATES[rank])}
