"""Findings: typed observations about a submission, each with a code, a severity, a message and a location."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from .text import escape_line


class Severity(StrEnum):
    """How much a finding matters for the decision."""

    NOTICE = "notice"
    """Worth knowing; ordinary files can have it."""
    WARNING = "warning"
    """The text can be misread."""
    DANGER = "danger"
    """What would be executed is not what the text shows."""


class FindingCode(StrEnum):
    """What was observed: a closed list that later releases extend."""

    ENCODING = "encoding"
    """A Python file declares another encoding than UTF-8 (PEP 263)."""
    BYTE_ORDER_MARK = "byte-order-mark"
    """The file begins with a byte order mark."""
    NOT_UTF8 = "not-utf-8"
    """A line has bytes that are no UTF-8."""
    NUL = "nul"
    """A line has a NUL byte, which bash ignores."""
    CARRIAGE_RETURN = "carriage-return"
    """A line has a carriage return that does not end it; Python begins a new line there."""
    CRLF = "crlf"
    """A line of a script ends with CR LF; bash takes the CR for a part of the command."""
    FORM_FEED = "form-feed"
    """A line has a form feed or vertical tab, which resets Python's indentation."""
    BIDI_CONTROL = "bidi-control"
    """A line has a character that reorders the text on display ("trojan source", CVE-2021-42574)."""
    RIGHT_TO_LEFT = "right-to-left"
    """A line of a script has letters that are written from right to left; terminals may reorder what is around them."""
    INVISIBLE = "invisible"
    """A line has other characters that are not plainly visible."""
    PUSHED_RIGHT = "pushed-right"
    """A line has code after so many spaces that it may be out of sight."""
    PUSHED_DOWN = "pushed-down"
    """Code follows after so many empty lines that it may be out of sight."""
    MIXED_SCRIPTS = "mixed-scripts"
    """A word mixes letters of scripts that are not written together."""
    LOOKALIKE = "lookalike"
    """A word of another script looks like a Latin one."""
    LOOKALIKE_SIGN = "lookalike-sign"
    """A line has a sign that looks like one that bash or Python obeys, such as a quotation mark, and is another."""
    NORMALISED = "normalised"
    """Python runs an identifier under another spelling (NFKC, PEP 3131)."""
    BINARY_ENTRYPOINT = "binary-entrypoint"
    """The file that is started is no readable text."""
    ZIP_ARCHIVE = "zip-archive"
    """Python runs the archive in a file, whatever text precedes it."""
    EXECUTABLE_BINARY = "executable-binary"
    """Python or the system can execute this unreadable file."""
    STARTUP_FILE = "startup-file"
    """Python or bash executes a file of this name without being instructed to."""
    START_SCRIPT = "start-script"
    """``run.sh`` of a Python job is not the one that syft_job writes, so it may start something else."""
    FILE_NAME = "file-name"
    """The path is not plainly visible or can be misread."""


@dataclass(frozen=True, slots=True, order=True)
class Location:
    """A path inside the job, and a line counted from 1, or 0 for the whole file."""

    path: str
    line: int = 0

    def __str__(self) -> str:
        path = escape_line(self.path)
        return f"{path}:{self.line}" if self.line else path


@dataclass(frozen=True, slots=True)
class Finding:
    """One observation about a submitted file.

    Attributes:
        code: what was observed.
        severity: how much it matters for the decision.
        message: the observation for people, safe to display.
        location: path and line.
    """

    code: FindingCode
    severity: Severity
    message: str
    location: Location

    def __str__(self) -> str:
        return f"{self.location}: {self.message}"

    def to_json(self) -> dict[str, Any]:
        """Return the finding as JSON; ``line`` is null for the whole file."""
        return {
            "code": self.code.value,
            "severity": self.severity.value,
            "message": self.message,
            "path": self.location.path,
            "line": self.location.line or None,
        }
