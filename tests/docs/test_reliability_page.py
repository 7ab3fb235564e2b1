"""The table of reliability.md: fixed rows in a fixed order, independent of a run's sightings and their files."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import pytest

from tests.reliability import BEGIN, END, GROUPS, OTHERS, PAGE, REPOSITORY, Sighting, kept, table, write

KNOWN = next(iter(GROUPS[0].faults))


def write_sightings(folder: Path, name: str, *sightings: Sighting) -> None:
    (folder / f"{name}.jsonl").write_text("".join(json.dumps(asdict(one)) + "\n" for one in sightings))


def test_the_sightings_of_several_processes_are_one_row(tmp_path: Path):
    write_sightings(
        tmp_path,
        "1",
        Sighting(KNOWN, 2, 0, 0, 0.5),
        Sighting("a new one", 1, 0, 0, None),
        Sighting("EIO of x", 1, 0, 0, 2),
    )
    write_sightings(tmp_path, "2", Sighting(KNOWN, 3, 1, 0, 1.5))
    rows = kept(tmp_path)
    assert rows[KNOWN] == Sighting(KNOWN, 5, 1, 0, 1.5)
    shown = table(rows)
    assert f"| {KNOWN} | 5 | **1** | 0 | 1.5 s |" in shown
    assert shown.index("that misbehaves") < shown.index("| EIO of x | 1 | 0 | 0 | 2.0 s |") < shown.index("sync tool")
    assert shown.index(OTHERS) < shown.index("| a new one | 1 | 0 | 0 | – |")
    assert "7 faults, 1 lost, 0 ran twice" in shown


def test_a_fault_that_was_not_injected_keeps_its_row_and_its_place():
    shown = table({KNOWN: Sighting(KNOWN, 1, 0, 0, None)})
    named = [(fault, needs) for group in GROUPS for fault, needs in group.faults.items()]
    at = [shown.index(f"| {fault} |") for fault, _ in named]
    assert at == sorted(at)
    for fault, needs in named[1:]:
        assert f"| {fault} | *not in this run{': it ' + needs if needs else ''}* |" in shown


def test_only_the_text_between_the_markers_is_written(tmp_path: Path):
    page = tmp_path / "page.md"
    page.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    write(page, {KNOWN: Sighting(KNOWN, 1, 0, 0, None)})
    once = page.read_text()
    write(page, {KNOWN: Sighting(KNOWN, 1, 0, 0, None)})
    assert page.read_text() == once
    assert once.startswith(f"before\n{BEGIN}\n")
    assert once.endswith(f"{END}\nafter\n")
    assert "\nold\n" not in once
    page.write_text("no markers")
    with pytest.raises(SystemExit, match="no lines"):
        write(page, {})


def test_the_page_has_its_markers_and_a_test_fills_each_row():
    """A row that no test fills any more would stay "not in this run" for ever."""
    page = PAGE.read_text(encoding="utf-8")
    assert page.count(BEGIN) == page.count(END) == 1
    sources = [path for path in (REPOSITORY / "tests").rglob("*.py") if path.name != "reliability.py"]
    text = "\n".join(path.read_text(encoding="utf-8") for path in sources)
    missing = [fault for group in GROUPS for fault in group.faults if fault not in text]
    assert missing == []
