"""What starts and polls a process: the contract of a backend, the ticket it gives out, and the command it is given.

This module knows what every backend has in common and how one is found by its name. It knows neither processes nor
schedulers; those are the rooms beside it.
"""

from __future__ import annotations

import importlib
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType
from typing import Any, Final, Protocol, Self, cast, runtime_checkable

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StrictStr, model_validator

from syft_job.errors import ConfigError, ConfigTypeError, Issue, JobValidationError, MissingExtra, NotAllowed
from syft_job.model.resources import ResourceLimits

ENTRY_POINTS: Final = "syft_job.backends"
"""Third parties register a backend, or the module that holds it, in this group; the entry's name is the short name."""

PRIVATE_FD: Final = "{private-fd}"
"""Stands in a command's ``argv`` for the descriptor on which its ``private_argv`` are read."""


@dataclass(frozen=True, slots=True)
class Command:
    """What is to be started, and where what is known about it goes. A sandbox turns one into another.

    ``env`` None inherits, a mapping replaces. ``stdout`` and ``stderr`` None are those of the caller where it waits,
    and nowhere where it does not. ``claim`` is created exclusively before anything else happens, and whoever finds it
    there does nothing; ``verdict`` is written last. Without these two a backend keeps them in a place of its own.
    ``results`` is a directory whose files survive a power cut wherever the verdict does.
    ``private_argv`` are arguments that no other user of the machine may read, so they stand in no command line: the
    backend writes them, each with a NUL after it, to a file without a name, and puts the number of its descriptor where
    `PRIVATE_FD` stands in ``argv`` (as ``bwrap --args FD`` reads them).
    ``contained`` says that no process can outlive the first one (a process namespace), so nobody has to look for them.
    That process must be the sandbox's own: it writes a line to the descriptor 8 before it starts the job, and without
    that line the sandbox counts as failed.
    """

    argv: tuple[str, ...]
    cwd: Path | None = None
    env: Mapping[str, str] | None = None
    stdout: Path | None = None
    stderr: Path | None = None
    limits: ResourceLimits = field(default_factory=ResourceLimits)
    claim: Path | None = None
    exit_record: Path | None = None
    results: Path | None = None
    label: str = ""
    contained: bool = False
    private_argv: tuple[str, ...] = ()


@runtime_checkable
class CliCommand(Protocol):
    """A program's subcommand: started as ``[executable, command_name, *to_argv()]``.

    An ``executable`` attribute names the program; without one it is `syft-job`.
    """

    command_name: str

    def to_argv(self) -> list[str]:
        """Return what follows the subcommand's name."""
        ...


class JobStatus(StrEnum):
    """What a backend says about a job it was given."""

    PENDING = "pending"
    RUNNING = "running"
    SUCCESSFUL = "successful"
    FAILED = "failed"
    FINISHED_UNKNOWN = "finished_unknown"

    @property
    def is_finished(self) -> bool:
        """Whether nothing more will happen."""
        return self in {JobStatus.SUCCESSFUL, JobStatus.FAILED, JobStatus.FINISHED_UNKNOWN}


class JobHandle(BaseModel):
    """The ticket for a job that was handed over; it survives `model_dump_json` and a restart.

    ``job_id`` is the backend's own word (a process id, a scheduler's number), ``backend`` the backend's short name.
    """

    job_id: StrictStr
    backend: StrictStr
    submitted_at: AwareDatetime = Field(default_factory=lambda: datetime.now(UTC))
    metadata: dict[str, Any] = Field(default_factory=dict)

    def __str__(self) -> str:
        when = self.submitted_at.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="seconds")
        return f"{self.backend}-{self.job_id} submitted_at={when}"


class JobStatusResult(JobHandle):
    """A handle, and what is known about its job now."""

    status: JobStatus
    detail: dict[str, Any] = Field(default_factory=dict)

    def __str__(self) -> str:
        return f"{super().__str__()} status={self.status.value}"


class JobDryRun(BaseModel):
    """What would have been started: the command as one would type it, and the circumstances."""

    command: str
    details: dict[StrictStr, StrictStr] = Field(default_factory=dict)


class JobABC(BaseModel, ABC):
    """A backend. An implementation writes `_submit` and `_status`; the rest has defaults."""

    model_config = ConfigDict(extra="forbid", validate_default=True)

    module: str = ""

    @model_validator(mode="after")
    def _say_module(self) -> Self:
        # A short name in the configuration becomes the full one, so that a stored configuration finds its class again.
        object.__setattr__(self, "module", type(self).__module__)
        return self

    @property
    def short_name(self) -> str:
        """The name that this backend's handles carry."""
        return self.module.rpartition(".")[2]

    def submit(self, command: Command | CliCommand, *, dry_run: bool = False) -> JobHandle | JobDryRun:
        """Hand a command over, or with ``dry_run`` say what would be handed over and start nothing.

        Raises:
            JobValidationError: the backend cannot start this; ``issues`` says why.
        """
        _refuse(self._submit_validate(command))
        return self._submit(command, dry_run=dry_run)

    def status(self, handle: JobHandle) -> JobStatusResult:
        """Ask what became of a job.

        Raises:
            JobValidationError: the handle is not one that this backend, or this host, can judge.
        """
        _refuse(self._status_validate(handle))
        return self._status(handle)

    def status_many(self, handles: Sequence[JobHandle]) -> list[JobStatusResult]:
        """Ask about many jobs, in their order, as cheaply as the backend can.

        Raises:
            JobValidationError: one of the handles is not one that this backend, or this host, can judge.
        """
        _refuse([issue for handle in handles for issue in self._status_validate(handle) or ()])
        return self._status_many(handles)

    def cancel(self, handle: JobHandle) -> None:
        """End a job and everything that it started. Harmless where it is over.

        Raises:
            JobValidationError: the handle is not one that this backend, or this host, can judge.
            NotAllowed: this backend cannot end jobs.
        """
        _refuse(self._status_validate(handle))
        self._cancel(handle)

    @abstractmethod
    def _submit(self, command: Command | CliCommand, *, dry_run: bool) -> JobHandle | JobDryRun: ...

    @abstractmethod
    def _status(self, handle: JobHandle) -> JobStatusResult: ...

    def _status_many(self, handles: Sequence[JobHandle]) -> list[JobStatusResult]:
        return [self._status(handle) for handle in handles]

    def _cancel(self, handle: JobHandle) -> None:
        raise NotAllowed(f"The backend {self.short_name!r} cannot end {handle}; end it where it runs.")

    def _submit_validate(self, command: Command | CliCommand) -> list[Issue] | None:  # noqa: ARG002
        return None

    def _status_validate(self, handle: JobHandle) -> list[Issue] | None:  # noqa: ARG002
        return None


def build(config: Mapping[str, Any] | JobABC | str) -> JobABC:
    """Make a backend from its configuration, such as ``{"module": "shell", "detach": False}``, or from a name alone.

    What is a backend already is returned as it is.

    ``module`` is a short name (an entry point of the group `syft_job.backends`, or a module of this package) or a
    full module path.

    Raises:
        ConfigError: ``module`` is missing (a ValueError).
        ConfigTypeError: what ``module`` names is no backend (a TypeError).
        MissingExtra: there is no such module (an ImportError).
        pydantic.ValidationError: the backend's own options are wrong.
    """
    if isinstance(config, JobABC):
        return config
    options = {"module": config} if isinstance(config, str) else dict(config)
    name = options.get("module")
    if not name:
        raise ConfigError("A backend's configuration needs a 'module', such as {'module': 'shell'}.")
    if not isinstance(name, str):
        raise ConfigTypeError(f"A backend's 'module' is a name, not {name!r}.")
    return _backend_class(name).model_validate(options)


def _backend_class(name: str) -> type[JobABC]:
    for entry in entry_points(group=ENTRY_POINTS, name=name):
        return _class_in(entry.load(), name)
    path = name if "." in name else f"{__package__}.{name}"
    try:
        module = importlib.import_module(path)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{path}.".startswith(f"{error.name}."):
            raise  # the backend is there, and something that it imports is not
        known = sorted({"shell", *(entry.name for entry in entry_points(group=ENTRY_POINTS))})
        raise MissingExtra(f"There is no backend {name!r}. Known here: {', '.join(known)}.", module=name) from error
    return _class_in(module, name)


def _class_in(found: object, name: str) -> type[JobABC]:
    if isinstance(found, ModuleType):
        public = getattr(found, "__all__", ())  # a module may re-export the backend of another one
        own = [
            thing
            for exported, thing in vars(found).items()
            if _is_backend(thing) and (thing.__module__ == found.__name__ or exported in public)
        ]
        if len(own) != 1:
            raise ConfigTypeError(f"The module {name!r} defines {len(own)} backends; it must define one.", module=name)
        return cast("type[JobABC]", own[0])
    if not _is_backend(found):
        raise ConfigTypeError(f"{name!r} names {found!r}, which is no backend (a subclass of JobABC).", module=name)
    return cast("type[JobABC]", found)


def _is_backend(thing: object) -> bool:
    return isinstance(thing, type) and issubclass(thing, JobABC) and thing is not JobABC


def _refuse(issues: list[Issue] | None) -> None:
    if issues:
        raise JobValidationError(issues)
