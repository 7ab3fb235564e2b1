"""Completion for bash, zsh and fish: what could stand next on a command line.

The scripts of `syft-job completion` call this program with `_SYFT_JOB_COMPLETE` set. It prints one candidate a line,
for zsh and fish with a description after a tab, or one of the lines `:files` and `:directories`, which ask the shell to
complete paths. Completion never fails loudly and never hangs: on any error, or after two seconds, it prints nothing.
Names of jobs are read off the directories; nothing is parsed or verified.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from syft_job.errors import SyftJobError

from .bash_line import DIRECTORIES, FILES, BashLine

if TYPE_CHECKING:
    from syft_job.config import SyftJobConfig

TIMEOUT_S: Final = 2.0
"""After how many seconds there are no candidates: the shared folder does not respond, or is very large."""
_MAX_NAMES: Final = 2_000
_Candidates = Iterable[tuple[str, str]]


class Shell(StrEnum):
    """The shells that have a script."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    from .app import register

    register(app, completion)


def completion(shell: Annotated[Shell, typer.Argument(metavar="SHELL", help="bash, zsh or fish")]) -> None:
    """Print the completion script of a shell.

    It completes commands, options, job names, addresses, status words and profiles. For the present shell only:
    eval "$(syft-job completion bash)". To install it, write it where the shell finds completions:
    """
    folder = Path(__file__).with_name("completion_scripts")
    print((folder / f"syft-job.{shell}").read_text("utf-8"), end="")


def complete(protocol: str, arguments: Sequence[str]) -> None:
    """Print the candidates for a command line.

    Args:
        protocol: ``bash``: the arguments are the line up to the cursor and the value of COMP_WORDBREAKS; candidates are
            quoted and cut as readline needs them. ``words``: the arguments are the words after the program, the one at
            the cursor last.
        arguments: see above.
    """
    from syft_job.fs.probe import BackgroundCall

    def lines() -> list[str]:
        if protocol == "bash":
            line, breaks = arguments
            typed = BashLine.parse(line, breaks)
            return [line for value, _ in _candidates(typed.words) for line in typed.replies(value)]
        return [f"{value}\t{description}" if description else value for value, description in _candidates(arguments)]

    with suppress(Exception):
        call = BackgroundCall(lines, "syft-job-completion")
        if call.ended.wait(TIMEOUT_S):
            for line in call.result():
                print(line)
            sys.stdout.flush()


def _candidates(words: Sequence[str]) -> list[tuple[str, str]]:
    """The candidates for the last of these words, each with a description."""
    *before, current = words or [""]
    line = _ParsedLine.parse(before)
    option, equals, value = current.partition("=")
    if line.pending is not None:
        candidates = _values_of(line.pending, line)
    elif equals and (parameter := line.options.get(option)) is not None and not parameter.is_flag:
        prefixed = _matching(_values_of(parameter, line), value)
        return [(f"{option}={match}", description) for match, description in prefixed if not match.startswith(":")]
    elif current.startswith("-") and not line.is_after_dashes:
        candidates = ((name, parameter.help or "") for name, parameter in line.options.items())
    elif line.command is None:
        candidates = _commands(line.group)
    else:
        argument = line.next_argument()
        candidates = () if argument is None else _values_of(argument, line)
    return list(_matching(candidates, current))


def _matching(candidates: _Candidates, current: str) -> Iterator[tuple[str, str]]:
    for value, description in candidates:
        if value in (FILES, DIRECTORIES) or value.startswith(current):
            yield value, description


@dataclass
class _ParsedLine:
    """What the words before the cursor mean.

    Attributes:
        group: the application, as click's group.
        command: the command, as click's command, or None where none is named yet.
        pending: the option that takes the word at the cursor as its value.
        positional: the words for arguments.
        globals: the values of the global options.
        is_after_dashes: there was a ``--``, and no option follows.
    """

    group: Any
    command: Any = None
    pending: Any = None
    positional: tuple[str, ...] = ()
    globals: dict[str, str] | None = None
    is_after_dashes: bool = False

    @classmethod
    def parse(cls, words: Sequence[str]) -> _ParsedLine:
        from . import register
        from .app import app
        from .arguments import command_in, globals_first
        from .commands import BY_NAME, modules

        name = command_in(globals_first(words))
        entry = BY_NAME.get(name or "")
        for module in [entry.module] if entry is not None else modules():
            register(module)
        group: Any = typer.main.get_command(app)
        line = cls(group, group.commands.get(name) if name else None, globals={})
        positional = []
        for word in words:
            option, equals, value = word.partition("=")
            if line.pending is not None:
                line._take(line.pending.opts, word)
                line.pending = None
            elif word == "--" and not line.is_after_dashes:
                line.is_after_dashes = True
            elif word.startswith("-") and not line.is_after_dashes:
                parameter = line.options.get(option)
                if parameter is not None and not parameter.is_flag:
                    if equals:
                        line._take([option], value)
                    else:
                        line.pending = parameter
            else:
                positional.append(word)
        line.positional = tuple(positional[1:])  # the first is the command
        return line

    @property
    def options(self) -> dict[str, Any]:
        own = {} if self.command is None else _options_of(self.command)
        return own | _options_of(self.group)

    def next_argument(self) -> Any:
        """The argument that the word at the cursor would be, or None if there is none left."""
        arguments = [one for one in self.command.params if one.param_type_name == "argument"]
        if arguments and len(self.positional) >= len(arguments):
            return arguments[-1] if arguments[-1].nargs == -1 else None
        return arguments[len(self.positional)] if arguments else None

    def configuration(self) -> SyftJobConfig:
        from syft_job import session

        values = self.globals or {}
        root = values.get("--root") or values.get("--syftbox-folder")
        return session.settings(Path(root).expanduser() if root else None, values.get("--as"), values.get("--profile"))

    def root(self) -> Path:
        """The shared folder, also where it is not known yet who completes."""
        from syft_job import session

        values = self.globals or {}
        given = values.get("--root") or values.get("--syftbox-folder") or os.environ.get(session.FOLDER_VARIABLE)
        return Path(given).expanduser() if given else self.configuration().syftbox_folder

    def _take(self, names: Iterable[str], value: str) -> None:
        assert self.globals is not None  # noqa: S101 - set by `parse`
        self.globals |= dict.fromkeys(names, value)


def _options_of(command: Any) -> dict[str, Any]:
    return {name: one for one in command.params if one.param_type_name == "option" for name in one.opts}


def _commands(group: Any) -> Iterator[tuple[str, str]]:
    from .app import summary_of
    from .commands import COMMANDS

    for entry in COMMANDS:
        yield entry.name, summary_of(group.commands[entry.name])


def _values_of(parameter: Any, line: _ParsedLine) -> _Candidates:
    """The values that a parameter can have, by what its placeholder in the help stands for."""
    kind = str(parameter.metavar or "").rstrip("….")
    if parameter.name == "profile":
        return _profiles()
    if kind in _KINDS:
        return _KINDS[kind](line)
    return ((word, "") for word in kind.split("|")) if "|" in kind else ()


def _profiles() -> _Candidates:
    from syft_job.config import profile_addresses

    return sorted(profile_addresses().items())


def _addresses(line: _ParsedLine) -> _Candidates:
    """Everyone with a datasite in the folder, or with a folder of jobs in one's own datasite."""
    from syft_job.model import names
    from syft_job.model.job_ref import JOBS

    root = line.root()
    known = _names_in(root)
    with suppress(Exception):
        known += _names_in(root, line.configuration().email, *JOBS)
    return ((name, "") for name in sorted(set(known)) if names.is_address(name))


def _jobs(line: _ParsedLine) -> _Candidates:
    """The jobs in one's own datasite, and one's own jobs in those of others."""
    from syft_job.model import names
    from syft_job.model.job_ref import JOBS, JobRef
    from syft_job.model.text import escape_line

    config = line.configuration()
    root, own = config.syftbox_folder, config.email
    owners = [own, *(name for name in _names_in(root) if name != own and names.is_address(name))]
    refs: list[JobRef] = []
    for owner in owners:
        submitters = _names_in(root, owner, *JOBS) if owner == own else [own]
        for submitter in filter(names.is_address, submitters):
            refs += [JobRef(owner, submitter, name) for name in _names_in(root, owner, *JOBS, submitter)]
    refs = [ref for ref in refs if not ref.name.startswith(".") and escape_line(ref.name) == ref.name]
    by_name: dict[str, list[JobRef]] = {}
    for ref in refs:
        by_name.setdefault(ref.name, []).append(ref)
    for name, same in sorted(by_name.items()):
        for ref in same:
            text = name if len(same) == 1 else "/".join(ref)
            yield text, f"from {ref.submitter}" if ref.owner == own else f"to {ref.owner}"
    yield from ((str(ref), "") for ref in sorted(refs) if len(by_name[ref.name]) == 1)


def _names_in(root: Path, *parts: str) -> list[str]:
    """The names in a folder, in order, at most so many; none where it cannot be read."""
    from syft_job import fs

    try:
        return sorted(fs.names_below(root, *parts, limit=_MAX_NAMES) or [])
    except SyftJobError:
        return []


def _statuses(_: _ParsedLine) -> _Candidates:
    from syft_job.model.states import STATE_LABELS, UNREADABLE

    return ((status, "") for status in dict.fromkeys([*(words.status for words in STATE_LABELS.values()), UNREADABLE]))


def _kinds(_: _ParsedLine) -> _Candidates:
    from syft_job.policies.retention import RetentionKind

    return ((kind.value, "") for kind in RetentionKind)


_KINDS: dict[str, Callable[[_ParsedLine], _Candidates]] = {
    "JOB": _jobs,
    "OWNER": _addresses,
    "ADDRESS": _addresses,
    "SUBMITTER": _addresses,
    "STATUS": _statuses,
    "KIND": _kinds,
    "SHELL": lambda _: ((shell.value, "") for shell in Shell),
    "PATH": lambda _: [(FILES, "")],
    "FILE": lambda _: [(FILES, "")],
    "DIR": lambda _: [(DIRECTORIES, "")],
}
"""The candidates for each placeholder of the help."""
