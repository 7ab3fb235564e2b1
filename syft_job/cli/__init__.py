"""The command line: one command, one function, one public method behind it.

`commands` is the table of all commands and of the module that each is in. Each call is a new process, so `main` imports
only the module of the command that is called, and heavy libraries are imported inside the commands that need them.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib import import_module

_registered: set[str] = set()


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command and leave the process with its exit code: 0 done, 1 refused or failed, 2 misuse, 3 not found."""
    from .encoding import prepare_streams, use_utf8_for_names

    if arguments is None:
        use_utf8_for_names()
    prepare_streams()
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")  # looking for them would cost each call 10 ms
    words = list(sys.argv[1:] if arguments is None else arguments)
    if "_SYFT_JOB_COMPLETE" in os.environ:  # set by the scripts of `syft-job completion`
        from .completion import complete

        complete(os.environ["_SYFT_JOB_COMPLETE"], words)
        return

    from .app import app
    from .arguments import command_in, globals_first
    from .commands import BY_NAME, modules

    words = globals_first(words)
    command = command_in(words)
    entry = BY_NAME.get(command or "")
    before = words[: words.index(command)] if command else words
    if entry is not None and not {"-h", "--help"}.intersection(before):
        register(entry.module)
    elif "--version" not in before:  # the help and the suggestions for a misspelt command need all
        for module in modules():
            register(module)
    app(words, prog_name="syft-job")


def register(module: str) -> None:
    """Import a module of commands and add these to the application, once."""
    from .app import app

    if module not in _registered:
        _registered.add(module)
        import_module(f".{module}", __name__).add_to(app)
