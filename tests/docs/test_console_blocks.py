"""The console blocks of README and docs, run in order on a terminal: the output is the one that the page shows.

A line that begins with `$ ` is a command; the lines up to the next one are its expected output. In it, `…` on a line of
its own matches any lines, and inside a line any text; where no output is shown, none is compared. A command must exit
with 0, or with the code in a comment after it: `# exits with 1`.

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
_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


@dataclass(frozen=True)
class ShownCommand:
    """A command, its line in the page, and the output that the page shows below it."""

    line: int
    command: str
    shown: tuple[str, ...]

    @property
    def exit_code(self) -> int:
        match = _EXIT.search(self.command)
        return int(match[1]) if match else 0


def commands_of(page: Path) -> list[ShownCommand]:
    commands: list[ShownCommand] = []
    for block in blocks(page):
        if block.language != "console" or not block.is_to_run:
            continue
        for offset, line in enumerate(block.text.splitlines(), start=1):
            if line.startswith("$ "):
                commands.append(ShownCommand(block.line + offset, line[2:], ()))
            else:
                assert commands, f"{page_id(page)}:{block.line + offset}: output before any command"
                last = commands.pop()
                commands.append(ShownCommand(last.line, last.command, (*last.shown, line)))
    return commands


PAGES = [page for page in pages() if commands_of(page)]


class Shell:
    """A shell on a terminal of 110 columns, one process per command; variables and folder are kept between them."""

    def __init__(self, here: Path, state: Path, environment: dict[str, str]) -> None:
        self.here, self.state, self.environment = here, state, environment
        state.write_text("")

    def run(self, command: str) -> tuple[int, list[str]]:
        after = shlex.quote(str(self.state))
        save_state = f'{{ export -p; printf "cd %q\\n" "$PWD"; }} >{after}'
        script = f". {after}\n{command}\ncode=$?\n{save_state}\nexit $code\n"
        master_fd, slave_fd = pty.openpty()
        fcntl.ioctl(slave_fd, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 110, 0, 0))
        with subprocess.Popen(
            ["bash", "-c", script],
            cwd=self.here,
            env=self.environment,
            stdin=slave_fd,
            stdout=slave_fd,
            stderr=slave_fd,
        ) as process:
            os.close(slave_fd)
            output = b""
            try:
                while data := os.read(master_fd, 65536):
                    output += data
            except OSError:  # EIO: every process has closed the other end
                pass
            finally:
                os.close(master_fd)
        text = _ESCAPES.sub("", output.decode("utf-8", "replace").replace("\r\n", "\n"))
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
    """Return True if the lines are those shown; `…` matches any text or any lines."""
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
def test_the_commands_print_the_output_of_the_page(page: Path, shell: Shell):
    for command in commands_of(page):
        where = f"{page_id(page)}:{command.line}: {command.command}"
        code, lines = shell.run(command.command)
        printed = "\n".join(lines)
        assert code == command.exit_code, f"{where}\nexited with {code}:\n{printed}"
        shown = list(command.shown)
        while shown and not shown[-1].strip():
            shown.pop()
        if shown:
            while lines and not lines[-1]:
                lines.pop()
            expected = "\n".join(shown)
            assert matches(tuple(shown), lines), f"{where}\nshown:\n{expected}\n\nprinted:\n{printed}"


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
def test_a_wildcard_matches_any_text_or_lines(shown: tuple[str, ...], lines: list[str], expected: bool):
    assert matches(shown, lines) is expected
