"""The verbs of someone who looks: show, logs, history, verify."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO

import typer

from syft_job import fs
from syft_job.errors import SyftJobError, UnreadableJob
from syft_job.model.blocked_reason import DESCRIPTIONS
from syft_job.model.lifecycle import JobState
from syft_job.model.text import escape_line, escape_text
from syft_job.views.log_text import LogRenderer

from .context import REFUSED, JobName, busy, find, frame_of, has_colours, is_terminal, job_json, verb

if TYPE_CHECKING:
    from syft_job.client import JobClient
    from syft_job.fs.watch import Watch
    from syft_job.job import JobInfo
    from syft_job.model.job_record import JobRecord

_SWEEP_SECONDS = 0.5
"""How often it is looked where no file events arrive."""
_CHUNK = 1 << 16


def add_to(app: typer.Typer) -> None:
    """Register the verbs."""
    app.command()(show)
    app.command()(logs)
    app.command()(history)
    app.command()(verify)


@verb
def show(ctx: typer.Context, job: JobName) -> None:
    """Show one job: where it stands, what is known of it, and what you may do."""
    from syft_job.views import status_style, tables, text

    frame = frame_of(ctx)
    client = frame.client()
    found = find(client, job)
    record = found.record
    reason = found.reason
    warning = (client.participant.home_warning if client.participant.owns(record.place) else None) or ""
    outputs, may, blocked_reason = found.output_paths, _may(client, record), _blocked_reason(client, record)
    appearance = status_style.of_state(record.state.value, record.status)
    exact = record.state.value.replace("_", " ")
    returncode, shown_code = _return_code(found)
    words = record.status if exact == record.status else f"{record.status} ({exact})"
    rows = [
        ("job", escape_line(record.name)),
        ("id", record.id),
        ("from", escape_line(record.submitter)),
        ("to", escape_line(record.owner)),
        ("submitted", escape_line(record.submitted_at or "at an unknown time")),
        ("status", f"{appearance.emoji} {words}, attempt {record.attempt}"),
        ("reason", escape_line(reason)),
        ("return code", shown_code),
        ("digest", record.digest),
        ("folder", escape_line(str(found.location))),
        ("outputs", "\n".join(escape_line(path.name) for path in outputs)),
        ("blocked", _blocked_words(record)),
        ("waits", escape_line(blocked_reason or "")),
        ("findings", "\n".join(text.findings(record))),
        ("warning", escape_line(warning)),
        ("you may", ", ".join(may)),
    ]
    document = job_json(client, record) | {
        "reason": reason or None,
        "returncode": returncode,
        "outputs": [str(path) for path in outputs],
        "may": may,
        "warning": warning or None,
        "aside": blocked_reason,
    }
    frame.answer({"job": document}, tables.pairs(rows))


def _return_code(found: JobInfo) -> tuple[int | None, str]:
    """The exit code, and how it is shown: where it cannot be read, why, so that the rest is shown nevertheless."""
    try:
        code = found.returncode
    except UnreadableJob as error:
        return None, f"cannot be read: {escape_line(str(error))}"
    return code, "" if code is None else str(code)


@verb
def logs(
    ctx: typer.Context,
    job: JobName,
    err: Annotated[bool, typer.Option("--err", help="what it printed to its error stream")] = False,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="as it is printed, until the job is over")] = False,
    raw: Annotated[
        bool, typer.Option("--raw", help="every character, with control characters written out; no colours")
    ] = False,
) -> None:
    """Print what a job printed: to its owner while it runs, to others once it is shared with them.

    Plain colours are kept on a terminal, and progress lines are shown in their last state. What that conceals is
    reported on stderr; --raw shows it.
    """
    frame = frame_of(ctx)
    client = frame.client()
    found = find(client, job)
    stream = "stderr" if err else "stdout"
    path = log_path(client, found, stream)
    renderer = LogRenderer(colours=has_colours() and not frame.json, raw=raw)
    if follow and not frame.json:
        _follow(client, found, stream, renderer)
        return
    if path is None:
        raise SyftJobError(str(found.stderr if err else found.stdout) + _where_logs_are(client, found))
    with open_log(client, path) as log:
        size = 0
        pieces = []
        while data := log.read(_CHUNK):
            size += len(data)
            text = renderer.feed(data)
            if frame.json:
                pieces.append(text)
            else:
                print(text, end="", flush=True)
    if frame.json:
        document = {
            "job": job_json(client, found.record),
            "stream": stream,
            "text": "".join([*pieces, renderer.close()]),
            "bytes": size,
            "concealed": renderer.concealed,
            "overwritten": renderer.overwritten,
        }
        frame.answer(document)
        return
    print(renderer.close(), end="", flush=True)
    _report_hidden(renderer)


@verb
def history(ctx: typer.Context, job: JobName) -> None:
    """Tell everything that was said of a job, oldest first."""
    frame = frame_of(ctx)
    client = frame.client()
    found = find(client, job)
    said = found.history
    told = [{"at": item.at, "what": item.what, "attempt": item.attempt, "detail": item.detail} for item in said]
    text = "\n".join(escape_line(str(item)) for item in said) or "Nothing is known of it."
    frame.answer({"job": job_json(client, found.record), "history": told}, text)


@verb
def verify(ctx: typer.Context, job: JobName) -> None:
    """Check a job anew: seals, submitted files, released files. Exits with 1 when something does not hold."""
    frame = frame_of(ctx)
    client = frame.client()
    found = find(client, job)
    with busy("Checking seals and files …"):
        checked = found.verify()
    document = {
        "job": job_json(client, found.record),
        "ok": checked.ok,
        "holds": list(checked.holds),
        "fails": list(checked.fails),
    }
    frame.answer(document, escape_text(str(checked)))
    if not checked.ok:
        raise typer.Exit(REFUSED)


def log_path(client: JobClient, job: JobInfo, stream: str) -> Path | None:
    """Where what ``job`` printed can be read by this person now: the live log, the held one, the released one."""
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
        UnreadableJob: something of another kind was placed there meanwhile.
    """
    return fs.open_file_below(path, below=client.root if path.is_relative_to(client.root) else path.parent)


def _follow(client: JobClient, job: JobInfo, stream: str, renderer: LogRenderer) -> None:
    """Print the log as it grows, unfinished lines included; the live log and the held one are the same bytes."""
    from syft_job.fs.watch import Watch

    with Watch(_SWEEP_SECONDS, growing=True, root=client.root) as watch:
        _print_while_it_runs(client, job, stream, watch, renderer)


def _print_while_it_runs(client: JobClient, job: JobInfo, stream: str, watch: Watch, renderer: LogRenderer) -> None:
    attempt = job.attempt
    read = 0
    line = _LiveLine(can_erase=has_colours())
    if not is_terminal():
        print(f"{job.name!a} is {job.status}", file=sys.stderr)
    while True:
        record = job.record
        is_over = record.state.is_terminal or record.attempt != attempt
        is_new_there = watch.watch_only(
            {job.location: None, client.home.attempt_paths(record.id, attempt).workspace: stream.__eq__}
        )
        path = log_path(client, job, stream)
        if path is not None and record.attempt == attempt:
            try:
                with open_log(client, path) as log:
                    log.seek(read)
                    while new := log.read(_CHUNK):
                        read += len(new)
                        line.show(renderer.feed(new), renderer.pending())
            except FileNotFoundError:
                continue  # it was brought home just now
        if is_over:
            if path is None and not read:
                instead = str(job.stderr if stream == "stderr" else job.stdout)
                raise SyftJobError(instead + _where_logs_are(client, job))
            line.show(renderer.close())
            _report_hidden(renderer)
            return
        if not is_new_there:  # first watch, then look, then wait
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
        print(f"{notice} See it: syft-job logs --raw", file=sys.stderr)


def _where_logs_are(client: JobClient, job: JobInfo) -> str:
    if job.status == "done" and not client.participant.owns(job.record.place):
        return f": {job.datasite_owner_email} did not share the logs with you"
    return ""


def _may(client: JobClient, record: JobRecord) -> list[str]:
    """The commands that this person may use on this job now; each event of a person has the command of its name."""
    from syft_job.exchange import transitions

    return [event.value for event in transitions.allowed_events(client.participant, record)]


def _blocked_words(record: JobRecord) -> str:
    return f"{record.blocked}: {DESCRIPTIONS[record.blocked]}" if record.blocked is not None else ""


def _blocked_reason(client: JobClient, record: JobRecord) -> str | None:
    """Why an approved job does not start, as the runner last said."""
    if record.state is not JobState.QUEUED or not client.participant.owns(record.place) or not client.home.exists:
        return None
    return client.home.blocked_reason(record.id)
