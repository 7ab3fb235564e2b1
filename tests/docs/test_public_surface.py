"""The public surface is what the checked-in list says: a change of it is a decision, and stands in the CHANGELOG."""

from __future__ import annotations

import difflib

from tests.docs.pages import ROOT
from tests.docs.public_surface import surface

LISTED = ROOT / "tests" / "docs" / "public_surface.txt"
COMMAND = ".venv/bin/python -m tests.docs.public_surface > tests/docs/public_surface.txt"


def test_the_public_surface_is_the_listed_one():
    listed, present = LISTED.read_text("utf-8").splitlines(), surface().splitlines()
    changes = "\n".join(difflib.unified_diff(listed, present, "listed", "present", lineterm="", n=0))
    assert listed == present, (
        "The public surface changed. If that is intended, add a line to CHANGELOG.md (Unreleased), and write the list"
        f" anew:\n    {COMMAND}\n\n{changes}"
    )
