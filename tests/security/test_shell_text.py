"""Threat 18: text from a submission never becomes shell text."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from syft_job import create_runner
from syft_job.testing import TwoPeople

ENTRYPOINTS = ["main$(touch injected).py", "main`touch injected`.py", "main; touch injected; .py", "it's main.py"]


@pytest.mark.parametrize("entrypoint", ENTRYPOINTS)
def test_threat_18_an_entrypoint_is_quoted_in_the_script_that_starts_it(entrypoint: str):
    with TwoPeople() as people:
        code = 'import os, pathlib; pathlib.Path("outputs/ran.txt").write_text(" ".join(sorted(os.listdir("."))))\n'
        people.submit_code({entrypoint: code}, "Quoted", entrypoint=entrypoint)
        people.owner_job("Quoted").approve()
        create_runner(people.root, people.owner_email).run(once=True)
        job = people.owner_job("Quoted")
        assert job.state.value == "succeeded", str(job.stderr)
        assert job.output_paths[0].read_text("utf-8") == "code outputs run.sh"


@pytest.mark.parametrize("requirement", ["numpy; touch injected", "$(touch injected)", "`touch injected`", "-r /etc/x"])
def test_threat_18_a_dependency_is_data(requirement: str, tmp_path: Path):
    """A dependency appears in `config.yaml` as text, and in no file that is executed."""
    with TwoPeople(tmp_path) as people:
        location = people.submit_code({"main.py": "print(1)\n"}, "Dependencies", dependencies=[requirement])
        config = json.loads((location / "config.yaml").read_text("utf-8"))
        assert requirement in config["dependencies"]
        assert "injected" not in (location / "run.sh").read_text("utf-8")
        assert requirement in str(people.owner_job("Dependencies").review())
