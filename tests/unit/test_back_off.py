"""Polls of a backend at growing intervals."""

from __future__ import annotations

from itertools import pairwise

import pytest

from syft_job.execution.backends.back_off import MAX_INTERVAL_S, BackOffPoller
from syft_job.execution.backends.base import JobHandle
from syft_job.execution.command import Command
from syft_job.execution.evidence import Launched, Running
from syft_job.testing import FakeBackend


class CostlyBackend(FakeBackend):
    """Each poll costs something, as that of a cluster's scheduler."""

    has_free_polls = False


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def submitted(backend: FakeBackend, label: str = "job.1") -> JobHandle:
    handle = backend.submit(Command(argv=("true",), label=label))
    assert isinstance(handle, JobHandle)
    return handle


def poll_times(poller: BackOffPoller, backend: FakeBackend, clock: Clock, handle: JobHandle, until: float) -> list[int]:
    """Ask once a second; return the seconds at which the backend was polled."""
    times = []
    while clock.now <= until:
        before = backend.polls
        poller.poll([handle])
        if backend.polls > before:
            times.append(int(clock.now))
        clock.now += 1
    return times


def test_the_intervals_double_up_to_a_minute_while_nothing_changes(clock: Clock):
    backend = CostlyBackend()
    handle = submitted(backend)
    times = poll_times(BackOffPoller(backend, clock), backend, clock, handle, until=250)
    assert [later - sooner for sooner, later in pairwise(times)] == [2, 4, 8, 16, 32, 60, 60, 60]
    assert times[-1] - times[-2] == MAX_INTERVAL_S


def test_a_change_starts_with_the_shortest_interval_again(clock: Clock):
    backend = CostlyBackend()
    handle, poller = submitted(backend), BackOffPoller(backend, clock)
    assert poll_times(poller, backend, clock, handle, until=13) == [0, 2, 6]
    backend.begin("job.1")
    assert poll_times(poller, backend, clock, handle, until=21) == [14, 16, 20]
    assert poller.poll([handle]) == {handle: Running()}


def test_in_between_the_last_answers_stand_and_a_new_job_counts_as_launched(clock: Clock):
    backend = CostlyBackend()
    first, poller = submitted(backend), BackOffPoller(backend, clock)
    backend.begin("job.1")
    assert poller.poll([first]) == {first: Running()}
    second = submitted(backend, "job.2")
    backend.begin("job.2")
    assert poller.poll([first, second]) == {first: Running(), second: Launched()}
    clock.now += 2
    assert poller.poll([first, second]) == {first: Running(), second: Running()}


def test_a_launch_or_a_cancellation_makes_the_next_poll_sooner(clock: Clock):
    backend = CostlyBackend()
    handle, poller = submitted(backend), BackOffPoller(backend, clock)
    poll_times(poller, backend, clock, handle, until=100)
    poller.expedite()
    began = clock.now
    assert poll_times(poller, backend, clock, handle, until=began + 7) == [began + 2, began + 4]


def test_free_polls_are_not_spared(clock: Clock):
    backend = FakeBackend()
    handle, poller = submitted(backend), BackOffPoller(backend, clock)
    assert poll_times(poller, backend, clock, handle, until=3) == [0, 1, 2, 3]


def test_nothing_is_asked_about_no_job(clock: Clock):
    backend = CostlyBackend()
    assert BackOffPoller(backend, clock).poll([]) == {}
    assert backend.polls == 0
