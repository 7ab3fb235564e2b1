"""Threats 19 and 21: results that are being released are readable only by the people they are released to."""

from __future__ import annotations

from pathlib import Path

import pytest

from syft_job import create_runner, fs
from syft_job.exchange import permissions
from syft_job.testing import TwoPeople

BOB = "bob@example.org"
SECRET = b"for bob only\n"


@pytest.mark.parametrize("what", ["outputs", "logs"])
def test_threats_19_21_a_copy_on_its_way_is_closed_to_the_submitter(what: str, tmp_path: Path):
    """In an enforced folder a transport gives each person what the rules say, at every moment of a release."""
    with TwoPeople(tmp_path, folder="enforced") as people:
        people.submit("echo for bob only | tee outputs/secret.txt\n", "Job")
        people.owner_job("Job").approve()
        create_runner(people.root, people.owner_email, folder="enforced").run(once=True)
        job = people.owner_job("Job")
        datasite = people.root / people.owner_email
        copies = set()

        def look_for_copies(_: str) -> None:
            for path in datasite.rglob("*"):
                if path.is_file() and path.read_bytes() == SECRET:
                    copies.add(path)
                    assert not permissions.may_read(datasite, path, people.submitter_email), path

        with fs.hook_writes(look_for_copies):
            job.share_outputs(BOB) if what == "outputs" else job.share_logs(BOB)
        look_for_copies("at the end")
        assert len(copies) >= 2, "the copy was not seen while it was on its way"
        assert permissions.may_read(datasite, next(path for path in copies if path.exists()), BOB)


def test_a_copy_that_a_killed_command_left_is_removed_by_the_next_release(people: TwoPeople):
    people.submit("echo hello > outputs/a.txt\n", "Job")
    people.owner_job("Job").approve()
    create_runner(people.root, people.owner_email).run(once=True)
    left = people.root / people.owner_email / "app_data" / "job" / ".0123456789abcdef.tmp"
    (left / "outputs").mkdir(parents=True)
    (left / "outputs" / "half.bin").write_bytes(b"half")
    people.owner_job("Job").share_outputs(people.submitter_email)
    assert not left.exists()


@pytest.fixture
def people(tmp_path: Path):
    with TwoPeople(tmp_path) as both:
        yield both
