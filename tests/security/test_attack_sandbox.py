"""Attacks on what a job can see (threats 9 and 32), found after these threats were closed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from syft_job import JobRunner
from syft_job.execution import sandboxes
from syft_job.execution.sandboxes import SYSTEM_PYTHON, ProtectedPath, unavailable_reason
from syft_job.execution.sandboxes.interpreters import inspect
from syft_job.execution.sandboxes.protected import bind_refusal
from syft_job.model.states import JobState
from syft_job.testing import TwoPeople

SECRET = "a secret of the owner"


@pytest.mark.parametrize("sandbox", ["bare", "bubblewrap"])
def test_threat_9_a_variable_that_only_begins_like_one_of_the_locale_stays_outside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sandbox: str
):
    """People send tokens as ``LC_TOKEN``, since sshd forwards each variable whose name begins so (threats 9 and 32)."""
    if sandbox == "bubblewrap" and unavailable_reason() is not None:
        pytest.skip("this host has no bubblewrap")
    monkeypatch.setenv("LC_TOKEN", SECRET)
    monkeypatch.setenv("LC_PASSWORD", SECRET)
    monkeypatch.setenv("LC_TIME", "C.UTF-8")
    with TwoPeople(tmp_path / "people", sandbox=sandbox) as people:
        people.submit("/usr/bin/env\n", name="First")
        people.owner_job("First").approve()
        JobRunner(people.owner.config, announce=None).process_approved_jobs(stream_output=False)
        job = people.owner_job("First")
        assert job.state is JobState.SUCCEEDED
        assert SECRET not in str(job.stdout)
        assert "LC_TIME=C.UTF-8" in str(job.stdout)


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Path]:
    """A project that is its own environment (`python -m venv .`), with secrets in folders of usual names."""
    base = Path(tempfile.mkdtemp(dir="/var/tmp")) if os.geteuid() == 0 else tmp_path  # the jobs' user must reach it
    base.chmod(0o755)
    folder = base / "project"
    python = str(SYSTEM_PYTHON) if os.geteuid() == 0 else sys.executable
    if subprocess.run([python, "-m", "venv", "--without-pip", str(folder)], check=False).returncode != 0:
        pytest.skip(f"{python} makes no environments")
    for part in ("etc", "ssl", "lib", "libexec", "share", "config"):
        (folder / part).mkdir(exist_ok=True)
        (folder / part / "secret.txt").write_text(SECRET)
    (folder / "lib" / "helper.so.1").write_bytes(b"")
    yield folder
    shutil.rmtree(folder)
    if base != tmp_path:
        base.rmdir()


def packages_of(project: Path) -> str:
    return str(next((project / "lib").glob("python*")).relative_to(project))


def test_threat_32_a_project_that_is_its_own_environment_is_not_shown(project: Path):
    mounts = inspect(project / "bin" / "python", sandboxes.user_protected_paths()).mounts
    bound = {str(mount.path.relative_to(project)) for mount in mounts if mount.path.is_relative_to(project)}
    assert {"pyvenv.cfg", "bin"} <= bound
    assert packages_of(project) in bound
    assert "lib/helper.so.1" in bound, "packages such as mkl put shared libraries there"
    assert not bound & {".", "etc", "ssl", "lib", "libexec", "config"}


def test_threat_32_such_an_environment_works(tmp_path: Path, project: Path):
    if unavailable_reason() is not None:
        pytest.skip("this host has no bubblewrap")
    (project / packages_of(project) / "site-packages" / "installed.py").write_text("word = 'found'\n")
    code = f"""
import installed, os
print(installed.word)
for part in ("etc", "ssl", "lib", "libexec", "config"):
    print(part, os.path.exists({str(project)!r} + "/" + part + "/secret.txt"))
"""
    with TwoPeople(tmp_path / "people", sandbox="bubblewrap", python=str(project / "bin" / "python")) as people:
        people.submit_code({"main.py": code}, name="First")
        job = people.owner_job("First")
        if "Python jobs cannot start" in str(job.review()):
            pytest.skip("the Python of this environment cannot be shown to the jobs' user")
        job.approve()
        runner = JobRunner(people.owner.config, announce=None)
        runner.process_approved_jobs(stream_output=False)
        job = people.owner_job("First")
        assert str(job.stdout).split() == "found etc False ssl False lib False libexec False config False".split()


@pytest.fixture
def alias(tmp_path: Path) -> Iterator[tuple[Path, Path]]:
    """A folder, and another path at which the same folder is mounted."""
    real, other = tmp_path / "real", tmp_path / "alias"
    (real / "people" / "home" / "inside").mkdir(parents=True)
    other.mkdir()
    if os.geteuid() != 0 or subprocess.run(["mount", "--bind", real, other], check=False).returncode != 0:
        pytest.skip("only root can mount")
    try:
        yield real, other
    finally:
        subprocess.run(["umount", "--lazy", other], check=True)


def test_threat_32_a_protected_place_under_another_path_is_refused(alias: tuple[Path, Path]):
    """A bind mount (as containers have) gives a place a second path, which no comparison of paths finds."""
    real, other = alias
    places = (ProtectedPath(real / "people" / "home", "the home of this datasite"),)
    for path in ("", "people", "people/home", "people/home/inside"):
        reason = bind_refusal(other / path, places, is_interpreter=True)
        assert reason is not None, path
        assert "the home of this datasite" in reason
    (other / "people" / "beside").mkdir()
    assert bind_refusal(other / "people" / "beside", places, is_interpreter=True) is None
    assert bind_refusal(Path("/usr"), places, is_interpreter=True) is None


def test_threat_32_a_protected_place_that_is_mounted_below_a_folder_of_the_system_is_masked(tmp_path: Path):
    if os.geteuid() != 0 or unavailable_reason() is not None:
        pytest.skip("only root can mount, and this needs bubblewrap")
    point = Path(tempfile.mkdtemp(dir="/usr/local", prefix="syft job test "))
    try:
        with TwoPeople(tmp_path / "people", sandbox="bubblewrap") as people:
            if subprocess.run(["mount", "--bind", people.root, point], check=False).returncode != 0:
                pytest.skip("nothing can be mounted here")
            try:
                people.root.chmod(0o755)
                people.submit(f"ls -A '{point}'; echo the end\n", name="First")
                people.owner_job("First").approve()
                JobRunner(people.owner.config, announce=None).process_approved_jobs(stream_output=False)
                job = people.owner_job("First")
                assert str(job.stdout) == "the end\n", str(job.stderr)
            finally:
                subprocess.run(["umount", "--lazy", point], check=True)
    finally:
        point.rmdir()
