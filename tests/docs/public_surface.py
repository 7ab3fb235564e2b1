"""The public surface as text: the Python names with their signatures, and the commands with their options.

    .venv/bin/python -m tests.docs.public_surface > tests/docs/public_surface.txt

`test_public_surface.py` compares it with the checked-in list, so that no change of it goes unnoticed.
"""

from __future__ import annotations

import enum
import inspect
import sys
from collections.abc import Iterator
from typing import Any

import typer

import syft_job
from syft_job.cli import commands, register
from syft_job.cli.app import app


def surface() -> str:
    """The whole list."""
    lines = ["# Python: syft_job.__all__", ""]
    for name in sorted(syft_job.__all__):
        lines += _python(name, getattr(syft_job, name))
    lines += ["", "# Command line", "", *_command_line()]
    return "\n".join(lines) + "\n"


def _python(name: str, thing: object) -> Iterator[str]:
    if inspect.isclass(thing):
        if thing.__name__ != name:
            yield f"{name} = {thing.__name__}"
            return
        bases = ", ".join(base.__name__ for base in thing.__bases__ if base is not object)
        yield f"class {name}({bases})" if bases else f"class {name}"
        if issubclass(thing, enum.Enum):
            yield from (f"    {name}.{member.name} = {member.value!r}" for member in thing)
        else:
            yield f"    {name}{_signature(thing)}"
        yield from _members(name, thing)
    elif callable(thing):
        yield f"{name}{_signature(thing)}"
    else:
        yield f"{name}: {type(thing).__name__}"


def _members(name: str, owner: type) -> Iterator[str]:
    """The public members that syft_job defines, in alphabetical order, without those of a public base."""
    found: dict[str, object] = {}
    for one in reversed(owner.__mro__):
        is_listed_itself = one is not owner and one.__name__ in syft_job.__all__
        if one.__module__.startswith("syft_job") and not is_listed_itself:
            found |= {member: value for member, value in vars(one).items() if not member.startswith("_")}
            found |= {member: None for member in getattr(one, "__annotations__", {}) if not member.startswith("_")}
    for member, value in sorted(found.items()):
        plain = value.__func__ if isinstance(value, (classmethod, staticmethod)) else value
        if inspect.isfunction(plain):
            yield f"    {name}.{member}{_signature(plain)}"
        elif not isinstance(value, owner) or not issubclass(owner, enum.Enum):
            yield f"    {name}.{member}"


def _signature(thing: Any) -> str:
    """A signature with annotations as the source has them, so that it is the same under every Python and pydantic."""
    signature = inspect.signature(thing)
    parts: list[str] = []
    kinds = [one.kind for one in signature.parameters.values()]
    for one in signature.parameters.values():
        if one.name in ("self", "cls"):
            continue
        if one.kind is one.KEYWORD_ONLY and not any(part.startswith("*") for part in parts):
            parts.append("*")
        prefix = "*" if one.kind is one.VAR_POSITIONAL else "**" if one.kind is one.VAR_KEYWORD else ""
        parts.append(prefix + one.name + _annotation(": ", one.annotation) + _default(one.default))
        if one.kind is one.POSITIONAL_ONLY and kinds.count(one.kind) == kinds.index(one.kind) + 1:
            parts.append("/")
    return f"({', '.join(parts)}){_annotation(' -> ', signature.return_annotation)}"


def _annotation(before: str, annotation: object) -> str:
    text = getattr(annotation, "__forward_arg__", annotation)  # what a NamedTuple makes of it
    return before + text if isinstance(text, str) else ""


def _default(default: object) -> str:
    if default is inspect.Parameter.empty:
        return ""
    is_plain = default is None or isinstance(default, (bool, int, float, str, tuple))
    shown = repr(default) if is_plain and not isinstance(default, enum.Enum) else getattr(default, "__name__", "…")
    return f" = {shown}"


def _command_line() -> Iterator[str]:
    for module in commands.modules():
        register(module)
    group: Any = typer.main.get_command(app)
    yield from _options("syft-job", group)
    for entry in commands.COMMANDS:
        command = group.commands[entry.name]
        arguments = [
            (one.metavar if one.required else f"[{one.metavar.strip('[]')}]")
            for one in command.params
            if one.param_type_name == "argument"
        ]
        yield " ".join(["syft-job", entry.name, *arguments])
        yield from _options(f"syft-job {entry.name}", command)


def _options(prefix: str, command: Any) -> Iterator[str]:
    for one in command.params:
        if one.param_type_name == "option":
            value = "" if one.is_flag else f" {one.metavar}"
            notes = [*(["required"] if one.required else []), *(["repeatable"] if one.multiple else [])]
            suffix = f"  ({', '.join(notes)})" if notes else ""
            yield f"    {prefix} {'|'.join([*one.opts, *one.secondary_opts])}{value}{suffix}"


if __name__ == "__main__":
    sys.stdout.write(surface())
