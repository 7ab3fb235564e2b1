"""The table of verbs says the truth about the files: a call loads one of them and must find its verb there."""

from __future__ import annotations

from importlib import import_module

import pytest
import typer

from syft_job.cli import VERBS
from syft_job.cli.context import verb_in


@pytest.mark.parametrize("room", VERBS)
def test_each_file_has_the_verbs_that_the_table_says(room: str):
    app = typer.Typer()
    import_module(f"syft_job.cli.{room}").add_to(app)
    group = typer.main.get_command(app)
    assert sorted(group.commands) == sorted(VERBS[room])  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("words", "verb"),
    [
        (["list"], "list"),
        (["--root", "list", "--json", "show", "review"], "show"),
        (["--as", "run"], None),
        (["--help"], None),
        ([], None),
    ],
)
def test_the_verb_is_the_first_word_that_is_no_option_and_no_value(words: list[str], verb: str | None):
    assert verb_in(words) == verb
