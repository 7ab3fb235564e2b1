"""The reference is complete and fresh: nothing public is missing from it, and nothing in it is stale."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

import syft_job
from syft_job import SyftJobConfig, errors
from syft_job.format.manifest import FIELDS, SubmissionLimits
from syft_job.format.markers import LOGS, OWNERS, WITHDRAWN
from syft_job.home.ledger import Ledger
from syft_job.model.events import ATTEMPTS
from syft_job.model.states import Fact, FactKind, JobState
from syft_job.model.transitions import TRANSITIONS
from tests.docs.pages import DOCS, ROOT, blocks, page_id, pages

REFERENCE = DOCS / "reference"


def text_of(name: str) -> str:
    return (REFERENCE / name).read_text("utf-8")


def first_cells(name: str) -> set[str]:
    """The code in the first cells of a page's tables."""
    cells = [line.split("|")[1] for line in text_of(name).splitlines() if line.startswith("|")]
    return {code for cell in cells for code in re.findall(r"`([^`]+)`", cell)}


def test_generated_pages_are_fresh():
    command = [sys.executable, str(ROOT / "scripts" / "generate_docs.py"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", syft_job.__all__)
def test_every_public_name_is_explained(name: str):
    assert f"`{name}`" in text_of("python.md")


def test_every_error_is_explained():
    known = {name for name, thing in vars(errors).items() if isinstance(thing, type) and issubclass(thing, Exception)}
    assert first_cells("errors.md") == known


def test_the_second_column_has_base_classes_of_the_error():
    for line in text_of("errors.md").splitlines():
        match = re.match(r"\| `(\w+)` \| ([^|]*)\|", line)
        if match is None:
            continue
        bases = [base.__name__ for base in getattr(errors, match[1]).__mro__[1:]]
        for base in re.findall(r"`(\w+)`", match[2]):
            assert base in bases, line


def test_every_setting_is_explained_and_no_other():
    environment = {name for name in first_cells("configuration.md") if name.isupper()}
    fields = first_cells("configuration.md") - environment
    assert fields == {*SyftJobConfig.__dataclass_fields__, *SubmissionLimits.__dataclass_fields__}
    assert {"SYFTBOX_FOLDER", "SYFTBOX_EMAIL", "SYFT_JOB_CONFIG", "SYFT_JOB_HOME", "SYFT_JOB_WORK"} <= environment


def test_the_example_configuration_is_valid(tmp_path):
    example = next(block for block in blocks(REFERENCE / "configuration.md") if block.language == "toml")
    file = tmp_path / "config.toml"
    file.write_text(example.text)
    config = syft_job.load_profile("default", file)
    assert config is not None
    assert config.require_sandbox
    assert config.limits.total_bytes == 256 << 20


def test_every_field_of_a_submission_is_in_the_format():
    assert first_cells("format.md") >= FIELDS


def test_every_file_of_a_job_is_in_the_tree():
    tree = blocks(REFERENCE / "format.md")[0].text
    for name in (*OWNERS, WITHDRAWN, f"{ATTEMPTS}/", *LOGS.values(), "config.yaml", "run.sh", "syft.pub.yaml"):
        assert f" {name}" in tree, name


def test_the_limits_in_the_format_are_those_of_the_code():
    page = text_of("format.md")
    limits = SubmissionLimits()
    for shown, value in (
        ("4 MiB | `config_bytes`", limits.config_bytes == 4 << 20),
        ("64 KiB | `marker_bytes`", limits.marker_bytes == 64 << 10),
        ("4 MiB | `shared_bytes`", limits.shared_bytes == 4 << 20),
        ("10,000 | `files`", limits.files == 10_000),
        ("1 GiB | `total_bytes`", limits.total_bytes == 1 << 30),
        ("1,000; the rest are counted | `unfinished`", limits.unfinished == 1000),
    ):
        assert shown in page
        assert value, shown


def test_a_ledger_line_as_documented_is_read(tmp_path):
    job = "0" * 32
    file = tmp_path / "ledger.jsonl"
    file.write_text(f'{{"id":"{job}","n":1,"event":"over","outcome":"failed","owed":true,"at":"x"}}\n{{"id":"half')
    ledger = Ledger(file, file.with_name("witness"))
    ledger.refresh()
    assert ledger.facts(job) == (Fact(FactKind.DONE, 1, "failed"),)
    assert ledger.pending_releases() == [(job, 1)]
    shown = '{"id":"<32 hex>","n":<attempt>,"event":"<word>"[,"outcome":"<word>"][,"owed":true],…}'
    assert shown in text_of("format.md")


def test_the_twelve_rules_are_twelve():
    rules = text_of("format.md").partition("## Twelve rules")[2].partition("\n## ")[0]
    assert [int(number) for number in re.findall(r"^(\d+)\. \*\*", rules, re.MULTILINE)] == list(range(1, 13))


def test_the_lifecycle_has_every_state_and_event():
    page = text_of("lifecycle.md")
    assert all(f"`{state.name}`" in page for state in JobState)
    assert all(f"| **{row.verb}** |" in page for row in TRANSITIONS)


def test_no_page_names_a_command_that_does_not_exist():
    known = set(re.findall(r"^### (\w+)$", text_of("cli.md"), re.MULTILINE))
    called = re.compile(r"syft-job (?:--[a-z]+(?: [^-\s]\S*)? )*([a-z]+)\b")
    for page in pages():
        for number, line in enumerate(page.read_text("utf-8").splitlines(), start=1):
            if line.startswith("$ ") or "`syft-job " in line:
                for verb in called.findall(line):
                    assert verb in known, f"{page_id(page)}:{number}: there is no command {verb!r}"
