"""Who may be meant by ``--as``: only `init` makes a datasite, so that a mistyped address makes nothing."""

from __future__ import annotations

import difflib

from syft_job import fs
from syft_job.config import SyftJobConfig
from syft_job.errors import ConfigError
from syft_job.home.home import Home
from syft_job.model import names

_NAMED = 5
"""How many datasites the refusal names."""
_SIMILAR = 0.7
_MAX_LISTED = 10_000


def require_datasite(config: SyftJobConfig) -> None:
    """Refuse an address that has neither a datasite in this folder nor a home on this machine.

    A home without a datasite is let through: the folder may be away, which other checks report.

    Raises:
        ConfigError: the address is not known here; close ones and the remedy are named.
    """
    root = config.syftbox_folder
    if fs.is_directory(root, config.email) or Home.of(root, config.email).exists:
        return
    listed = fs.names_below(root, limit=_MAX_LISTED) or []
    known = sorted(name for name in listed if names.is_address(name) and fs.is_directory(root, name))
    close = _close(config.email, known)
    if close:
        here = f"Did you mean {' or '.join(close)}?"
    elif known:
        more = f" and {len(known) - _NAMED} more" if len(known) > _NAMED else ""
        here = f"Known here: {', '.join(known[:_NAMED])}{more}."
    else:
        here = "No datasite is here yet."
    raise ConfigError(
        f"There is no datasite for {config.email} in {config.syftbox_folder}. {here} To make one:"
        f" syft-job --root '{config.syftbox_folder}' --as {config.email} init --save"
    )


def _close(address: str, known: list[str]) -> list[str]:
    """The known addresses of which both halves are similar to those of ``address``, the most similar first."""
    return sorted(
        (other for other in known if all(ratio >= _SIMILAR for ratio in _ratios(address, other))),
        key=lambda other: -sum(_ratios(address, other)),
    )[:_NAMED]


def _ratios(one: str, other: str) -> tuple[float, float]:
    """How similar the local parts and the domains of two addresses are, from 0 to 1."""
    (local, _, domain), (other_local, _, other_domain) = one.rpartition("@"), other.rpartition("@")
    return (
        difflib.SequenceMatcher(None, local, other_local).ratio(),
        difflib.SequenceMatcher(None, domain, other_domain).ratio(),
    )
