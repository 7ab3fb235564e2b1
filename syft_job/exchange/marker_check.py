"""What the markers in a job's directory say, and which of it counts.

For one submission and one key: every marker of the owner's hand and the submitter's withdrawal, each with None or the
reason for which it is ignored; and, against the owner's ledger, what should lie here and does not.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from typing import NamedTuple

from syft_job import fs
from syft_job.errors import UnreadableJob
from syft_job.format import manifest
from syft_job.format.manifest import SubmissionLimits
from syft_job.format.markers import ATTEMPTS, BLOCKED, OWNERS, WITHDRAWN, Marker, is_of_first_attempt, parse
from syft_job.home.home import Home
from syft_job.home.ledger import Ledger
from syft_job.model.job_ref import JobRef
from syft_job.model.lifecycle import RANKS, Fact, Position

_BY_RANK = sorted((kind for kind in OWNERS if kind in RANKS), key=RANKS.__getitem__, reverse=True)
UNREADABLE = "cannot be read and counts for nothing"
MISSING = "is missing from the folder; the ledger has it and the runner puts it back"
_ATTEMPTS_AT_MOST = 1000
_ATTEMPTS_BYTES = 1 << 20
"""How many entries of `attempts` are looked at, and how many bytes of them are read."""
_ATTEMPT = re.compile(r"([1-9][0-9]{0,5})\.json")


class Checked(NamedTuple):
    """A marker that was found, and None or the reason for which it does not count."""

    marker: Marker
    ignored: str | None


class MarkerReport(NamedTuple):
    """The markers that were checked, and what a person should know about them, one sentence each."""

    checked: list[Checked]
    findings: list[str]

    @property
    def facts(self) -> list[Fact]:
        """What the counting ones amount to."""
        return [item.marker.fact for item in self.checked if item.ignored is None and item.marker.kind != "shared"]

    @property
    def has_forged_yes(self) -> bool:
        """Whether an `approved` lies there that is neither counting nor that of an earlier version."""
        return any(
            item.marker.kind == "approved" and item.ignored and "earlier" not in item.ignored for item in self.checked
        )


def check_markers(
    job: int,
    place: JobRef,
    digest: str,
    keys: Collection[str],
    present: frozenset[str],
    limits: SubmissionLimits,
    *,
    vouched: frozenset[str] = frozenset(),
    full: bool,
) -> MarkerReport:
    """Read and check the owner's markers in the open job directory.

    They must speak of the submission ``digest`` and be sealed with one of ``keys``. ``present`` are the names in the
    directory, ``vouched`` the kinds that the ledger vouches for, which a list does not read again. With ``full`` all
    are checked, else only until one decides.
    """
    findings: list[str] = []
    markers: list[Marker] = []
    for kind in OWNERS:
        if kind not in present or (not full and kind in vouched):
            continue
        limit = limits.shared_bytes if kind == "shared" else limits.marker_bytes
        try:
            data = fs.read_file(job, kind, limit=limit)
            if data is not None:
                markers.append(parse(kind, data, limit=limit))
        except UnreadableJob as error:
            findings.append(f"'{kind}' {UNREADABLE}: {error}")
            markers += [Marker(kind, "", 1)] if kind == "approved" else []
    if ATTEMPTS in present:
        markers += _attempts(job, limits, findings)
    checked: list[Checked] = []
    best = (0, -1)
    for marker in sorted(markers, key=_weight, reverse=True):
        is_decided = not full and _weight(marker) < best and marker.kind != "approved"
        if is_decided and marker.kind != "attempt":
            continue
        ignored = marker.counts(place, digest, keys)
        if ignored is not None:
            if marker.kind == "approved" and "earlier" not in ignored:
                ignored = "unsealed 'approved': will not run"
            findings.append(ignored)
        elif marker.attempt == 1:
            best = max(best, _weight(marker))
        checked.append(Checked(marker, ignored))
    return MarkerReport(checked, findings)


def check_deciding_markers(
    job: int, place: JobRef, digest: str, keys: Collection[str], present: frozenset[str], limits: SubmissionLimits
) -> MarkerReport | None:
    """The one marker of the owner's that decides, checked, where all that lie here are of the first attempt.

    Then the highest rank decides, if it counts, and the others need neither be parsed nor checked. None where it is
    not as simple as that; `hear` tells then.
    """
    if ATTEMPTS in present:
        return None
    try:
        lying = [(kind, fs.read_file(job, kind, limit=limits.marker_bytes)) for kind in _BY_RANK if kind in present]
        if not lying or not all(data is not None and is_of_first_attempt(data) for _, data in lying):
            return None
        kind, data = lying[0]
        marker = parse(kind, data or b"", limit=limits.marker_bytes)
    except UnreadableJob:
        return None
    return MarkerReport([Checked(marker, None)], []) if marker.counts(place, digest, keys) is None else None


def as_said(heard: MarkerReport, ledger: Ledger, submission: str) -> MarkerReport:
    """What counts of the owner's markers where others may have the key that they are sealed with: what was said."""
    events, facts = ledger.events(submission), ledger.facts(submission)

    def was_said(marker: Marker) -> bool:
        if marker.kind == "shared":
            return ledger.released(submission) == marker.attempt
        if marker.kind == "running":
            return "start" in events
        return marker.fact in facts or (marker.kind == "approved" and "deposit" in events)

    checked, findings = [], list(heard.findings)
    for item in heard.checked:
        if item.ignored is None and not was_said(item.marker):
            ignored = f"'{item.marker.kind}' is sealed with a key that you gave up, and you never said it: ignored"
            findings.append(ignored)
            checked.append(Checked(item.marker, ignored))
        else:
            checked.append(item)
    return MarkerReport(checked, findings)


def check_withdrawal(job: int, place: JobRef, config: bytes, limits: SubmissionLimits) -> Checked:
    """Read and check the submitter's `withdrawn`: it counts under the key that sealed `config.yaml` only."""
    try:
        data = fs.read_file(job, WITHDRAWN, limit=limits.marker_bytes)
        marker = parse(WITHDRAWN, data or b"", limit=limits.marker_bytes)
    except UnreadableJob as error:
        return Checked(Marker(WITHDRAWN, "", 1), f"'withdrawn' {UNREADABLE}: {error}")
    key = manifest.submitters_key(config, place, limits)
    return Checked(marker, marker.counts(place, manifest.digest_of(config), () if key is None else (key,)))


def check_blocked(
    job: int, place: JobRef, digest: str, keys: Collection[str], limits: SubmissionLimits, attempt: int
) -> Checked:
    """Read and check the owner's `blocked`: it counts for the present attempt only."""
    try:
        data = fs.read_file(job, BLOCKED, limit=limits.marker_bytes)
        marker = parse(BLOCKED, data or b"", limit=limits.marker_bytes)
    except UnreadableJob as error:
        return Checked(Marker(BLOCKED, "", 1), f"'{BLOCKED}' cannot be read and counts for nothing: {error}")
    ignored = marker.counts(place, digest, keys)
    if ignored is None and marker.attempt != attempt:
        ignored = f"'{BLOCKED}' of attempt {marker.attempt} ignored"
    return Checked(marker, ignored)


def expected(said: Iterable[Fact], position: Position) -> list[Fact]:
    """The facts of the ledger whose markers should lie in the folder now.

    Of finished attempts before the present one only the permits remain, and of several yeses the last.
    """
    facts = list(dict.fromkeys(said))
    last_yes = max((fact.attempt for fact in facts if fact.kind == "approved"), default=0)
    return [
        fact
        for fact in facts
        if fact.kind == "permit"
        or (fact.kind == "approved" and fact.attempt == last_yes)
        or (fact.kind not in ("approved", "permit") and fact.attempt == position.attempt)
    ]


def missing(
    job: int, home: Home, submission: str, said: Iterable[Fact], position: Position, present: frozenset[str]
) -> tuple[str, ...]:
    """Sentences about the owner's markers that should lie in the open job directory and do not."""
    ledger = home.ledger
    if "clean" in ledger.events(submission):
        return ()
    names = []
    for fact in expected(said, position):
        if fact.kind == "permit":
            name = f"{ATTEMPTS}/{fact.attempt}.json"
            is_here = ATTEMPTS in present and _has_attempt(job, fact.attempt)
        else:
            name = fact.kind
            is_here = name in present or (name == "done" and ledger.is_tacit(submission, fact.attempt))
        if not is_here:
            names.append(name)
    if ledger.released(submission) == position.attempt and "shared" not in present:
        names.append("shared")
    return tuple(f"'{name}' {MISSING}" for name in names)


def _has_attempt(job: int, number: int) -> bool:
    try:
        with fs.open_directory(job, ATTEMPTS) as inner:
            return fs.stat_entry(inner, f"{number}.json") is not None
    except (FileNotFoundError, UnreadableJob):
        return False


def _weight(marker: Marker) -> tuple[int, int]:
    if marker.kind == "shared":
        return (marker.attempt, -1)
    fact = marker.fact
    return (fact.attempt + (fact.kind == "permit"), RANKS[fact.kind])


def _attempts(job: int, limits: SubmissionLimits, findings: list[str]) -> list[Marker]:
    found = []
    try:
        with fs.open_directory(job, ATTEMPTS) as inner:
            left = _ATTEMPTS_BYTES
            for name in sorted(fs.list_names(inner, limit=_ATTEMPTS_AT_MOST)):
                number = _ATTEMPT.fullmatch(name)
                if number is None:
                    continue
                if left <= 0:
                    raise UnreadableJob(f"its files are longer than {_ATTEMPTS_BYTES} bytes together")
                try:
                    data = fs.read_file(inner, name, limit=limits.marker_bytes)
                    left -= len(data or b"")
                    marker = parse("attempt", data or b"", limit=limits.marker_bytes)
                except UnreadableJob as error:
                    findings.append(f"'{ATTEMPTS}/{name}' {UNREADABLE}: {error}")
                    continue
                if marker.attempt == int(number[1]):
                    found.append(marker)
    except FileNotFoundError:
        return found
    except UnreadableJob as error:
        findings.append(f"'{ATTEMPTS}' {UNREADABLE}: {error}")
    return found
