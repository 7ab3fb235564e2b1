"""The ledger: the append-only record of every decision and event of the owner, one durable line each.

An event is recorded here before a marker in the folder publishes it. The first fields of a line have a fixed order, so
that the facts about a hundred thousand jobs are known without parsing JSON. What is recorded when is decided elsewhere.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import threading
import time
from array import array
from bisect import bisect_left
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from syft_job import fs
from syft_job.errors import JobNotFoundError, StoreError
from syft_job.format.markers import now
from syft_job.model.events import LEDGER_EVENTS, Event, EventDefinition
from syft_job.model.job_ref import JobRef
from syft_job.model.states import Fact, FactKind, JobState, derive_state

_LINE = re.compile(
    r'^\{"id":"([0-9a-f]{32})","n":([0-9]{1,9}),"event":"([a-z]+)"(?:,"outcome":"([a-z_]+)")?(,"owed":true)?.*\}\n',
    re.MULTILINE,
)
_PARSED_AT_MOST = 1000
_PIECE = 1 << 20
"""How much is read at once: all of it, decoded, would be in memory twice."""
_TICK_NANOSECONDS = 50_000_000
_ENDING = frozenset(word for word, definition in LEDGER_EVENTS.items() if definition.fact is FactKind.DONE)
_STARTED = Event.STARTED.value
_FINISHED = Event.FINISHED.value
_WITHHELD = Event.OUTCOME_WITHHELD.value
_RELEASED = Event.RELEASED.value
_SETTLING = frozenset(word for word, definition in LEDGER_EVENTS.items() if definition.settles_release)

_NO_LINE = "-"


@dataclass(frozen=True, slots=True)
class LedgerLine:
    """One recorded event: of which submission, under which attempt, which event, and its other fields.

    ``event`` is the word of the ledger: a value of `Event`, or a word that a later release wrote.
    """

    id: str
    attempt: int
    event: str
    said: dict[str, Any]

    @property
    def definition(self) -> EventDefinition | None:
        """The event's definition; None for a word of a later release."""
        return LEDGER_EVENTS.get(self.event)

    @property
    def fact(self) -> Fact | None:
        """The fact that the event contributes to the job's state; None where it contributes none."""
        definition = self.definition
        return None if definition is None else definition.fact_of(self.attempt, self.said.get("outcome") or "")

    @property
    def concerned_attempt(self) -> int:
        """The attempt that the event is about: see `EventDefinition.attempt_of`."""
        definition = self.definition
        return self.attempt if definition is None else definition.attempt_of(self.attempt)


class _Story:
    """The facts of several lines about one submission. A hundred thousand submissions share the same few objects."""

    __slots__ = ("_next", "events", "facts", "released")

    def __init__(self, facts: tuple[Fact, ...] = (), events: frozenset[str] = frozenset(), released: int = 0) -> None:
        self.facts = facts
        self.events = events
        self.released = released
        self._next: dict[tuple[str, str, str | None], _Story] = {}

    def after(self, line: tuple[str, str, str | None]) -> _Story:
        """The story with one line more: its attempt, event and outcome."""
        story = self._next.get(line)
        if story is None:
            attempt, event, outcome = line
            facts, definition = self.facts, LEDGER_EVENTS.get(event)
            fact = None if definition is None else definition.fact_of(int(attempt), outcome or "")
            if fact is not None and fact not in facts:
                facts = (*facts, fact)
            released = int(attempt) if event == _RELEASED else 0 if event in _SETTLING else self.released
            story = self._next[line] = _Story(facts, self.events | {event}, released)
        return story


class Ledger:
    """The append-only record of every decision and event of the owner, one durable line each.

    `refresh` reads the lines that other processes appended, and only those. One object serves all threads of a process:
    `_guard` is held wherever the lines in memory are read or changed, and never while something is written.
    """

    def __init__(self, path: Path, checkpoint: Path) -> None:
        self._path = path
        self._checkpoint = checkpoint
        self._guard = threading.RLock()
        # Where the newest line was cut off again, where it had ended, and of what it had spoken.
        self._cut = self._cut_end = -1
        self._unsaid: set[str] = set()
        self._forget()

    def _forget(self) -> None:
        """Know nothing, as before the first line was taken over."""
        self._end = 0
        self._newest = b""
        # Of each line: where it begins, of which submission it is, which line spoke of that before (or -1).
        self._begins = array("Q")
        self._said_of: list[str] = []
        self._before = array("q")
        self._last: dict[str, int] = {}
        self._nothing = _Story()
        self._stories: dict[str, _Story] = {}
        self._open: dict[tuple[str, int], None] = {}
        self._pending_releases: dict[tuple[str, int], None] = {}
        self._withheld: dict[tuple[str, int], None] = {}
        self._parsed: dict[int, LedgerLine] = {}
        self._said_by: dict[int, int] = {}
        self._stamp: tuple[int, ...] | None = None

    def refresh(self) -> None:
        """Take over the lines that were added since the last time; safe from several threads.

        Raises:
            StoreError: the ledger is shorter than it was, or holds something that is no line of it.
        """
        with self._guard, fs.translate_os_errors(f"read the ledger {str(self._path)!r}"):
            self._take_over()

    def _take_over(self) -> None:
        try:
            found = os.stat(self._path)
            stamp = (found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
            if stamp == self._stamp:
                return
            descriptor = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError as error:
            if self._end:
                raise StoreError(f"The ledger {self._path} is gone. Restore it before anything else.") from error
            return
        try:
            if not self._has_newest(descriptor):
                self._take_back(descriptor)
            size, most = os.fstat(descriptor).st_size, _PIECE
            while data := _read_all(descriptor, self._end, min(size - self._end, most)):
                whole = data.rfind(b"\n") + 1
                if whole:
                    self._take_lines(data[:whole])
                elif len(data) < most:
                    break  # the half of a line
                else:
                    most *= 2
        finally:
            os.close(descriptor)
        # A line may still be cut off and another one written within the same tick of the clock.
        self._stamp = stamp if time.time_ns() - found.st_mtime_ns > _TICK_NANOSECONDS else None

    def _take_lines(self, data: bytes) -> None:
        # One character for each byte, so that positions stay what they are.
        at = self._take(data.decode("latin-1"))
        if at:
            self._end += at
            self._newest = data[data.rfind(b"\n", 0, at - 1) + 1 : at]
        if at != len(data):
            raise StoreError(f"The ledger {self._path} is damaged at byte {self._end}. Restore it from a backup.")

    def _has_newest(self, descriptor: int) -> bool:
        """Whether the line that was taken over last is still there."""
        return os.pread(descriptor, len(self._newest), self._end - len(self._newest)) == self._newest

    def _take_back(self, descriptor: int) -> None:
        """Begin anew where nothing is gone but the newest line, which was never acknowledged.

        Its writer found that the disk would not keep it, and cut it off again, while we had read it already.

        Raises:
            StoreError: more is gone than that.
        """
        line, size = self._end - len(self._newest), os.fstat(descriptor).st_size
        is_cut = size >= line and (not line or os.pread(descriptor, 1, line - 1) == b"\n")
        end, fingerprint = self._checkpointed()
        if not is_cut or size < end or self._last_line(end) != fingerprint:
            raise StoreError(f"The ledger {self._path} became shorter. Restore it before anything else.")
        self._cut, self._cut_end = line, self._end
        self._unsaid.add(self._said_of[-1])
        self._forget()

    def facts(self, job: str) -> tuple[Fact, ...]:
        """The facts that the lines about submission ``job`` contribute, in the order in which they were recorded."""
        with self._guard:
            return self._stories.get(job, self._nothing).facts

    def facts_and_release(self, job: str) -> tuple[tuple[Fact, ...], int]:
        """The same as `facts` and `released`, of one moment: a listing asks once a job."""
        with self._guard:
            story = self._stories.get(job, self._nothing)
            return story.facts, story.released

    def events(self, job: str) -> frozenset[str]:
        """Which events the ledger holds about submission ``job``."""
        with self._guard:
            return self._stories.get(job, self._nothing).events

    def released(self, job: str) -> int:
        """Of which attempt something is released now; 0 for none."""
        with self._guard:
            return self._stories.get(job, self._nothing).released

    def lines(self, job: str) -> list[LedgerLine]:
        """Every line about submission ``job``, oldest first."""
        try:
            return self._lines(job)
        except StoreError:
            self.refresh()  # its newest line may have been cut off just now
            return self._lines(job)

    def _lines(self, job: str) -> list[LedgerLine]:
        lines = []
        with self._guard:
            line = self._last.get(job, -1)
            while line >= 0:
                lines.append(self._line(line))
                line = self._before[line]
        return lines[::-1]

    def place_of(self, job: str) -> JobRef:
        """The key of submission ``job``, from the first line that has it.

        Raises:
            JobNotFoundError: no line does.
        """
        for line in self.lines(job):
            if "place" in line.said:
                return JobRef(*line.said["place"])
        raise JobNotFoundError(f"The ledger does not say where job {job} lies.")

    def names_of(self, owner: str, submitter: str, *, since: int = 0) -> frozenset[str]:
        """The names of all jobs of ``submitter`` that a line after the mark ``since`` is about; parses no line."""
        if self._end <= since:
            return frozenset()
        # Within a JSON text every quote has a backslash before it, so this matches the field and nothing else.
        people = f"{json.dumps(owner)},{json.dumps(submitter)},".encode()
        pattern = re.compile(rb'"place":\[' + re.escape(people) + rb'("(?:[^"\\]|\\.)*")\]')
        with fs.translate_os_errors(f"read the ledger {str(self._path)!r}"), self._path.open("rb") as ledger:
            ledger.seek(since)
            return frozenset(json.loads(name) for name in pattern.findall(ledger.read(self._end - since)))

    def lines_since(self, mark: int) -> list[LedgerLine]:
        """Every line recorded after ``mark``, oldest first."""
        with self._guard:
            return [self._line(number) for number in range(self._line_at(mark), len(self._begins))]

    def _line_at(self, mark: int) -> int:
        """The first line after ``mark``; one that stands where another was cut off comes after marks of both."""
        return bisect_left(self._begins, min(mark, self._cut) if mark <= self._cut_end else mark)

    def _line(self, number: int) -> LedgerLine:
        known = self._parsed.get(number)
        if known is None:
            begin = self._begins[number]
            end = self._begins[number + 1] if number + 1 < len(self._begins) else self._end
            try:
                with fs.translate_os_errors(f"read the ledger {str(self._path)!r}"), self._path.open("rb") as ledger:
                    ledger.seek(begin)
                    said = json.loads(ledger.read(end - begin))
            except ValueError as error:
                raise StoreError(f"The ledger {self._path} is damaged at byte {begin}. Restore it.") from error
            if len(self._parsed) >= _PARSED_AT_MOST:
                self._parsed.clear()
            known = self._parsed[number] = LedgerLine(said.pop("id"), said.pop("n"), said.pop("event"), said)
        return known

    @property
    def end(self) -> int:
        """How many bytes were taken over so far; a mark for `changed_since` and `lines_since`."""
        return self._end

    def changed_since(self, mark: int) -> set[str]:
        """The ids of the submissions about which something was recorded after ``mark``."""
        with self._guard:
            changed = set(self._said_of[self._line_at(mark) :])
            return changed | self._unsaid if mark <= self._cut_end else changed

    def heard_since(self, mark: int) -> set[str]:
        """The ids of the submissions about which another thread or process recorded something after ``mark``."""
        with self._guard:
            first, me = self._line_at(mark), threading.get_ident()
            heard = {
                self._said_of[number] for number in range(first, len(self._said_of)) if self._said_by.get(number) != me
            }
            self._said_by.clear()  # nobody asks for what was before
            return heard | self._unsaid if mark <= self._cut_end else heard

    def unfinished(self) -> list[tuple[str, int]]:
        """The (id, attempt) whose start is recorded and whose end is not."""
        with self._guard:
            return list(self._open)

    def is_under_way(self, job: str, attempt: int) -> bool:
        """Whether the start of an attempt is recorded and its end is not."""
        with self._guard:
            return (job, attempt) in self._open

    def approved(self) -> list[str]:
        """The ids of the submissions that are approved and not over."""
        with self._guard:
            stories = list(self._stories.items())
        is_open: dict[_Story, bool] = {}  # a hundred thousand submissions share a few stories
        found = []
        for job, story in stories:
            if story not in is_open:
                is_open[story] = derive_state(story.facts).state in (JobState.QUEUED, JobState.RUNNING)
            if is_open[story]:
                found.append(job)
        return found

    def pending_releases(self) -> list[tuple[str, int]]:
        """The (id, attempt) that are over and whose approval promised a release that has not happened."""
        with self._guard:
            return list(self._pending_releases)

    def is_outcome_withheld(self, job: str, attempt: int) -> bool:
        """Whether the outcome of an attempt is withheld from the folder until something of it is shared."""
        with self._guard:
            return (job, attempt) in self._withheld

    def last_said(self, now: float) -> dict[str, float]:
        """When each submission was last recorded, in seconds since 1970; reads the whole ledger.

        Lines are in the order in which they were recorded, so none is older than those above it, whatever the clock
        showed at the time. Times after ``now`` are known to be wrong and are not used for the lines below.
        """
        said: dict[str, float] = {}
        latest = 0.0
        if not self._end:
            return said
        with self._path.open("rb") as ledger:
            for line in ledger.read(self._end).splitlines():
                found = json.loads(line)
                try:
                    at = datetime.fromisoformat(found["at"]).timestamp()
                except (KeyError, ValueError):
                    at = latest
                if at <= now:
                    latest = at = max(at, latest)
                said[found["id"]] = at
        return said

    def jobs(self) -> Iterator[str]:
        """The ids of all submissions about which anything was recorded."""
        with self._guard:
            return iter(list(self._last))

    def say(
        self,
        job: str,
        attempt: int,
        event: Event,
        *,
        outcome: str | None = None,
        is_release_pending: bool = False,
        **said: Any,
    ) -> LedgerLine:
        """Record an event, durably; call it under the home's lock.

        Args:
            job: the submission's id.
            attempt: the number under which the event is recorded: see `EventDefinition.recorded_attempt`.
            event: which event; one that the ledger records.
            outcome: how the attempt ended, for the events that end one.
            is_release_pending: whether the end of the attempt makes a promised release due.
            said: the other fields; those that are None are left out.

        Raises:
            StoreError: the line cannot be written; nothing was said.
        """
        head: dict[str, Any] = {"id": job, "n": attempt, "event": event.value}
        if outcome is not None:
            head["outcome"] = outcome
        if is_release_pending:
            head["owed"] = True
        rest = {key: value for key, value in said.items() if value is not None} | {"at": said.get("at") or now()}
        line = json.dumps(head | rest, separators=(",", ":"), ensure_ascii=True).encode() + b"\n"
        begin = fs.append_line(self._path, line)
        self.refresh()
        with suppress(StoreError, OSError):  # it is said; a note that lags behind does no harm
            self.write_checkpoint()
        with self._guard:
            self._said_by[bisect_left(self._begins, begin)] = threading.get_ident()
        return LedgerLine(job, attempt, event.value, ({"outcome": outcome} if outcome else {}) | rest)

    def write_checkpoint(self) -> None:
        """Note outside the home how far the ledger goes, so that an older one laid in its place is noticed.

        The note may lag behind after a power cut, which does no harm: it only says what was there at least.
        """
        fs.make_directory(self._checkpoint.parent, mode=0o700)
        with fs.open_directory(self._checkpoint.parent) as opened:
            said = f"{self._end} {self._last_line(self._end)}\n".encode()
            name = self._checkpoint.name
            fs.write_file(opened, name, said, mode=0o600, durable=False, temporary=_half(name))

    def tidy(self) -> None:
        """Remove the half of a note that somebody was stopped at; call it under the home's lock."""
        if self._checkpoint.parent.is_dir():
            with fs.open_directory(self._checkpoint.parent) as opened:
                fs.remove(opened, _half(self._checkpoint.name))

    def why_older(self) -> str | None:
        """None where the ledger has all that was ever said here; else what shows that it is an older one."""
        self.refresh()
        end, line = self._checkpointed()
        if self._end < end:
            return "its ledger lacks what was said last: it was restored from a backup"
        return None if self._last_line(end) == line else "its ledger is another one than was written here"

    def _checkpointed(self) -> tuple[int, str]:
        """How far the ledger went when its end was noted last, and the fingerprint of the line before that."""
        try:
            end, _, line = self._checkpoint.read_text("ascii").strip().partition(" ")
        except FileNotFoundError:
            return 0, _NO_LINE
        return int(end), line

    def _last_line(self, end: int) -> str:
        """A fingerprint of the line that ends at byte ``end``."""
        if not end:
            return _NO_LINE
        with self._path.open("rb") as ledger:
            ledger.seek(max(0, end - 4096))
            return hashlib.sha256(ledger.read(min(end, 4096)).rstrip(b"\n").rpartition(b"\n")[2]).hexdigest()[:16]

    def _take(self, text: str) -> int:
        """Take over the lines in ``text``, which follows what was taken; returns where the last good one ends."""
        begins, said_of, before, last, stories = self._begins, self._said_of, self._before, self._last, self._stories
        at, count = 0, len(said_of)
        for found in _LINE.finditer(text):
            begin, end = found.span()
            if begin != at:
                break
            at = end
            job, attempt, event, outcome, owed = found.groups()
            earlier = last.get(job, -1)
            if earlier >= 0:
                job = said_of[earlier]  # the same text once in memory, not once a line
            begins.append(self._end + begin)
            said_of.append(job)
            before.append(earlier)
            last[job] = count
            count += 1
            stories[job] = stories.get(job, self._nothing).after((attempt, event, outcome))
            if event == _STARTED:
                self._open[job, int(attempt)] = None
            elif event in _ENDING:
                if event == _FINISHED:
                    self._open.pop((job, int(attempt)), None)
                if owed:
                    self._pending_releases[job, int(attempt)] = None
            elif event == _WITHHELD:
                self._withheld[job, int(attempt)] = None
            elif event in _SETTLING:
                self._pending_releases.pop((job, int(attempt)), None)
                self._withheld.pop((job, int(attempt)), None)
        return at


def _half(name: str) -> str:
    return f".{name}.tmp"


def _read_all(descriptor: int, offset: int, size: int) -> bytes:
    pieces = []
    while size > 0 and (piece := os.pread(descriptor, size, offset)):
        pieces.append(piece)
        offset += len(piece)
        size -= len(piece)
    return b"".join(pieces)
