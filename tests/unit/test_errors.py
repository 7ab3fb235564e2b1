from __future__ import annotations

import inspect

import pytest

from syft_job import errors
from syft_job.errors import Issue, JobValidationError, SyftJobError

ALL = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, SyftJobError)]
BUILTIN = {
    "NotAllowed": PermissionError,
    "InvalidTransition": ValueError,
    "InvalidName": ValueError,
    "InvalidSubmission": ValueError,
    "JobNotFoundError": ValueError,
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


def test_validation_lists_its_issues():
    error = JobValidationError([Issue("memory", "too much", asked=2, most=1)])
    assert str(error) == "1 validation issue encountered:\n- [memory] too much (asked=2, most=1)"
    assert str(JobValidationError([])).startswith("0 validation issues")
