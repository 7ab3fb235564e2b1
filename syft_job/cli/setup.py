"""The commands init, doctor, demo and keys."""

from __future__ import annotations

import json
import shlex
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from syft_job import fs
from syft_job.errors import ConfigError, PathMissing
from syft_job.model import names
from syft_job.model.text import escape_line

from .app import command, register
from .console import busy, has_colours, is_terminal
from .context import REFUSED, CommandContext, context_of
from .keys import KeyAction, manage_keys

if TYPE_CHECKING:
    from syft_job.client import JobClient


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    register(app, init, doctor, demo, keys)


@command
def init(
    ctx: typer.Context,
    people: Annotated[
        list[str] | None,
        typer.Option("--for", metavar="ADDRESS", help="create a folder for the jobs of this submitter; repeatable"),
    ] = None,
    save: Annotated[
        bool, typer.Option("--save", help="save folder and address as a profile, so that later calls need no options")
    ] = False,
) -> None:
    """Create your datasite, key and access rules in the shared folder.

    Running it again changes nothing. Your private key, ledger and results are in your home on this machine, never in
    the shared folder.
    """
    context = context_of(ctx)
    client = (_without_new_profile(context) if save else context).client(may_be_new=True)
    submitters = [names.normalize_address(person) for person in people or ()]
    client.open_datasite()
    for person in submitters:
        client.setup_ds_job_folder_as_do(person)
    from syft_job.format.signing import fingerprint

    key = fingerprint(client.home.key().public)
    saved = _save(context, client) if save else None
    options = "" if saved else f" --root {shlex.quote(str(client.root))} --as {client.email}"
    lines = [
        f"👤 {client.email} in {escape_line(str(client.root))}",
        f"   your datasite  {escape_line(str(client.root / client.email))}",
        f"   your home      {escape_line(str(client.home.path))}   (private: key, ledger, results)",
        f"   your key       {key}",
        *([f"   saved in       {escape_line(str(saved))}"] if saved else []),
        "Next:",
        f"   to run jobs      syft-job{options} list, review and approve; and keep running: syft-job{options} run",
        f"   to submit jobs   syft-job{options} submit OWNER PATH",
        f"   to check all     syft-job{options} doctor",
    ]
    document = {
        "email": client.email,
        "root": str(client.root),
        "datasite": str(client.root / client.email),
        "home": str(client.home.path),
        "key": client.home.key().public,
        "fingerprint": key,
        "for": submitters,
        "saved": str(saved) if saved else None,
    }
    context.answer(document, "\n".join(lines))


@command
def doctor(
    ctx: typer.Context,
    adopt_home: Annotated[
        bool,
        typer.Option("--adopt-home", help="use a home that was copied or moved here; permits of its earlier place end"),
    ] = False,
) -> None:
    """Check the shared folder, your home, the sandbox and the runner.

    It exits with 1 if a check fails, also where approved or started jobs have no runner; use --json for monitoring.
    Notes, such as a paused submitter, are no failures.
    """
    from syft_job import doctor as checks
    from syft_job.views import tables

    context = context_of(ctx)
    config = context.settings()
    if adopt_home:
        checks.adopt(config)
    with busy("Checking …"):
        results = checks.examine(config)
    rows = [(check.name, check.ok, check.told, check.advice) for check in results]
    is_well = all(check.ok is not False for check in results)
    document = {
        "ok": is_well,
        "checks": [
            {"name": check.name, "ok": check.ok, "told": check.told, "advice": check.advice or None}
            for check in results
        ],
    }
    if context.json:
        context.answer(document)
    elif is_terminal():
        print(tables.checks(rows, colours=has_colours()), end="")
    else:
        print(tables.plain_checks(rows), end="")
    if not is_well:
        raise typer.Exit(REFUSED)


@command
def demo(
    ctx: typer.Context,
    keep: Annotated[bool, typer.Option("--keep", help="keep the temporary folder")] = False,
) -> None:
    """Run a complete example: two people, one job, a temporary folder.

    It runs the real commands, from the submission to the outputs. Nothing outside the temporary folder is touched.
    """
    from .demo import run_demo

    context = context_of(ctx)
    result = run_demo(is_shown=not context.json, keep=keep)
    context.answer({"ok": result.ok, "folder": result.folder, "steps": result.steps})
    if not result.ok:
        raise typer.Exit(REFUSED)


@command
def keys(
    ctx: typer.Context,
    action: Annotated[
        KeyAction,
        typer.Argument(metavar="list|export|rotate", help="show the keys, write out the present one, or replace it"),
    ] = KeyAction.LIST,
    to: Annotated[Path | None, typer.Option(metavar="FILE", help="export: write into this new file")] = None,
    private: Annotated[
        bool, typer.Option("--private", help="export: the private key, which can sign everything as you")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="export: print the private key on a terminal")] = False,
    compromised: Annotated[
        bool, typer.Option("--compromised", help="rotate: declare that others may have your previous keys")
    ] = False,
) -> None:
    """Show, export or rotate your signing keys.

    `export` writes the present key, for others to compare or, with --private, as a backup. `rotate` makes a new key and
    publishes it. Jobs submitted to an earlier key are still answered with that key. With --compromised their submitters
    are warned not to rely on the answers, and to submit again.
    """
    manage_keys(context_of(ctx), action, to=to, private=private, yes=yes, compromised=compromised)


def _without_new_profile(context: CommandContext) -> CommandContext:
    """The context without the name of a profile that does not exist yet and is about to be saved."""
    from syft_job.config import load_profile

    is_new = context.profile is not None and load_profile(context.profile) is None
    return replace(context, profile=None) if is_new else context


def _save(context: CommandContext, client: JobClient) -> Path:
    """Add a profile to the configuration file; an equal one is left as it is, a different one is not replaced."""
    from syft_job.config import config_path, load_profile

    name = context.profile or "default"
    path = config_path()
    existing = load_profile(name, path)
    if existing is not None:
        if (existing.email, existing.syftbox_folder) == (client.email, client.root):
            return path
        raise ConfigError(
            f"{path} has a profile {name!r} already, for {existing.email} in {existing.syftbox_folder}. Change it"
            " there, or save under another name: --profile NAME."
        )
    try:
        before = path.read_bytes()
    except FileNotFoundError:
        before = b""
    if not _is_utf8(client.root):
        raise ConfigError(
            f"{client.root} cannot be saved in {path}, because its name is not UTF-8. Rename the folder, or give --root"
            " each time."
        )
    text = (
        f"[profiles.{_toml(name)}]\nemail = {_toml(client.email)}\nsyftbox_folder = {_toml(str(client.root))}\n"
    ).encode()
    gap = b"" if not before else b"\n" if before.endswith(b"\n") else b"\n\n"
    fs.make_directory(path.parent)
    with fs.open_directory(path.parent) as opened:
        fs.write_file(opened, path.name, before + gap + text, mode=0o600)
    if load_profile(name, path) is None:
        raise PathMissing(f"{path} could not be read back.")
    return path


def _is_utf8(path: Path) -> bool:
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return False
    return True


def _toml(text: str) -> str:
    """``text`` as a basic string of TOML, which is JSON's but for DEL."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
