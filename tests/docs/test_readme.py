"""The shell blocks of the README: its make targets exist, and its install commands install all of the package."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.pages import ROOT, blocks

README = ROOT / "README.md"
INSTALLS = {"pipx install .", "pip install ."}


def commands() -> list[str]:
    lines = [line for block in blocks(README) if block.language == "sh" for line in block.text.splitlines()]
    return [line.partition("#")[0].strip() for line in lines]


def test_the_readme_installs_and_tries_it():
    assert set(commands()) >= INSTALLS | {"make demo", "make test"}


@pytest.mark.parametrize("command", commands())
def test_each_command_is_an_install_or_a_make_target(command: str):
    if command in INSTALLS:
        return
    program, target = command.split()
    assert program == "make"
    subprocess.run(["make", "-n", target], cwd=ROOT, check=True, capture_output=True)


def test_the_first_screen_has_purpose_directory_and_installation():
    screen = README.read_text("utf-8").splitlines()[:40]
    text = "\n".join(screen)
    purpose = text.partition("\n\n")[2].partition("\n\n")[0]
    assert purpose.count(". ") == 1, "two sentences"
    for part in ("app_data/job/", "config.yaml", "pip install", "pipx install", "make demo", "make test"):
        assert part in text, part


@pytest.mark.slow
def test_an_installed_package_has_its_files_and_its_command(tmp_path: Path):
    """Built by pip as the README does it, without the dependencies: these are in this environment already."""
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--prefix", str(tmp_path), str(ROOT)]
    subprocess.run(command, check=True, timeout=300)
    (package,) = tmp_path.glob("lib*/python*/site-packages/syft_job")
    ours = {path.relative_to(ROOT / "syft_job") for path in (ROOT / "syft_job").rglob("*") if path.is_file()}
    ours = {path for path in ours if "__pycache__" not in path.parts}
    installed = {path.relative_to(package) for path in package.rglob("*") if path.is_file()}
    assert ours <= installed, ours - installed
    script = (tmp_path / "bin" / "syft-job").read_text("utf-8")
    assert "from syft_job.cli import main" in script
