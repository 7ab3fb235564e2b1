"""How `clean` goes about it: jobs by name, or what was chosen by age and size; what is told of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

from syft_job.errors import SyftJobError
from syft_job.model.lifecycle import Event
from syft_job.model.text import escape_line, escape_text
from syft_job.policies import retention
from syft_job.policies.retention import RetainedItem, RetentionKind

from .context import REFUSED, Frame, busy, complain, job_json, named

if TYPE_CHECKING:
    from syft_job.client import JobClient
    from syft_job.job import JobInfo


def clean_named(frame: Frame, client: JobClient, found: list[JobInfo], *, dry_run: bool) -> None:
    """Remove these jobs, or say that they would be."""
    from syft_job.exchange import transitions

    told = [job_json(client, job.record) for job in found]
    for job in found:
        record = job.record
        if dry_run:
            transitions.check_allowed(client.participant, record, Event.CLEAN)
            if not frame.json:
                print(f"🧹 would remove {named(record)} from {escape_text(str(job.location))}, and its results at home")
        else:
            job.clean()
    frame.answer({"cleaned": [] if dry_run else told, "would_clean": told if dry_run else []})


def clean_chosen(
    frame: Frame,
    client: JobClient,
    kinds: set[RetentionKind],
    *,
    only: set[str] | None,
    older_than: float | None,
    keep_size: int | None,
    dry_run: bool,
) -> None:
    """Remove what `retention.select` chooses of these kinds, of the jobs with the ids ``only`` where that is given."""
    from syft_job.exchange import transitions
    from syft_job.exchange.retention import RetentionScan

    if client.home.exists:
        transitions.require_home(client.participant)
    leftovers = RetentionScan(client.participant, client.store)
    with busy("Looking at what is there …"):
        kept = [one for one in leftovers.measure(kinds) if only is None or one.job in only]
    chosen = retention.select(kept, kinds, older_than=older_than, keep_size=keep_size)
    removed, failed = [], 0
    for one in chosen:
        try:
            if not (dry_run or leftovers.remove(one)):
                continue
        except (SyftJobError, OSError) as error:
            failed += 1
            complain(f"{one.kind} {one.name} stays: {error}")
            continue
        removed.append(one)
        if not frame.json:
            done = "would remove" if dry_run else "removed"
            print(f"🧹 {done} {one.kind} {escape_line(one.name)}  ({_amount(one.size)})", flush=True)
    freed = sum(one.size for one in removed)
    needed = [one for one in kept if not one.is_removable]
    document = {
        "removed": [] if dry_run else [_kept_json(one) for one in removed],
        "would_remove": [_kept_json(one) for one in removed] if dry_run else [],
        "freed": 0 if dry_run else freed,
        "would_free": freed if dry_run else 0,
        "needed": [_kept_json(one) | {"why": one.why} for one in needed],
        "failed": failed,
    }
    would = "would be " if dry_run else ""
    text = f"{_amount(freed)} {would}freed, {len(removed)} of {len(kept)} {would}removed"
    frame.answer(document, text + (f"; {len(needed)} are still needed." if needed else "."))
    if failed:
        raise typer.Exit(REFUSED)


def _kept_json(one: RetainedItem) -> dict[str, Any]:
    return {"what": one.kind, "name": one.name, "id": one.job or None, "bytes": one.size, "age": round(one.age)}


def _amount(size: int) -> str:
    for power, unit in ((30, "GiB"), (20, "MiB"), (10, "KiB")):
        if size >= 1 << power:
            return f"{size / (1 << power):.1f} {unit}"
    return f"{size} B"
