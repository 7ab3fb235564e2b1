"""The contract of a backend (document 003): the command that it is given, the handle that it returns, its answers.

This module has what all backends have in common, and finds a backend by its name. It knows neither processes nor
schedulers; each of those is a module beside it.

Invariants: a command with a claim begins at most once, however often it is submitted. A poll changes nothing and never
raises for one job; what it cannot judge is `Unknown`.
"""

from __future__ import annotations

import importlib
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar, Final, Protocol, Self, cast, runtime_checkable

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StrictStr, model_validator

from syft_job.errors import (
    ConfigError,
    ConfigTypeError,
    Issue,
    JobValidationError,
    MissingExtra,
    NotAllowed,
    SyftJobError,
)
from syft_job.execution.command import Command
from syft_job.execution.evidence import Ended, Evidence, ExitRecord, Launched, Running, Unknown, Vanished

ENTRY_POINTS: Final = "syft_job.backends"
"""Third parties register a backend, or the module that holds it, in this group; the entry's name is the short name."""


@runtime_checkable
class CliCommand(Protocol):
    """The subcommand of a program: started as ``[executable, command_name, *to_argv()]``.

    An ``executable`` attribute names the program; without one it is `syft-job`.
    """

    command_name: str

    def to_argv(self) -> list[str]:
        """Return what follows the subcommand's name."""
        ...


class JobStatus(StrEnum):
    """The state of a submitted job, as its backend reports it."""

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
    """A reference to a submitted job; it survives `model_dump_json` and a restart.

    ``job_id`` is the backend's own identifier (a process id, a scheduler's number), ``backend`` its short name.
    Handles can be keys of a dict: equal ones have equal hashes.
    """

    job_id: StrictStr
    backend: StrictStr
    submitted_at: AwareDatetime = Field(default_factory=lambda: datetime.now(UTC))
    metadata: dict[str, Any] = Field(default_factory=dict)

    def __hash__(self) -> int:
        return hash((self.backend, self.job_id, self.submitted_at))

    def __str__(self) -> str:
        when = self.submitted_at.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="seconds")
        return f"{self.backend}-{self.job_id} submitted_at={when}"


class JobStatusResult(JobHandle):
    """A handle with the present status of its job."""

    status: JobStatus
    detail: dict[str, Any] = Field(default_factory=dict)

    def __str__(self) -> str:
        return f"{super().__str__()} status={self.status.value}"


class JobDryRun(BaseModel):
    """What would have been started: the command as one would type it, and its circumstances."""

    command: str
    details: dict[StrictStr, StrictStr] = Field(default_factory=dict)


class JobABC(BaseModel, ABC):
    """A backend. An implementation defines `_submit` and `_status`; the rest has defaults."""

    model_config = ConfigDict(extra="forbid", validate_default=True)

    has_free_polls: ClassVar[bool] = False
    """Whether `poll` costs so little that it may be called at each file event; otherwise see `BackOffPoller`."""

    module: str = ""

    @model_validator(mode="after")
    def _set_module(self) -> Self:
        # A short name in the configuration becomes the full one, so that a stored configuration finds its class again.
        object.__setattr__(self, "module", type(self).__module__)
        return self

    @property
    def short_name(self) -> str:
        """The name that this backend's handles carry."""
        return self.module.rpartition(".")[2]

    def submit(self, command: Command | CliCommand, *, dry_run: bool = False) -> JobHandle | JobDryRun:
        """Submit a command, or with ``dry_run`` describe what would be submitted and start nothing.

        Raises:
            JobValidationError: the backend cannot start this; ``issues`` has the reasons.
        """
        _refuse(self._submit_validate(command))
        return self._submit(command, dry_run=dry_run)

    def status(self, handle: JobHandle) -> JobStatusResult:
        """Query the status of a job.

        Raises:
            JobValidationError: the handle is not one that this backend, or this host, can judge.
        """
        _refuse(self._status_validate(handle))
        return self._status(handle)

    def status_many(self, handles: Sequence[JobHandle]) -> list[JobStatusResult]:
        """Query the status of many jobs, in their order, as cheaply as the backend can.

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

    def poll(self, handles: Iterable[JobHandle]) -> dict[JobHandle, Evidence]:
        """Return the evidence for many jobs at once, as cheaply as the backend can.

        It changes nothing and raises nothing for one of them: what cannot be judged, now or here, is `Unknown`.
        """
        return self._poll(list(dict.fromkeys(handles)))

    def forfeit(self, handle: JobHandle) -> bool:
        """Make sure that a job that has not begun never begins; return False where it has begun already.

        Raises:
            StoreError: that cannot be recorded now.
            NotAllowed: this backend cannot end jobs.
        """
        return self._forfeit(handle)

    def find(self, label: str, claim: Path, exit_record: Path, *, launched: JobHandle | None) -> JobHandle | None:
        """Return the handle by which to poll an attempt that an earlier process may have launched.

        Args:
            label: the name of the attempt at the backend (`Command.label`).
            claim: its claim, where it is now.
            exit_record: its exit record, where it is or will be now.
            launched: the handle that its launch returned, where it was kept; a process killed in between kept none.

        Returns:
            None where this backend cannot find a job without the handle of its launch.
        """
        return self._find(label, claim, exit_record, launched)

    @property
    def host(self) -> str | None:
        """The only machine that can judge what is launched now; None where any machine can."""
        return None

    @abstractmethod
    def _submit(self, command: Command | CliCommand, *, dry_run: bool) -> JobHandle | JobDryRun: ...

    @abstractmethod
    def _status(self, handle: JobHandle) -> JobStatusResult: ...

    def _status_many(self, handles: Sequence[JobHandle]) -> list[JobStatusResult]:
        return [self._status(handle) for handle in handles]

    def _poll(self, handles: Sequence[JobHandle]) -> dict[JobHandle, Evidence]:
        answers: dict[JobHandle, Evidence] = {}
        for handle in handles:
            if issues := self._status_validate(handle):
                answers[handle] = Unknown(JobValidationError(issues))
        judged = [handle for handle in handles if handle not in answers]
        try:
            results = self._status_many(judged)
        except (SyftJobError, OSError) as error:
            return answers | {handle: Unknown(error) for handle in judged}
        return answers | {handle: evidence_of(result) for handle, result in zip(judged, results, strict=True)}

    def _forfeit(self, handle: JobHandle) -> bool:
        if isinstance(self._poll([handle])[handle], Launched):
            self._cancel(handle)
            return True
        return False

    def _find(
        self,
        label: str,  # noqa: ARG002 - the interface
        claim: Path,  # noqa: ARG002
        exit_record: Path,  # noqa: ARG002
        launched: JobHandle | None,
    ) -> JobHandle | None:
        return launched

    def _cancel(self, handle: JobHandle) -> None:
        raise NotAllowed(f"The backend {self.short_name!r} cannot end {handle}; end it where it runs.")

    def _submit_validate(self, command: Command | CliCommand) -> list[Issue] | None:  # noqa: ARG002
        return None

    def _status_validate(self, handle: JobHandle) -> list[Issue] | None:  # noqa: ARG002
        return None


def evidence_of(result: JobStatusResult) -> Evidence:
    """Return the evidence that a status gives. A detail ``returncode`` and times in ISO 8601 are used where present."""
    match result.status:
        case JobStatus.PENDING:
            return Launched()
        case JobStatus.RUNNING:
            return Running()
        case JobStatus.FINISHED_UNKNOWN:
            return Vanished()
        case _:
            code = result.detail.get("returncode", 0 if result.status is JobStatus.SUCCESSFUL else 1)
            flags = ("timed_out", "cancelled", "log_cut", "left_behind", "too_big", "sandbox_failed")
            record = ExitRecord(
                returncode=int(code),
                started_at=_time_in(result.detail, "started_at", result.submitted_at),
                ended_at=_time_in(result.detail, "ended_at", datetime.now(UTC)),
                **{name: bool(result.detail.get(name, False)) for name in flags},
            )
            return Ended(record)


def _time_in(detail: Mapping[str, Any], name: str, default: datetime) -> datetime:
    value = detail.get(name)
    return default if value is None else datetime.fromisoformat(str(value))


def build(config: Mapping[str, Any] | JobABC | str) -> JobABC:
    """Make a backend from its configuration, such as ``{"module": "shell", "detach": False}``, or from a name alone.

    A backend is returned as it is.

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


def _class_in(target: object, name: str) -> type[JobABC]:
    if isinstance(target, ModuleType):
        public = getattr(target, "__all__", ())  # a module may re-export the backend of another one
        own = [
            value
            for exported, value in vars(target).items()
            if _is_backend(value) and (value.__module__ == target.__name__ or exported in public)
        ]
        if len(own) != 1:
            raise ConfigTypeError(f"The module {name!r} defines {len(own)} backends; it must define one.", module=name)
        return cast("type[JobABC]", own[0])
    if not _is_backend(target):
        raise ConfigTypeError(f"{name!r} names {target!r}, which is no backend (a subclass of JobABC).", module=name)
    return cast("type[JobABC]", target)


def _is_backend(value: object) -> bool:
    return isinstance(value, type) and issubclass(value, JobABC) and value is not JobABC


def _refuse(issues: list[Issue] | None) -> None:
    if issues:
        raise JobValidationError(issues)
