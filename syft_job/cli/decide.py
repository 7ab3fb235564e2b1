"""The commands list, review, approve, reject, deposit and share."""

from __future__ import annotations

import functools
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from syft_job.errors import SyftJobError
from syft_job.model.states import JobState
from syft_job.model.text import escape_line, escape_message

from .app import command, register
from .arguments import JOB_HELP, JobName
from .console import complain, has_colours, is_terminal, print_line, red
from .context import REFUSED, CommandContext, context_of, misuse
from .delivery import is_delivered_in_full
from .documents import job_json
from .review_check import record_delivered_review, require_digest, require_review, require_reviews, show_review

if TYPE_CHECKING:
    from syft_job.client import JobClient
    from syft_job.execution.plan import ExecutionPlan
    from syft_job.job import JobInfo
    from syft_job.model.job_record import JobRecord

_DIGEST: Final = re.compile("[0-9a-f]{64}")
_MAX_NOTE_CHARACTERS: Final = 100


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    register(app, list_, review, approve, reject, deposit, share)


@command
def list_(
    ctx: typer.Context,
    status: Annotated[
        list[str] | None,
        typer.Option(metavar="STATUS", help="only jobs of this status: inbox, approved, running, done, …; repeatable"),
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="on a terminal, list all jobs, not only the newest")
    ] = False,
) -> None:
    """List the jobs that you can see, newest first.

    A terminal shows a table of the newest jobs. A pipe or a file gets all jobs, one a line, in columns separated by
    tabs: id, status, state, owner, submitter, time of submission and name; then, for some jobs, a note: the reason for
    which it was rejected, cancelled, withdrawn or blocked, or which of its files has not arrived.
    """
    from syft_job.views import tables

    context = context_of(ctx)
    client = context.client()
    records = client.store.records()
    notes = [*client.store.notes(), *_pauses(client)]
    if (warning := client.participant.home_warning) and any(record.owner == client.email for record in records):
        notes.insert(0, f"⚠ {warning}")
    if status:
        _refuse_unknown(status)
        records = [record for record in records if record.status in status]
    note_of = functools.partial(_note_of, client)
    if context.json:
        context.answer({"jobs": [job_json(client, record) for record in records], "notes": list(notes)})
    elif not is_terminal():
        print(tables.plain_jobs(records, note_of), end="")
        for note in notes:
            print(escape_line(note), file=sys.stderr)
    elif not records:
        print("📭 No jobs found.")
    else:
        limit = None if everything else tables.NEWEST
        print(tables.jobs(records, client.email, notes, note_of=note_of, limit=limit, colours=has_colours()), end="")


@command
def review(ctx: typer.Context, name: JobName) -> None:
    """Show everything that a job would run, and how.

    It prints each file in full, the command, the sandbox and limits of this machine, and the digest that an approval is
    bound to. Output that was not read to its end counts as no review.
    """
    context = context_of(ctx)
    client = context.client()
    shown = show_review(context, client, client.find_job(name))
    if not is_delivered_in_full():
        complain("The review was not read to its end, so it is not complete and does not count for an approval.")
        raise typer.Exit(REFUSED)
    record_delivered_review(client, shown)
    if refusal := shown.found.why_not_reviewable:
        complain(f"'{shown.found.record.name}' is not reviewable. {refusal}")
        raise typer.Exit(REFUSED)


@command
def approve(
    ctx: typer.Context,
    names: Annotated[list[str], typer.Argument(metavar="JOB…", help=f"{JOB_HELP}; several jobs are possible")],
    share_outputs: Annotated[
        bool, typer.Option("--share-outputs", help="share the outputs with the submitter when the job is finished")
    ] = False,
    share_logs: Annotated[
        bool, typer.Option("--share-logs", help="share stdout, stderr and the exit code with the submitter as well")
    ] = False,
    share_with: Annotated[
        list[str] | None,
        typer.Option(metavar="ADDRESS", help="share with this person instead of the submitter; repeatable"),
    ] = None,
    reason: Annotated[str | None, typer.Option(metavar="TEXT", help="a note for the ledger")] = None,
    digest: Annotated[
        str | None,
        typer.Option(metavar="DIGEST", help="approve only if the job has this digest, all 64 digits of it"),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="show the review, and do not ask after it")] = False,
    unreviewed: Annotated[
        bool, typer.Option("--unreviewed", help="approve without a review; the ledger records that there was none")
    ] = False,
    allow_bare: Annotated[
        bool,
        typer.Option("--allow-bare", help="allow the job to run without a sandbox; required where there is none"),
    ] = False,
) -> None:
    """Approve the reviewed content of jobs; the runner starts them.

    An approval is bound to the digest of the content that was reviewed and to the containment that was shown. A job
    that you have not reviewed is shown first; several jobs need a review each.
    """
    if share_with and not (share_outputs or share_logs):
        raise misuse("--share-with needs --share-outputs, --share-logs or both")
    if digest is not None and not _DIGEST.fullmatch(digest):
        raise misuse(
            "--digest takes all 64 hex digits of the digest that the review showed; a shorter one could be"
            " that of another job, made for this purpose"
        )
    context = context_of(ctx)
    client = context.client()
    jobs = list({job.record.place: job for job in (client.find_job(name) for name in names)}.values())
    if digest is not None and len(jobs) > 1:
        raise misuse("--digest is the digest of one job; approve the jobs one by one")
    if digest is not None:
        require_digest(jobs[0], digest)
    if not unreviewed:
        if len(jobs) > 1 or digest is not None:
            require_reviews(client, jobs)
        else:
            require_review(context, client, jobs[0], is_confirmed=yes)
    recipients: bool | list[str] = share_with or True
    refused: dict[str, SyftJobError] = {}
    for job in jobs:
        try:
            job.approve(
                reason,
                share_outputs=share_outputs and recipients,
                share_logs=share_logs and recipients,
                allow_bare=allow_bare,
                require_review=not unreviewed,
            )
        except SyftJobError as error:
            if len(jobs) == 1:
                raise
            refused[str(job.record.place)] = error
            complain(error.for_command_line)
        else:
            if not context.json:
                print_line(f"   approved is the digest {job.digest}")
    _print_conditions(context, client, jobs, refused, allow_bare=allow_bare)
    if refused:
        raise typer.Exit(REFUSED)


def _print_conditions(
    context: CommandContext,
    client: JobClient,
    jobs: list[JobInfo],
    refused: dict[str, SyftJobError],
    *,
    allow_bare: bool,
) -> None:
    terms = _terms(client)
    if not context.json and len(refused) < len(jobs):
        print_line("   the runner will start it: syft-job run")
        print_line(f"   it will run in the sandbox {terms.sandbox_name}")
        if allow_bare and terms.is_contained:
            print_line("   and without a sandbox where there is none, as you allowed")
        for line in terms.warnings:
            print(red(f"   ‼ {escape_message(line)}"))
    document: dict[str, Any] = {"job": job_json(client, jobs[0].record)}
    if len(jobs) > 1:
        rows = [job_json(client, job.record) for job in jobs]
        document = {"jobs": rows, "refused": {place: error.for_command_line for place, error in refused.items()}}
    conditions = {"sandbox": terms.sandbox_name, "conditions": terms.conditions, "warnings": terms.warnings}
    context.answer(document | conditions)


@command
def reject(
    ctx: typer.Context,
    name: JobName,
    reason: Annotated[str, typer.Option(metavar="TEXT", help="the reason, for the submitter to read")],
) -> None:
    """Reject a job and give the submitter a reason."""
    context = context_of(ctx)
    client = context.client()
    job = client.find_job(name)
    job.reject(reason)
    context.answer({"job": job_json(client, job.record)})


@command
def deposit(
    ctx: typer.Context,
    name: JobName,
    path: Annotated[Path, typer.Argument(metavar="PATH", help="the result: a file or a folder")],
) -> None:
    """Complete a job with your own result; its code does not run.

    The result is copied into the outputs, and the job is done.
    """
    context = context_of(ctx)
    client = context.client()
    job = client.find_job(name)
    result = job.accept_by_depositing_result(path)
    context.answer({"job": job_json(client, job.record), "result": str(result)})


@command
def share(
    ctx: typer.Context,
    name: JobName,
    people: Annotated[list[str], typer.Argument(metavar="ADDRESS…", help="the people who may read the results")],
    outputs: Annotated[bool, typer.Option("--outputs", help="the outputs; the default without --logs")] = False,
    logs: Annotated[bool, typer.Option("--logs", help="stdout, stderr and the exit code")] = False,
) -> None:
    """Share the outputs or logs of a finished job."""
    context = context_of(ctx)
    client = context.client()
    job = client.find_job(name)
    shares_outputs = outputs or not logs
    if shares_outputs:
        job.share_outputs(people)
    if logs:
        job.share_logs(people)
    shared = [*(["outputs"] if shares_outputs else []), *(["logs"] if logs else [])]
    context.answer({"job": job_json(client, job.record), "shared": shared, "with": people})


def _note_of(client: JobClient, record: JobRecord) -> str:
    """The note of a job in a list: why it was not run, why it cannot start, or which file is missing."""
    from syft_job.exchange.history import reason_of

    if record.blocked is not None:
        return f"blocked: {record.blocked}"
    if record.state is JobState.CREATED and record.missing:
        return _shortened(record.missing[0])
    if record.state in (JobState.REJECTED, JobState.CANCELLED):
        return _shortened(reason_of(client.participant, record))
    return ""


def _shortened(text: str) -> str:
    return text if len(text) <= _MAX_NOTE_CHARACTERS else text[: _MAX_NOTE_CHARACTERS - 1] + "…"


def _pauses(client: JobClient) -> list[str]:
    """A line that names the paused submitters, if there are any."""
    from syft_job.home.pauses import describe_pauses

    paused = client.home.paused()
    return [f"⏸ {describe_pauses(paused)}"] if paused else []


def _terms(client: JobClient) -> ExecutionPlan:
    from syft_job.execution.plan import plan_for

    return plan_for(client.config)


def _refuse_unknown(status: list[str]) -> None:
    from syft_job.model.states import STATE_LABELS, UNREADABLE

    known = sorted({words.status for words in STATE_LABELS.values()} | {UNREADABLE})
    unknown = sorted(set(status) - set(known))
    if unknown:
        raise misuse(f"there is no status {', '.join(unknown)}; there are {', '.join(known)}")
