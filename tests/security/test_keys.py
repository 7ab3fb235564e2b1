"""Keys, attacked: forged chains, another's key in place of the owner's, old files brought back, stolen keys.

The owner's folder can be written by anybody here, as in a plain folder; the home cannot.
"""

from __future__ import annotations

import json
import os
import shutil
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from syft_job import doctor
from syft_job.errors import ConfigError
from syft_job.format import markers
from syft_job.format.codec import dump
from syft_job.format.key_history import encode, parse, subject_of_keys
from syft_job.format.signing import Key
from syft_job.home.contacts import read_published_keys
from syft_job.home.home import Home
from syft_job.model.states import JobState
from syft_job.runner import JobRunner
from syft_job.testing import TwoPeople


@pytest.fixture
def people(tmp_path: Path) -> Iterator[TwoPeople]:
    with TwoPeople(tmp_path / "people", sandbox="bare") as both:
        yield both


def key_file(people: TwoPeople) -> Path:
    return people.root / people.owner_email / "public" / "syft_job" / "key.json"


def passage(people: TwoPeople, old: str, new: str, by: Key, **more: Any) -> dict[str, Any]:
    said = {"key": old, "next": new, "at": markers.now()} | more
    return said | {"seal": by.sign("passage", subject_of_keys(people.owner_email), said)}


def told_by_runner(people: TwoPeople) -> list[str]:
    lines: list[str] = []
    runner = JobRunner(people.owner.config, announce=lines.append)
    for _ in range(3):
        runner.step()
    return [line for line in lines if "key" in line]


def key_check(people: TwoPeople) -> doctor.Check:
    return next(check for check in doctor.examine(people.owner.config) if check.name == "key")


def as_in_another_process(people: TwoPeople) -> Home:
    known = people.owner.home
    return Home(known.path, known.root, known.email)


# A chain that nobody sealed


def claims_to_follow(people: TwoPeople, eve: Key) -> bytes:
    """Eve's own key, with a passage from the owner's that Eve sealed."""
    own = people.owner.home.key().public
    return encode(people.owner_email, eve, [passage(people, own, eve.public, eve)])


def names_the_owners_key(people: TwoPeople, eve: Key) -> bytes:
    """The owner's public key, with a seal that Eve made in its name."""
    said = json.loads(encode(people.owner_email, eve, []))
    said["seal"]["key"] = said["key"] = people.owner.home.key().public
    return dump(said)


def adds_a_past(people: TwoPeople, eve: Key) -> bytes:
    """What the owner published, with a passage from Eve's key put before it."""
    said = json.loads(key_file(people).read_bytes())
    said["before"] = [passage(people, eve.public, said["key"], eve), *said.get("before", [])]
    return dump(said)


def turns_a_word(people: TwoPeople, eve: Key) -> bytes:
    """That the earlier key was given up, taken out."""
    people.owner.rotate_key(compromised=True)
    said = json.loads(key_file(people).read_bytes())
    del said["before"][0]["compromised"]
    return dump(said)


def of_another_person(people: TwoPeople, eve: Key) -> bytes:
    """A whole and proper key.json of somebody else."""
    return (people.root / people.submitter_email / "public" / "syft_job" / "key.json").read_bytes()


FORGED = [claims_to_follow, names_the_owners_key, adds_a_past, turns_a_word, of_another_person]


@pytest.mark.parametrize("forge", FORGED, ids=lambda forge: forge.__name__)
def test_a_forged_key_file_is_believed_by_nobody(people: TwoPeople, forge: Callable[[TwoPeople, Key], bytes]):
    people.submit(name="Before")
    key_file(people).write_bytes(forged := forge(people, Key.generate()))
    with pytest.raises(ConfigError, match=r"key\.json"):
        people.submit(name="After")
    with pytest.raises(ConfigError, match=r"not changed.*key\.json"):
        people.owner.rotate_key()
    assert len(told_by_runner(people)) == 1, "said once, and served on"
    assert key_check(people).ok is False
    assert key_file(people).read_bytes() == forged, "what shows that somebody was here is left"
    people.owner_job("Before").reject("no")
    assert people.submitters_job("Before").state is JobState.REJECTED, "who knew the key is not deceived"


def test_the_submitters_key_in_place_of_the_owners_says_nothing_for_the_owner(people: TwoPeople):
    """A whole and proper key.json for the owner's address, made with the submitter's key."""
    people.submit(name="Before")
    theirs = people.submitter.home.key()
    key_file(people).write_bytes(encode(people.owner_email, theirs, []))
    people.submit(name="After")
    for name in ("Before", "After"):
        digest = people.owner_job(name).digest
        yes = markers.make("approved", people.place(name), theirs, digest=digest, attempt=1, by=people.owner_email)
        (people.location(name) / "approved").write_bytes(markers.to_bytes(yes))
        assert people.owner_job(name).state is JobState.SUBMITTED, name
    assert any("another key than yours" in finding for finding in people.owner_job("After").findings)
    assert people.submitters_job("Before").state is JobState.SUBMITTED
    with pytest.raises(ConfigError, match="posing"):
        people.owner.rotate_key()
    assert "posing" in key_check(people).told
    assert len(told_by_runner(people)) == 1
    key_file(people).unlink()
    people.owner.rotate_key()
    assert read_published_keys(people.root, people.owner_email) == people.owner.home.keyring.history


def test_a_key_that_follows_says_nothing_about_what_was_submitted_to_the_earlier_one(people: TwoPeople):
    """Otherwise whoever replaces `key.json` with a stolen key could answer jobs that are under way."""
    people.submit(name="N")
    people.owner.rotate_key()
    digest = people.owner_job("N").digest
    no = markers.make("rejected", people.place("N"), people.owner.home.key(), digest=digest, attempt=1, by="x")
    (people.location("N") / "rejected").write_bytes(markers.to_bytes(no))
    for job in (people.owner_job("N"), people.submitters_job("N")):
        assert job.state is JobState.SUBMITTED
        assert "'rejected' with an invalid signature ignored" in job.findings


# Old files brought back


def test_bringing_back_the_earlier_key_file_hides_for_a_sweep_that_it_was_given_up(people: TwoPeople):
    people.submit(name="N")
    earlier = key_file(people).read_bytes()
    people.owner.rotate_key(compromised=True)
    key_file(people).write_bytes(earlier)
    assert people.submitters_job("N").findings == (), "nobody can know what was taken away"
    people.submit(name="In between")
    assert key_check(people).ok is False
    assert told_by_runner(people) == [], "it is mended, so there is nothing to say"
    assert key_check(people).ok is True
    for name in ("N", "In between"):
        assert any("gave up the key" in finding for finding in people.submitters_job(name).findings), name
        assert not people.submitters_job(name).verify().ok


def test_a_listing_that_goes_on_sees_that_a_key_was_given_up(people: TwoPeople):
    """The same client, whose records of finished jobs are kept: the key moved, and nothing in their folders."""
    people.submit(name="N")
    people.owner_job("N").reject("no")
    folder = people.location("N")
    os.utime(folder, (1, 1))
    assert people.submitters_job("N").findings == people.submitters_job("N").findings == ()
    people.owner.rotate_key(compromised=True)
    assert any("gave up the key" in finding for finding in people.submitters_job("N").findings)


# Stolen keys


def test_a_thief_of_the_key_cannot_lead_its_owner_astray_and_is_told_of(people: TwoPeople):
    """Who has the present key publishes one that follows it, as its owner would."""
    people.submit(name="N")
    stolen, thiefs = people.owner.home.key(), Key.generate()
    chain = [passage(people, stolen.public, thiefs.public, stolen)]
    key_file(people).write_bytes(encode(people.owner_email, thiefs, chain))
    assert parse(key_file(people).read_bytes(), people.owner_email).follows(stolen.public), "readers cannot tell"
    assert "somebody else has it" in key_check(people).told
    assert len(told_by_runner(people)) == 1
    home = as_in_another_process(people)
    with pytest.raises(ConfigError, match="keys rotate --compromised"):
        home.key()
    # What the message says to do.
    key_file(people).unlink()
    people.owner.rotate_key(compromised=True)
    found = read_published_keys(people.root, people.owner_email)
    assert found is not None
    assert found.compromised_keys == {stolen.public}
    assert not found.follows(stolen.public)
    # The thief again: what is published now is not the thief's to follow.
    key_file(people).write_bytes(encode(people.owner_email, thiefs, chain))
    assert "posing" in key_check(people).told
    assert as_in_another_process(people).key().public == found.present
    people.owner_job("N").reject("no")
    assert people.owner_job("N").state is JobState.REJECTED


def test_a_thief_of_a_submitters_key_can_take_back_and_no_more(people: TwoPeople):
    people.submit(name="N")
    stolen = people.submitter.home.key()
    people.submitter.rotate_key(compromised=True)
    digest = people.owner_job("N").digest
    for kind in ("approved", "done"):
        said = {"outcome": "succeeded"} if kind == "done" else {}
        forged = markers.make(kind, people.place("N"), stolen, digest=digest, attempt=1, **said)
        (people.location("N") / kind).write_bytes(markers.to_bytes(forged))
    assert people.owner_job("N").state is JobState.SUBMITTED
    gone = markers.make("withdrawn", people.place("N"), stolen, digest=digest, attempt=1)
    (people.location("N") / "withdrawn").write_bytes(markers.to_bytes(gone))
    assert people.owner_job("N").state is JobState.CANCELLED


def test_no_private_half_is_ever_open_or_in_the_shared_folder(people: TwoPeople, tmp_path: Path):
    before = os.umask(0)
    try:
        secrets = [people.owner.home.key().to_bytes().strip()]
        for _ in range(3):
            people.owner.rotate_key()
            secrets.append(people.owner.home.key().to_bytes().strip())
    finally:
        os.umask(before)
    home = people.owner.home.path
    for path in people.owner.home.keyring.private_files():
        assert not stat.S_IMODE(path.stat().st_mode) & 0o077, path
    kept = [path.read_bytes().strip() for path in (home / "keys").iterdir()] + [(home / "key").read_bytes().strip()]
    assert sorted(kept) == sorted(secrets)
    for path in people.root.rglob("*"):
        if path.is_file():
            assert not any(secret in path.read_bytes() for secret in secrets), path
    assert not any(secret in (home / "key.json").read_bytes() for secret in secrets)
    (next((home / "keys").iterdir())).chmod(0o644)
    assert key_check(people).ok is False
    assert "chmod 600" in key_check(people).advice


# A home that cannot seal


def without_its_key(people: TwoPeople) -> Home:
    """A home for this person that is not the one whose key is published."""
    known = people.owner.home
    return Home(known.path.with_name("another"), known.root, known.email)


def from_before_the_change(people: TwoPeople) -> Home:
    known = people.owner.home
    older = known.path.with_name("older")
    shutil.copytree(known.path, older)
    people.owner.rotate_key()
    return Home(older, known.root, known.email)


VERBS: dict[str, Callable[[Any], object]] = {
    "approve": lambda job: job.approve(),
    "reject": lambda job: job.reject("no"),
    "deposit": lambda job: job.accept_by_depositing_result(__file__),
}


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("home_of", [without_its_key, from_before_the_change], ids=lambda home: home.__name__)
def test_a_verb_that_cannot_be_sealed_says_nothing(people: TwoPeople, home_of: Callable[[TwoPeople], Home], verb: str):
    """Otherwise a yes that was refused would stand in the ledger, and run once the key is there."""
    people.submit(name="N")
    people.owner.participant.home = people.owner.home = home_of(people)
    with pytest.raises(ConfigError):
        VERBS[verb](people.owner_job("N"))
    ledger = people.owner.home.path / "ledger.jsonl"
    assert not ledger.exists() or ledger.read_bytes() == b""
    assert people.owner_job("N").state is JobState.SUBMITTED
    assert {path.name for path in people.location("N").iterdir()} == {"config.yaml", "run.sh"}
