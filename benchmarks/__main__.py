"""``python -m benchmarks``: measure, print one table, keep it as JSON, write the page's numbers."""

from __future__ import annotations

import argparse
import importlib
import json
import os
import pkgutil
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from . import machine, rows
from .bench import REPOSITORY, Bench, cache_folder
from .record import Row, markdown, plain_table, row_of

PAGE = REPOSITORY / "docs" / "explanation" / "performance.md"
BEGIN, END = "<!-- numbers: begin (python -m benchmarks --write-docs) -->", "<!-- numbers: end -->"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--rows", default="", help="numbers of rows, with commas; by default all there are")
    parser.add_argument("--sizes", default="1000,10000,100000", help="how many jobs, with commas")
    parser.add_argument("--runs", type=int, default=5, help="fresh processes for each listing")
    parser.add_argument(
        "--cold", action="store_true", help="empty the disk's cache for the cold figures (root; slows others)"
    )
    parser.add_argument("--no-peers", action="store_true", help="measure syft_job only; bounds by peers are left out")
    parser.add_argument("--json", type=Path, help="where to keep the figures")
    parser.add_argument("--write-docs", action="store_true", help=f"put the tables into {PAGE.name}")
    parser.add_argument("--kept", type=Path, nargs="+", help="measure nothing: show what --json kept in these files")
    parser.add_argument("--remove", action="store_true", help="remove the cache of peers and trees, and stop")
    asked = parser.parse_args()
    if asked.remove:
        shutil.rmtree(cache_folder(), ignore_errors=True)
        return 0
    facts, found = _kept(asked.kept) if asked.kept else _measure(asked)
    told = ", ".join(f"{key} {value}" for key, value in facts.items())
    print(told + "\n\n" + plain_table(found), end="")
    if asked.json:
        asked.json.write_text(json.dumps({"machine": facts, "rows": [row.to_json() for row in found]}, indent=2) + "\n")
    if asked.write_docs:
        _write_page(f"Measured on: {told}.\n\n" + markdown(found))
    return 0


def _measure(asked: argparse.Namespace) -> tuple[dict[str, Any], list[Row]]:
    sizes = tuple(int(size) for size in asked.sizes.split(","))
    bench = Bench(sizes, not asked.no_peers, asked.runs, asked.cold)
    bench.cache.mkdir(parents=True, exist_ok=True)
    facts = machine.facts(bench.cache)
    wanted = {int(number) for number in asked.rows.split(",") if number}
    found: list[Row] = []
    for number, module in _rows():
        if not wanted or number in wanted:
            print(f"measuring row {number} …", file=sys.stderr, flush=True)
            found += importlib.import_module(module).measure(bench)
    facts["load after"] = round(os.getloadavg()[0], 2)
    if (code := machine.code()) != facts["code before"]:
        facts["code after"] = f"{code}: THE CODE CHANGED DURING THE RUN"
    return facts, found


def _kept(files: list[Path]) -> tuple[dict[str, Any], list[Row]]:
    """What several runs found; the machine is that of the first."""
    said = [json.loads(file.read_text("utf-8")) for file in files]
    return said[0]["machine"], [row_of(row) for one in said for row in one["rows"]]


def _rows() -> Iterator[tuple[int, str]]:
    """The rows that there are: their numbers and modules, in order."""
    for found in sorted(module.name for module in pkgutil.iter_modules(rows.__path__)):
        number = re.match(r"row_(\d+)_", found)
        if number:
            yield int(number[1]), f"{rows.__name__}.{found}"


def _write_page(numbers: str) -> None:
    text = PAGE.read_text("utf-8")
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise SystemExit(f"{PAGE} has no place for the numbers: {BEGIN} … {END}")
    PAGE.write_text(f"{before}{BEGIN}\n\n{numbers}\n{END}{after}", "utf-8")


if __name__ == "__main__":
    sys.exit(main())
