from __future__ import annotations

from pathlib import Path

import pytest

from syft_job import JobClient, get_client
from syft_job.model.job_ref import JobRef
from syft_job.testing import TwoPeople


def test_somebody_else_may_act_in_ones_folder(tmp_path: Path):
    client = get_client(tmp_path, "omar@example.org", user_email="Ada@example.org")
    assert (client.config.email, client.email) == ("omar@example.org", "ada@example.org")
    assert repr(client).startswith("JobClient(email='ada@example.org'")


def test_a_job_by_its_place(tmp_path: Path):
    with TwoPeople(tmp_path) as people:
        people.submit(name="N")
        assert people.owner.job_at(people.place("N")).status == "inbox"
        with pytest.raises(LookupError):
            people.owner.job_at(JobRef("a@example.org", "b@example.org", "c"))


def test_lines_go_where_they_are_wanted(tmp_path: Path):
    lines: list[str] = []
    (tmp_path / "omar@example.org").mkdir()
    config = get_client(tmp_path, "omar@example.org").config
    JobClient(config, announce=lines.append).say("one")
    JobClient(config, announce=None).say("two")
    assert lines == ["one"]


@pytest.mark.conformance(94)
def test_setting_up_twice_changes_nothing_and_repairs_the_rules(tmp_path: Path):
    with TwoPeople(tmp_path) as people:
        rules = people.root / people.owner_email / "app_data" / "job" / "syft.pub.yaml"
        content, inode = rules.read_bytes(), rules.stat().st_ino
        assert people.owner.setup_ds_job_folder_as_do(people.submitter_email) == people.location("N").parent
        assert rules.stat().st_ino == inode
        rules.write_text("rules: []\n")
        people.owner.setup_ds_job_folder_as_do(people.submitter_email)
        assert rules.read_bytes() == content
