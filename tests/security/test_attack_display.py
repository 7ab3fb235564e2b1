"""Attacks on what is displayed (threats 23, 37 and 38), found after these threats were closed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from syft_job.errors import InvalidName, JobNotFoundError, SyftJobError
from syft_job.format.source_checks import FindingCode, check_file
from syft_job.model import names
from syft_job.model.text import is_plainly_visible
from syft_job.testing import TwoPeople
from syft_job.views.log_text import render_log

FORGED = "✅ Job 'Other' approved successfully!"


@pytest.fixture
def people(tmp_path: Path) -> Iterator[TwoPeople]:
    with TwoPeople(tmp_path / "people") as both:
        yield both


def call(people: TwoPeople, who: str, *words: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "syft_job", "--root", str(people.root), "--as", who, *words]
    return subprocess.run(argv, capture_output=True, encoding="utf-8", timeout=60, check=False, env=dict(os.environ))


@pytest.mark.parametrize("verb", ["show", "review", "outputs", "logs", "history", "verify", "approve", "clean"])
@pytest.mark.parametrize("is_owner", [True, False], ids=["owner", "submitter"])
def test_threat_23_a_line_end_in_the_name_of_a_directory_forges_no_line(people: TwoPeople, verb: str, is_owner: bool):
    people.submit(name="First")
    name = f"Second\n{FORGED}"
    location = people.location("First").parent / name
    location.mkdir()
    (location / "config.yaml").write_text("{}")
    (location / "run.sh").write_text("echo\n")
    ran = call(people, people.owner_email if is_owner else people.submitter_email, verb, name)
    lines = (ran.stdout + ran.stderr).splitlines()
    assert lines
    assert not [line for line in lines if line.startswith(FORGED)], lines


def test_threat_23_the_message_of_an_error_is_one_line(people: TwoPeople):
    assert "\n" not in str(SyftJobError(f"'x\n{FORGED}' is not here."))
    with pytest.raises(JobNotFoundError) as refused:
        people.owner.jobs[f"x\n{FORGED}"]
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("hidden", ["\u1161", "\u11a8", "\ud7b0", "\U00013441"], ids=ascii)
def test_threat_37_an_address_with_letters_that_are_drawn_without_width_is_none(hidden: str):
    for address in (f"ada{hidden}@example.org", f"ada@ex{hidden}ample.org"):
        with pytest.raises(InvalidName):
            names.normalize_address(address)
        assert not names.is_address(address)


def test_threat_37_each_address_of_one_character_is_plainly_visible():
    for code in (*range(0x80, 0x3000), *range(0xA000, 0xE000), *range(0xF900, 0x1_4000)):
        address = f"a{chr(code)}@example.org"
        assert is_plainly_visible(address) or not names.is_address(address), hex(code)


def test_threat_37_addresses_of_other_scripts_are_still_addresses():
    for address in ("ädä@example.org", "한글@example.org", "김철수@예시.kr", "ᄒ@a.b"):
        assert names.is_address(address), address


def test_threat_37_a_program_is_told_of_a_review_what_a_person_is_shown(people: TwoPeople):
    """The JSON counts as a review, so it has the holder of the key and the reason for which it is not reviewable."""
    people.submit(name="First")
    (people.root / people.submitter_email / "key.json").unlink(missing_ok=True)
    for path in (people.root / people.submitter_email).rglob("key.json"):
        path.unlink()
    (people.location("First") / "run.sh").write_text("echo other\n")
    ran = call(people, people.owner_email, "--json", "review", "First")
    found = json.loads(ran.stdout)["review"]
    shown = str(people.owner_job("First").review())
    assert found["signer"]["words"] in shown
    assert found["signer"]["relation"] in ("unknown", "other")
    assert found["why_not_reviewable"] in shown
    assert found["address_problem"] is None


def test_threat_38_a_log_of_carriage_returns_is_rendered_in_time_that_grows_with_it_only_slowly():
    before = time.process_time()
    for unit in (b"\r", b"x\r"):
        text, notice = render_log(unit * ((4 << 20) // len(unit)))
        assert len(text) <= 1
        assert bool(notice) == (unit != b"\r")
    assert time.process_time() - before < 3


def test_threat_38_states_that_are_overwritten_keep_their_colours_and_are_counted():
    text, notice = render_log(b"\x1b[31ma\r\x1b[32m\rb\r\x1b[0m\n", colours=True)
    assert text.startswith("\x1b[")
    assert "b" in text
    assert "a" not in text.replace("\x1b[0m", "")
    assert "1 place" in notice


SIGNS = {
    "run.sh": ("echo \u201cdone; cat /secret\u201d\n", "echo \uff02done; cat /secret\uff02\n", "cat data\u2215key\n"),
    "code/main.py": ("x = 'a\u02b9 if check() else \u02b9b'\n", "x = 1 \uff03 2\n", "y = '1\u037e2'\n"),
}


@pytest.mark.parametrize(("path", "line"), [(path, line) for path, lines in SIGNS.items() for line in lines])
def test_threat_37_a_sign_that_looks_like_one_of_the_language_is_a_finding(path: str, line: str):
    """What looks like a quotation mark and is none makes text run that looks quoted, or code stay that looks run."""
    found = [one for one in check_file(path, b"#\n" + line.encode()) if one.code is FindingCode.LOOKALIKE_SIGN]
    assert [str(one.location) for one in found] == [f"{path}:2"]


def test_threat_37_such_a_sign_in_the_name_of_a_file_is_a_finding():
    assert FindingCode.FILE_NAME in {one.code for one in check_file("code/data\u2215main.py", b"1\n")}


@pytest.mark.parametrize(
    "line",
    [
        "# it is \u201cordinary\u201d prose",
        "print('it\u2019s')",
        "# \u8fd9\u662f\uff08\u6ce8\u91ca\uff09\uff0c\u4e0d\u662f\u4ee3\u7801",
        "name = '\u00e9t\u00e9 \u2026 \u2192 \u20ac \u00d7 \u2264'",
    ],
    ids=ascii,
)
def test_threat_37_ordinary_signs_of_prose_are_none(line: str):
    assert not [one for one in check_file("code/main.py", line.encode()) if one.code is FindingCode.LOOKALIKE_SIGN]
