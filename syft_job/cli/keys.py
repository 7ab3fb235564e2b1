"""What `syft-job keys` does: show the keys, make a new one, export one for others or as a backup."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from syft_job import fs
from syft_job.errors import ConfigError, NotAllowed
from syft_job.model.job_ref import expand_user
from syft_job.model.text import escape_line

from .console import is_terminal
from .context import CommandContext, misuse

if TYPE_CHECKING:
    from syft_job.client import JobClient


class KeyAction(StrEnum):
    """What can be done with the keys of a home."""

    LIST = "list"
    EXPORT = "export"
    ROTATE = "rotate"


def manage_keys(
    context: CommandContext, action: KeyAction, *, to: Path | None, private: bool, yes: bool, compromised: bool
) -> None:
    """Show, export or rotate the keys of this home."""
    if action is not KeyAction.EXPORT and (to is not None or private or yes):
        raise misuse("--to, --private and --yes belong to: syft-job keys export")
    if compromised and action is not KeyAction.ROTATE:
        raise misuse("--compromised belongs to: syft-job keys rotate")
    client = context.client()
    if client.home.keyring.history is None:
        raise ConfigError(f"There is no key of {client.email} in {client.home.path} yet. To make one: syft-job init")
    if action is KeyAction.EXPORT:
        _export(context, client, to, private=private, yes=yes)
        return
    if action is KeyAction.ROTATE:
        client.rotate_key(compromised=compromised)
    document = _keys_json(client)
    lines = _lines(document)
    if action is KeyAction.ROTATE:
        was = document["earlier"][-1]["fingerprint"]
        lines += [
            f"🔑 The key of {client.email} was {was} and is {document['fingerprint']}.",
            "Send the new fingerprint to the people you work with over another channel.",
        ]
    context.answer(document, "\n".join(lines))


def _keys_json(client: JobClient) -> dict[str, Any]:
    """All keys of this home as a document."""
    from syft_job.format.signing import fingerprint

    ring = client.home.keyring
    assert ring.history is not None  # noqa: S101 - the caller checked
    return {
        "owner": client.email,
        "key": ring.history.present,
        "fingerprint": fingerprint(ring.history.present),
        "earlier": [
            {
                "key": passage.key,
                "fingerprint": fingerprint(passage.key),
                "until": passage.at,
                "compromised": passage.compromised,
                "held": passage.key in ring.held_keys,
            }
            for passage in ring.history.rotations
        ],
    }


def _lines(document: dict[str, Any]) -> list[str]:
    lines = [document["owner"], f"present  {document['fingerprint']}  {document['key']}"]
    for key in document["earlier"]:
        notes = [f"until {key['until']}"]
        if key["compromised"]:
            notes.append("compromised")
        if not key["held"]:
            notes.append("not in this home")
        lines.append(f"earlier  {key['fingerprint']}  {', '.join(notes)}")
    return lines


def _export(context: CommandContext, client: JobClient, to: Path | None, *, private: bool, yes: bool) -> None:
    from syft_job.format.signing import fingerprint

    ring = client.home.keyring
    assert ring.history is not None  # noqa: S101 - the caller checked
    own = ring.history.present
    public = {"owner": client.email, "key": own, "fingerprint": fingerprint(own)}
    if not private:
        text = f"{client.email}\n{public['key']}\n{public['fingerprint']}\n"
        if to is not None:
            _write_new(to, text.encode(), client.root, mode=0o644)
        context.answer(public | {"saved": str(to) if to else None}, text if to is None else f"saved in {to}")
        return
    key = client.home.key_for(own)
    if key is None:
        raise ConfigError(f"The private key of {public['fingerprint']} is not in {client.home.path}. Restore it.")
    secret = key.to_bytes()
    if to is not None:
        _write_new(to, secret, client.root, mode=0o600)
        text = f"🔑 {public['fingerprint']} is saved in {escape_line(str(to))}."
        text += f" Everyone who has this file can sign as {client.email}."
        if ring.history.rotations:
            text += f"\nEarlier keys are not in it. They are in {escape_line(str(client.home.paths.earlier_keys))}"
        context.answer(public | {"saved": str(to), "private": None}, text)
        return
    if is_terminal() and not yes:
        raise NotAllowed("The private key is not printed on a terminal. Use --to FILE, or --yes to print it.")
    context.answer(public | {"saved": None, "private": secret.decode().strip()}, secret.decode())


def _write_new(target: Path, data: bytes, root: Path, *, mode: int) -> None:
    """Create a file outside the shared folder, with these permissions from the start; it must not exist yet."""
    target = expand_user(target).absolute()
    if target.resolve().is_relative_to(root.resolve()):
        raise NotAllowed(f"{target} is in the shared folder, and everyone who has that would get it.")
    if target.is_symlink() or target.exists():
        raise NotAllowed(f"{target} exists already and is not replaced. Name another file.")
    with fs.open_directory(target.parent.resolve()) as opened:
        fs.create_file(opened, target.name, data, mode=mode)
