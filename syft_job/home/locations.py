"""Where this user's homes, checkpoints and configuration are; by default in the platform's user directories.

``SYFT_JOB_HOME`` chooses the directory of all homes. Nothing is created here.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from syft_job.model.job_ref import expand_user

_HOME_TAG_DIGITS = 12
_CHECKPOINT_TAG_DIGITS = 32


def homes_directory() -> Path:
    """Return the directory of all homes of this user: ``SYFT_JOB_HOME``, or one in the user's data directory.

    Raises:
        ConfigError: ``SYFT_JOB_HOME`` names an unknown user.
    """
    chosen = os.environ.get("SYFT_JOB_HOME")
    if chosen:
        return expand_user(chosen).absolute()
    import platformdirs

    return Path(platformdirs.user_data_dir("syft_job", appauthor=False)) / "homes"


def home_directory(email: str, real_root: Path) -> Path:
    """Return the directory of the home of ``email`` for one shared folder.

    Args:
        email: the participant's address.
        real_root: the shared folder, without symbolic links.
    """
    return homes_directory() / f"{email}-{_tag(real_root, _HOME_TAG_DIGITS)}"


def checkpoints_directory() -> Path:
    """Return the directory of the ledgers' checkpoints, each of which records how far a ledger goes.

    It is outside of all homes, so that a home that is restored from a backup does not bring its old checkpoint along.

    Raises:
        ConfigError: ``SYFT_JOB_HOME`` names an unknown user.
    """
    if os.environ.get("SYFT_JOB_HOME"):
        return homes_directory() / ".witness"
    import platformdirs

    return Path(platformdirs.user_state_dir("syft_job", appauthor=False)) / "witness"


def checkpoint_path(home: Path) -> Path:
    """Return the file with the checkpoint of the ledger of one home."""
    return checkpoints_directory() / _tag(home.resolve(), _CHECKPOINT_TAG_DIGITS)


def config_directory() -> Path:
    """Return this user's directory for configuration files."""
    import platformdirs

    return Path(platformdirs.user_config_dir("syft_job", appauthor=False))


def user_directories() -> tuple[Path, ...]:
    """Return the directories in which this user's programs keep data, settings, state and caches."""
    import platformdirs

    directories = (
        platformdirs.user_data_dir(),
        platformdirs.user_config_dir(),
        platformdirs.user_state_dir(),
        platformdirs.user_cache_dir(),
    )
    return tuple(Path(directory) for directory in directories)


def _tag(path: Path, digits: int) -> str:
    return hashlib.sha256(os.fsencode(path)).hexdigest()[:digits]
