from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from syft_job import errors
from syft_job.errors import Action, InvalidTransition, Issue, JobValidationError, Remedy, SyftJobError

ALL = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, SyftJobError)]
BUILTIN = {
    "NotAllowed": PermissionError,
    "InvalidTransition": ValueError,
    "InvalidName": ValueError,
    "InvalidSubmission": ValueError,
    "JobNotFoundError": ValueError,
    "AmbiguousJob": LookupError,
    "JobExists": FileExistsError,
    "PathMissing": FileNotFoundError,
    "MissingExtra": ImportError,
    "UnreadableJob": ValueError,
    "AclError": ValueError,
    "ConfigError": ValueError,
    "ConfigTypeError": TypeError,
    "JobTimeoutError": TimeoutError,
}


@pytest.mark.parametrize("kind", [kind for kind in ALL if kind is not JobValidationError])
def test_every_error_says_its_message_and_else_its_docstring(kind: type[SyftJobError]):
    assert str(kind("what is so")) == "what is so"
    assert str(kind()) == (kind.__doc__ or "").splitlines()[0]
    assert kind("x", name="y").context == {"name": "y"}


@pytest.mark.parametrize(("name", "base"), list(BUILTIN.items()))
def test_an_error_is_the_builtin_that_a_caller_expects(name: str, base: type[Exception]):
    assert issubclass(getattr(errors, name), base)
    assert issubclass(getattr(errors, name), SyftJobError)


def test_a_job_that_is_not_found_is_a_lookup_error_without_quotes():
    assert issubclass(errors.JobNotFoundError, LookupError)
    assert str(errors.JobNotFoundError("there is no job")) == "there is no job"


def test_a_remedy_is_worded_for_the_interface_that_was_used():
    remedy = Remedy("To run it again", Action.RERUN, job="ada@example.org/it's")
    error = InvalidTransition("'it's' is done.", remedy=remedy, name="it's")
    assert str(error) == "'it's' is done. To run it again: job.rerun()"
    assert error.for_command_line == """'it's' is done. To run it again: syft-job rerun 'ada@example.org/it'"'"'s'"""
    assert (error.message, error.remedy, error.context) == ("'it's' is done.", remedy, {"name": "it's"})
    plain = SyftJobError("no remedy")
    assert (str(plain), plain.for_command_line, plain.remedy) == ("no remedy", "no remedy", None)


def test_a_remedy_with_a_value_quotes_it_for_its_interface():
    remedy = Remedy("Name it", Action.NAME_INCLUDED, value="a b")
    assert remedy.in_shell() == "Name it: --include 'a b'"
    assert remedy.in_python() == "Name it: include=['a b']"
    assert Remedy("Look", Action.REVIEW).in_shell() == "Look: syft-job review JOB"


@pytest.mark.parametrize("action", Action)
def test_no_action_names_the_other_interface(action: Action):
    assert action.in_shell("N", "v").startswith(("syft-job ", "--"))
    assert not action.in_python("v").startswith(("syft-job", "--"))


def _strings_of(path: Path) -> Iterator[str]:
    tree = ast.parse(path.read_text("utf-8"))
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef))
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            yield node.value


def test_no_message_names_a_method_where_a_command_may_have_been_used():
    """A remedy is a `Remedy`, which the command line and Python word differently."""
    package = Path(errors.__file__).parent
    found = [
        f"{path.relative_to(package)}: {text}"
        for path in sorted(package.rglob("*.py"))
        if path.name != "errors.py"
        for text in _strings_of(path)
        if re.search(r"\b(?:job|jobs|client)\.[a-z_]+\(", text)
    ]
    assert found == []


def test_what_a_remedy_quotes_is_made_visible():
    error = SyftJobError("x", remedy=Remedy("Look", Action.REVIEW, job="a\x1b[2J\nb"))
    assert not {"\x1b", "\n"} & set(error.for_command_line)


def test_validation_lists_its_issues():
    error = JobValidationError([Issue("memory", "too much", asked=2, most=1)])
    assert str(error) == "1 validation issue encountered:\n- [memory] too much (asked=2, most=1)"
    assert str(JobValidationError([])).startswith("0 validation issues")
