"""How `run` begins and ends: what it says first, the signals that stop it, its lines, its unit for systemd."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from syft_job.model.job_record import StatusTransition
from syft_job.model.job_ref import expand_user
from syft_job.model.text import escape_message

from .context import Frame, red

if TYPE_CHECKING:
    from syft_job.runner import JobRunner

_ENVIRONMENT = (
    *("SYFT_JOB_HOME", "SYFT_JOB_WORK", "SYFT_JOB_CONFIG"),
    *("XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_CONFIG_HOME"),
)
"""What decides where the home and the configuration lie, and must be the same for the service."""


def greet(frame: Frame, runner: JobRunner, *, is_endless: bool, stop_jobs: bool) -> None:
    """Say first whom this serves, under what terms, and who is paused."""
    from syft_job.home.pauses import describe_pauses

    terms = runner.terms
    paused = runner.home.paused()
    if frame.json:
        told = {"sandbox": terms.sandbox_name, "conditions": terms.conditions, "warnings": terms.warnings}
        _line_of({"serving": runner.config.email} | told | {"paused": sorted(paused)})
        return
    now(f"Serving {runner.config.email} in {runner.config.syftbox_folder}")
    now(f"   jobs run in the sandbox {terms.sandbox_name}; what that means: syft-job doctor")
    for line in terms.warnings:
        print(red(f"   ‼ {escape_message(line)}"), flush=True)
    if paused:
        now(f"   ⏸ {describe_pauses(paused)}")
    if is_endless and stop_jobs:
        now("   Ctrl-C ends this and the jobs that run; once more ends it at once.")
    elif is_endless:
        now("   Ctrl-C ends this; jobs that run go on and are collected by the next run.")


@contextmanager
def stopped_by_signals() -> Iterator[threading.Event]:
    """An event that SIGTERM and Ctrl-C set; a second Ctrl-C interrupts whatever is being done."""
    stop = threading.Event()

    def interrupted(*_: object) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()

    before = {
        signal.SIGTERM: signal.signal(signal.SIGTERM, lambda *_: stop.set()),
        signal.SIGINT: signal.signal(signal.SIGINT, interrupted),
    }
    try:
        yield stop
    finally:
        for number, action in before.items():
            signal.signal(number, action)


def unit(frame: Frame, options: list[str]) -> str:
    """A systemd unit for a runner with these options, for this folder, person and home."""
    from syft_job.views import templates

    config = frame.settings()
    whose = ["--root", str(config.syftbox_folder), "--as", config.email]
    whose += ["--profile", frame.profile] if frame.profile else []
    return templates.fill(
        "runner.service.j2",
        email=config.email,
        name="syft-job",
        environment=[
            f"{name}={expand_user(os.environ[name]).absolute()}" for name in _ENVIRONMENT if os.environ.get(name)
        ],
        # -P: the folder that it is started in is none to import from.
        command=[sys.executable, "-P", "-m", "syft_job", *whose, "run", *options],
        stop_jobs="--stop-jobs" in options,
    )


def now(line: str) -> None:
    """Print a line for a person who waits for it."""
    print(escape_message(line), flush=True)


def say(line: str) -> None:
    """Print a line that is for people in a document for a program."""
    _line_of({"says": escape_message(line)})


def tell_move(move: StatusTransition) -> None:
    """Print a move for a program: one document, one line."""
    _line_of(
        {
            "job": str(move.place),
            "id": move.job_id,
            "from": move.old_state,
            "to": move.new_state,
            "at": move.timestamp,
            "reason": move.reason,
        }
    )


def _line_of(document: dict[str, Any]) -> None:
    print(json.dumps(document), flush=True)
