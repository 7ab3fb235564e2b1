"""The people of the soak: each a thread with a client and a home of their own, doing what the stories say next."""

from __future__ import annotations

import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterable
from random import Random

from syft_job.errors import SyftJobError

from .stories import LOOK_AGAIN, STORIES, Story, Task
from .world import OWNER, SUBMITTERS, World

MOST_OPEN = 48
"""So many jobs are under way at once at most; whoever would send one more waits."""


class Tasks:
    """All jobs of the soak: what is under way, what is over, and how fast new ones may come.

    Args:
        jobs: how many there will be.
        seed: decides in which order the stories come.
    """

    def __init__(self, jobs: int, seed: int) -> None:
        self.jobs = jobs
        self.guard = threading.Lock()
        self.open: dict[str, Task] = {}
        self.settled: list[Task] = []
        self.sent = 0
        self.over = 0
        self.ends: Counter[tuple[str, str]] = Counter()
        self.due = 0
        self._order = _stories(jobs, Random(seed))

    def next(self, submitter: str) -> Task | None:
        """One more job to send, if it is time for it."""
        with self.guard:
            if self.sent >= min(self.due, self.jobs) or len(self.open) >= MOST_OPEN:
                return None
            task = Task(self.sent, self._order[self.sent], submitter)
            self.sent += 1
            self.open[task.name] = task
            return task

    def of(self, *, by_owner: bool, submitter: str = "") -> list[Task]:
        """What this person has to do something about now."""
        now = time.monotonic()
        with self.guard:
            return [
                task
                for task in self.open.values()
                if task.step.by_owner is by_owner
                and (by_owner or task.submitter == submitter)
                and task.next_look <= now
            ]

    def settle(self, task: Task) -> None:
        """A job is over and right."""
        with self.guard:
            task.settled_at = time.monotonic()
            del self.open[task.name]
            self.settled.append(task)
            self.over += 1
            self.ends[task.story.name, task.state] += 1

    def under_way(self) -> list[Task]:
        """What is not over now."""
        with self.guard:
            return list(self.open.values())


class People:
    """Everybody, each in a thread.

    Args:
        world: where they live.
        tasks: what they have to do.
        find: called with what must not be.
    """

    def __init__(self, world: World, tasks: Tasks, find: Callable[[str], None]) -> None:
        self.refused: Counter[str] = Counter()
        self._world = world
        self._tasks = tasks
        self._find = find
        self._over = threading.Event()
        self._threads = [
            threading.Thread(target=self._live, args=(person,), name=person, daemon=True)
            for person in (OWNER, *SUBMITTERS)
        ]

    def start(self) -> None:
        """Let them begin."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Let them end; each finishes what it is at."""
        self._over.set()
        for thread in self._threads:
            thread.join(60)
            if thread.is_alive():
                self._find(f"{thread.name} hangs in a call")

    def _live(self, person: str) -> None:
        client = self._world.client(person)
        is_owner = person == OWNER
        while not self._over.is_set():
            if not is_owner:
                self._tasks.next(person)
            mine = self._tasks.of(by_owner=is_owner, submitter=person)
            for task in mine:
                if self._over.is_set():
                    return
                self._do(client, task)
            self._over.wait(0.01 if mine else 0.05)

    def _do(self, client: object, task: Task) -> None:
        step = task.step
        try:
            is_done = step.act(self._world, client, task)  # type: ignore[arg-type]
        except SyftJobError as error:
            self.refused[type(error).__name__] += 1
            task.in_the_way = f"{type(error).__name__}: {error}"
            is_done = False
        except Exception as error:  # noqa: BLE001 - a verb may refuse in its own words only
            self._find(f"{task.name}: {step.act.__name__} raised {error!r}\n{traceback.format_exc()}")
            task.in_the_way = repr(error)
            is_done = False
        if not is_done:
            task.next_look = time.monotonic() + LOOK_AGAIN
            return
        task.in_the_way = ""
        if task.at + 1 == len(task.story.steps):
            self._tasks.settle(task)
        else:
            task.at += 1


def _stories(jobs: int, random: Random) -> list[Story]:
    """So many stories, each kind in its share, shuffled within each hundred."""
    hundred = [story for story in STORIES for _ in range(story.share)]
    order: list[Story] = []
    while len(order) < jobs:
        order += random.sample(hundred, len(hundred))
    return order[:jobs]


def names_of(tasks: Iterable[Task], at_most: int = 5) -> str:
    """Some of them, with what is in their way."""
    told = [f"{task.name} (step {task.at}: {task.in_the_way or 'it waits'})" for task in tasks]
    return "; ".join(told[:at_most]) + (f"; and {len(told) - at_most} more" if len(told) > at_most else "")
