"""Check the address of ``--as``: only `init` creates a datasite, so that a mistyped address creates nothing."""

from __future__ import annotations

import difflib
import shlex

from syft_job import fs
from syft_job.config import SyftJobConfig
from syft_job.errors import ConfigError
from syft_job.home.home import Home
from syft_job.model import names

_MAX_NAMED = 5
"""How many datasites the message names."""
_MIN_SIMILARITY = 0.7
_MAX_LISTED = 10_000


def require_datasite(config: SyftJobConfig) -> None:
    """Refuse an address that has neither a datasite in this folder nor a home on this machine.

    A home without a datasite is accepted: the folder may be unavailable, which other checks report.

    Raises:
        ConfigError: the address is unknown; the message names similar ones and the remedy.
    """
    root = config.syftbox_folder
    if fs.is_directory(root, config.email) or Home.of(root, config.email).exists:
        return
    listed = fs.names_below(root, limit=_MAX_LISTED) or []
    known = sorted(name for name in listed if names.is_address(name) and fs.is_directory(root, name))
    close = _close(config.email, known)
    if close:
        hint = f"Did you mean {' or '.join(close)}?"
    elif known:
        more = f" and {len(known) - _MAX_NAMED} more" if len(known) > _MAX_NAMED else ""
        hint = f"Known here: {', '.join(known[:_MAX_NAMED])}{more}."
    else:
        hint = "This folder has no datasites yet."
    raise ConfigError(
        f"There is no datasite for {config.email} in {config.syftbox_folder}. {hint} To create it:"
        f" syft-job --root {shlex.quote(str(config.syftbox_folder))} --as {config.email} init --save"
    )


def _close(address: str, known: list[str]) -> list[str]:
    """The known addresses that are similar to ``address`` in both parts, the most similar first."""
    return sorted(
        (other for other in known if all(ratio >= _MIN_SIMILARITY for ratio in _ratios(address, other))),
        key=lambda other: -sum(_ratios(address, other)),
    )[:_MAX_NAMED]


def _ratios(one: str, other: str) -> tuple[float, float]:
    """How similar the local parts and the domains of two addresses are, from 0 to 1."""
    (local, _, domain), (other_local, _, other_domain) = one.rpartition("@"), other.rpartition("@")
    return (
        difflib.SequenceMatcher(None, local, other_local).ratio(),
        difflib.SequenceMatcher(None, domain, other_domain).ratio(),
    )
