"""The public keys of other participants, as their datasites publish them."""

from __future__ import annotations

from pathlib import Path

from syft_job import fs
from syft_job.errors import ConfigError, UnreadableJob
from syft_job.format.key_history import KEY_FILE, LIMIT, KeyHistory, parse
from syft_job.model.job_ref import PUBLIC


def published(root: Path, person: str) -> KeyHistory | None:
    """What ``person``'s datasite publishes of their keys, or None when it publishes nothing.

    Raises:
        ConfigError: what is published is no key, not sealed by it, or follows one that did not say so.
    """
    where = f"{person}/{'/'.join(PUBLIC)}/{KEY_FILE}"
    try:
        with fs.directory(root, person, *PUBLIC) as opened:
            data = fs.read(opened, KEY_FILE, limit=LIMIT)
        return None if data is None else parse(data, person)
    except FileNotFoundError:
        return None
    except UnreadableJob as error:
        raise ConfigError(f"{where} cannot be believed: {error}. Ask {person} to publish their key again.") from error
