"""What `syft-job clean` does: remove jobs by name, or kinds of data by age and size, and report it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

from syft_job.errors import SyftJobError
from syft_job.model.text import escape_line, escape_text
from syft_job.model.transitions import Verb
from syft_job.policies import retention
from syft_job.policies.retention import RetainedItem, RetentionKind

from .console import busy, complain
from .context import REFUSED, CommandContext, message_of
from .documents import job_json, job_line

if TYPE_CHECKING:
    from syft_job.client import JobClient
    from syft_job.job import JobInfo


def clean_jobs(context: CommandContext, client: JobClient, jobs: list[JobInfo], *, dry_run: bool) -> None:
    """Remove these jobs, or with ``dry_run`` report that they would be."""
    from syft_job.exchange import transitions

    documents = [job_json(client, job.record) for job in jobs]
    for job in jobs:
        record = job.record
        if dry_run:
            transitions.check_verb(client.participant, record, Verb.CLEAN)
            if not context.json:
                print(
                    f"🧹 would remove {job_line(record)} from {escape_text(str(job.location))}, and its results at home"
                )
        else:
            job.clean()
    context.answer({"cleaned": [] if dry_run else documents, "would_clean": documents if dry_run else []})


def clean_kinds(
    context: CommandContext,
    client: JobClient,
    kinds: set[RetentionKind],
    *,
    only: set[str] | None,
    older_than: float | None,
    keep_size: int | None,
    dry_run: bool,
) -> None:
    """Remove what `retention.select` selects of these kinds; with ``only``, of the jobs with these ids."""
    from syft_job.exchange import transitions
    from syft_job.exchange.retention import RetentionScan

    if client.home.exists:
        transitions.require_home(client.participant)
    scan = RetentionScan(client.participant, client.store)
    with busy("Measuring …"):
        items = [item for item in scan.measure(kinds) if only is None or item.job in only]
    selected = retention.select(items, kinds, older_than=older_than, keep_size=keep_size)
    removed, failed = [], 0
    for item in selected:
        try:
            if not (dry_run or scan.remove(item)):
                continue
        except (SyftJobError, OSError) as error:
            failed += 1
            complain(f"{item.kind} {item.name} stays: {message_of(error)}")
            continue
        removed.append(item)
        if not context.json:
            outcome = "would remove" if dry_run else "removed"
            print(f"🧹 {outcome} {item.kind} {escape_line(item.name)}  ({_size_text(item.size)})", flush=True)
    freed = sum(item.size for item in removed)
    needed = [item for item in items if not item.is_removable]
    document = {
        "removed": [] if dry_run else [_item_json(item) for item in removed],
        "would_remove": [_item_json(item) for item in removed] if dry_run else [],
        "freed": 0 if dry_run else freed,
        "would_free": freed if dry_run else 0,
        "needed": [_item_json(item) | {"why": item.why} for item in needed],
        "failed": failed,
    }
    would = "would be " if dry_run else ""
    text = f"{_size_text(freed)} {would}freed, {len(removed)} of {len(items)} {would}removed"
    context.answer(document, text + (f"; {len(needed)} are still needed." if needed else "."))
    if failed:
        raise typer.Exit(REFUSED)


def _item_json(item: RetainedItem) -> dict[str, Any]:
    return {"what": item.kind, "name": item.name, "id": item.job or None, "bytes": item.size, "age": round(item.age)}


def _size_text(size: int) -> str:
    for power, unit in ((30, "GiB"), (20, "MiB"), (10, "KiB")):
        if size >= 1 << power:
            return f"{size / (1 << power):.1f} {unit}"
    return f"{size} B"
