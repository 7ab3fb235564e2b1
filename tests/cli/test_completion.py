"""Completion, asked as shells ask it: through the protocol of the scripts, and with real shells at a terminal."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import shutil
import subprocess
import termios
import time
from pathlib import Path

import pytest

from syft_job.cli import completion

ADA, OMAR, EVE = "ada@example.org", "omar@example.org", "eve@example.org"
BREAKS = " \t\n\"'@><=;|&(:"
"""COMP_WORDBREAKS as bash has it by default."""


@pytest.fixture
def jobs(people):
    for name in ("Blood pressure", "Blood sugar", "Tides"):
        people.submit(name)
    people.ok(EVE, "submit", OMAR, str(people.base / "code.py"), "--name", "Tides")
    return people


def in_bash(people, typed: str, who: str | None = OMAR, **env: str) -> list[str]:
    ran = people.cold(who, f"syft-job {typed}", BREAKS, _SYFT_JOB_COMPLETE="bash", **env)
    assert (ran.code, ran.err) == (0, ""), ran
    return list(ran.out.splitlines())


def in_words(people, *words: str, who: str | None = OMAR, **env: str) -> dict[str, str]:
    ran = people.cold(who, *words, _SYFT_JOB_COMPLETE="words", **env)
    assert (ran.code, ran.err) == (0, ""), ran
    return {line.partition("\t")[0]: line.partition("\t")[2] for line in ran.out.splitlines()}


def test_job_names_are_completed_and_equal_ones_with_their_submitters(jobs):
    assert in_words(jobs, "show", "B") == {"Blood pressure": f"from {ADA}", "Blood sugar": f"from {ADA}"}
    assert list(in_words(jobs, "review", f"{ADA}/")) == [f"{ADA}/Blood pressure", f"{ADA}/Blood sugar"]
    assert list(in_words(jobs, "show", OMAR)) == [f"{OMAR}/{ADA}/Tides", f"{OMAR}/{EVE}/Tides"]
    assert in_words(jobs, "withdraw", "T", who=ADA) == {"Tides": f"to {OMAR}"}
    assert "Blood sugar" in in_words(jobs, "approve", "Tides", "Blood pressure", "")
    assert in_words(jobs, "show", "Tides", "") == {}, "show takes one job"


def test_commands_options_statuses_addresses_and_profiles_are_completed(jobs):
    assert in_words(jobs, "sub") == {"submit": "Submit code to the owner of a datasite."}
    assert {"--share-outputs", "--share-logs", "--share-with"} == set(in_words(jobs, "approve", "Tides", "--share-"))
    assert "--profile" in in_words(jobs, "list", "--pro")
    assert list(in_words(jobs, "list", "--status", "a")) == ["arriving", "approved"]
    assert list(in_words(jobs, "list", "--status=do")) == ["--status=done"]
    assert set(in_words(jobs, "share", "Tides", "")) == {ADA, OMAR, EVE}
    assert list(in_words(jobs, "--as", "a")) == [ADA]
    assert list(in_words(jobs, "clean", "--what", "w")) == ["workspaces"]
    assert list(in_words(jobs, "keys", "")) == ["list", "export", "rotate"]
    jobs.ok(OMAR, "init", "--save", "--profile", "clinic")
    assert in_words(jobs, "list", "--profile", "") == {"clinic": OMAR}
    assert list(in_words(jobs, "--profile", "clinic", "show", "Ti", who=None)) == []
    assert list(in_words(jobs, "--profile", "clinic", "show", "Bl", who=None)) == ["Blood pressure", "Blood sugar"]


def test_paths_are_left_to_the_shell(jobs):
    assert list(in_words(jobs, "submit", OMAR, "")) == [":files"]
    assert list(in_words(jobs, "outputs", "Tides", "--copy", "")) == [":directories"]
    assert list(in_words(jobs, "--root", "x")) == [":directories"]


def test_bash_gets_what_follows_its_last_word_break_and_quoted_as_the_word_is(jobs):
    assert in_bash(jobs, "show Blood\\ p") == ["Blood\\ pressure"]
    assert in_bash(jobs, 'show "Blood p') == ["Blood pressure"]
    assert in_bash(jobs, "show 'Blood p") == ["Blood pressure"]
    assert in_bash(jobs, "share Tides ada@") == ["@example.org"]
    assert in_bash(jobs, f"show {ADA}/Blood\\ s") == ["@example.org/Blood\\ sugar"]
    assert in_bash(jobs, "list --status=do") == ["done"]


@pytest.mark.parametrize("words", [(), ("show",), ("nonsense", ""), ("--root", "/nowhere", "show", ""), ("\0",)])
def test_completion_never_fails_loudly(people, words):
    in_words(people, *[word for word in words if "\0" not in word], who=None)
    Path(os.environ["SYFT_JOB_CONFIG"]).write_text("not toml [")
    in_words(people, *[word for word in words if "\0" not in word])
    assert in_bash(people, "show '") == []


def test_a_folder_that_does_not_respond_has_no_candidates(monkeypatch, capsys):
    monkeypatch.setattr(completion, "TIMEOUT_S", 0.05)
    monkeypatch.setattr(completion, "_candidates", lambda words: time.sleep(5))
    begin = time.monotonic()
    completion.complete("words", ["show", ""])
    assert time.monotonic() - begin < 4
    assert capsys.readouterr().out == ""


def test_names_that_a_terminal_cannot_show_are_not_completed(people):
    people.submit("Good")
    (people.job("Good").parent / "evil\x1b[2J").mkdir()
    (people.job("Good").parent / "two\nlines").mkdir()
    assert list(in_words(people, "show", "")) == ["Good", f"{ADA}/Good"]


def test_completion_loads_nothing_heavy(people):
    people.submit("Good")
    code = (
        "import sys\nfrom syft_job.cli import main\nmain(['show', ''])\n"
        "print(*sorted({name.partition('.')[0] for name in sys.modules} "
        "& {'rich', 'jinja2', 'watchdog', 'wcmatch', 'pydantic', 'cryptography'}))"
    )
    ran = people.cold(OMAR, argv=(people.python, "-c", code), _SYFT_JOB_COMPLETE="words")
    assert ran.out.splitlines()[0].startswith("Good")
    assert ran.out.splitlines()[-1] == "", ran


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_script_is_one_of_its_shell(people, shell):
    script = people.cold(None, "completion", shell).out
    assert script.count(f"syft-job completion {shell}") >= 2, "it says how to install it"
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"{shell} is not installed")
    subprocess.run([program, "-n"], input=script, encoding="utf-8", check=True, timeout=30)


class Terminal:
    """An interactive shell, with a `syft-job` that completes as always, and prints its arguments when it is called."""

    def __init__(self, people, command: list[str], setup: str) -> None:
        self._main, other = pty.openpty()
        env = people._env(OMAR) | {"TERM": "dumb", "HOME": str(people.base), "ZDOTDIR": str(people.base)}
        env["PATH"] = f"{Path(people.command).parent}:{os.environ['PATH']}"
        self.shell = subprocess.Popen(
            command,
            env=env,
            stdin=other,
            stdout=other,
            stderr=other,
            cwd=people.base,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # noqa: PLW1509 - fish needs a controlling terminal
        )
        os.close(other)
        self._type(f"{setup}; echo rea''dy\n")
        self._read_until("ready")

    def arguments_of(self, typed: str) -> str:
        """Type a line with tabs, and return the arguments that the program gets."""
        for piece in filter(None, re.split(r"(\t)", f"syft-job {typed}")):
            self._type(piece)
            self._read_until_quiet()
        self._type("\n")
        return str(re.findall(r"<begin>(.*?)<end>", self._read_until("<end>"))[-1])

    def close(self) -> None:
        self.shell.kill()
        self.shell.wait()
        os.close(self._main)

    def _type(self, text: str) -> None:
        os.write(self._main, text.encode())

    def _read(self, timeout_s: float) -> str:
        ready, _, _ = select.select([self._main], [], [], timeout_s)
        return os.read(self._main, 65536).decode("utf-8", "replace") if ready else ""

    def _read_until(self, expected: str) -> str:
        screen = ""
        while expected not in screen:
            more = self._read(30)
            assert more, screen
            screen += more
        return screen

    def _read_until_quiet(self) -> None:
        """Read what the shell prints to show a completion; what is typed before may be lost."""
        self._read(10)
        while self._read(0.4):
            pass


DEFINITION = """syft-job() {
    if [ -n "$_SYFT_JOB_COMPLETE" ]; then command syft-job "$@"
    else printf '<beg''in>'; printf '[%s]' "$@"; echo '<e''nd>'; fi
}"""
SHELLS = {
    "bash": (
        ["bash", "--norc", "--noprofile", "-i"],
        f'eval "$(command syft-job completion bash)"; {DEFINITION}',
    ),
    "zsh": (
        ["zsh", "-f", "-i"],
        f'autoload -Uz compinit; compinit -D; eval "$(command syft-job completion zsh)"; {DEFINITION}',
    ),
    "fish": (
        ["fish", "--no-config", "-i"],
        (
            "command syft-job completion fish | source;"
            " function syft-job; printf '<beg''in>'; printf '[%s]' $argv; echo '<e''nd>'; end"
        ),
    ),
}


@pytest.mark.parametrize("shell", SHELLS)
def test_a_real_shell_completes_names_with_spaces_and_addresses(jobs, shell: str):
    command, setup = SHELLS[shell]
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    terminal = Terminal(jobs, command, setup)
    try:
        assert terminal.arguments_of("show Blood\\ p\t") == "[show][Blood pressure]"
        assert terminal.arguments_of(f"review {ADA}/Blood\\ s\t") == f"[review][{ADA}/Blood sugar]"
        assert terminal.arguments_of("share Tides om\t--lo\t") == f"[share][Tides][{OMAR}][--logs]"
        assert terminal.arguments_of("share Tides ada@\t") == f"[share][Tides][{ADA}]"
        assert terminal.arguments_of('withd\t"Blood s\t') == "[withdraw][Blood sugar]"
    finally:
        terminal.close()
