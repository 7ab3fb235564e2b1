"""The words of a command line before typer parses them: global options may stand anywhere."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

FLAGS = ("--json",)
"""Global options without a value."""
VALUED = ("--root", "--syftbox-folder", "--as", "--profile")
"""Global options that take a value."""

JOB_HELP = "a name, submitter/name, owner/submitter/name, or the first digits of an id"
JobName = Annotated[str, typer.Argument(metavar="JOB", help=JOB_HELP)]


def globals_first(arguments: Sequence[str]) -> list[str]:
    """Move the global options before the command, wherever they were typed; what follows `--` stays."""
    words = list(arguments)
    end = words.index("--") if "--" in words else len(words)
    moved: list[str] = []
    kept: list[str] = []
    rest = iter(words[:end])
    for word in rest:
        if word in FLAGS or word.startswith(tuple(f"{option}=" for option in VALUED)):
            moved.append(word)
        elif word in VALUED:
            moved += [word, *([value] if (value := next(rest, None)) is not None else [])]
        else:
            kept.append(word)
    return [*moved, *kept, *words[end:]]


def command_in(words: Sequence[str]) -> str | None:
    """The first word, after `globals_first`, that is neither an option nor the value of one."""
    rest = iter(words)
    for word in rest:
        if word in VALUED:
            next(rest, None)
        elif not word.startswith("-"):
            return word
    return None
