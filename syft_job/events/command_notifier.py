"""Telling another program that something happened to a job: its id and one word, and nothing that anybody wrote.

The program is started without a shell, with next to no environment, and never waited for by the runner. What it does is
its own business; that it cannot be started, fails or takes too long is told once.
"""

from __future__ import annotations

import os
import queue
import shlex
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

from syft_job.errors import ConfigError
from syft_job.model.job_record import StatusTransition

AT_ONCE = 4
WAITING = 1000
"""How many notes wait at most; more are dropped, and that is told."""

SECONDS = 30.0
"""How long the program may take for one note before it is ended."""

_KEPT = ("PATH", "HOME", "USER", "LOGNAME", "LANG", "TZ", "XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS")


def command_of(text: str) -> tuple[str, ...]:
    """Split a command as a shell would, and find its program.

    Raises:
        ConfigError: it is empty, a quotation is not closed, or there is no such program.
    """
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise ConfigError(f"The command {text!r} cannot be split into words: {error}.") from error
    program = shutil.which(words[0]) if words else None
    if program is None:
        raise ConfigError(
            f"There is no program {words[0]!r} to notify." if words else "The command to notify is empty."
        )
    return (os.path.abspath(program), *words[1:])


class CommandNotifier:
    """Starts a program for each move of a job, with the job's id and one word: the new state, or "released".

    At most `AT_ONCE` of them run at a time. A note is a hint to look, and may come twice.

    Args:
        command: the program and its first arguments.
        say: called with one line where something is wrong with it, from another thread.
        seconds: how long the program may take for one note.
    """

    def __init__(self, command: Sequence[str], say: Callable[[str], object], *, seconds: float = SECONDS) -> None:
        self._command = tuple(command)
        self._say = say
        self._seconds = seconds
        self._waiting: queue.Queue[tuple[str, str] | None] = queue.Queue(WAITING)
        self._told: set[str] = set()
        self._guard = threading.Lock()
        self._running: set[subprocess.Popen[bytes]] = set()
        self._hands: list[threading.Thread] = []
        self._is_over = False

    def note(self, move: StatusTransition) -> None:
        """Take note of a move; returns at once."""
        word = move.new_state.value if move.old_state is not move.new_state else move.reason
        try:
            self._waiting.put_nowait((move.job_id, word))
        except queue.Full:
            self._trouble("full", f"more than {WAITING} notes wait for it, so some are left out")
            return
        if len(self._hands) < AT_ONCE:
            self._hands.append(threading.Thread(target=self._work, name="notify", daemon=True))
            self._hands[-1].start()

    def settle(self, seconds: float) -> bool:
        """Wait at most ``seconds`` until everything that was noted has been told; whether it has."""
        with self._waiting.all_tasks_done:
            return self._waiting.all_tasks_done.wait_for(lambda: not self._waiting.unfinished_tasks, seconds)

    def close(self, seconds: float = SECONDS) -> None:
        """Wait at most ``seconds`` for what is still to be told, then end what is left of it."""
        until = time.monotonic() + seconds
        for _ in self._hands:
            try:
                self._waiting.put(None, timeout=max(0.0, until - time.monotonic()))
            except queue.Full:
                break
        for hand in self._hands:
            hand.join(max(0.0, until - time.monotonic()))
        if not any(hand.is_alive() for hand in self._hands):
            return
        with self._guard:
            self._is_over = True
            for process in self._running:
                _end(process)
        self._trouble("left", "not everything could be told to it before the end")

    def _work(self) -> None:
        while (note := self._waiting.get()) is not None and not self._is_over:
            self._tell(*note)
            self._waiting.task_done()

    def _tell(self, job: str, word: str) -> None:
        environment = {name: os.environ[name] for name in _KEPT if name in os.environ}
        try:
            with self._guard:
                if self._is_over:
                    return
                process = subprocess.Popen(
                    [*self._command, job, word],
                    env=environment,
                    cwd="/",
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    start_new_session=True,
                )
                self._running.add(process)
        except OSError as error:
            self._trouble("missing", f"it cannot be started: {error.strerror}")
            return
        try:
            code = process.wait(self._seconds)
        except subprocess.TimeoutExpired:
            _end(process)
            process.wait()
            self._trouble("slow", f"it took longer than {self._seconds:g} s and was ended")
        else:
            if code:
                self._trouble("failed", f"it ended with {code}")
        finally:
            with self._guard:
                self._running.discard(process)

    def _trouble(self, kind: str, words: str) -> None:
        with self._guard:
            if kind in self._told:
                return
            self._told.add(kind)
        self._say(f"⚠ notify {self._command[0]}: {words}. This is told once; jobs are not held up by it.")


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a program and what it started in its own session."""
    if process.poll() is None:
        with suppress(ProcessLookupError):  # another thread saw its end just now
            os.killpg(process.pid, signal.SIGKILL)
