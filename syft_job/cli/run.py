"""The verbs of someone who runs: run, pause, resume, cancel, rerun, clean."""

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

from .clean import clean_chosen, clean_named
from .context import Frame, JobName, complain, find, frame_of, job_json, misuse, tell, verb
from .service import greet, now, say, stopped_by_signals, tell_move, unit

if TYPE_CHECKING:
    from syft_job.home.home import Home

POLL = 5.0
NOTIFY_SECONDS = 10.0
"""How long the end of a run waits for what is still to be told."""

Whose = Annotated[str | None, typer.Argument(metavar="SUBMITTER", help="an address; everybody if none is named")]
_T = TypeVar("_T")


def add_to(app: typer.Typer) -> None:
    """Register the verbs."""
    app.command()(run)
    app.command()(pause)
    app.command()(resume)
    app.command()(cancel)
    app.command()(rerun)
    app.command()(clean)


@verb
def run(
    ctx: typer.Context,
    once: Annotated[bool, typer.Option("--once", help="run what is approved now, and end")] = False,
    drain: Annotated[bool, typer.Option("--drain", help="end when nothing is approved or running")] = False,
    stop_jobs: Annotated[
        bool, typer.Option("--stop-jobs", help="when this is stopped, end the jobs that run, too")
    ] = False,
    jobs: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="how many run at once; as many as there are processors")
    ] = None,
    notify: Annotated[
        str | None,
        typer.Option(metavar="COMMAND", help="call this for each move, with the job's id and what it is now"),
    ] = None,
    poll: Annotated[float, typer.Option(min=0.05, metavar="SECONDS", help="the time between two sweeps")] = POLL,
    print_unit: Annotated[
        bool, typer.Option("--print-unit", help="print a unit for systemd that runs this, and end")
    ] = False,
) -> None:
    """Run approved jobs, one line for each move, until Ctrl-C or SIGTERM; --json gives a line each.

    What runs then goes on, and the next run collects it; with --stop-jobs it is ended.
    """
    from syft_job.events.command_notifier import CommandNotifier, command_of

    frame = frame_of(ctx)
    if print_unit:
        if once or drain or frame.json:
            raise misuse("--print-unit is for a runner that goes on; it takes neither --once nor --drain nor --json")
        # Its program in full: the service begins in another folder.
        notify = None if notify is None else shlex.join(command_of(notify))
        options = {"--poll": None if poll == POLL else f"{poll:g}", "--jobs": jobs, "--notify": notify}
        given = [word for name, value in options.items() if value is not None for word in (name, str(value))]
        print(unit(frame, [*given, *["--stop-jobs"] * stop_jobs]), end="")
        return

    from syft_job.runner import JobRunner

    notifier = None if notify is None else CommandNotifier(command_of(notify), complain)

    def told(move: StatusTransition) -> None:
        if frame.json:
            tell_move(move)
        if notifier is not None:
            notifier.note(move)

    runner = JobRunner(
        frame.settings(),
        poll_interval=poll,
        announce=say if frame.json else now,
        told=told if frame.json or notifier else None,
        told_all=None if notifier is None else notifier.settle,
        max_parallel=jobs,
    )
    with stopped_by_signals() as stop:
        try:
            greet(frame, runner, is_endless=not (once or drain), stop_jobs=stop_jobs)
            runner.run(stop, once=once, drain=drain, stop_jobs=stop_jobs)
        except KeyboardInterrupt:
            if stop_jobs:
                complain("it was stopped at once; jobs may still be running, and the next run collects them")
        finally:
            if notifier is not None:
                notifier.close(NOTIFY_SECONDS)
        if stop.is_set() and not frame.json:
            now("Stopped.")


@verb
def pause(ctx: typer.Context, submitter: Whose = None) -> None:
    """Start no more approved jobs, of everybody or of one submitter, until resume; what runs goes on."""
    frame = frame_of(ctx)
    home = frame.client().home
    home.pause(_person(submitter))
    whose = submitter or "everybody"
    _answer_paused(frame, home, f"⏸ Approved jobs of {whose} are not started until: syft-job resume {submitter or ''}")


@verb
def resume(ctx: typer.Context, submitter: Whose = None) -> None:
    """Start approved jobs again, of everybody or of one submitter."""
    frame = frame_of(ctx)
    home = frame.client().home
    person = _person(submitter)
    if person != "*" and "*" in home.paused():
        raise NotAllowed(f"Everybody is paused, not only {person}; resume everybody: syft-job resume")
    home.resume(person)
    _answer_paused(frame, home, f"▶ Approved jobs of {submitter or 'everybody'} are started again.")


@verb
def cancel(
    ctx: typer.Context,
    job: JobName,
    reason: Annotated[str | None, typer.Option(help="for the record")] = None,
) -> None:
    """Stop a job with everything it started; the submitter's way to do so is withdraw."""
    frame = frame_of(ctx)
    client = frame.client()
    found = find(client, job)
    if found.state.is_terminal:
        if not frame.json:
            tell(f"'{found.name}' is {found.status} already; nothing changed.")
    else:
        found.cancel(reason)
    frame.answer({"job": job_json(client, found.record)})


@verb
def rerun(ctx: typer.Context, job: JobName) -> None:
    """Permit one more attempt of a job that is done; what was shared of the earlier one ends."""
    frame = frame_of(ctx)
    client = frame.client()
    found = find(client, job)
    found.rerun()
    frame.answer({"job": job_json(client, found.record)})


@verb
def clean(
    ctx: typer.Context,
    jobs: Annotated[
        list[str] | None, typer.Argument(metavar="JOB…", help="only these; by themselves: remove them")
    ] = None,
    older_than: Annotated[
        str | None, typer.Option(metavar="DURATION", help="what is at least so old: 90s, 12h, 30d")
    ] = None,
    keep_size: Annotated[
        str | None, typer.Option(metavar="SIZE", help="the oldest, until no more than this is left of each kind: 20G")
    ] = None,
    what: Annotated[
        list[RetentionKind] | None, typer.Option(help="what goes; may be repeated; without JOB: workspaces and history")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="only say what would be removed")] = False,
) -> None:
    """Remove what is over: jobs by name, or by age and size what they left behind.

    results are those held in your home, workspaces and history what runs and notes left there, jobs whole jobs:
    directory, results and all. What is unfinished or owed to somebody stays. The ledger, and the claims that keep a
    job from running twice, always stay.
    """
    frame = frame_of(ctx)
    age = _parsed(Duration.parse, older_than)
    size = _parsed(Memory.parse, keep_size)
    if not (jobs or what or age or size):
        raise misuse("name jobs, or say what is to go: --what, --older-than, --keep-size")
    client = frame.client()
    # All are found before one is touched.
    found = list(dict.fromkeys(find(client, wanted) for wanted in jobs or ()))
    if jobs and not (what or age or size):
        clean_named(frame, client, found, dry_run=dry_run)
        return
    kinds = set(what or ([RetentionKind.JOBS] if jobs else [RetentionKind.WORKSPACES, RetentionKind.HISTORY]))
    if kinds & {RetentionKind.RESULTS, RetentionKind.JOBS} and not (jobs or age or size):
        raise misuse("to remove results or jobs, name jobs, or say --older-than or --keep-size")
    clean_chosen(
        frame,
        client,
        kinds,
        only={job.record.id for job in found} if jobs else None,
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


def _answer_paused(frame: Frame, home: Home, line: str) -> None:
    paused = home.paused()
    frame.answer({"paused": sorted(paused)}, escape_text(line.rstrip()))
