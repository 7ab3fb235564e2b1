"""The course of a soak: rounds of work and trouble, each with a calm end at which everything is looked at."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
import time
from collections import Counter
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from random import Random

from tests.reliability import Sighting, keep

from .judge import Judge
from .people import People, Tasks, names_of
from .serving import PATIENCE, Sample, Serving
from .trouble import Trouble
from .world import OWNER, World

TELL_EVERY = 10.0
SAMPLE_EVERY = 2.0
CLEAN_EVERY = 30.0
WORTH_TELLING = 20.0
"""After so many seconds without coming to rest it is told what is in the way."""


class Course:
    """One soak from the beginning to the end.

    Args:
        world: where it takes place.
        minutes: how long jobs are sent; what is slower takes longer and says so.
        jobs: how many.
        rounds: how often everything comes to rest.
        seed: decides what comes when.
        patience: seconds after the last job was sent in which all must be right.
    """

    def __init__(self, world: World, minutes: float, jobs: int, rounds: int, seed: int, patience: float) -> None:
        self.findings: list[str] = []
        self.samples: list[Sample] = []
        self._world = world
        self._seconds = minutes * 60
        self._rounds = rounds
        self._patience = patience
        self._waits_since = float("inf")
        self._guard = threading.Lock()
        self._began = time.monotonic()
        self._took = 0.0
        self._told = self._sampled = self._cleaned = time.monotonic()
        self._over_at_calm: list[int] = []
        self._for_cleaning: list[tuple[float, str]] = []
        self._judged = 0
        self._cleaned_jobs = 0
        self._refused_clean = ""
        self.tasks = Tasks(jobs, seed)
        self.serving = Serving(world, self.find)
        self.people = People(world, self.tasks, self.find)
        self.judge = Judge(world, self.serving, self.find)
        every = max(0.4, min(5.0, self._seconds / 40))
        self.trouble = Trouble(world, self.serving, self.tasks, Random(seed), every, self.find)

    def find(self, what: str) -> None:
        """Take down something that must not be, and say it at once."""
        with self._guard:
            self.findings.append(what)
        self._say(f"‼ {what}")

    def run(self) -> bool:
        """Do everything; True when it ended clean."""
        self.serving.start()
        self.people.start()
        self.trouble.start()
        try:
            for number in range(self._rounds):
                # The last half of each six rounds, and the last of few: the same runner lives through them.
                self.trouble.spares_the_runner = number % 6 >= 3 if self._rounds >= 6 else number == self._rounds - 1
                self._scheduler(number)
            self._clean_all()
        finally:
            self._end()
        return not self.findings

    def _scheduler(self, number: int) -> None:
        share, before = self._seconds / self._rounds, self.tasks.jobs * number // self._rounds
        until = self.tasks.jobs * (number + 1) // self._rounds
        began = time.monotonic()
        self.trouble.begin()
        while self.tasks.sent < until:
            part = min(1.0, (time.monotonic() - began) / share)
            self.tasks.due = before + int((until - before) * part)
            self._tick()
        self._calm()

    def _calm(self) -> None:
        """Let everything come to its end, with the last trouble over, and look."""
        self.trouble.pause()
        self._waits_since = since = time.monotonic()
        while under_way := self.tasks.under_way():
            if time.monotonic() - since > self._patience:
                self.find(f"{len(under_way)} jobs do not come to their end: {names_of(under_way)}")
                for task in under_way:
                    self.judge.lost.add(task.name)
                    self.tasks.settle(task)
                break
            self._tick()
        self._waits_since = float("inf")
        self._wait_until_it_serves()
        judged, self._judged = self.tasks.settled[self._judged :], len(self.tasks.settled)
        self.judge.settled(judged)
        self._for_cleaning += [(task.settled_at or 0.0, f"{task.submitter}/{task.name}") for task in judged]
        self._come_to_rest()
        self.judge.calm()
        if (sample := self._quietest()) is not None:
            self.samples.append(sample)
            self._over_at_calm.append(self.tasks.over)

    def _end(self) -> None:
        self.trouble.stop()
        self.people.stop()
        self._took = time.monotonic() - self._began
        self.judge.flat([sample for sample in self.samples if sample.is_calm], self._over_at_calm)
        with suppress(AssertionError):
            self.serving.end(kill=False)
        for told in self.serving.tracebacks():
            self.find(f"a runner told a traceback: {told}")
        for pid, command in self.judge.processes().items():
            self.find(f"a process is left at the end: {pid}: {command}")
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._tell()

    def _tick(self) -> None:
        time.sleep(0.05)
        now = time.monotonic()
        self.serving.keep()
        if now - self._sampled >= SAMPLE_EVERY:
            self._sampled = now
            if (sample := self.serving.sample(self._began)) is not None:
                self.samples.append(sample)
        if now - self._told >= TELL_EVERY:
            self._told = now
            self._tell()
        if now - self._cleaned >= CLEAN_EVERY:
            self._cleaned = now
            self._clean(kept=max(10.0, self._seconds / 12))

    def _clean_all(self) -> None:
        """At the very end nothing has to stay."""
        while self._for_cleaning and not self.findings:
            before = len(self._for_cleaning)
            self._clean(kept=0.0)
            if len(self._for_cleaning) == before:
                self.find(f"{before} jobs cannot be cleaned: {self._refused_clean}")
        self.judge.send_once_more()
        left = [path for person in self._world.jobs.iterdir() if person.is_dir() for path in person.iterdir()]
        if left and not self.findings:
            self.find(f"{len(left)} things lie in the folder after everything was cleaned: {left[:5]}")

    def _clean(self, kept: float) -> None:
        """Have the owner's retention remove jobs that were judged so long ago, and what is old at home."""
        names = [name for at, name in self._for_cleaning if time.monotonic() - at >= kept][:400]
        self._for_cleaning = [(at, name) for at, name in self._for_cleaning if name not in set(names)]
        everything = ("--what", "workspaces", "--what", "history")
        calls: list[tuple[str, ...]] = [("--older-than", "60s", *everything)]
        calls += [(*names, "--older-than", "0s", "--what", "jobs", "--what", "results")] if names else []
        for words in calls:
            done = subprocess.run(
                self._world.command("--json", "clean", *words), capture_output=True, check=False, timeout=PATIENCE
            )
            if done.returncode and b"Traceback" in done.stderr:
                self.find(f"clean ended with {done.returncode}: {done.stderr.decode(errors='replace')[-1500:]}")
            elif done.returncode:
                self.people.refused["clean"] += 1
                self._refused_clean = done.stdout.decode(errors="replace")[-500:]
        # Away is not cleaned: the next call finds out.
        left = names if not self._world.jobs.exists() else [n for n in names if (self._world.jobs / n).exists()]
        self._cleaned_jobs += len(names) - len(left)
        self._for_cleaning += [(0.0, name) for name in left]

    def _wait_until_it_serves(self) -> None:
        until = time.monotonic() + PATIENCE
        while not self.serving.is_serving() and time.monotonic() < until:
            self._tick()

    def _come_to_rest(self) -> None:
        """What ends together with a job, such as its supervisor, may take a moment."""
        until = time.monotonic() + 30
        while time.monotonic() < until and (self.judge.processes() or self.judge.temporary_files()):
            self._tick()

    def _quietest(self) -> Sample | None:
        """The runner when it has let go of what it held for jobs that are over."""
        held: list[Sample] = []
        for _ in range(30):
            time.sleep(0.1)
            if (sample := self.serving.sample(self._began, is_calm=True)) is not None:
                held.append(sample)
        return min(held, key=lambda sample: (sample.watches, sample.threads, sample.descriptors), default=None)

    # Telling

    def _say(self, line: str) -> None:
        print(f"[{time.monotonic() - self._began:6.0f} s] {line}", flush=True)

    def _tell(self) -> None:
        last = self.samples[-1] if self.samples else None
        held = (
            f"runner {last.runner}: {last.memory:.0f} MB, {last.descriptors} files, {last.threads} threads,"
            f" {last.watches} watches"
            if last
            else "no runner"
        )
        elapsed = max(0.1, time.monotonic() - self._began)
        self._say(
            f"{self.tasks.sent} sent, {self.tasks.over} over ({self.tasks.over / elapsed:.2f}/s), "
            f"{len(self.tasks.open)} under way; {len(self.trouble.faults)} troubles; {held};"
            f" {len(self.findings)} findings"
        )
        if time.monotonic() - self._waits_since > WORTH_TELLING:
            self._say(f"   still under way: {names_of(self.tasks.under_way())}")

    @property
    def sightings(self) -> list[Sighting]:
        """A row for each kind of trouble, as the table of reliability has them."""
        found = []
        for words in sorted({fault.words for fault in self.trouble.faults}):
            faults = [fault for fault in self.trouble.faults if fault.words == words]
            names = {task.name for fault in faults for task in fault.under_way}
            lost, twice = len(names & self.judge.lost), len(names & self.judge.twice)
            found.append(Sighting(words, len(faults), lost, twice, max(fault.seconds for fault in faults)))
        return found

    def note(self) -> None:
        """Leave the sightings where `python -m tests.reliability` finds them."""
        keep(self.sightings)

    @property
    def facts(self) -> dict[str, object]:
        """The whole in figures."""
        return {
            "seconds": round(self._took, 1),
            "asked_seconds": self._seconds,
            "jobs": self.tasks.over,
            "jobs_per_second": round(self.tasks.over / max(0.1, self._took), 2),
            "rounds": self._rounds,
            "submitters_and_owner": [OWNER, *sorted({task.submitter for task in self.tasks.settled})],
            "sandboxes": self._world.sandboxes,
            "cleaned": self._cleaned_jobs,
            "refused": dict(self.people.refused),
            "restarts": self.serving.restarts,
            "moves_told": self.serving.moves(),
            "findings": self.findings,
        }

    @property
    def calm_samples(self) -> list[Sample]:
        """What the runner held whenever nothing was under way."""
        return [sample for sample in self.samples if sample.is_calm]

    def ends(self) -> dict[str, Counter[str]]:
        """How many of each story ended how."""
        table: dict[str, Counter[str]] = {}
        for (story, state), count in sorted(self.tasks.ends.items()):
            table.setdefault(story, Counter())[state] += count
        return table

    def to_file(self, path: Path) -> None:
        """Keep everything as JSON."""
        kept = {
            "facts": self.facts,
            "ends": self.ends(),
            "faults": [asdict(sighting) for sighting in self.sightings],
            "samples": [sample.to_json() for sample in self.samples],
        }
        path.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
