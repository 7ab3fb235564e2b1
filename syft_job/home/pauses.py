"""Which submitters are paused: their approved jobs are not started until the owner resumes them."""

from __future__ import annotations

from syft_job import fs
from syft_job.model import names

from .paths import HomePaths

EVERYONE = "*"
"""Stands for all submitters."""


def read_pauses(paths: HomePaths) -> frozenset[str]:
    """Return the paused submitters: addresses, or `EVERYONE`."""
    try:
        return frozenset(paths.pauses.read_text("utf-8").split())
    except FileNotFoundError:
        return frozenset()


def write_pauses(paths: HomePaths, submitters: frozenset[str]) -> None:
    """Replace the list of paused submitters; call it under the home's lock.

    Raises:
        StoreError: the home cannot be written.
    """
    with fs.open_directory(paths.home) as dir_fd:
        content = "".join(f"{submitter}\n" for submitter in sorted(submitters))
        fs.write_file(dir_fd, paths.pauses.name, content.encode(), mode=0o600)


def parse_submitter(text: str) -> str:
    """Return ``text`` as a normal address, or `EVERYONE`.

    Raises:
        InvalidName: it is neither.
    """
    return text if text == EVERYONE else names.normalize_address(text)


def describe_pauses(paused: frozenset[str]) -> str:
    """Return one line that names the paused submitters and how to resume them."""
    submitters = "everybody" if EVERYONE in paused else ", ".join(sorted(paused))
    return f"paused: approved jobs of {submitters} are not started until syft-job resume"
