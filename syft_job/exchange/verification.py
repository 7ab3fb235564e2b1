"""Check anew whether everything about a job is genuine: signatures, submitted files and released files.

Each check is a function that returns what holds and what fails; `verify` puts them together.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from syft_job import fs
from syft_job.errors import UnreadableJob
from syft_job.format import manifest
from syft_job.format.markers import OUTPUTS, shared_part
from syft_job.model.text import escape_line

from .job_snapshot import JobSnapshot
from .key_holder import Relation, identify
from .listed_files import hashes_match
from .marker_check import MISSING, UNREADABLE
from .participant import Participant


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

    def __add__(self, other: Verification) -> Verification:
        return Verification(self.holds + other.holds, self.fails + other.fails)

    def __str__(self) -> str:
        lines = [f"✓ {escape_line(line)}" for line in self.holds] + [f"✗ {escape_line(line)}" for line in self.fails]
        return "\n".join([*lines, "Everything holds." if self.ok else "Something does not hold; see above."])


def verify(participant: Participant, snapshot: JobSnapshot) -> Verification:
    """Check signatures, submitted files and released files anew."""
    problem = snapshot.record.problem
    return (
        Verification((), (problem,) if problem else ())
        + _check_signature(participant, snapshot)
        + _check_submitted_files(participant, snapshot)
        + _check_markers(snapshot)
        + _check_owner(participant, snapshot)
        + _check_released_files(participant, snapshot)
    )


def _check_signature(participant: Participant, snapshot: JobSnapshot) -> Verification:
    """Who signed the manifest; one of an unsigned layout carries no signature that could fail."""
    record, config = snapshot.record, snapshot.config
    key = manifest.submitters_key(config, record.place, participant.limits) if config else None
    if key is None:
        return Verification((), ("config.yaml carries no valid signature",) if record.layout.is_signed else ())
    holder = identify(participant, key, record.submitter)
    sentence = (f"config.yaml is signed for this job with key {holder}",)
    return Verification(sentence, ()) if holder.is_known else Verification((), sentence)


def _check_submitted_files(participant: Participant, snapshot: JobSnapshot) -> Verification:
    differences = hashes_match(snapshot, participant.home.root)
    if differences or snapshot.spec is None:
        return Verification((), tuple(differences))
    return Verification((f"all {len(snapshot.spec.files)} submitted files are as listed",), ())


def _check_markers(snapshot: JobSnapshot) -> Verification:
    """The markers that were read, and those that are missing or cannot be read."""
    holds, fails = [], []
    for item in snapshot.markers:
        name = f"'{item.marker.kind}' of attempt {item.marker.attempt}"
        if item.is_valid:
            holds.append(f"{name} is signed for this submission")
        else:
            fails.append(f"{name} does not count: {item.message}")
    fails += [finding for finding in snapshot.record.findings if MISSING in finding or UNREADABLE in finding]
    return Verification(tuple(holds), tuple(fails))


def _check_owner(participant: Participant, snapshot: JobSnapshot) -> Verification:
    """Whether the owner's answers to this submission can be relied on, by the key that it was submitted to."""
    ref, spec = snapshot.record.place, snapshot.spec
    if participant.owns(ref):
        return Verification((), ())
    if doubt := participant.doubt(ref, spec):
        return Verification((), (doubt,))
    if spec is None or not spec.owner_key:
        return Verification((), ())
    holder = identify(participant, spec.owner_key, ref.owner)
    if holder.relation is not Relation.OTHER:
        return Verification((), ())
    warning = f"it was submitted to key {holder}. Ask {ref.owner} by other means which key is theirs"
    return Verification((), (warning,))


def _check_released_files(participant: Participant, snapshot: JobSnapshot) -> Verification:
    shared = snapshot.marker("shared")
    if shared is None or shared.attempt != snapshot.record.attempt:
        return Verification((), ())
    differences = _released_differences(snapshot, participant.home.root, shared.body)
    if differences:
        return Verification((), tuple(differences))
    return Verification(("the released files are as listed in 'shared'",), ())


def _released_differences(snapshot: JobSnapshot, root: Path, body: Mapping[str, Any]) -> list[str]:
    differences = []
    for what, prefix in (("outputs", f"{OUTPUTS}/"), ("logs", "")):
        for path, entry in (shared_part(body, what).files or {}).items():
            *folder, name = (prefix + path).split("/")
            try:
                with fs.open_directory(root, *snapshot.record.place.parts, *folder) as folder_fd:
                    hashed = fs.hash_file(folder_fd, name, max_bytes=entry.size)
                if tuple(hashed) != tuple(entry):
                    differences.append(f"{prefix}{path} is not what was released")
            except FileNotFoundError:
                if entry.size:  # some transports drop empty files
                    differences.append(f"{prefix}{path} has not arrived")
            except UnreadableJob as error:
                differences.append(f"{prefix}{path} is not what was released: {error}")
    return differences
