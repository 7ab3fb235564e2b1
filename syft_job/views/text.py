"""Plain text for terminals and ``str()``: one job, a list of jobs, a review.

Text that other participants wrote is made visible first.
"""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from syft_job.model.blocked_reason import DESCRIPTIONS
from syft_job.model.job_record import JobRecord
from syft_job.model.states import UNREADABLE, JobState
from syft_job.model.text import escape_code, escape_line, escape_message
from syft_job.review import Review
from syft_job.review.collect import ReviewedFile, fingerprint_of

from . import status_style

if TYPE_CHECKING:
    from syft_job.format.source_checks import Finding

NO_JOBS = "📭 No jobs found.\n"
_RULE = "─" * 78
_SEVERITY_MARKS = {"danger": "‼", "warning": "⚠", "notice": "ℹ"}
_ORDER = ("arriving", "inbox", "approved", "running", "done", "cancelled", "rejected", UNREADABLE)


def job_line(name: str, status: str, owner: str) -> str:
    """One job in one line: emoji, name, status and owner."""
    return f"{status_style.of_status(status).emoji} {escape_line(name)} ({escape_line(status)}) -> {escape_line(owner)}"


def overview(rows: Sequence[tuple[str, str, str, str]], root_email: str, notes: Iterable[str] = ()) -> str:
    """A list of jobs: a heading for each owner, a row for each job, the total, and the counts of each status.

    Args:
        rows: (owner, name, status, submitter) of each job; its position in the sequence is the index shown.
        root_email: the owner who is listed first.
        notes: sentences to add at the end.
    """
    if not rows:
        return NO_JOBS
    owners = sorted({row[0] for row in rows}, key=lambda owner: (owner != root_email, owner))
    lines = ["📊 Jobs Overview", "=" * 16]
    for owner in owners:
        heading = f"👤 {escape_line(owner)}"
        lines += ["", heading, "-" * (len(heading) + 1)]
        for index, (_, name, status, submitter) in ((i, row) for i, row in enumerate(rows) if row[0] == owner):
            emoji = status_style.of_status(status).emoji
            lines.append(f"[{index}] {emoji} {escape_line(name)} ({escape_line(status)}) {escape_line(submitter)}")
    counts = Counter(row[2] for row in rows)
    shown = [status for status in _ORDER if status in counts] + sorted(set(counts) - set(_ORDER))
    lines += ["", f"Total: {len(rows)} jobs"]
    lines.append(
        "  ".join(f"{status_style.of_status(status).emoji} {escape_line(status)}: {counts[status]}" for status in shown)
    )
    lines += map(escape_message, notes)
    return "\n".join(lines) + "\n"


def record_findings(record: JobRecord) -> list[str]:
    """Observations about a job, one line each."""
    lines = [f"⚠ {escape_line(finding)}" for finding in record.findings]
    if record.problem:
        lines.insert(0, f"⛔ cannot be read as a job: {escape_line(record.problem)}")
    if record.total and record.have < record.total:
        absent = [f"   {escape_line(clause)}" for clause in record.missing]
        lines[:0] = [f"⏳ arriving: {record.have} of {record.total} files are here", *absent]
    return lines


def waits_for(record: JobRecord) -> str:
    """What an unfinished job waits for, in one clause."""
    if record.blocked is not None:
        return f"it is approved and blocked ({record.blocked}): {DESCRIPTIONS[record.blocked]}"
    return {
        JobState.CREATED: f"it is still arriving ({record.have} of {record.total or 'an unknown number of'} files)",
        JobState.SUBMITTED: f"it waits for the approval of {record.owner}",
        JobState.QUEUED: f"it is approved and waits for the runner of {record.owner}",
        JobState.RUNNING: "it is running",
    }.get(record.state, "it is finished, and its results are still arriving")


def code_findings(findings: Sequence[Finding]) -> list[str]:
    """What a reader of the code could miss: the count of each severity, then a line each, the gravest first."""
    if not findings:
        return []
    by_severity = {severity: [one for one in findings if one.severity == severity] for severity in _SEVERITY_MARKS}
    counts = ", ".join(f"{len(group)} {severity}" for severity, group in by_severity.items() if group)
    lines = ["", f"IN THE CODE  {counts}"]
    for severity, group in by_severity.items():
        lines += [f"{_SEVERITY_MARKS[severity]} {escape_message(str(finding))}" for finding in group]
    return lines


def review(review: Review) -> str:
    """Everything that would run, in full; nothing is cut."""
    from syft_job.format.source_checks import misreading_of

    record = review.record
    lines = [
        _RULE,
        f"REVIEW  {escape_line(record.name)}",
        _RULE,
        f"from       {escape_line(record.submitter)}   (key {escape_line(fingerprint_of(review))})",
        f"to         {escape_line(record.owner)}",
        *(f"⚠ the address can be misread: {reason}" for reason in [misreading_of(record.submitter)] if reason),
        f"submitted  {escape_line(record.submitted_at or 'at an unknown time')}   (their clock)",
        f"status     {record.status}, attempt {record.attempt}",
        *record_findings(record),
    ]
    refusal = review.why_not_reviewable
    if refusal is not None:
        refusal = escape_line(f"‼ not reviewable: {refusal} It cannot be approved, and this counts as no review.")
        lines.insert(3, refusal)
    lines += [wrapped(f"‼ {escape_message(warning)}", "") for warning in review.warnings]
    lines += code_findings(review.findings)
    if review.spec is not None:
        spec = review.spec
        lines += ["", "WOULD RUN", f"  {escape_line(review.command)}"]
        lines += [wrapped(escape_message(condition)) for condition in review.conditions]
        requested = spec.resources.to_json()
        if requested:
            amounts = (f"{key} {escape_line(str(getattr(spec.resources, key)))}" for key in requested)
            lines.append("  asks for " + ", ".join(amounts))
        for title, values in (("dependencies", spec.dependencies), ("datasets", spec.datasets)):
            if values:
                lines += [f"  {title}:", *(f"    {escape_line(value)}" for value in values)]
        if spec.metadata:
            items = (f"    {escape_line(key)}: {escape_line(str(value))}" for key, value in spec.metadata.items())
            lines += ["  metadata:", *items]
        lines += ["", f"FILES  {len(review.files)}, {spec.total_bytes} bytes together"]
        for file in review.files:
            lines += _file(file)
    if review.unlisted:
        lines += ["", "BESIDE THE SUBMISSION  not part of it, never copied, never run"]
        lines += [f"  {escape_line(path)}" for path in review.unlisted]
    last = "           an approval is bound to this digest" if refusal is None else refusal
    lines += ["", f"digest     {record.digest or 'unknown'}", last, _RULE]
    return "\n".join(lines) + "\n"


def _file(file: ReviewedFile) -> list[str]:
    head = f"── {escape_line(file.path)}  {file.entry.size} bytes  sha256 {file.entry.sha256}"
    lines = ["", head]
    for finding in file.findings:
        where = f"line {finding.location.line}: " if finding.location.line else ""
        lines.append(f"   {_SEVERITY_MARKS[finding.severity]} {where}{escape_message(finding.message)}")
    if file.difference:
        lines.append(f"‼ {escape_line(file.difference)}; it will not run as it is here")
    if file.text is None:
        return [*lines, "   (not text: only its size and digest can be shown)"] if not file.difference else lines
    if not file.text:
        return [*lines, "   (empty)"]
    body = file.text if file.text.endswith("\n") else file.text + "\n"
    width = len(str(body.count("\n")))
    shown = escape_code(body[:-1]).split("\n")
    lines += [f"{number:>{width}} │ {line}" for number, line in enumerate(shown, 1)]
    return lines if file.text.endswith("\n") else [*lines, f"{'':>{width}} │ (no line end at the end of the file)"]


def wrapped(text: str, indent: str = "  ") -> str:
    """A paragraph folded for a terminal."""
    return textwrap.fill(text, 78, initial_indent=indent, subsequent_indent=indent)
