"""The commands show, logs, history and verify."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO

import typer

from syft_job import fs
from syft_job.errors import SyftJobError, UnreadableJob
from syft_job.model.blocked_reason import DESCRIPTIONS
from syft_job.model.states import JobState
from syft_job.model.text import escape_line, escape_text
from syft_job.views.log_text import LogRenderer

from .app import command, register
from .arguments import JobName
from .console import busy, has_colours, is_terminal
from .context import REFUSED, context_of
from .documents import job_json

if TYPE_CHECKING:
    from syft_job.client import JobClient
    from syft_job.fs.watch import Watch
    from syft_job.job import JobInfo
    from syft_job.model.job_record import JobRecord

_SWEEP_INTERVAL_S = 0.5
"""How often the log is read where no file events arrive."""
_CHUNK_BYTES = 1 << 16


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    register(app, show, logs, history, verify)


@command
def show(ctx: typer.Context, name: JobName) -> None:
    """Show the status of one job, and what you may do with it."""
    from syft_job.views import status_style, tables, text

    context = context_of(ctx)
    client = context.client()
    job = client.find_job(name)
    record = job.record
    reason = job.reason
    warning = (client.participant.home_warning if client.participant.owns(record.place) else None) or ""
    waits = _awaited_slots(client, record)
    outputs, commands, blocked_reason = job.output_paths, _commands(client, record), _blocked_reason(client, record)
    appearance = status_style.of_state(record.state.value, record.status)
    state = record.state.value.replace("_", " ")
    returncode, returncode_text = _return_code(job)
    status = record.status if state == record.status else f"{record.status} ({state})"
    rows = [
        ("job", escape_line(record.name)),
        ("id", record.id),
        ("from", escape_line(record.submitter)),
        ("to", escape_line(record.owner)),
        ("submitted", escape_line(record.submitted_at or "at an unknown time")),
        ("status", f"{appearance.emoji} {status}, attempt {record.attempt}"),
        ("reason", escape_line(reason)),
        ("return code", returncode_text),
        ("digest", record.digest),
        ("folder", escape_line(str(job.location))),
        ("outputs", "\n".join(escape_line(path.name) for path in outputs)),
        ("blocked", _blocked_text(record)),
        ("waits", escape_line(blocked_reason or waits or "")),
        ("findings", "\n".join(text.record_findings(record))),
        ("warning", escape_line(warning)),
        ("you may", ", ".join(commands)),
    ]
    document = job_json(client, record) | {
        "reason": reason or None,
        "returncode": returncode,
        "outputs": [str(path) for path in outputs],
        "may": commands,
        "warning": warning or None,
        "aside": blocked_reason,
    }
    context.answer({"job": document}, tables.pairs(rows))


def _return_code(job: JobInfo) -> tuple[int | None, str]:
    """The exit code, and its text. Where it cannot be read, the text is the reason, and the rest is still shown."""
    try:
        code = job.returncode
    except UnreadableJob as error:
        return None, f"cannot be read: {escape_line(str(error))}"
    return code, "" if code is None else str(code)


@command
def logs(
    ctx: typer.Context,
    name: JobName,
    err: Annotated[bool, typer.Option("--err", help="print stderr instead of stdout")] = False,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="print new output as it appears, until the job ends")
    ] = False,
    raw: Annotated[
        bool, typer.Option("--raw", help="print every character, control characters as <U+XXXX>; no colours")
    ] = False,
) -> None:
    """Print what a job wrote to stdout or stderr.

    The owner may read the log while the job runs, others once it was shared with them. A terminal shows plain colours,
    and of progress lines the last state. What is left out by this is reported on stderr; --raw prints it.
    """
    context = context_of(ctx)
    client = context.client()
    job = client.find_job(name)
    stream = "stderr" if err else "stdout"
    path = log_path(client, job, stream)
    renderer = LogRenderer(colours=has_colours() and not context.json, raw=raw)
    if follow and not context.json:
        _follow(client, job, stream, renderer)
        return
    if path is None:
        raise SyftJobError(str(job.stderr if err else job.stdout) + _why_no_log(client, job))
    with open_log(client, path) as log:
        size = 0
        pieces = []
        while data := log.read(_CHUNK_BYTES):
            size += len(data)
            text = renderer.feed(data)
            if context.json:
                pieces.append(text)
            else:
                print(text, end="", flush=True)
    if context.json:
        document = {
            "job": job_json(client, job.record),
            "stream": stream,
            "text": "".join([*pieces, renderer.close()]),
            "bytes": size,
            "concealed": renderer.concealed,
            "overwritten": renderer.overwritten,
        }
        context.answer(document)
        return
    print(renderer.close(), end="", flush=True)
    _report_hidden(renderer)


@command
def history(ctx: typer.Context, name: JobName) -> None:
    """Print all recorded events of a job, oldest first."""
    context = context_of(ctx)
    client = context.client()
    job = client.find_job(name)
    entries = job.history
    documents = [
        {"at": entry.at, "what": entry.what, "attempt": entry.attempt, "detail": entry.detail} for entry in entries
    ]
    text = "\n".join(escape_line(str(entry)) for entry in entries) or "No events are recorded."
    context.answer({"job": job_json(client, job.record), "history": documents}, text)


@command
def verify(ctx: typer.Context, name: JobName) -> None:
    """Verify the signatures and files of a job.

    It checks the signatures of all markers, the submitted files and the released files, and exits with 1 if one of them
    does not verify.
    """
    context = context_of(ctx)
    client = context.client()
    job = client.find_job(name)
    with busy("Verifying signatures and files …"):
        verification = job.verify()
    document = {
        "job": job_json(client, job.record),
        "ok": verification.ok,
        "holds": list(verification.holds),
        "fails": list(verification.fails),
    }
    context.answer(document, escape_text(str(verification)))
    if not verification.ok:
        raise typer.Exit(REFUSED)


def log_path(client: JobClient, job: JobInfo, stream: str) -> Path | None:
    """The log that this participant can read now: the live one, the held one or the released one."""
    record = job.record
    if client.participant.owns(record.place) and record.state is JobState.RUNNING:
        live = client.home.attempt_paths(record.id, record.attempt).workspace / stream
        if live.is_file():  # in the workspace's own directory, where the job cannot write
            return live
    if client.participant.owns(record.place) and not record.state.is_finished:
        held = client.home.attempt_paths(record.id, record.attempt).results / "logs" / f"{stream}.txt"
        return held if held.is_file() else None  # of an attempt that was cancelled
    return (job.stderr if stream == "stderr" else job.stdout).path


def open_log(client: JobClient, path: Path) -> BinaryIO:
    """Open a log that `log_path` found; no link is followed below the shared folder.

    Raises:
        FileNotFoundError: it went away.
        UnreadableJob: it was replaced by something that is no plain file.
    """
    return fs.open_file_below(path, below=client.root if path.is_relative_to(client.root) else path.parent)


def _follow(client: JobClient, job: JobInfo, stream: str, renderer: LogRenderer) -> None:
    """Print the log as it grows, unfinished lines included; the live log and the held one are the same bytes."""
    from syft_job.fs.watch import Watch

    with Watch(_SWEEP_INTERVAL_S, growing=True, root=client.root) as watch:
        _print_while_it_runs(client, job, stream, watch, renderer)


def _print_while_it_runs(client: JobClient, job: JobInfo, stream: str, watch: Watch, renderer: LogRenderer) -> None:
    attempt = job.attempt
    read_bytes = 0
    line = _LiveLine(can_erase=has_colours())
    if not is_terminal():
        print(f"{job.name!a} is {job.status}", file=sys.stderr)
    while True:
        record = job.record
        is_over = record.state.is_terminal or record.attempt != attempt
        is_new_there = watch.watch_only(
            {job.location: None, client.home.attempt_paths(record.id, attempt).workspace: lambda name: name == stream}
        )
        path = log_path(client, job, stream)
        if path is not None and record.attempt == attempt:
            try:
                with open_log(client, path) as log:
                    log.seek(read_bytes)
                    while new := log.read(_CHUNK_BYTES):
                        read_bytes += len(new)
                        line.show(renderer.feed(new), renderer.pending())
            except FileNotFoundError:
                continue  # the runner collected it just now
        if is_over:
            if path is None and not read_bytes:
                instead = str(job.stderr if stream == "stderr" else job.stdout)
                raise SyftJobError(instead + _why_no_log(client, job))
            line.show(renderer.close())
            _report_hidden(renderer)
            return
        if not is_new_there:  # first watch, then read, then wait
            watch.wait()
        watch.pop_changes()
        watch.begin_sweep_if_due()


class _LiveLine:
    """Prints a growing text whose last, unfinished line may still change.

    A changed line is erased where the output is a terminal. Elsewhere it stays and the new one begins below, because
    printed text cannot be taken back.
    """

    def __init__(self, *, can_erase: bool) -> None:
        self._can_erase = can_erase
        self._unfinished = ""

    def show(self, completed: str, unfinished: str = "") -> None:
        """Print text that replaces the unfinished line: what is complete now, then what is still unfinished."""
        text = completed + unfinished
        if text.startswith(self._unfinished):
            print(text[len(self._unfinished) :], end="", flush=True)
        elif text or self._can_erase:
            print("\r\x1b[K" if self._can_erase else "\n", text, sep="", end="", flush=True)
        self._unfinished = unfinished


def _report_hidden(renderer: LogRenderer) -> None:
    if notice := renderer.notice():
        print(f"{notice} To see everything: syft-job logs --raw", file=sys.stderr)


def _why_no_log(client: JobClient, job: JobInfo) -> str:
    if job.status == "done" and not client.participant.owns(job.record.place):
        return f": {job.datasite_owner_email} did not share the logs with you"
    return ""


def _awaited_slots(client: JobClient, record: JobRecord) -> str | None:
    """Return what an approved job waits for where all slots of the runner are busy; None otherwise."""
    from syft_job.home.slots import awaits_slot, read_busy_slots

    home = client.home
    if record.state is not JobState.QUEUED or not client.participant.owns(record.place) or not home.exists:
        return None
    slots = read_busy_slots(home)
    is_waiting = slots is not None and awaits_slot(home, record.submitter, record.id, record.attempt)
    return f"for {slots}" if is_waiting else None


def _commands(client: JobClient, record: JobRecord) -> list[str]:
    """The commands that this participant may use on this job now; each event has the command of its name."""
    from syft_job.exchange import transitions

    return [verb.value for verb in transitions.allowed_verbs(client.participant, record)]


def _blocked_text(record: JobRecord) -> str:
    return f"{record.blocked}: {DESCRIPTIONS[record.blocked]}" if record.blocked is not None else ""


def _blocked_reason(client: JobClient, record: JobRecord) -> str | None:
    """Why an approved job does not start, as the runner last recorded it."""
    if record.state is not JobState.QUEUED or not client.participant.owns(record.place) or not client.home.exists:
        return None
    return client.home.blocked_reason(record.id)
