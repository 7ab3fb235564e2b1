"""Text under locales that are not UTF-8: names on disk are UTF-8 all the same, and output falls back to ASCII.

The shared folder's names are UTF-8 for everybody. Under another locale Python would decode paths differently, so that
the folder in the configuration would not be found, and home and ledger would be taken for those of another folder.
"""

from __future__ import annotations

import codecs
import os
import re
import sys

_STREAMS_VARIABLE = "_SYFT_JOB_STREAMS"
"""From the process that found another locale to the one that it became: the encoding of the terminal."""
_HANDLER = "syft_job.ascii"
_GUTTER = re.compile(r" *[0-9]* ")


def use_utf8_for_names() -> None:
    """Become a process in Python's UTF-8 mode, unless the file system's encoding is UTF-8 already.

    Returns only where nothing is to be done. The arguments are decoded anew, from the bytes that were given.
    """
    if sys.getfilesystemencoding().lower() == "utf-8" or sys.flags.utf8_mode or not sys.executable:
        return
    os.environ[_STREAMS_VARIABLE] = sys.stdout.encoding if sys.stdout is not None else "ascii"
    os.execv(sys.executable, [sys.executable, "-X", "utf8", *sys.orig_argv[1:]])  # noqa: S606 - this very command


def prepare_streams() -> None:
    """Let no character stop an answer: what a stream cannot carry is written in ASCII."""
    codecs.register_error(_HANDLER, _in_ascii)
    encoding = os.environ.pop(_STREAMS_VARIABLE, None)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding=encoding, errors=_HANDLER)


def _in_ascii(error: UnicodeError) -> tuple[str, int]:
    """Write what cannot be encoded as ``<U+XXXX>``, like everything else that is not plainly visible.

    Nothing of a submitter may look like another character, so only our own rules and gutters, which are known by where
    they are in the line, become ASCII ones.
    """
    if not isinstance(error, UnicodeEncodeError):
        raise error
    signs = error.object[error.start : error.end]
    before = error.object[error.object.rfind("\n", 0, error.start) + 1 : error.start]
    if not before and set(signs) == {"─"}:
        return "-" * len(signs), error.end
    if signs == "│" and _GUTTER.fullmatch(before):
        return "|", error.end
    return "".join(f"<U+{ord(sign):04X}>" for sign in signs), error.end
