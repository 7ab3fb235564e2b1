"""Attacks of another local user beyond the ones in `test_local_users.py` (threat 39)."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from syft_job.doctor import examine
from syft_job.errors import ConfigError, StoreError
from syft_job.home.home import Home
from syft_job.runner import JobRunner, create_runner
from syft_job.testing import OWNER, TwoPeople
from tests.security.test_local_users import ADA, as_root, fresh_owner

AS_ROOT = [pytest.param(ADA, marks=as_root), None]


@pytest.fixture
def people(tmp_path: Path) -> Iterator[TwoPeople]:
    with TwoPeople(tmp_path) as both:
        yield both


# A home that others could write to once


@pytest.mark.parametrize("user", AS_ROOT)
@pytest.mark.parametrize("name", ["ledger.jsonl", "key", "home.json", "reviewed", "held", "begun", "keys/x", "paused"])
def test_threat_39_what_others_put_into_a_home_before_it_was_closed_is_refused(
    people: TwoPeople, name: str, user: int | None
):
    """`chmod go-w` ends neither their ownership of what they put there, nor a descriptor that they have open."""
    people.owner.home.key()
    planted = people.owner.home.path / name
    planted.parent.mkdir(exist_ok=True)
    if not planted.exists():
        planted.write_text("")
    if user is not None:
        os.chown(planted, user, user)
    else:
        planted.chmod(0o777)
    for act in (
        lambda: fresh_owner(people).jobs,
        fresh_owner(people).home.key,
        lambda: JobRunner(fresh_owner(people).config, announce=None).home.require_safe(again=True),
    ):
        with pytest.raises(StoreError, match=re.escape(str(planted))):
            act()
    rows = [row for row in examine(people.owner.config) if row.name == "permissions"]
    assert [row.ok for row in rows] == [False]
    assert str(planted) in rows[0].told


@as_root
def test_threat_39_an_approval_that_another_user_writes_into_their_own_ledger_starts_nothing(people: TwoPeople):
    """The whole attack: the home is closed by now, and a descriptor of the ledger's owner is still open."""
    people.submit(name="A")
    people.owner_job("A").approve(allow_bare=True)
    people.submit("touch outputs/ran\n", name="N")
    unapproved = people.owner_job("N")
    ledger = people.owner.home.path / "ledger.jsonl"
    lines = [json.loads(line) for line in ledger.read_text().splitlines()]
    (approval,) = [line for line in lines if line["event"] == "approve"]
    with ledger.open("ab") as kept:
        os.chown(ledger, ADA, ADA)
        forged = approval | {"id": unapproved.id, "mark": approval["mark"] | {"digest": unapproved.digest}}
        forged["place"] = [*approval["place"][:2], "N"]
        kept.write(json.dumps(forged, separators=(",", ":")).encode() + b"\n")
    with suppress(StoreError):
        create_runner(people.root, OWNER, sandbox="bare").process_approved_jobs()
    os.chown(ledger, 0, 0)
    assert not (people.owner.home.attempt_paths(unapproved.id, 1).results / "outputs" / "ran").exists()
    assert not people.owner.home.attempt_paths(unapproved.id, 1).claim.exists()


def test_threat_39_a_checkpoint_that_others_can_change_is_refused(people: TwoPeople):
    people.submit(name="N")
    people.owner_job("N").approve()
    (checkpoint,) = (people.owner.home.path.parent / ".witness").iterdir()
    checkpoint.chmod(0o666)
    with pytest.raises(StoreError, match=rf"chmod go-w {re.escape(str(checkpoint))}"):
        fresh_owner(people).home.key()
    checkpoint.chmod(0o600)
    fresh_owner(people).home.key()


def test_threat_39_a_link_of_ones_own_in_the_home_is_no_trouble(people: TwoPeople, tmp_path: Path):
    home = people.owner.home
    home.key()
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    (home.path / "backup").symlink_to(tmp_path / "elsewhere")
    (home.path / "gone").symlink_to(tmp_path / "nothing")
    fresh_owner(people).home.key()


# What overlaps with the shared folder


def test_threat_39_checkpoints_in_the_shared_folder_are_refused(people: TwoPeople, monkeypatch: pytest.MonkeyPatch):
    """Whoever can write there could remove the checkpoint, and an old ledger would pass for the present one."""
    home = people.owner.home.path
    monkeypatch.setattr("syft_job.home.locations.checkpoints_directory", lambda: people.root / "state" / "witness")
    with pytest.raises(StoreError, match=r"checkpoints .* overlaps with the shared folder"):
        Home(home, people.root, OWNER).require_safe()
    monkeypatch.undo()


@as_root
def test_threat_39_roots_default_workspaces_are_checked_like_chosen_ones(
    people: TwoPeople, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.delenv("SYFT_JOB_WORK")
    root = Path("/var/lib/syft_job")
    home = Home(people.owner.home.path, root, OWNER, real_root=root)
    with pytest.raises(ConfigError, match="overlaps with the shared folder"):
        home.workspaces  # noqa: B018 - it is a property
