"""A runner that serves in a thread while a test goes on."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from syft_job.runner import JobRunner

PATIENCE = 60.0
"""Seconds; far more than anything needs that a test waits for, on a busy machine, too."""


def until(holds: Callable[[], object], what: str = "it comes about") -> None:
    """Wait until something holds; fail and say for what when it never does."""
    end = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < end, f"waited in vain: {what}"
        time.sleep(0.01)


@contextmanager
def serving(runner: JobRunner, is_up: Callable[[], object]) -> Iterator[JobRunner]:
    """Let ``runner`` serve in a thread from when it is up; it ends without an error, or the test fails."""
    stop = threading.Event()
    failed: list[BaseException] = []

    def loop() -> None:
        try:
            runner.run(stop)
        except BaseException as error:  # noqa: BLE001 - told by the test's own thread
            failed.append(error)

    thread = threading.Thread(target=loop)
    thread.start()
    try:
        until(lambda: failed or is_up(), "the runner serves")  # one that cannot begin says so and ends
        yield runner
    except BaseException as error:
        error.add_note(f"the runner ended with {failed}" if failed else "the runner served all the time")
        raise
    finally:
        stop.set()
        thread.join(PATIENCE)
        assert not thread.is_alive()
    assert not failed, failed
