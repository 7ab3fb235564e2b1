"""The verbs of someone who decides: list, review, approve, reject, deposit, share."""

from __future__ import annotations

import contextlib
import functools
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from syft_job.errors import ChangedSinceSeen, NotAllowed, SyftJobError
from syft_job.model.job_record import JobRecord
from syft_job.model.lifecycle import JobState
from syft_job.model.text import escape_line, escape_message

from .context import (
    REFUSED,
    Frame,
    JobName,
    complain,
    find,
    frame_of,
    has_colours,
    is_terminal,
    job_json,
    misuse,
    red,
    tell,
    verb,
)
from .delivery import is_delivered_in_full

if TYPE_CHECKING:
    from syft_job.client import JobClient
    from syft_job.execution.plan import Terms
    from syft_job.job import JobInfo
    from syft_job.model.job_record import JobRecord
    from syft_job.review import Review
    from syft_job.views.review_text import ShownReview

_DIGEST = re.compile("[0-9a-f]{64}")
_NOTE_CHARACTERS = 100


def add_to(app: typer.Typer) -> None:
    """Register the verbs."""
    app.command("list")(list_)
    app.command()(review)
    app.command()(approve)
    app.command()(reject)
    app.command()(deposit)
    app.command()(share)


@verb
def list_(
    ctx: typer.Context,
    status: Annotated[
        list[str] | None, typer.Option(help="only these: inbox, approved, running, done, …; may be repeated")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="all jobs on a terminal, too")] = False,
) -> None:
    """List the jobs that you can see, newest first; to a pipe all of them, in plain columns.

    The columns are id, status, state, owner, submitter, time of submission and name; then, for some jobs, a note: why
    it was rejected, cancelled or withdrawn, why it is blocked, or what has not arrived of it.
    """
    from syft_job.views import tables

    frame = frame_of(ctx)
    client = frame.client()
    records = client.store.records()
    notes = [*client.store.notes(), *_pauses(client)]
    if (warning := client.participant.home_warning) and any(record.owner == client.email for record in records):
        notes.insert(0, f"⚠ {warning}")
    if status:
        _refuse_unknown(status)
        records = [record for record in records if record.status in status]
    note_of = functools.partial(_note_of, client)
    if frame.json:
        frame.answer({"jobs": [job_json(client, record) for record in records], "notes": list(notes)})
    elif not is_terminal():
        print(tables.plain_jobs(records, note_of), end="")
        for note in notes:
            print(escape_line(note), file=sys.stderr)
    elif not records:
        print("📭 No jobs found.")
    else:
        most = None if everything else tables.NEWEST
        print(tables.jobs(records, client.email, notes, note_of=note_of, most=most, colours=has_colours()), end="")


@verb
def review(ctx: typer.Context, job: JobName) -> None:
    """Show everything that would run, in full: each file, the command, the conditions, the digest."""
    frame = frame_of(ctx)
    client = frame.client()
    shown = _show(frame, client, find(client, job))
    if not is_delivered_in_full():
        complain("The review was not read to its end, so it is not complete and counts for no approval.")
        raise typer.Exit(REFUSED)
    _record_review(client, shown)
    if refusal := shown.found.why_not_reviewable:
        complain(f"'{shown.found.record.name}' is not reviewable. {refusal}")
        raise typer.Exit(REFUSED)


@verb
def approve(
    ctx: typer.Context,
    jobs: Annotated[
        list[str],
        typer.Argument(
            metavar="JOB…", help="submitter/name, name, owner/submitter/name, or the first digits of an id; several"
        ),
    ],
    share_outputs: Annotated[
        bool, typer.Option("--share-outputs", help="release the outputs to the submitter when it is over")
    ] = False,
    share_logs: Annotated[
        bool, typer.Option("--share-logs", help="release what it printed and its return code, too")
    ] = False,
    share_with: Annotated[
        list[str] | None, typer.Option(metavar="EMAIL", help="to this person, not the submitter; may be repeated")
    ] = None,
    reason: Annotated[str | None, typer.Option(help="a note for the record")] = None,
    digest: Annotated[
        str | None, typer.Option(metavar="DIGEST", help="only if this is the digest that was reviewed: all 64 digits")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="do not ask after showing it")] = False,
    unreviewed: Annotated[
        bool, typer.Option("--unreviewed", help="without a review where there was none, which is recorded")
    ] = False,
    allow_bare: Annotated[
        bool, typer.Option("--allow-bare", help="it may also run without a sandbox; needed where there is none")
    ] = False,
) -> None:
    """Approve exactly what you reviewed, for the containment that was shown; the runner will start it."""
    if share_with and not (share_outputs or share_logs):
        raise misuse("--share-with needs --share-outputs, --share-logs or both")
    if digest is not None and not _DIGEST.fullmatch(digest):
        raise misuse(
            "--digest takes all 64 hex digits of the digest that the review showed; to the first few of them, somebody"
            " can make another job that has the same"
        )
    frame = frame_of(ctx)
    client = frame.client()
    found = list({job.record.place: job for job in (find(client, name) for name in jobs)}.values())
    if digest is not None and len(found) > 1:
        raise misuse("--digest is the digest of one job; approve the jobs one by one")
    if digest is not None:
        _require_digest(found[0], digest)
    if not unreviewed:
        if len(found) > 1 or digest is not None:
            _require_reviews(client, found)
        else:
            _be_shown(frame, client, found[0], sure=yes)
    people: bool | list[str] = share_with or True
    refused: dict[str, SyftJobError] = {}
    for job in found:
        try:
            job.approve(
                reason,
                share_outputs=share_outputs and people,
                share_logs=share_logs and people,
                allow_bare=allow_bare,
                require_review=not unreviewed,
            )
        except SyftJobError as error:
            if len(found) == 1:
                raise
            refused[str(job.record.place)] = error
            complain(str(error))
        else:
            if not frame.json:
                tell(f"   approved is the digest {job.digest}")
    _tell_conditions(frame, client, found, refused, allow_bare=allow_bare)
    if refused:
        raise typer.Exit(REFUSED)


def _tell_conditions(
    frame: Frame, client: JobClient, jobs: list[JobInfo], refused: dict[str, SyftJobError], *, allow_bare: bool
) -> None:
    terms = _terms(client)
    if not frame.json and len(refused) < len(jobs):
        tell("   the runner will start it: syft-job run")
        tell(f"   it will run in the sandbox {terms.sandbox_name}")
        if allow_bare and terms.is_contained:
            tell("   and without a sandbox where there is none, as you allowed")
        for line in terms.warnings:
            print(red(f"   ‼ {escape_message(line)}"))
    document: dict[str, Any] = {"job": job_json(client, jobs[0].record)}
    if len(jobs) > 1:
        rows = [job_json(client, job.record) for job in jobs]
        document = {"jobs": rows, "refused": {place: str(error) for place, error in refused.items()}}
    conditions = {"sandbox": terms.sandbox_name, "conditions": terms.conditions, "warnings": terms.warnings}
    frame.answer(document | conditions)


@verb
def reject(
    ctx: typer.Context,
    job: JobName,
    reason: Annotated[str, typer.Option(help="for the submitter to read")],
) -> None:
    """Say no; the submitter can read the reason."""
    frame = frame_of(ctx)
    client = frame.client()
    found = find(client, job)
    found.reject(reason)
    frame.answer({"job": job_json(client, found.record)})


@verb
def deposit(
    ctx: typer.Context,
    job: JobName,
    path: Annotated[Path, typer.Argument(metavar="PATH", help="a file, or a folder that is taken as a whole")],
) -> None:
    """Answer a job with a result made by hand; it is done then, and its code never runs."""
    frame = frame_of(ctx)
    client = frame.client()
    found = find(client, job)
    result = found.accept_by_depositing_result(path)
    frame.answer({"job": job_json(client, found.record), "result": str(result)})


@verb
def share(
    ctx: typer.Context,
    job: JobName,
    who: Annotated[list[str], typer.Argument(metavar="WHO…", help="addresses")],
    outputs: Annotated[bool, typer.Option("--outputs", help="the outputs (so it is if neither is said)")] = False,
    logs: Annotated[bool, typer.Option("--logs", help="what it printed, and its return code")] = False,
) -> None:
    """Let people read results of a job that is done."""
    frame = frame_of(ctx)
    client = frame.client()
    found = find(client, job)
    if outputs or not logs:
        found.share_outputs(who)
    if logs:
        found.share_logs(who)
    what = [word for word, wanted in (("outputs", outputs or not logs), ("logs", logs)) if wanted]
    frame.answer({"job": job_json(client, found.record), "shared": what, "with": who})


def _require_digest(job: JobInfo, digest: str) -> None:
    record = job.record
    if record.digest != digest:
        raise ChangedSinceSeen(
            f"'{record.name}' has the digest {record.digest}, not {digest}; nothing was approved. Look at it:"
            f" syft-job review '{record.place}'"
        )


def _may_be_approved(client: JobClient, record: JobRecord) -> bool:
    """Return False where the approval will be refused whatever was reviewed; the refusal is better than a question."""
    return client.participant.owns(record.place) and record.status in ("inbox", "approved", "rejected")


def _require_reviews(client: JobClient, jobs: list[JobInfo]) -> None:
    """Refuse, before anything is approved, where one of the jobs has no complete review of what it holds now."""
    records = [job.record for job in jobs]
    missing = [record for record in records if _may_be_approved(client, record) and not _is_reviewed(client, record)]
    if missing:
        named = ", ".join(f"'{record.place}'" for record in missing)
        raise NotAllowed(
            f"Nothing was approved: there is no complete review of {named}. Review each first, for example: syft-job"
            f" review '{missing[0].place}'. To do without: --unreviewed"
        )


def _is_reviewed(client: JobClient, record: JobRecord) -> bool:
    """Return True if a complete review of what the job holds now is recorded.

    Raises:
        ChangedSinceSeen: one of other content is.
    """
    from syft_job.home.review_notes import read_note

    note = read_note(client.home, record.place) if client.home.exists else None
    if note is None:
        return False
    if note.digest != record.digest:
        raise ChangedSinceSeen(
            f"'{record.name}' changed since you looked; nothing was approved. Look again: syft-job review"
            f" '{record.place}'"
        )
    return note.is_complete


def _be_shown(frame: Frame, client: JobClient, job: JobInfo, *, sure: bool) -> None:
    """Make sure that this person has reviewed what would be approved: show it and ask, where they have not yet."""
    record = job.record
    if not _may_be_approved(client, record) or _is_reviewed(client, record):
        return
    if frame.json:
        raise NotAllowed(
            f"'{record.name}' was not reviewed yet; nothing was approved. Look first (syft-job review"
            f" '{record.place}'), or do without: --unreviewed."
        )
    shown = _show(frame, client, job)
    if refusal := shown.found.why_not_reviewable:
        _record_review(client, shown)  # as one that counts as none
        raise NotAllowed(f"'{record.name}' is not reviewable; nothing was approved. {refusal}")
    if not sure and not (is_terminal(sys.stdin) and is_terminal()):
        raise NotAllowed(
            f"'{record.name}' was shown just now for the first time; nothing was approved. Say --yes, or review it"
            f" (syft-job review '{record.place}') and approve it after that."
        )
    if not is_delivered_in_full():
        raise NotAllowed(f"The review of '{record.name}' was not read to its end; nothing was approved.")
    if not sure and not _is_confirmed():
        raise NotAllowed(f"Nothing was approved; '{record.name}' stays in the inbox.")
    _record_review(client, shown)


def _record_review(client: JobClient, shown: ShownReview) -> None:
    from syft_job.review import record_review

    record_review(client.participant, shown.found)


def _is_confirmed() -> bool:
    """Ask for the approval of what was just shown; what was typed before the question is no answer to it."""
    _discard_typed_ahead()
    try:
        answer = input("Say yes to exactly this? [y/N] ")
    except EOFError:
        print()
        return False
    return answer.strip().lower() in ("y", "yes")


def _discard_typed_ahead() -> None:
    import termios

    sys.stdout.flush()
    with contextlib.suppress(termios.error, OSError, ValueError):  # no terminal
        termios.tcflush(sys.stdin, termios.TCIFLUSH)


def _show(frame: Frame, client: JobClient, job: JobInfo) -> ShownReview:
    """Print the review of a job; it is complete only when it was delivered and `_record_review` was called."""
    shown = job.prepare_review()
    found = shown.found
    if frame.json:
        frame.answer({"job": job_json(client, found.record), "review": review_json(found)})
    else:
        for line in str(shown).rstrip("\n").split("\n"):
            print(red(line) if line.lstrip().startswith("‼") else line)
    return shown


def review_json(found: Review) -> dict[str, Any]:
    """What a program is told of a review: the same that a person is shown."""
    from syft_job.format.source_checks import misreading_of

    asked, signer = found.spec, found.signer
    return {
        "digest": found.digest,
        "command": found.command,
        "entrypoint": asked.entrypoint if asked else None,
        "conditions": list(found.conditions),
        "warnings": list(found.warnings),
        "findings": [finding.to_json() for finding in found.findings],
        "submitters_key": found.submitters_key,
        "signer": {"relation": signer.relation.value, "words": str(signer)} if signer is not None else None,
        "address_problem": misreading_of(found.record.submitter),
        "dependencies": list(asked.dependencies) if asked else [],
        "datasets": list(asked.datasets) if asked else [],
        "resources": asked.resources.to_json() if asked else {},
        "metadata": dict(asked.metadata or {}) if asked else {},
        "files": [
            {
                "path": file.path,
                "size": file.entry.size,
                "sha256": file.entry.sha256,
                "text": file.text,
                "difference": file.difference,
            }
            for file in found.files
        ],
        "unlisted": list(found.unlisted),
        "as_listed": found.is_as_listed,
        "reviewable": found.why_not_reviewable is None,
        "why_not_reviewable": found.why_not_reviewable,
    }


def _note_of(client: JobClient, record: JobRecord) -> str:
    """What a list adds to a job's status: why it was not run, why it cannot start, or what is missing of it."""
    from syft_job.exchange.results import reason_of

    if record.blocked is not None:
        return f"blocked: {record.blocked}"
    if record.state is JobState.CREATED and record.missing:
        return _shortened(record.missing[0])
    if record.state in (JobState.REJECTED, JobState.CANCELLED):
        return _shortened(reason_of(client.participant, record))
    return ""


def _shortened(text: str) -> str:
    return text if len(text) <= _NOTE_CHARACTERS else text[: _NOTE_CHARACTERS - 1] + "…"


def _pauses(client: JobClient) -> list[str]:
    """Whom this owner has paused, in a line."""
    from syft_job.home.pauses import describe_pauses

    paused = client.home.paused()
    return [f"⏸ {describe_pauses(paused)}"] if paused else []


def _terms(client: JobClient) -> Terms:
    from syft_job.execution.plan import terms_of

    return terms_of(client.config)


def _refuse_unknown(status: list[str]) -> None:
    from syft_job.model.lifecycle import UNREADABLE, WORDS

    known = sorted({words.status for words in WORDS.values()} | {UNREADABLE})
    unknown = sorted(set(status) - set(known))
    if unknown:
        raise misuse(f"there is no status {', '.join(unknown)}; there are {', '.join(known)}")
