"""Two mounts of one folder through a server of our own on loopback: what one changes, the other hears no event of."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Self

import psutil

from tests.serving import until

_SSHD = "/usr/sbin/sshd"


def why_not() -> str | None:
    """Why this cannot be had here, with what to do; None where it can."""
    if os.geteuid() != 0:
        return "only root may start the server as it is needed here"
    if shutil.which("sshfs") is None or not os.access(_SSHD, os.X_OK):
        return "sshfs or sshd is not installed. Install the packages sshfs and openssh-server."
    return None if os.access("/dev/fuse", os.R_OK | os.W_OK) else "/dev/fuse cannot be opened"


class TwoMounts(AbstractContextManager["TwoMounts"]):
    """One folder, mounted as `mounts[0]` and `mounts[1]`."""

    def __init__(self, base: Path) -> None:
        self.base = base
        self.folder = base / "served"
        self.mounts = [base / "one", base / "two"]
        self._sshd: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        for path in (self.folder, *self.mounts):
            path.mkdir(parents=True)
        for key in ("host", "user"):
            subprocess.run(
                ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(self.base / key)], check=True, timeout=30
            )
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        said = {
            "Port": port,
            "ListenAddress": "127.0.0.1",
            "HostKey": self.base / "host",
            "AuthorizedKeysFile": self.base / "user.pub",
            "StrictModes": "no",
            "PasswordAuthentication": "no",
            "UsePAM": "no",
            "PidFile": "none",
            "PermitRootLogin": "yes",
            "Subsystem": "sftp internal-sftp",
        }
        (self.base / "config").write_text("".join(f"{key} {value}\n" for key, value in said.items()))
        Path("/run/sshd").mkdir(exist_ok=True)
        self._log = (self.base / "log").open("wb")
        self._sshd = subprocess.Popen([_SSHD, "-D", "-e", "-f", str(self.base / "config")], stderr=self._log)
        until(lambda: _listens(port), "the server listens")
        options = (
            f"IdentityFile={self.base / 'user'},StrictHostKeyChecking=no,UserKnownHostsFile=/dev/null,LogLevel=ERROR"
        )
        for mount in self.mounts:
            subprocess.run(
                ["sshfs", "-p", str(port), "-o", options, f"127.0.0.1:{self.folder}", str(mount)],
                check=True,
                timeout=60,
            )
        return self

    def __exit__(self, *_: object) -> None:
        self.answer()
        for mount in self.mounts:
            if os.path.ismount(mount):
                subprocess.run(["fusermount3", "-u", "-z", str(mount)], check=True, timeout=30)
        if self._sshd is not None:
            self._sshd.terminate()
            self._sshd.wait(30)
        self._log.close()

    def hang(self) -> None:
        """Have the server answer nothing any more."""
        self._signal(signal.SIGSTOP)

    def answer(self) -> None:
        """Have it answer again, late."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: int) -> None:
        if self._sshd is not None:
            for session in psutil.Process(self._sshd.pid).children(recursive=True):
                session.send_signal(number)


def _listens(port: int) -> bool:
    with socket.socket() as asking:
        return asking.connect_ex(("127.0.0.1", port)) == 0
