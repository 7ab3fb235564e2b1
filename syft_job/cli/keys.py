"""What `syft-job keys` does: say which one has, make a new one, copy one for others or for a backup."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from syft_job import fs
from syft_job.errors import ConfigError, NotAllowed
from syft_job.model.job_ref import expand_user
from syft_job.model.text import escape_line

from .context import Frame, is_terminal, misuse

if TYPE_CHECKING:
    from syft_job.client import JobClient


class KeyVerb(StrEnum):
    """What can be done with one's keys."""

    LIST = "list"
    EXPORT = "export"
    ROTATE = "rotate"


def keep(frame: Frame, what: KeyVerb, *, to: Path | None, private: bool, yes: bool, compromised: bool) -> None:
    """Do what was asked for with one's keys."""
    if what is not KeyVerb.EXPORT and (to is not None or private or yes):
        raise misuse("--to, --private and --yes belong to: syft-job keys export")
    if compromised and what is not KeyVerb.ROTATE:
        raise misuse("--compromised belongs to: syft-job keys rotate")
    client = frame.client()
    if client.home.keyring.history is None:
        raise ConfigError(f"There is no key of {client.email} in {client.home.path} yet; syft-job init makes one.")
    if what is KeyVerb.EXPORT:
        _export(frame, client, to, private=private, yes=yes)
        return
    if what is KeyVerb.ROTATE:
        client.rotate_key(compromised=compromised)
    document = _told(client)
    lines = _lines(document)
    if what is KeyVerb.ROTATE:
        was = document["earlier"][-1]["fingerprint"]
        lines += [
            f"🔑 The key of {client.email} was {was} and is {document['fingerprint']}.",
            "Tell the new fingerprint to the people you work with, over another channel.",
        ]
    frame.answer(document, "\n".join(lines))


def _told(client: JobClient) -> dict[str, Any]:
    """All keys of this home, for a program."""
    from syft_job.format.signing import fingerprint

    ring = client.home.keyring
    assert ring.history is not None  # noqa: S101 - the caller looked
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


def _lines(told: dict[str, Any]) -> list[str]:
    lines = [told["owner"], f"present  {told['fingerprint']}  {told['key']}"]
    for one in told["earlier"]:
        notes = f"until {one['until']}" + ", given up" * one["compromised"] + ", not in this home" * (not one["held"])
        lines.append(f"earlier  {one['fingerprint']}  {notes}")
    return lines


def _export(frame: Frame, client: JobClient, to: Path | None, *, private: bool, yes: bool) -> None:
    from syft_job.format.signing import fingerprint

    ring = client.home.keyring
    assert ring.history is not None  # noqa: S101 - the caller looked
    own = ring.history.present
    public = {"owner": client.email, "key": own, "fingerprint": fingerprint(own)}
    if not private:
        text = f"{client.email}\n{public['key']}\n{public['fingerprint']}\n"
        if to is not None:
            _write_new(to, text.encode(), client.root, mode=0o644)
        frame.answer(public | {"saved": str(to) if to else None}, text if to is None else f"saved in {to}")
        return
    key = client.home.key_for(own)
    if key is None:
        raise ConfigError(f"The private half of {public['fingerprint']} is not in {client.home.path}. Restore it.")
    secret = key.to_bytes()
    if to is not None:
        _write_new(to, secret, client.root, mode=0o600)
        where = f"🔑 {public['fingerprint']} is saved in {escape_line(str(to))}."
        text = f"{where} Whoever has it can say anything as {client.email}."
        if ring.history.rotations:
            text += f"\nEarlier keys are not in it. They lie in {escape_line(str(client.home.paths.earlier_keys))}"
        frame.answer(public | {"saved": str(to), "private": None}, text)
        return
    if is_terminal() and not yes:
        raise NotAllowed("The private key is not shown on a terminal. Say --to FILE, or --yes if you mean it.")
    frame.answer(public | {"saved": None, "private": secret.decode().strip()}, secret.decode())


def _write_new(target: Path, data: bytes, root: Path, *, mode: int) -> None:
    """Write a file that was not there, outside the shared folder; it is never open to more than ``mode`` says."""
    target = expand_user(target).absolute()
    if target.resolve().is_relative_to(root.resolve()):
        raise NotAllowed(f"{target} lies in the shared folder, and everybody who has that would get it.")
    if target.is_symlink() or target.exists():
        raise NotAllowed(f"{target} is there already, and is not replaced. Name another file.")
    with fs.open_directory(target.parent.resolve()) as opened:
        fs.create_file(opened, target.name, data, mode=mode)
