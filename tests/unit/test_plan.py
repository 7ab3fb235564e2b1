"""What stands between a job and the machine, and in which words it is told."""

from __future__ import annotations

import os
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from syft_job import doctor
from syft_job.config import SyftJobConfig
from syft_job.errors import ConfigError, NotStarted
from syft_job.execution import sandboxes
from syft_job.execution.plan import host_offer, limits_for, plan_for
from syft_job.format.manifest import JobResources, JobSpec
from syft_job.model.containment import ContainmentLevel
from syft_job.model.states import JobState
from syft_job.runner import JobRunner
from syft_job.testing import TwoPeople


def config(folder: Path, **options: Any) -> SyftJobConfig:
    return SyftJobConfig.from_syftbox_folder(folder, "omar@example.org", **options)


def asking(kind: str = "bash", **resources: Any) -> JobSpec:
    return JobSpec("Tides", "ada@example.org", None, kind, {}, resources=JobResources(**resources))


def test_without_a_sandbox_every_gap_is_a_loud_warning(tmp_path):
    plan = plan_for(config(tmp_path, sandbox="bare"))
    assert not plan.is_contained
    assert plan.sandbox_name == "bare"
    warning = " ".join(plan.warnings)
    assert "NO SANDBOX" in warning
    assert "network" in warning
    assert "ledger" in warning
    assert "the configuration asks for none" in warning


@pytest.mark.engine
@pytest.mark.skipif(sandboxes.unavailable_reason() is not None, reason="no bubblewrap on this host")
def test_auto_takes_bubblewrap_where_the_host_can_and_says_what_it_holds(tmp_path):
    plan = plan_for(config(tmp_path))
    assert plan.is_contained
    assert plan.sandbox_name == "bubblewrap"
    told = " ".join(plan.conditions)
    assert "It has no network." in told
    assert "kernel" in told, "what is not contained is told too"
    assert not any("NO SANDBOX" in warning for warning in plan.warnings)


def test_an_unknown_sandbox_is_an_error_before_anything_starts(tmp_path):
    with pytest.raises(ConfigError, match="sandbox"):
        config(tmp_path, sandbox="jail")


def test_the_tighter_of_wish_and_ceiling_holds(tmp_path):
    owner = config(tmp_path, sandbox="bare", time_limit=60, memory=1 << 30)
    modest = limits_for(owner, asking(time_limit="10s", memory="128M"))
    assert (modest.wall_seconds, modest.memory_bytes) == (10, 128 << 20)
    greedy = limits_for(owner, asking(time_limit="2d", memory="1T"))
    assert (greedy.wall_seconds, greedy.memory_bytes) == (60, 1 << 30)
    assert limits_for(owner, None).wall_seconds == 60


def test_a_job_cannot_ask_for_longer_logs_more_processes_or_larger_files(tmp_path):
    owner = config(tmp_path, sandbox="bare", log_bytes=4096, processes=7, file_bytes=1 << 20, disk_bytes=1 << 30)
    found = limits_for(owner, asking(time_limit="1h"))
    assert (found.log_bytes, found.processes, found.file_bytes, found.disk_bytes) == (4096, 7, 1 << 20, 1 << 30)


def test_the_limits_of_the_job_that_is_reviewed_are_told(tmp_path):
    owner = config(tmp_path, sandbox="bare", time_limit=60)
    assert any("10 s" in line for line in plan_for(owner, asking(time_limit="10s")).conditions)
    assert any("1m" in line or "60 s" in line for line in plan_for(owner).conditions)


def test_a_limit_that_does_not_hold_here_is_not_promised(tmp_path):
    plan = plan_for(config(tmp_path, sandbox="bare", processes=9), asking(cpu_count=3))
    line = next(line for line in plan.conditions if "3 processors" in line)
    assert "not enforced here" in line


def test_the_interpreter_is_told_for_python_jobs_only(tmp_path):
    owner = config(tmp_path, sandbox="bare", python=Path(sys.executable))
    assert any(sys.executable in line for line in plan_for(owner, asking("python")).conditions)
    assert not any(sys.executable in line for line in plan_for(owner, asking("bash")).conditions)


def test_a_configured_python_that_is_missing_is_a_warning_and_no_other_one_is_taken(tmp_path):
    wanted = tmp_path / "no" / "python"
    plan = plan_for(config(tmp_path, sandbox="bare", python=wanted))
    assert plan.environment.interpreter is None
    assert str(wanted) in str(plan.environment.interpreter_problem)
    assert any("Python jobs cannot start" in warning and str(wanted) in warning for warning in plan.warnings)


def test_a_bash_job_is_not_told_about_a_python_that_cannot_be_used(tmp_path):
    plan = plan_for(config(tmp_path, sandbox="bare", python=tmp_path / "no" / "python"), asking("bash"))
    assert not any("Python" in line for line in (*plan.warnings, *plan.conditions))


@pytest.mark.engine
@pytest.mark.skipif(os.geteuid() != 0, reason="only root drops jobs to another user")
@pytest.mark.skipif(sandboxes.unavailable_reason() is not None, reason="no bubblewrap on this host")
def test_workspaces_that_the_user_of_jobs_cannot_reach_block_the_start_and_cost_no_attempt(
    tmp_path: Path, work_dir: Path, monkeypatch: pytest.MonkeyPatch
):
    closed = work_dir / "closed"
    closed.mkdir(mode=0o700)
    monkeypatch.setenv("SYFT_JOB_WORK", str(closed / "work"))
    with TwoPeople(tmp_path, sandbox="bubblewrap") as people:
        people.submit(name="Tides")
        runner = JobRunner(people.owner.config, announce=None, poll_interval=0.05)
        assert any(str(closed) in warning and "chmod o+x" in warning for warning in runner.terms.warnings)
        wrong = [check for check in doctor.examine(people.owner.config) if check.name == "workspaces"]
        assert [check.ok for check in wrong] == [False]
        people.owner_job("Tides").approve()
        assert runner.process_approved_jobs(stream_output=False) == []
        assert people.owner_job("Tides").state is JobState.QUEUED
        closed.chmod(0o711)
        time.sleep(0.1)
        assert [record.state for record in runner.process_approved_jobs(stream_output=False)] == [JobState.SUCCEEDED]


def test_a_plan_has_everything_that_will_run(tmp_path):
    owner = config(tmp_path, sandbox="bare", pass_environment=("LANG",))
    plan = plan_for(owner, asking("bash", time_limit="10s"))
    assert plan.command == ("/bin/bash", "run.sh")
    assert plan.containment == ContainmentLevel("bare", network=True)
    assert plan.network
    assert plan.limits.wall_seconds == 10
    assert plan.backend == "shell"
    assert plan.environment.variables == ("LANG",)
    assert plan.environment.interpreter is None
    plan.require_startable()


@pytest.mark.parametrize(
    ("options", "asks_for", "words"),
    [
        ({}, {"dependencies": ("numpy",)}, "numpy"),
        ({}, {"datasets": ("tides",)}, "tides"),
        ({"require_sandbox": True}, {}, "sandbox is required"),
        ({"python": "no/python"}, {"type": "python"}, "needs a Python"),
    ],
)
def test_a_plan_that_cannot_be_executed_says_why(
    tmp_path: Path, options: dict[str, Any], asks_for: dict[str, Any], words: str
):
    if "python" in options:
        options = {"python": tmp_path / options["python"]}
    plan = plan_for(config(tmp_path, sandbox="bare", **options), replace(asking(), **asks_for))
    with pytest.raises(NotStarted, match=words):
        plan.require_startable()


def test_the_offer_that_a_runner_determined_serves_every_job(tmp_path):
    owner = config(tmp_path, sandbox="bare")
    host = host_offer(owner)
    python, bash = (plan_for(owner, asking(kind), host=host) for kind in ("python", "bash"))
    assert python.environment.interpreter == host.interpreter is not None
    assert bash.environment.interpreter is None
