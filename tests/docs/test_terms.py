"""The pages, the messages and the names use the field's terms (docs/reference/glossary.md).

The project once had words of its own for approvals, signatures and transitions. Readers searched for the usual words
and found nothing. The lists below are phrases that are never right here, so that they do not come back; each has the
term to use. Words that are also ordinary English or names on disk (`seal`, `told`, `aside`) are not in them.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.pages import DOCS, ROOT, page_id, pages, prose

PACKAGE = ROOT / "syft_job"
GLOSSARY = DOCS / "reference" / "glossary.md"

PHRASES = {
    r"\ban? (?:sealed )?yes\b(?! or no)": "approval",
    r"\b(?:the|each|every|owner's) yes\b": "approval",
    r"\byeses\b": "approvals",
    r"\b(?:say|says|said|saying) (?:yes|no) to\b": "approve, reject",
    r"\ba no (?:and|or|outranks|to|is)\b": "rejection",
    r"\b(?:owner|submitter)'s (?:hand|word)\b": "owner, submitter",
    r"\b(?:two|both|whose) hands?\b": "writer, role",
    r"\b(?:is|are|was|were) sealed\b": "signed",
    r"\bunsealed\b": "unsigned",
    r"\bunsaid\b": "revoked",
    r"\bsquares?\b": "step, transition",
    r"\blookouts?\b": "watch",
    r"\bstandby\b": "guard",
    r"\bknock(?:s|ed|ing)?\b": "probe, event",
    r"\bput(?:s|ting)? back\b": "restore, write again",
    r"\bput(?:s|ting)? right\b": "reconcile",
    r"\b(?:bring|brings|brought) home\b": "collect",
    r"\blays\b|\b(?:is|are|was|were) laid\b": "writes, is written",
    r"\blet(?:s|ting)? out\b": "release",
    r"\bset aside\b": "blocked",
}
_FORBIDDEN = {re.compile(pattern, re.IGNORECASE): term for pattern, term in PHRASES.items()}

FORBIDDEN_WORDS_OF_NAMES = frozenset(
    "asked asking boxed cleaning deciding giving knocking laying leftovers lookout looking nothing putting squares"
    " standby starting story telling testimony troubles turns untold".split()
)
"""Not a word of a module's name, however it is joined by underscores."""

# What a program writes from names of its own is checked there: faults, rows of the benchmark.
_WRITTEN = re.compile(r"<!-- (faults|numbers): begin.*?<!-- \1: end -->", re.DOTALL)


def violations(text: str) -> Iterator[str]:
    flat = re.sub(r"\s+", " ", text)
    for pattern, term in _FORBIDDEN.items():
        for match in pattern.finditer(flat):
            around = flat[max(0, match.start() - 30) : match.end() + 30]
            yield f"{match[0]!r} in '…{around}…': the term is {term}"


@pytest.mark.parametrize("page", pages(), ids=page_id)
def test_a_page_uses_the_terms(page: Path):
    text = _WRITTEN.sub("", page.read_text("utf-8"))
    assert list(violations(text)) == []


def strings(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def test_messages_and_docstrings_use_the_terms():
    found = [
        f"{path.relative_to(ROOT)}: {violation}"
        for path in sorted(PACKAGE.rglob("*.py"))
        for text in strings(path)
        for violation in violations(text)
    ]
    assert found == []


def test_modules_have_names_of_the_field():
    for path in PACKAGE.rglob("*.py"):
        words = {word for part in path.relative_to(PACKAGE).with_suffix("").parts for word in part.split("_")}
        assert not words & FORBIDDEN_WORDS_OF_NAMES, path.relative_to(ROOT)


def rows() -> list[list[str]]:
    lines = [line for _, line in prose(GLOSSARY) if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[1:]]


def test_the_glossary_is_in_order_and_each_term_has_a_meaning():
    terms = [row[0].lower() for row in rows()]
    assert terms == sorted(terms)
    assert len(terms) == len(set(terms))
    assert all(row[1] for row in rows())


@pytest.mark.parametrize(
    "term",
    "approval rejection signature manifest marker ledger release blocked supervisor workspace transition".split(),
)
def test_the_glossary_has_the_central_terms(term: str):
    assert term in {word for row in rows() for word in row[0].lower().split(", ")}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a yes is to these bytes", True),
        ("the owner's hand said it", True),
        ("moved by one square", True),
        ("two hands", True),
        ("on the other hand", False),
        ("an answer other than yes", False),
        ("answer by hand", False),
        ("a missing marker is\nput back", True),
    ],
)
def test_the_phrases_match_what_they_should(text: str, expected: bool):
    assert bool(list(violations(text))) is expected
