"""From held results to released ones.

Results lie at home until their owner lets them out. Letting out is copying through one gate (`result_tree`) to a
temporary name (`staging`), while no lock is held; then, under the home's lock, putting the copies in place, saying in
`shared` what may be read by whom, and opening the rules. Who may decide that is settled by the caller, who holds the
lock and has checked that the copies are of the present attempt.
"""

from __future__ import annotations

import stat
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from syft_job import fs
from syft_job.format import markers, permissions
from syft_job.format.manifest import FileEntry
from syft_job.format.markers import LOGS, OUTPUTS, RULES
from syft_job.model import names

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
        """As `approved.share` has it."""
        return {"outputs": list(self.outputs), "logs": list(self.logs)}

    @classmethod
    def from_json(cls, said: object) -> Grants:
        """Read what `to_json` wrote; anything else grants nothing."""
        if not isinstance(said, dict):
            return cls()
        return cls(_people(said.get("outputs")), _people(said.get("logs")))

    def __bool__(self) -> bool:
        return bool(self.outputs or self.logs)


def granted(participant: Participant, job: str, attempt: int) -> Grants:
    """What the ledger says was released of this attempt."""
    grants = Grants()
    for line in participant.home.ledger.lines(job):
        if line.attempt == attempt and line.event == "released":
            grants = Grants.from_json(line.said.get("share"))
    return grants


def promised(participant: Participant, job: str, attempt: int) -> Grants:
    """What the permit of this attempt said is to be released when it is over."""
    grants = Grants()
    for line in participant.home.ledger.lines(job):
        opens = line.attempt + (line.event == "permit")
        if opens == attempt and line.event in ("approve", "permit"):
            grants = Grants.from_json(line.said.get("mark", {}).get("share"))
        elif line.event == "promise" and line.attempt == attempt:
            grants = grants.plus(Grants.from_json(line.said.get("share")))
    return grants


def need_of(job: str, attempt: int, grants: Grants) -> Need:
    """Which results have to be staged before ``grants`` of an attempt can be published."""
    return Need(job, attempt, bool(grants.outputs), bool(grants.logs))


def publish(participant: Participant, look: JobSnapshot, grants: Grants, staged: StagedResults) -> None:
    """Release what ``grants`` opens of the present attempt: files, then `shared`, then the rules, then the ledger.

    Nothing is copied here: ``staged`` holds the files, and the caller has asked whether it fits. Everything goes into
    the directory that ``staged`` has open: its submitter may give it another name at any moment, and files without
    their rules would be open to them. Every step can be repeated, so that one that was cut short is simply done again.

    Raises:
        StoreError: the folder cannot be written.
    """
    record = look.record
    place, attempt = record.place, record.attempt
    key = participant.answering_key(look.spec)
    said: dict[str, Any] = {}
    job = staged.job
    fs.remove(job, RULES)
    if grants.outputs:
        said["outputs"] = _told(grants.outputs, place.submitter, staged.put_outputs_in_place())
    if grants.logs:
        said["logs"] = _told(grants.logs, place.submitter, staged.put_logs_in_place())
    if _is_strange(job, "shared"):
        fs.remove(job, "shared")
    marker = markers.make("shared", place, key, digest=record.digest, attempt=attempt, **said)
    fs.write_file(job, "shared", markers.to_bytes(marker))
    fs.write_file(job, RULES, permissions.job_rules(place.submitter, grants.outputs, grants.logs))
    participant.home.ledger.say(record.id, attempt, "released", share=grants.to_json(), mark=unsealed(marker))


def withdraw_grants(job: int) -> None:
    """Close a job's directory again: first the rules, then what they opened is no longer told."""
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


def _is_strange(job: int, name: str) -> bool:
    """Whether something else than a plain file lies where we are about to write one."""
    found = fs.stat_entry(job, name)
    return found is not None and not stat.S_ISREG(found.st_mode)


def _told(who: Sequence[str], submitter: str, files: dict[str, FileEntry]) -> dict[str, Any]:
    said: dict[str, Any] = {"who": list(who)}
    if submitter in who or "*" in who:
        said["files"] = {path: {"size": entry.size, "sha256": entry.sha256} for path, entry in files.items()}
    return said


def unsealed(marker: markers.Marker) -> dict[str, Any]:
    """What a marker says, as the ledger has it."""
    return {key: value for key, value in marker.body.items() if key != "seal"}


def _people(said: object) -> tuple[str, ...]:
    if not isinstance(said, list) or not all(isinstance(person, str) for person in said):
        return ()
    return tuple(said)


def _merged(some: Sequence[str], more: Sequence[str]) -> tuple[str, ...]:
    return tuple(sorted({*some, *more}))
