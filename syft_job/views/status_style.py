"""The emoji and colour of each state; no other module has them."""

from __future__ import annotations

from typing import NamedTuple

UNKNOWN = "❓"


class Appearance(NamedTuple):
    """An emoji, and a colour by its name in rich."""

    emoji: str
    colour: str


BY_STATUS: dict[str, Appearance] = {
    "arriving": Appearance("⏳", "bright_black"),
    "inbox": Appearance("📥", "yellow"),
    "approved": Appearance("✅", "bright_blue"),
    "running": Appearance("🔄", "blue"),
    "done": Appearance("🎉", "green"),
    "cancelled": Appearance("🚫", "bright_black"),
    "rejected": Appearance("❌", "red"),
}
_BY_STATE: dict[str, Appearance] = {
    "failed": Appearance("💥", "red"),
    "timed_out": Appearance("💥", "red"),
    "lost": Appearance("❓", "red"),
}


def of_status(status: str) -> Appearance:
    """The appearance of a status word; an unknown one gets a question mark."""
    return BY_STATUS.get(status, Appearance(UNKNOWN, "white"))


def of_state(state: str, status: str) -> Appearance:
    """The appearance of a state, which tells failures from successes."""
    return _BY_STATE.get(state) or of_status(status)
