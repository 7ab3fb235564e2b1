"""The architecture page is what the tree is: its files exist, its walk is what a job's calls reach, in that order.

To adjust the page after a move: each row of the walk is a file and the qualified name of a function in it. The failure
names the row.
"""

from __future__ import annotations

import ast
import re
import sys
import threading
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import pytest

from syft_job import JobRunner
from syft_job.exchange import job_reader
from syft_job.testing import TwoPeople
from tests.docs.pages import DOCS, ROOT

PAGE = (DOCS / "explanation" / "architecture.md").read_text("utf-8")
MAX_FILES = 25
PHASES = ("Submit", "Read", "Review", "Approve", "Run", "Outputs")
QUESTIONS = ("queue", "signature", "retries", "crash", "Slurm backend", "approval covers")
_ROW = re.compile(r"^\| `([^`]+)` \| (?:`([^`]+)`|–) \|", re.MULTILINE)
_PATH = re.compile(r"`((?:syft_job|tests)/[^`*\s]*)`( \(new\))?")

Call = tuple[str, str]


@dataclass(frozen=True)
class Step:
    """One row of the walk: a file, and the function in it that is called; None for a file that is not Python."""

    path: str
    function: str | None


def section(heading: str, level: int = 2) -> str:
    """The text below a heading, up to the next one of its level or above."""
    begin = re.search(rf"^{'#' * level} {re.escape(heading)}$", PAGE, re.MULTILINE)
    assert begin, f"the page has no heading {heading!r}"
    rest = PAGE[begin.end() :]
    end = re.search(rf"^#{{1,{level}}} ", rest, re.MULTILINE)
    return rest[: end.start()] if end else rest


def steps(phase: str) -> list[Step]:
    return [Step(path, function or None) for path, function in _ROW.findall(section(phase, 3))]


def definitions(path: Path) -> set[str]:
    """The qualified names of the functions that a module defines."""

    def walk(node: ast.AST, prefix: str) -> Iterator[str]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
                yield prefix + child.name
            elif isinstance(child, ast.ClassDef):
                yield from walk(child, f"{prefix}{child.name}.")
            else:
                yield from walk(child, prefix)

    return set(walk(ast.parse(path.read_text("utf-8")), ""))


@contextmanager
def recorded(calls: list[Call], wanted: set[Call]) -> Iterator[None]:
    """Record the calls of the ``wanted`` functions in order, in this thread and in those started meanwhile."""

    def profile(frame: FrameType, event: str, _argument: object) -> None:
        if event == "call":
            path = frame.f_code.co_filename
            if path.startswith(package):
                call = (path[len(root) :], frame.f_code.co_qualname)
                if call in wanted:
                    calls.append(call)

    root, package = f"{ROOT}/", f"{ROOT}/syft_job/"
    threading.setprofile(profile)
    sys.setprofile(profile)
    try:
        yield
    finally:
        sys.setprofile(None)
        threading.setprofile(None)


@pytest.fixture(scope="module")
def calls_of(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, list[Call]]]:
    """The calls that each phase of one job's life makes, of the functions that the page names."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("SYFT_JOB_WORK", raising=False)
        job_reader._by_ledger.cache_clear()  # a state that another test derived is not derived again
        with TwoPeople(tmp_path_factory.mktemp("walk") / "people") as people:
            people.submit("true", name="First")  # so that keys and folders exist
            runner = JobRunner(people.owner.config, announce=None)

            def submit() -> None:
                people.submitter.submit_bash_job(people.owner_email, "echo 1 > outputs/one.txt", "Walk")

            def outputs() -> None:
                job = people.submitters_job("Walk")
                assert [path.name for path in job.output_paths] == ["one.txt"]

            acts: dict[str, Callable[[], object]] = {
                "Submit": submit,
                "Read": lambda: people.owner.jobs,
                "Review": lambda: people.owner_job("Walk").review(),
                "Approve": lambda: people.owner_job("Walk").approve(share_outputs=True, allow_bare=True),
                "Run": lambda: runner.run(once=True),
                "Outputs": outputs,
            }
            calls: dict[str, list[Call]] = {}
            for phase in PHASES:
                wanted = {(step.path, step.function) for step in steps(phase) if step.function}
                with recorded(calls.setdefault(phase, []), wanted):
                    acts[phase]()
            yield calls


def test_every_path_that_the_page_names_exists():
    for path, is_new in _PATH.findall(PAGE):
        exists = (ROOT / path).exists()
        assert exists is not bool(is_new), f"{path} {'exists and is called new' if exists else 'does not exist'}"


def test_the_walk_has_every_phase_and_few_files():
    walk = section("The walk")
    assert re.findall(r"^### (.+)$", walk, re.MULTILINE) == list(PHASES)
    files = {step.path for phase in PHASES for step in steps(phase)}
    assert len(files) <= MAX_FILES, sorted(files)


@pytest.mark.parametrize("phase", PHASES)
def test_each_file_of_the_walk_defines_the_function_beside_it(phase: str):
    walked = steps(phase)
    assert walked
    before = ""
    for step in walked:
        source = (ROOT / step.path).read_text("utf-8")
        if step.function is None:
            name = step.path.rpartition("/")[2]
            assert name in before, f"{phase}: the file before {step.path} does not name {name}"
        else:
            assert step.function in definitions(ROOT / step.path), f"{step.path} defines no {step.function}"
        before = source


@pytest.mark.parametrize("phase", PHASES)
def test_a_job_reaches_the_files_in_the_order_of_the_page(phase: str, calls_of: dict[str, list[Call]]):
    walked = [(step.path, step.function) for step in steps(phase) if step.function]
    reached = list(dict.fromkeys(calls_of[phase]))  # in the order of the first calls
    assert [call for call in walked if call not in reached] == [], f"{phase}: not called"
    assert walked == reached, f"{phase}: the order of the first calls is another one"


def test_the_layers_are_those_of_the_contract():
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]["contracts"]
    layers = next(contract["layers"] for contract in contracts if contract["id"] == "layers")
    shown = section("Layers").partition("```text\n")[2].partition("```")[0]
    assert shown.splitlines() == layers


def test_contributing_has_the_same_layers():
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]["contracts"]
    layers = next(contract["layers"] for contract in contracts if contract["id"] == "layers")
    text = (ROOT / "CONTRIBUTING.md").read_text("utf-8").partition("## Packages and layers")[2].partition("\n## ")[0]
    rows = [line.split("|")[2] for line in text.splitlines() if line.startswith("|")][2:]
    shown = [set(re.findall(r"`(\w+)`", row)) for row in rows]
    assert shown == [set(re.findall(r"\w+", layer)) for layer in layers]


@pytest.mark.parametrize("question", QUESTIONS)
def test_each_question_is_answered_by_a_file_name(question: str):
    answers = re.split(r"^- ", section("Where is …"), flags=re.MULTILINE)[1:]
    answer = next((text for text in answers if question in text.partition("?**")[0]), None)
    assert answer is not None, f"no answer to {question!r}"
    assert _PATH.search(answer)
