"""Write the reference pages that are read off the code: the lifecycle, the Python names, the command line.

    .venv/bin/python scripts/generate_docs.py            write them
    .venv/bin/python scripts/generate_docs.py --check    write nothing; say which are stale, and fail if any is

A page that nobody can forget to update. It knows how the pages look; what they say is in `syft_job`.
"""

from __future__ import annotations

import argparse
import importlib
import inspect
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
sys.path.insert(0, str(ROOT))

import syft_job  # noqa: E402 - from this checkout, whatever is installed
from syft_job.model.states import (  # noqa: E402
    FINISHED,
    RANKS,
    STATE_LABELS,
    UNREADABLE,
    FactKind,
    JobState,
    Source,
)
from syft_job.model.transitions import TRANSITIONS, Target, Transition  # noqa: E402
from syft_job.views.status_style import of_state  # noqa: E402

REFERENCE = ROOT / "docs" / "reference"
CLI_GLOBALS = "They may stand before or after the command."
DONE = "finished"
_WHAT_SAYS_SO = {
    JobState.CREATED: "nothing yet, or files are missing",
    JobState.SUBMITTED: "`config.yaml`, and every file that it lists",
    JobState.QUEUED: "`approved` n, or `attempts/n.json`, which permits attempt n+1",
    JobState.RUNNING: "`running` n",
    JobState.REJECTED: "`rejected` n",
    JobState.CANCELLED: "`cancelled` n, or `withdrawn`",
}
_RANK_OF = {
    JobState.CREATED: FactKind.ARRIVING,
    JobState.SUBMITTED: FactKind.SUBMITTED,
    JobState.QUEUED: FactKind.APPROVED,
    JobState.RUNNING: FactKind.RUNNING,
    JobState.REJECTED: FactKind.REJECTED,
    JobState.CANCELLED: FactKind.CANCELLED,
}


def main() -> int:
    """Write the pages, or with ``--check`` compare them; returns the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="write nothing; fail if a page is stale")
    is_check = parser.parse_args().check
    stale = []
    for name, page in PAGES.items():
        path = REFERENCE / name
        text = page()
        if path.exists() and path.read_text("utf-8") == text:
            continue
        stale.append(str(path.relative_to(ROOT)))
        if not is_check:
            path.write_text(text, "utf-8")
    if is_check and stale:
        print(f"stale: {', '.join(stale)}. Write them anew: python scripts/generate_docs.py", file=sys.stderr)
        return 1
    print(f"{'fresh' if is_check or not stale else 'written: ' + ', '.join(stale)}")
    return 0


# --- The lifecycle


def lifecycle() -> str:
    """The page about states, ranks and transitions."""
    lines = [
        *_head("The lifecycle", "syft_job/model/states.py and transitions.py"),
        "A job's state is not stored. It is derived, each time, from the [markers](format.md#markers) that count and,",
        "for the owner, from the [ledger](format.md#the-ledger):",
        "",
        "> The state is the one with the greatest (attempt, rank) among the facts that count, of attempts that are",
        "> permitted.",
        "",
        "So the order in which files arrive does not matter, one more fact never moves a job backwards, a rejection",
        "outranks an approval, and the owner's decisions outrank the submitter's withdrawal. A withdrawal belongs to",
        "the newest attempt. Attempt 1 needs no permit to be *shown*; to be *started* it needs the owner's approval in",
        "the ledger of this home.",
        "",
        "## States",
        "",
        *_table(("", "state", "status", "what says so", "rank", "meaning"), _states()),
        "",
        "*Status* is the word that people see (`JobInfo.status`); *state* is `JobInfo.state`, which also tells how a",
        f"job ended. `{UNREADABLE}` is a status too: it is shown where a directory cannot be read as a job.",
        "",
        "## In other words",
        "",
        "Programs that know other vocabularies find theirs here. All are columns of one table, no states of their own.",
        "",
        *_table(
            ("state", "status", "backend (`JobStatus`)", "platform"),
            ((f"`{s.name}`", w.status, f"`{w.backend}`", w.platform) for s, w in STATE_LABELS.items()),
        ),
        "",
        "## Transitions",
        "",
        "What is written is written in this order. *ledger* is a line in the owner's home; the rest is in the job's",
        "directory, but for *workspace*, *begun* and *held results*, which are in the home.",
        "",
        *_table(("verb", "from", "by", "written", "to", "if"), (_transition(row) for row in TRANSITIONS)),
        "",
        "Everything else is refused with `InvalidTransition`; the right verb by the wrong person with `NotAllowed`.",
        "The state is checked first, then the conditions, then the role.",
        "",
        "## The same as a picture",
        "",
        "`share`, `release` and `clean` change no state and are left out.",
        "",
        "```mermaid",
        *_diagram(),
        "```",
    ]
    return _page(lines)


def _states() -> Iterator[tuple[str, ...]]:
    for state, words in STATE_LABELS.items():
        is_done = state in FINISHED
        rank = str(RANKS[FactKind.DONE if is_done else _RANK_OF[state]])
        if state is JobState.CANCELLED:
            rank = f"{RANKS[FactKind.CANCELLED]}; {RANKS[FactKind.WITHDRAWN]} when withdrawn"
        says = f"`done` n with the outcome `{state.value}`" if is_done else _WHAT_SAYS_SO[state]
        emoji = of_state(state.value, words.status).emoji
        yield (emoji, f"`{state.name}`", words.status, says, rank, words.note)


def _transition(row: Transition) -> tuple[str, ...]:
    conditions = "; ".join([*(guard.condition for guard in row.guards), *row.conditions])
    target = row.target.value if isinstance(row.target, Target) else row.target.name
    target += ", next attempt" if row.opens_next_attempt else ""
    sources = ", ".join(map(_name_of, row.sources))
    return (f"**{row.verb}**", sources, ", ".join(row.roles), ", ".join(row.writes), target, conditions)


def _name_of(source: Source) -> str:
    return source.name if isinstance(source, JobState) else source


def _diagram() -> Iterator[str]:
    yield "stateDiagram-v2"
    yield "    direction LR"
    yield f'    state "SUCCEEDED, FAILED, TIMED_OUT or LOST" as {DONE}'
    yield "    [*] --> CREATED: files arrive"
    seen = set()
    for row in TRANSITIONS:
        if row.target is Target.UNCHANGED:
            continue
        target = DONE if row.target is Target.OUTCOME or row.target in FINISHED else _name_of(row.target)
        for source in row.sources:
            name = DONE if source in FINISHED else _name_of(source)
            arrow = f"    {name} --> {target}: {row.verb}"
            if arrow not in seen:
                seen.add(arrow)
                yield arrow


# --- The Python names


def python() -> str:
    """The page about the public names."""
    lines = [
        *_head("Python names", "syft_job/"),
        "```python",
        "from syft_job import get_client, create_runner",
        "```",
        "",
        "Every name below can be imported from `syft_job`. They are resolved when they are first used, so that",
        "`import syft_job` costs next to nothing. What is not listed here may change without notice.",
    ]
    for module, names in syft_job._HOMES.items():  # noqa: SLF001 - where each public name lives
        lines += ["", f"## {module}", "", _first(importlib.import_module(f"syft_job.{module}").__doc__), ""]
        if module == "errors":
            lines += ["What each means and what to do about it: [errors](errors.md).", ""]
        lines += _table(("name", "what it is"), ((f"`{name}`", _what(name)) for name in names))
        for name in names:
            thing = getattr(syft_job, name)
            members = list(_members(thing)) if module in _MEMBERS_OF else []
            if members and thing.__name__ == name:
                lines += ["", f"### {name}", "", f"`{name}{_signature(thing)}`", ""]
                lines += _table(("member", "what it does"), members)
            elif module in _MEMBERS_OF and inspect.isfunction(thing):
                lines += ["", f"### {name}", "", f"`{name}{_signature(thing)}`"]
    return _page([*lines, "", "## __version__", "", "`__version__` is the version of the package, as text."])


_MEMBERS_OF = ("client", "job", "jobs", "runner", "format.manifest", "model.units")


def _what(name: str) -> str:
    thing = getattr(syft_job, name)
    if getattr(thing, "__name__", name) != name:
        return f"Another name for `{thing.__name__}`."
    return _first(thing.__doc__)


def _members(thing: object) -> Iterator[tuple[str, str]]:
    if not inspect.isclass(thing):
        return
    for name, member in vars(thing).items():
        if name.startswith("_"):
            continue
        plain = member.__func__ if isinstance(member, classmethod) else member
        if isinstance(plain, property):
            yield f"`{name}`", _first(plain.__doc__)
        elif inspect.isfunction(plain):
            yield f"`{name}{_signature(plain)}`", _first(plain.__doc__)


def _signature(thing: Callable[..., Any]) -> str:
    plain = inspect.signature(thing)
    kept = [parameter for name, parameter in plain.parameters.items() if name not in ("self", "cls")]
    shown = [parameter.replace(annotation=inspect.Parameter.empty) for parameter in kept]
    text = str(plain.replace(parameters=shown, return_annotation=inspect.Signature.empty))
    return re.sub(r"<(?:built-in )?function ([\w.]+)(?: at 0x\w+)?>", r"\1", text)


# --- The command line


def cli() -> str:
    """The page about the commands of `syft-job`."""
    import typer

    from syft_job.cli import commands, register
    from syft_job.cli.app import app

    for module in commands.modules():
        register(module)
    group: Any = typer.main.get_command(app)
    lines = [
        *_head("The command line", "syft_job/cli/"),
        _sentence(app.info.help),
        "",
        "```text",
        "syft-job [--root DIR] [--as ADDRESS] [--profile NAME] [--json] COMMAND …",
        "```",
        "",
        CLI_GLOBALS,
        "",
        *_table(("option", "meaning"), _options(group)),
        "",
        "Without `--root` and `--as`, the environment (`SYFTBOX_FOLDER`, `SYFTBOX_EMAIL`) and then the profile decide:",
        "see [configuration](configuration.md). To save a profile: `syft-job --root DIR --as ADDRESS init --save`.",
        "",
        "JOB is a name, `submitter/name`, `owner/submitter/name`, or the first digits of an id.",
        "",
        "Exit codes: 0 done, 1 refused or failed, 2 misuse, 3 not found.",
        "",
        "`syft-job COMMAND --help` shows the same as this page.",
    ]
    for audience in commands.Audience:
        lines += ["", f"## {audience}"]
        for entry in commands.COMMANDS:
            if entry.audience is audience:
                lines += _command(entry.name, group.commands[entry.name], entry.examples)
    return _page(lines)


def _command(name: str, command: Any, examples: Iterable[str]) -> list[str]:
    arguments = [one for one in command.params if one.param_type_name == "argument"]
    options = [one for one in command.params if _is_shown(one)]
    needed = [f"{one.opts[0]} {one.metavar or _type_word(one)}" for one in options if one.required]
    may = ["[OPTIONS]"] if len(options) > len(needed) else []
    usage = " ".join([f"syft-job {name}", *(_placeholder(one) for one in arguments), *needed, *may])
    lines = ["", f"### {name}", "", f"`{usage}`", "", *_wrapped(_paragraphs(command.help))]
    rows = [(f"`{_placeholder(one)}`", one.help) for one in arguments if one.help and _placeholder(one) != "JOB"]
    rows += _options(command)
    if rows:
        lines += ["", *_table(("", "meaning"), rows)]
    return [*lines, "", "```text", *examples, "```"]


def _placeholder(argument: Any) -> str:
    name = argument.metavar or str(argument.name).upper()
    name = name + ("…" if argument.nargs == -1 and "…" not in name and "..." not in name else "")
    return name if argument.required else f"[{name}]"


def _options(command: Any) -> list[tuple[str, str]]:
    rows = []
    for one in filter(_is_shown, command.params):
        value = "" if one.is_flag else " " + (one.metavar or _type_word(one))
        said = ", ".join(f"`{option}{value}`" for option in [*one.opts, *one.secondary_opts])
        rows.append((said, one.help or ""))
    return rows


def _is_shown(parameter: Any) -> bool:
    is_option = bool(parameter.param_type_name == "option" and parameter.name != "help")
    return is_option and not getattr(parameter, "hidden", False)


def _type_word(option: Any) -> str:
    """A word for an option's value, where the option names none."""
    described = getattr(option, "type_descriptor", None)
    kind = str(option.type if described is None else described.annotation)
    return "N" if "int" in kind.lower() else "PATH" if "path" in kind.lower() else "TEXT"


# --- How pages look


def _head(title: str, source: str) -> list[str]:
    return [
        f"<!-- Written by scripts/generate_docs.py from {source}. Do not edit; run it again. -->",
        "",
        f"# {title}",
        "",
    ]


def _table(titles: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> list[str]:
    lines = [f"| {' | '.join(titles)} |", f"|{'---|' * len(titles)}"]
    lines += ["| " + " | ".join(cell.replace("|", "\\|").strip() for cell in row) + " |" for row in rows]
    return [re.sub(r" +\|", " |", line) for line in lines]


def _first(docstring: str | None) -> str:
    """The first sentence, or line group, of a docstring, in Markdown's single backquotes."""
    paragraph = inspect.cleandoc(docstring or "").partition("\n\n")[0]
    return " ".join(paragraph.split()).replace("``", "`")


def _paragraphs(text: str | None) -> str:
    return inspect.cleandoc(text or "").replace("``", "`").replace("\b", "")


def _sentence(text: object) -> str:
    return " ".join(str(text or "").split())


def _wrapped(text: str) -> list[str]:
    import textwrap

    lines: list[str] = []
    for paragraph in text.split("\n\n"):
        lines += [*textwrap.wrap(" ".join(paragraph.split()), 118), ""]
    return lines[:-1]


def _page(lines: Iterable[str]) -> str:
    return "\n".join(line.rstrip() for line in lines).rstrip("\n") + "\n"


PAGES = {"lifecycle.md": lifecycle, "python.md": python, "cli.md": cli}


if __name__ == "__main__":
    raise SystemExit(main())
