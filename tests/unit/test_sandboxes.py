"""Sandboxes: how a command is wrapped, what that contains, and which sandbox works on a host."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from syft_job.errors import ConfigError
from syft_job.execution import sandboxes
from syft_job.execution.command import Command
from syft_job.execution.sandboxes import (
    Bubblewrap,
    Workspace,
    bare,
    best_available,
    clean_env,
    describe,
    get_sandbox,
    host_mounts,
    unavailable_reason,
    usable_interpreter,
)
from syft_job.model.resources import ALL_LIMITS, ResourceLimits


@pytest.mark.conformance(83)
def test_a_jobs_environment_is_an_explicit_list(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    for name in ("AWS_SECRET_ACCESS_KEY", "PYTHONPATH", "LD_PRELOAD", "BASH_ENV", "HTTPS_PROXY", "SSH_AUTH_SOCK"):
        monkeypatch.setenv(name, "the owner's")
    monkeypatch.setenv("PATH", "/owner/bin")
    monkeypatch.setenv("HOME", "/owner")
    monkeypatch.setenv("LC_TIME", "de_DE.UTF-8")

    env = clean_env({"SYFT_IS_IN_JOB": "true"}, home=tmp_path)

    assert set(env) <= {"PATH", "LANG", "TZ", "HOME", "TMPDIR", "SYFT_IS_IN_JOB"} | {n for n in env if n[:3] == "LC_"}
    assert env["LC_TIME"] == "de_DE.UTF-8"
    assert env["PATH"] == "/usr/local/bin:/usr/bin:/bin"
    assert env["HOME"] == str(tmp_path)
    assert env["SYFT_IS_IN_JOB"] == "true"
    assert "owner" not in str(env)


@pytest.mark.conformance(83)
def test_bare_passes_no_variable_of_the_runner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TOKEN", "secret")

    wrapped = bare(Command(argv=("true",)), Workspace(tmp_path))

    assert wrapped.env is not None
    assert "TOKEN" not in wrapped.env
    assert wrapped.cwd == tmp_path
    assert wrapped.argv == ("true",)
    assert not wrapped.contained


def test_bare_states_what_it_does_not_contain():
    assert {part.what for part in bare.contains if not part.holds} == {"network", "files", "jobs", "processes"}
    assert "NOT CONTAINED" in describe(bare)
    assert "cpu_count" not in bare.enforces
    assert ("processes" in bare.enforces) == (os.geteuid() != 0)


def test_a_sandbox_is_found_by_name():
    assert get_sandbox("bare") is bare
    assert get_sandbox("auto") == best_available()
    with pytest.raises(ConfigError, match="no sandbox 'glass'"):
        get_sandbox("glass")


def test_a_host_without_bubblewrap_states_the_reason(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setattr(host_mounts, "TOOLS", str(tmp_path))
    sandboxes.clear_probe_cache()
    try:
        assert best_available() is bare
        assert "Install the package bubblewrap" in str(unavailable_reason())
        with pytest.raises(ConfigError, match="not installed"):
            get_sandbox("bubblewrap")
        with pytest.raises(ConfigError, match="not installed"):
            Bubblewrap()(Command(argv=("true",)), Workspace(tmp_path))
    finally:
        sandboxes.clear_probe_cache()


def test_a_sandbox_that_fails_is_not_available(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    for name in ("bwrap", "setpriv"):
        (tmp_path / name).write_text("#!/bin/sh\necho 'No permissions to create new namespace' >&2; exit 1\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setattr(host_mounts, "TOOLS", str(tmp_path))
    sandboxes.clear_probe_cache()
    try:
        assert best_available() is bare
        assert "No permissions to create new namespace" in str(unavailable_reason())
    finally:
        sandboxes.clear_probe_cache()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root drops a user")
@pytest.mark.parametrize("user", ["root", "0", "no-such-user"])
def test_jobs_do_not_run_as_root_or_as_an_unknown_user(user: str):
    assert best_available(user) is bare
    assert user in str(unavailable_reason(user))


def test_bubblewrap_applies_the_kernels_limits_inside_and_leaves_the_others(tmp_path: Path):
    if unavailable_reason() is not None:
        pytest.skip(str(unavailable_reason()))
    limits = ResourceLimits(wall_seconds=9, memory_bytes=10**9, processes=20)

    wrapped = best_available()(Command(argv=("true",), limits=limits), Workspace(tmp_path))

    assert wrapped.limits == ResourceLimits(wall_seconds=9)
    assert wrapped.contained
    inside = wrapped.argv[wrapped.argv.index("ALL") :]
    assert "--nproc=20:20" in inside
    assert best_available().enforces == ALL_LIMITS - {"cpu_count"}


def test_paths_of_the_workspace_are_translated(tmp_path: Path):
    if unavailable_reason() is not None:
        pytest.skip(str(unavailable_reason()))
    env = {"HOME": str(tmp_path), "OUT": str(tmp_path / "outputs"), "OTHER": f"{tmp_path}-other"}

    command = best_available()(Command(argv=("cat", str(tmp_path / "code" / "x")), env=env), Workspace(tmp_path))
    argv = command.argv

    private = command.private_argv
    variables = {private[n + 1]: private[n + 2] for n, word in enumerate(private) if word == "--setenv"}
    assert variables["HOME"] == "/job"
    assert variables["OUT"] == "/job/outputs"
    assert variables["OTHER"] == f"{tmp_path}-other"
    assert argv[-2:] == ("cat", "/job/code/x")


def test_bare_uses_the_python_of_this_process():
    assert usable_interpreter(None, bare) == Path(sys.executable)


@pytest.mark.parametrize("named", ["/no/such/python", "/bin/true", "/etc/passwd"])
def test_a_configured_python_is_never_replaced_by_another(named: str):
    with pytest.raises(ConfigError, match=f"configured, {named}, cannot be used"):
        usable_interpreter(named, bare)
