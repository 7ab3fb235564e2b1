"""One job directory: read it as what it is, for whoever looks.

`look` turns a directory into a `JobRecord`: which files are here, which markers count under which key, and for the
owner what the ledger says. Reading changes nothing, follows no link and never blocks; whatever is wrong with a
directory becomes a sentence in its record. Verbs that change a job are elsewhere.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from syft_job import fs
from syft_job.errors import BlockedCategory, StoreError, UnreadableJob
from syft_job.format import manifest
from syft_job.format.manifest import CONFIG, RUN, JobSpec
from syft_job.format.markers import ATTEMPTS, BLOCKED, OWNERS_NAMES, WITHDRAWN, Marker
from syft_job.model import names
from syft_job.model.blocked_reason import DESCRIPTIONS, parse_category
from syft_job.model.job_record import JobRecord, Stamp
from syft_job.model.job_ref import JobRef, require_valid
from syft_job.model.lifecycle import Fact, JobState, Position, state_of
from syft_job.model.quoting import shortened

from . import arrival, job_contents, key_holder, marker_check
from .job_contents import FileDigests, NotHashed
from .marker_check import Checked, MarkerReport
from .participant import Participant

EMPTY_CONFIG = "config.yaml is here without its content, which has not arrived yet"
_REASON_CHARACTERS = 200
_log = logging.getLogger(__name__)
_EMPTY_BEGINNINGS = (b"", b"\0")
_ENTRIES_BESIDE_FILES = 1000
"""How many entries a job's directory may hold beside as many files as are accepted."""
_FINDINGS_AT_MOST = 50
_NAMES_THAT_MATTER = frozenset({*OWNERS_NAMES, CONFIG, WITHDRAWN, RUN})
_SUBMITTED_AT = b'\n  "submitted_at": "'


@dataclass(frozen=True, slots=True)
class JobSnapshot:
    """One full look at a job directory: the record and what it was made of."""

    record: JobRecord
    spec: JobSpec | None
    config: bytes
    names: frozenset[str]
    markers: tuple[Checked, ...] = ()

    def marker(self, kind: str) -> Marker | None:
        """The counting marker of ``kind`` that belongs to the present attempt or is not bound to one."""
        counting = [found.marker for found in self.markers if found.ignored is None and found.marker.kind == kind]
        return max(counting, key=lambda marker: marker.attempt, default=None)

    @property
    def reason(self) -> str:
        """Why the job was rejected, cancelled or withdrawn, in full; empty where no reason was given."""
        return _reason(self.markers, self.record.position)


def look(root: Path, place: JobRef, participant: Participant) -> JobSnapshot:
    """Read the job directory at ``place`` in full: every marker is checked.

    Raises:
        FileNotFoundError: there is no such directory.
    """
    participant.forget_keys()
    with fs.open_directory(root, *place.parts[:-1]) as parent:
        try:
            require_valid(place)
        except UnreadableJob as error:
            if fs.stat_entry(parent, place.name) is None:
                raise FileNotFoundError(f"there is no folder {place.name!a}") from error
            return JobSnapshot(misnamed(place), None, b"", frozenset())
        return _look(parent, place, participant, full=True)


def read_summary(parent: int, place: JobRef, participant: Participant, digests: FileDigests | None = None) -> JobRecord:
    """Read the job directory ``place.name`` in the open submitter's folder ``parent`` as far as a list needs.

    For the owner, the ledger vouches for a finished job, so its `config.yaml` is not even parsed. Whatever goes wrong
    with one job is its record's ``problem``, so that it stops no list.

    Args:
        parent: the open folder of the submitter.
        place: which job.
        participant: the participant.
        digests: what is remembered of the files of the older layout, and how much may be hashed; None hashes all.

    Raises:
        FileNotFoundError: there is no such directory.
    """
    try:
        return _look(parent, place, participant, full=False, digests=digests).record
    except FileNotFoundError:
        raise
    except (OSError, StoreError) as error:
        return _unreadable(place, f"the disk does not give it: {error}").record
    except Exception as error:  # noqa: BLE001 - the job's row names it; one job must not stop the list
        return broken(place, error)


def broken(place: JobRef, error: Exception) -> JobRecord:
    """The record of a job that could not be read because of an error that should not happen."""
    _log.debug("Reading the job %s failed.", place, exc_info=error)
    words = shortened(f"{type(error).__name__}: {error}")
    return _unreadable(
        place, f"reading it failed with {words}. Please report this; a debug log has the whole traceback"
    ).record


def misnamed(place: JobRef) -> JobRecord:
    """The record of a directory whose name cannot be a job's: nothing in it is read."""
    try:
        require_valid(place)
        problem = ""
    except UnreadableJob as error:
        problem = str(error)
    spelled = place._replace(name=os.fsencode(place.name).decode("utf-8", "backslashreplace"))
    return JobRecord(place, manifest.job_id(spelled, b""), "", Position(JobState.CREATED), problem=problem)


def _look(
    parent: int, place: JobRef, participant: Participant, *, full: bool, digests: FileDigests | None = None
) -> JobSnapshot:
    looked = time.time_ns()
    try:
        opened = os.open(place.name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=parent)
    except FileNotFoundError:
        raise
    except OSError:
        found = fs.stat_entry(parent, place.name)
        what = fs.describe_type(found) if found is not None else "gone"
        return _unreadable(place, f"the job's folder is {what} and cannot be opened as a folder")
    try:
        status = os.fstat(opened)
        problem = ""
        try:
            size = status.st_size if participant.has_sized_directories else None
            most = participant.limits.files + _ENTRIES_BESIDE_FILES
            present = frozenset(fs.list_names(opened, limit=most, size=size))
        except UnreadableJob as error:
            # What was decided about it stays known, so the names that matter are looked for one by one.
            present = frozenset(name for name in _NAMES_THAT_MATTER if fs.stat_entry(opened, name) is not None)
            problem = f"the job's folder cannot be read to its end: {error}"
        if CONFIG not in present and job_contents.is_ruin(opened):
            raise FileNotFoundError(f"'{place.name}' is a folder without a job in it")
        stamp: Stamp | None = None
        if looked - status.st_mtime_ns > participant.settles * 1e9:
            stamp = Stamp(status.st_mtime_ns, status.st_ctime_ns, status.st_ino)
        try:
            config = fs.read_file(opened, CONFIG, limit=participant.limits.config_bytes)
        except UnreadableJob as error:
            config, problem = b"", str(error)
        else:
            if config is not None and config[:1] in _EMPTY_BEGINNINGS and not config.strip(b"\0"):
                config = None  # its name came first, or it is a placeholder; its content is still on its way
        if config and not full and participant.email == place.owner and config.startswith(b"{"):
            vouched = _vouched(opened, place, participant, config, present, stamp, looked)
            if vouched is not None:
                return JobSnapshot(vouched, None, config, present)
        return _read(opened, place, participant, config, present, problem, stamp, full=full, digests=digests)
    finally:
        os.close(opened)


def _vouched(
    opened: int,
    place: JobRef,
    participant: Participant,
    config: bytes,
    present: frozenset[str],
    stamp: Stamp | None,
    looked: int,
) -> JobRecord | None:
    """The record of a job that is over by the owner's own ledger; None where the ledger does not say so.

    These bytes were read in full when the owner spoke of them, so they are not parsed again. (What begins as JSON is
    not of the older layout, or was no job that anybody could speak of.)
    """
    job = manifest.job_id(place, config)
    said, released = participant.home.ledger.facts_and_release(job)
    position, expected = _by_ledger(said)
    if not position.state.is_terminal or WITHDRAWN in present:
        return None
    findings: tuple[str, ...] = ()
    if not expected <= present or position.attempt > 1 or released:
        findings = marker_check.missing(opened, participant.home, job, said, position, present)
    text = _claimed_time(config)
    when = manifest.timestamp(text, latest=looked / 1e9)
    return JobRecord(
        place,
        job,
        manifest.digest_of(config),
        position,
        text,
        when,
        findings=findings,
        said=said,
        stamp=stamp if _is_told(participant, place, present, findings) else None,
    )


def _is_told(participant: Participant, place: JobRef, present: frozenset[str], findings: Sequence[str]) -> bool:
    """Whether the directory's own stamp tells of everything that decides; a permit that arrives does not move it.

    The owner knows of permits by the ledger, and what is missing of them is found by the runner, which looks in turn.
    """
    return ATTEMPTS not in present or (participant.owns(place) and not findings)


def _claimed_time(config: bytes) -> str | None:
    """The submitter's time, read off the bytes that `spec` writes; None where it stands there in another way."""
    at = config.find(_SUBMITTED_AT)
    if at < 0:
        return None
    begin = at + len(_SUBMITTED_AT)
    end = config.find(b'"', begin, begin + 65)
    return None if end < 0 else config[begin:end].decode("utf-8", "replace")


@lru_cache(maxsize=4096)
def _by_ledger(said: tuple[Fact, ...]) -> tuple[Position, frozenset[str]]:
    """Where these facts put a job, and which markers they should have left in the folder."""
    position = state_of(said)
    return position, frozenset(fact.kind for fact in marker_check.expected(said, position) if fact.kind != "permit")


def _read(
    opened: int,
    place: JobRef,
    participant: Participant,
    config: bytes | None,
    present: frozenset[str],
    problem: str,
    stamp: Stamp | None,
    *,
    full: bool,
    digests: FileDigests | None,
) -> JobSnapshot:
    job = manifest.job_id(place, config or b"")
    ledger = participant.home.ledger if participant.owns(place) else None
    said = ledger.facts(job) if ledger is not None else ()
    asked = None
    if config and not problem:
        try:
            asked = manifest.parse(config, participant.limits)
        except UnreadableJob as error:
            problem = str(error)
        else:
            if asked.format == 0:
                return _read_older(opened, place, participant, asked, config, present, said, stamp, digests)
    digest = manifest.digest_of(config) if config else ""
    heard = _check_markers(opened, place, participant, asked, job, digest, present, full=full)
    findings = []
    if config is None:
        findings = [EMPTY_CONFIG if CONFIG in present else "config.yaml has not arrived yet"]
    findings += heard.findings
    facts = [*said, *_as_claimed(heard.facts, participant, place, job, said)]
    if ledger is None:
        # The owner sealed it, so the owner permitted it; the permit itself may still be on its way.
        facts += [Fact("permit", fact.attempt - 1) for fact in heard.facts if fact.attempt > 1]
    if WITHDRAWN in present and config:
        taken_back = marker_check.check_withdrawal(opened, place, config, participant.limits)
        heard.checked.append(taken_back)
        findings += [taken_back.ignored] if taken_back.ignored else []
        facts += [Fact("withdrawn")] if taken_back.ignored is None else []
    absent: tuple[str, ...] = ()
    have = sum(not names.is_sync_artefact(name) for name in present) if config is None else 0
    total, position = 0, state_of(facts)
    if asked is not None and (full or position.state is JobState.CREATED):
        total = len(asked.files)
        try:
            have, absent = arrival.check(opened, asked.files)
        except UnreadableJob as error:
            problem = problem or str(error)
        if have == total and not problem:
            position = state_of([*facts, Fact("submitted")])
    findings += _warnings(participant, place, asked, config, full=full)
    if ledger is not None:
        findings += marker_check.missing(opened, participant.home, job, said, position, present)
    blocked = None
    if digest and (position.state is JobState.QUEUED or (full and BLOCKED in present)):
        blocked = _blocked(opened, participant, place, asked, job, digest, position, present, heard, findings)
    is_settled = position.state.is_terminal and not problem and _is_told(participant, place, present, findings)
    claim = asked.submitted_at if asked is not None else None
    record = JobRecord(
        place=place,
        id=job,
        digest=digest,
        position=position,
        submitted_at=claim,
        when=manifest.timestamp(claim, latest=time.time()),
        problem=shortened(problem),
        have=have,
        total=total,
        missing=absent,
        findings=_bounded(findings),
        forged_yes=heard.has_forged_yes,
        blocked=blocked,
        reason=_shortened(_reason(heard.checked, position)),
        said=said,
        stamp=stamp if is_settled else None,
    )
    return JobSnapshot(record, asked, config or b"", present, tuple(heard.checked))


def _blocked(
    opened: int,
    participant: Participant,
    place: JobRef,
    asked: JobSpec | None,
    job: str,
    digest: str,
    position: Position,
    present: frozenset[str],
    heard: MarkerReport,
    findings: list[str],
) -> BlockedCategory | None:
    """Why an approved job cannot start: by the home for the owner, by the marker `blocked` for everybody else.

    What was found is added to ``heard`` and ``findings``; a marker that does not count changes nothing else.
    """
    is_queued = position.state is JobState.QUEUED
    category = None
    if BLOCKED in present:
        keys = participant.owner_keys(place, asked)
        checked = marker_check.check_blocked(opened, place, digest, keys, participant.limits, position.attempt)
        heard.checked.append(checked)
        if checked.ignored is not None:
            findings.append(checked.ignored)
        elif is_queued:
            category = parse_category(checked.marker.body.get("category"))
    if not participant.owns(place):
        if category is not None:
            findings.append(f"blocked ({category}): it is approved and cannot start: {DESCRIPTIONS[category]}")
        return category
    known = participant.home.read_blocked(job) if is_queued else None
    if known is None:
        return None
    findings.append(f"approved, but not started: {known.reason}")
    return known.category


def _shortened(reason: str) -> str:
    return reason if len(reason) <= _REASON_CHARACTERS else reason[: _REASON_CHARACTERS - 1] + "…"


def _reason(checked: Sequence[Checked], position: Position) -> str:
    """The reason in the marker that ended the job without a result; empty where none was given."""
    if position.state not in (JobState.REJECTED, JobState.CANCELLED):
        return ""
    kinds = ("rejected",) if position.state is JobState.REJECTED else (WITHDRAWN, "cancelled")
    for kind in kinds:
        for marker, ignored in checked:
            is_present = kind == WITHDRAWN or marker.attempt == position.attempt
            reason = marker.body.get("reason")
            if ignored is None and marker.kind == kind and is_present and isinstance(reason, str) and reason:
                return reason
    return ""


def _check_markers(
    opened: int,
    place: JobRef,
    participant: Participant,
    asked: JobSpec | None,
    job: str,
    digest: str,
    present: frozenset[str],
    *,
    full: bool,
) -> MarkerReport:
    """What the owner's markers say, to the owner against the ledger; in a list no more than what decides."""
    sealers, limits = participant.owner_keys(place, asked), participant.limits
    if not participant.owns(place):
        heard = None if full else marker_check.check_deciding_markers(opened, place, digest, sealers, present, limits)
        return heard or marker_check.check_markers(opened, place, digest, sealers, present, limits, full=full)
    ledger = participant.home.ledger
    vouched = frozenset(fact.kind for fact in ledger.facts(job))
    heard = marker_check.check_markers(opened, place, digest, sealers, present, limits, vouched=vouched, full=full)
    has_given_up = not sealers.isdisjoint(_given_up(participant, place.owner))
    return marker_check.as_said(heard, ledger, job) if has_given_up else heard


def _warnings(
    participant: Participant, place: JobRef, asked: JobSpec | None, config: bytes | None, *, full: bool
) -> list[str]:
    if asked is None or not config:
        return []
    findings = []
    if full:
        sealer = manifest.submitters_key(config, place, participant.limits)
        if sealer is None:
            findings.append("config.yaml carries no valid seal of its submitter")
        elif sealer in _given_up(participant, place.submitter):
            findings.append(
                f"{place.submitter} gave up the key that sealed config.yaml, because others may have it: ask them"
                " whether it is theirs"
            )
        elif key_holder.relation_to(participant, sealer, place.submitter) is key_holder.Relation.OTHER:
            findings.append(
                f"config.yaml is sealed with a key that is not a key of {place.submitter}: ask them whether the job is"
                " theirs before you decide"
            )
    doubt = participant.doubt(place, asked)
    return [*findings, doubt] if doubt else findings


def _given_up(participant: Participant, person: str) -> frozenset[str]:
    chain = participant.chain_of(person)
    return chain.compromised_keys if chain is not None else frozenset()


def _read_older(
    opened: int,
    place: JobRef,
    participant: Participant,
    asked: JobSpec,
    config: bytes,
    present: frozenset[str],
    said: tuple[Fact, ...],
    stamp: Stamp | None,
    digests: FileDigests | None,
) -> JobSnapshot:
    """The earlier marker layout: bare markers are shown, and only a sealed yes of our owner counts for running."""
    problem, not_hashed, digest, total = "", "", "", 0
    try:
        files = job_contents.older_files(opened, participant.limits, digests)
        asked = replace(asked, files=files)
        digest, total = manifest.older_digest(files), len(files)
    except NotHashed as error:
        not_hashed = f"its files have not been hashed yet, so its digest is unknown in this list: {error}"
    except UnreadableJob as error:
        problem = str(error)
    job = manifest.job_id(place, config)
    heard = marker_check.check_markers(
        opened, place, digest, participant.owner_keys(place, asked), present, participant.limits, full=True
    )
    # Without its digest, nothing tells whether a marker is of this submission.
    findings = ["older layout: its submitter sealed nothing", *([not_hashed] if not_hashed else heard.findings)]
    facts = [Fact("submitted"), *said, *_as_claimed(heard.facts, participant, place, job, said)]
    is_bare = {item.marker.kind for item in heard.checked if item.ignored is not None and not item.marker.digest}
    if not said and "done" in is_bare:
        facts.append(Fact("done", 1, "succeeded"))
        findings = [finding for finding in findings if "'done'" not in finding]
    position = state_of(facts)
    if participant.owns(place):
        findings += marker_check.missing(opened, participant.home, job, said, position, present)
    blocked = None
    if position.state is JobState.QUEUED or BLOCKED in present:
        blocked = _blocked(opened, participant, place, asked, job, digest, position, present, heard, findings)
    is_settled = (
        position.state.is_terminal
        and not problem
        and not not_hashed
        and _is_told(participant, place, present, findings)
    )
    record = JobRecord(
        place=place,
        id=job,
        digest=digest,
        position=position,
        submitted_at=asked.submitted_at,
        when=manifest.timestamp(asked.submitted_at, latest=time.time()),
        problem=shortened(problem),
        have=total,
        total=total,
        findings=_bounded(findings),
        forged_yes="approved" in is_bare and not said,
        older=True,
        blocked=blocked,
        reason=_shortened(_reason(heard.checked, position)),
        said=said,
        stamp=stamp if is_settled else None,
    )
    return JobSnapshot(record, asked, config, present, tuple(heard.checked))


def _as_claimed(
    facts: list[Fact], participant: Participant, place: JobRef, job: str, said: Sequence[Fact]
) -> list[Fact]:
    """What markers tell; but where an attempt was said to start from this home, its claim tells whether it has begun.

    A power cut can leave the marker `running` and forget the claim, and then nothing has begun.
    """
    if not participant.owns(place) or not said or "start" not in participant.home.ledger.events(job):
        return facts
    attempt = state_of(said).attempt
    begun = [Fact("running", attempt)] if participant.home.attempt_paths(job, attempt).claim.exists() else []
    return [fact for fact in facts if fact.kind != "running"] + begun


def _bounded(findings: Sequence[str]) -> tuple[str, ...]:
    """Findings for a record: without repetitions, and no more and no longer than is kept for each of many jobs."""
    different = dict.fromkeys(findings)
    if len(different) <= _FINDINGS_AT_MOST:
        return tuple(map(shortened, different))
    first = [shortened(finding) for finding in list(different)[:_FINDINGS_AT_MOST]]
    return (*first, f"and {len(different) - _FINDINGS_AT_MOST} more findings")


def _unreadable(place: JobRef, problem: str) -> JobSnapshot:
    record = JobRecord(place, manifest.job_id(place, b""), "", Position(JobState.CREATED), problem=shortened(problem))
    return JobSnapshot(record, None, b"", frozenset())
