"""The context of one call: which folder and participant, and whether a person or a program reads the answer."""

from __future__ import annotations

import json
import os
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from syft_job.errors import AmbiguousJob, JobNotFoundError, Remedy, SyftJobError
from syft_job.fs.probe import probe

from .console import complain, print_line
from .slow_folder import call_with_notice, watch_folder

if TYPE_CHECKING:
    from syft_job.client import JobClient
    from syft_job.config import SyftJobConfig

DONE, REFUSED, MISUSE, NOT_FOUND = 0, 1, 2, 3
"""The exit codes."""


@dataclass(slots=True)
class CommandContext:
    """One call of the command line, as its global options describe it."""

    root: Path | None = None
    email: str | None = None
    profile: str | None = None
    json: bool = False
    ended: threading.Event = field(default_factory=threading.Event)
    """Set when the command has ended."""

    def settings(self, *, may_be_new: bool = False) -> SyftJobConfig:
        """The configuration from the options, the environment or the profile, once the folder responds.

        Args:
            may_be_new: accept an address that has no datasite in the folder yet.

        Raises:
            ConfigError: folder or address is not known, or the address has no datasite in the folder.
        """
        from syft_job import session

        folder = self.root or os.environ.get(session.FOLDER_VARIABLE) or "of your profile"
        return call_with_notice(
            lambda: self._settings(may_be_new=may_be_new),
            f"The folder {folder} does not answer; waiting for it. Ctrl-C gives up.",
        )

    def _settings(self, *, may_be_new: bool) -> SyftJobConfig:
        from syft_job import session

        from .participants import require_datasite

        config = session.settings(self.root, self.email, self.profile)
        probe(config.syftbox_folder)
        if not may_be_new:
            require_datasite(config)
        return config

    def client(self, *, may_be_new: bool = False) -> JobClient:
        """The client of this call; it announces to people only. For ``may_be_new`` see `settings`."""
        from syft_job.client import JobClient

        config = self.settings(may_be_new=may_be_new)
        watch_folder(config.syftbox_folder, self.ended)
        return JobClient(config, announce=None if self.json else print_line, word_remedy=Remedy.in_shell)

    def answer(self, document: dict[str, Any], text: str | None = None) -> None:
        """Print ``document`` as JSON for a program, or ``text`` for a person."""
        if self.json:
            print(json.dumps(document, indent=2, default=str))
        elif text is not None:
            print(text, end="" if text.endswith("\n") else "\n")

    def fail(self, error: SyftJobError | OSError) -> typer.Exit:
        """Report why the command failed; returns the exit to raise."""
        is_unknown = isinstance(error, JobNotFoundError) and not isinstance(error, AmbiguousJob)
        code = NOT_FOUND if is_unknown else REFUSED
        message = message_of(error)
        if self.json:
            self.answer({"error": {"kind": type(error).__name__, "message": message, "exit": code}})
        complain(message)
        return typer.Exit(code)


def context_of(ctx: typer.Context) -> CommandContext:
    """The context of this call, made by the callback for the global options."""
    context = ctx.obj
    assert isinstance(context, CommandContext)  # noqa: S101 - the callback made it
    return context


def message_of(error: SyftJobError | OSError) -> str:
    """The message of an error, in the terms of the command line."""
    if isinstance(error, SyftJobError):
        return error.for_command_line
    reason = error.strerror or str(error) or type(error).__name__
    return f"{error.filename}: {reason}" if error.filename is not None else reason


def misuse(message: str) -> typer.BadParameter:
    """The error to raise for contradictory or unusable arguments; it ends with exit code 2."""
    return typer.BadParameter(message)
