"""The pages of the documentation and their content: headings, links, fenced blocks.

A fence's first word is its language. The words after it are for the tests: `notest` and a reason exclude a block from
being run.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
TOP = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md")

_FENCE = re.compile(r"^ *(`{3,})([^`]*)$")
_HEADING = re.compile(r"^#{1,6} +(.+?) *#*$")
_LINK = re.compile(r"(?<!!)\[(?:[^\[\]]|\[[^\]]*\])*\]\(([^()\s]+)\)")
_CODE = re.compile(r"(`+)(?:(?!\1)[^\n]|\n(?!\n))+?\1")


@dataclass(frozen=True)
class Block:
    """A fenced block: its first line, its language, the words after that, and its text."""

    line: int
    language: str
    words: str
    text: str

    @property
    def is_to_run(self) -> bool:
        return not self.words.startswith("notest")


def pages() -> list[Path]:
    return [ROOT / name for name in TOP] + sorted(DOCS.rglob("*.md"))


def page_id(page: Path) -> str:
    return str(page.relative_to(ROOT))


def blocks(page: Path) -> list[Block]:
    closed: list[Block] = []
    opened: tuple[int, str, str] | None = None
    text: list[str] = []
    fence = ""
    for number, line in enumerate(page.read_text("utf-8").splitlines(), start=1):
        match = _FENCE.match(line)
        if opened is None and match:
            language, _, words = match[2].strip().partition(" ")
            opened, fence, text = (number, language, words.strip()), match[1], []
        elif opened is not None and line.strip() == fence:
            closed.append(Block(*opened, "\n".join(text) + "\n"))
            opened = None
        elif opened is not None:
            text.append(line)
    assert opened is None, f"{page_id(page)}:{opened}: a fence is not closed"
    return closed


def prose(page: Path) -> Iterator[tuple[int, str]]:
    """The lines outside fences."""
    fence = ""
    for number, line in enumerate(page.read_text("utf-8").splitlines(), start=1):
        match = _FENCE.match(line)
        if fence:
            fence = "" if line.strip() == fence else fence
        elif match:
            fence = match[1]
        else:
            yield number, line


def links(page: Path) -> Iterator[tuple[int, str]]:
    """Line and target of each link; its text may continue in the next line."""
    lines = dict(prose(page))
    text = "\n".join(lines.get(number, "") for number in range(1, max(lines) + 1))
    text = _CODE.sub(lambda code: re.sub(r"[^\n]", "`", code[0]), text)
    for match in _LINK.finditer(text):
        yield text.count("\n", 0, match.start()) + 1, match[1]


def anchors(page: Path) -> set[str]:
    """The anchors of the headings, as GitHub makes them."""
    slugs: set[str] = set()
    for _, line in prose(page):
        if match := _HEADING.match(line):
            slug = _slug(match[1])
            number = 0
            while (numbered := f"{slug}-{number}" if number else slug) in slugs:
                number += 1
            slugs.add(numbered)
    return slugs


def _slug(heading: str) -> str:
    plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "").replace("*", "")
    return re.sub(r"[^\w\- ]", "", plain.lower()).replace(" ", "-")
