"""What of a job this person may read: results, history, and whether all of it is genuine.

The owner reads held results at home; others read what `shared` lists for them in the folder. Nothing here changes
anything.
"""

from __future__ import annotations

import re
import stat
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from syft_job import fs
from syft_job.errors import UnreadableJob
from syft_job.format import manifest
from syft_job.format.manifest import FileEntry
from syft_job.format.markers import LOGS, OUTPUTS, RULES, SharedPart, people_in_share, shared_part
from syft_job.model.job_record import JobRecord
from syft_job.model.lifecycle import JobState
from syft_job.model.text import escape_line

from . import job_reader
from .job_reader import JobSnapshot
from .key_holder import Relation, identify
from .listed_files import hashes_match
from .marker_check import MISSING, UNREADABLE
from .participant import Participant

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
    "sandbox_failed": "its sandbox could not be set up, so nothing of it ran: see logs --err and syft-job doctor",
    "too_big": "it was ended because its folder held more than it may",
    "log_cut": "not all that it printed is kept",
    "left_behind": "processes of it live on",
}
"""What the ledger's line about an end may tell besides, in words."""

_RETURN_CODE = re.compile(rb"\s*(-?[0-9]{1,5})\s*")
_RETURN_CODE_BYTES = 64 << 10
_ANY_SIZE = 1 << 50
_MOST_OWN_FILES = 1_000_000

_ORDER = ("approved", "blocked", "withdrawn", "running", "done", "shared", "cancelled", "rejected", "attempt")
"""In which order the hands speak within one attempt; the times of `done` are too coarse to tell."""


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """One thing that was said of a job: when, what, of which attempt, and what else."""

    at: str
    what: str
    attempt: int
    detail: str = ""

    def __str__(self) -> str:
        text = f"{self.at}  {self.what} (attempt {self.attempt})" + (f": {self.detail}" if self.detail else "")
        return escape_line(text)


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
        lines = [f"✓ {escape_line(line)}" for line in self.holds] + [f"✗ {escape_line(line)}" for line in self.fails]
        return "\n".join([*lines, "Everything holds." if self.ok else "Something does not hold; see above."])


class OutputFile(NamedTuple):
    """One output: its path relative to `outputs/`, and its size and SHA-256 where `shared` lists them."""

    path: str
    entry: FileEntry | None = None


class Results:
    """The results of a job's present attempt, as far as this person may read them."""

    def __init__(self, participant: Participant, record: JobRecord) -> None:
        self._participant = participant
        self._record = record

    def outputs(self) -> list[Path]:
        """Files and folders directly in the outputs, in name order."""
        if self._record.status != "done":
            return []
        part = None if self._reads_all_of_base else self._shared_with_viewer("outputs")
        if part is None:
            return self._entries_of_outputs()
        if part.files is None:
            return self._entries_of_outputs() if part.who else []
        tops = sorted({path.partition("/")[0] for path in part.files})
        try:
            with self._open(OUTPUTS) as opened:
                return [self._base / OUTPUTS / top for top in tops if _is_file_or_directory(opened, top)]
        except (FileNotFoundError, UnreadableJob):
            return []  # `output_files` and `verify` say what stands in its place

    def output_files(self) -> list[OutputFile]:
        """Every output file: those that `shared` lists, and no others, where it lists files.

        Raises:
            UnreadableJob: the outputs hold something else than plain files and folders, or more than the limits allow,
                or a `shared` stands there that cannot be read.
        """
        if self._record.status != "done":
            return []
        part = None if self._reads_all_of_base else self._shared_with_viewer("outputs")
        if part is not None and part.files is not None:
            return [OutputFile(path, entry) for path, entry in sorted(part.files.items()) if self._has_output(path)]
        if part is not None and not part.who:
            self._refuse_unreadable_shared()
            return []
        files = []
        try:
            with self._open(OUTPUTS) as opened:
                for entry in fs.walk(opened, max_entries=self._most_entries):
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
        dropped = self._refuse_missing(files)
        left = self._check_total(files)
        copied: list[Path] = []
        with fs.open_directory(target) as writing:
            for path in dropped:
                *inside, name = path.split("/")
                with (
                    fs.translate_os_errors(f"write {str(target / path)!r}"),
                    fs.open_directory(writing, *inside, create=True, mode=0o700) as into,
                ):
                    fs.create_file(into, name, b"", mode=0o600, durable=False)
                copied.append(target / path)
            if not files:
                return copied
            with self._open(OUTPUTS) as source:
                return sorted(copied + self._copy_files(files, source, target, writing, left))

    def _refuse_missing(self, here: Sequence[OutputFile]) -> list[str]:
        """The listed empty files that the transport dropped; refuses where another listed file is not here.

        Raises:
            UnreadableJob: a listed file has not arrived, so that a copy would lack it.
        """
        if self._record.status != "done" or self._reads_all_of_base:
            return []
        listed = self._shared_with_viewer("outputs").files or {}
        absent = sorted(listed.keys() - {file.path for file in here})
        missing = [path for path in absent if listed[path].size]
        if missing:
            more = f" (and {len(missing) - 1} more)" if len(missing) > 1 else ""
            raise UnreadableJob(
                f"outputs/{missing[0]} of '{self._record.name}' has not arrived{more}, so nothing was copied. Wait for"
                " it (job.wait()), or ask the owner whether it was removed"
            )
        return [str(path) for path in absent]

    def _copy_files(
        self, files: Sequence[OutputFile], source: int, target: Path, writing: int, left: int
    ) -> list[Path]:
        """Copy ``files`` from the open outputs into the open directory ``target``, at most ``left`` bytes."""
        copied: list[Path] = []
        for path, entry in files:
            *inside, name = path.split("/")
            with (
                fs.open_directory(source, *inside) as reading,
                fs.open_directory(writing, *inside, create=True, mode=0o700) as into,
            ):
                found = fs.copy_file(reading, name, into, name, max_bytes=left if entry is None else entry.size)
                if entry is not None and tuple(found) != tuple(entry):
                    fs.remove(into, name)
                    raise UnreadableJob(
                        f"outputs/{path} is not what was released: its content differs from what 'shared' lists."
                        " It was not copied; see job.verify()"
                    )
            left -= found.size
            copied.append(target / path)
        return copied

    def log(self, stream: str) -> Path | None:
        """The file that holds ``stream`` ("stdout", "stderr", "returncode"), or None."""
        for inside in self._log_folders(stream):
            try:
                with self._open(*inside) as opened:
                    found = fs.stat_entry(opened, LOGS[stream])
            except (FileNotFoundError, UnreadableJob):
                continue
            if found is not None and stat.S_ISREG(found.st_mode):
                return self._base.joinpath(*inside, LOGS[stream])
        return None

    def returncode(self) -> int | None:
        """The exit code, or None where there is none to read.

        Raises:
            UnreadableJob: a link, a device, a folder or a huge file stands in its place.
        """
        for inside in self._log_folders("returncode"):
            try:
                with self._open(*inside) as opened:
                    data = fs.read_file(opened, LOGS["returncode"], limit=_RETURN_CODE_BYTES)
            except FileNotFoundError:
                continue
            if data is not None:
                text = _RETURN_CODE.fullmatch(data)
                return int(text[1]) if text else None
        return None

    def base_of(self, path: Path) -> Path:
        """The trusted directory that a path of these results is below: the shared folder, or the owner's home."""
        home = self._participant.home
        return home.root if path.is_relative_to(home.root) else home.path

    @property
    def is_complete(self) -> bool:
        """Whether everything that was promised to this person is here, whole."""
        have, total = self.arrived
        return have == total and not self._is_owed

    @property
    def arrived(self) -> tuple[int, int]:
        """How many of the files that `shared` lists for this person are here with their size, and how many it lists."""
        if self._participant.owns(self._record.place):
            return (0, 0)
        listed: dict[str, FileEntry] = {}
        for what, prefix in (("outputs", f"{OUTPUTS}/"), ("logs", "")):
            part = self._shared_with_viewer(what)
            listed |= {prefix + path: entry for path, entry in (part.files or {}).items()}
        return (sum(self._is_here(path, entry) for path, entry in listed.items()), len(listed))

    @cached_property
    def _look(self) -> JobSnapshot | None:
        try:
            return job_reader.look(self._participant.home.root, self._record.place, self._participant)
        except FileNotFoundError:
            return None

    @cached_property
    def _reads_from_folder(self) -> bool:
        """Deposited results, and those of older runners, lie in the folder for whoever can read it."""
        if self._participant.owns(self._record.place):
            said = self._participant.home.ledger.events(self._record.id)
            return "deposit" in said or (self._record.older and "over" not in said)
        return self._record.older and not any(self._shared_with_viewer(what).who for what in ("outputs", "logs"))

    @property
    def _reads_all_of_base(self) -> bool:
        """Whether no `shared` restricts what this person is shown: the owner, and anybody in the older layout."""
        return self._reads_from_folder or self._participant.owns(self._record.place)

    @property
    def _reads_home(self) -> bool:
        return self._participant.owns(self._record.place) and not self._reads_from_folder

    @property
    def _base(self) -> Path:
        """The directory that holds `outputs`: the held results for the owner, the job's directory for others."""
        if self._reads_home:
            return self._participant.home.attempt_paths(self._record.id, self._record.attempt).results
        return self._record.location(self._participant.home.root)

    @property
    def outputs_directory(self) -> Path:
        """Where the outputs are for this person."""
        return self._base / OUTPUTS

    @contextmanager
    def _open(self, *inside: str) -> Iterator[int]:
        """Open a directory below `_base`; in the shared folder no link is followed on the way."""
        home = self._participant.home
        start, parts = (self._base, ()) if self._reads_home else (home.root, self._record.place.parts)
        with (
            fs.translate_os_errors(f"read the results of '{self._record.name}'"),
            fs.open_directory(start, *parts, *inside) as opened,
        ):
            yield opened

    @property
    def _most_entries(self) -> int:
        return _MOST_OWN_FILES if self._reads_home else self._participant.limits.files * 2

    def _check_total(self, files: Sequence[OutputFile]) -> int:
        """How many bytes may be copied; refuses before the first byte what is listed with more."""
        if self._reads_home:
            return _ANY_SIZE
        most = self._participant.limits.total_bytes
        total = sum(entry.size for _, entry in files if entry is not None)
        if total > most:
            raise UnreadableJob(
                f"the outputs of '{self._record.name}' are {total} bytes together; at most {most} are copied."
                " To accept more, raise limits.total_bytes in your profile"
            )
        return most

    def _entries_of_outputs(self) -> list[Path]:
        try:
            with self._open(OUTPUTS) as opened:
                names = sorted(name for name in fs.first_names(opened, limit=self._most_entries) if name != RULES)
                return [self._base / OUTPUTS / name for name in names if _is_file_or_directory(opened, name)]
        except (FileNotFoundError, UnreadableJob):
            return []  # the same

    def _has_output(self, path: str) -> bool:
        *inside, name = path.split("/")
        try:
            with self._open(OUTPUTS, *inside) as opened:
                return fs.stat_entry(opened, name) is not None
        except FileNotFoundError:
            return False

    def _log_folders(self, stream: str) -> list[tuple[str, ...]]:
        """The folders below `_base` in which this person may find a log, the likeliest first."""
        if self._reads_from_folder:
            return [(), ("logs",)]
        if self._reads_home:
            return [("logs",)]
        part = self._shared_with_viewer("logs")
        may_read = part.who and (part.files is None or LOGS[stream] in part.files)
        return [()] if may_read else []

    @property
    def _is_owed(self) -> bool:
        """Whether the yes promised this person something that no `shared` of this attempt lists yet."""
        record, person = self._record, self._participant.email
        if self._participant.owns(record.place) or not record.state.is_finished or self._look is None:
            return False
        permits = ("attempt", record.attempt - 1), ("approved", record.attempt)
        promised: set[str] = set()
        for kind, attempt in permits:
            marker = self._look.marker(kind)
            if marker is not None and marker.attempt == attempt:
                people = {what: people_in_share(marker.body, what) for what in ("outputs", "logs")}
                promised = {what for what in people if person in people[what] or "*" in people[what]}
        return any(not self._shared_with_viewer(what).who for what in promised)

    def _shared_with_viewer(self, what: str) -> SharedPart:
        """What `shared` of the present attempt says of ``what``; nothing where this person is not among the people."""
        marker = self._look.marker("shared") if self._look is not None else None
        if marker is None or marker.attempt != self._record.attempt:
            return SharedPart()
        part = shared_part(marker.body, what)
        return part if part.is_for(self._participant.email) else SharedPart()

    @property
    def unreadable_share(self) -> str:
        """What is wrong with a `shared` that cannot be read, and what helps; empty where that is not so."""
        findings = self._look.record.findings if self._look is not None else ()
        for finding in findings:
            if finding.startswith(f"'shared' {UNREADABLE}"):
                return (
                    f"What the owner shared of '{self._record.name}' cannot be told: {finding}."
                    " Ask the owner to share the results again"
                )
        return ""

    def _refuse_unreadable_shared(self) -> None:
        if problem := self.unreadable_share:
            raise UnreadableJob(problem)

    def _is_here(self, path: str, entry: FileEntry) -> bool:
        *inside, name = path.split("/")
        try:
            with self._open(*inside) as opened:
                found = fs.stat_entry(opened, name)
        except (FileNotFoundError, UnreadableJob):
            found = None
        return entry.size == 0 if found is None else entry.size == found.st_size


def reason_of(participant: Participant, record: JobRecord) -> str:
    """Why a job was rejected, cancelled or withdrawn, in the words of the one who did it; empty where none were given.

    The owner's own words are read from the ledger, because a listing does not open the markers that it vouches for.
    """
    event = {JobState.REJECTED: "reject", JobState.CANCELLED: "cancel"}.get(record.state)
    if event is None or record.position.withdrawn or not participant.owns(record.place):
        return record.reason
    lines = [line for line in participant.home.ledger.lines(record.id) if line.event == event]
    reason = lines[-1].said.get("mark", {}).get("reason") if lines else None
    return reason if isinstance(reason, str) else ""


def history(participant: Participant, look: JobSnapshot) -> list[HistoryEntry]:
    """What was said of a submission, oldest first: from the ledger for its owner, from the markers for others."""
    record = look.record
    said = []
    if record.submitted_at:
        said.append(HistoryEntry(record.submitted_at, f"submitted by {record.submitter}", 1, "their clock"))
    if participant.owns(record.place) and participant.home.exists:
        for line in participant.home.ledger.lines(record.id):
            mark = line.said.get("mark", {})
            at = str(line.said.get("at") or mark.get("at", ""))
            said.append(HistoryEntry(at, _WORDS.get(line.event, line.event), line.attempt, _detail(line.said, mark)))
        return said
    for found in sorted(look.markers, key=lambda item: (item.marker.attempt, _ORDER.index(item.marker.kind))):
        if found.ignored is None:
            what = "another attempt permitted" if found.marker.kind == "attempt" else found.marker.kind
            said.append(HistoryEntry(found.marker.at, what, found.marker.attempt, _detail({}, found.marker.body)))
    return said


def verify(participant: Participant, look: JobSnapshot) -> Verification:
    """Check seals, submitted files and released files anew."""
    record, root = look.record, participant.home.root
    holds: list[str] = []
    fails: list[str] = [record.problem] if record.problem else []
    key = manifest.submitters_key(look.config, record.place, participant.limits) if look.config else None
    if key is not None:
        holder = identify(participant, key, record.submitter)
        (holds if holder.is_known else fails).append(f"config.yaml is sealed for this place with key {holder}")
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
    fails += [finding for finding in record.findings if MISSING in finding or UNREADABLE in finding]
    if not participant.owns(record.place):
        fails += _doubts_about_owner(participant, look)
    shared = look.marker("shared")
    if shared is not None and shared.attempt == record.attempt:
        wrong = _released_wrong(look, root, shared.body)
        fails += wrong
        if not wrong:
            holds.append("the released files are as listed in 'shared'")
    return Verification(tuple(holds), tuple(fails))


def _doubts_about_owner(participant: Participant, look: JobSnapshot) -> list[str]:
    """Why the owner's answers to this submission should not be relied on: because of the key that it was sent to."""
    place, spec = look.record.place, look.spec
    if doubt := participant.doubt(place, spec):
        return [doubt]
    if spec is None or not spec.owner_key:
        return []
    holder = identify(participant, spec.owner_key, place.owner)
    if holder.relation is not Relation.OTHER:
        return []
    return [f"it was submitted to key {holder}. Ask {place.owner} by other means which key is theirs"]


def _released_wrong(look: JobSnapshot, root: Path, body: Mapping[str, Any]) -> list[str]:
    wrong = []
    for what, prefix in (("outputs", f"{OUTPUTS}/"), ("logs", "")):
        for path, entry in (shared_part(body, what).files or {}).items():
            *inside, name = (prefix + path).split("/")
            try:
                with fs.open_directory(root, *look.record.place.parts, *inside) as opened:
                    found = fs.hash_file(opened, name, max_bytes=entry.size)
                if tuple(found) != tuple(entry):
                    wrong.append(f"{prefix}{path} is not what was released")
            except FileNotFoundError:
                if entry.size:  # some transports drop empty files
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
    if mark.get("reviewed") is False:
        parts.append("without a review")
    if isinstance(allow := mark.get("allow"), Mapping) and "sandbox" in allow:
        parts.append(f"for the sandbox {allow['sandbox']} or a stronger one")
    parts += [words for key, words in MISHAPS.items() if line.get(key)]
    source = line if line.get("share") else mark
    people = {what: people_in_share(source, what) for what in ("outputs", "logs")}
    parts += [f"{what} to {', '.join(people[what])}" for what in people if people[what]]
    return ", ".join(parts)


def _is_file_or_directory(place: int, name: str) -> bool:
    found = fs.stat_entry(place, name)
    return found is not None and (stat.S_ISREG(found.st_mode) or stat.S_ISDIR(found.st_mode))
