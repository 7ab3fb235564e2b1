"""Every link of the documentation resolves, and every page can be reached."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote

import pytest

from tests.docs.pages import DOCS, ROOT, anchors, links, page_id, pages


@pytest.mark.parametrize("page", pages(), ids=page_id)
def test_every_relative_link_resolves(page: Path):
    broken = []
    for number, target in links(page):
        if "://" in target or target.startswith("mailto:"):
            continue
        path, _, anchor = target.partition("#")
        linked = (page.parent / unquote(path)).resolve() if path else page
        if not linked.exists():
            broken.append(f"{page_id(page)}:{number}: there is no {target}")
        elif anchor and anchor not in anchors(linked):
            broken.append(f"{page_id(page)}:{number}: {page_id(linked)} has no heading #{anchor}")
    assert not broken, "\n".join(broken)


def test_every_page_can_be_reached_from_the_readme():
    reached: set[Path] = set()
    pending = [ROOT / "README.md"]
    while pending:
        page = pending.pop()
        if page in reached or page.suffix != ".md" or not page.exists():
            continue
        reached.add(page)
        targets = [target.partition("#")[0] for _, target in links(page) if "://" not in target]
        pending += [(page.parent / target).resolve() for target in targets]
    assert {page_id(page) for page in DOCS.rglob("*.md")} <= {page_id(page) for page in reached}


def test_every_decision_is_in_its_index():
    listed = {target for _, target in links(DOCS / "adr" / "index.md")}
    assert listed >= {path.name for path in (DOCS / "adr").glob("0*.md")}
