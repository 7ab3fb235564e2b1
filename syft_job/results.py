"""What of a job this person may read: results, history, and whether all of it is genuine.

The owner reads held results at home; others read what `shared` lists for them in the folder. Nothing here changes
anything.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO

from . import disk, folder, spec
from .errors import UnreadableJob
from .folder import Look
from .lifecycle import JobState
from .markers import LOGS, OUTPUTS, RULES
from .record import JobRecord
from .review.pack import hashes_match
from .spec import FileEntry
from .testimony import MISSING
from .viewer import Viewer

_WORDS = {
    "approve": "approved",
    "reject": "rejected",
    "cancel": "cancelled",
    "deposit": "answered by a deposited result",
    "start": "started",
    "over": "over",
    "released": "results released",
    "permit": "another attempt permitted",
    "clean": "cleaned",
    "forget": "results removed from home",
    "tacit": "outcome kept until something is shared",
}

MISHAPS = {
    "sandbox_failed": "its sandbox could not be set up, so nothing of it ran: see its log and syft-job doctor",
    "too_big": "it was ended because its folder held more than it may",
    "log_cut": "not all that it printed is kept",
    "left_behind": "processes of it live on",
}
"""What the ledger's line about an end may tell besides, in words."""

_ORDER = ("approved", "blocked", "withdrawn", "running", "done", "shared", "cancelled", "rejected", "attempt")
"""In which order the hands speak within one attempt; the times of `done` are too coarse to tell."""


@dataclass(frozen=True, slots=True)
class Said:
    """One thing that was said of a job: when, what, of which attempt, and what else."""

    at: str
    what: str
    attempt: int
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.at}  {self.what} (attempt {self.attempt})" + (f": {self.detail}" if self.detail else "")


@dataclass(frozen=True, slots=True)
class Verification:
    """The result of checking a job anew: what holds, and what does not."""

    holds: tuple[str, ...]
    fails: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing fails."""
        return not self.fails

    def __bool__(self) -> bool:
        return self.ok

    def __str__(self) -> str:
        lines = [*(f"✓ {line}" for line in self.holds), *(f"✗ {line}" for line in self.fails)]
        return "\n".join([*lines, "Everything holds." if self.ok else "Something does not hold; see above."])


class Results:
    """The results of a job's present attempt, as far as this person may read them."""

    def __init__(self, viewer: Viewer, record: JobRecord) -> None:
        self._viewer = viewer
        self._record = record
        self._root = viewer.home.root
        self._parts = record.place.parts

    def outputs(self) -> list[Path]:
        """Files and folders directly in the outputs, in name order."""
        if self._record.status != "done":
            return []
        if self._reads_from_folder:
            return _entries(self._root, *self._parts, OUTPUTS)
        if self._viewer.owns(self._record.place):
            return _entries(self._held, OUTPUTS)
        listed = {path.partition("/")[0] for path in self._told("outputs")}
        return _entries(self._root, *self._parts, OUTPUTS, only=listed)

    def log(self, stream: str) -> Path | None:
        """The file that holds ``stream`` ("stdout", "stderr", "returncode"), or None."""
        name = LOGS[stream]
        if self._reads_from_folder:
            candidates = [(*self._parts, name), (*self._parts, "logs", name)]
        elif self._viewer.owns(self._record.place):
            return self._held / "logs" / name if _is_plain(self._held, "logs", name) else None
        else:
            candidates = [(*self._parts, name)] if name in self._told("logs") else []
        return next((self._root.joinpath(*parts) for parts in candidates if _is_plain(self._root, *parts)), None)

    def open_log(self, stream: str) -> BinaryIO | None:
        """Open the file that holds ``stream``; no link is followed below the shared folder and the home.

        Returns:
            None where there is no such log, or where it went away meanwhile.

        Raises:
            UnreadableJob: something of another kind was placed on the way to it.
        """
        path = self.log(stream)
        if path is None:
            return None
        try:
            return disk.open_plain(path, below=self.base_of(path))
        except FileNotFoundError:
            return None

    def base_of(self, path: Path) -> Path:
        """The trusted directory that a path of these results is below: the shared folder, or the owner's home."""
        return self._root if path.is_relative_to(self._root) else self._viewer.home.path

    @property
    def is_complete(self) -> bool:
        """Whether everything that was promised to this person is here, whole."""
        have, total = self.arrived
        return have == total and not self._is_owed

    @property
    def arrived(self) -> tuple[int, int]:
        """How many of the files that `shared` lists for this person are here with their size, and how many it lists."""
        if self._viewer.owns(self._record.place):
            return (0, 0)
        listed = {f"{OUTPUTS}/{path}": entry for path, entry in self._told("outputs").items()} | dict(
            self._told("logs")
        )
        return (sum(self._is_here(path, entry) for path, entry in listed.items()), len(listed))

    @cached_property
    def _look(self) -> Look | None:
        try:
            return folder.look(self._viewer.home.root, self._record.place, self._viewer)
        except FileNotFoundError:
            return None

    @property
    def _held(self) -> Path:
        return self._viewer.home.held(self._record.id, self._record.attempt)

    @property
    def _reads_from_folder(self) -> bool:
        """Deposited results, and those of older runners, lie in the folder for whoever can read it."""
        if self._viewer.owns(self._record.place):
            said = self._viewer.home.ledger.events(self._record.id)
            return "deposit" in said or (self._record.older and "over" not in said)
        return self._record.older and not self._told("outputs") and not self._told("logs")

    @property
    def _is_owed(self) -> bool:
        """Whether the yes promised this person something that no `shared` of this attempt lists yet."""
        record = self._record
        if self._viewer.owns(record.place) or not record.state.is_finished or self._look is None:
            return False
        permits = ("attempt", record.attempt - 1), ("approved", record.attempt)
        promised: set[str] = set()
        for kind, attempt in permits:
            marker = self._look.marker(kind)
            if marker is not None and marker.attempt == attempt:
                promised = _granted(marker.body.get("share"), self._viewer.email)
        return bool(promised - self._shared_with_me())

    def _shared_with_me(self) -> set[str]:
        body = self._shared()
        return {what for what in ("outputs", "logs") if _includes(body.get(what), self._viewer.email)}

    def _shared(self) -> Mapping[str, Any]:
        marker = self._look.marker("shared") if self._look is not None else None
        return marker.body if marker is not None and marker.attempt == self._record.attempt else {}

    def _told(self, what: str) -> Mapping[str, FileEntry]:
        said = self._shared().get(what)
        if not _includes(said, self._viewer.email):
            return {}
        files = said.get("files") if isinstance(said, dict) else None
        if not isinstance(files, dict):
            return {name: FileEntry(-1, "") for name in self._lying(what)}
        return {path: FileEntry(entry["size"], entry["sha256"]) for path, entry in files.items()}

    def _lying(self, what: str) -> list[str]:
        """What lies in the folder, for a grantee to whom `shared` lists no files."""
        if what == "logs":
            return [name for name in LOGS.values() if _is_plain(self._root, *self._parts, name)]
        return [path.name for path in _entries(self._root, *self._parts, OUTPUTS)]

    def _is_here(self, path: str, entry: FileEntry) -> bool:
        found = disk.status_of(self._root, *self._parts, *path.split("/"))
        if found is None:
            return entry.size <= 0
        return entry.size in (-1, found.st_size)


def reason_of(viewer: Viewer, record: JobRecord) -> str:
    """Why a job was rejected, cancelled or withdrawn, in the words of the one who did it; empty where none were given.

    The owner's own words are read from the ledger, because a listing does not open the markers that it vouches for.
    """
    event = {JobState.REJECTED: "reject", JobState.CANCELLED: "cancel"}.get(record.state)
    if event is None or record.standing.withdrawn or not viewer.owns(record.place):
        return record.reason
    lines = [line for line in viewer.home.ledger.lines(record.id) if line.event == event]
    reason = lines[-1].said.get("mark", {}).get("reason") if lines else None
    return reason if isinstance(reason, str) else ""


def history(viewer: Viewer, look: Look) -> list[Said]:
    """What was said of a submission, oldest first: from the ledger for its owner, from the markers for others."""
    record = look.record
    said = []
    if record.submitted_at:
        said.append(Said(record.submitted_at, f"submitted by {record.submitter}", 1, "their clock"))
    if viewer.owns(record.place) and viewer.home.exists:
        for line in viewer.home.ledger.lines(record.id):
            mark = line.said.get("mark", {})
            at = str(line.said.get("at") or mark.get("at", ""))
            said.append(Said(at, _WORDS.get(line.event, line.event), line.attempt, _detail(line.said, mark)))
        return said
    for found in sorted(look.markers, key=lambda item: (item.marker.attempt, _ORDER.index(item.marker.kind))):
        if found.ignored is None:
            what = "another attempt permitted" if found.marker.kind == "attempt" else found.marker.kind
            said.append(Said(found.marker.at, what, found.marker.attempt, _detail({}, found.marker.body)))
    return said


def verify(viewer: Viewer, look: Look) -> Verification:
    """Check seals, submitted files and released files anew."""
    record, root = look.record, viewer.home.root
    holds: list[str] = []
    fails: list[str] = [record.problem] if record.problem else []
    if look.config and spec.submitters_key(look.config, record.place, viewer.limits):
        holds.append("config.yaml is sealed by its submitter's key, for this place")
    elif not record.older:
        fails.append("config.yaml carries no valid seal")
    different = hashes_match(look, root)
    fails += different
    if not different and look.spec is not None:
        holds.append(f"all {len(look.spec.files)} submitted files are as listed")
    for found in look.markers:
        words = f"'{found.marker.kind}' of attempt {found.marker.attempt}"
        if found.ignored is None:
            holds.append(f"{words} is sealed for this submission")
        else:
            fails.append(f"{words} does not count: {found.ignored}")
    fails += [finding for finding in record.findings if MISSING in finding]
    if not viewer.owns(record.place) and (doubt := viewer.doubt(record.place, look.spec)):
        fails.append(doubt)
    shared = look.marker("shared")
    if shared is not None and shared.attempt == record.attempt:
        wrong = _released_wrong(look, root, shared.body)
        fails += wrong
        if not wrong:
            holds.append("the released files are as listed in 'shared'")
    return Verification(tuple(holds), tuple(fails))


def _released_wrong(look: Look, root: Path, body: Mapping[str, Any]) -> list[str]:
    wrong = []
    for what, prefix in (("outputs", f"{OUTPUTS}/"), ("logs", "")):
        files = body[what].get("files", {}) if isinstance(body.get(what), dict) else {}
        for path, entry in files.items():
            *inside, name = (prefix + path).split("/")
            try:
                with disk.directory(root, *look.record.place.parts, *inside) as opened:
                    found = disk.hash_file(opened, name, most=entry["size"])
                if found != (entry["size"], entry["sha256"]):
                    wrong.append(f"{prefix}{path} is not what was released")
            except FileNotFoundError:
                if entry["size"]:  # some transports drop empty files
                    wrong.append(f"{prefix}{path} has not arrived")
            except UnreadableJob as error:
                wrong.append(f"{prefix}{path} is not what was released: {error}")
    return wrong


def _detail(line: Mapping[str, Any], mark: Mapping[str, Any]) -> str:
    parts = []
    outcome = line.get("outcome") or mark.get("outcome")
    if outcome:
        parts.append(JobState(outcome).value.replace("_", " "))
    for key in ("by", "method", "reason", "category", "sandbox", "returncode"):
        value = line.get(key, mark.get(key))
        if value not in (None, ""):
            parts.append(f"{key} {value}")
    parts += [words for key, words in MISHAPS.items() if line.get(key)]
    share = line.get("share") or mark.get("share") or {}
    parts += [f"{what} to {', '.join(share[what])}" for what in ("outputs", "logs") if share.get(what)]
    return ", ".join(parts)


def _is_plain(start: Path, *parts: str) -> bool:
    """Whether a plain file is there, reached without following a link."""
    found = disk.status_of(start, *parts)
    return found is not None and stat.S_ISREG(found.st_mode)


def _entries(start: Path, *parts: str, only: Collection[str] | None = None) -> list[Path]:
    """Files and folders in a directory below ``start``, in name order; links and the rule file are left out.

    With ``only``, no more than these names are looked at, however many are there.
    """
    try:
        with disk.directory(start, *parts) as opened:
            names = os.listdir(opened) if only is None else only
            found = [(name, disk.look(opened, name)) for name in sorted(names) if name != RULES]
    except (FileNotFoundError, NotADirectoryError, UnreadableJob):
        return []
    return [start.joinpath(*parts, name) for name, status in found if status and not stat.S_ISLNK(status.st_mode)]


def _includes(said: object, person: str) -> bool:
    who = said.get("who") if isinstance(said, dict) else None
    return isinstance(who, list) and (person in who or "*" in who)


def _granted(share: object, person: str) -> set[str]:
    if not isinstance(share, dict):
        return set()
    return {what for what in ("outputs", "logs") if person in (share.get(what) or ())}
