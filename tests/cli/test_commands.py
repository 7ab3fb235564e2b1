"""The table of commands is true: each module has the commands that it lists, and each help is whole."""

from __future__ import annotations

import inspect
import re
from importlib import import_module
from typing import Any

import pytest
import typer

from syft_job.cli import register
from syft_job.cli.app import app, summary_of
from syft_job.cli.arguments import FLAGS, VALUED, command_in
from syft_job.cli.commands import COMMANDS, Audience, modules

WIDTH = 80


@pytest.fixture(scope="module")
def group() -> Any:
    for module in modules():
        register(module)
    return typer.main.get_command(app)


@pytest.mark.parametrize("module", modules())
def test_each_module_has_the_commands_that_the_table_lists(module: str):
    application = typer.Typer()
    import_module(f"syft_job.cli.{module}").add_to(application)
    application.command("another")(lambda: None)  # with one command typer makes no group
    group = typer.main.get_command(application)
    assert sorted({*group.commands} - {"another"}) == sorted(  # type: ignore[attr-defined]
        entry.name for entry in COMMANDS if entry.module == module
    )


@pytest.mark.parametrize(
    ("words", "command"),
    [
        (["list"], "list"),
        (["--root", "list", "--json", "show", "review"], "show"),
        (["--as", "run"], None),
        (["--help"], None),
        ([], None),
    ],
)
def test_the_command_is_the_first_word_that_is_no_option_and_no_value(words: list[str], command: str | None):
    assert command_in(words) == command


def test_the_global_options_are_those_that_may_stand_anywhere(group):
    names = {name for one in group.params for name in one.opts}
    assert names == {*FLAGS, *VALUED, "--version"}


def test_the_help_groups_all_commands_and_cuts_no_sentence(people):
    out = people.ok(None, "--help").out
    headings = [line[:-1] for line in out.splitlines() if re.fullmatch(r"[A-Z][^.]*:", line) and line != "Options:"]
    assert headings == [audience.value for audience in Audience]
    assert "..." not in out.replace("[ARGS]...", "")
    for entry in COMMANDS:
        line = next(line for line in out.splitlines() if line.startswith(f"  {entry.name} "))
        assert line.endswith("."), line
        assert len(line) <= WIDTH


@pytest.mark.parametrize("entry", COMMANDS, ids=lambda entry: entry.name)
def test_the_help_of_each_command_is_whole_and_has_examples(people, group, entry):
    out = people.ok(None, entry.name, "--help").out
    assert summary_of(group.commands[entry.name]) in " ".join(out.split())
    for example in entry.examples:
        assert f"  {example}\n" in out
        assert f"syft-job {entry.name}" in example or f" {entry.name} " in example
    for parameter in group.commands[entry.name].params:
        assert parameter.help, f"{parameter.name} has no help"
        is_valued = parameter.param_type_name == "argument" or not parameter.is_flag
        assert parameter.metavar or not is_valued, f"{parameter.name} has no placeholder"
    assert re.search(r"<\w+( range)?>", out) is None, "types are named by placeholders"


@pytest.mark.parametrize("entry", COMMANDS, ids=lambda entry: entry.name)
def test_the_examples_name_options_that_exist(group, entry):
    known = {name for command in (group, group.commands[entry.name]) for one in command.params for name in one.opts}
    for example in entry.examples:
        assert set(re.findall(r"(?<= )--[a-z-]+", example)) <= known, example


def test_the_help_is_whole_also_where_an_option_stands_before_a_command(people):
    assert people.ok(None, "--help", "submit").out == people.ok(None, "--help").out


def test_the_version_is_printed(people):
    import syft_job

    assert people.ok(None, "--version").out == f"syft-job {syft_job.__version__}\n"


def test_a_misspelt_command_is_answered_with_the_right_one(people):
    ran = people(None, "aprove", "First")
    assert ran.code == 2
    assert "approve" in ran.err


def test_every_command_is_guarded(group):
    """A refusal is one line and an exit code, never a traceback."""
    for name, command in group.commands.items():
        if name != "completion":  # it reads no folder
            assert inspect.unwrap(command.callback) is not command.callback, name
