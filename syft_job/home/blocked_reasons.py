"""Why approved jobs are blocked: one file for each submission in the home, written by the runner.

The full reason stays here; the submitter reads only its category (`model.blocked_reason`).
"""

from __future__ import annotations

from syft_job import fs
from syft_job.model.blocked_reason import Blocked

from .paths import HomePaths


def read_blocked(paths: HomePaths, submission_id: str) -> Blocked | None:
    """Return why the runner could not start a submission when it last tried; None if it is not blocked."""
    try:
        return Blocked.from_text(paths.blocked_reason(submission_id).read_text("utf-8").strip())
    except FileNotFoundError:
        return None


def write_blocked(paths: HomePaths, submission_id: str, blocked: Blocked | None) -> None:
    """Record why a submission is blocked, or with None that it is not any more.

    Raises:
        StoreError: the home cannot be written.
    """
    fs.make_directory(paths.blocked_reasons, mode=0o700)
    with fs.open_directory(paths.blocked_reasons) as dir_fd:
        if blocked is None:
            fs.remove(dir_fd, submission_id)
        else:
            data = blocked.to_text().encode("utf-8", "backslashreplace") + b"\n"
            fs.write_file(dir_fd, submission_id, data, mode=0o600)
