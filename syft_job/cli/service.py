"""What `syft-job run` prints, the signals that stop it, and its systemd unit."""

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

from .console import print_now, red
from .context import CommandContext

if TYPE_CHECKING:
    from syft_job.runner import JobRunner

_ENVIRONMENT = (
    *("SYFT_JOB_HOME", "SYFT_JOB_WORK", "SYFT_JOB_CONFIG"),
    *("XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_CONFIG_HOME"),
)
"""The variables that locate the home and the configuration; the service needs the same values."""


def print_start(context: CommandContext, runner: JobRunner, *, is_endless: bool, stop_jobs: bool) -> None:
    """Print which datasite the runner serves, in which sandbox, and which submitters are paused."""
    from syft_job.home.pauses import describe_pauses

    terms = runner.terms
    paused = runner.home.paused()
    if context.json:
        conditions = {"sandbox": terms.sandbox_name, "conditions": terms.conditions, "warnings": terms.warnings}
        _print_document({"serving": runner.config.email} | conditions | {"paused": sorted(paused)})
        return
    print_now(f"Serving {runner.config.email} in {runner.config.syftbox_folder}")
    print_now(f"   jobs run in the sandbox {terms.sandbox_name}; what that means: syft-job doctor")
    for line in terms.warnings:
        print(red(f"   ‼ {escape_message(line)}"), flush=True)
    if paused:
        print_now(f"   ⏸ {describe_pauses(paused)}")
    if is_endless and stop_jobs:
        print_now("   Ctrl-C stops this runner and the running jobs; a second Ctrl-C stops it at once.")
    elif is_endless:
        print_now("   Ctrl-C stops this runner; running jobs continue, and the next runner collects them.")


@contextmanager
def stopped_by_signals() -> Iterator[threading.Event]:
    """An event that SIGTERM and Ctrl-C set; a second Ctrl-C raises KeyboardInterrupt."""
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


def systemd_unit(context: CommandContext, options: list[str]) -> str:
    """A systemd unit for a runner with these options, for this folder, participant and home."""
    from syft_job.views import templates

    config = context.settings()
    whose = ["--root", str(config.syftbox_folder), "--as", config.email]
    whose += ["--profile", context.profile] if context.profile else []
    return templates.fill(
        "runner.service.j2",
        email=config.email,
        name="syft-job",
        environment=[
            f"{name}={expand_user(os.environ[name]).absolute()}" for name in _ENVIRONMENT if os.environ.get(name)
        ],
        # -P: Python must not import from the folder that the service is started in.
        command=[sys.executable, "-P", "-m", "syft_job", *whose, "run", *options],
        stop_jobs="--stop-jobs" in options,
    )


def print_message_document(line: str) -> None:
    """Print a line for people as a document."""
    _print_document({"says": escape_message(line)})


def print_transition(transition: StatusTransition) -> None:
    """Print a transition as one document in one line."""
    _print_document(
        {
            "job": str(transition.place),
            "id": transition.job_id,
            "from": transition.old_state,
            "to": transition.new_state,
            "at": transition.timestamp,
            "reason": transition.reason,
        }
    )


def _print_document(document: dict[str, Any]) -> None:
    print(json.dumps(document), flush=True)
