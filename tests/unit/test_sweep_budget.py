"""The budget of one submitter in one sweep: see also tests/security/test_budgets.py."""

from __future__ import annotations

import time

import pytest

from syft_job.exchange.sweep_budget import BASE, SweepBudget
from syft_job.fs import METER


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [0.0]
    monkeypatch.setattr(time, "thread_time", lambda: now[0])
    return now


def test_ordinary_jobs_save_nothing_up_for_expensive_ones(clock: list[float]):
    spent = SweepBudget(most_undecided=10)
    for _ in range(1000):
        spent.charge_job(is_decided=True)
    for _ in range(16):
        clock[0] += BASE.cpu_seconds
        spent.charge_job(is_decided=True)
    assert "processor time" in spent.used_up


def test_undecided_jobs_beyond_the_given_number_use_the_base(clock: list[float]):
    spent = SweepBudget(most_undecided=100)
    jobs = 0
    while not spent.used_up and jobs < 1000:
        jobs += 1
        clock[0] += 0.0009
        spent.charge_job(is_decided=False)
    assert 100 < jobs < 400


def test_what_was_done_before_the_start_is_not_charged(clock: list[float]):
    spent = SweepBudget(most_undecided=10)
    clock[0] += 100
    METER.bytes += 1 << 30
    spent.start()
    spent.settle_job(is_decided=False)
    assert not spent.used_up
    assert spent.base_used() == 0.0


def test_a_share_is_smaller_and_counts_as_part_of_the_whole(clock: list[float]):
    spent = SweepBudget(share=0.1, most_undecided=0)
    clock[0] += BASE.cpu_seconds / 5
    spent.settle_job(is_decided=False)
    assert spent.used_up
    assert spent.base_used() == pytest.approx(0.2)
