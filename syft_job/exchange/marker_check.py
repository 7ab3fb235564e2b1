"""Check of the markers in one job's directory: which there are, which are valid, and which are missing.

Every marker of the owner's and the submitter's withdrawal is checked for one submission and one set of keys. Each is
valid or has a `MarkerProblem`. For the owner, the markers that the ledger requires are compared with those in the
folder. Nothing is changed, and nothing is decided by the text of a message.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from typing import NamedTuple

from syft_job import fs
from syft_job.errors import UnreadableJob
from syft_job.format import manifest
from syft_job.format.manifest import SubmissionLimits
from syft_job.format.markers import BLOCKED, OWNERS_KINDS, WITHDRAWN, Marker, MarkerProblem, is_of_first_attempt, parse
from syft_job.home.home import Home
from syft_job.home.ledger import Ledger
from syft_job.model.events import ATTEMPTS, MARKER_EVENTS, Event, MarkerKey, MarkerKind, marker_of_fact
from syft_job.model.job_ref import JobRef
from syft_job.model.states import PERMITS, RANKS, Fact, FactKind, Position

UNREADABLE = "cannot be read and counts for nothing"
MISSING = "is missing from the folder; the ledger has it and the runner writes it again"
_MAX_ATTEMPT_FILES = 1000
_MAX_ATTEMPTS_BYTES = 1 << 20
"""How many entries of `attempts` are read, and how many bytes of them."""
_ATTEMPT_FILE = re.compile(r"([1-9][0-9]{0,5})\.json")


def _rank_of(kind: MarkerKind) -> int:
    """The rank of the fact that a marker contributes; -1 for none."""
    fact = MARKER_EVENTS[kind].fact
    return -1 if fact is None else RANKS[fact]


_DECIDING_FIRST = sorted((kind for kind in OWNERS_KINDS if _rank_of(kind) >= 0), key=_rank_of, reverse=True)


class Checked(NamedTuple):
    """A marker that was found, and None or the problem for which it does not count."""

    marker: Marker
    problem: MarkerProblem | None
    detail: str = ""
    """What the problem is exactly, for `MarkerProblem.UNREADABLE`."""

    @property
    def is_valid(self) -> bool:
        """Whether the marker counts."""
        return self.problem is None

    @property
    def message(self) -> str:
        """The problem as a finding for people; empty where there is none."""
        kind = self.marker.kind
        match self.problem:
            case None:
                return ""
            case MarkerProblem.UNREADABLE:
                return f"'{kind}' {UNREADABLE}: {self.detail}"
            case MarkerProblem.EARLIER_VERSION:
                return f"'{kind}' of an earlier version ignored"
            case MarkerProblem.NOT_RECORDED:
                return f"'{kind}' is signed with a key that was given up, and the ledger does not have it: ignored"
            case MarkerProblem.OTHER_ATTEMPT:
                return f"'{kind}' of attempt {self.marker.attempt} ignored"
            case _ if kind is MarkerKind.APPROVED:
                return "unsigned 'approved': will not run"
            case MarkerProblem.UNSIGNED:
                return f"unsigned '{kind}' ignored"
            case MarkerProblem.UNKNOWN_KEY:
                return f"'{kind}' cannot be checked: no key of its writer is known"
            case MarkerProblem.WRONG_SIGNATURE:
                return f"'{kind}' with an invalid signature ignored"


class MarkerReport(NamedTuple):
    """The markers that were checked, and what a person should know about them, one sentence each."""

    checked: list[Checked]
    findings: list[str]

    @property
    def facts(self) -> list[Fact]:
        """The facts that the valid ones contribute."""
        facts = (item.marker.fact for item in self.checked if item.is_valid)
        return [fact for fact in facts if fact is not None]

    @property
    def has_forged_approval(self) -> bool:
        """Whether there is an `approved` that is neither valid nor one of an earlier version."""
        accepted = (None, MarkerProblem.EARLIER_VERSION)
        return any(item.marker.kind is MarkerKind.APPROVED and item.problem not in accepted for item in self.checked)


def check_markers(
    dir_fd: int,
    ref: JobRef,
    digest: str,
    keys: Collection[str],
    present: frozenset[str],
    limits: SubmissionLimits,
    *,
    vouched: frozenset[str] = frozenset(),
    full: bool,
) -> MarkerReport:
    """Read and check the owner's markers in the open job directory.

    Args:
        dir_fd: the open directory.
        ref: the job.
        digest: the digest of the submission that the markers must name.
        keys: the public keys of which one must have signed a marker.
        present: the names in the directory.
        limits: how large the files may be.
        vouched: the kinds that the ledger vouches for, which a list does not read again.
        full: check all of them; otherwise only until one decides.
    """
    findings: list[str] = []
    markers: list[Marker] = []
    for kind in OWNERS_KINDS:
        if kind not in present or (not full and kind in vouched):
            continue
        limit = limits.shared_bytes if kind is MarkerKind.SHARED else limits.marker_bytes
        try:
            data = fs.read_file(dir_fd, kind.value, limit=limit)
            if data is not None:
                markers.append(parse(kind, data, limit=limit))
        except UnreadableJob as error:
            unreadable = Marker(kind, "", 1)
            findings.append(Checked(unreadable, MarkerProblem.UNREADABLE, str(error)).message)
            markers += [unreadable] if kind is MarkerKind.APPROVED else []
    if ATTEMPTS in present:
        markers += _read_attempts(dir_fd, limits, findings)
    checked: list[Checked] = []
    highest = (0, -1)
    for marker in sorted(markers, key=_height, reverse=True):
        is_decided = not full and _height(marker) < highest
        if is_decided and marker.kind not in (MarkerKind.APPROVED, MarkerKind.ATTEMPT):
            continue
        item = Checked(marker, marker.check(ref, digest, keys))
        if not item.is_valid:
            findings.append(item.message)
        elif marker.attempt == 1:
            highest = max(highest, _height(marker))
        checked.append(item)
    return MarkerReport(checked, findings)


def check_deciding_markers(
    dir_fd: int, ref: JobRef, digest: str, keys: Collection[str], present: frozenset[str], limits: SubmissionLimits
) -> MarkerReport | None:
    """Check only the marker that decides, where all of the owner's markers are of the first attempt.

    Then the highest rank decides, if it is valid, and the others need neither be parsed nor checked.

    Returns:
        The report of that one marker; None where the case is not as simple, so that `check_markers` has to be used.
    """
    if ATTEMPTS in present:
        return None
    try:
        contents = [
            (kind, fs.read_file(dir_fd, kind.value, limit=limits.marker_bytes))
            for kind in _DECIDING_FIRST
            if kind in present
        ]
        if not contents or not all(data is not None and is_of_first_attempt(data) for _, data in contents):
            return None
        kind, data = contents[0]
        marker = parse(kind, data or b"", limit=limits.marker_bytes)
    except UnreadableJob:
        return None
    return MarkerReport([Checked(marker, None)], []) if marker.check(ref, digest, keys) is None else None


def require_recorded(report: MarkerReport, ledger: Ledger, submission: str) -> MarkerReport:
    """Refuse valid markers that the ledger does not have: others may have the key that they are signed with."""
    events, facts = ledger.events(submission), ledger.facts(submission)

    def is_recorded(marker: Marker) -> bool:
        if marker.kind is MarkerKind.SHARED:
            return ledger.released(submission) == marker.attempt
        if marker.kind is MarkerKind.RUNNING:
            return Event.STARTED in events
        return marker.fact in facts or (marker.kind is MarkerKind.APPROVED and Event.DEPOSITED in events)

    checked, findings = [], list(report.findings)
    for item in report.checked:
        if item.is_valid and not is_recorded(item.marker):
            refused = Checked(item.marker, MarkerProblem.NOT_RECORDED)
            findings.append(refused.message)
            checked.append(refused)
        else:
            checked.append(item)
    return MarkerReport(checked, findings)


def check_withdrawal(dir_fd: int, ref: JobRef, config: bytes, limits: SubmissionLimits) -> Checked:
    """Read and check the submitter's `withdrawn`: it counts under the key that signed `config.yaml` only."""
    try:
        data = fs.read_file(dir_fd, WITHDRAWN, limit=limits.marker_bytes)
        marker = parse(MarkerKind.WITHDRAWN, data or b"", limit=limits.marker_bytes)
    except UnreadableJob as error:
        return Checked(Marker(MarkerKind.WITHDRAWN, "", 1), MarkerProblem.UNREADABLE, str(error))
    key = manifest.submitters_key(config, ref, limits)
    return Checked(marker, marker.check(ref, manifest.digest_of(config), () if key is None else (key,)))


def check_blocked(
    dir_fd: int, ref: JobRef, digest: str, keys: Collection[str], limits: SubmissionLimits, attempt: int
) -> Checked:
    """Read and check the owner's `blocked`: it counts for the present attempt only."""
    try:
        data = fs.read_file(dir_fd, BLOCKED, limit=limits.marker_bytes)
        marker = parse(MarkerKind.BLOCKED, data or b"", limit=limits.marker_bytes)
    except UnreadableJob as error:
        return Checked(Marker(MarkerKind.BLOCKED, "", 1), MarkerProblem.UNREADABLE, str(error))
    problem = marker.check(ref, digest, keys)
    if problem is None and marker.attempt != attempt:
        problem = MarkerProblem.OTHER_ATTEMPT
    return Checked(marker, problem)


def expected(recorded: Iterable[Fact], position: Position) -> list[Fact]:
    """The facts of the ledger whose markers should be in the folder now.

    Of finished attempts before the present one only the permits remain, and of several approvals the last.
    """
    facts = list(dict.fromkeys(recorded))
    last_approval = max((fact.attempt for fact in facts if fact.kind is FactKind.APPROVED), default=0)
    return [
        fact
        for fact in facts
        if fact.kind is FactKind.PERMITTED
        or (fact.kind is FactKind.APPROVED and fact.attempt == last_approval)
        or (fact.kind not in PERMITS and fact.attempt == position.attempt)
    ]


def missing(
    dir_fd: int, home: Home, submission: str, recorded: Iterable[Fact], position: Position, present: frozenset[str]
) -> tuple[str, ...]:
    """One finding about each of the owner's markers that should be in the open job directory and is not."""
    ledger = home.ledger
    if Event.CLEANED in ledger.events(submission):
        return ()
    paths = []
    for fact in expected(recorded, position):
        key = marker_of_fact(fact)
        is_withheld = fact.kind is FactKind.DONE and ledger.is_outcome_withheld(submission, fact.attempt)
        if not is_withheld and not _is_present(dir_fd, key, present):
            paths.append(key.path)
    if ledger.released(submission) == position.attempt and MarkerKind.SHARED not in present:
        paths.append(MarkerKind.SHARED.value)
    return tuple(f"'{path}' {MISSING}" for path in paths)


def _is_present(dir_fd: int, key: MarkerKey, present: frozenset[str]) -> bool:
    folder, _, name = key.path.rpartition("/")
    if not folder:
        return name in present
    if folder not in present:
        return False
    try:
        with fs.open_directory(dir_fd, folder) as inner:
            return fs.stat_entry(inner, name) is not None
    except (FileNotFoundError, UnreadableJob):
        return False


def _height(marker: Marker) -> tuple[int, int]:
    """What decides between markers: as for facts, and below them what contributes no fact."""
    fact = marker.fact
    return (marker.attempt, -1) if fact is None else fact.height


def _read_attempts(dir_fd: int, limits: SubmissionLimits, findings: list[str]) -> list[Marker]:
    """Parse the markers in `attempts`; a finding about each that cannot be read is added to ``findings``."""
    markers: list[Marker] = []
    try:
        with fs.open_directory(dir_fd, ATTEMPTS) as inner:
            bytes_left = _MAX_ATTEMPTS_BYTES
            for name in sorted(fs.list_names(inner, limit=_MAX_ATTEMPT_FILES)):
                number = _ATTEMPT_FILE.fullmatch(name)
                if number is None:
                    continue
                if bytes_left <= 0:
                    raise UnreadableJob(f"its files are longer than {_MAX_ATTEMPTS_BYTES} bytes together")
                try:
                    data = fs.read_file(inner, name, limit=limits.marker_bytes)
                    bytes_left -= len(data or b"")
                    marker = parse(MarkerKind.ATTEMPT, data or b"", limit=limits.marker_bytes)
                except UnreadableJob as error:
                    findings.append(f"'{ATTEMPTS}/{name}' {UNREADABLE}: {error}")
                    continue
                if marker.attempt == int(number[1]):
                    markers.append(marker)
    except FileNotFoundError:
        return markers
    except UnreadableJob as error:
        findings.append(f"'{ATTEMPTS}' {UNREADABLE}: {error}")
    return markers
