"""The demo: two people, one folder and one job, with the real commands in a temporary folder.

Each step is a process of its own that does what the typed command does. Ada submits, Omar decides and runs, Ada reads
the results.
"""

from __future__ import annotations

import os
import shlex
import shutil
import sys
import tempfile
import time
import traceback
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import syft_job.client
import syft_job.runner
import syft_job.views.review_text
import syft_job.views.tables  # noqa: F401 - imported once, before the steps are forked
from syft_job.execution import sandboxes

from . import main
from .console import has_colours

ADA, OMAR = "ada@example.org", "omar@example.org"
JOB = "Blood pressure"
FILES = Path(__file__).with_name("demo_files")


@dataclass(slots=True)
class DemoResult:
    """How the demo went: whether every step succeeded, each step, and the folder if it was kept."""

    ok: bool = True
    folder: str | None = None
    steps: list[dict[str, Any]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Step:
    """One step: who types which command, and why."""

    heading: str
    email: str
    words: tuple[str, ...]


def steps(outputs: Path) -> list[Step]:
    """The steps, in order."""
    job = f"{ADA}/{JOB}"
    return [
        Step("Omar creates his datasite: a folder for jobs, a key, access rules.", OMAR, ("init", "--for", ADA)),
        Step("Ada does the same.", ADA, ("init",)),
        Step(
            "Ada submits an analysis to Omar. Its small table of measurements is part of the submission.",
            ADA,
            ("submit", OMAR, "analysis", "--name", JOB, "--time", "1m"),
        ),
        Step("The job is in Omar's inbox. It is a directory of files in the shared folder.", OMAR, ("list",)),
        Step("Omar reviews everything that would run. Nothing is shortened.", OMAR, ("review", JOB)),
        Step(
            "He approves exactly this content, and shares the outputs with Ada when the job is finished.",
            OMAR,
            ("approve", job, "--share-outputs", *(() if sandboxes.unavailable_reason() is None else ("--allow-bare",))),
        ),
        Step(
            "His runner starts the job: from a verified copy, in a sandbox where the machine has one.",
            OMAR,
            ("run", "--drain"),
        ),
        Step("He shares the logs as well.", OMAR, ("share", job, ADA, "--logs")),
        Step("Ada reads the logs …", ADA, ("logs", JOB)),
        Step("… copies the outputs …", ADA, ("outputs", JOB, "--copy", str(outputs))),
        Step("… and verifies signatures, code and results.", ADA, ("verify", JOB)),
        Step("The recorded events of the job.", ADA, ("history", JOB)),
    ]


def run_demo(*, is_shown: bool, keep: bool) -> DemoResult:
    """Run all steps; with ``is_shown``, print each as it happens.

    Raises:
        OSError: no temporary folder can be created.
    """
    started = time.monotonic()
    result = DemoResult()
    # Root drops to another user to run a job, and that user must reach the folder; TMPDIR may be closed to it.
    parent = "/var/tmp" if os.geteuid() == 0 else None  # noqa: S108 - mkdtemp creates a folder with a random name
    base = Path(tempfile.mkdtemp(prefix="syft-job-demo-", dir=parent))
    try:
        environment = _environment(base)
        (base / "box").mkdir(mode=0o700)
        shutil.copytree(FILES, base, dirs_exist_ok=True)  # copytree gives `base` the mode of the installed folder
        base.chmod(0o711)  # a user that jobs are dropped to must reach the workspaces
        if is_shown:
            print("Two people share a folder, and nothing else. All commands below run now, in a temporary folder.")
        for number, step in enumerate(steps(base / "results"), 1):
            _run_step(result, number, step, base, environment, is_shown=is_shown)
            if not result.ok:
                break
        report = base / "results" / "report.txt"
        if result.ok and report.is_file():
            result.steps.append({"heading": "The result that Ada has now", "output": report.read_text("utf-8")})
            if is_shown:
                _show("The result that Ada has now:", _styled(report.read_text("utf-8"), "32"))
        if is_shown:
            ending = "The demo is complete" if result.ok else "The demo stopped: the step above failed"
            print(f"\n{ending} ({time.monotonic() - started:.1f} s).")
            if result.ok:
                print("To start with your own folder: syft-job --root DIR --as YOUR-ADDRESS init --save")
    finally:
        if keep:
            result.folder = str(base)
            if is_shown:
                print(f"The folder is kept: {base}")
        else:
            shutil.rmtree(base)
    return result


def _run_step(
    result: DemoResult, number: int, step: Step, base: Path, environment: dict[str, str], *, is_shown: bool
) -> None:
    command_line = "syft-job " + shlex.join(step.words)
    if is_shown:
        _show(f"{number}. {step.heading}", f"{_styled(step.email, '36')} $ {_styled(command_line, '1')}")
    with tempfile.TemporaryFile() as captured:
        code = _execute(step, base, environment, None if is_shown else captured.fileno())
        captured.seek(0)
        output = captured.read().decode("utf-8", "backslashreplace")
    result.ok = code == 0
    document = {"heading": step.heading, "who": step.email, "command": command_line, "exit": code}
    result.steps.append(document if is_shown else document | {"output": output})


def _execute(step: Step, base: Path, environment: dict[str, str], output: int | None) -> int:
    """Run the command of a step in a process of its own; returns its exit code.

    The process is a fork and not a new interpreter: a dozen of those would take most of the time of the demo.
    """
    sys.stdout.flush()
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    code = 70  # EX_SOFTWARE: an unexpected exception
    try:
        os.environ.clear()
        os.environ.update(environment | {"SYFTBOX_EMAIL": step.email})
        os.chdir(base)
        null = os.open(os.devnull, os.O_RDONLY)
        os.dup2(null, 0)
        if output is not None:
            os.dup2(output, 1)
            os.dup2(output, 2)
        main(step.words)
    except SystemExit as end:
        code = int(end.code or 0)
    except BaseException:  # noqa: BLE001 - the fork must not return into the parent's code
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _environment(base: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("SYFT_", "SYFTBOX_"))}
    own = {
        "SYFTBOX_FOLDER": str(base / "box"),
        "SYFT_JOB_HOME": str(base / "homes"),
        "SYFT_JOB_WORK": str(base / "work"),
        "SYFT_JOB_CONFIG": str(base / "config.toml"),
    }
    return kept | own


def _show(heading: str, text: str) -> None:
    print(f"\n{_styled(heading, '1;33')}\n{text}", end="" if text.endswith("\n") else "\n", flush=True)


def _styled(text: str, code: str) -> str:
    return f"\x1b[{code}m{text}\x1b[0m" if has_colours() else text
