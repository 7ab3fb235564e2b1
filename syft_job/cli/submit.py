"""The verbs of someone who asks: submit, withdraw, outputs."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from syft_job import fs
from syft_job.errors import PathMissing, SyftJobError
from syft_job.model.job_ref import expand_user, parse_location
from syft_job.model.text import escape_line

from .context import ID_DIGITS, JobName, busy, find, frame_of, job_json, misuse, verb

if TYPE_CHECKING:
    from syft_job.exchange.exclusions import LeftOut


def add_to(app: typer.Typer) -> None:
    """Register the verbs."""
    app.command()(submit)
    app.command()(withdraw)
    app.command()(outputs)


@verb
def submit(
    ctx: typer.Context,
    owner: Annotated[str, typer.Argument(metavar="OWNER", help="the address of the data's owner")],
    path: Annotated[Path, typer.Argument(metavar="PATH", help="a .py file, a folder of code, or a .sh script")],
    name: Annotated[str, typer.Option(help="what the job is called; otherwise a name is made")] = "",
    entrypoint: Annotated[str | None, typer.Option(help="the file of a folder to start")] = None,
    dep: Annotated[
        list[str] | None, typer.Option("--dep", help="a requirement such as 'numpy>=2'; may be repeated")
    ] = None,
    dataset: Annotated[list[str] | None, typer.Option(help="data of the owner that it reads; may be repeated")] = None,
    time: Annotated[str | None, typer.Option(help="how long it may run, such as 90s or 2h30m")] = None,
    memory: Annotated[str | None, typer.Option(help="how much memory it needs, such as 512M or 4G")] = None,
    cpus: Annotated[int | None, typer.Option(min=1, help="how many processors it asks for")] = None,
    include: Annotated[
        list[str] | None,
        typer.Option(metavar="PATTERN", help="take along what would be left out; gitignore syntax; may be repeated"),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="list what would travel, with sizes, and what not; write nothing")
    ] = False,
) -> None:
    """Ask OWNER to run code: a Python file or folder, or a bash script.

    Secrets (.env, private keys, credentials), version control, caches and what a file .syftjobignore names are left
    out, with a line each.
    """
    from syft_job.format.manifest import JobResources
    from syft_job.model.units import Duration, Memory
    from syft_job.review import collect

    frame = frame_of(ctx)
    is_bash = path.suffix == ".sh" and not path.is_dir()
    if is_bash and (entrypoint or dep):
        raise misuse("a .sh script has no entrypoint and no Python dependencies")
    if not path.exists():
        raise PathMissing(f"There is nothing at {path} to submit.")
    resources = None
    if time or memory or cpus:
        try:
            resources = JobResources(
                cpu_count=cpus,
                memory=Memory.parse(memory) if memory else None,
                time_limit=Duration.parse(time) if time else None,
            )
        except ValueError as error:
            raise misuse(str(error)) from error
    client = frame.client()
    if dry_run:
        seen = client.preview_submission(owner, path, name, entrypoint, include=include or ())
        files = [{"path": file, "size": size} for file, size in seen.files]
        preview: dict[str, Any] = {"dry_run": True, "files": files, "total_bytes": seen.total_bytes}
        told = _left_out(seen.left_out) | {"warnings": list(seen.warnings)}
        frame.answer(preview | told, "\n".join(escape_line(line) for line in seen.lines))
        return
    with busy(f"Copying and hashing {escape_line(path.name)} …"):
        source = client.read_source(path, entrypoint, include=include or ())
        location = client.submit_source(
            owner, source, name, dependencies=dep or (), resources=resources, datasets=dataset or ()
        )
    record = client.store.get(parse_location(client.root, location))
    document: dict[str, Any] = {"job": job_json(client, record)}
    if frame.json:
        document["findings"] = [finding.to_json() for finding in collect(client.participant, record.place).findings]
    frame.answer(
        document | _left_out(source.left_out) | {"warnings": list(source.warnings)},
        f"📥 Submitted '{escape_line(record.name)}' to {escape_line(record.owner)}.\n"
        f"   job  {escape_line(record.submitter)}/{escape_line(record.name)}   id {record.id[:ID_DIGITS]}\n"
        f"   at   {escape_line(str(location))}",
    )


def _left_out(left_out: Sequence[LeftOut]) -> dict[str, Any]:
    return {"left_out": [{"path": one.path, "reason": one.reason} for one in left_out]}


@verb
def withdraw(
    ctx: typer.Context,
    job: JobName,
    reason: Annotated[str, typer.Option(help="for the owner to read")] = "",
) -> None:
    """Take your own job back; if it runs already, the owner's runner stops it."""
    frame = frame_of(ctx)
    client = frame.client()
    found = find(client, job)
    found.withdraw(reason)
    frame.answer({"job": job_json(client, found.record)})


@verb
def outputs(
    ctx: typer.Context,
    job: JobName,
    copy: Annotated[Path | None, typer.Option(metavar="DIR", help="copy them into this folder")] = None,
) -> None:
    """List what a job gave, as far as you may read it; --copy takes it with you."""
    frame = frame_of(ctx)
    client = frame.client()
    found = find(client, job)
    files = found.output_files
    copied: list[str] = []
    if copy is not None:
        if not files:
            raise SyftJobError(f"There are no outputs of '{found.name}' for you to copy; it is {found.status}.")
        target = _outside(expand_user(copy).absolute(), client.root)
        _refuse_taken([path.name for path in found.output_paths], target)
        fs.make_directory(target)
        with busy("Copying the outputs …"):
            copied = [str(path) for path in found.copy_outputs(target)]
    if copied:
        text = "\n".join(escape_line(path) for path in copied)
    elif files:
        text = "\n".join(escape_line(str(path)) for path in files)
    elif found.status == "done":
        text = f"'{escape_line(found.name)}' is done, and there are no outputs for you to read."
    else:
        text = f"'{escape_line(found.name)}' is {found.status}; its outputs come when it is done."
    frame.answer(
        {"job": job_json(client, found.record), "outputs": [str(path) for path in files], "copied": copied}, text
    )


def _outside(target: Path, root: Path) -> Path:
    """``target``, unless everybody who has the shared folder would get the copy."""
    if target.resolve().is_relative_to(root.resolve()):
        raise SyftJobError(f"{target} lies in the shared folder: a copy there is everybody's. Choose another folder.")
    return target


def _refuse_taken(names: list[str], target: Path) -> None:
    """Refuse to copy into ``target`` where something of one of these names is there already."""
    taken = [name for name in names if os.path.lexists(target / name)]
    if taken:
        raise SyftJobError(f"{target} has {', '.join(map(repr, taken))} already. Choose another folder.")
