"""Every way in which syft_job says no.

One tree under `SyftJobError`, and each branch is also the builtin exception that a caller would expect. An error's
message says what is so and what to do about it; facts that a program may want are kept in ``.context``. Where no
message is given, the first line of the class's docstring is the message. Messages quote names and texts that other
people wrote, so each message is made safe to display when the error is created (`syft_job.model.text`). It is one
line, so that a name cannot forge another message.
"""

from __future__ import annotations

from enum import StrEnum
from typing import ClassVar

from syft_job.model.text import escape_message, escape_text


class SyftJobError(Exception):
    """Something could not be done."""

    _has_several_lines: ClassVar[bool] = False

    def __init__(self, message: str = "", /, **context: object) -> None:
        text = message or (type(self).__doc__ or "").partition("\n")[0]
        super().__init__(escape_text(text) if self._has_several_lines else escape_message(text))
        self.context: dict[str, object] = context

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""


class NotAllowed(SyftJobError, PermissionError):
    """This person may not do that."""


class InvalidTransition(SyftJobError, ValueError):
    """The job is not in a state from which this is possible."""


class InvalidName(SyftJobError, ValueError):
    """The text cannot be a name in the shared folder."""


class InvalidSubmission(SyftJobError, ValueError):
    """What was to be submitted cannot be a job."""


class JobNotFoundError(SyftJobError, ValueError, LookupError):
    """There is no such job."""

    def __str__(self) -> str:  # LookupError's own __str__ would show quotes
        return SyftJobError.__str__(self)


class JobExists(SyftJobError, FileExistsError):
    """A job of that name is already there."""


class PathMissing(SyftJobError, FileNotFoundError):
    """The path does not exist."""


class MissingExtra(SyftJobError, ImportError):
    """An optional package is not installed."""


class UnreadableJob(SyftJobError, ValueError):
    """The job's directory cannot be read as a job."""


class BlockedCategory(StrEnum):
    """Why an approved job cannot start, as far as its submitter may know; a closed list that releases add to."""

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
    """An approved job is not started now; ``category`` says why in one word."""

    def __init__(
        self, message: str = "", /, *, category: BlockedCategory = BlockedCategory.OTHER, **context: object
    ) -> None:
        super().__init__(message, **context)
        self.category = category


class ChangedSinceSeen(SyftJobError):
    """The job is not what it was when it was last shown."""


class SealError(SyftJobError):
    """A seal does not verify."""


class SubmitError(SyftJobError):
    """The job could not be handed over."""


class CommandError(SubmitError):
    """The command is not one that can be run."""


class ScriptError(SubmitError):
    """The script cannot be read."""


class SchedulerError(SyftJobError):
    """The scheduler refused, failed or did not answer."""


class StoreError(SyftJobError):
    """The folder or the home cannot be used."""


class RunnerBusy(StoreError):
    """Another runner serves this datasite."""


class AclError(SyftJobError, ValueError):
    """The permission file cannot be understood."""


class ConfigError(SyftJobError, ValueError):
    """The configuration is not usable."""


class ConfigTypeError(ConfigError, TypeError):
    """A configuration value is of the wrong type."""


class JobValidationError(SyftJobError):
    """A backend refuses what it was asked; ``issues`` says why."""

    _has_several_lines = True

    def __init__(self, issues: list[Issue] | tuple[Issue, ...]) -> None:
        self.issues = list(issues)
        count = len(self.issues)
        noun = "issue" if count == 1 else "issues"
        lines = [f"{count} validation {noun} encountered:", *(f"- {issue}" for issue in self.issues)]
        super().__init__("\n".join(lines))


class JobTimeoutError(SyftJobError, TimeoutError):
    """The wait was longer than allowed; the job goes on."""


class Issue:
    """One reason for which a backend refuses: a kind, a message and the values that matter."""

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
