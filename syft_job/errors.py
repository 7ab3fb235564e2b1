"""All errors that syft_job raises, by cause, and the remedies that their messages name.

One tree under `SyftJobError`; each branch is also the builtin exception that a caller would expect. A message states
what is wrong and what to do about it. Facts that a program may want are kept in ``.context``. Without a message, the
first line of the class's docstring is used. Messages quote names and texts that other people wrote, so each message is
made safe to display when the error is created (`syft_job.model.text`). It is one line, so that a name cannot forge
another message.

A remedy is data (`Remedy`), because it is worded differently for each interface: ``str(error)`` names Python methods,
`SyftJobError.for_command_line` commands and options.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import Any, ClassVar

from syft_job.model.text import escape_message, escape_text


class Action(Enum):
    """Something that a person can do: the words of the command line, and the call in Python.

    ``{job}`` stands for the job, ``{value}`` for another value of the case.
    """

    APPROVE = ("syft-job approve {job}", "job.approve()")
    APPROVE_BARE = ("syft-job approve --allow-bare {job}", "job.approve(allow_bare=True)")
    CANCEL = ("syft-job cancel {job}", "job.cancel()")
    INIT = ("syft-job init", "client.open_datasite()")
    LIST = ("syft-job list", "client.jobs")
    REJECT = ("syft-job reject {job} --reason TEXT", "job.reject(reason)")
    RERUN = ("syft-job rerun {job}", "job.rerun()")
    REVIEW = ("syft-job review {job}", "job.review()")
    RESTART_KEYS = ("syft-job keys rotate --compromised", "client.rotate_key(compromised=True)")
    NAME_ENTRYPOINT = ("--entrypoint FILE", "entrypoint=FILE")
    NAME_INCLUDED = ("--include {value}", "include=[{value}]")
    NAME_FOLDER = ("syft-job --root DIR --as ADDRESS init --save", "get_client(folder, address)")
    VERIFY = ("syft-job verify {job}", "job.verify()")
    WAIT = ("syft-job show {job}", "job.wait()")

    def __init__(self, command: str, call: str) -> None:
        self.command = command
        self.call = call

    def in_shell(self, job: str = "", value: str = "") -> str:
        """The words for a shell."""
        return self.command.format(job=shlex.quote(job) if job else "JOB", value=shlex.quote(value))

    def in_python(self, value: str = "") -> str:
        """The expression in Python."""
        return self.call.format(value=repr(value))


@dataclass(frozen=True, slots=True)
class Remedy:
    """What to do about an error.

    Attributes:
        purpose: what it is for, as a clause without a full stop: ``"To run it again"``.
        action: what to do.
        job: the job, as a command line names it; a command shows ``JOB`` without it.
        value: another value that the action takes.
    """

    purpose: str
    action: Action
    job: str = ""
    value: str = ""

    def in_shell(self) -> str:
        """The remedy as a sentence for the command line."""
        return f"{self.purpose}: {self.action.in_shell(self.job, self.value)}"

    def in_python(self) -> str:
        """The remedy as a sentence for Python."""
        return f"{self.purpose}: {self.action.in_python(self.value)}"


class SyftJobError(Exception):
    """Something could not be done.

    Attributes:
        message: what is wrong, without the remedy.
        remedy: what to do about it, where there is one action that helps.
        for_command_line: message and remedy in the terms of the command line; ``str()`` gives them in those of Python.
        context: facts for programs.
    """

    message: str
    remedy: Remedy | None
    for_command_line: str
    context: dict[str, Any]
    _has_several_lines: ClassVar[bool] = False

    def __init__(self, message: str = "", /, *, remedy: Remedy | None = None, **context: object) -> None:
        text = message or (type(self).__doc__ or "").partition("\n")[0]
        make_visible = escape_text if self._has_several_lines else escape_message
        super().__init__(make_visible(text if remedy is None else f"{text} {remedy.in_python()}"))
        self.message = make_visible(text)
        self.for_command_line = make_visible(text if remedy is None else f"{text} {remedy.in_shell()}")
        self.remedy = remedy
        self.context = context

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""


class NotAllowed(SyftJobError, PermissionError):
    """This participant may not do that."""


class InvalidTransition(SyftJobError, ValueError):
    """The job is not in a state from which this is possible."""


class InvalidName(SyftJobError, ValueError):
    """The text is not allowed as a name in the shared folder."""


class InvalidSubmission(SyftJobError, ValueError):
    """The submitted files or options do not make a valid job."""


class JobNotFoundError(SyftJobError, ValueError, LookupError):
    """There is no such job."""

    def __str__(self) -> str:  # LookupError's own __str__ would show quotes
        return SyftJobError.__str__(self)


class AmbiguousJob(JobNotFoundError):
    """Several jobs match."""


class JobExists(SyftJobError, FileExistsError):
    """A job of that name is already there."""


class PathMissing(SyftJobError, FileNotFoundError):
    """The path does not exist."""


class MissingExtra(SyftJobError, ImportError):
    """An optional package is not installed."""


class UnreadableJob(SyftJobError, ValueError):
    """The job's directory cannot be read as a job."""


class BlockedCategory(StrEnum):
    """Why an approved job cannot start, as far as its submitter may know. Only releases add to this list."""

    SANDBOX = "sandbox"
    """The host offers less containment than the approval was given for."""
    INTERPRETER = "interpreter"
    """No usable interpreter for the job's type."""
    FILES = "files"
    """The submitted files are missing or differ from what was approved."""
    APPROVAL = "approval"
    """This home has no valid approval: it was restored, adopted or never recorded one."""
    STORAGE = "storage"
    """A disk is full, read-only or fails."""
    OTHER = "other"


class NotStarted(SyftJobError):
    """An approved job cannot be started now; ``category`` is the reason in one word."""

    def __init__(
        self,
        message: str = "",
        /,
        *,
        category: BlockedCategory = BlockedCategory.OTHER,
        remedy: Remedy | None = None,
        **context: object,
    ) -> None:
        super().__init__(message, remedy=remedy, **context)
        self.category = category


class ChangedSinceSeen(SyftJobError):
    """The job changed since it was last shown."""


class SealError(SyftJobError):
    """A signature does not verify."""


class SubmitError(SyftJobError):
    """The job could not be submitted to the backend."""


class CommandError(SubmitError):
    """The command cannot be executed."""


class ScriptError(SubmitError):
    """The script cannot be read."""


class SchedulerError(SyftJobError):
    """The scheduler refused, failed or did not answer."""


class StoreError(SyftJobError):
    """The folder or the home cannot be used."""


class RunnerBusy(StoreError):
    """Another runner serves this datasite."""


class AclError(SyftJobError, ValueError):
    """The permission file cannot be parsed."""


class ConfigError(SyftJobError, ValueError):
    """The configuration is not usable."""


class ConfigTypeError(ConfigError, TypeError):
    """A configuration value is of the wrong type."""


class JobValidationError(SyftJobError):
    """A backend refuses the job; ``issues`` lists why."""

    _has_several_lines = True

    def __init__(self, issues: list[Issue] | tuple[Issue, ...]) -> None:
        self.issues = list(issues)
        count = len(self.issues)
        noun = "issue" if count == 1 else "issues"
        lines = [f"{count} validation {noun} encountered:", *(f"- {issue}" for issue in self.issues)]
        super().__init__("\n".join(lines))


class JobTimeoutError(SyftJobError, TimeoutError):
    """The wait exceeded its timeout; the job continues."""


class Issue:
    """One reason for which a backend refuses a job: a kind, a message and the values concerned."""

    __slots__ = ("details", "kind", "message")

    def __init__(self, kind: str, message: str, **details: object) -> None:
        self.kind = kind
        self.message = message
        self.details = details

    def __str__(self) -> str:
        facts = ", ".join(f"{key}={value}" for key, value in self.details.items())
        return escape_message(f"[{self.kind}] {self.message}" + (f" ({facts})" if facts else ""))

    def __repr__(self) -> str:
        return f"Issue({str(self)!r})"
