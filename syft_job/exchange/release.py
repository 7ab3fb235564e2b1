"""Release: write held results into the shared folder, for those to whom their owner grants them.

Results are copied through one gate (`result_tree`) to a temporary name (`result_staging`) while no lock is held. Then,
under the home's lock, the copies are renamed into place, `shared` states who may read what, and the rule file opens
them. The caller holds the lock and has checked that the release is allowed and the copies are of the present attempt.
"""

from __future__ import annotations

import stat
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from syft_job import fs
from syft_job.format import markers, permissions
from syft_job.format.manifest import FileEntry
from syft_job.format.markers import LOGS, OUTPUTS, RULES
from syft_job.model import names
from syft_job.model.events import Event, MarkerKind
from syft_job.model.names import InnerPath

from .job_reader import JobSnapshot
from .participant import Participant
from .result_staging import Need, StagedResults


@dataclass(frozen=True, slots=True)
class Grants:
    """Who may read the outputs and who the logs of one attempt: addresses, sorted, each once."""

    outputs: tuple[str, ...] = ()
    logs: tuple[str, ...] = ()

    def plus(self, other: Grants) -> Grants:
        """Both together."""
        return Grants(_merged(self.outputs, other.outputs), _merged(self.logs, other.logs))

    def to_json(self) -> dict[str, list[str]]:
        """The grants as the field ``share`` of `approved` holds them."""
        return {"outputs": list(self.outputs), "logs": list(self.logs)}

    @classmethod
    def from_json(cls, value: object) -> Grants:
        """Read what `to_json` wrote; anything else grants nothing."""
        if not isinstance(value, dict):
            return cls()
        return cls(_people(value.get("outputs")), _people(value.get("logs")))

    def __bool__(self) -> bool:
        return bool(self.outputs or self.logs)


def granted(participant: Participant, job: str, attempt: int) -> Grants:
    """What was released of this attempt, by the ledger."""
    grants = Grants()
    for line in participant.home.ledger.lines(job):
        if line.attempt == attempt and line.event == Event.RELEASED:
            grants = Grants.from_json(line.said.get("share"))
    return grants


def promised(participant: Participant, job: str, attempt: int) -> Grants:
    """What the permit of this attempt promised to release when it has ended."""
    grants = Grants()
    for line in participant.home.ledger.lines(job):
        if line.concerned_attempt != attempt:
            continue
        if line.event in (Event.APPROVED, Event.ATTEMPT_PERMITTED):
            grants = Grants.from_json(line.said.get("mark", {}).get("share"))
        elif line.event == Event.RELEASE_PROMISED:
            grants = grants.plus(Grants.from_json(line.said.get("share")))
    return grants


def need_of(job: str, attempt: int, grants: Grants) -> Need:
    """Which results have to be staged before ``grants`` of an attempt can be published."""
    return Need(job, attempt, bool(grants.outputs), bool(grants.logs))


def publish(participant: Participant, look: JobSnapshot, grants: Grants, staged: StagedResults) -> None:
    """Release what ``grants`` opens of the present attempt: files, then `shared`, then the rules, then the ledger.

    Nothing is copied here: ``staged`` holds the files, and the caller has checked that it fits. Everything goes into
    the directory that ``staged`` has open: its submitter may give it another name at any moment, and files without
    their rules would be open to them. Every step can be repeated, so that one that was cut short is simply done again.

    Raises:
        StoreError: the folder cannot be written.
    """
    record = look.record
    place, attempt = record.place, record.attempt
    key = participant.answering_key(look.spec)
    body: dict[str, Any] = {}
    job = staged.job
    fs.remove(job, RULES)
    if grants.outputs:
        body["outputs"] = _shared_part(grants.outputs, place.submitter, staged.put_outputs_in_place())
    if grants.logs:
        body["logs"] = _shared_part(grants.logs, place.submitter, staged.put_logs_in_place())
    if _is_other_kind(job, "shared"):
        fs.remove(job, "shared")
    marker = markers.make(MarkerKind.SHARED, place, key, digest=record.digest, attempt=attempt, **body)
    fs.write_file(job, "shared", markers.to_bytes(marker))
    fs.write_file(job, RULES, permissions.job_rules(place.submitter, grants.outputs, grants.logs))
    participant.home.ledger.say(record.id, attempt, Event.RELEASED, share=grants.to_json(), mark=unsealed(marker))


def withdraw_grants(job: int) -> None:
    """Close a job's directory again: remove the rules first, then `shared`."""
    fs.remove(job, RULES)
    fs.remove(job, "shared")


def take_back(job: int) -> None:
    """Remove everything that was released of an earlier attempt from the open job directory."""
    for name in (OUTPUTS, *LOGS.values(), "logs"):
        fs.remove(job, name)


def may_share_with(people: Iterable[str]) -> tuple[str, ...]:
    """The addresses in normal form, sorted, each once; ``*`` stands for everybody.

    Raises:
        InvalidName: one of them is no address.
    """
    return tuple(sorted({person if person == "*" else names.normalize_address(person) for person in people}))


def _is_other_kind(job: int, name: str) -> bool:
    """Return True if something else than a plain file is where one is about to be written."""
    status = fs.stat_entry(job, name)
    return status is not None and not stat.S_ISREG(status.st_mode)


def _shared_part(who: Sequence[str], submitter: str, files: Mapping[InnerPath, FileEntry]) -> dict[str, Any]:
    """The field ``outputs`` or ``logs`` of `shared`; the files are listed only where their submitter may read them."""
    part: dict[str, Any] = {"who": list(who)}
    if submitter in who or "*" in who:
        part["files"] = {path: {"size": entry.size, "sha256": entry.sha256} for path, entry in files.items()}
    return part


def unsealed(marker: markers.Marker) -> dict[str, Any]:
    """The body of a marker without its signature, as the ledger records it."""
    return {key: value for key, value in marker.body.items() if key != "seal"}


def _people(value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(person, str) for person in value):
        return ()
    return tuple(value)


def _merged(some: Sequence[str], more: Sequence[str]) -> tuple[str, ...]:
    return tuple(sorted({*some, *more}))
