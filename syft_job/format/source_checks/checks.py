"""Check one submitted file, given its path and bytes, for what a reader of it could miss.

Every file is checked for characters that the review escapes. Scripts are also checked for what the interpreter reads
differently from a person. The cost is one pass over the bytes and a closer look at lines that are not printable ASCII.
At most `MAX_LINES_PER_CODE` lines are reported for each kind of finding; the last one states how many more there are.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from itertools import islice
from typing import Final

from syft_job.model.findings import Finding, FindingCode, Location, Severity
from syft_job.model.text import escape_character, escape_text
from syft_job.model.unicode_tables import TYPOGRAPHIC_QUOTES

from .binary import (
    SCRIPT_SUFFIXES,
    archive_in,
    executable_kind,
    is_clearly_binary,
    replaces_source,
    startup_reason,
    suffix_of,
)
from .words import SIGN_OF, misreading_of, word_problem, words_of

MAX_LINES_PER_CODE: Final = 10
_COLUMNS_IN_SIGHT: Final = 200
_SPACES_THAT_PUSH: Final = 60
_TAB_WIDTH: Final = 8
_EMPTY_LINES_THAT_PUSH: Final = 100

_COOKIE: Final = re.compile(rb"[ \t\f]*#[^\r\n]*?coding[:=][ \t]*([-\w.]+)")
_BLANK_OR_COMMENT: Final = re.compile(rb"[ \t\f]*(?:#[^\r\n]*)?")
_LINE_END: Final = re.compile(rb"\r\n|\r|\n")
_SPACES: Final = re.compile(r"[ \t]{8,}")
_MAX_ENCODING_NAME_CHARACTERS: Final = 80
_BIDI: Final = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_RIGHT_TO_LEFT: Final = re.compile(
    "[\u05be-\u08ff\ufb1d-\ufdff\ufe70-\ufefc\U00010800-\U00010fff\U0001e800-\U0001efff]"
)
_NUL, _CR, _FEED = "\0", "\r", re.compile("[\f\v]")
_UNDECODABLE: Final = re.compile("[\udc80-\udcff]")
_BOM: Final = "\ufeff"

_WIDE: Final = re.compile("[\u3000-\u303f\u3041-\u30ff\u3105-\u312f\u3400-\u9fff\uac00-\ud7a3\U00020000-\U0003ffff]")
"""Scripts in whose text fullwidth signs are ordinary."""


def is_script(path: str, data: bytes, entrypoint: str | None = None) -> bool:
    """Return True if bash, Python or the system may be meant to execute this file, judged by name and first bytes.

    Args:
        path: the path inside the job.
        data: the content, or its beginning.
        entrypoint: the path inside the job of the file that is started, next to ``run.sh``.
    """
    return path in ("run.sh", entrypoint) or suffix_of(path) in SCRIPT_SUFFIXES or data.startswith(b"#!")


def reviewable_text(path: str, data: bytes, entrypoint: str | None = None) -> str | None:
    """Return the content as text for a review, undecodable bytes as backslash escapes; None for binary data.

    A script is text whatever its bytes are: one byte must not hide what would be executed.
    """
    if not is_script(path, data, entrypoint) and is_clearly_binary(data):
        return None
    return data.decode("utf-8", "backslashreplace")


def check_file(path: str, data: bytes, entrypoint: str | None = None) -> tuple[Finding, ...]:
    """Return the findings about one file in the order of their lines; see `is_script` for the arguments."""
    script = is_script(path, data, entrypoint)
    findings = [*_name_findings(path), *_binary_findings(path, data, entrypoint), *_encoding_findings(path, data)]
    if script or not is_clearly_binary(data):
        findings += _text_findings(path, data, is_script=script)
    return tuple(sorted(findings, key=lambda finding: finding.location.line))


def _name_findings(path: str) -> Iterator[Finding]:
    if (reason := misreading_of(path)) is not None:
        message = f"the name of the file can be misread: {reason}"
        yield Finding(FindingCode.FILE_NAME, Severity.WARNING, message, Location(path))


def _binary_findings(path: str, data: bytes, entrypoint: str | None) -> Iterator[Finding]:
    is_started = path in ("run.sh", entrypoint)
    archive = archive_in(data)
    kind = executable_kind(path, data)
    if archive:
        severity = Severity.DANGER if is_script(path, data, entrypoint) else Severity.WARNING
        message = f"{archive}; Python runs the archive's code where it is given this file, whatever text precedes it"
        yield Finding(FindingCode.ZIP_ARCHIVE, severity, message, Location(path))
    elif kind:
        code = FindingCode.BINARY_ENTRYPOINT if is_started else FindingCode.EXECUTABLE_BINARY
        severity = Severity.DANGER if is_started or replaces_source(path) else Severity.WARNING
        yield Finding(code, severity, f"{kind}; it can be executed and cannot be reviewed", Location(path))
    elif is_started and is_clearly_binary(data):
        message = "the file that is started is no readable text"
        yield Finding(FindingCode.BINARY_ENTRYPOINT, Severity.DANGER, message, Location(path))
    if reason := startup_reason(path):
        yield Finding(FindingCode.STARTUP_FILE, Severity.WARNING, reason, Location(path))


def _text_findings(path: str, data: bytes, *, is_script: bool) -> list[Finding]:
    lines = _Lines(path)
    if not is_script and data.isascii() and _is_printable(data):
        return lines.findings
    # Undecodable bytes become lone surrogates here, to distinguish them from an escape in the source.
    text = data.decode("utf-8", "surrogateescape")
    if text.startswith(_BOM):
        lines.add(1, FindingCode.BYTE_ORDER_MARK, Severity.NOTICE, "the file begins with a byte order mark (U+FEFF)")
        text = text[1:]
    empty_lines = 0
    for number, line in enumerate(text.split("\n"), 1):
        if is_script:
            if not line or line.isspace():
                empty_lines += 1
            else:
                if empty_lines >= _EMPTY_LINES_THAT_PUSH:
                    message = f"code follows after {empty_lines} empty lines"
                    lines.add(number, FindingCode.PUSHED_DOWN, Severity.WARNING, message)
                empty_lines = 0
            _check_layout(lines, number, line)
        if not (line.isascii() and line.isprintable()):
            _check_characters(lines, number, line, is_script=is_script)
    return lines.findings


def _is_printable(data: bytes) -> bool:
    return data.translate(None, b"\t\r\n").decode("ascii").isprintable()


def _encoding_findings(path: str, data: bytes) -> Iterator[Finding]:
    """Yield a declared encoding that makes Python read other characters than the review shows (PEP 263).

    Every file is checked, because Python executes any file that it is given.
    """
    start = len(codecs.BOM_UTF8) if data.startswith(codecs.BOM_UTF8) else 0
    ends = [match.span() for match in islice(_LINE_END.finditer(data, start), 2)]
    begins = [start, *(end for _, end in ends)]
    for number, begin in enumerate(begins[:2], 1):
        end = ends[number - 1][0] if number <= len(ends) else len(data)
        if cookie := _COOKIE.match(data, begin, end):
            name = cookie[1].decode("ascii")
            if not _is_utf8(name):
                shown = name[:_MAX_ENCODING_NAME_CHARACTERS]
                message = f"it declares the encoding {shown}, so Python may read other text than the review shows"
                yield Finding(FindingCode.ENCODING, Severity.DANGER, message, Location(path, number))
            return
        if not _BLANK_OR_COMMENT.fullmatch(data, begin, end):
            return


def _is_utf8(name: str) -> bool:
    try:
        return len(name) <= _MAX_ENCODING_NAME_CHARACTERS and codecs.lookup(name).name in ("utf-8", "ascii")
    except LookupError:
        return False


def _check_layout(lines: _Lines, number: int, line: str) -> None:
    if "\t" not in line and " " * _SPACES_THAT_PUSH not in line:
        return
    length = len(line.rstrip())
    column = end = 0
    for spaces in _SPACES.finditer(line, 0, length):
        column += spaces.start() - end
        end = spaces.end()
        width = len(spaces[0]) + (_TAB_WIDTH - 1) * spaces[0].count("\t")
        if width >= _SPACES_THAT_PUSH and (column > 0 or width >= _COLUMNS_IN_SIGHT):
            message = f"code stands about in column {column + width + 1}, after {width} columns of space"
            lines.add(number, FindingCode.PUSHED_RIGHT, Severity.WARNING, message)
            return
        column += width


def _check_characters(lines: _Lines, number: int, line: str, *, is_script: bool) -> None:
    text = line.removesuffix(_CR)
    if is_script and text != line:
        message = "the line ends with CR LF; bash takes the CR for a part of the command"
        lines.add(number, FindingCode.CRLF, Severity.NOTICE, message)
    danger = Severity.DANGER if is_script else Severity.WARNING
    warning = Severity.WARNING if is_script else Severity.NOTICE
    if _NUL in text:
        lines.add(number, FindingCode.NUL, danger, "the line has a NUL byte, which bash ignores")
    if _CR in text:
        message = "the line has a carriage return in it; Python begins a new line there"
        lines.add(number, FindingCode.CARRIAGE_RETURN, danger, message)
    if is_script and _FEED.search(text):
        message = "the line has a form feed or vertical tab, which resets Python's indentation"
        lines.add(number, FindingCode.FORM_FEED, Severity.WARNING, message)
    if not text.isascii() or not text.isprintable():
        _check_unusual(lines, number, text, danger, warning)
    if is_script and not text.isascii():
        if _RIGHT_TO_LEFT.search(text):
            message = "the line has right-to-left letters; a terminal may display the code around them in another order"
            lines.add(number, FindingCode.RIGHT_TO_LEFT, Severity.WARNING, message)
        _checkwords_of(lines, number, text)
        _check_signs(lines, number, text)


def _check_unusual(lines: _Lines, number: int, text: str, danger: Severity, warning: Severity) -> None:
    if _UNDECODABLE.search(text):
        text = _UNDECODABLE.sub("", text)
        lines.add(number, FindingCode.NOT_UTF8, warning, "the line has bytes that are no UTF-8")
    if bidi := _BIDI.search(text):
        text = _BIDI.sub("", text)
        message = f"the line has {escape_character(bidi[0])}, which reorders the text on display"
        lines.add(number, FindingCode.BIDI_CONTROL, danger, message)
    rest = text.translate({0: None, 10: None, 11: None, 12: None, 13: None})
    shown = escape_text(rest)
    if shown != rest:
        first = next(raw for raw, escaped in zip(rest, shown, strict=False) if raw != escaped)
        message = f"the line has characters that are not plainly visible ({escape_character(first)})"
        lines.add(number, FindingCode.INVISIBLE, warning, message)


def _checkwords_of(lines: _Lines, number: int, line: str) -> None:
    for word in words_of(line):
        if (problem := word_problem(word)) is not None:
            lines.add(number, *problem)


def _check_signs(lines: _Lines, number: int, line: str) -> None:
    if not any(SIGN_OF[ord(character)] for character in set(line)):
        return
    has_wide_letters = _WIDE.search(line) is not None
    is_comment = line.lstrip().startswith("#")
    for position, character in enumerate(line):
        sign = SIGN_OF[ord(character)]
        if not sign or (has_wide_letters and ord(character) >= 0xFE50):
            continue
        severity = Severity.WARNING
        if character in TYPOGRAPHIC_QUOTES:
            is_apostrophe = line[position - 1 : position].isalpha() and line[position + 1 : position + 2].isalpha()
            if is_comment or is_apostrophe:
                continue
            severity = Severity.NOTICE
        message = f"the line has {escape_character(character)}, which looks like {sign} and is not for bash and Python"
        lines.add(number, FindingCode.LOOKALIKE_SIGN, severity, message)
        return


class _Lines:
    """Collects findings of one file; of each kind, at most `MAX_LINES_PER_CODE` lines are kept."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._findings: dict[FindingCode, list[Finding]] = {}
        self._more: dict[FindingCode, int] = {}
        self._last: dict[FindingCode, int] = {}

    def add(self, line: int, code: FindingCode, severity: Severity, message: str) -> None:
        """Keep a finding, or only count it; a line has at most one of each kind."""
        kept = self._findings.setdefault(code, [])
        if self._last.get(code) == line:
            return
        self._last[code] = line
        if len(kept) < MAX_LINES_PER_CODE:
            kept.append(Finding(code, severity, message, Location(self._path, line)))
        else:
            self._more[code] = self._more.get(code, 0) + 1

    @property
    def findings(self) -> list[Finding]:
        """The findings that were kept; the last of each kind states how many more there were."""
        for code, count in self._more.items():
            last = self._findings[code][-1]
            message = f"{last.message} (and {count} more of this kind below)"
            self._findings[code][-1] = Finding(code, last.severity, message, last.location)
        self._more.clear()
        return [finding for kept in self._findings.values() for finding in kept]
