"""The default client of a process, and where its folder and address come from.

They come from the last `get_client()` of this process, else from the environment, else from the default profile. Where
there is none of them, the error names all three. This module reads settings and makes no decision about jobs.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from .config import SyftJobConfig, config_path, load_profile
from .errors import Action, ConfigError, Remedy

if TYPE_CHECKING:
    from .client import JobClient

FOLDER_VARIABLE = "SYFTBOX_FOLDER"
EMAIL_VARIABLE = "SYFTBOX_EMAIL"

_last: list[JobClient] = []


def remember(client: JobClient) -> None:
    """Make ``client`` the default of this process, until another one is created."""
    _last[:] = [client]


def forget() -> None:
    """Remove the default of this process; the environment and the profile apply again."""
    _last.clear()


def default_client() -> JobClient:
    """The last client of this process, else the one that the environment or the default profile describes.

    Raises:
        ConfigError: none of them names folder and address.
        PathMissing: the folder does not exist.
    """
    if _last:
        return _last[0]
    from .client import JobClient

    return JobClient(settings())


def settings(root: str | Path | None = None, email: str | None = None, profile: str | None = None) -> SyftJobConfig:
    """The configuration to use: folder, address, and the owner's settings.

    Arguments take precedence, then the named ``profile``, then the environment, then the default profile. The other
    settings of the default profile apply wherever its folder and address are the ones in use, so that an owner's limits
    do not disappear because the folder was named in another way.

    Raises:
        ConfigError: folder or address is not known, or a profile is wrong or missing.
        PathMissing: the folder does not exist.
    """
    stored = load_profile(profile or "default")
    if profile is not None and stored is None:
        raise ConfigError(f"There is no profile {profile!r} in {config_path()}.")
    is_named = profile is not None
    folder, address = root, email
    if not is_named:
        folder, address = folder or os.environ.get(FOLDER_VARIABLE), address or os.environ.get(EMAIL_VARIABLE)
    if stored is not None:
        folder, address = folder or stored.syftbox_folder, address or stored.email
    if not folder or not address:
        if folder:
            missing = "Your e-mail address is"
        else:
            missing = "The shared folder is" if address else "The shared folder and your e-mail address are"
        raise ConfigError(
            f"{missing} not configured. Set the environment variables {FOLDER_VARIABLE} and {EMAIL_VARIABLE}, or"
            f" email and syftbox_folder below [profiles.default] in {config_path()}.",
            remedy=Remedy("To configure both", Action.NAME_FOLDER),
        )
    plain = SyftJobConfig.from_syftbox_folder(folder, address)
    if stored is None or not (is_named or _same(stored, plain)):
        return plain
    return SyftJobConfig.from_syftbox_folder(folder, address, **stored.settings)


def _same(one: SyftJobConfig, other: SyftJobConfig) -> bool:
    return one.email == other.email and one.syftbox_folder.resolve() == other.syftbox_folder.resolve()
