"""The command line: one verb, one function, one public method behind it.

Each row of the table of verbs has a file: `starting`, `asking`, `deciding`, `running`, `looking`. What they share is
in `frame`. Libraries are imported inside the verbs that need them, because every call is a new process.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib import import_module

VERBS = {
    "setup": ("init", "doctor", "demo", "keys"),
    "submit": ("submit", "withdraw", "outputs"),
    "decide": ("list", "review", "approve", "reject", "deposit", "share"),
    "run": ("run", "pause", "resume", "cancel", "rerun", "clean"),
    "inspect": ("show", "logs", "history", "verify"),
}
"""Which file has which verbs, so that a call loads the one file that it needs."""
_loaded: set[str] = set()


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command and leave the process with its exit code: 0 done, 1 refused or failed, 2 misuse, 3 not found."""
    from .encoding import prepare_streams, use_utf8_for_names

    if arguments is None:
        use_utf8_for_names()
    prepare_streams()
    from .context import app, globals_first, verb_in

    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")  # looking for them would cost each call 10 ms
    words = globals_first(sys.argv[1:] if arguments is None else arguments)
    wanted = [room for room, verbs in VERBS.items() if verb_in(words) in verbs]
    for room in wanted or VERBS:  # what is no verb gets the help about all of them
        if room not in _loaded:
            _loaded.add(room)
            import_module(f".{room}", __name__).add_to(app)
    app(words, prog_name="syft-job")
