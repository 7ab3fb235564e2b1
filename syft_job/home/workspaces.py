"""Where the workspaces of one home are, and whether other users could direct what runs in them.

They are in the home, except that for root they are where a user to whom a job is dropped can reach them.
``SYFT_JOB_WORK`` chooses another directory. The directory is cleaned at the start of a runner, so it must not be one
that holds anything else.
"""

from __future__ import annotations

import os
from functools import cached_property
from pathlib import Path

from syft_job import fs
from syft_job.errors import ConfigError
from syft_job.model.job_ref import expand_user

from . import locations
from .safety import HomeSafety, PrivateDirectory

_ROOT_WORKSPACES = Path("/var/lib/syft_job/work")
_PURPOSE = "the folder of workspaces"
_SETTING = "SYFT_JOB_WORK"


class Workspaces:
    """The directory of all workspaces of one home.

    Args:
        home: the directory of the home.
        safety: the check of the home, which knows the real path of the shared folder.
    """

    def __init__(self, home: Path, safety: HomeSafety) -> None:
        self._home = home
        self._safety = safety

    @cached_property
    def path(self) -> Path:
        """The directory, which need not exist; checked on first use.

        Raises:
            ConfigError: it overlaps with the shared folder or the home.
            StoreError: other users could write there or on the way there.
        """
        path = self._chosen_path()
        fs.require_safe(path, _PURPOSE, setting=_SETTING)
        return path

    @property
    def mode(self) -> int:
        """The permission bits of a directory on the way to a job: root drops jobs to a user who must pass through."""
        return fs.TRAVERSABLE_MODE if os.geteuid() == 0 else 0o700

    def require_safe(self) -> None:
        """Check the directory again, as the start of a runner and each attempt do.

        Raises:
            ConfigError, StoreError: see `path`.
        """
        fs.require_safe(self.path, _PURPOSE, setting=_SETTING)

    def private_directory(self) -> PrivateDirectory:
        """Return the directory with its purpose and setting, without checking whether other users can write to it.

        Raises:
            ConfigError: it overlaps with the shared folder or the home.
        """
        return PrivateDirectory(_PURPOSE, self._chosen_path(), _SETTING)

    def _chosen_path(self) -> Path:
        chosen = os.environ.get(_SETTING)
        if chosen:
            path = expand_user(chosen).absolute() / self._home.name
            self._refuse_overlap(path)
            return path
        if os.geteuid() != 0:
            return self._home / "work"
        path = _ROOT_WORKSPACES / self._home.name
        self._refuse_overlap(path)
        return path

    def _refuse_overlap(self, path: Path) -> None:
        """Refuse a directory in which others find the running jobs, or whose cleaning removes something else.

        Raises:
            ConfigError: it equals, contains or is in the shared folder, the home, or the directory of checkpoints.
        """
        real_path = path.resolve()
        for purpose, other in (
            ("the shared folder", self._safety.real_root),
            ("the home", self._home.resolve()),
            ("the folder of the ledgers' checkpoints", locations.checkpoints_directory().resolve()),
        ):
            if real_path.is_relative_to(other) or other.is_relative_to(real_path):
                raise ConfigError(
                    f"{_SETTING}: the workspaces would be in {path}, which overlaps with {purpose} {other}. Set it to"
                    " a folder of its own."
                )
