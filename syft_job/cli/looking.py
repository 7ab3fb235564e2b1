"""The verbs of someone who looks: show, logs, history, verify."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from syft_job.errors import InvalidTransition, NotAllowed, SyftJobError, UnreadableJob
from syft_job.lifecycle import Event, JobState, allowed
from syft_job.visible import decoded, visible, visible_line, with_colours, without_colours

from .frame import REFUSED, JobName, busy, find, frame_of, has_colours, is_terminal, job_json, verb

if TYPE_CHECKING:
    from syft_job.client import JobClient
    from syft_job.job import JobInfo
    from syft_job.record import JobRecord
    from syft_job.watch import Watch

_SWEEP_SECONDS = 0.5
"""How often it is looked where no file events arrive."""
_CHUNK = 1 << 16
_NEXT = {
    Event.APPROVE: "approve",
    Event.REJECT: "reject",
    Event.DEPOSIT: "deposit",
    Event.WITHDRAW: "withdraw",
    Event.CANCEL: "cancel",
    Event.SHARE: "share",
    Event.RERUN: "rerun",
    Event.CLEAN: "clean",
}


def add_to(app: typer.Typer) -> None:
    """Register the verbs."""
    app.command()(show)
    app.command()(logs)
    app.command()(history)
    app.command()(verify)


@verb
def show(ctx: typer.Context, job: JobName) -> None:
    """Show one job: where it stands, what is known of it, and what you may do."""
    from syft_job.views import look, tables, text

    frame = frame_of(ctx)
    client = frame.client()
    found = find(client, job)
    record = found.record
    outputs, may, aside = found.output_paths, _may(client, record), _aside(client, record)
    appearance = look.of_state(record.state.value, record.status)
    exact = record.state.value.replace("_", " ")
    returncode, shown_code = _return_code(found)
    words = record.status if exact == record.status else f"{record.status} ({exact})"
    rows = [
        ("job", visible_line(record.name)),
        ("id", record.id),
        ("from", record.submitter),
        ("to", record.owner),
        ("submitted", visible_line(record.submitted_at or "at an unknown time")),
        ("status", f"{appearance.emoji} {words}, attempt {record.attempt}"),
        ("return code", shown_code),
        ("digest", record.digest),
        ("folder", visible_line(str(found.location))),
        ("outputs", "\n".join(visible_line(path.name) for path in outputs)),
        ("waits", visible_line(aside or "")),
        ("findings", "\n".join(text.findings(record))),
        ("you may", ", ".join(may)),
    ]
    document = job_json(client, record) | {
        "returncode": returncode,
        "outputs": [str(path) for path in outputs],
        "may": may,
        "aside": aside,
    }
    frame.answer({"job": document}, tables.pairs(rows))


def _return_code(found: JobInfo) -> tuple[int | None, str]:
    """The exit code, and how it is shown: where it cannot be read, why, so that the rest is shown nevertheless."""
    try:
        code = found.returncode
    except UnreadableJob as error:
        return None, f"cannot be read: {visible_line(str(error))}"
    return code, "" if code is None else str(code)


@verb
def logs(
    ctx: typer.Context,
    job: JobName,
    err: Annotated[bool, typer.Option("--err", help="what it printed to its error stream")] = False,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="as it is printed, until the job is over")] = False,
) -> None:
    """Print what a job printed: to its owner while it runs, to others once it is shared with them."""
    frame = frame_of(ctx)
    client = frame.client()
    found = find(client, job)
    stream = "stderr" if err else "stdout"
    path = log_path(client, found, stream)
    if follow and not frame.json:
        _follow(client, found, stream)
        return
    if path is None:
        raise SyftJobError(str(found.stderr if err else found.stdout) + _where_logs_are(client, found))
    data = path.read_bytes()
    if frame.json:
        told = visible(without_colours(decoded(data)))
        frame.answer({"job": job_json(client, found.record), "stream": stream, "text": told, "bytes": len(data)})
        return
    _print(data)


@verb
def history(ctx: typer.Context, job: JobName) -> None:
    """Tell everything that was said of a job, oldest first."""
    frame = frame_of(ctx)
    client = frame.client()
    found = find(client, job)
    said = found.history
    told = [{"at": item.at, "what": item.what, "attempt": item.attempt, "detail": item.detail} for item in said]
    text = "\n".join(visible_line(str(item)) for item in said) or "Nothing is known of it."
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
    frame.answer(document, visible(str(checked)))
    if not checked.ok:
        raise typer.Exit(REFUSED)


def log_path(client: JobClient, job: JobInfo, stream: str) -> Path | None:
    """Where what ``job`` printed can be read by this person now: the live log, the held one, the released one."""
    record = job.record
    if client.viewer.owns(record.place) and record.state is JobState.RUNNING:
        live = client.home.work(record.id, record.attempt) / stream
        if live.is_file():
            return live
    if client.viewer.owns(record.place) and not record.state.is_finished:
        held = client.home.held(record.id, record.attempt) / "logs" / f"{stream}.txt"
        return held if held.is_file() else None  # of an attempt that was cancelled
    return (job.stderr if stream == "stderr" else job.stdout).path


def _follow(client: JobClient, job: JobInfo, stream: str) -> None:
    """Print whole lines as they come, and the rest at the end; the live log and the held one are the same bytes."""
    from syft_job.watch import Watch

    with Watch(_SWEEP_SECONDS, growing=True) as watch:
        _print_while_it_runs(client, job, stream, watch)


def _print_while_it_runs(client: JobClient, job: JobInfo, stream: str, watch: Watch) -> None:
    attempt = job.attempt
    shown, rest = 0, b""
    if not is_terminal():
        print(f"{job.name!a} is {job.status}", file=sys.stderr)
    while True:
        record = job.record
        is_over = record.state.is_terminal or record.attempt != attempt
        is_new_there = watch.only({job.location: None, client.home.work(record.id, attempt): stream.__eq__})
        path = log_path(client, job, stream)
        if path is not None and record.attempt == attempt:
            try:
                with path.open("rb") as log:
                    log.seek(shown)
                    while new := log.read(_CHUNK):
                        shown += len(new)
                        whole, end, rest = (rest + new).rpartition(b"\n")
                        _print(whole + end)
            except FileNotFoundError:
                continue  # it was brought home just now
        if is_over:
            if path is None and not shown:
                instead = str(job.stderr if stream == "stderr" else job.stdout)
                raise SyftJobError(instead + _where_logs_are(client, job))
            _print(rest)
            return
        if not is_new_there:  # first watch, then look, then wait
            watch.wait()
        watch.moved()
        watch.is_sweep_due()


def _print(data: bytes) -> None:
    text = decoded(data)
    print(with_colours(text) if has_colours() else visible(without_colours(text)), end="", flush=True)


def _where_logs_are(client: JobClient, job: JobInfo) -> str:
    if job.status == "done" and not client.viewer.owns(job.record.place):
        return f": {job.datasite_owner_email} did not share the logs with you"
    return ""


def _may(client: JobClient, record: JobRecord) -> list[str]:
    from syft_job.acts import roles_of

    said = client.home.ledger.events(record.id) if client.home.exists else frozenset()
    found = []
    for event, word in _NEXT.items():
        try:
            allowed(
                record.standing,
                event,
                roles_of(client.viewer, record.place),
                name=record.name,
                unreadable=bool(record.problem) and not record.state.is_terminal,
                deposited="deposit" in said,
                cleaned="clean" in said,
            )
        except (InvalidTransition, NotAllowed):
            continue
        found.append(word)
    return found


def _aside(client: JobClient, record: JobRecord) -> str | None:
    """Why an approved job does not start, as the runner last said."""
    if record.state is not JobState.QUEUED or not client.viewer.owns(record.place) or not client.home.exists:
        return None
    return client.home.aside(record.id)
