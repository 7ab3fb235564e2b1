"""`bubblewrap`: a world of its own for each job, under a user without rights."""

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
from syft_job.model.resources import EVERY, kernel_argv

from . import bind_mounts, host_mounts, interpreters
from .base import STANDARD_PATH, Containment, Workspace, environment
from .protected import ProtectedPlace, places_of_user, refuse_system_folders, why_not_bound, why_not_inside

INSIDE: Final = Path("/job")
"""Where the workspace lies for a job in a sandbox, so that no path of the owner's machine is told to anybody."""
DROPPED_USER: Final = "nobody"
TEMPORARY_BYTES: Final = 512 * 2**20
"""How much each temporary folder of a sandbox may hold; it is memory."""
_FIRST_PROCESS: Final = Path(backends.__path__[0]) / "first.sh"
_TEMPORARY: Final = ("/tmp", "/var/tmp", "/dev/shm")  # noqa: S108 (the sandbox's own)


@dataclass(frozen=True, slots=True)
class Bubblewrap:
    """A world of its own, made by `bwrap`, under a user without rights.

    As root the user is dropped first (``user``, a name or a number): root in a sandbox could undo it. ``modern`` is for
    bubblewrap from 0.8 on: no namespaces inside, and temporary files, which are memory, have a limit.
    """

    user: str = DROPPED_USER
    modern: bool = True
    name: str = field(default="bubblewrap", init=False)

    @property
    def contains(self) -> tuple[Containment, ...]:
        """What is contained and what is not."""
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
        """The names of the limits that hold."""
        return EVERY - {"cpu_count"}

    def __call__(self, command: Command, workspace: Workspace) -> Command:
        """Return the command that starts ``command`` inside, where the workspace is `/job`.

        Raises:
            ConfigError: bubblewrap is missing, there is no user to drop to, or what the job is to see cannot be shown
                without showing a protected place.
        """
        bwrap = shutil.which("bwrap", path=host_mounts.TOOLS)
        if bwrap is None:
            raise ConfigError("bubblewrap is not installed (the package is called bubblewrap).")
        root = workspace.root.absolute()
        inside = [_moved(argument, root) for argument in command.argv]
        variables = {"PATH": STANDARD_PATH} | environment(command, root)
        variables = {name: _moved(value, root) for name, value in variables.items()} | {"TMPDIR": "/tmp"}  # noqa: S108
        argv = [
            *self._drop(),
            bwrap,
            *("--unshare-user", "--unshare-all", "--die-with-parent", "--new-session", "--as-pid-1"),
            *("--cap-drop", "ALL", "--hostname", "sandbox", "--clearenv"),
            *(("--disable-userns",) if self.modern else ()),
            *bind_mounts.options(host_mounts.system()),
            *("--proc", "/proc", "--dev", "/dev"),
            *self._in_memory(),
            *self._shown(workspace),
            *("--bind", str(root), str(INSIDE), "--chdir", str(INSIDE)),
            *("--remount-ro", "/"),
            *("--args", PRIVATE_FD),
        ]
        private = [part for name, value in variables.items() for part in ("--setenv", name, value)]
        argv += ["--", *kernel_argv(command.limits), "/bin/sh", "-c", _first_process(), "job", *inside]
        return replace(
            command, argv=tuple(argv), private_argv=tuple(private), cwd=root.parent, env={"PATH": STANDARD_PATH},
            limits=command.limits.without_kernel(), contained=True,
        )  # fmt: skip

    @property
    def dropped_uid(self) -> int | None:
        """The number of the user that jobs run as, where that is another one than the runner's.

        Raises:
            ConfigError: there is no such user, or it is root.
        """
        return _user(self.user)[0] if os.geteuid() == 0 else None

    def prepare(self, workspace: Workspace) -> None:
        """Give the workspace, and everything in it, to the user that the job runs as. Follows no links.

        The top comes last: until then it is closed, so that no process of that user can replace what is given away.

        Raises:
            StoreError: it cannot be given away.
        """
        if os.geteuid() != 0:
            return
        uid, gid = _user(self.user)
        try:
            for _, folders, files, at in os.fwalk(workspace.root, topdown=False, follow_symlinks=False):
                for name in (*folders, *files):
                    os.chown(name, uid, gid, dir_fd=at, follow_symlinks=False)
            with fs.directory(workspace.root) as top:
                os.chown(top, uid, gid)
        except OSError as error:
            raise StoreError(f"The workspace {workspace.root} cannot be given to {self.user}: {error}.") from error

    def _shown(self, workspace: Workspace) -> list[str]:
        """What is shown beside the system, and masks over each protected place that something bound contains.

        A bind that contains a protected place is refused; the masks hide it if a refusal was ever forgotten, and where
        the system's own folders contain one.
        """
        places = (*places_of_user(), *workspace.protected)
        refuse_system_folders(places)
        wanted: list[bind_mounts.Mount] = []
        for path in workspace.readable:
            if reason := why_not_bound(path, places, is_interpreter=False):
                raise ConfigError(f"The data {path} cannot be shown to jobs: {reason}.")
            wanted += self._data(path, places)
        if workspace.interpreter is not None:
            wanted += interpreters.inspect(workspace.interpreter, places, self.dropped_uid).mounts
        bound = {mount.path for mount in (*host_mounts.system(), *wanted) if isinstance(mount, bind_mounts.Bind)}
        wanted += [
            bind_mounts.Mask(self._reachable(place.path))
            for place in places
            if place.path in bound or not bound.isdisjoint(place.path.parents)
        ]
        wanted += [
            bind_mounts.Mask(self._reachable(point))
            for point in host_mounts.mount_points()
            if not bound.isdisjoint(point.parents) and why_not_bound(point, places, is_interpreter=True) is not None
        ]
        ordered = bind_mounts.ordered(wanted, beneath=host_mounts.system())
        masked = [str(mount.path) for mount in ordered if isinstance(mount, bind_mounts.Mask)]
        closed = [part for path in masked for part in ("--remount-ro", path)]
        return [*bind_mounts.options(ordered), *closed]

    @staticmethod
    def _data(path: Path, places: tuple[ProtectedPlace, ...]) -> list[bind_mounts.Mount]:
        """What shows declared data. A link in the shared folder is not followed: a submitter may have made it."""
        found = bind_mounts.along(path)
        for mount in found:
            is_link = isinstance(mount, bind_mounts.Link)
            if is_link and (reason := why_not_inside(mount.path, places, is_interpreter=True)):
                raise ConfigError(f"The data {path} cannot be shown to jobs: a symbolic link on its way, {reason}.")
        return found

    def closed_directory(self, path: Path) -> Path | None:
        """Return the first directory on the way to ``path`` that the user of jobs cannot pass, or None."""
        if self.dropped_uid is None:
            return None
        return next((p for p in reversed(path.parents) if p.is_dir() and not p.stat().st_mode & stat.S_IXOTH), None)

    def _reachable(self, path: Path) -> Path:
        """The path, or its first directory that the user of jobs cannot pass: nothing can be mounted below that."""
        return self.closed_directory(path) or path

    def _in_memory(self) -> list[str]:
        limit = ["--size", str(TEMPORARY_BYTES)] if self.modern else []
        argv = [part for place in _TEMPORARY for part in (*limit, "--tmpfs", place)]
        return [*argv, "--remount-ro", "/dev"] if self.modern else argv

    def _drop(self) -> list[str]:
        if os.geteuid() != 0:
            return []
        uid, gid = _user(self.user)
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
def _first_process() -> str:
    lines = _FIRST_PROCESS.read_text(encoding="ascii").splitlines()
    return "\n".join(line for line in lines if not line.startswith("#"))


def _moved(text: str, root: Path) -> str:
    """The same text inside: a path of the workspace is one of /job there."""
    path = str(root)
    if text == path:
        return str(INSIDE)
    return str(INSIDE) + text[len(path) :] if text.startswith(path + os.sep) else text


@functools.cache
def _user(user: str) -> tuple[int, int]:
    """The user's and the group's number.

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
