"""Names: threat 16 at submission. What is refused writes nothing and never leaves the place."""

from __future__ import annotations

from pathlib import Path

import pytest

from syft_job.testing import TwoPeople

BAD = [
    "../x", "a/b", "a\\b", "..", ".", ".hidden", "-rf", "x\0y", "new\nline", "x" * 300, "ä" * 41, "con", "NUL.txt",
    "a:b",
    "x\u202ey", "x\u200by", "\ud800",
    "syft.pub.yaml", "a.sync-conflict-b", "x.tmp", "x.",
]  # fmt: skip


@pytest.mark.conformance(71)
def test_a_name_that_leaves_its_place_is_refused_and_writes_nothing(tmp_path: Path):
    with TwoPeople(tmp_path) as people:
        before = {path for path in tmp_path.rglob("*") if "homes" not in path.parts}
        for name in BAD:
            with pytest.raises(ValueError):
                people.submit(name=name)
        assert {path for path in tmp_path.rglob("*") if "homes" not in path.parts} == before


@pytest.mark.conformance(66, 71)
def test_names_equal_up_to_case_or_form_are_one_name(tmp_path: Path):
    with TwoPeople(tmp_path) as people:
        people.submit(name="Étude")
        for name in ("Étude", "étude", "E\u0301tude", "ÉTUDE"):
            with pytest.raises(FileExistsError):
                people.submit(name=name)
        assert [job.name for job in people.owner.jobs] == ["Étude"]


@pytest.mark.conformance(72)
@pytest.mark.parametrize("user", ["", "omar", "../omar@example.org", "omar@example.org/..", "o\nmar@example.org"])
def test_a_target_that_is_no_address_is_refused(tmp_path: Path, user: str):
    with TwoPeople(tmp_path) as people:
        with pytest.raises(ValueError):
            people.submitter.submit_bash_job(user, "true\n", "N")
        with pytest.raises(ValueError):
            people.owner.setup_ds_job_folder_as_do(user)
        assert people.owner.jobs.jobs == []


@pytest.mark.parametrize(
    "path", ["a:b.py", "con.py", "x" * 160 + ".py", "/".join("abcdefghijklm") + ".py", "e\u202ex.py"]
)
def test_code_whose_names_cannot_travel_is_refused(tmp_path: Path, path: str):
    with TwoPeople(tmp_path) as people:
        with pytest.raises(ValueError):
            people.submit_code({"main.py": "1\n", path: "2\n"}, name="N")
        assert people.owner.jobs.jobs == []


def test_code_whose_names_clash_is_refused(tmp_path: Path):
    with TwoPeople(tmp_path) as people:
        with pytest.raises(ValueError, match="one file on some machines"):
            people.submit_code({"main.py": "1\n", "A.py": "2\n", "a.py": "3\n"}, name="N")
        assert people.owner.jobs.jobs == []
