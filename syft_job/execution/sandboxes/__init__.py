"""Sandboxes: wrap a job's command so that it is contained, and describe how far it is.

`bubblewrap` isolates a job: no network, no files but its own copy, declared data and the system's programs, and only
its own processes. `bare` gives it a directory and an environment and contains nothing. This package knows how a command
is wrapped, what the wrapping contains, and which sandbox works on this host; it starts no jobs and decides nothing.
"""

from .bare import Bare, bare
from .base import STANDARD_PATH, Containment, Sandbox, Workspace, clean_env
from .bubblewrap import DROPPED_USER, JOB_ROOT, MAX_TEMPORARY_BYTES, Bubblewrap, bubblewrap
from .detect import (
    SYSTEM_PYTHON,
    best_available,
    clear_probe_cache,
    describe,
    get_sandbox,
    host_state,
    probed_at,
    unavailable_reason,
    usable_interpreter,
)
from .protected import ProtectedPath, protected_paths, user_protected_paths

__all__ = [
    "DROPPED_USER",
    "JOB_ROOT",
    "MAX_TEMPORARY_BYTES",
    "STANDARD_PATH",
    "SYSTEM_PYTHON",
    "Bare",
    "Bubblewrap",
    "Containment",
    "ProtectedPath",
    "Sandbox",
    "Workspace",
    "bare",
    "best_available",
    "bubblewrap",
    "clean_env",
    "clear_probe_cache",
    "describe",
    "get_sandbox",
    "host_state",
    "probed_at",
    "protected_paths",
    "unavailable_reason",
    "usable_interpreter",
    "user_protected_paths",
]
