"""The configuration: folder, address, limits and sandbox, from arguments or from one TOML file.

It validates; an error names key and profile. It starts nothing and knows no jobs.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal, Self, get_args

from syft_job import fs
from syft_job.format.manifest import SubmissionLimits
from syft_job.model import names
from syft_job.model.job_ref import expand_user
from syft_job.model.units import MAX_AMOUNT, Duration, Memory

from .errors import ConfigError, ConfigTypeError, InvalidName, PathMissing

Folder = Literal["plain", "enforced"]
SandboxChoice = Literal["auto", "bare", "bubblewrap"]
TellOutcome = Literal["always", "when_shared"]

_CHOICES: dict[str, tuple[str, ...]] = {
    "folder": get_args(Folder),
    "sandbox": get_args(SandboxChoice),
    "tell_outcome": get_args(TellOutcome),
}
NO_LIMIT = "none"
"""The word for no limit in a configuration file, because TOML has no null."""
DEFAULT_TIME_LIMIT_S = 86_400.0
_MAX_TIME_LIMIT_S = 10**9
"""More than thirty years, and within the range of the clocks and timers of all systems."""
_AMOUNTS = ("time_limit", "memory", "processes", "file_bytes", "disk_bytes", "log_bytes")


@dataclass(frozen=True, slots=True)
class SyftJobConfig:
    """The datasite, the shared folder, and what the owner allows.

    Attributes:
        email: the address of the datasite.
        syftbox_folder: the folder that holds all datasites.
        folder: ``"plain"`` if everyone who has the folder can read all of it; ``"enforced"`` if permission files are
            enforced.
        sandbox: ``"auto"`` uses bubblewrap if the host supports it, and otherwise no sandbox; ``"bare"`` allows jobs
            to run without one, for all approvals.
        require_sandbox: refuse to run jobs without a sandbox.
        require_review: refuse to approve jobs without a complete review.
        python: the interpreter for Python jobs; by default a suitable one of this machine.
        pass_environment: names of the runner's environment variables that jobs may see.
        tell_outcome: ``"always"``: a submitter learns at once how an attempt ended; ``"when_shared"``: only once
            results are shared.
        time_limit: the time limit of an attempt in seconds, also the largest that a submitter may ask for; one day by
            default. A text such as ``"1h"`` is accepted; None or ``"none"`` is no limit, also for the fields below.
        memory: the memory limit of each process in bytes; a text such as ``"2G"`` is accepted, also below.
        processes: how many processes a job may have at once.
        file_bytes: the largest file that a job may write.
        disk_bytes: the largest size of a job's workspace; a job that exceeds it is ended.
        log_bytes: how much of each log is kept.
        limits: which submissions are accepted.
    """

    email: str
    syftbox_folder: Path
    folder: Folder = "plain"
    sandbox: SandboxChoice = "auto"
    require_sandbox: bool = False
    require_review: bool = False
    python: Path | None = None
    pass_environment: tuple[str, ...] = ()
    tell_outcome: TellOutcome = "always"
    time_limit: float | None = DEFAULT_TIME_LIMIT_S
    memory: int | None = None
    processes: int | None = 512
    file_bytes: int | None = 16 << 30
    disk_bytes: int | None = 32 << 30
    log_bytes: int = 16 << 20
    limits: SubmissionLimits = SubmissionLimits()  # noqa: RUF009 - it is frozen

    def __post_init__(self) -> None:
        set_once = object.__setattr__  # the class is frozen
        try:
            set_once(self, "email", names.normalize_address(self.email))
        except InvalidName as error:
            raise ConfigError(f"email: {error}") from error
        if not isinstance(self.syftbox_folder, str | os.PathLike):
            raise ConfigTypeError(f"syftbox_folder: {self.syftbox_folder!r} is not a path")
        set_once(self, "syftbox_folder", expand_user(self.syftbox_folder).absolute())
        _check_encodable(self.syftbox_folder)
        for key, choices in _CHOICES.items():
            if getattr(self, key) not in choices:
                raise ConfigError(f"{key}: {getattr(self, key)!r} is not one of {', '.join(choices)}")
        for key in _AMOUNTS:
            set_once(self, key, _amount(key, getattr(self, key)))
        for key in ("require_sandbox", "require_review"):
            if not isinstance(getattr(self, key), bool):
                raise ConfigTypeError(f"{key}: {getattr(self, key)!r} must be true or false")
        if self.python is not None:
            if not isinstance(self.python, str | os.PathLike):
                raise ConfigTypeError(f"python: {self.python!r} is not a path")
            set_once(self, "python", expand_user(self.python))
        variables: object = self.pass_environment
        if isinstance(variables, str) or not all(isinstance(name, str) for name in self.pass_environment):
            raise ConfigTypeError("pass_environment: it must be a list of variable names")
        set_once(self, "pass_environment", tuple(self.pass_environment))
        if isinstance(self.limits, dict):
            set_once(self, "limits", _limits(self.limits))
        if not isinstance(self.limits, SubmissionLimits):
            raise ConfigTypeError(f"limits: {self.limits!r} is not a table of limits")

    @classmethod
    def from_syftbox_folder(cls, syftbox_folder: str | Path, email: str, **more: Any) -> Self:
        """Build a configuration for an existing folder; ``~`` is expanded.

        Raises:
            PathMissing: the folder does not exist.
            ConfigError: it is a file, or the address or an option is not valid.
        """
        folder = expand_user(syftbox_folder).absolute()
        _check_encodable(folder)
        if not folder.exists():
            raise PathMissing(f"The folder {folder} does not exist. Create it, or name another one.")
        if not folder.is_dir():
            raise ConfigError(f"{folder} is a file, not a folder that holds datasites.")
        return cls.checked(email=email, syftbox_folder=folder, **more)

    @classmethod
    def checked(cls, **values: Any) -> Self:
        """Build a configuration from its fields by name.

        Raises:
            ConfigError: a field is unknown, missing, or its value is not allowed; the message names it.
        """
        known = {field.name for field in fields(cls)}
        if unknown := sorted(values.keys() - known):
            raise ConfigError(f"{unknown[0]}: there is no such setting; there are {', '.join(sorted(known))}")
        if missing := [key for key in ("email", "syftbox_folder") if key not in values]:
            raise ConfigError(f"{missing[0]}: it is required")
        return cls(**values)

    @property
    def settings(self) -> dict[str, Any]:
        """The fields that differ from their defaults, without address and folder."""
        return {
            field.name: getattr(self, field.name)
            for field in fields(self)
            if field.name not in ("email", "syftbox_folder") and getattr(self, field.name) != field.default
        }

    @property
    def datasite(self) -> Path:
        """The directory of the datasite."""
        return self.syftbox_folder / self.email


def config_path() -> Path:
    """The configuration file: ``SYFT_JOB_CONFIG``, or `config.toml` in the user's configuration folder."""
    chosen = os.environ.get("SYFT_JOB_CONFIG")
    if chosen:
        return expand_user(chosen)
    from syft_job.home.locations import config_directory

    return config_directory() / "config.toml"


def load_profile(name: str = "default", path: Path | None = None) -> SyftJobConfig | None:
    """Read ``[profiles.NAME]`` from the configuration file; None where there is no such file or profile.

    Raises:
        ConfigError: the file belongs to another user or can be written by others, it is not TOML, or a value in it is
            wrong; the message names profile and key.
    """
    file = path or config_path()
    profile = _read_profiles(file).get(name)
    if profile is None:
        return None
    if not isinstance(profile, dict):
        raise ConfigError(f"{file}: profiles.{name} is no table")
    try:
        return SyftJobConfig.checked(**profile)
    except ConfigTypeError as error:
        raise ConfigTypeError(f"{file}, profile {name!r}: {error}") from error
    except ConfigError as error:
        raise ConfigError(f"{file}, profile {name!r}: {error}") from error


def profile_addresses(path: Path | None = None) -> dict[str, str]:
    """The names of all profiles in the configuration file, with their addresses, unchecked.

    Raises:
        ConfigError: the file cannot be used, as for `load_profile`.
    """
    profiles = _read_profiles(path or config_path())
    return {name: str(table.get("email", "")) for name, table in profiles.items() if isinstance(table, dict)}


def _read_profiles(file: Path) -> dict[str, Any]:
    import tomllib

    try:
        with file.open("rb") as opened:
            unsafe = fs.find_unsafe_file(opened.fileno(), file)
            if unsafe is not None:  # it names the interpreter and the sandbox of everything that runs
                raise ConfigError(
                    f"The configuration file is not used, because other users can change it: {unsafe}, or choose"
                    " another file with SYFT_JOB_CONFIG."
                )
            document = tomllib.loads(opened.read().decode("utf-8"))
    except FileNotFoundError:
        return {}
    except ConfigError:
        raise
    except (OSError, ValueError) as error:
        raise ConfigError(f"{file} cannot be read as TOML: {error}") from error
    profiles = document.get("profiles", {})
    return profiles if isinstance(profiles, dict) else {}


def _check_encodable(folder: Path) -> None:
    """Refuse a folder whose name cannot be encoded under the locale of this process.

    Raises:
        ConfigError: it cannot be encoded.
    """
    try:
        os.fsencode(folder)
    except UnicodeEncodeError as error:
        raise ConfigError(
            f"syftbox_folder: {str(folder)!a} cannot be a path under this locale, whose encoding is"
            f" {sys.getfilesystemencoding()}. Use a UTF-8 locale (LC_ALL=C.UTF-8), or start Python with -X utf8."
        ) from error


def _amount(key: str, value: object) -> float | None:
    """Parse the amount of a setting: a number, a text with a unit, or None and ``"none"`` for no limit.

    Raises:
        ConfigTypeError: it is neither a number nor text, or ``log_bytes`` is None.
        ConfigError: the text cannot be read, or the amount is not positive and finite.
    """
    if value is None or value == NO_LIMIT:
        if key == "log_bytes":
            raise ConfigTypeError(f"{key}: it cannot be without a limit; write an amount such as 16M")
        return None
    if isinstance(value, str):
        try:
            value = Duration.parse(value).seconds if key == "time_limit" else _count(key, value)
        except ConfigError as error:
            raise ConfigError(f"{key}: {error}, or {NO_LIMIT} for no limit") from error
    kinds = (int, float) if key == "time_limit" else (int,)
    if isinstance(value, bool) or not isinstance(value, kinds):
        raise ConfigTypeError(f"{key}: {value!r} is not a number")
    if not value > 0:
        raise ConfigError(f"{key}: {value!r} is not more than 0; use {NO_LIMIT!r} for no limit")
    maximum = _MAX_TIME_LIMIT_S if key == "time_limit" else MAX_AMOUNT
    if value > maximum:
        raise ConfigError(f"{key}: {value!r} is too large: the maximum is {maximum}; use {NO_LIMIT!r} for no limit")
    return value


def _count(key: str, text: str) -> int:
    if key == "processes":
        raise ConfigError(f"{text!r} is not a whole number")
    return Memory.parse(text).bytes


def _limits(table: dict[str, Any]) -> SubmissionLimits:
    known = {field.name for field in fields(SubmissionLimits)}
    for key, amount in table.items():
        if key not in known:
            raise ConfigError(f"limits.{key}: there is no such limit; there are {', '.join(sorted(known))}")
        if isinstance(amount, bool) or not isinstance(amount, int) or amount < 1:
            raise ConfigTypeError(f"limits.{key}: {amount!r} is not a whole number of at least 1")
        if amount > MAX_AMOUNT:
            raise ConfigError(f"limits.{key}: {amount!r} is too large: the maximum is {MAX_AMOUNT}")
    return SubmissionLimits(**table)
