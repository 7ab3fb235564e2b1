"""The verbs of someone who starts: init, doctor, demo, keys."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from syft_job import fs
from syft_job.errors import ConfigError, PathMissing
from syft_job.model import names
from syft_job.model.text import escape_line

from .context import REFUSED, Frame, busy, frame_of, has_colours, is_terminal, verb
from .keys import KeyVerb, keep

if TYPE_CHECKING:
    from syft_job.client import JobClient


def add_to(app: typer.Typer) -> None:
    """Register the verbs."""
    app.command()(init)
    app.command()(doctor)
    app.command()(demo)
    app.command()(keys)


@verb
def init(
    ctx: typer.Context,
    people: Annotated[
        list[str] | None, typer.Option("--for", metavar="EMAIL", help="open a folder for this person's jobs")
    ] = None,
    save: Annotated[bool, typer.Option("--save", help="write folder and address into the configuration file")] = False,
) -> None:
    """Make your datasite in the shared folder, your key and your rules; doing it again changes nothing."""
    frame = frame_of(ctx)
    client = (_newcomer(frame) if save else frame).client(newcomer=True)
    others = [names.normalize_address(person) for person in people or ()]
    client.open_datasite()
    for person in others:
        client.setup_ds_job_folder_as_do(person)
    from syft_job.format.signing import fingerprint

    key = fingerprint(client.home.key().public)
    saved = _save(frame, client) if save else None
    whose = "" if saved else f" --root '{client.root}' --as {client.email}"
    lines = [
        f"👤 {client.email} in {escape_line(str(client.root))}",
        f"   your datasite  {escape_line(str(client.root / client.email))}",
        f"   your home      {escape_line(str(client.home.path))}   (private: key, ledger, results)",
        f"   your key       {key}",
        *([f"   saved in       {escape_line(str(saved))}"] if saved else []),
        "Next:",
        f"   to answer jobs   syft-job{whose} list, review, approve; and let this run: syft-job{whose} run",
        f"   to ask somebody  syft-job{whose} submit THEIR-ADDRESS CODE",
        f"   to see whether all is well  syft-job{whose} doctor",
    ]
    document = {
        "email": client.email,
        "root": str(client.root),
        "datasite": str(client.root / client.email),
        "home": str(client.home.path),
        "key": client.home.key().public,
        "fingerprint": key,
        "for": others,
        "saved": str(saved) if saved else None,
    }
    frame.answer(document, "\n".join(lines))


@verb
def doctor(
    ctx: typer.Context,
    adopt_home: Annotated[
        bool, typer.Option("--adopt-home", help="use a home that was copied or moved here; earlier permits end")
    ] = False,
) -> None:
    """See whether this folder and this machine are in order. Exits with 1 when something is wrong, else with 0.

    For monitoring: --json. Wrong is, too, that approved jobs wait, or started ones are not looked after, and no runner
    serves them. Notes, such as that somebody is paused, are not wrong.
    """
    from syft_job import doctor as checks
    from syft_job.views import tables

    frame = frame_of(ctx)
    config = frame.settings()
    if adopt_home:
        checks.adopt(config)
    with busy("Looking at everything …"):
        found = checks.examine(config)
    rows = [(check.name, check.ok, check.told, check.advice) for check in found]
    is_well = all(check.ok is not False for check in found)
    document = {
        "ok": is_well,
        "checks": [
            {"name": check.name, "ok": check.ok, "told": check.told, "advice": check.advice or None} for check in found
        ],
    }
    if frame.json:
        frame.answer(document)
    elif is_terminal():
        print(tables.checks(rows, colours=has_colours()), end="")
    else:
        print(tables.plain_checks(rows), end="")
    if not is_well:
        raise typer.Exit(REFUSED)


@verb
def demo(
    ctx: typer.Context,
    keep: Annotated[bool, typer.Option("--keep", help="leave the temporary folder for you to look at")] = False,
) -> None:
    """Play the whole story in a temporary folder: two people, one job, from asking to reading the answer."""
    from .demo import play

    frame = frame_of(ctx)
    played = play(aloud=not frame.json, keep=keep)
    frame.answer({"ok": played.ok, "folder": played.folder, "steps": played.steps})
    if not played.ok:
        raise typer.Exit(REFUSED)


@verb
def keys(
    ctx: typer.Context,
    what: Annotated[
        KeyVerb, typer.Argument(metavar="list|export|rotate", help="show them, write the present one, or change it")
    ] = KeyVerb.LIST,
    to: Annotated[Path | None, typer.Option(metavar="FILE", help="export: into this new file")] = None,
    private: Annotated[
        bool, typer.Option("--private", help="export: the private half, which says everything under your address")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="export: show the private half on a terminal")] = False,
    compromised: Annotated[
        bool, typer.Option("--compromised", help="rotate: say that others may have the keys you had until now")
    ] = False,
) -> None:
    """Show your keys; export writes the present one, for others to compare or for a backup; rotate makes a new one.

    What was submitted to an earlier key is answered with that key, so rotating needs nobody's help. With --compromised
    the submitters of such jobs are told not to rely on the answers, and to submit anew.
    """
    keep(frame_of(ctx), what, to=to, private=private, yes=yes, compromised=compromised)


def _newcomer(frame: Frame) -> Frame:
    """The frame without the name of a profile that is only about to be written."""
    from syft_job.config import load_profile

    is_new = frame.profile is not None and load_profile(frame.profile) is None
    return replace(frame, profile=None) if is_new else frame


def _save(frame: Frame, client: JobClient) -> Path:
    """Add a profile to the configuration file; one that says the same is left, another one is not replaced."""
    from syft_job.config import config_path, load_profile

    name = frame.profile or "default"
    path = config_path()
    known = load_profile(name, path)
    if known is not None:
        if (known.email, known.syftbox_folder) == (client.email, client.root):
            return path
        raise ConfigError(
            f"{path} has a profile {name!r} already, for {known.email} in {known.syftbox_folder}. Change it there, or"
            " save under another name: --profile NAME."
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
