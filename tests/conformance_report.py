"""A pytest plugin: which statements of the conformance checklist have a test (`pytest --conformance-report`).

It knows the statements' numbers only. Tests that are collected but not chosen (`-m "not slow"`) count: the question is
whether a statement has a test, not whether it ran today.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import pytest

STATEMENTS = range(1, 245)

_tests_of: pytest.StashKey[defaultdict[int, list[str]]] = pytest.StashKey()


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("conformance")
    group.addoption(
        "--conformance-report",
        action="store_true",
        help="print which conformance statements have a test (runs none with --collect-only)",
    )


def pytest_configure(config: pytest.Config) -> None:
    nothing_yet: defaultdict[int, list[str]] = defaultdict(list)
    config.stash[_tests_of] = nothing_yet


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for item in items:
        for mark in item.iter_markers("conformance"):
            for number in filter(is_statement, mark.args):
                config.stash[_tests_of][number].append(item.nodeid)


def pytest_runtest_setup(item: pytest.Item) -> None:
    for mark in item.iter_markers("conformance"):
        if mark.kwargs or not mark.args or not all(map(is_statement, mark.args)):
            pytest.fail(f"conformance takes numbers from 1 to {STATEMENTS[-1]}, not {mark.args}", pytrace=False)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Under xdist the workers collect; each tells what it has."""
    output: dict[str, Any] | None = getattr(session.config, "workeroutput", None)
    if output is not None:
        output["conformance"] = {str(number): tests for number, tests in session.config.stash[_tests_of].items()}


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any, error: object) -> None:
    for number, tests in getattr(node, "workeroutput", {}).get("conformance", {}).items():
        node.config.stash[_tests_of][int(number)].extend(tests)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if config.getoption("--conformance-report"):
        tests_of = config.stash[_tests_of]
        terminalreporter.section("conformance")
        for line in report({number: len(set(tests)) for number, tests in tests_of.items()}):
            terminalreporter.write_line(line)


def is_statement(number: object) -> bool:
    return type(number) is int and number in STATEMENTS


def report(tests_of: dict[int, int]) -> list[str]:
    """The lines to print, given how many tests each statement has."""
    covered = [number for number in STATEMENTS if tests_of.get(number)]
    missing = [number for number in STATEMENTS if not tests_of.get(number)]
    return [
        f"with a test    ({len(covered):3} of {len(STATEMENTS)}): {ranges(covered)}",
        f"without a test ({len(missing):3} of {len(STATEMENTS)}): {ranges(missing)}",
    ]


def ranges(numbers: Iterable[int]) -> str:
    """Ascending numbers as text: 1, 2, 3, 7 is "1-3, 7"."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return ", ".join(str(first) if first == last else f"{first}-{last}" for first, last in runs) or "none"
