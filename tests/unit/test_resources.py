from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syft_job.model.resources import (
    ALL_LIMITS,
    ResourceLimits,
    describe_limits,
    kernel_argv,
    requested_limits,
    stricter_limits,
)
from syft_job.model.units import Duration, Memory

amounts = st.none() | st.integers(0, 2**40)
some_limits = st.builds(
    ResourceLimits,
    wall_seconds=amounts,
    grace_seconds=st.integers(0, 60),
    memory_bytes=amounts,
    processes=amounts,
    file_bytes=amounts,
    disk_bytes=amounts,
    log_bytes=amounts,
    open_files=amounts,
    cpu_count=amounts,
)


def is_within(inner: ResourceLimits, outer: ResourceLimits) -> bool:
    return all(
        getattr(outer, name) is None
        or (getattr(inner, name) is not None and getattr(inner, name) <= getattr(outer, name))
        for name in ALL_LIMITS
    )


@given(some_limits, some_limits)
def test_the_stricter_of_two_limits_is_within_both_in_any_order(one: ResourceLimits, other: ResourceLimits):
    both = stricter_limits(one, other)

    assert is_within(both, one)
    assert is_within(both, other)
    assert both == stricter_limits(other, one)
    assert both == stricter_limits(both, one)


@given(some_limits)
def test_every_configured_limit_is_described_and_whether_it_is_enforced(limits: ResourceLimits):
    sentences = describe_limits(limits)

    assert len(sentences) >= len(limits.configured)
    assert not any("not enforced" in sentence for sentence in sentences)
    assert all("not enforced" in sentence for sentence in describe_limits(limits, enforced=()))


def test_limits_are_described_in_the_units_of_people():
    sentences = describe_limits(ResourceLimits(wall_seconds=90, memory_bytes=2**30, log_bytes=2**20))

    assert "It is ended after 1m30s." in sentences
    assert "Each of its processes may use 1 GiB of memory." in sentences
    assert "It is ended once its folder holds more than 10 GiB." in describe_limits(
        ResourceLimits(disk_bytes=10 * 2**30)
    )
    assert "Of stdout and stderr 1 MiB each are kept." in sentences


def test_a_job_without_a_time_limit_is_described_as_such():
    assert "It may run for any length of time." in describe_limits(ResourceLimits())


def test_the_owners_ceiling_applies_whatever_a_job_requests():
    ceiling = ResourceLimits(wall_seconds=3600, memory_bytes=2**30, log_bytes=2**20)

    limits = requested_limits(time=Duration.hours(9), memory=Memory.gb(64), ceiling=ceiling)

    assert (limits.wall_seconds, limits.memory_bytes, limits.log_bytes) == (3600, 2**30, 2**20)
    assert requested_limits(ceiling=ceiling) == ceiling


def test_the_kernels_limits_are_a_prefix_of_the_command_and_empty_without_limits():
    limits = ResourceLimits(memory_bytes=1000, processes=20, file_bytes=30, open_files=40)

    assert kernel_argv(limits)[1:] == ("--as=1000:1000", "--nproc=20:20", "--fsize=30:30", "--nofile=40:40", "--")
    assert kernel_argv(limits.without_kernel_limits()) == ()
    assert kernel_argv(ResourceLimits()) == ()


@pytest.mark.parametrize("wrong", [{"wall_seconds": -1}, {"memory_bytes": 2**60}, {"wall_seconds": float("nan")}])
def test_a_limit_is_an_amount(wrong: dict[str, float]):
    with pytest.raises(ValueError):
        ResourceLimits(**wrong)  # type: ignore[arg-type]
