"""Two real Syncthing instances on loopback that share one folder: started, asked and ended from a test.

They know nothing of each other but an address on 127.0.0.1: no discovery, no relay, no reports, no upgrades. Only
processes that were started here are ended.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import urllib.error
import urllib.request
import xml.etree.ElementTree as ET
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.serving import until

PATIENCE = 60.0
FOLDER = "box"
_SILENCED = {
    "globalAnnounceEnabled": "false",
    "localAnnounceEnabled": "false",
    "relaysEnabled": "false",
    "natEnabled": "false",
    "crashReportingEnabled": "false",
    "autoUpgradeIntervalH": "0",
    "stunKeepaliveStartS": "0",
    "urAccepted": "-1",
    "reconnectionIntervalS": "1",
    "startBrowser": "false",
}


def why_not() -> str | None:
    """Why there is no Syncthing here, with what to do; None where there is."""
    if shutil.which("syncthing") is None:
        return "syncthing is not installed. Install the package syncthing."
    return None


class Syncthing:
    """One instance: its own configuration, its process, and the folder that it keeps in step.

    Args:
        base: where its configuration and database lie.
        shared: the folder to share.
    """

    def __init__(self, base: Path, shared: Path) -> None:
        self.base = base
        self.shared = shared
        self.listens, self.answers = free_ports(2)
        self._process: subprocess.Popen[bytes] | None = None
        self._key = ""
        self.device = ""

    def start(self) -> None:
        """Make its configuration, silent from the first moment on, and start it."""
        self._run("generate", "--no-default-folder", "--skip-port-probing")
        self._silence()
        self.device = self._run("--device-id").strip()
        log = (self.base / "log").open("wb")
        with log:
            self._process = subprocess.Popen(
                [
                    "syncthing", "serve", f"--home={self.base}", "--no-browser", "--no-restart", "--no-upgrade",
                    "--skip-port-probing", f"--gui-address=127.0.0.1:{self.answers}",
                ],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self._environment(),
            )  # fmt: skip
        until(self._is_up, f"Syncthing answers; see {self.base / 'log'}")

    def meet(self, other: Syncthing) -> None:
        """Share the folder with the other one."""
        self.ask(
            "PUT",
            f"config/devices/{other.device}",
            {
                "deviceID": other.device,
                "addresses": [f"tcp://127.0.0.1:{other.listens}"],
                "allowedNetworks": ["127.0.0.0/8"],
            },
        )
        self.ask(
            "PUT",
            f"config/folders/{FOLDER}",
            {
                "id": FOLDER,
                "path": str(self.shared),
                "devices": [{"deviceID": self.device}, {"deviceID": other.device}],
                "fsWatcherEnabled": True,
                "fsWatcherDelayS": 1,
                "rescanIntervalS": 60,
                "maxConflicts": 10,
            },
        )

    def is_connected(self) -> bool:
        """Whether the other one is reached."""
        found = self.ask("GET", "system/connections")["connections"]
        return any(each["connected"] for each in found.values())

    def scan(self) -> None:
        """Look at the folder now."""
        self.ask("POST", f"db/scan?folder={FOLDER}")

    def pause(self, other: Syncthing) -> None:
        """Cut the connection to the other one."""
        self.ask("POST", f"system/pause?device={other.device}")
        until(lambda: not self.is_connected(), "the connection is cut")

    def resume(self, other: Syncthing) -> None:
        """Connect again."""
        self.ask("POST", f"system/resume?device={other.device}")

    def stop(self) -> None:
        """End its process: kindly, then not."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(20)
        self._process = None

    def ask(self, method: str, path: str, said: object = None) -> Any:
        """Ask it over its own interface; the answer as data."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.answers}/rest/{path}",
            data=None if said is None else json.dumps(said).encode(),
            headers={"X-API-Key": self._key},
            method=method,
        )
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=PATIENCE) as answer:
            body = answer.read()
        return json.loads(body) if body.strip() else None

    def _is_up(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, (self.base / "log").read_text()
        try:
            return bool(self.ask("GET", "system/ping"))
        except (urllib.error.URLError, ConnectionError):
            return False

    def _silence(self) -> None:
        path = self.base / "config.xml"
        tree = ET.parse(path)
        options = tree.getroot().find("options")
        key = tree.getroot().findtext("gui/apikey")
        assert options is not None
        assert key
        self._key = key
        for name, value in {**_SILENCED, "listenAddress": f"tcp://127.0.0.1:{self.listens}"}.items():
            found = options.find(name)
            if found is None:
                found = ET.SubElement(options, name)
            found.text = value
        tree.write(path)

    def _run(self, *arguments: str) -> str:
        done = subprocess.run(
            ["syncthing", *arguments, f"--home={self.base}"],
            capture_output=True, check=True, text=True, timeout=PATIENCE, env=self._environment(),
        )  # fmt: skip
        return done.stdout

    def _environment(self) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.base),
            "STNODEFAULTFOLDER": "1",
            "STNOUPGRADE": "1",
            "GOMAXPROCS": "1",
        }


class Pair:
    """Two of them, connected, for two replicas of one folder."""

    def __init__(self, base: Path, replicas: tuple[Path, Path]) -> None:
        self.both = (Syncthing(base / "one", replicas[0]), Syncthing(base / "two", replicas[1]))

    def __enter__(self) -> Self:
        one, two = self.both
        try:
            for each in self.both:
                each.base.mkdir(parents=True)
                (each.shared / ".stfolder").mkdir(exist_ok=True)
                each.start()
            one.meet(two)
            two.meet(one)
            until(one.is_connected, "the two are connected")
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stop()

    def cut(self) -> None:
        """Let nothing through any more."""
        self.both[0].pause(self.both[1])

    def connect(self) -> None:
        """Let everything through again."""
        self.both[0].resume(self.both[1])
        until(self.both[0].is_connected, "the two are connected")

    def scan(self) -> None:
        """Have both look at their folders now."""
        for each in self.both:
            each.scan()

    def _stop(self) -> None:
        for each in self.both:
            each.stop()


def free_ports(count: int) -> list[int]:
    """Ports on loopback that nobody listens on now."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()
