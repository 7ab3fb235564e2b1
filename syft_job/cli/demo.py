"""The demo: two people, one folder and one job, played with the real commands in a temporary place.

Each step is a process of its own that does what typing the command does. Ada asks, Omar decides and runs, Ada reads.
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
import syft_job.views.tables  # noqa: F401 - with the rest: loaded once, before the steps are forked off
from syft_job.execution import sandboxes

from . import main
from .context import has_colours

ADA, OMAR = "ada@example.org", "omar@example.org"
JOB = "Blood pressure"
FILES = Path(__file__).with_name("demo_files")


@dataclass(slots=True)
class Played:
    """How the story went: whether every step did what it should, each step, and the folder if it was kept."""

    ok: bool = True
    folder: str | None = None
    steps: list[dict[str, Any]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Step:
    """One step: who types what, and why."""

    heading: str
    who: str
    words: tuple[str, ...]


def steps(outputs: Path) -> list[Step]:
    """The story, in order."""
    job = f"{ADA}/{JOB}"
    return [
        Step("Omar opens his datasite: a folder for jobs, a key, rules.", OMAR, ("init", "--for", ADA)),
        Step("Ada does the same.", ADA, ("init",)),
        Step(
            "Ada sends a real analysis to Omar. Its small table of measurements travels with the code.",
            ADA,
            ("submit", OMAR, "analysis", "--name", JOB, "--time", "1m"),
        ),
        Step("It has arrived in Omar's inbox; all that moved is files.", OMAR, ("list",)),
        Step("Omar looks at everything that would run. Nothing is shortened.", OMAR, ("review", JOB)),
        Step(
            "He says yes to exactly these bytes, and that Ada may have the outputs when it is over.",
            OMAR,
            ("approve", job, "--share-outputs", *(() if sandboxes.unavailable_reason() is None else ("--allow-bare",))),
        ),
        Step("His runner starts it: a verified copy, a sandbox where there is one.", OMAR, ("run", "--drain")),
        Step("He adds what it printed.", OMAR, ("share", job, ADA, "--logs")),
        Step("Ada reads what it printed …", ADA, ("logs", JOB)),
        Step("… takes the outputs with her …", ADA, ("outputs", JOB, "--copy", str(outputs))),
        Step("… and checks that all of it is genuine: seals, code, results.", ADA, ("verify", JOB)),
        Step("What was said, and when.", ADA, ("history", JOB)),
    ]


def play(*, aloud: bool, keep: bool) -> Played:
    """Play the story; ``aloud`` shows each step as it happens.

    Raises:
        OSError: there is no temporary folder to play it in.
    """
    began = time.monotonic()
    played = Played()
    # Root drops to another user to run a job, which must be able to pass; the folder of TMPDIR may be closed to it.
    parent = "/var/tmp" if os.geteuid() == 0 else None  # noqa: S108 - mkdtemp makes a folder that nobody can guess
    base = Path(tempfile.mkdtemp(prefix="syft-job-demo-", dir=parent))
    try:
        environment = _environment(base)
        (base / "box").mkdir(mode=0o700)
        shutil.copytree(FILES, base, dirs_exist_ok=True)  # which gives `base` the mode of the installed folder
        base.chmod(0o711)  # a user that jobs are dropped to must reach the workspaces
        if aloud:
            print("Two people who share nothing but a folder. Everything below happens now, in a temporary one.")
        for number, step in enumerate(steps(base / "answer"), 1):
            _play(played, number, step, base, environment, aloud=aloud)
            if not played.ok:
                break
        report = base / "answer" / "report.txt"
        if played.ok and report.is_file():
            played.steps.append({"heading": "The answer that Ada has now", "output": report.read_text("utf-8")})
            if aloud:
                _say("The answer that Ada has now:", _styled(report.read_text("utf-8"), "32"))
        if aloud:
            ending = "That was the whole story" if played.ok else "The story stopped: the step above failed"
            print(f"\n{ending} ({time.monotonic() - began:.1f} s).")
            if played.ok:
                print("Now with your own folder: syft-job --root DIR --as YOUR-ADDRESS init --save")
    finally:
        if keep:
            played.folder = str(base)
            if aloud:
                print(f"It is left for you to look at: {base}")
        else:
            shutil.rmtree(base)
    return played


def _play(played: Played, number: int, step: Step, base: Path, environment: dict[str, str], *, aloud: bool) -> None:
    typed = "syft-job " + shlex.join(step.words)
    if aloud:
        _say(f"{number}. {step.heading}", f"{_styled(step.who, '36')} $ {_styled(typed, '1')}")
    with tempfile.TemporaryFile() as caught:
        code = _typed(step, base, environment, None if aloud else caught.fileno())
        caught.seek(0)
        output = caught.read().decode("utf-8", "backslashreplace")
    played.ok = code == 0
    told = {"heading": step.heading, "who": step.who, "command": typed, "exit": code}
    played.steps.append(told if aloud else told | {"output": output})


def _typed(step: Step, base: Path, environment: dict[str, str], into: int | None) -> int:
    """Do what typing the command would do, in a process of its own; returns its exit code.

    The process is a fork and not a new interpreter: a dozen of those would take most of the time of the story.
    """
    sys.stdout.flush()
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    code = 70  # EX_SOFTWARE: what was raised was not foreseen
    try:
        os.environ.clear()
        os.environ.update(environment | {"SYFTBOX_EMAIL": step.who})
        os.chdir(base)
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        if into is not None:
            os.dup2(into, 1)
            os.dup2(into, 2)
        main(step.words)
    except SystemExit as ended:
        code = int(ended.code or 0)
    except BaseException:  # noqa: BLE001 - nothing may return into the parent's code
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


def _say(heading: str, text: str) -> None:
    print(f"\n{_styled(heading, '1;33')}\n{text}", end="" if text.endswith("\n") else "\n", flush=True)


def _styled(text: str, code: str) -> str:
    return f"\x1b[{code}m{text}\x1b[0m" if has_colours() else text
