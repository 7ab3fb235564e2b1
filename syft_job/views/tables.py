"""Tables: fitted to a terminal with rich, or plain columns separated by tabs for a pipe.

Text that other participants wrote is made visible here. rich is imported for a terminal only, never for a pipe.
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
"""How many jobs a terminal shows without `--all`."""

_ID_DIGITS = 8
_MARKS = {True: ("✓", "green"), False: ("✗", "red"), None: ("–", "bright_black")}


def plain(rows: Iterable[Sequence[str]]) -> str:
    """One line for each row, columns separated by tabs, no heading: for `cut`, `awk` and `sort`."""
    return "".join("\t".join(escape_line(cell) for cell in row) + "\n" for row in rows)


def plain_jobs(records: Iterable[JobRecord], note_of: Callable[[JobRecord], str]) -> str:
    """id, status, state, owner, submitter, time of submission and name of each job, and its note if it has one."""
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
    viewer: str,
    notes: Iterable[str] = (),
    *,
    note_of: Callable[[JobRecord], str],
    limit: int | None = NEWEST,
    colours: bool = True,
) -> str:
    """A table of the newest ``limit`` jobs as wide as the terminal, then the counts of all jobs, then ``notes``.

    The note of a job, from ``note_of``, is below its name.
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
    shown = records if limit is None else records[:limit]
    for record in shown:
        appearance = status_style.of_state(record.state.value, record.status)
        status = record.status if record.state.value in ("succeeded", "rejected", "cancelled") else _status(record)
        flag = " ⚠" if record.problem or record.findings else ""
        table.add_row(
            record.id[:_ID_DIGITS],
            Text(f"{appearance.emoji} {status}{flag}", style=appearance.colour),
            _named(record, note_of(record)),
            Text("you" if record.submitter == viewer else escape_line(record.submitter)),
            Text("you" if record.owner == viewer else escape_line(record.owner)),
            Text(escape_line((record.submitted_at or "-")[:16].replace("T", " "))),
        )
    counts = Counter(record.status for record in records)
    lines = ["", f"{len(records)} jobs   " + "   ".join(_count(status, counts[status]) for status in counts)]
    if len(shown) < len(records):
        lines.append(f"… the newest {len(shown)} are shown; all of them: syft-job list --all")
    lines += [escape_message(note) for note in notes]
    return drawn(table, colours=colours) + "\n".join(lines) + "\n"


def pairs(rows: Iterable[tuple[str, str]]) -> str:
    """Names and values in two columns; rows without a value are left out, and further lines of a value are indented."""
    filled = [(name, value) for name, value in rows if value]
    width = max((len(name) for name, _ in filled), default=0) + 2
    lines = []
    for name, value in filled:
        first, *more = value.split("\n")
        lines += [f"{name:<{width}}{first}", *(" " * width + line for line in more)]
    return "\n".join(lines) + "\n"


def checks(rows: Sequence[tuple[str, bool | None, str, str]], *, colours: bool = True) -> str:
    """Checks as a table for a terminal; each row is (name, passed, result, advice), passed is None for a note."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True, style="bold")
    table.add_column(overflow="fold")
    for name, passed, result, advice in rows:
        mark, colour = _MARKS[passed]
        text = Text(escape_line(result), style="red" if passed is False else "")
        if advice:
            text.append(f"\n→ {escape_line(advice)}", style="yellow" if passed is not True else "bright_black")
        table.add_row(Text(mark, style=colour), Text(name), text)
    return drawn(table, colours=colours)


def plain_checks(rows: Sequence[tuple[str, bool | None, str, str]]) -> str:
    """Checks as columns for a pipe: ok, wrong or note; name; result; advice."""
    outcomes = {True: "ok", False: "wrong", None: "note"}
    return plain((outcomes[passed], name, result, advice) for name, passed, result, advice in rows)


def drawn(renderable: RenderableType, *, colours: bool) -> str:
    """``renderable`` as text as wide as the terminal, without spaces at the ends of lines."""
    from rich.console import Console

    buffer = io.StringIO()
    width = max(shutil.get_terminal_size().columns, 60)
    Console(
        file=buffer, width=width, force_terminal=colours, no_color=not colours, legacy_windows=False, highlight=False
    ).print(renderable)
    return "".join(line.rstrip() + "\n" for line in buffer.getvalue().splitlines())


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
