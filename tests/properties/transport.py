"""A sync tool on its worst day: what changed on one of two replicas reaches the other late, in any order, cut or twice.

It knows files and versions, nothing of jobs. As real tools do, it lets an edit beat a deletion, lays the loser of a
conflict beside the winner, and tells its own writing from a person's. It counts the trouble that it makes.
"""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from syft_job.model import names

Content = bytes | None
"""A version of a file; None where it was deleted."""
LATE, TWICE, CUT, BESIDE, BACK, DROPPED = TROUBLES = (
    "a file of a job arrives late, after others that were written later",
    "a file of a job is delivered twice",
    "only the beginning of a file of a job arrives at first",
    "a conflict copy or a temporary file of a sync tool is laid beside a file of a job",
    "a file of a job that was deleted or replaced comes back",
    "a file of no bytes is never delivered",
)


@dataclass(frozen=True)
class Letter:
    """A file that is to change on one side."""

    to: int
    path: str


class Transport:
    """Two replicas of one folder, and what is on its way between them.

    Args:
        replicas: the two folders, which are alike now.
        drops_empty: never carry a file of no bytes, as some tools do.
        made: where the trouble is counted.
    """

    def __init__(self, replicas: tuple[Path, Path], *, drops_empty: bool = False, made: Counter[str]) -> None:
        self.replicas = replicas
        self.drops_empty = drops_empty
        self.made = made
        self.known: list[dict[str, bytes]] = [{}, {}]
        self.litters: list[list[str]] = [[], []]
        self.versions: dict[str, list[bytes]] = {}
        self.delivered: list[tuple[Letter, Content]] = []
        self._mail: tuple[dict[str, list[Content]], dict[str, list[Content]]] = ({}, {})
        self._since: tuple[dict[str, int], dict[str, int]] = ({}, {})
        self._changes = 0
        for side in (0, 1):
            self._read(side)

    def look(self) -> list[Letter]:
        """Notice what moved on either side; returns everything that is on its way now."""
        for side in (0, 1):
            before = self.known[side]
            now = self._read(side)
            for path in sorted(before.keys() | now.keys()):
                content = now.get(path)
                if content != before.get(path):
                    self._mail[1 - side].setdefault(path, []).append(content)
                    self._changes += 1
                    self._since[1 - side].setdefault(path, self._changes)
                    self._keep(path, content)
        for side in (0, 1):
            for path in [path for path, sent in self._mail[side].items() if sent == [self.known[side].get(path)]]:
                self._is_settled(side, path)
        return [Letter(side, path) for side in (0, 1) for path in sorted(self._mail[side])]

    def deliver(self, letter: Letter, *, oldest: bool = False, arriving_wins: bool = True, prune: bool = True) -> None:
        """Bring a file to its newest version (or one version on), or settle a conflict about it."""
        to, path = letter.to, letter.path
        self.made[LATE] += self._since[to][path] > min(self._since[to].values())
        versions = self._mail[to][path]
        content = versions.pop(0) if oldest else versions[-1]
        if not oldest or not versions:
            self._is_settled(to, path)
        here = self.known[to].get(path)
        if path in self._mail[1 - to] and here != content:
            if content is None or (here is not None and not arriving_wins):
                if path in self._mail[to]:
                    self._is_settled(to, path)
                self._lay_beside(path, content)
                return
            self._is_settled(1 - to, path)
            self._lay_beside(path, here)
        if content == b"" and self.drops_empty:
            self.made[DROPPED] += 1
            return
        self.write(to, path, content, prune=prune)
        self.delivered.append((letter, content))

    def deliver_again(self, earlier: tuple[Letter, Content]) -> None:
        """Write a version that arrived, and is still the present one there, a second time."""
        letter, content = earlier
        if content is not None and self.known[letter.to].get(letter.path) == content:
            self.made[TWICE] += 1
            self.write(letter.to, letter.path, content)

    def cut(self, letter: Letter, percent: int) -> None:
        """Let only the beginning of a file arrive, under its own name; the rest is still on its way."""
        content = self._mail[letter.to][letter.path][-1]
        if content and letter.path not in self._mail[1 - letter.to]:
            self.made[CUT] += 1
            self.write(letter.to, letter.path, content[: len(content) * percent // 100])

    def litter(self, side: int, path: str, content: bytes) -> None:
        """Leave what tools leave beside a file: temporary names and a conflict copy."""
        target = self.replicas[side] / path
        if target.parent.is_dir():
            self.made[BESIDE] += 1
            for name in (f".syncthing.{target.name}.tmp", f".unison.{target.name}.0123abcd.unison.tmp"):
                (target.parent / name).write_bytes(content[: len(content) // 2])
            (target.parent / conflict_name(target.name)).write_bytes(content)

    def bring_back(self, side: int, path: str, content: bytes) -> None:
        """Let a file that was there once be there again, as if it had been changed there."""
        target = self.replicas[side] / path
        if target.is_dir() or any(parent.is_file() for parent in target.parents):
            return
        self.made[BACK] += 1
        self._replace(target, content)

    def write(self, side: int, path: str, content: Content, *, prune: bool = True) -> None:
        """Write one version as the tool does: by renaming, and without taking it for a person's change."""
        target = self.replicas[side] / path
        if content is None:
            target.unlink(missing_ok=True)
            self.known[side].pop(path, None)
            if prune:
                _prune(target.parent, self.replicas[side])
            return
        self._replace(target, content)
        self.known[side][path] = content

    def tidy(self) -> None:
        """Remove litter and empty folders on both sides, as tools do in the end."""
        for replica in self.replicas:
            for path in sorted(replica.rglob("*"), reverse=True):
                if path.is_file() and names.is_sync_artefact(path.name):
                    path.unlink()
                elif path.is_dir() and not any(path.iterdir()):
                    path.rmdir()

    def _read(self, side: int) -> dict[str, bytes]:
        """Take over every file of a replica that is no tool's own; of the others only where they lie."""
        found: dict[str, bytes] = {}
        litter: list[str] = []
        _read_all(str(self.replicas[side]), "", found, litter)
        self.known[side], self.litters[side] = found, sorted(litter)
        return found

    def _is_settled(self, side: int, path: str) -> None:
        del self._mail[side][path], self._since[side][path]

    def _replace(self, target: Path, content: bytes) -> None:
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = target.with_name(f".syncthing.{target.name}.tmp")
        temporary.write_bytes(content)
        temporary.replace(target)

    def _lay_beside(self, path: str, content: Content) -> None:
        for side in (0, 1):
            target = self.replicas[side] / path
            if content is not None and target.parent.is_dir():
                self.made[BESIDE] += 1
                (target.parent / conflict_name(target.name)).write_bytes(content)

    def _keep(self, path: str, content: Content) -> None:
        if content and content not in self.versions.setdefault(path, []):
            self.versions[path].append(content)


def conflict_name(name: str) -> str:
    """The name that Syncthing gives to the loser of a conflict."""
    stem, dot, ending = name.rpartition(".")
    return f"{stem if dot else name}.sync-conflict-20260302-103000-ABCDEFG{dot}{ending if dot else ''}"


def _prune(folder: Path, top: Path) -> None:
    while folder != top and folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()
        folder = folder.parent


def _read_all(folder: str, inside: str, found: dict[str, bytes], litter: list[str]) -> None:
    with os.scandir(folder) as entries:
        for entry in entries:
            if names.is_sync_artefact(entry.name):
                litter.append(f"{inside}{entry.name}")
            elif entry.is_dir(follow_symlinks=False):
                _read_all(entry.path, f"{inside}{entry.name}/", found, litter)
            else:
                descriptor = os.open(entry.path, os.O_RDONLY)
                found[inside + entry.name] = os.read(descriptor, 1 << 20)
                os.close(descriptor)
