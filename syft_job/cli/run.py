"""The commands run, pause, resume, cancel, rerun and clean."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from syft_job.errors import NotAllowed, SyftJobError
from syft_job.model import names
from syft_job.model.job_record import StatusTransition
from syft_job.model.text import escape_text
from syft_job.model.units import Duration, Memory
from syft_job.policies.retention import RetentionKind

from .app import command, register
from .arguments import JobName
from .clean import clean_jobs, clean_kinds
from .console import complain, print_line, print_now
from .context import CommandContext, context_of, misuse
from .documents import job_json
from .service import print_message_document, print_start, print_transition, stopped_by_signals, systemd_unit

if TYPE_CHECKING:
    from syft_job.home.home import Home

POLL_INTERVAL_S = 5.0
NOTIFY_TIMEOUT_S = 10.0
"""How long the end of a run waits for notifications that are not delivered yet."""

Submitter = Annotated[
    str | None, typer.Argument(metavar="SUBMITTER", help="only jobs of this address; without it, all jobs")
]
_T = TypeVar("_T")


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    register(app, run, pause, resume, cancel, rerun, clean)


@command
def run(
    ctx: typer.Context,
    once: Annotated[bool, typer.Option("--once", help="run the jobs that are approved now, then exit")] = False,
    drain: Annotated[bool, typer.Option("--drain", help="exit when no job is approved or running")] = False,
    stop_jobs: Annotated[
        bool, typer.Option("--stop-jobs", help="end the running jobs when the runner is stopped")
    ] = False,
    jobs: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="run at most so many jobs at once; by default as many as processors"),
    ] = None,
    notify: Annotated[
        str | None,
        typer.Option(metavar="COMMAND", help="call this with each event: it gets the id of the job and its new state"),
    ] = None,
    poll: Annotated[
        float, typer.Option(min=0.05, metavar="SECONDS", help="the time between two sweeps of all jobs")
    ] = POLL_INTERVAL_S,
    print_unit: Annotated[
        bool, typer.Option("--print-unit", help="print a systemd unit for a runner with these options, then exit")
    ] = False,
) -> None:
    """Run approved jobs until interrupted.

    It prints a line for each event; with --json, a JSON document a line. Ctrl-C or SIGTERM stops the runner. Jobs that
    are running continue, and the next runner collects their results; with --stop-jobs they are ended.
    """
    from syft_job.events.command_notifier import CommandNotifier, command_of

    context = context_of(ctx)
    if print_unit:
        if once or drain or context.json:
            raise misuse("--print-unit is for a permanent runner; it takes neither --once nor --drain nor --json")
        # Its program in full: the service begins in another folder.
        notify = None if notify is None else shlex.join(command_of(notify))
        options = {"--poll": None if poll == POLL_INTERVAL_S else f"{poll:g}", "--jobs": jobs, "--notify": notify}
        given = [word for name, value in options.items() if value is not None for word in (name, str(value))]
        if stop_jobs:
            given.append("--stop-jobs")
        print(systemd_unit(context, given), end="")
        return

    from syft_job.runner import JobRunner

    notifier = None if notify is None else CommandNotifier(command_of(notify), complain)

    def on_transition(transition: StatusTransition) -> None:
        if context.json:
            print_transition(transition)
        if notifier is not None:
            notifier.note(transition)

    runner = JobRunner(
        context.settings(),
        poll_interval=poll,
        announce=print_message_document if context.json else print_now,
        told=on_transition if context.json or notifier else None,
        told_all=None if notifier is None else notifier.settle,
        max_parallel=jobs,
    )
    with stopped_by_signals() as stop:
        try:
            print_start(context, runner, is_endless=not (once or drain), stop_jobs=stop_jobs)
            runner.run(stop, once=once, drain=drain, stop_jobs=stop_jobs)
        except KeyboardInterrupt:
            if stop_jobs:
                complain("stopped at once; jobs may still be running, and the next runner collects them")
        finally:
            if notifier is not None:
                notifier.close(NOTIFY_TIMEOUT_S)
        if stop.is_set() and not context.json:
            print_now("Stopped.")


@command
def pause(ctx: typer.Context, submitter: Submitter = None) -> None:
    """Stop starting approved jobs; running jobs continue."""
    context = context_of(ctx)
    home = context.client().home
    home.pause(_person(submitter))
    whose = f"Approved jobs of {submitter}" if submitter else "Approved jobs"
    _answer_paused(context, home, f"⏸ {whose} are not started until: syft-job resume {submitter or ''}")


@command
def resume(ctx: typer.Context, submitter: Submitter = None) -> None:
    """Start approved jobs again after a pause."""
    context = context_of(ctx)
    home = context.client().home
    person = _person(submitter)
    if person != "*" and "*" in home.paused():
        raise NotAllowed(f"All submitters are paused, not only {person}. To resume all: syft-job resume")
    home.resume(person)
    _answer_paused(context, home, f"▶ Approved jobs{f' of {submitter}' if submitter else ''} are started again.")


@command
def cancel(
    ctx: typer.Context,
    name: JobName,
    reason: Annotated[str | None, typer.Option(metavar="TEXT", help="a note for the ledger")] = None,
) -> None:
    """Cancel an approved or running job.

    A running job is ended with all processes that it started. Submitters use withdraw.
    """
    context = context_of(ctx)
    client = context.client()
    job = client.find_job(name)
    if job.state.is_terminal:
        if not context.json:
            print_line(f"'{job.name}' is {job.status} already; nothing changed.")
    else:
        job.cancel(reason)
    context.answer({"job": job_json(client, job.record)})


@command
def rerun(ctx: typer.Context, name: JobName) -> None:
    """Permit another attempt of a finished job.

    The results of the earlier attempt are no longer shared; those held at home are kept.
    """
    context = context_of(ctx)
    client = context.client()
    job = client.find_job(name)
    job.rerun()
    context.answer({"job": job_json(client, job.record)})


@command
def clean(
    ctx: typer.Context,
    wanted: Annotated[
        list[str] | None, typer.Argument(metavar="JOB…", help="only these jobs; without further options, remove them")
    ] = None,
    older_than: Annotated[
        str | None, typer.Option(metavar="DURATION", help="remove what is at least this old, such as 90s, 12h or 30d")
    ] = None,
    keep_size: Annotated[
        str | None, typer.Option(metavar="SIZE", help="remove the oldest until at most this is left of each kind: 20G")
    ] = None,
    what: Annotated[
        list[RetentionKind] | None,
        typer.Option(
            metavar="KIND",
            help="results, workspaces, history or jobs; repeatable; by default workspaces and history",
        ),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="list what would be removed; remove nothing")] = False,
) -> None:
    """Remove finished jobs, or what they left behind.

    The kinds are: results, held in your home; workspaces and history, left in your home by attempts and reviews; and
    jobs, each with its directory and results. Unfinished jobs, and results that are still to be released, are kept. The
    ledger, and the claims that prevent a second execution, are always kept.
    """
    context = context_of(ctx)
    age = _parsed(Duration.parse, older_than)
    size = _parsed(Memory.parse, keep_size)
    if not (wanted or what or age or size):
        raise misuse("name jobs, or choose what to remove: --what, --older-than, --keep-size")
    client = context.client()
    # All are found before one is removed.
    jobs = list(dict.fromkeys(client.find_job(name) for name in wanted or ()))
    if jobs and not (what or age or size):
        clean_jobs(context, client, jobs, dry_run=dry_run)
        return
    kinds = set(what or ([RetentionKind.JOBS] if jobs else [RetentionKind.WORKSPACES, RetentionKind.HISTORY]))
    if kinds & {RetentionKind.RESULTS, RetentionKind.JOBS} and not (jobs or age or size):
        raise misuse("to remove results or jobs, name jobs, or add --older-than or --keep-size")
    clean_kinds(
        context,
        client,
        kinds,
        only={job.record.id for job in jobs} if jobs else None,
        older_than=age.seconds if age else None,
        keep_size=size.bytes if size else None,
        dry_run=dry_run,
    )


def _parsed(parse: Callable[[str], _T], text: str | None) -> _T | None:
    try:
        return None if text is None else parse(text)
    except SyftJobError as error:
        raise misuse(str(error)) from error


def _person(submitter: str | None) -> str:
    return "*" if submitter is None else names.normalize_address(submitter)


def _answer_paused(context: CommandContext, home: Home, line: str) -> None:
    paused = home.paused()
    context.answer({"paused": sorted(paused)}, escape_text(line.rstrip()))
