"""The default client of a process: whose folder is meant when nobody says so.

The last `get_client()` of this process, else the environment, else the default profile, else an error that names all
three. It reads settings and makes no decision about jobs.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from .config import SyftJobConfig, config_path, load_profile
from .errors import ConfigError

if TYPE_CHECKING:
    from .client import JobClient

FOLDER_VARIABLE = "SYFTBOX_FOLDER"
EMAIL_VARIABLE = "SYFTBOX_EMAIL"

_last: list[JobClient] = []


def remember(client: JobClient) -> None:
    """Make ``client`` the default of this process, until another one is made."""
    _last[:] = [client]


def forget() -> None:
    """Have no default from this process; the environment and the profile count again."""
    _last.clear()


def default_client() -> JobClient:
    """The last client of this process, else the one that the environment or the default profile describes.

    Raises:
        ConfigError: none of them says whose folder it is.
        PathMissing: the folder does not exist.
    """
    if _last:
        return _last[0]
    from .client import JobClient

    return JobClient(settings())


def settings(root: str | Path | None = None, email: str | None = None, profile: str | None = None) -> SyftJobConfig:
    """Whose folder is meant, and what its owner set.

    What is given wins; then a ``profile`` that is named; then the environment; then the default profile. The default
    profile's other settings hold wherever its folder and address are the ones that are meant, so that an owner's
    limits do not vanish because the folder was named in another way.

    Raises:
        ConfigError: folder or address is not known, or a profile is wrong or missing.
        PathMissing: the folder does not exist.
    """
    known = load_profile(profile or "default")
    if profile is not None and known is None:
        raise ConfigError(f"There is no profile {profile!r} in {config_path()}.")
    in_force = known if profile is not None else None
    folder, person = root, email
    if in_force is None:
        folder, person = folder or os.environ.get(FOLDER_VARIABLE), person or os.environ.get(EMAIL_VARIABLE)
    if known is not None:
        folder, person = folder or known.syftbox_folder, person or known.email
    if not folder or not person:
        missing = " and ".join(
            ([] if folder else ["which folder is shared"]) + ([] if person else ["who you are (an e-mail address)"])
        )
        raise ConfigError(
            f"It is not known {missing}. To save it once and for all: syft-job --root DIR --as EMAIL init --save."
            f" Or say it in one of three ways: get_client(folder, email), which is --root DIR --as EMAIL on the command"
            f" line; the environment variables {FOLDER_VARIABLE} and {EMAIL_VARIABLE}; or email and syftbox_folder"
            f" below [profiles.default] in {config_path()}."
        )
    plain = SyftJobConfig.from_syftbox_folder(folder, person)
    if in_force is None and known is not None and _same(known, plain):
        in_force = known
    if in_force is None:
        return plain
    return SyftJobConfig.from_syftbox_folder(folder, person, **in_force.settings)


def _same(one: SyftJobConfig, other: SyftJobConfig) -> bool:
    return one.email == other.email and one.syftbox_folder.resolve() == other.syftbox_folder.resolve()
