"""The threat model lists every threat once, and the tests that it names exist and name the number."""

from __future__ import annotations

import re

import pytest

from tests.docs.pages import DOCS, ROOT

NUMBERS = range(1, 46)
PAGE = (DOCS / "explanation" / "threat-model.md").read_text("utf-8")
ROWS = {int(row[0]): row for row in re.findall(r"^\| (\d+) \|(.*)\|(.*)\|(.*)\|(.*)\|$", PAGE, re.MULTILINE)}
_NAMED = re.compile(r"[Tt]hreats? ((?:\d+(?:, | to | and |–)?)+)")
_IN_A_NAME = re.compile(r"def test_(?:threat_)?(\d\d)_")


def test_every_threat_has_one_row():
    listed = [int(number) for number in re.findall(r"^\| (\d+) \|", PAGE, re.MULTILINE)]
    assert listed == list(NUMBERS)


@pytest.mark.parametrize("number", NUMBERS)
def test_the_row_of_a_threat_names_a_test_file_that_names_the_number(number: int):
    files = re.findall(r"`(tests/[\w/]+\.py)`", ROWS[number][4])
    if number == 40:  # the supervisor that comes with issue 11 closes it; the row says so
        assert "not closed yet" in ROWS[number][2]
        return
    assert files
    for name in files:
        assert number in numbers_in((ROOT / name).read_text("utf-8")), f"{name} does not name threat {number}"


def numbers_in(text: str) -> set[int]:
    numbers = {int(number) for number in _IN_A_NAME.findall(text)}
    for listed in _NAMED.findall(text):
        for first, last in re.findall(r"(\d+)(?:(?: to |–)(\d+))?", listed):
            numbers |= set(range(int(first), int(last or first) + 1))
    return numbers
