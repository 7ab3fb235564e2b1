"""What stands between a job and its owner's machine: a command in, a wrapped command out.

`bubblewrap` gives a job a world of its own: no network, no view of anybody's files, its own processes only. `bare`
gives it nothing but a directory and an environment. This room knows how a command is wrapped, what that contains and
what not, and whether this host can do it; it starts no jobs and decides nothing.
"""

from .bare import Bare, bare
from .base import STANDARD_PATH, Containment, Sandbox, Workspace, clean_env
from .bubblewrap import DROPPED_USER, INSIDE, TEMPORARY_BYTES, Bubblewrap, bubblewrap
from .detect import (
    SYSTEM_PYTHON,
    best_available,
    by_name,
    describe,
    forget_findings,
    host_state,
    probed_at,
    usable_interpreter,
    why_not,
)
from .protected import ProtectedPlace, places_of, places_of_user

__all__ = [
    "DROPPED_USER",
    "INSIDE",
    "STANDARD_PATH",
    "SYSTEM_PYTHON",
    "TEMPORARY_BYTES",
    "Bare",
    "Bubblewrap",
    "Containment",
    "ProtectedPlace",
    "Sandbox",
    "Workspace",
    "bare",
    "best_available",
    "bubblewrap",
    "by_name",
    "clean_env",
    "describe",
    "forget_findings",
    "host_state",
    "places_of",
    "places_of_user",
    "probed_at",
    "usable_interpreter",
    "why_not",
]
