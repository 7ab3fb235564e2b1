"""Tables: fitted to a terminal with rich, or plain tab-separated columns for a pipe.

Rows come in as records; everything that a stranger wrote is made visible here. rich is imported when a terminal is
drawn to, never for a pipe.
"""

from __future__ import annotations

import io
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from syft_job.model.job_record import JobRecord
from syft_job.model.text import escape_line, escape_message

from . import status_style

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.text import Text

NEWEST = 50
"""How many jobs a terminal is shown unless it asks for all."""

_ID_DIGITS = 8
_MARKS = {True: ("✓", "green"), False: ("✗", "red"), None: ("–", "bright_black")}


def plain(rows: Iterable[Sequence[str]]) -> str:
    """One line a row, columns separated by tabs, and no heading: for `cut`, `awk` and `sort`."""
    return "".join("\t".join(escape_line(cell) for cell in row) + "\n" for row in rows)


def plain_jobs(records: Iterable[JobRecord], note_of: Callable[[JobRecord], str]) -> str:
    """id, status, state, owner, submitter, time of submission and name of each job; a note where there is one."""
    rows = []
    for record in records:
        note = note_of(record)
        rows.append(
            (
                record.id,
                record.status,
                record.state.value,
                record.owner,
                record.submitter,
                record.submitted_at or "-",
                record.name,
                *([note] if note else []),
            )
        )
    return plain(rows)


def jobs(
    records: Sequence[JobRecord],
    me: str,
    notes: Iterable[str] = (),
    *,
    note_of: Callable[[JobRecord], str],
    most: int | None = NEWEST,
    colours: bool = True,
) -> str:
    """The newest ``most`` jobs as a table as wide as the terminal, the counts of all, and ``notes``.

    What ``note_of`` has to say of a job is shown below its name.
    """
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("id", no_wrap=True, style="bright_black", min_width=_ID_DIGITS)
    table.add_column("status", no_wrap=True, min_width=12)
    table.add_column("job", overflow="fold", ratio=3)
    table.add_column("from", overflow="fold", ratio=2)
    table.add_column("to", overflow="fold", ratio=2)
    table.add_column("submitted", no_wrap=True, min_width=16)
    shown = records if most is None else records[:most]
    for record in shown:
        appearance = status_style.of_state(record.state.value, record.status)
        words = record.status if record.state.value in ("succeeded", "rejected", "cancelled") else _status(record)
        flag = " ⚠" if record.problem or record.findings else ""
        table.add_row(
            record.id[:_ID_DIGITS],
            Text(f"{appearance.emoji} {words}{flag}", style=appearance.colour),
            _named(record, note_of(record)),
            Text("you" if record.submitter == me else escape_line(record.submitter)),
            Text("you" if record.owner == me else escape_line(record.owner)),
            Text(escape_line((record.submitted_at or "-")[:16].replace("T", " "))),
        )
    counts = Counter(record.status for record in records)
    lines = ["", f"{len(records)} jobs   " + "   ".join(_count(status, counts[status]) for status in counts)]
    if len(shown) < len(records):
        lines.append(f"… the newest {len(shown)} are shown; all of them: syft-job list --all")
    lines += [escape_message(note) for note in notes]
    return drawn(table, colours=colours) + "\n".join(lines) + "\n"


def pairs(rows: Iterable[tuple[str, str]]) -> str:
    """Words and values in two columns; a value of several lines is indented below the first."""
    found = [(name, value) for name, value in rows if value]
    width = max((len(name) for name, _ in found), default=0) + 2
    lines = []
    for name, value in found:
        first, *more = value.split("\n")
        lines += [f"{name:<{width}}{first}", *(" " * width + line for line in more)]
    return "\n".join(lines) + "\n"


def checks(rows: Sequence[tuple[str, bool | None, str, str]], *, colours: bool = True) -> str:
    """What was looked at: (name, whether it is right, what was found, what to do), in a table for a terminal."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True, style="bold")
    table.add_column(overflow="fold")
    for name, ok, told, advice in rows:
        mark, colour = _MARKS[ok]
        words = Text(escape_line(told), style="red" if ok is False else "")
        if advice:
            words.append(f"\n→ {escape_line(advice)}", style="yellow" if ok is not True else "bright_black")
        table.add_row(Text(mark, style=colour), Text(name), words)
    return drawn(table, colours=colours)


def plain_checks(rows: Sequence[tuple[str, bool | None, str, str]]) -> str:
    """The same for a pipe: ok, wrong or note; name; what was found; what to do."""
    words = {True: "ok", False: "wrong", None: "note"}
    return plain((words[ok], name, told, advice) for name, ok, told, advice in rows)


def drawn(what: RenderableType, *, colours: bool) -> str:
    """``what`` as text as wide as the terminal, without spaces at the ends of lines."""
    from rich.console import Console

    into = io.StringIO()
    width = max(shutil.get_terminal_size().columns, 60)
    Console(
        file=into, width=width, force_terminal=colours, no_color=not colours, legacy_windows=False, highlight=False
    ).print(what)
    return "".join(line.rstrip() + "\n" for line in into.getvalue().splitlines())


def _named(record: JobRecord, note: str) -> Text:
    from rich.text import Text

    name = Text(escape_line(record.name))
    return name.append(f"\n{escape_line(note)}", style="bright_black") if note else name


def _status(record: JobRecord) -> str:
    if record.blocked is not None:
        return f"{record.status}, blocked"
    if record.status == "done":
        return record.state.value.replace("_", " ")
    if record.status == "arriving" and record.total:
        return f"arriving {record.have}/{record.total}"
    return record.status


def _count(status: str, count: int) -> str:
    return f"{status_style.of_status(status).emoji} {status}: {count}"
