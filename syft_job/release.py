"""From held results to released ones.

Results lie at home until their owner lets them out. Letting out is copying through one gate (plain files only, no rule
file, nothing above the limits), then saying in `shared` what may be read by whom, then opening the rules. Who may
decide that is settled by the caller, who holds the home's lock.
"""

from __future__ import annotations

import stat
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import acl, disk, markers, names
from .errors import InvalidName, UnreadableJob
from .folder import Look
from .markers import LOGS, OUTPUTS, RULES
from .spec import FileEntry, Limits
from .viewer import Viewer


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


def granted(viewer: Viewer, job: str, attempt: int) -> Grants:
    """What the ledger says was released of this attempt."""
    grants = Grants()
    for line in viewer.home.ledger.lines(job):
        if line.attempt == attempt and line.event == "released":
            grants = Grants.from_json(line.said.get("share"))
    return grants


def promised(viewer: Viewer, job: str, attempt: int) -> Grants:
    """What the permit of this attempt said is to be released when it is over."""
    grants = Grants()
    for line in viewer.home.ledger.lines(job):
        opens = line.attempt + (line.event == "permit")
        if opens == attempt and line.event in ("approve", "permit"):
            grants = Grants.from_json(line.said.get("mark", {}).get("share"))
        elif line.event == "promise" and line.attempt == attempt:
            grants = grants.plus(Grants.from_json(line.said.get("share")))
    return grants


def publish(viewer: Viewer, look: Look, grants: Grants) -> None:
    """Release what ``grants`` opens of the present attempt: files, then `shared`, then the rules, then the ledger.

    Every step can be repeated, so that one that was cut short is simply done again.

    Raises:
        UnreadableJob: the held results hold something that must not travel.
        StoreError: the folder cannot be written.
    """
    record = look.record
    place, attempt = record.place, record.attempt
    held = viewer.home.held(record.id, attempt)
    key = viewer.answering_key(look.spec)
    said: dict[str, Any] = {}
    with disk.directory(viewer.home.root, *place.parts) as job:
        disk.remove(job, RULES)
        if grants.outputs:
            files = lay(held, job, viewer.limits)
            said["outputs"] = _told(grants.outputs, place.submitter, files)
        if grants.logs:
            logs = _lay_logs(held, job, viewer.limits)
            said["logs"] = _told(grants.logs, place.submitter, logs)
        if _is_strange(job, "shared"):
            disk.remove(job, "shared")
        marker = markers.make("shared", place, key, digest=record.digest, attempt=attempt, **said)
        disk.put(job, "shared", markers.to_bytes(marker))
        disk.put(job, RULES, acl.job_rules(place.submitter, grants.outputs, grants.logs))
    viewer.home.ledger.say(record.id, attempt, "released", share=grants.to_json(), mark=unsealed(marker))


def lay(held: Path, job: int, limits: Limits) -> dict[str, FileEntry]:
    """Copy the held outputs to `outputs` in the open job directory, as a whole; returns what was laid.

    A folder of that name is replaced; links, devices and rule files are never copied.

    Raises:
        UnreadableJob: they hold a link, a device, a rule file's look-alike, or more than ``limits`` allow.
    """
    temporary = disk.temporary_name()
    disk.make_new_directory(job, temporary)
    try:
        files: dict[str, FileEntry] = {}
        with disk.directory(job, temporary) as target:
            if (held / OUTPUTS).exists():
                with disk.directory(held, OUTPUTS) as source:
                    files = copy_tree(source, target, limits)
        disk.remove(job, OUTPUTS)
        disk.rename(job, temporary, job, OUTPUTS)
    except BaseException:
        disk.discard(job, temporary)
        raise
    return files


def copy_tree(source: int, target: int, limits: Limits, *, left_out: list[str] | None = None) -> dict[str, FileEntry]:
    """Copy all plain files of one open directory into another, durably; no link is followed.

    With ``left_out``, what cannot travel is named there and passed over instead of raised.

    Raises:
        UnreadableJob: there is a link, a device, a name that cannot travel, or more than ``limits`` allow.
    """
    files: dict[str, FileEntry] = {}
    folders: list[list[str]] = [[]]
    left = limits.total_bytes
    forms = UnicodeForms()
    for entry in disk.walk(source, most=limits.files, passed_over=left_out):
        folder, _, name = entry.path.rpartition("/")
        refused = why_not(name, entry) or forms.twin_of(entry.path)
        if refused and left_out is not None:
            left_out.append(refused)
            continue
        if refused:
            raise UnreadableJob(f"{refused}. Remove it first.")
        inside = folder.split("/") if folder else []
        *listed_inside, listed_name = names.inner_path(entry.path).split("/")
        if entry.is_dir:
            with disk.directory(target, *listed_inside, listed_name, create=True):
                folders.append([*listed_inside, listed_name])
                continue
        with disk.directory(source, *inside) as reading, disk.directory(target, *listed_inside, create=True) as writing:
            copied = disk.copy(reading, name, writing, listed_name, most=left, mode=0o644, durable=True)
        files[names.inner_path(entry.path)] = FileEntry(copied.size, copied.sha256)
        left -= copied.size
    for inside in folders if files or folders[1:] else ():  # a name that is not durable is lost with a power cut, too
        with disk.directory(target, *inside) as opened:
            disk.sync(opened)
    return files


class UnicodeForms:
    """The paths of one tree in Unicode form C, to notice a second spelling of one of them."""

    def __init__(self) -> None:
        self._spelled: dict[str, str] = {}
        self._twins: list[str] = []

    def twin_of(self, path: str) -> str | None:
        """Why ``path`` cannot be kept beside a path seen before it; None where it can, and it is seen from now on."""
        if any(path.startswith(f"{twin}/") for twin in self._twins):
            return f"{path!a} is in a folder whose name has a twin in another Unicode form"
        earlier = self._spelled.setdefault(unicodedata.normalize("NFC", path), path)
        if earlier == path:
            return None
        self._twins.append(path)
        return f"{path!a} and {earlier!a} are one name in two Unicode forms (NFC, NFD); only one can be kept"


def why_not(name: str, entry: disk.Entry) -> str | None:
    """Why a result of this name and kind cannot be let out; None where it can."""
    if name.casefold() == RULES:
        return f"{entry.path!r} is a permission file, and those are the owner's to write"
    if not entry.is_dir and not entry.is_file:
        return f"{entry.path!r} is {disk.kind_of(entry.stat)}, and only plain files can be results"
    try:
        names.inner_path(entry.path)
    except InvalidName as error:
        return f"{entry.path!r} has a name that cannot travel: {error}"
    return None


def withdraw_grants(job: int) -> None:
    """Close a job's directory again: first the rules, then what they opened is no longer told."""
    disk.remove(job, RULES)
    disk.remove(job, "shared")


def take_back(job: int) -> None:
    """Remove everything that was released of an earlier attempt from the open job directory."""
    for name in (OUTPUTS, *LOGS.values(), "logs"):
        disk.remove(job, name)


def may_share_with(people: Iterable[str]) -> tuple[str, ...]:
    """The addresses in normal form, sorted, each once; ``*`` stands for everybody.

    Raises:
        InvalidName: one of them is no address.
    """
    return tuple(sorted({person if person == "*" else names.address(person) for person in people}))


def _lay_logs(held: Path, job: int, limits: Limits) -> dict[str, FileEntry]:
    laid: dict[str, FileEntry] = {}
    if not (held / "logs").is_dir():
        return laid
    with disk.directory(held, "logs") as opened:
        for name in LOGS.values():
            if disk.look(opened, name) is None:
                continue
            temporary = disk.temporary_name()
            try:
                copied = disk.copy(opened, name, job, temporary, most=limits.total_bytes, mode=0o644, durable=True)
                if _is_strange(job, name):
                    disk.remove(job, name)
                disk.rename(job, temporary, job, name)
            except BaseException:
                disk.discard(job, temporary)
                raise
            laid[name] = FileEntry(copied.size, copied.sha256)
    return laid


def _is_strange(job: int, name: str) -> bool:
    """Whether something else than a plain file lies where we are about to write one."""
    found = disk.look(job, name)
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
