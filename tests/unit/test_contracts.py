"""The contract lists agree with the code: layers of `pyproject.toml`, the table of CONTRIBUTING.md, the modules.

import-linter finds a module that stands in no layer; it does not find a layer or an exception that names nothing.
"""

from __future__ import annotations

import ast
import fnmatch
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

import syft_job

PACKAGE = Path(syft_job.__path__[0])
REPOSITORY = PACKAGE.parent
PYPROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text("utf-8"))
CONTRACTS: dict[str, dict[str, Any]] = {
    contract["id"]: contract for contract in PYPROJECT["tool"]["importlinter"]["contracts"]
}
LIBRARY_CONTRACTS = [name for name in CONTRACTS if name.startswith("library-")]


def layers() -> list[set[str]]:
    return [set(re.findall(r"\w+", layer)) for layer in CONTRACTS["layers"]["layers"]]


def modules() -> dict[str, Path]:
    """Every module of the package by its dotted name."""
    found = {}
    for path in PACKAGE.rglob("*.py"):
        parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
        found[".".join(part for part in parts if part != "__init__")] = path
    return found


def imports(path: Path) -> set[str]:
    """The top names of the packages that a module imports, wherever in it."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.partition(".")[0])
    return found


def test_each_layer_names_modules_that_exist_and_all_of_them():
    there = {name.split(".")[1] for name in modules() if name.count(".") >= 1} - {"__main__"}
    named = [package for layer in layers() for package in layer]
    assert sorted(named) == sorted(there)


def test_contributing_shows_the_same_layers():
    text = (REPOSITORY / "CONTRIBUTING.md").read_text("utf-8")
    table = text.partition("## Packages and layers")[2].partition("\n## ")[0]
    rows = [line for line in table.splitlines() if re.match(r"\| [^|]+ \| `", line)]
    assert [set(re.findall(r"`(\w+)`", row)) for row in rows] == layers()


@pytest.mark.parametrize("contract", LIBRARY_CONTRACTS)
def test_each_exception_of_a_door_is_used(contract: str):
    unused = []
    for exception in CONTRACTS[contract].get("ignore_imports", []):
        importer, _, library = exception.partition(" -> ")
        matching = [path for name, path in modules().items() if fnmatch.fnmatchcase(name, importer.replace("**", "*"))]
        if not any(library in imports(path) for path in matching):
            unused.append(exception)
    assert unused == []
