"""A submitter who puts everything into their folder that could make others wait: threat 33 of the threat model."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from .trees import SCRIPT, Tree, jobs_folder

HOSTILE = "mallory@example.org"
_ENTRY = {"size": len(SCRIPT), "sha256": hashlib.sha256(SCRIPT).hexdigest()}


@contextmanager
def hostile_submitter(made: Tree) -> Iterator[int]:
    """Add the hostile submitter to a tree for the time of the block; yields how many directories they made."""
    folder = jobs_folder(made.root) / HOSTILE
    _remove(folder)
    folder.mkdir()
    try:
        _fill(folder)
        yield len(os.listdir(folder))
    finally:
        _remove(folder)


def _fill(folder: Path) -> None:
    marks, accents = "\u0301" * 100_000, "e\u0301" * 40
    inputs = {
        "Marks": _manifest({f"code/e{marks}.py": _ENTRY}),
        "Values": b"a:\n" + b"- a\n" * 60_000,
        "Accents": _manifest({f"code/{index:05}{accents}.py": _ENTRY for index in range(9_000)}),
        "Lists": _manifest({}, metadata={"a": [[]] * 1_300_000}),
    }
    for name, config in inputs.items():
        for number in range(70 if name == "Lists" else 20):
            _job(folder, f"{name} {number}", config)
    for number in range(10):
        older = _job(folder, f"Sparse {number}", b"name: x\n")
        os.truncate(older / "run.sh", (1 << 30) - 1000)
    for number in range(20):
        _nest(_job(folder, f"Deep {number}", _manifest({})) / "code", 1100)
        _nest(_job(folder, f"Deep older {number}", b"name: x\n") / "d", 1100)
    for inside in ("", "code", "attempts", "outputs"):
        for kind, config in (("new", _manifest({"code/a.py": _ENTRY})), ("old", b"name: x\n")):
            job = _job(folder, f"Entries {kind} {inside}", config)
            (job / inside).mkdir(exist_ok=True)
            for index in range(15_000):
                os.close(os.open(job / inside / f"{index}.json", os.O_CREAT | os.O_WRONLY))
    plain = _manifest({})
    for number in range(5_000):
        _job(folder, f"Plain {number}", plain)


def _manifest(files: dict[str, Any], **more: Any) -> bytes:
    fields = {
        "format": 1,
        "nonce": "0",
        "name": "x",
        "submitted_by": HOSTILE,
        "submitted_at": "2026-03-02T10:30:00Z",
        "type": "bash",
        "files": {"run.sh": _ENTRY} | files,
    }
    return json.dumps(fields | more, separators=(",", ":"), ensure_ascii=False).encode()


def _job(folder: Path, name: str, config: bytes) -> Path:
    job = folder / name
    job.mkdir()
    (job / "run.sh").write_bytes(SCRIPT)
    (job / "config.yaml").write_bytes(config)
    return job


def _nest(top: Path, levels: int) -> None:
    """Make folders in folders, too deep for a path."""
    top.mkdir()
    here = os.open(top, os.O_RDONLY)
    for _ in range(levels):
        os.mkdir("d", dir_fd=here)
        inner = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = inner
    os.close(here)


def _remove(folder: Path) -> None:
    subprocess.run(["/bin/rm", "-rf", str(folder)], check=True)  # `shutil.rmtree` recurses
