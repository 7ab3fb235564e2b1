"""`bubblewrap`: each job in namespaces of its own, under an unprivileged user, made by bwrap(1)."""

from __future__ import annotations

import functools
import grp
import os
import pwd
import shutil
import stat
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from syft_job import fs
from syft_job.errors import ConfigError, StoreError
from syft_job.execution import backends
from syft_job.execution.command import PRIVATE_FD, Command
from syft_job.model.resources import ALL_LIMITS, kernel_argv

from . import bind_mounts, host_mounts, interpreters
from .base import STANDARD_PATH, Containment, Workspace, command_environment
from .protected import ProtectedPath, bind_refusal, location_refusal, refuse_system_folders, user_protected_paths

JOB_ROOT: Final = Path("/job")
"""The path of the workspace inside a sandbox, so that a job does not learn a path of the owner's machine."""
DROPPED_USER: Final = "nobody"
MAX_TEMPORARY_BYTES: Final = 512 * 2**20
"""The size of each temporary directory of a sandbox, which is in memory."""
_INIT_SCRIPT: Final = Path(backends.__path__[0]) / "first.sh"
_TEMPORARY_DIRECTORIES: Final = ("/tmp", "/var/tmp", "/dev/shm")  # noqa: S108 (the sandbox's own)


@dataclass(frozen=True, slots=True)
class Bubblewrap:
    """Isolation by `bwrap`, under an unprivileged user.

    Attributes:
        user: the name or number of the user to whom root drops a job, because root in a sandbox could undo it.
        modern: bubblewrap is 0.8 or later: the job cannot create namespaces, and temporary files have a size limit.
    """

    user: str = DROPPED_USER
    modern: bool = True
    name: str = field(default="bubblewrap", init=False)

    @property
    def contains(self) -> tuple[Containment, ...]:
        """What it contains and what not, for reviews."""
        return (
            Containment("environment", True, "It sees none of the variables of the owner's shell."),
            Containment("network", True, "It has no network."),
            Containment("files", True, "It sees its own copy, declared data and the system's programs; nothing else."),
            Containment("jobs", True, "It cannot see other jobs, markers, the ledger or the keys."),
            Containment("processes", True, "It sees only its own processes, and all of them end with it."),
            Containment("kernel", False, "It runs on this machine's kernel: a flaw in that would let it out."),
        )

    @property
    def enforces(self) -> frozenset[str]:
        """The names of the limits that are enforced."""
        return ALL_LIMITS - {"cpu_count"}

    def __call__(self, command: Command, workspace: Workspace) -> Command:
        """Return the command that starts ``command`` in the sandbox, where the workspace is `/job`.

        Raises:
            ConfigError: bubblewrap is missing, there is no user to drop to, or what the job needs cannot be shown
                without showing a protected path.
        """
        bwrap = shutil.which("bwrap", path=host_mounts.TOOLS)
        if bwrap is None:
            raise ConfigError("bubblewrap is not installed (the package is called bubblewrap).")
        root = workspace.root.absolute()
        argv_inside = [_path_inside(argument, root) for argument in command.argv]
        variables = {"PATH": STANDARD_PATH} | command_environment(command, root)
        variables = {name: _path_inside(value, root) for name, value in variables.items()} | {"TMPDIR": "/tmp"}  # noqa: S108
        argv = [
            *self._drop_argv(),
            bwrap,
            *("--unshare-user", "--unshare-all", "--die-with-parent", "--new-session", "--as-pid-1"),
            *("--cap-drop", "ALL", "--hostname", "sandbox", "--clearenv"),
            *(("--disable-userns",) if self.modern else ()),
            *bind_mounts.bwrap_options(host_mounts.system_mounts()),
            *("--proc", "/proc", "--dev", "/dev"),
            *self._temporary_options(),
            *self._shown(workspace),
            *("--bind", str(root), str(JOB_ROOT), "--chdir", str(JOB_ROOT)),
            *("--remount-ro", "/"),
            *("--args", PRIVATE_FD),
        ]
        private = [part for name, value in variables.items() for part in ("--setenv", name, value)]
        argv += ["--", *kernel_argv(command.limits), "/bin/sh", "-c", _init_script(), "job", *argv_inside]
        return replace(
            command, argv=tuple(argv), private_argv=tuple(private), cwd=root.parent, env={"PATH": STANDARD_PATH},
            limits=command.limits.without_kernel_limits(), contained=True,
        )  # fmt: skip

    @property
    def dropped_uid(self) -> int | None:
        """The number of the user that jobs run as, if it is another one than the runner's; else None.

        Raises:
            ConfigError: there is no such user, or it is root.
        """
        return _ids_of(self.user)[0] if os.geteuid() == 0 else None

    def prepare(self, workspace: Workspace) -> None:
        """Give the workspace and everything in it to the user that the job runs as, following no links.

        The top directory comes last: until then it is closed, so that no process of that user can replace an entry.

        Raises:
            StoreError: the owner cannot be changed.
        """
        if os.geteuid() != 0:
            return
        uid, gid = _ids_of(self.user)
        try:
            for _, directories, files, dir_fd in os.fwalk(workspace.root, topdown=False, follow_symlinks=False):
                for name in (*directories, *files):
                    os.chown(name, uid, gid, dir_fd=dir_fd, follow_symlinks=False)
            with fs.open_directory(workspace.root) as dir_fd:
                os.chown(dir_fd, uid, gid)
        except OSError as error:
            raise StoreError(f"The workspace {workspace.root} cannot be given to {self.user}: {error}.") from error

    def _shown(self, workspace: Workspace) -> list[str]:
        """Return the options for what is shown in addition to the system, with masks over protected paths.

        A bind that contains a protected path is refused. The masks are the second line of defence, and they cover the
        protected paths that the system's own directories contain.

        Raises:
            ConfigError: something cannot be shown without showing a protected path.
        """
        protected = (*user_protected_paths(), *workspace.protected)
        refuse_system_folders(protected)
        mounts: list[bind_mounts.Mount] = []
        for path in workspace.readable:
            if reason := bind_refusal(path, protected, is_interpreter=False):
                raise ConfigError(f"The data {path} cannot be shown to jobs: {reason}.")
            mounts += self._data_mounts(path, protected)
        if workspace.interpreter is not None:
            mounts += interpreters.inspect(workspace.interpreter, protected, self.dropped_uid).mounts
        bound = {mount.path for mount in (*host_mounts.system_mounts(), *mounts) if isinstance(mount, bind_mounts.Bind)}
        mounts += [
            bind_mounts.Mask(self._passable(other.path))
            for other in protected
            if other.path in bound or not bound.isdisjoint(other.path.parents)
        ]
        mounts += [
            bind_mounts.Mask(self._passable(point))
            for point in host_mounts.mount_points()
            if not bound.isdisjoint(point.parents) and bind_refusal(point, protected, is_interpreter=True) is not None
        ]
        ordered = bind_mounts.order_mounts(mounts, beneath=host_mounts.system_mounts())
        masked = [str(mount.path) for mount in ordered if isinstance(mount, bind_mounts.Mask)]
        read_only = [part for path in masked for part in ("--remount-ro", path)]
        return [*bind_mounts.bwrap_options(ordered), *read_only]

    @staticmethod
    def _data_mounts(path: Path, protected: tuple[ProtectedPath, ...]) -> list[bind_mounts.Mount]:
        """Return the mounts that show declared data.

        A link in the shared folder is not followed, because a submitter may have made it.
        """
        mounts = bind_mounts.mounts_showing(path)
        for mount in mounts:
            is_link = isinstance(mount, bind_mounts.Link)
            if is_link and (reason := location_refusal(mount.path, protected, is_interpreter=True)):
                raise ConfigError(f"The data {path} cannot be shown to jobs: a symbolic link on its way, {reason}.")
        return mounts

    def closed_directory(self, path: Path) -> Path | None:
        """Return the first directory on the way to ``path`` that the user of jobs cannot pass through, or None."""
        if self.dropped_uid is None:
            return None
        return next((p for p in reversed(path.parents) if p.is_dir() and not p.stat().st_mode & stat.S_IXOTH), None)

    def _passable(self, path: Path) -> Path:
        """Return ``path``, or the first closed directory on the way to it, below which nothing can be mounted."""
        return self.closed_directory(path) or path

    def _temporary_options(self) -> list[str]:
        limit = ["--size", str(MAX_TEMPORARY_BYTES)] if self.modern else []
        argv = [part for path in _TEMPORARY_DIRECTORIES for part in (*limit, "--tmpfs", path)]
        return [*argv, "--remount-ro", "/dev"] if self.modern else argv

    def _drop_argv(self) -> list[str]:
        if os.geteuid() != 0:
            return []
        uid, gid = _ids_of(self.user)
        setpriv = shutil.which("setpriv", path=host_mounts.TOOLS)
        if setpriv is None:
            raise ConfigError("setpriv is not installed (it is part of util-linux); root cannot drop its rights.")
        return [
            setpriv,
            f"--reuid={uid}",
            f"--regid={gid}",
            "--clear-groups",
            "--no-new-privs",
            "--inh-caps=-all",
            "--",
        ]


bubblewrap: Final = Bubblewrap()


@functools.cache
def _init_script() -> str:
    lines = _INIT_SCRIPT.read_text(encoding="ascii").splitlines()
    return "\n".join(line for line in lines if not line.startswith("#"))


def _path_inside(text: str, root: Path) -> str:
    """Return ``text``, which is a path of the workspace or another text, as the job must see it: below `/job`."""
    path = str(root)
    if text == path:
        return str(JOB_ROOT)
    return str(JOB_ROOT) + text[len(path) :] if text.startswith(path + os.sep) else text


@functools.cache
def _ids_of(user: str) -> tuple[int, int]:
    """Return the number of a user and of its group.

    Raises:
        ConfigError: there is no such user, or it is root.
    """
    try:
        entry = pwd.getpwuid(int(user)) if user.isdigit() else pwd.getpwnam(user)
        uid, gid = entry.pw_uid, entry.pw_gid
        grp.getgrgid(gid)
    except KeyError:
        if not user.isdigit():
            raise ConfigError(f"There is no user {user!r} to run jobs as.") from None
        uid = gid = int(user)  # the kernel needs no names
    if uid == 0:
        raise ConfigError(f"Jobs cannot run as {user!r}: that is root.")
    return uid, gid
