"""`Memory` and `Duration`: what is read, what is refused, how schedulers spell it."""

from __future__ import annotations

import dataclasses
import subprocess
import sys

import pydantic
import pytest

from syft_job.errors import ConfigError, ConfigTypeError, SyftJobError
from syft_job.model.units import MAX_AMOUNT, Duration, Memory

READ_MEMORY = [
    ("512M", 512 * 1024**2),
    ("32G", 32 * 1024**3),
    ("1.5T", 1536 * 1024**3),
    ("2048K", 2 * 1024**2),
    ("4096", 4096),
    ("0", 0),
    ("1g", 1024**3),
    ("1GB", 1024**3),
    ("1GiB", 1024**3),
    ("1gib", 1024**3),
    ("3 MiB", 3 * 1024**2),
    ("7B", 7),
    (" 7 ", 7),
    ("0.1k", 103),
]

READ_DURATION = [
    ("2h30m", 9_000),
    ("90s", 90),
    ("1d2h", 93_600),
    ("04:00:00", 14_400),
    ("1-00:00:00", 86_400),
    ("100:00:01", 360_001),
    ("3600", 3_600),
    ("0", 0),
    ("1D2H3M4S", 93_784),
    ("1d 2h", 93_600),
    ("1.5h", 5_400),
    (" 5m ", 300),
]


@pytest.mark.conformance(211)
@pytest.mark.parametrize(("text", "size"), READ_MEMORY)
def test_memory_is_parsed_as_people_write_it(text, size):
    assert Memory.parse(text).bytes == size
    assert Memory.of(text) == Memory(size)


@pytest.mark.conformance(211)
@pytest.mark.parametrize(("text", "seconds"), READ_DURATION)
def test_duration_is_parsed_as_people_write_it(text, seconds):
    assert Duration.parse(text).seconds == seconds
    assert Duration.of(text) == Duration(seconds)


@pytest.mark.conformance(211, 212)
@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "-1",
        "-1G",
        "G",
        "x1G",
        "1Gx",
        "1 G B",
        "1Q",
        "1.5",
        "1.",
        ".5G",
        "1e3",
        "１G",
        "1_000",
        "5iB",
        "1G\n2",
        "nan",
    ],
)
def test_memory_refuses_anything_else(text):
    with pytest.raises(ValueError, match="like 512M, 32G or 1") as refusal:
        Memory.parse(text)
    assert isinstance(refusal.value, SyftJobError)


@pytest.mark.conformance(211, 212)
@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "-1",
        "-2h",
        "h",
        "2h30",
        "x2h",
        "2hx",
        "30m2h",
        "1h1h",
        "4:00",
        "04:60:00",
        "04:00:60",
        "1-24:00:00",
        "1-2",
        "04:00:00:00",
        "٣h",
        "1w",
        "1e3",
        "2h-30m",
        "1.5",
    ],
)
def test_duration_refuses_anything_else(text):
    with pytest.raises(ValueError, match="like 90s, 2h30m or 04:00:00"):
        Duration.parse(text)


@pytest.mark.conformance(211)
def test_memory_units_are_powers_of_1024():
    assert (Memory.kb(1), Memory.mb(1), Memory.gb(1), Memory.tb(1)) == tuple(Memory(1024**n) for n in (1, 2, 3, 4))
    assert Memory.gb(1.5) == Memory.mb(1536)


@pytest.mark.conformance(211)
def test_duration_units():
    assert (Duration.minutes(1), Duration.hours(1), Duration.days(1)) == (
        Duration(60),
        Duration(3_600),
        Duration(86_400),
    )
    assert Duration.minutes(0.5) == Duration(30)


@pytest.mark.conformance(211, 212)
@pytest.mark.parametrize(
    ("memory", "slurm", "pbs", "lsf"),
    [
        (Memory.gb(32), "32G", "32gb", 32 * 1024**2),
        (Memory.tb(1.5), "1536G", "1536gb", 1536 * 1024**2),
        (Memory.mb(512), "512M", "512mb", 512 * 1024),
        (Memory.tb(2), "2T", "2tb", 2 * 1024**3),
        (Memory.tb(2048), "2048T", "2048tb", 2048 * 1024**3),
        (Memory.kb(2047), "2047K", "2047kb", 2047),
        (Memory(1), "1K", "1kb", 1),
        (Memory(1025), "2K", "2kb", 2),
        (Memory(1024**2 - 1), "1M", "1mb", 1024),
        (Memory(0), "0K", "0kb", 0),
    ],
)
def test_memory_for_schedulers_is_the_largest_whole_unit_and_never_less(memory, slurm, pbs, lsf):
    assert (memory.to_slurm(), memory.to_pbs(), memory.to_lsf_kb()) == (slurm, pbs, lsf)


@pytest.mark.conformance(211)
@pytest.mark.parametrize(
    ("duration", "slurm", "pbs", "lsf"),
    [
        (Duration.hours(4), "04:00:00", "04:00:00", 240),
        (Duration.hours(24), "1-00:00:00", "24:00:00", 1440),
        (Duration.parse("1d2h3m4s"), "1-02:03:04", "26:03:04", 1564),
        (Duration(61), "00:01:01", "00:01:01", 2),
        (Duration(60), "00:01:00", "00:01:00", 1),
        (Duration(0), "00:00:00", "00:00:00", 0),
        (Duration.days(100), "100-00:00:00", "2400:00:00", 144_000),
    ],
)
def test_duration_for_schedulers(duration, slurm, pbs, lsf):
    assert (duration.to_slurm(), duration.to_pbs(), duration.to_lsf_minutes()) == (slurm, pbs, lsf)


@pytest.mark.parametrize(
    ("memory", "text"),
    [(Memory.gb(2), "2 GiB"), (Memory.mb(1536), "1536 MiB"), (Memory(1000), "1000 B"), (Memory(0), "0 B")],
)
def test_memory_prints_for_people(memory, text):
    assert str(memory) == text


@pytest.mark.conformance(211)
@pytest.mark.parametrize("kind", [Memory, Duration])
def test_units_are_ordered_hashable_and_immutable(kind):
    assert kind(1) < kind(2) <= kind(2) < kind(10)
    assert sorted([kind(10), kind(2)]) == [kind(2), kind(10)]
    assert len({kind(5), kind(5), kind(6)}) == 2
    assert kind(5) != 5
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(kind(5), dataclasses.fields(kind)[0].name, 6)


def test_memory_is_no_duration():
    five: list[object] = [Memory(5), Duration(5)]
    assert five[0] != five[1]
    with pytest.raises(TypeError):
        assert Memory(5) < Duration(6)  # type: ignore[operator]


@pytest.mark.conformance(212)
@pytest.mark.parametrize("make", [Memory, Memory.kb, Memory.gb, Duration, Duration.minutes, Duration.hours])
def test_negative_and_too_large_amounts_are_refused(make):
    with pytest.raises(ConfigError):
        make(-1)
    with pytest.raises(ConfigError):
        make(MAX_AMOUNT + 1)
    with pytest.raises(ConfigTypeError):
        make(True)
    with pytest.raises(ConfigTypeError):
        make("1")


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_what_is_no_number_is_no_amount(number):
    with pytest.raises(ConfigError):
        Memory.gb(number)


def test_parse_accepts_text_only():
    with pytest.raises(ConfigTypeError):
        Memory.parse(5)  # type: ignore[arg-type]
    with pytest.raises(ConfigError):
        Memory.parse("9" * 10_000)


class Asked(pydantic.BaseModel):
    memory: Memory | None = None
    time_limit: Duration | None = None


def test_fields_of_pydantic_models_take_all_three_forms():
    asked = Asked.model_validate({"memory": "2G", "time_limit": 90})
    assert asked == Asked(memory=Memory.gb(2), time_limit=Duration(90))
    assert asked.model_dump()["memory"] == Memory.gb(2)
    assert asked.model_dump_json() == '{"memory":"2 GiB","time_limit":"1m30s"}'
    assert Asked.model_validate_json(asked.model_dump_json()) == asked


@pytest.mark.parametrize("bad", ["lots", -1, True, 1.5, [], {"bytes": 1}, Duration(1)])
def test_pydantic_refuses_what_units_refuse(bad):
    with pytest.raises(pydantic.ValidationError):
        Asked.model_validate({"memory": bad})


def test_importing_units_does_not_import_pydantic():
    program = "import sys, syft_job.model.units; sys.exit(any(name.startswith('pydantic') for name in sys.modules))"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
