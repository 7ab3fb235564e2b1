"""strace, for tests that need to be inside a program's system calls: whether it may trace here."""

from __future__ import annotations

import shutil
import subprocess


def why_not(how: str) -> str | None:
    """Why it cannot trace here with the option ``how``; None where it can."""
    strace = shutil.which("strace")
    if strace is None:
        return "strace is not installed. Install the package strace."
    tried = subprocess.run([strace, how, "-qq", "-o", "/dev/null", "/bin/true"], capture_output=True, check=False)
    return None if tried.returncode == 0 else f"strace may not trace here: {tried.stderr.decode(errors='replace')}"
