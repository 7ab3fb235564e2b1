"""Text under locales that are not UTF-8: names on disk are UTF-8 nevertheless, and output falls back to ASCII.

The names in the shared folder are UTF-8 for all participants. Under another locale Python would decode paths
differently: the configured folder would not be found, and home and ledger would be taken for those of another folder.
"""

from __future__ import annotations

import codecs
import os
import re
import sys

_STREAMS_VARIABLE = "_SYFT_JOB_STREAMS"
"""Passes the encoding of the terminal from the process with another locale to the one that replaces it."""
_HANDLER = "syft_job.ascii"
_GUTTER = re.compile(r" *[0-9]* ")


def use_utf8_for_names() -> None:
    """Restart this process in Python's UTF-8 mode, unless the file system's encoding is UTF-8 already.

    Returns only where no restart is needed. The new process decodes the arguments again from their bytes.
    """
    if sys.getfilesystemencoding().lower() == "utf-8" or sys.flags.utf8_mode or not sys.executable:
        return
    os.environ[_STREAMS_VARIABLE] = sys.stdout.encoding if sys.stdout is not None else "ascii"
    os.execv(sys.executable, [sys.executable, "-X", "utf8", *sys.orig_argv[1:]])  # noqa: S606 - this very command


def prepare_streams() -> None:
    """Make stdout and stderr write in ASCII what their encoding cannot represent, instead of failing."""
    codecs.register_error(_HANDLER, _in_ascii)
    encoding = os.environ.pop(_STREAMS_VARIABLE, None)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding=encoding, errors=_HANDLER)


def _in_ascii(error: UnicodeError) -> tuple[str, int]:
    """Write what cannot be encoded as ``<U+XXXX>``, like all text that is not plainly visible.

    No character of a submitter may look like another one. So only the rules and gutters that this program draws, which
    are recognized by their position in the line, become ASCII ones.
    """
    if not isinstance(error, UnicodeEncodeError):
        raise error
    characters = error.object[error.start : error.end]
    before = error.object[error.object.rfind("\n", 0, error.start) + 1 : error.start]
    if not before and set(characters) == {"─"}:
        return "-" * len(characters), error.end
    if characters == "│" and _GUTTER.fullmatch(before):
        return "|", error.end
    return "".join(f"<U+{ord(character):04X}>" for character in characters), error.end
