"""The verbs of someone who decides: list, review, approve, reject, deposit, share."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from syft_job.errors import ChangedSinceSeen, NotAllowed
from syft_job.visible import visible, visible_line

from .frame import (
    Frame,
    JobName,
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

if TYPE_CHECKING:
    from syft_job.client import JobClient
    from syft_job.job import JobInfo
    from syft_job.review import Review
    from syft_job.runner.terms import Terms

_DIGEST_DIGITS = 8


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
    """List the jobs that you can see, newest first; to a pipe all of them, in plain columns."""
    from syft_job.views import tables

    frame = frame_of(ctx)
    client = frame.client()
    records = client.store.records()
    notes = [*client.store.notes(), *_pauses(client)]
    if status:
        _refuse_unknown(status)
        records = [record for record in records if record.status in status]
    if frame.json:
        frame.answer({"jobs": [job_json(client, record) for record in records], "notes": list(notes)})
    elif not is_terminal():
        print(tables.plain_jobs(records), end="")
        for note in notes:
            print(visible_line(note), file=sys.stderr)
    elif not records:
        print("📭 No jobs found.")
    else:
        most = None if everything else tables.NEWEST
        print(tables.jobs(records, client.email, notes, most=most, colours=has_colours()), end="")


@verb
def review(ctx: typer.Context, job: JobName) -> None:
    """Show everything that would run, in full: each file, the command, the conditions, the digest."""
    frame = frame_of(ctx)
    client = frame.client()
    _show(frame, client, find(client, job))


@verb
def approve(
    ctx: typer.Context,
    job: JobName,
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
        str | None, typer.Option(metavar="PREFIX", help="say yes to this digest, as a review showed it")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="do not ask")] = False,
) -> None:
    """Say yes to exactly what you were last shown; the runner will start it."""
    if share_with and not (share_outputs or share_logs):
        raise misuse("--share-with needs --share-outputs, --share-logs or both")
    if digest is not None and (len(digest) < _DIGEST_DIGITS or not set(digest) <= set("0123456789abcdef")):
        raise misuse(f"--digest takes the first {_DIGEST_DIGITS} or more hex digits of the digest that a review showed")
    frame = frame_of(ctx)
    client = frame.client()
    found = find(client, job)
    record = found.record
    if client.viewer.owns(record.place) and record.status in ("inbox", "approved", "rejected"):
        _be_shown(frame, client, found, digest, sure=yes)
    people: bool | list[str] = share_with or True
    found.approve(reason, share_outputs=share_outputs and people, share_logs=share_logs and people)
    terms = _terms(client)
    if not frame.json:
        tell(f"   yes to the digest {found.digest[:16]}…; the runner will start it: syft-job run")
        tell(f"   it will run in the sandbox {terms.sandbox_name}")
        for line in terms.warnings:
            print(red(f"   ‼ {visible(line)}"))
    document = {"sandbox": terms.sandbox_name, "conditions": terms.conditions, "warnings": terms.warnings}
    frame.answer({"job": job_json(client, found.record)} | document)


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


def _be_shown(frame: Frame, client: JobClient, job: JobInfo, digest: str | None, *, sure: bool) -> None:
    """Make sure that what would be approved is what this person has seen, or says they have."""
    record = job.record
    if digest is not None:
        if not record.digest.startswith(digest):
            raise ChangedSinceSeen(
                f"'{record.name}' has the digest {record.digest[:16]}…, not {digest}…; nothing was approved. Look at"
                f" it: syft-job review '{record.place}'"
            )
        return
    seen = client.home.seen(record.place) if client.home.exists else None
    if seen is not None and seen != record.digest:
        raise ChangedSinceSeen(
            f"'{record.name}' changed since you looked; nothing was approved. Look again: syft-job review"
            f" '{record.place}'"
        )
    if seen is not None:
        return
    if frame.json and not sure:
        raise NotAllowed(
            f"'{record.name}' was not reviewed yet; nothing was approved. Look first (syft-job review"
            f" '{record.place}'), or say --yes."
        )
    if not frame.json:
        _show(frame, client, job)
    if sure:
        return
    if not (is_terminal(sys.stdin) and is_terminal()):
        raise NotAllowed(
            f"'{record.name}' was shown just now for the first time; nothing was approved. Say --yes, or"
            f" --digest {record.digest[:16]}."
        )
    answer = input("Say yes to exactly this? [y/N] ")
    if answer.strip().lower() not in ("y", "yes"):
        raise NotAllowed(f"Nothing was approved; '{record.name}' stays in the inbox.")


def _show(frame: Frame, client: JobClient, job: JobInfo) -> None:
    if client.viewer.owns(job.record.place):
        client.home.make()  # where it is remembered what was shown
    shown = job.review()
    found = shown.found
    if frame.json:
        frame.answer({"job": job_json(client, found.record), "review": review_json(found)})
        return
    for line in str(shown).rstrip("\n").split("\n"):
        print(red(line) if line.startswith("‼") else line)


def review_json(found: Review) -> dict[str, Any]:
    """What a program is told of a review: the same that a person is shown."""
    asked = found.spec
    return {
        "digest": found.digest,
        "command": found.command,
        "entrypoint": asked.entrypoint if asked else None,
        "conditions": list(found.conditions),
        "warnings": list(found.warnings),
        "submitters_key": found.submitters_key,
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
    }


def _pauses(client: JobClient) -> list[str]:
    """Whom this owner has paused, in a line."""
    from syft_job.home import paused_words

    paused = client.home.paused()
    return [f"⏸ {paused_words(paused)}"] if paused else []


def _terms(client: JobClient) -> Terms:
    from syft_job.runner.terms import terms_of

    return terms_of(client.config)


def _refuse_unknown(status: list[str]) -> None:
    from syft_job.lifecycle import UNREADABLE, WORDS

    known = sorted({words.status for words in WORDS.values()} | {UNREADABLE})
    unknown = sorted(set(status) - set(known))
    if unknown:
        raise misuse(f"there is no status {', '.join(unknown)}; there are {', '.join(known)}")
