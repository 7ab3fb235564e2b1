"""The identity of a home, `home.json`: whether the home was made or adopted here, or copied from somewhere.

A copied or restored home must start nothing: another copy may have started the same attempt. So the identity names
the machine, the inode of the home's directory and the shared folder, and a random epoch that adoption renews.
"""

from __future__ import annotations

import hashlib
import os
import secrets
from pathlib import Path
from typing import Any

from syft_job import fs
from syft_job.errors import StoreError, UnreadableJob
from syft_job.format.codec import dump, load_json

from .paths import HomePaths

FORMAT = 1
_MAX_IDENTITY_BYTES = 64 << 10


def read_identity(paths: HomePaths) -> dict[str, Any]:
    """Return the content of `home.json`.

    Raises:
        StoreError: it cannot be read, or is of another format.
    """
    path = paths.identity
    try:
        content = load_json(path.read_bytes(), limit=_MAX_IDENTITY_BYTES)
    except OSError as error:
        raise fs.store_error(f"read the home's own file {str(path)!r}", error) from error
    except UnreadableJob as error:
        raise StoreError(f"The home's own file {path} cannot be read: {error}") from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise StoreError(f"{path} is of a format that this version does not know")
    return content


def write_identity(paths: HomePaths, root: Path, email: str) -> None:
    """Write `home.json` for this machine and directory, with a new random epoch.

    Args:
        paths: the paths of the home.
        root: the shared folder.
        email: the address of the participant.

    Raises:
        StoreError: it cannot be written.
    """
    content = {
        "format": FORMAT,
        "epoch": secrets.token_hex(16),
        "machine": machine_id(),
        "inode": paths.home.stat().st_ino,
        "root": _path_text(root.resolve()),
        "owner": email,
    }
    with fs.open_directory(paths.home) as dir_fd:
        fs.write_file(dir_fd, paths.identity.name, dump(content), mode=0o600)


def identity_mismatch(identity: dict[str, Any], home: Path, root: Path) -> str | None:
    """Return why an identity shows that the home was copied, moved or restored; None if it belongs here.

    Args:
        identity: the content of `home.json`.
        home: the directory of the home.
        root: the shared folder that it is used for.
    """
    if identity.get("machine") != machine_id():
        return "it was made on another machine"
    if identity.get("inode") != home.stat().st_ino:
        return "it is a copy, or was restored from one"
    if identity.get("root") != _path_text(root.resolve()):
        return f"it serves the folder {identity.get('root')}"
    return None


def machine_id() -> str:
    """Return a hash that is the same for all processes of this machine: of machine-id(5), or else of the host name."""
    for path in ("/etc/machine-id", "/var/lib/dbus/machine-id"):
        try:
            identity = Path(path).read_text("ascii").strip()
        except OSError:
            continue
        if identity:
            break
    else:
        identity = os.uname().nodename
    return hashlib.sha256(b"syft-job machine\n" + identity.encode()).hexdigest()[:32]


def _path_text(path: Path) -> str:
    """Return the path as text that does not depend on the locale: UTF-8, other bytes as backslash escapes."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")
