"""Amounts of memory and lengths of time: parse the notations of people and schedulers, compare, and format them.

A `Memory` is a whole number of bytes, a `Duration` a whole number of seconds; both are immutable, ordered and
hashable. This module knows the notation of each scheduler; it knows no jobs and no limits.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final, Self

from syft_job.errors import ConfigError, ConfigTypeError

from .quoting import quoted

MAX_AMOUNT: Final = 2**53 - 1
"""Larger integers are not the same number for every reader of JSON (RFC 8259, section 6)."""

_MAX_TEXT_CHARACTERS: Final = 100
"""The number of characters above which an amount is refused before it is parsed."""
_POWERS: Final = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}
_MEMORY = re.compile(r"([0-9]{1,20}(?:\.[0-9]{1,20})?) ?(?:([kmgt])(?:i?b)?|b)?", re.IGNORECASE | re.ASCII)

_NUMBER: Final = r"([0-9]{1,20}(?:\.[0-9]{1,20})?)"
_LETTERS = re.compile(
    rf"(?=.)(?:{_NUMBER}d ?)?(?:{_NUMBER}h ?)?(?:{_NUMBER}m ?)?(?:{_NUMBER}s)?", re.IGNORECASE | re.ASCII
)
_CLOCK = re.compile(r"(?:([0-9]{1,10})-)?([0-9]{1,10}):([0-9]{2}):([0-9]{2})", re.ASCII)
_SECONDS = re.compile(r"[0-9]{1,20}", re.ASCII)


@dataclass(frozen=True, order=True, slots=True)
class Memory:
    """An amount of memory in whole bytes; units are powers of 1024.

    >>> Memory.parse("1.5T") == Memory.gb(1536)
    True
    >>> Memory.gb(32).to_slurm(), Memory.gb(32).to_pbs(), str(Memory.gb(32))
    ('32G', '32gb', '32 GiB')
    """

    bytes: int

    def __post_init__(self) -> None:
        _check(self.bytes, "an amount of memory", "bytes")

    @classmethod
    def kb(cls, n: float) -> Self:
        """Return ``n`` times 1024 bytes."""
        return cls(_whole(n, 1024, "an amount of memory"))

    @classmethod
    def mb(cls, n: float) -> Self:
        """Return ``n`` times 1024² bytes."""
        return cls(_whole(n, 1024**2, "an amount of memory"))

    @classmethod
    def gb(cls, n: float) -> Self:
        """Return ``n`` times 1024³ bytes."""
        return cls(_whole(n, 1024**3, "an amount of memory"))

    @classmethod
    def tb(cls, n: float) -> Self:
        """Return ``n`` times 1024⁴ bytes."""
        return cls(_whole(n, 1024**4, "an amount of memory"))

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse ``"512M"``, ``"32G"``, ``"1.5T"``, ``"2048K"``, ``"2 GiB"`` or plain bytes; case does not matter.

        Raises:
            ConfigError: (a ValueError) ``text`` is empty, negative or anything else.
        """
        match = _MEMORY.fullmatch(_text(text, "an amount of memory").strip())
        amount = Fraction(match[1]) * 1024 ** _POWERS[(match[2] or "").lower()] if match else None
        if match is None or amount is None or (match[2] is None and amount.denominator != 1):
            raise ConfigError(f"{_shown(text)} is not an amount of memory; write it like 512M, 32G or 1.5T")
        return cls(math.ceil(amount))

    @classmethod
    def of(cls, value: Memory | str | int) -> Memory:
        """Return ``value`` as a `Memory`: itself, a text for `parse`, or a number of bytes."""
        return value if isinstance(value, Memory) else cls.parse(value) if isinstance(value, str) else cls(value)

    def to_slurm(self) -> str:
        """Return the amount for Slurm's ``--mem`` (sbatch(1)): the largest whole unit, rounded up to at least one K."""
        number, unit = self._in_largest_unit()
        return f"{number}{unit}"

    def to_pbs(self) -> str:
        """Return the amount for PBS's ``mem=`` (pbs_resources(7B)): as `to_slurm`, in the form ``32gb``."""
        number, unit = self._in_largest_unit()
        return f"{number}{unit.lower()}b"

    def to_lsf_kb(self) -> int:
        """Return the number of kilobytes, rounded up, for LSF's ``-M`` (bsub(1))."""
        return -(-self.bytes // 1024)

    def _in_largest_unit(self) -> tuple[int, str]:
        number, unit = self.to_lsf_kb(), "K"
        for larger in "MGT":
            if number == 0 or number % 1024:
                break
            number, unit = number // 1024, larger
        return number, unit

    def __str__(self) -> str:
        if self.bytes == 0 or self.bytes % 1024:
            return f"{self.bytes} B"
        number, unit = self._in_largest_unit()
        return f"{number} {unit}iB"

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: Callable[[Any], Any]) -> Any:
        return _pydantic_schema(cls)


@dataclass(frozen=True, order=True, slots=True)
class Duration:
    """A length of time in whole seconds.

    >>> Duration.parse("2h30m") == Duration.minutes(150)
    True
    >>> Duration.hours(26).to_slurm(), Duration.hours(26).to_pbs(), str(Duration.hours(26))
    ('1-02:00:00', '26:00:00', '1d2h')
    """

    seconds: int

    def __post_init__(self) -> None:
        _check(self.seconds, "a length of time", "seconds")

    @classmethod
    def minutes(cls, n: float) -> Self:
        """Return ``n`` times 60 seconds."""
        return cls(_whole(n, 60, "a length of time"))

    @classmethod
    def hours(cls, n: float) -> Self:
        """Return ``n`` times 3600 seconds."""
        return cls(_whole(n, 3600, "a length of time"))

    @classmethod
    def days(cls, n: float) -> Self:
        """Return ``n`` times 24 hours."""
        return cls(_whole(n, 86400, "a length of time"))

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse ``"2h30m"``, ``"90s"``, ``"1d2h"``, ``"04:00:00"``, ``"1-00:00:00"`` or plain seconds.

        Raises:
            ConfigError: (a ValueError) ``text`` is empty, negative or anything else. Two numbers with one colon are
                refused too: one scheduler reads minutes, another one hours.
        """
        plain = _text(text, "a length of time").strip()
        if _SECONDS.fullmatch(plain):
            return cls(int(plain))
        if match := _CLOCK.fullmatch(plain):
            days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
            if minutes < 60 and seconds < 60 and (match[1] is None or hours < 24):
                return cls(((days * 24 + hours) * 60 + minutes) * 60 + seconds)
        elif match := _LETTERS.fullmatch(plain):
            parts = [Fraction(part or 0) for part in match.groups()]
            return cls(math.ceil(((parts[0] * 24 + parts[1]) * 60 + parts[2]) * 60 + parts[3]))
        raise ConfigError(f"{_shown(text)} is not a length of time; write it like 90s, 2h30m or 04:00:00")

    @classmethod
    def of(cls, value: Duration | str | int) -> Duration:
        """Return ``value`` as a `Duration`: itself, a text for `parse`, or a number of seconds."""
        return value if isinstance(value, Duration) else cls.parse(value) if isinstance(value, str) else cls(value)

    def to_slurm(self) -> str:
        """Return the time for Slurm's ``--time`` (sbatch(1)): ``HH:MM:SS``, with ``D-`` before it from one day on."""
        days, rest = divmod(self.seconds, 86400)
        return f"{days}-{_clock(rest)}" if days else _clock(rest)

    def to_pbs(self) -> str:
        """Return the time for PBS's ``walltime=``: ``HH:MM:SS`` with any number of hours."""
        return _clock(self.seconds)

    def to_lsf_minutes(self) -> int:
        """Return the number of minutes, rounded up, for LSF's ``-W`` (bsub(1))."""
        return -(-self.seconds // 60)

    def __str__(self) -> str:
        minutes, seconds = divmod(self.seconds, 60)
        hours, minutes = divmod(minutes, 60)
        days, hours = divmod(hours, 24)
        parts = ((days, "d"), (hours, "h"), (minutes, "m"), (seconds, "s"))
        return "".join(f"{number}{unit}" for number, unit in parts if number) or "0s"

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: Callable[[Any], Any]) -> Any:
        return _pydantic_schema(cls)


def _clock(seconds: int) -> str:
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"


def _check(value: object, what: str, unit: str) -> None:
    if not isinstance(value, int) or isinstance(value, bool):
        raise ConfigTypeError(f"{what} is a whole number of {unit}, not {type(value).__name__}")
    if not 0 <= value <= MAX_AMOUNT:
        raise ConfigError(f"{what} cannot be {'negative' if value < 0 else 'so large'}")


def _whole(number: object, unit: int, what: str) -> int:
    if not isinstance(number, int | float) or isinstance(number, bool):
        raise ConfigTypeError(f"{what} is given as a number here, not as {type(number).__name__}")
    if isinstance(number, float) and not math.isfinite(number):
        raise ConfigError(f"{what} cannot be {number}")
    return math.ceil(Fraction(number) * unit)


def _text(text: object, what: str) -> str:
    if not isinstance(text, str):
        raise ConfigTypeError(f"{what} is read from text, not from {type(text).__name__}")
    if len(text) > _MAX_TEXT_CHARACTERS:
        raise ConfigError(f"{_shown(text)} is not {what}: it is {len(text)} characters long")
    return text


def _shown(text: str) -> str:
    return quoted(text, 40)


def _pydantic_schema(kind: type[Memory | Duration]) -> Any:
    # Imported here, because parsing units must not cost an import of pydantic.
    from pydantic_core import core_schema

    return core_schema.no_info_after_validator_function(
        kind.of,
        core_schema.union_schema(
            [core_schema.is_instance_schema(kind), core_schema.str_schema(), core_schema.int_schema(strict=True)]
        ),
        serialization=core_schema.to_string_ser_schema(),
    )
