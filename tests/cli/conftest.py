"""Two people at one folder, and the installed command line in processes of its own."""

from __future__ import annotations

import json
import os
import pty
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

ADA, OMAR, EVE = "ada@example.org", "omar@example.org", "eve@example.org"
COMMAND = str(Path(sys.executable).with_name("syft-job"))


@dataclass
class Ran:
    """What one call printed, and its exit code."""

    code: int
    out: str
    err: str = ""

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@dataclass
class People:
    """A shared folder, and a way to call the command line as somebody."""

    root: Path
    base: Path
    warm: subprocess.Popen[str]
    command: str = COMMAND
    python: str = sys.executable
    env: dict[str, str] = field(default_factory=dict)

    def __call__(self, who: str | None, *words: str, env: Mapping[str, str] | None = None, stdin: str = "") -> Ran:
        files = {name: self.base / f".{name}" for name in ("stdin", "out", "err")}
        for path in files.values():
            path.write_text("")
        files["stdin"].write_text(stdin)
        asked: dict[str, Any] = {name: str(path) for name, path in files.items()}
        asked |= {"words": words, "env": self._env(who) | dict(env or {}), "cwd": str(self.base)}
        assert self.warm.stdin is not None
        assert self.warm.stdout is not None
        self.warm.stdin.write(json.dumps(asked) + "\n")
        self.warm.stdin.flush()
        code = int(self.warm.stdout.readline())
        return Ran(code, files["out"].read_text("utf-8"), files["err"].read_text("utf-8"))

    def cold(self, who: str | None, *words: str, argv: Sequence[str] = (COMMAND,), **env: str) -> Ran:
        """Call it as a new process."""
        ran = subprocess.run(
            [*argv, *words],
            env=self._env(who) | env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            cwd=self.base,
            timeout=90,
            check=False,
        )
        return Ran(ran.returncode, ran.stdout, ran.stderr)

    def ok(self, who: str | None, *words: str, **more: Any) -> Ran:
        ran = self(who, *words, **more)
        assert ran.code == 0, (words, ran)
        return ran

    def on_terminal(self, who: str, *words: str, typed: str = "", argv: Sequence[str] = (COMMAND,)) -> Ran:
        """Call it as if at a terminal of 100 columns; what it prints on both streams is in ``out``.

        ``typed`` is typed when it asks.
        """
        main, other = pty.openpty()
        env = self._env(who) | {"TERM": "xterm-256color", "COLUMNS": "100", "LINES": "40"}
        process = subprocess.Popen([*argv, *words], env=env, stdin=other, stdout=other, stderr=other, cwd=self.base)
        os.close(other)
        seen = b""
        while True:
            ready, _, _ = select.select([main], [], [], 60)
            assert ready, seen
            try:
                piece = os.read(main, 65536)
            except OSError:  # EIO: the other side is closed
                break
            if not piece:
                break
            seen += piece
            if typed and b"[y/N]" in seen:
                os.write(main, typed.encode())
                typed = ""
        os.close(main)
        return Ran(process.wait(60), seen.decode("utf-8", "replace").replace("\r\n", "\n"))

    def until_interrupted(self, who: str, *words: str, shows: str, with_signal: int = signal.SIGINT) -> Ran:
        """Call something endless, send a signal once it has printed ``shows``, and return what it did then."""
        process = subprocess.Popen(
            [COMMAND, *words],
            env=self._env(who),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            cwd=self.base,
        )
        assert process.stdout is not None
        seen = ""
        for line in process.stdout:
            seen += line
            if shows in line:
                break
        time.sleep(0.3)
        process.send_signal(with_signal)
        out, err = process.communicate(timeout=60)
        return Ran(process.returncode, seen + out, err)

    def submit(self, name: str = "First", code: str = "print('hello')\n", **options: str) -> Path:
        source = self.base / "code.py"
        source.write_text(code, "utf-8")
        more = [word for key, value in options.items() for word in (f"--{key}", value)]
        self.ok(ADA, "submit", OMAR, str(source), "--name", name, *more)
        return self.job(name)

    def job(self, name: str, submitter: str = ADA) -> Path:
        return self.root / OMAR / "app_data" / "job" / submitter / name

    def done(self, name: str = "First", code: str = "print('hello')\n", *how: str) -> Path:
        """A job that was submitted, approved and run."""
        location = self.submit(name, code)
        self.ok(OMAR, "approve", name, "--yes", *how)
        self.ok(OMAR, "run", "--drain")
        return location

    def _env(self, who: str | None) -> dict[str, str]:
        said = {"SYFTBOX_FOLDER": str(self.root), "SYFTBOX_EMAIL": who} if who else {}
        # What a CI sets to keep colours out of its own log must not decide what a person's terminal shows.
        kept = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "PY_COLORS", "CI")}
        return kept | self.env | said


@pytest.fixture(scope="session")
def warm() -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, str(Path(__file__).with_name("warm.py"))]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8") as process:
        yield process


@pytest.fixture
def people(tmp_path: Path, warm: subprocess.Popen[str]) -> People:
    root = tmp_path / "box"
    for person in (ADA, OMAR, EVE):
        (root / person).mkdir(parents=True)
    return People(root, tmp_path, warm)
