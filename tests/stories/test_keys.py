"""Somebody changes their key while jobs of every kind are under way: the owner, the submitter, both."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from syft_job.errors import ConfigError, StoreError, UnreadableJob
from syft_job.format import manifest, markers
from syft_job.format.signing import fingerprint
from syft_job.home.contacts import read_published_keys
from syft_job.home.home import Home
from syft_job.model.states import JobState
from syft_job.runner import JobRunner
from syft_job.testing import TwoPeople


@pytest.fixture
def people(tmp_path: Path) -> Iterator[TwoPeople]:
    with TwoPeople(tmp_path / "people", sandbox="bare") as both:
        yield both


@pytest.fixture
def canary(tmp_path: Path) -> Path:
    return tmp_path / "canary"


def key_file(people: TwoPeople, person: str) -> Path:
    return people.root / person / "public" / "syft_job" / "key.json"


def run_all(people: TwoPeople) -> None:
    JobRunner(people.owner.config, announce=None).run(once=True)


def job_in_every_state(people: TwoPeople, canary: Path) -> None:
    """Jobs that were submitted before anybody changed a key, each at another point of its life."""
    for name in ("Waiting", "Approved", "Refused", "Stopped", "Done", "Shared", "Given", "Back"):
        people.submit(f"echo {name} >> {canary}; echo 1 > outputs/one.txt", name=name)
    for name in ("Done", "Shared"):
        people.owner_job(name).approve()
    run_all(people)
    people.owner_job("Shared").share_outputs([people.submitter_email])
    people.owner_job("Approved").approve(share_outputs=True)
    people.owner_job("Refused").reject("no")
    people.owner_job("Stopped").approve()
    people.owner_job("Stopped").cancel("enough")
    answer = people.root.parent / "answer.txt"
    answer.write_text("42\n")
    people.owner_job("Given").accept_by_depositing_result(answer)
    people.submitters_job("Back").withdraw("never mind")


def owners(people: TwoPeople) -> None:
    people.owner.rotate_key()


def submitters(people: TwoPeople) -> None:
    people.submitter.rotate_key()


def both(people: TwoPeople) -> None:
    owners(people)
    submitters(people)


def twice(people: TwoPeople) -> None:
    both(people)
    both(people)


def seen(people: TwoPeople) -> dict[str, tuple[object, ...]]:
    return {
        f"{client.email} {job.name}": (job.state, job.attempt, [path.name for path in job.output_paths], job.findings)
        for client in (people.owner, people.submitter)
        for job in client.jobs
    }


@pytest.mark.parametrize("rotate", [owners, submitters, both, twice], ids=lambda rotate: rotate.__name__)
def test_nothing_that_was_said_before_a_key_was_changed_is_lost(people: TwoPeople, canary: Path, rotate):
    job_in_every_state(people, canary)
    before = seen(people)
    rotate(people)
    assert seen(people) == before, "every job stands where it stood, for both"
    run_all(people)  # also a sweep, which puts nothing else in the folder's place
    assert sorted(canary.read_text().split()) == ["Approved", "Done", "Shared"], "each once; they run side by side"
    assert people.submitters_job("Approved").output_paths[0].read_text() == "1\n"
    people.owner_job("Waiting").review()
    people.owner_job("Waiting").approve()
    run_all(people)
    people.owner_job("Waiting").share_outputs([people.submitter_email])
    assert people.submitters_job("Waiting").output_paths[0].read_text() == "1\n"
    people.owner_job("Done").share_logs([people.submitter_email])
    people.owner_job("Shared").rerun()
    assert people.submitters_job("Shared").state is JobState.QUEUED
    run_all(people)
    assert people.submitters_job("Shared").state is JobState.SUCCEEDED
    assert canary.read_text().split().count("Shared") == 2
    for client in (people.owner, people.submitter):
        for job in client.jobs:
            found = job.verify()
            assert found.fails == (), (client.email, job.name)
            assert job.history
            assert str(job.review())
    people.owner_job("Refused").clean()
    assert not people.location("Refused").exists()


def test_a_submission_that_a_new_key_overtakes_is_answered_all_the_same(people: TwoPeople, canary: Path, tmp_path):
    """Pinned to the earlier key, it arrives after the change."""
    location = people.submit(f"echo late >> {canary}; echo 1 > outputs/one.txt", name="Late")
    location.rename(tmp_path / "on its way")
    owners(people)
    (tmp_path / "on its way").rename(location)
    people.owner_job("Late").approve(share_outputs=True)
    run_all(people)
    assert people.submitters_job("Late").output_paths[0].read_text() == "1\n"
    assert people.submitters_job("Late").verify().ok
    assert people.owner_job("Late").verify().ok


def test_what_is_submitted_after_a_change_is_pinned_to_the_new_key(people: TwoPeople):
    old = people.owner.home.key().public
    owners(people)
    people.submit(name="New")
    config = json.loads((people.location("New") / "config.yaml").read_bytes())
    assert config["owner_key"] == people.owner.home.key().public != old
    people.owner_job("New").approve()
    seal = json.loads((people.location("New") / "approved").read_bytes())["seal"]
    assert seal["key"] == config["owner_key"]
    assert people.submitters_job("New").state is JobState.QUEUED


def test_a_runner_that_serves_takes_a_change_over(people: TwoPeople, canary: Path):
    """The other process changed the key; this one answers jobs that are pinned to it, and still the earlier ones."""
    runner = JobRunner(people.owner.config, announce=None)
    people.submit(f"echo before >> {canary}", name="Before")
    people.owner_job("Before").approve()
    runner.step()
    known = people.owner.home
    Home(known.path, known.root, known.email).rotate_key()  # another object, as in another process
    people.submit(f"echo after >> {canary}", name="After")
    people.owner_job("After").approve()
    runner.run(once=True)
    for name in ("Before", "After"):
        assert people.submitters_job(name).state is JobState.SUCCEEDED, name
        assert people.submitters_job(name).verify().ok
    assert sorted(canary.read_text().split()) == ["after", "before"]


def test_a_key_is_published_again_but_not_into_an_empty_mount_point(people: TwoPeople):
    """The place for jobs is looked for in the very directory that is written into, so nothing is unmounted between."""
    home, datasite = people.owner.home, people.root / people.owner_email
    key_file(people, people.owner_email).unlink()
    kept = datasite.rename(datasite.with_name(".kept"))
    datasite.mkdir()
    assert home.republish_key_if_missing() is None
    assert list(datasite.iterdir()) == []
    datasite.rmdir()
    assert home.republish_key_if_missing() is None
    kept.rename(datasite)
    assert home.republish_key_if_missing() is None
    assert key_file(people, people.owner_email).exists()


def unpinned(people: TwoPeople, name: str) -> None:
    """A job that was submitted while its owner published no key."""
    away = key_file(people, people.owner_email)
    content = away.read_bytes()
    away.unlink()
    people.submit(name=name)
    away.write_bytes(content)
    config = (people.location(name) / "config.yaml").read_bytes()
    assert manifest.parse(config, people.owner.config.limits).owner_key is None


def test_a_job_that_pins_no_key_follows_the_chain(people: TwoPeople):
    unpinned(people, "Free")
    people.owner_job("Free").reject("no")
    owners(people)
    owners(people)
    for job in (people.owner_job("Free"), people.submitters_job("Free")):
        assert (job.state, job.findings) == (JobState.REJECTED, ())
        assert job.verify().ok
    people.owner_job("Free").approve()
    assert people.submitters_job("Free").state is JobState.QUEUED


def test_a_submitter_who_changed_keys_takes_back_what_the_earlier_one_sealed(people: TwoPeople):
    people.submit(name="Mine")
    submitters(people)
    people.submitters_job("Mine").withdraw("no longer needed")
    assert people.owner_job("Mine").state is JobState.CANCELLED
    assert people.owner_job("Mine").verify().ok


def test_without_the_key_that_sealed_it_nothing_can_be_taken_back(people: TwoPeople):
    people.submit(name="Mine")
    old = people.submitter.home.key().public
    submitters(people)
    (people.submitter.home.paths.earlier_keys / fingerprint(old).replace(" ", "")).unlink()
    known = people.submitter.home
    people.submitter.participant.home = Home(known.path, known.root, known.email)  # as in another process
    with pytest.raises(UnreadableJob, match="not signed with a key of this home"):
        people.submitters_job("Mine").withdraw("no longer needed")


# Keys that others may have


def test_giving_up_a_key_is_told_to_everybody_who_relied_on_it(people: TwoPeople, canary: Path):
    job_in_every_state(people, canary)
    before = {name: value[:3] for name, value in seen(people).items()}
    people.owner.rotate_key(compromised=True)
    assert {name: value[:3] for name, value in seen(people).items()} == before, "nothing goes back"
    for name in ("Waiting", "Approved", "Shared"):
        theirs = people.submitters_job(name)
        assert any("gave up the key" in finding for finding in theirs.findings), name
        assert any("submit it anew" in why for why in theirs.verify().fails), name
    assert any("that you gave up" in finding for finding in people.owner_job("Waiting").findings)
    run_all(people)
    assert sorted(canary.read_text().split()) == ["Approved", "Done", "Shared"], (
        "a yes is the ledger's, whoever has the key"
    )
    people.submit(name="Anew")
    people.owner_job("Anew").reject("no")
    assert people.submitters_job("Anew").findings == ()
    assert people.submitters_job("Anew").verify().ok
    people.owner_job("Waiting").reject("submit it anew")
    assert people.submitters_job("Waiting").state is JobState.REJECTED


def test_who_stole_a_key_that_was_given_up_moves_nothing_at_the_owner(people: TwoPeople, canary: Path):
    for name in ("A", "B", "C"):
        people.submit(f"echo {name} >> {canary}", name=name)
    people.owner_job("B").approve()
    stolen = people.owner.home.key()
    people.owner.rotate_key(compromised=True)
    for name, kind, said in (
        ("A", "rejected", {"by": people.owner_email, "reason": "forged"}),
        ("B", "cancelled", {"by": people.owner_email}),
        ("C", "done", {"outcome": "succeeded"}),
    ):
        digest = people.owner_job(name).digest
        forged = markers.make(kind, people.place(name), stolen, digest=digest, attempt=1, **said)
        (people.location(name) / kind).write_bytes(markers.to_bytes(forged))
        job = people.owner_job(name)
        assert any("the ledger does not have it" in finding for finding in job.findings), name
        assert not job.verify().ok
    assert [people.owner_job(name).state for name in "ABC"] == [
        JobState.SUBMITTED,
        JobState.QUEUED,
        JobState.SUBMITTED,
    ]
    run_all(people)
    people.owner_job("C").approve()
    run_all(people)
    assert sorted(canary.read_text().split()) == ["B", "C"]


def test_what_a_thief_moved_goes_back_to_what_was_said_when_the_key_is_given_up(people: TwoPeople, canary: Path):
    people.submit(f"echo ran >> {canary}", name="N")
    people.owner_job("N").approve()
    stolen, digest = people.owner.home.key(), people.owner_job("N").digest
    forged = markers.make("done", people.place("N"), stolen, digest=digest, attempt=1, outcome="succeeded")
    (people.location("N") / "done").write_bytes(markers.to_bytes(forged))
    assert people.owner_job("N").state is JobState.SUCCEEDED, "nobody can tell yet"
    run_all(people)
    assert not canary.exists()
    people.owner.rotate_key(compromised=True)
    assert people.owner_job("N").state is JobState.QUEUED
    run_all(people)
    assert canary.read_text().split() == ["ran"]
    assert people.owner_job("N").verify().ok, "the true one lies there now"


def test_a_submitters_key_that_was_given_up_is_told_to_the_reviewer(people: TwoPeople):
    people.submit(name="Whose")
    people.submitter.rotate_key(compromised=True)
    job = people.owner_job("Whose")
    assert "ask them whether it is theirs" in str(job.review())
    assert job.verify().ok, "the seal is right; whether the hand was theirs is for people to ask"


# Homes that are older, newer, elsewhere


def test_a_home_from_before_a_change_is_refused_with_what_to_do(people: TwoPeople, tmp_path: Path):
    people.submit(name="N")
    home = people.owner.home
    shutil.copytree(home.path, tmp_path / "backup", symlinks=True)
    owners(people)
    newer = read_published_keys(people.root, people.owner_email)
    shutil.rmtree(home.path)
    shutil.copytree(tmp_path / "backup", home.path)
    restored = Home(home.path, home.root, home.email)
    restored.adopt()
    for use in (restored.key, restored.rotate_key):
        with pytest.raises(ConfigError, match=r"this home is from before that.*Restore the newer one"):
            use()
    assert read_published_keys(people.root, people.owner_email) == newer
    # What the message says for the case that the newer home is lost for good.
    key_file(people, people.owner_email).unlink()
    restored.rotate_key(compromised=True)
    people.submit(name="After")
    config = json.loads((people.location("After") / "config.yaml").read_bytes())
    assert config["owner_key"] == restored.key().public


def test_a_moved_home_takes_its_earlier_keys_along(people: TwoPeople, tmp_path: Path, canary: Path):
    people.submit(f"echo moved >> {canary}", name="Old")
    owners(people)
    people.submit(name="New")
    home = people.owner.home
    shutil.copytree(home.path, tmp_path / "elsewhere")
    shutil.rmtree(home.path)
    (tmp_path / "elsewhere").rename(home.path)
    moved = Home(home.path, home.root, home.email)
    with pytest.raises(StoreError, match="doctor --adopt-home"):
        people.owner.rotate_key()
    moved.adopt()
    for name in ("Old", "New"):
        people.owner_job(name).approve()
    run_all(people)
    for name in ("Old", "New"):
        assert people.submitters_job(name).state is JobState.SUCCEEDED
        assert people.submitters_job(name).verify().ok


def test_a_key_that_is_restored_alone_learns_its_past_from_what_it_published(people: TwoPeople, tmp_path: Path):
    people.submit(name="N")
    old = people.owner.home.key().public
    owners(people)
    home = people.owner.home
    new = home.key()
    shutil.rmtree(home.path)
    restored = Home(home.path, home.root, home.email)
    restored.make()
    (home.paths.private_key).write_bytes(new.to_bytes())
    (home.paths.private_key).chmod(0o600)
    assert restored.key().public == new.public
    assert restored.keyring.history is not None
    assert restored.keyring.history.knows(old)
    assert old not in restored.keyring.held_keys
    restored.rotate_key()
    found = read_published_keys(people.root, people.owner_email)
    assert found is not None
    assert [one.key for one in found.rotations] == [old, new.public]


@pytest.mark.parametrize("then", [owners, run_all], ids=lambda then: then.__name__)
def test_an_earlier_key_file_that_a_transport_brings_back_is_replaced(
    people: TwoPeople, then: Callable[[TwoPeople], None]
):
    path = key_file(people, people.owner_email)
    earlier = path.read_bytes()
    owners(people)
    path.write_bytes(earlier)
    people.submit(name="Pinned to the earlier one")
    then(people)
    assert read_published_keys(people.root, people.owner_email) == people.owner.home.keyring.history
    assert path.read_bytes() != earlier
    people.owner_job("Pinned to the earlier one").reject("no")
    assert people.submitters_job("Pinned to the earlier one").state is JobState.REJECTED
