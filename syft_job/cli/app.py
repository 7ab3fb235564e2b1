"""The `syft-job` application: its global options, its grouped help, and how a command is registered and guarded."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
from typer.core import TyperCommand, TyperGroup

from syft_job.errors import SyftJobError

from .commands import BY_NAME, Audience
from .context import CommandContext, context_of

_F = TypeVar("_F", bound=Callable[..., Any])


class GroupedHelp(TyperGroup):
    """A group whose help lists its commands by audience, each with a whole sentence."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002 - as typer calls it
        """Write one list for each audience."""
        for audience in Audience:
            rows = [
                (entry.name, summary_of(self.commands[entry.name]))
                for entry in BY_NAME.values()
                if entry.audience is audience and entry.name in self.commands
            ]
            if rows:
                with formatter.section(audience.value):
                    formatter.write_dl(rows)

    def format_epilog(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002 - as typer calls it
        """Write each paragraph of the epilog on lines of its own."""
        for paragraph in (self.epilog or "").split("\n"):
            formatter.write_paragraph()
            formatter.write_text(paragraph)


class CommandWithExamples(TyperCommand):
    """A command whose help ends with examples."""

    def format_epilog(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002 - as typer calls it
        """Write the examples, one a line and never folded, so that they can be copied."""
        entry = BY_NAME.get(self.name or "")
        if entry is not None:
            with formatter.section("Example" if len(entry.examples) == 1 else "Examples"):
                for example in entry.examples:
                    formatter.write(f"{'':>{formatter.current_indent}}{example}\n")

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """The words of the usage line; braces around required arguments would read as a choice."""
        return [piece.strip("{}") for piece in super().collect_usage_pieces(ctx)]


def summary_of(command: Any) -> str:
    """The first paragraph of a command's help, in one line."""
    return " ".join(inspect.cleandoc(command.help or "").partition("\n\n")[0].split())


app = typer.Typer(
    cls=GroupedHelp,
    help="Run code next to the data: submit, review, approve, run and share jobs through a shared folder.",
    epilog="All options above may also stand behind the command. Without --root and --as, the variables"
    " SYFTBOX_FOLDER and SYFTBOX_EMAIL and then the saved profile apply; to save one: syft-job --root DIR --as ADDRESS"
    " init --save.\n"
    "JOB is a name, submitter/name, owner/submitter/name, or the first digits of an id.\n"
    "Options and examples of a command: syft-job COMMAND --help.\n"
    "Exit codes: 0 done, 1 refused or failed, 2 misuse, 3 not found.",
    add_completion=False,  # `syft-job completion` knows names with spaces
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # rich would cost each call what a listing may take
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(is_wanted: bool) -> None:
    if is_wanted:
        from syft_job import __version__

        print(f"syft-job {__version__}")
        raise typer.Exit


@app.callback()
def _global_options(
    ctx: typer.Context,
    root: Annotated[
        Path | None,
        typer.Option("--root", "--syftbox-folder", metavar="DIR", help="the shared folder that holds the datasites"),
    ] = None,
    email: Annotated[
        str | None, typer.Option("--as", metavar="ADDRESS", help="the e-mail address that names your datasite")
    ] = None,
    profile: Annotated[
        str | None, typer.Option(metavar="NAME", help="the profile of the configuration file to use")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="print one JSON document instead of text")] = False,
    _version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_print_version, help="print the version and exit")
    ] = False,
) -> None:
    ctx.obj = CommandContext(root, email, profile, as_json)


def register(application: typer.Typer, *functions: Callable[..., Any]) -> None:
    """Register functions as the commands of their names; a trailing underscore is no part of a command's name."""
    for function in functions:
        application.command(function.__name__.rstrip("_"), cls=CommandWithExamples)(function)


def command(function: _F) -> _F:
    """Make a function fail as every command does: one line on stderr, an exit code, no traceback."""

    @functools.wraps(function)
    def guarded(ctx: typer.Context, *args: Any, **kwargs: Any) -> None:
        context = context_of(ctx)
        try:
            function(ctx, *args, **kwargs)
        except BrokenPipeError:
            raise  # the reader of the output has closed the pipe; typer ends quietly
        except (SyftJobError, OSError) as error:
            raise context.fail(error) from None
        finally:
            context.ended.set()

    return guarded  # type: ignore[return-value]
