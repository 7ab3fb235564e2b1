"""Delivery in any order: what happens, drawn at random, between two people with a bad transport between them.

They do everything that people do, in any order, while the transport carries one file at a time and makes trouble.
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Callable
from typing import ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import initialize, rule

from syft_job.format.markers import OWNERS_NAMES
from syft_job.model.states import JobState
from tests.properties.checks import NAMES, Checks
from tests.properties.hands import A_MOMENT, OWNER, SUBMITTER

OFTEN = (*NAMES[:1] * 3, *NAMES[1:])
KINDS = ("bash", "python")
GRANTS = (frozenset[str](), frozenset({"outputs"}), frozenset({"logs"}), frozenset({"outputs", "logs"}))
FITTING = {
    JobState.CREATED: ("reject",),
    JobState.SUBMITTED: ("approve", "approve", "approve", "reject", "deposit"),
    JobState.QUEUED: ("cancel", "reject", "deposit"),
    JobState.RUNNING: ("cancel",),
    JobState.SUCCEEDED: ("share", "share", "rerun", "rerun", "clean"),
    JobState.CANCELLED: ("rerun", "rerun", "clean"),
    JobState.REJECTED: ("approve", "approve", "clean"),
}
"""What an owner may do to a job in a state; in every other state it is as with SUCCEEDED."""
HAPPENS = (
    *["the_owner_acts"] * 3,
    *["the_runner_acts"] * 3,
    *["the_submitter_acts"] * 2,
    *["many_are_delivered"] * 3,
    *["trouble_is_made"] * 3,
    "one_is_delivered",
    "a_moment_passes",
)
"""What may happen next; what happens more often stands here several times."""
seeds = st.integers(0, 2**32)


class Delivery(Checks):
    """One story: a beginning, what happens then, and that all is well in the end."""

    @initialize(seed=seeds)
    def a_beginning(self, seed: int) -> None:
        """Most stories begin with a job that has come some way already, all of it delivered."""
        self.seed = seed
        chance = self.luck("a_beginning")
        self.transport.drops_empty = chance.random() < 0.5
        place = self.people.place(NAMES[0])
        beginning: list[Callable[[], object]] = [
            lambda: self.submit(place, chance.choice(KINDS)),
            lambda: self.approve(place, chance.choice(GRANTS)),
            lambda: self.begin(place),
            lambda: self.end_what_runs(0),
        ]
        if chance.random() < 0.25:  # the beginning of a story about what was cleaned
            beginning[chance.choice((1, 4)) :] = [
                lambda: self.reject(place),
                lambda: self.clean(place),
                lambda: self.a_backup_is_restored(chance.choice((OWNER, SUBMITTER)), place.name),
            ]
        else:
            beginning.append(lambda: self.rerun(place))
        for act in beginning[: chance.randrange(len(beginning) + 1) if self.plays_supervisors else 2]:
            act()
            self.step()
            for letter in self.transport.look():
                self.transport.deliver(letter)

    def teardown(self) -> None:
        try:
            if sys.exc_info()[0] is None:
                self.everything_is_delivered_and_both_see_the_same()
        finally:
            self.go()

    @rule(what=st.sampled_from(HAPPENS))
    def next(self, what: str) -> None:
        """One rule for all, as a story lives of people, runner and transport together; none is left out."""
        getattr(self, what)()

    def the_submitter_acts(self) -> None:
        chance = self.luck("the_submitter_acts")
        place = self.people.place(chance.choice(OFTEN))
        if not (self.replicas[SUBMITTER] / place.name).is_dir():
            self.submit(place, chance.choice(KINDS))
        elif chance.random() < 0.7:
            self.withdraw(place)
        else:
            self.submit_another_in_its_place(place, chance.choice(KINDS))

    def the_owner_acts(self) -> None:
        """Mostly what may be done to the job as it is, sometimes anything."""
        chance = self.luck("the_owner_acts")
        record = self.find(self.clients[OWNER].store.get, self.people.place(chance.choice(OFTEN)))
        if record is None:
            return
        place, grants = record.place, chance.choice(GRANTS)
        verbs: dict[str, Callable[[], object]] = {
            "approve": lambda: self.approve(place, grants),
            "reject": lambda: self.reject(place),
            "cancel": lambda: self.cancel(place),
            "deposit": lambda: self.deposit(place),
            "share": lambda: self.share(place, "outputs" if "outputs" in grants else "logs"),
            "rerun": lambda: self.rerun(place),
            "clean": lambda: self.clean(place),
        }
        fitting = FITTING.get(record.state, FITTING[JobState.SUCCEEDED])
        verbs[chance.choice(tuple(verbs) if chance.random() < 0.1 else fitting)]()

    def the_runner_acts(self) -> None:
        chance = self.luck("the_runner_acts")
        chosen = chance.randrange(6)
        if self.plays_supervisors and chosen < 2:
            self.begin(self.people.place(chance.choice(OFTEN)))
        elif self.plays_supervisors and chosen < 4:
            self.end_what_runs(3 * (chosen == 3))
        elif chosen == 4:
            self.a_runner_comes()
        self.step()

    def a_moment_passes(self) -> None:
        """So that what was seen is remembered, and must be noticed when it moves."""
        if self.luck("a_moment_passes").random() < 0.7:
            return
        time.sleep(1.5 * A_MOMENT)
        self.seen.clear()

    def one_is_delivered(self) -> None:
        chance = self.luck("one_is_delivered")
        if letters := self.transport.look():
            oldest, arriving_wins, prune = (chance.random() < 0.5 for _ in range(3))
            self.transport.deliver(chance.choice(letters), oldest=oldest, arriving_wins=arriving_wins, prune=prune)

    def many_are_delivered(self) -> None:
        chance = self.luck("many_are_delivered")
        to = chance.choice((OWNER, SUBMITTER))
        letters = [letter for letter in self.transport.look() if letter.to == to]
        chance.shuffle(letters)
        for letter in letters[: chance.randrange(1, len(letters) + 2)]:
            self.transport.deliver(letter, prune=chance.random() < 0.5)
            self.both_see_what_they_must()

    def trouble_is_made(self) -> None:
        chance = self.luck("trouble_is_made")
        letters = self.transport.look()
        olds = [(path, content) for path, found in sorted(self.transport.versions.items()) for content in found]
        if not olds:
            return
        side = chance.choice((OWNER, SUBMITTER))
        path, content = chance.choice(olds)
        name, inside = path.split("/")[:2]
        kind = chance.randrange(6)
        if kind == 0 and letters:
            letter = chance.choice(letters)
            if (letter.to, letter.path) in self.early:  # it came whole by another way, and is written over
                self.overlaid.add(letter.path.split("/", maxsplit=1)[0])
            self.transport.cut(letter, chance.randrange(100))
        elif kind == 1 and self.transport.delivered:
            self.transport.deliver_again(chance.choice(self.transport.delivered))
        elif kind == 2:
            self.transport.litter(side, path, content)
        elif kind == 3 and inside in OWNERS_NAMES:
            self.overlaid.add(name)
            self.back_comes(OWNER, path, content)
        elif kind == 4 and path not in self.transport.known[side]:
            self.back_comes(side, path, content)
        elif kind == 5:
            self.a_backup_is_restored(side, name)

    def a_backup_is_restored(self, side: int, name: str) -> None:
        """Everything of a job that is not there now, as it was last."""
        for path, found in sorted(self.transport.versions.items()):
            if path.startswith(f"{name}/") and path not in self.transport.known[side]:
                self.back_comes(side, path, found[-1])

    def back_comes(self, side: int, path: str, content: bytes) -> None:
        self.mixed.add(path.split("/", maxsplit=1)[0])
        self.early.add((side, path))
        self.transport.bring_back(side, path, content)


class DeliveryWithProcesses(Delivery):
    """The same, where the runner starts real processes."""

    plays_supervisors = False
    made: ClassVar[Counter[str]] = Counter()
    longest: ClassVar[list[float]] = [0.0]
