"""The files and fields that are written are those of the format page.

After a run with every event of the lifecycle, each field, file and event that exists is on the page.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from syft_job import JobRunner
from syft_job.exchange.retention import RetentionScan
from syft_job.policies.retention import RetentionKind
from syft_job.testing import TwoPeople
from tests.docs.pages import DOCS

PAGE = (DOCS / "reference" / "format.md").read_text("utf-8")
ALWAYS = {"id", "n", "event", "at"}


def rows(heading: str) -> dict[str, str]:
    """The rows of the tables below a heading: each code in the first cell, and the whole row."""
    section = PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("| `")]
    return {code: line for line in lines for code in re.findall(r"`([^`]+)`", line.split("|")[1])}


def codes(text: str) -> set[str]:
    return set(re.findall(r"`([^`]+)`", text))


@pytest.fixture
def a_life(tmp_path: Path) -> Iterator[TwoPeople]:
    """Two people with jobs in which every event of the lifecycle happened at least once."""
    with TwoPeople(tmp_path / "people") as people:
        runner = JobRunner(people.owner.config, announce=None)
        script = "mkfifo outputs/pipe; echo 1 > outputs/one.txt"
        for name in ("Run", "No", "Stop", "Back", "Hand", "Gone", "Needs"):
            more = {"metadata": {"study": "waits"}} if name == "Run" else {}
            people.submit(script if name == "Run" else "true", name=name, **more)
        job = people.owner_job("Run")
        job.review()
        job.approve("a reason", share_outputs=True, share_logs=True)
        people.owner_job("No").reject("no")
        people.owner_job("Stop").approve()
        people.owner_job("Stop").cancel("enough")
        people.submitters_job("Back").withdraw("never mind")
        people.owner_job("Hand").accept_by_depositing_result(people.root / people.owner_email / "public")
        people.owner_job("Gone").reject("no")
        people.owner_job("Gone").clean()
        people.owner.rotate_key()
        runner.run(once=True)
        job.rerun()
        runner.run(once=True)
        quiet = dataclasses.replace(people.owner.config, tell_outcome="when_shared")
        people.submit("true", name="Quiet")
        people.owner_job("Quiet").approve()
        JobRunner(quiet, announce=None).run(once=True)
        scan = RetentionScan(people.owner.participant, people.owner.store)
        for entry in scan.measure({RetentionKind.RESULTS}):
            if entry.name.endswith(f"{job.id}.1"):
                scan.remove(entry)
        people.submit("true", name="Shared by the call")
        people.owner_job("Shared by the call").approve()
        runner.process_approved_jobs(share_logs_with_submitter=True)
        blocked = people.submit("true", name="Blocked")
        people.owner_job("Blocked").approve()
        (blocked / "run.sh").write_text("eurt")
        runner.step()
        runner.home.pause()
        people.owner.rotate_key(compromised=True)
        yield people


def test_every_event_and_field_of_the_ledger_is_on_the_page(a_life: TwoPeople):
    table = rows("The ledger")
    lines = [json.loads(line) for line in (a_life.owner.home.path / "ledger.jsonl").read_text().splitlines()]
    assert {line["event"] for line in lines} == set(table)
    for line in lines:
        assert set(line) - ALWAYS <= codes(table[line["event"]]), line


def test_every_field_of_the_markers_is_on_the_page(a_life: TwoPeople):
    table = rows("Markers")
    seen = set()
    for path in a_life.root.glob("*/app_data/job/*/*/**/*"):
        kind = "attempts/<n>.json" if path.parent.name == "attempts" else path.name
        if kind not in table:
            continue
        seen.add(kind)
        body = json.loads(path.read_bytes())
        assert {"digest", "attempt", "at", "seal"} <= set(body), path
        assert set(body) - {"digest", "attempt", "at", "seal"} <= codes(table[kind]), path
    assert seen == set(table)


def test_every_field_of_shared_is_on_the_page(a_life: TwoPeople):
    a_life.owner_job("Run").share_outputs([a_life.submitter_email])
    body = json.loads((a_life.location("Run") / "shared").read_bytes())
    assert set(body) - {"digest", "attempt", "at", "seal"} <= codes(rows("Markers")["shared"])
    assert set(body["outputs"]) == {"who", "files"}
    assert set(body["outputs"]["files"]) == {"one.txt"}


def test_every_field_of_a_published_key_is_on_the_page(a_life: TwoPeople):
    """Rotated twice, the second time as compromised."""
    body = json.loads((a_life.root / a_life.owner_email / "public" / "syft_job" / "key.json").read_bytes())
    section = PAGE.partition("\n### Keys\n")[2].partition("\n## ")[0]
    fields = {code for line in section.splitlines() if line.startswith("| `") for code in codes(line.split("|")[1])}
    assert set(body) == fields
    assert len(body["before"]) == 2
    words = codes(section.partition("A rotation has")[2].partition("\n\n")[0])
    for rotation in body["before"]:
        assert set(rotation) == {"key", "next", "at", "compromised", "seal"} <= words


def test_every_file_of_the_home_is_on_the_page(a_life: TwoPeople):
    known = {code.partition("/")[0] for code in rows("The home")}
    assert {path.name for path in a_life.owner.home.path.iterdir()} <= known
    assert set(json.loads((a_life.owner.home.path / "home.json").read_bytes())) <= codes(
        rows("The home")["home.json"]
    ) | {"format"}
