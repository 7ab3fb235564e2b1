"""Kernel settings that forbid unprivileged user namespaces, without which bubblewrap does not work."""

from __future__ import annotations

from pathlib import Path
from typing import Final

PROC_SYS = Path("/proc/sys")
_APPARMOR: Final = (
    "AppArmor lets only programs that have a profile for it create user namespaces"
    " (kernel.apparmor_restrict_unprivileged_userns is 1, as Ubuntu 24.04 sets it). Install an AppArmor profile for"
    " bwrap that contains `userns,`; docs/how-to/run-as-a-service.md shows one. Or lift the restriction for all"
    " programs: sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0"
)
_CLONE: Final = (
    "this kernel lets only root create user namespaces (kernel.unprivileged_userns_clone is 0). Run: sudo sysctl -w"
    " kernel.unprivileged_userns_clone=1"
)
_NONE: Final = (
    "this kernel allows no user namespaces (user.max_user_namespaces is 0). Run: sudo sysctl -w"
    " user.max_user_namespaces=15000"
)
_SETTINGS: Final = (
    ("kernel.apparmor_restrict_unprivileged_userns", "1", _APPARMOR),
    ("kernel.unprivileged_userns_clone", "0", _CLONE),
    ("user.max_user_namespaces", "0", _NONE),
)
"""Each setting, the value that forbids, and the sentence with the remedy."""


def settings() -> tuple[str | None, ...]:
    """Return the values of the settings, None for one that this kernel does not have."""
    return tuple(_value(name) for name, _, _ in _SETTINGS)


def forbidden_reason() -> str | None:
    """Return which setting forbids user namespaces, with the remedy; None if none does."""
    for (_, forbidding, sentence), value in zip(_SETTINGS, settings(), strict=True):
        if value == forbidding:
            return sentence
    return None


def _value(name: str) -> str | None:
    try:
        return PROC_SYS.joinpath(*name.split(".")).read_text(encoding="ascii").strip()
    except OSError:
        return None
