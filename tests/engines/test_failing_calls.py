"""The command line while one system call fails: `strace` has the disk answer EIO once, at each call in turn.

Whoever is refused is told so in words. Asked for once more, the verb ends as it does on a sound disk, and nothing is
said twice.
"""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from syft_job.errors import JobNotFoundError
from syft_job.exchange import transitions
from syft_job.model.states import JobState
from syft_job.testing import TwoPeople
from tests.engines import strace
from tests.reliability import Faults

CALLS = {
    "fsync": "fsync,fdatasync",
    "rename": "rename,renameat,renameat2",
    "write to the ledger": "write,ftruncate",
    "make": "mkdir,mkdirat,link,linkat,symlinkat",
    "remove": "unlink,unlinkat,rmdir",
}
IN_MAKE_TEST = ("fsync", "rename")


WHY_NOT = strace.why_not("-f")
pytestmark = [pytest.mark.engine, pytest.mark.skipif(WHY_NOT is not None, reason=str(WHY_NOT))]


@pytest.fixture
def people(tmp_path: Path) -> Iterator[TwoPeople]:
    with TwoPeople(tmp_path, sandbox="bare") as both:
        yield both


@dataclass
class Verb:
    """A verb, what must be so before it, how it is called, and what is so after it."""

    before: Callable[[TwoPeople, str], object]
    by_owner: bool
    words: tuple[str, ...]
    state: JobState
    said: str | None


def submitted(people: TwoPeople, name: str) -> None:
    people.submit(name=name)
    people.owner_job(name).review()


def approved(people: TwoPeople, name: str) -> None:
    people.submit(name=name)
    people.owner_job(name).approve()


def done(people: TwoPeople, name: str) -> None:
    approved(people, name)
    job = people.owner_job(name)
    transitions.start(people.owner.participant, people.place(name), job.id, job.digest, offered=transitions.BUBBLEWRAP)
    transitions.finish(people.owner.participant, people.place(name), job.id, 1, "succeeded")


VERBS = {
    "submit": Verb(
        lambda people, name: None,
        False,
        ("submit", "{owner}", "{script}", "--name", "{name}"),
        JobState.SUBMITTED,
        None,
    ),
    "approve": Verb(submitted, True, ("approve", "{name}", "--yes"), JobState.QUEUED, "approve"),
    "reject": Verb(submitted, True, ("reject", "{name}", "--reason", "not now"), JobState.REJECTED, "reject"),
    "cancel": Verb(approved, True, ("cancel", "{name}", "--reason", "enough"), JobState.CANCELLED, "cancel"),
    "deposit": Verb(submitted, True, ("deposit", "{name}", "{script}"), JobState.SUCCEEDED, "deposit"),
    "rerun": Verb(done, True, ("rerun", "{name}"), JobState.QUEUED, "permit"),
    "share": Verb(done, True, ("share", "{name}", "{submitter}", "--logs"), JobState.SUCCEEDED, "released"),
}


def call(people: TwoPeople, verb: Verb, name: str, *before: str) -> subprocess.CompletedProcess[str]:
    script = people.root.parent / "job.sh"
    script.write_text("true\n")
    here = {"owner": people.owner_email, "submitter": people.submitter_email, "name": name, "script": str(script)}
    who = people.owner_email if verb.by_owner else people.submitter_email
    words = [word.format(**here) for word in verb.words]
    command = [*before, sys.executable, "-m", "syft_job", "--root", str(people.root), "--as", who, *words]
    return subprocess.run(command, capture_output=True, check=False, text=True, timeout=120)


@pytest.mark.parametrize(
    "calls", [name if name in IN_MAKE_TEST else pytest.param(name, marks=pytest.mark.slow) for name in CALLS]
)
@pytest.mark.parametrize("called", VERBS)
def test_a_verb_whose_call_fails(people: TwoPeople, tmp_path: Path, faults: Faults, called: str, calls: str):
    verb, log = VERBS[called], tmp_path / "strace.log"
    lost = twice = 0
    codes: Counter[int] = Counter()
    for number in range(1, 100):
        name = f"N{number}"
        verb.before(people, name)
        rule = f"inject={CALLS[calls]}:error=EIO:when={number}"
        # What a process prints goes through the same call.
        only = ["-P", str(people.owner.home.path / "ledger.jsonl")] if "ledger" in calls else []
        first = call(
            people, verb, name, "strace", "-f", "-qq", "-o", str(log), "-e", f"trace={CALLS[calls]}", "-e", rule, *only
        )
        if "(INJECTED)" not in log.read_text():
            break
        told = (number, first.args, first.stdout, first.stderr, log.read_text())
        codes[first.returncode] += 1
        assert first.returncode in (0, 1), told
        assert "Traceback" not in first.stderr, told
        if first.returncode:
            assert first.stderr.startswith(("syft-job: ", "⚠")), told
        holds = first.returncode == 0 or "it holds" in first.stderr
        second = None if holds else call(people, verb, name)
        try:
            job = people.owner_job(name)
            people.owner.home.ledger.refresh()
            transitions.restore(people.owner.participant, people.place(name))
        except JobNotFoundError:
            lost += 1
            pytest.fail(f"{told}, {second}")
        said = [line.event for line in people.owner.home.ledger.lines(job.id)]
        lost += job.state is not verb.state
        twice += verb.said is not None and said.count(verb.said) > 1
        assert (lost, twice) == (0, 0), (told, second, said, job.state)
    assert first.returncode == 0, first.stderr  # without a failure
    assert codes[1] or calls not in IN_MAKE_TEST, codes
    faults.saw(f"EIO at the command line: {calls}", times=codes.total(), lost=lost, twice=twice)
