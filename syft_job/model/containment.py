"""The containment that an approval was given for, or that a host offers: parsed strictly, compared, serialised.

It is recorded as `allow` in `approved`, in `attempts/<n>.json` and in the ledger (format.md, Markers). An attempt
starts only if the host offers at least what was approved. This module decides nothing and knows no sandbox.

Invariants: an `allow` that this release does not understand completely is an error, never a weaker approval; an empty
one (written by earlier releases) is the strongest.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from syft_job.errors import UnreadableJob

SANDBOX_RANKS: Mapping[str, int] = {"bare": 0, "bubblewrap": 1}
"""The sandboxes that an approval can name, from the weakest to the strongest."""

_KEYS = frozenset({"sandbox", "network"})


@dataclass(frozen=True, slots=True)
class ContainmentLevel:
    """How far a job is contained.

    Attributes:
        sandbox: a key of `SANDBOX_RANKS`.
        network: whether the job can use the network.
    """

    sandbox: str
    network: bool

    def is_at_least(self, other: ContainmentLevel) -> bool:
        """Return True if this level contains a job at least as well as ``other``."""
        is_sandbox_enough = SANDBOX_RANKS[self.sandbox] >= SANDBOX_RANKS[other.sandbox]
        return is_sandbox_enough and (other.network or not self.network)

    def to_json(self) -> dict[str, str | bool]:
        """Return the mapping that stands on disk as `allow`."""
        return {"sandbox": self.sandbox, "network": self.network}

    def __str__(self) -> str:
        return f"{self.sandbox} {'with' if self.network else 'without'} network"


BARE = ContainmentLevel("bare", network=True)
BUBBLEWRAP = ContainmentLevel("bubblewrap", network=False)
STRONGEST = BUBBLEWRAP
"""What an empty `allow` means: earlier releases recorded none."""


def parse_allow(allow: object) -> ContainmentLevel:
    """Parse the `allow` of an approval or of the ledger.

    Args:
        allow: the decoded value; an empty mapping means `STRONGEST`.

    Raises:
        UnreadableJob: it is no mapping, lacks a key, has one that this release does not know (which may restrict the
            approval in a way that this release would not keep), or has a value of the wrong type.
    """
    if not isinstance(allow, dict):
        raise UnreadableJob("its 'allow' is no mapping")
    if not allow:
        return STRONGEST
    if unknown := sorted(str(key) for key in allow.keys() - _KEYS):
        raise UnreadableJob(f"its 'allow' has the key {unknown[0]!r}, which this release does not know")
    sandbox, network = allow.get("sandbox"), allow.get("network")
    if not isinstance(sandbox, str) or sandbox not in SANDBOX_RANKS:
        raise UnreadableJob(f"its 'allow' names the sandbox {sandbox!r}; known are {', '.join(SANDBOX_RANKS)}")
    if not isinstance(network, bool):
        raise UnreadableJob(f"its 'allow' has {network!r} for 'network', which is neither true nor false")
    return ContainmentLevel(sandbox, network)
