"""The commands submit, withdraw and outputs."""

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

from .app import command, register
from .arguments import JobName
from .console import busy
from .context import context_of, misuse
from .documents import ID_DIGITS, job_json

if TYPE_CHECKING:
    from syft_job.exchange.exclusions import LeftOut
    from syft_job.format.manifest import JobResources


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    register(app, submit, withdraw, outputs)


@command
def submit(
    ctx: typer.Context,
    owner: Annotated[str, typer.Argument(metavar="OWNER", help="the address of the data's owner")],
    path: Annotated[Path, typer.Argument(metavar="PATH", help="a .py file, a folder of code, or a .sh script")],
    name: Annotated[
        str, typer.Option(metavar="NAME", help="the name of the job; without it, a name is generated")
    ] = "",
    entrypoint: Annotated[
        str | None, typer.Option(metavar="FILE", help="the file to start, relative to the folder")
    ] = None,
    dep: Annotated[
        list[str] | None,
        typer.Option("--dep", metavar="REQUIREMENT", help="a Python requirement, such as 'numpy>=2'; repeatable"),
    ] = None,
    dataset: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="a dataset of the owner that the job reads; repeatable")
    ] = None,
    time: Annotated[
        str | None, typer.Option(metavar="DURATION", help="the time limit to ask for, such as 90s or 2h30m")
    ] = None,
    memory: Annotated[
        str | None, typer.Option(metavar="SIZE", help="the memory to ask for, such as 512M or 4G")
    ] = None,
    cpus: Annotated[int | None, typer.Option(min=1, metavar="N", help="the number of processors to ask for")] = None,
    include: Annotated[
        list[str] | None,
        typer.Option(metavar="PATTERN", help="submit files that are excluded by default; gitignore syntax; repeatable"),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="list the files and sizes, and what is excluded; submit nothing")
    ] = False,
) -> None:
    """Submit code to the owner of a datasite.

    PATH is a Python file, a folder of Python code, or a bash script. In a folder, main.py is started, or its only .py
    file, or --entrypoint.

    Excluded are secrets (.env, private keys, credentials), version control, caches, and what a file .syftjobignore in
    the folder names in gitignore syntax. Each excluded file is reported in a line.
    """
    from syft_job.review import collect

    context = context_of(ctx)
    is_bash = path.suffix == ".sh" and not path.is_dir()
    if is_bash and (entrypoint or dep):
        raise misuse("a .sh script takes neither --entrypoint nor --dep")
    if not path.exists():
        raise PathMissing(f"There is nothing at {path} to submit.")
    resources = _resources(time, memory, cpus)
    client = context.client()
    if dry_run:
        preview = client.preview_submission(owner, path, name, entrypoint, include=include or ())
        files = [{"path": file, "size": size} for file, size in preview.files]
        document: dict[str, Any] = {"dry_run": True, "files": files, "total_bytes": preview.total_bytes}
        document |= _left_out(preview.left_out) | {"warnings": list(preview.warnings)}
        context.answer(document, "\n".join(escape_line(line) for line in preview.lines))
        return
    with busy(f"Copying and hashing {escape_line(path.name)} …"):
        source = client.read_source(path, entrypoint, include=include or ())
        location = client.submit_source(
            owner, source, name, dependencies=dep or (), resources=resources, datasets=dataset or ()
        )
    record = client.store.get(parse_location(client.root, location))
    document = {"job": job_json(client, record)}
    if context.json:
        document["findings"] = [finding.to_json() for finding in collect(client.participant, record.place).findings]
    context.answer(
        document | _left_out(source.left_out) | {"warnings": list(source.warnings)},
        f"📥 Submitted '{escape_line(record.name)}' to {escape_line(record.owner)}.\n"
        f"   job  {escape_line(record.submitter)}/{escape_line(record.name)}   id {record.id[:ID_DIGITS]}\n"
        f"   at   {escape_line(str(location))}",
    )


def _resources(time: str | None, memory: str | None, cpus: int | None) -> JobResources | None:
    from syft_job.format.manifest import JobResources
    from syft_job.model.units import Duration, Memory

    if not (time or memory or cpus):
        return None
    try:
        return JobResources(
            cpu_count=cpus,
            memory=Memory.parse(memory) if memory else None,
            time_limit=Duration.parse(time) if time else None,
        )
    except ValueError as error:
        raise misuse(str(error)) from error


def _left_out(left_out: Sequence[LeftOut]) -> dict[str, Any]:
    return {"left_out": [{"path": one.path, "reason": one.reason} for one in left_out]}


@command
def withdraw(
    ctx: typer.Context,
    name: JobName,
    reason: Annotated[str, typer.Option(metavar="TEXT", help="a reason for the owner to read")] = "",
) -> None:
    """Withdraw a job that you submitted.

    If it is running, the owner's runner stops it.
    """
    context = context_of(ctx)
    client = context.client()
    job = client.find_job(name)
    job.withdraw(reason)
    context.answer({"job": job_json(client, job.record)})


@command
def outputs(
    ctx: typer.Context,
    name: JobName,
    copy: Annotated[Path | None, typer.Option(metavar="DIR", help="copy the outputs into this folder")] = None,
) -> None:
    """List or copy the outputs of a job that you may read.

    The owner may read the outputs of every finished job; others those that were shared with them.
    """
    context = context_of(ctx)
    client = context.client()
    job = client.find_job(name)
    files = job.output_files
    copied: list[str] = []
    if copy is not None:
        if not files:
            raise SyftJobError(f"There are no outputs of '{job.name}' for you to copy; it is {job.status}.")
        target = _outside(expand_user(copy).absolute(), client.root)
        _refuse_existing([path.name for path in job.output_paths], target)
        fs.make_directory(target)
        with busy("Copying the outputs …"):
            copied = [str(path) for path in job.copy_outputs(target)]
    if copied:
        text = "\n".join(escape_line(path) for path in copied)
    elif files:
        text = "\n".join(escape_line(str(path)) for path in files)
    elif job.status == "done":
        text = f"'{escape_line(job.name)}' is done, and there are no outputs for you to read."
    else:
        text = f"'{escape_line(job.name)}' is {job.status}; its outputs come when it is done."
    context.answer(
        {"job": job_json(client, job.record), "outputs": [str(path) for path in files], "copied": copied}, text
    )


def _outside(target: Path, root: Path) -> Path:
    """``target``, unless it is in the shared folder, where everyone who has that would get the copy."""
    if target.resolve().is_relative_to(root.resolve()):
        raise SyftJobError(
            f"{target} is in the shared folder: everyone who has that would get a copy. Choose another folder."
        )
    return target


def _refuse_existing(names: list[str], target: Path) -> None:
    """Refuse to copy into ``target`` where one of these names exists already."""
    existing = [name for name in names if os.path.lexists(target / name)]
    if existing:
        raise SyftJobError(f"{target} has {', '.join(map(repr, existing))} already. Choose another folder.")
