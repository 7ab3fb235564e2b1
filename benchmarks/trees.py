"""Our own folder with many jobs, made in bulk: the bytes are those that the acts write, only the fsyncs are left out.

98 of 100 jobs were approved, ran and are done; one is approved, one waits in the inbox. Made once and kept in the cache
folder, under a fingerprint of whatever decides their form.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import syft_job
from syft_job.client import JobClient, get_client
from syft_job.exchange import job_reader, transitions
from syft_job.exchange.participant import Participant
from syft_job.format import manifest, markers
from syft_job.format.manifest import FileEntry, JobSpec
from syft_job.format.signing import Key
from syft_job.fs.mounts import settle_time_s
from syft_job.home.home import Home
from syft_job.model import names
from syft_job.model.job_ref import JOBS, JobRef
from syft_job.model.states import JobState

OWNER = "omar@example.org"
SUBMITTERS = ("ada@example.org", "bea@example.org", "cem@example.org", "dia@example.org")
GUEST = "eve@example.org"
"""Who submits what is run among the jobs of the others; see `borrowed`."""
SCRIPT = b"#!/bin/bash\nset -eu\nwc -l data.csv > outputs/lines.txt\necho counted\n"
FIRST = datetime(2025, 3, 1, 8, 0, tzinfo=UTC)
_SAMPLE = 40


@dataclass(frozen=True, slots=True)
class Tree:
    """A folder of datasites, and the homes of its people."""

    root: Path
    homes: Path

    @property
    def environment(self) -> dict[str, str]:
        """What a process needs to work with it."""
        return {"SYFT_JOB_HOME": str(self.homes), "SYFT_JOB_WORK": str(self.homes.parent / "work")}


def name_of(index: int) -> str:
    return f"Analysis {index:06d}"


def state_word(index: int) -> str:
    """The mix: which job is in which state."""
    return {0: "inbox", 1: "approved"}.get(index % 100, "done")


def tree(cache: Path, count: int) -> Tree:
    """The tree of ``count`` jobs, made if the cache has none of the present form."""
    base = cache / "trees" / f"ours-{count}"
    made = Tree(base / "box", base / "homes")
    mark = base / "complete.json"
    form = {"form": _fingerprint()}
    if mark.is_file() and json.loads(mark.read_text()) == form:
        return made
    shutil.rmtree(base, ignore_errors=True)
    _make(made, count)
    _check(made, count)
    mark.write_text(json.dumps(form))
    return made


def empty(base: Path) -> Tree:
    """A new tree without jobs."""
    shutil.rmtree(base, ignore_errors=True)
    made = Tree(base / "box", base / "homes")
    _people(made)
    return made


@contextmanager
def borrowed(cache: Path, count: int, *, finished_only: bool = False) -> Iterator[Tree]:
    """The tree of ``count`` jobs for running: nobody else's job starts, and at the end it is as it was.

    Until then it does not count as made, so that one that was left in the middle is made anew.

    Args:
        cache: the folder that keeps it.
        count: how many jobs it has.
        finished_only: take those that are not over out of it meanwhile.
    """
    made = tree(cache, count)
    mark = made.root.parent / "complete.json"
    form = mark.read_text()
    mark.unlink()
    owner = client(made, OWNER)
    owner.announce = None
    (made.root / GUEST).mkdir()
    owner.setup_ds_job_folder_as_do(GUEST)
    for submitter in SUBMITTERS:
        owner.home.pause(submitter)
    ledger = owner.home.ledger
    end, claims = ledger.end, set(os.listdir(owner.home.paths.claims))
    apart = [_job(made, index) for index in range(count) if finished_only and state_word(index) != "done"]
    for job in apart:
        job.rename(made.root.parent / job.name)
    yield made
    for job in apart:
        (made.root.parent / job.name).rename(job)
    for place in (made.root / GUEST, jobs_folder(made.root) / GUEST, *made.homes.glob(f"{GUEST}-*")):
        shutil.rmtree(place)
    (owner.home.path / "paused").unlink()
    os.truncate(owner.home.path / "ledger.jsonl", end)
    assert ledger.end == end
    ledger.write_checkpoint()
    for claim in set(os.listdir(owner.home.paths.claims)) - claims:
        (owner.home.paths.claims / claim).unlink()
    for held in (owner.home.paths.held_results).iterdir():
        shutil.rmtree(held)
    mark.write_text(form)


def _job(made: Tree, index: int) -> Path:
    return jobs_folder(made.root) / SUBMITTERS[index % len(SUBMITTERS)] / name_of(index)


def client(made: Tree, email: str) -> JobClient:
    os.environ.update(made.environment)
    return get_client(made.root, email)


def _people(made: Tree) -> dict[str, Key]:
    for person in (OWNER, *SUBMITTERS):
        (made.root / person).mkdir(parents=True)
    owner = client(made, OWNER)
    owner.announce = None
    for submitter in SUBMITTERS:
        owner.setup_ds_job_folder_as_do(submitter)
    return {person: client(made, person).home.key() for person in (OWNER, *SUBMITTERS)}


def _make(made: Tree, count: int) -> None:
    keys = _people(made)
    home = Home.of(made.root, OWNER)
    home.make()
    epoch, owner_key = home.epoch, home.key().public
    begun = home.paths.claims
    with (home.path / "ledger.jsonl").open("ab") as ledger:
        os.chmod(ledger.fileno(), 0o600)
        for index in range(count):
            submitter = SUBMITTERS[index % len(SUBMITTERS)]
            place = JobRef(OWNER, submitter, name_of(index))
            config = _config(place, index, keys[submitter], owner_key)
            job = made.root.joinpath(*place.parts)
            job.mkdir()
            _write(job / "run.sh", SCRIPT)
            (job / "run.sh").chmod(0o755)
            for name, data in _said(place, config, index, epoch, keys[OWNER], ledger):
                _write(job / name, data)
            _write(job / "config.yaml", config)
            if state_word(index) == "done":
                _write(begun / f"{manifest.job_id(place, config)}.1", b"")


def _config(place: JobRef, index: int, key: Key, owner_key: str | None) -> bytes:
    asked = JobSpec(
        name=place.name,
        submitted_by=place.submitter,
        submitted_at=_moment(index),
        type="bash",
        files={names.normalize_inner_path("run.sh"): FileEntry(len(SCRIPT), hashlib.sha256(SCRIPT).hexdigest())},
        owner_key=owner_key,
        nonce=hashlib.sha256(str(index).encode()).hexdigest()[:32],
    )
    return asked.sealed(place, key)


def _said(place: JobRef, config: bytes, index: int, epoch: str, key: Key, ledger: Any) -> Iterator[tuple[str, bytes]]:
    """Write the ledger's lines about a job and yield its markers, as `acts` would."""
    state = state_word(index)
    if state == "inbox":
        return
    job, digest = manifest.job_id(place, config), manifest.digest_of(config)
    at = _moment(index, 60)
    allow = {"sandbox": "bare", "network": True}
    yes = {"by": OWNER, "epoch": epoch, "method": "manual", "reviewed": True, "allow": allow, "share": {}, "at": at}
    _say(ledger, job, "approve", at, place=list(place), mark=yes | {"digest": digest, "attempt": 1})
    yield "approved", _marker("approved", place, key, digest, yes)
    if state == "approved":
        return
    _say(ledger, job, "start", _moment(index, 65), place=list(place))
    yield "running", _marker("running", place, key, digest, {"at": _moment(index, 65)})
    over = {"at": _moment(index, 70)[:16] + "Z", "outcome": "succeeded"}
    mark = {"at": over["at"], "outcome": "succeeded", "digest": digest, "attempt": 1}
    _say(ledger, job, "over", _moment(index, 70), outcome="succeeded", place=list(place), mark=mark)
    yield "done", _marker("done", place, key, digest, over)


def _marker(kind: str, place: JobRef, key: Key, digest: str, said: dict[str, Any]) -> bytes:
    return markers.to_bytes(markers.make(kind, place, key, digest=digest, attempt=1, **said))


def _say(ledger: Any, job: str, event: str, at: str, *, outcome: str | None = None, **said: Any) -> None:
    head: dict[str, Any] = {"id": job, "n": 1, "event": event}
    if outcome is not None:
        head["outcome"] = outcome
    ledger.write(json.dumps(head | said | {"at": at}, separators=(",", ":"), ensure_ascii=True).encode() + b"\n")


def _moment(index: int, later: int = 0) -> str:
    moment = FIRST + timedelta(seconds=index * 60 + later, microseconds=(index * 7919) % 1_000_000)
    return moment.isoformat().replace("+00:00", "Z")


def _write(path: Path, data: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
    os.write(descriptor, data)
    os.close(descriptor)


def _check(made: Tree, count: int) -> None:
    """Look at a sample in full, as the acts do: the state is right, and there is nothing to find."""
    time.sleep(settle_time_s(made.root) + 0.5)
    wanted = {"done": JobState.SUCCEEDED, "approved": JobState.QUEUED, "inbox": JobState.SUBMITTED}
    people = [OWNER, SUBMITTERS[0]]
    for email in people:
        participant = Participant(email, Home.of(made.root, email))
        if participant.home.exists:
            participant.home.ledger.refresh()
        for index in {*range(min(3, count)), *range(0, count, max(1, count // _SAMPLE))}:
            place = JobRef(OWNER, SUBMITTERS[index % len(SUBMITTERS)], name_of(index))
            record = job_reader.look(made.root, place, participant).record
            if record.state is not wanted[state_word(index)] or record.findings or record.problem:
                raise AssertionError(f"the generated job {place} does not look like one of ours: {record}")
            if email == OWNER and transitions.restore(participant, place):
                raise AssertionError(f"the generated job {place} lacks a marker")


def _fingerprint() -> str:
    """Changes when the form of what is generated may have changed."""
    package = Path(syft_job.__file__).parent
    sources = [Path(__file__), *sorted((package / "format").rglob("*.py"))]
    return hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()


def jobs_folder(root: Path) -> Path:
    """Where the owner's jobs lie."""
    return root.joinpath(OWNER, *JOBS)


def remove(folder_of_jobs: Path, prefix: str) -> None:
    """Take the jobs whose names begin with ``prefix`` away again."""
    for job in folder_of_jobs.iterdir():
        if job.name.startswith(prefix):
            shutil.rmtree(job)
