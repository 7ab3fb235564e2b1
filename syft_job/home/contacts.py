"""The public keys of other participants, as their datasites publish them."""

from __future__ import annotations

from pathlib import Path

from syft_job import fs
from syft_job.errors import ConfigError, UnreadableJob
from syft_job.format.key_history import KEY_FILE, MAX_KEY_FILE_BYTES, KeyHistory, parse
from syft_job.model.job_ref import PUBLIC


def read_published_keys(root: Path, person: str) -> KeyHistory | None:
    """Return the key history that the datasite of ``person`` publishes; None if it publishes none.

    Args:
        root: the shared folder.
        person: an address.

    Raises:
        ConfigError: what is published is no key history, or one of its signatures is wrong.
        StoreError: it cannot be read.
    """
    path = f"{person}/{'/'.join(PUBLIC)}/{KEY_FILE}"
    try:
        with fs.open_directory(root, person, *PUBLIC) as dir_fd:
            data = fs.read_file(dir_fd, KEY_FILE, limit=MAX_KEY_FILE_BYTES)
        return None if data is None else parse(data, person)
    except FileNotFoundError:
        return None
    except UnreadableJob as error:
        raise ConfigError(f"{path} is not valid: {error}. Ask {person} to publish their key again.") from error
