"""The shell blocks of the README: its make targets exist, and its install commands install all of the package."""

from __future__ import annotations

import subprocess
import sys
import zipfile
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
def test_a_built_package_has_all_files_and_the_command(tmp_path: Path):
    """Built by pip as `pip install .` does it; installing it would replace the package of this environment."""
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(tmp_path), str(ROOT)]
    subprocess.run(command, check=True, timeout=300)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as opened:
        packed = set(opened.namelist())
        (scripts,) = (name for name in packed if name.endswith("entry_points.txt"))
        assert "syft-job = syft_job.cli:main" in opened.read(scripts).decode()
    ours = {str(path.relative_to(ROOT)) for path in (ROOT / "syft_job").rglob("*") if path.is_file()}
    ours = {path for path in ours if "__pycache__" not in path}
    assert ours <= packed, ours - packed
