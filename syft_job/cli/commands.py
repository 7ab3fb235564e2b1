"""The table of commands: the module of each, the role that it is for, and examples.

`main` reads it to load the one module that a call needs; the help, the completion and the reference page group the
commands by it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Audience(StrEnum):
    """Whom a command is for; the values are the headings of the help, in their order."""

    SETUP = "Set up"
    SUBMITTER = "Submitter: send code"
    OWNER = "Owner: decide and share results"
    BOTH = "Submitter and owner: inspect jobs"
    OPERATOR = "Runner and operator"


@dataclass(frozen=True, slots=True)
class CommandEntry:
    """One command: its name, the module of this package that has its function, and command lines to copy."""

    name: str
    module: str
    audience: Audience
    examples: tuple[str, ...]


COMMANDS = (
    CommandEntry(
        "init",
        "setup",
        Audience.SETUP,
        (
            "syft-job --root ~/shared --as omar@example.org init --save",
            "syft-job init --for ada@example.org",
        ),
    ),
    CommandEntry(
        "keys",
        "setup",
        Audience.SETUP,
        ("syft-job keys", "syft-job keys export --private --to key.backup", "syft-job keys rotate"),
    ),
    CommandEntry("demo", "setup", Audience.SETUP, ("syft-job demo", "syft-job demo --keep")),
    CommandEntry(
        "completion",
        "completion",
        Audience.SETUP,
        (
            "syft-job completion bash > ~/.local/share/bash-completion/completions/syft-job",
            "syft-job completion zsh > ~/.zfunc/_syft_job",
            "syft-job completion fish > ~/.config/fish/completions/syft-job.fish",
        ),
    ),
    CommandEntry(
        "submit",
        "submit",
        Audience.SUBMITTER,
        (
            "syft-job submit omar@example.org analysis --name 'Blood pressure' --time 10m",
            "syft-job submit omar@example.org analysis --dry-run",
        ),
    ),
    CommandEntry(
        "withdraw", "submit", Audience.SUBMITTER, ("syft-job withdraw 'Blood pressure' --reason 'wrong column'",)
    ),
    CommandEntry(
        "review",
        "decide",
        Audience.OWNER,
        ("syft-job review 'Blood pressure'", "syft-job review 'ada@example.org/Blood pressure' | less"),
    ),
    CommandEntry(
        "approve",
        "decide",
        Audience.OWNER,
        ("syft-job approve 'Blood pressure' --share-outputs", "syft-job approve 3f2a 81c0"),
    ),
    CommandEntry("reject", "decide", Audience.OWNER, ("syft-job reject 'Blood pressure' --reason 'reads raw names'",)),
    CommandEntry("deposit", "decide", Audience.OWNER, ("syft-job deposit 'Blood pressure' answer.csv",)),
    CommandEntry(
        "share",
        "decide",
        Audience.OWNER,
        ("syft-job share 'Blood pressure' ada@example.org", "syft-job share 3f2a ada@example.org --logs"),
    ),
    CommandEntry("cancel", "run", Audience.OWNER, ("syft-job cancel 'Blood pressure' --reason 'takes too long'",)),
    CommandEntry("rerun", "run", Audience.OWNER, ("syft-job rerun 'Blood pressure'",)),
    CommandEntry(
        "list",
        "decide",
        Audience.BOTH,
        ("syft-job list --status inbox", "syft-job list | cut -f 2,7"),
    ),
    CommandEntry("show", "inspect", Audience.BOTH, ("syft-job show 'Blood pressure'",)),
    CommandEntry(
        "logs", "inspect", Audience.BOTH, ("syft-job logs 'Blood pressure' --follow", "syft-job logs 3f2a --err")
    ),
    CommandEntry("outputs", "submit", Audience.BOTH, ("syft-job outputs 'Blood pressure' --copy results",)),
    CommandEntry("history", "inspect", Audience.BOTH, ("syft-job history 'Blood pressure'",)),
    CommandEntry("verify", "inspect", Audience.BOTH, ("syft-job verify 'Blood pressure'",)),
    CommandEntry(
        "run",
        "run",
        Audience.OPERATOR,
        (
            "syft-job run",
            "syft-job run --drain --jobs 2",
            "syft-job run --print-unit > ~/.config/systemd/user/syft-job.service",
        ),
    ),
    CommandEntry("pause", "run", Audience.OPERATOR, ("syft-job pause", "syft-job pause ada@example.org")),
    CommandEntry("resume", "run", Audience.OPERATOR, ("syft-job resume", "syft-job resume ada@example.org")),
    CommandEntry(
        "clean",
        "run",
        Audience.OPERATOR,
        ("syft-job clean 'Blood pressure'", "syft-job clean --what results --older-than 30d --dry-run"),
    ),
    CommandEntry("doctor", "setup", Audience.OPERATOR, ("syft-job doctor", "syft-job doctor --json")),
)
"""All commands, in the order of the help."""

BY_NAME = {entry.name: entry for entry in COMMANDS}


def modules() -> list[str]:
    """The modules that have commands, each once."""
    return list(dict.fromkeys(entry.module for entry in COMMANDS))
