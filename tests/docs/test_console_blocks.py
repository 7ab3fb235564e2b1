"""The console blocks of README and docs, run in order on a terminal: what is shown is what comes.

A line that begins with `$ ` is typed; the lines up to the next one are what must be printed. There, `…` on a line of
its own stands for any lines, and inside a line for any text; where nothing is shown, nothing is compared. A command
must end with 0, or as a comment after it says: `# exits with 1`.

The blocks of one page share a shell's variables and folder. They begin in a copy of the checkout's `examples`.
"""

from __future__ import annotations

import fcntl
import os
import pty
import re
import shlex
import shutil
import struct
import subprocess
import sys
import termios
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.docs.pages import ROOT, blocks, page_id, pages

ANY = "…"
_EXIT = re.compile(r"# exits with (\d+)\s*$")
_MOVES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


@dataclass(frozen=True)
class Typed:
    """A command, the line that it stands in, and the lines that are shown below it."""

    line: int
    command: str
    shown: tuple[str, ...]

    @property
    def exit_code(self) -> int:
        found = _EXIT.search(self.command)
        return int(found[1]) if found else 0


def typed(page: Path) -> list[Typed]:
    found: list[Typed] = []
    for block in blocks(page):
        if block.language != "console" or not block.is_to_run:
            continue
        for offset, line in enumerate(block.text.splitlines(), start=1):
            if line.startswith("$ "):
                found.append(Typed(block.line + offset, line[2:], ()))
            else:
                assert found, f"{page_id(page)}:{block.line + offset}: output before any command"
                last = found.pop()
                found.append(Typed(last.line, last.command, (*last.shown, line)))
    return found


PAGES = [page for page in pages() if typed(page)]


class Shell:
    """A shell on a terminal of 110 columns, one process a command; variables and folder carry over."""

    def __init__(self, here: Path, state: Path, environment: dict[str, str]) -> None:
        self.here, self.state, self.environment = here, state, environment
        state.write_text("")

    def run(self, command: str) -> tuple[int, list[str]]:
        after = shlex.quote(str(self.state))
        remember = f'{{ export -p; printf "cd %q\\n" "$PWD"; }} >{after}'
        script = f". {after}\n{command}\ncode=$?\n{remember}\nexit $code\n"
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 110, 0, 0))
        with subprocess.Popen(
            ["bash", "-c", script], cwd=self.here, env=self.environment, stdin=theirs, stdout=theirs, stderr=theirs
        ) as process:
            os.close(theirs)
            said = b""
            try:
                while data := os.read(ours, 65536):
                    said += data
            except OSError:  # EIO: everybody has closed the other end
                pass
            finally:
                os.close(ours)
        text = _MOVES.sub("", said.decode("utf-8", "replace").replace("\r\n", "\n"))
        return process.returncode, [line.rstrip() for line in text.splitlines()]


@pytest.fixture
def shell(tmp_path: Path, private_side: Path) -> Shell:
    here, home = tmp_path / "checkout", tmp_path / "user"
    here.mkdir()
    home.mkdir()
    shutil.copytree(ROOT / "examples", here / "examples", ignore=shutil.ignore_patterns("__pycache__"))
    kept = {name: os.environ[name] for name in os.environ if name.startswith(("SYFT_JOB_", "XDG_", "COVERAGE_"))}
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    plain = {"HOME": str(home), "PATH": path, "LANG": "C.UTF-8", "TERM": "xterm", "NO_COLOR": "1"}
    return Shell(here, tmp_path / "state", kept | plain)


def matches(shown: tuple[str, ...], lines: list[str]) -> bool:
    """Whether the lines are those shown, `…` standing for any text or any lines."""
    if not shown:
        return not lines
    first, *rest = shown
    if first.strip() == ANY:
        return any(matches(tuple(rest), lines[skip:]) for skip in range(len(lines) + 1))
    if not lines:
        return False
    pattern = ".*".join(re.escape(part) for part in first.rstrip().split(ANY))
    return re.fullmatch(pattern, lines[0]) is not None and matches(tuple(rest), lines[1:])


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_the_commands_do_what_is_shown(page: Path, shell: Shell):
    for one in typed(page):
        where = f"{page_id(page)}:{one.line}: {one.command}"
        code, lines = shell.run(one.command)
        told = "\n".join(lines)
        assert code == one.exit_code, f"{where}\nended with {code}:\n{told}"
        shown = list(one.shown)
        while shown and not shown[-1].strip():
            shown.pop()
        if shown:
            while lines and not lines[-1]:
                lines.pop()
            wanted = "\n".join(shown)
            assert matches(tuple(shown), lines), f"{where}\nshown:\n{wanted}\n\nprinted:\n{told}"


def test_the_tutorial_is_run():
    assert ROOT / "docs" / "tutorial.md" in PAGES


@pytest.mark.parametrize(
    ("shown", "lines", "expected"),
    [
        (("a",), ["a"], True),
        (("a",), ["a", "b"], False),
        (("a", ANY), ["a", "b", "c"], True),
        ((ANY, "c"), ["a", "b", "c"], True),
        ((ANY, "d"), ["a", "b", "c"], False),
        (("id …, …",), ["id 12, x"], True),
        (("id … x",), ["id 12 y"], False),
        (("a",), [], False),
    ],
)
def test_a_wildcard_stands_for_any_text_or_lines(shown: tuple[str, ...], lines: list[str], expected: bool):
    assert matches(shown, lines) is expected
