"""What holds while two people act and files travel, at any time and in the end.

Each sees exactly what the files before them and the owner's own word amount to; nothing falls, nothing is out that was
not let out; and when everything has been delivered, both see the same and have what was promised.
"""

from __future__ import annotations

import time
from pathlib import Path

from hypothesis.stateful import invariant

from syft_job.client import JobClient
from syft_job.exchange import job_reader
from syft_job.format.markers import LOGS, OUTPUTS, OWNERS_NAMES, WITHDRAWN
from syft_job.model.job_record import JobRecord
from syft_job.model.job_ref import JobRef
from syft_job.model.states import JobState
from tests.properties.hands import A_MOMENT, LOST, OWNER, SUBMITTER, Hands
from tests.properties.oracle import TAKEN_BACK

NAMES = ("Salinity", "Tides")
ROUNDS = 40
"""More than any story needs to come to rest."""
PATIENCE = 120.0
"""Seconds for real processes to end, on a machine that does other things, too."""
HEIGHTS = {JobState.CREATED: 0, JobState.SUBMITTED: 1, JobState.QUEUED: 2, JobState.RUNNING: 4, JobState.REJECTED: 7}
"""How high a state is; the others are of one height, but for CANCELLED, which may be two things."""


class Checks(Hands):
    """The hands, and what holds whatever they do."""

    @invariant()
    def both_see_what_they_must(self) -> None:
        self.transport.look()
        if not self.plays_supervisors:
            self.hear_the_ledger()
        for side, client in enumerate(self.clients):
            known, litter = self.transport.known[side], self.transport.litters[side]
            told_at_home = self.home.ledger.end if side == OWNER else 0, len(self.ends)
            now = {name: (of_job(known, name), [path for path in litter if name in path]) for name in NAMES}
            moved = [name for name in NAMES if self.seen.get((side, name)) != (now[name], told_at_home)]
            listed = {record.name: record for record in self.list_all(client)} if moved else {}
            for name in moved:
                self.seen[side, name] = now[name], told_at_home
                record = self.find(client.store.get, self.people.place(name))
                files = now[name][0]
                self.check_list(side, listed.get(name), record, files)
                if record is not None:
                    self.check_view(side, record, files)
                    self.check_height(side, record, files)
                self.nothing_is_out_that_was_not_let_out(files)

    def list_all(self, client: JobClient) -> list[JobRecord]:
        """A list to its end: where the machine is busy, the budget of a submitter may be used up for some looks."""
        records = client.store.records()
        while client.store.not_looked_at():
            time.sleep(A_MOMENT)
            records = client.store.records()
        return records

    def check_list(
        self, side: int, listed: JobRecord | None, record: JobRecord | None, files: dict[str, bytes]
    ) -> None:
        if record is None:
            assert listed is None, "the list has a job that is not there"
            self.holds(not any(files.values()), LOST, f"files are there, but no job: {sorted(files)}")
            return
        assert listed is not None, "the list lacks it"
        # Permits lie a folder deeper, and a list does not look there again for what their owner has in the ledger.
        is_deeper = "'attempts/" if side == OWNER else "-"
        fresh = tuple(words for words in record.findings if not words.startswith(is_deeper) or words in listed.findings)
        in_list, now = (listed.id, listed.position, listed.findings), (record.id, record.position, fresh)
        is_moving = not self.plays_supervisors and side == OWNER  # a process may begin between the two looks
        assert in_list == now or is_moving, f"the list is stale: {in_list}, and now it is {now}"

    def check_view(self, side: int, record: JobRecord, files: dict[str, bytes]) -> None:
        """That somebody sees exactly what the files before them, and for the owner their own word, amount to."""
        laid = self.transport.versions
        versions = {path: laid.get(f"{record.name}/{path}", []) for path in files}
        must = self.oracle.view(record.place, files, versions, is_owner=side == OWNER)
        if must is None:
            assert record.problem or side == OWNER, "a config.yaml that is not whole is taken for one"
            return
        assert not record.problem, f"what is only incomplete is called unreadable: {record.problem}"
        if self.plays_supervisors or side == SUBMITTER:
            position = record.position
            seen = (position.attempt, position.state, position.withdrawn)
            self.holds(seen == must, LOST, f"side {side} sees {position}, and must see {must}")

    @staticmethod
    def is_missing(location: Path, words: str) -> bool:
        """Whether a sentence of `verify` says of a file that it has not arrived, and it is not there."""
        path, _, said = words.partition(": ")
        return said == "it has not arrived" and not (location / path).exists()

    def check_height(self, side: int, record: JobRecord, files: dict[str, bytes]) -> None:
        """That nothing falls while the submission stays what it is."""
        submitted = {path: content for path, content in files.items() if self.is_submitters(path)}
        low, high = height_of(record)
        before, reached = self.reached.get((side, record.id), (submitted, (1, 0)))
        if before == submitted and (record.attempt, high) < reached:
            why = f"side {side} sees it fall from {reached} to {record.position}"
            self.holds(self.is_history(side, record, reached), LOST, why)
        self.reached[side, record.id] = submitted, (record.attempt, low)

    def is_history(self, side: int, record: JobRecord, reached: tuple[int, int]) -> bool:
        """Whether somebody may lose sight of what they have seen, as the hand that said it has taken it away.

        A submitter loses sight of an attempt when the owner has opened another one since, or cleaned the job: its
        markers are taken away or written over, and what arrives first is not for us to say. A submitter who removes
        what they submitted removes the owner's markers with it, and their own withdrawal, which is theirs to unsay; the
        withdrawal of an earlier submission of that name, when it comes back over the present one, unsays it, too.
        An older marker that a tool lays over the owner's travels, too, before the runner has put that right. And where
        a backup brought a marker before the tool did, the tool may write the beginning of it over the whole.
        """
        lying = self.transport.known[SUBMITTER].get(f"{record.name}/{WITHDRAWN}")
        is_unsaid = record.id in self.replaced or lying not in self.oracle.taken_back[record.id]
        if reached[1] == TAKEN_BACK and is_unsaid:
            return True
        if side == OWNER:
            return False
        newest = max((word.attempt for word in self.oracle.words[record.id]), default=1)
        is_gone = record.id in self.oracle.cleaned or record.id in self.replaced
        return newest > reached[0] or is_gone or record.name in self.overlaid

    def nothing_is_out_that_was_not_let_out(self, files: dict[str, bytes]) -> None:
        """Each result tells in its content of which attempt it is."""
        for path, content in files.items():
            what = "outputs" if path.startswith(f"{OUTPUTS}/") else "logs" if path in LOGS.values() else ""
            job, _, number = content.decode("latin-1").rstrip("\n").partition(" ")
            if what and number:
                assert what in self.oracle.promised[job, int(number)], f"{path} of {job} {number} was not let out"

    def everything_is_delivered_and_both_see_the_same(self) -> None:
        began = time.monotonic()
        self.come_to_rest()
        self.longest[0] = max(self.longest[0], time.monotonic() - began)
        for name in NAMES:
            self.check_end(name)
        if self.clean_once_more():
            self.come_to_rest()
            for name in NAMES:
                self.check_end(name)

    def check_end(self, name: str) -> None:
        place = self.people.place(name)
        ours, theirs = (self.find(client.store.get, place) for client in self.clients)
        if ours is None or theirs is None:
            self.holds(ours is theirs, LOST, f"{name}: the owner has {ours}, the submitter {theirs}")
            return
        seen = f"{name}: the owner sees {told(ours)}, the submitter {told(theirs)}"
        self.holds(ours.id == theirs.id, LOST, seen)
        if ours.id in self.oracle.cleaned:
            return  # what came back after that is a remainder: see `clean_once_more`
        alike = (ours.state, ours.attempt, ours.status) == (theirs.state, theirs.attempt, theirs.status)
        self.holds(alike, LOST, seen)
        is_under_way = ours.state in (JobState.QUEUED, JobState.RUNNING)
        self.holds(name in self.mixed or not is_under_way, LOST, f"it never comes to an end: {told(ours)}")
        if self.plays_supervisors or ours.state.is_finished:
            self.check_released(place, ours)

    def check_released(self, place: JobRef, ours: JobRecord) -> None:
        """What was let out of the present attempt is there, whole, and nothing else is."""
        promised = self.oracle.promised[ours.id, ours.attempt] if ours.state.is_finished else set()
        if ours.id in self.oracle.deposited and not promised:
            return  # its files lie in the folder from the beginning
        shared = job_reader.look(self.people.submitters_root, place, self.people.submitter.participant).marker("shared")
        is_shared = shared is not None and shared.attempt == ours.attempt
        if place.name not in self.mixed and not promised:
            for known in self.transport.known:
                left = [
                    path
                    for path in of_job(known, place.name)
                    if path.startswith(f"{OUTPUTS}/") or path in LOGS.values()
                ]
                assert not left, f"results of an earlier attempt still lie there: {left}"
        self.holds(is_shared or not promised, LOST, f"of {told(ours)}, {promised} is not let out")
        if shared is None or not is_shared:
            return
        told_of = {what for what in ("outputs", "logs") if what in shared.body}
        self.holds(told_of == promised, LOST, f"{told_of} are let out, {promised} were promised")
        held = self.home.attempt_paths(ours.id, ours.attempt).results
        location = place.under(self.people.submitters_root)
        theirs = self.people.submitter.job_at(place)
        # What was said of an earlier submission under this name may lie there for ever, and is told as such.
        fails = [words for words in theirs.verify().fails if "of an earlier version" not in words]
        if place.name in self.mixed:  # of a job that was removed, a part may have come back
            fails = [words for words in fails if not self.is_missing(location, words)]
        is_whole = True
        for what in told_of:
            for path, entry in shared.body[what]["files"].items():
                lying = location / OUTPUTS / path if what == "outputs" else location / path
                content = (held / what / path).read_bytes()
                assert len(content) == entry["size"]
                if (lying.read_bytes() if lying.exists() else b"") != content:
                    # A result of before that a tool laid over it stays there; a submitter is told so.
                    self.holds(place.name in self.mixed, LOST, f"{path} is not there")
                    assert any(path in words for words in fails), f"nobody says that {path} is another"
                    is_whole = False
        if not is_whole:
            return
        assert not fails, fails
        assert theirs.wait(timeout=0) is ours.state

    def clean_once_more(self) -> bool:
        """What came back of a cleaned job stays until its owner cleans it again, and then it is gone for both."""
        found = [self.find(self.clients[OWNER].job_at, self.people.place(name)) for name in NAMES]
        came_back = [job for job in found if job is not None and job.id in self.oracle.cleaned]
        for job in came_back:
            self.clean_it(job)
        return bool(came_back)

    def come_to_rest(self) -> None:
        chance = self.luck("come_to_rest")
        rounds, until = 0, time.monotonic() + PATIENCE
        while rounds < ROUNDS:
            before = [dict(known) for known in self.transport.known]
            letters = self.transport.look()
            chance.shuffle(letters)
            for letter in letters:
                if letter in self.transport.look():
                    self.transport.deliver(letter, arriving_wins=chance.random() < 0.5)
            self.transport.tidy()
            moves = self.serve()
            self.both_see_what_they_must()
            if not moves and not letters and before == self.transport.known:
                return
            if not self.plays_supervisors and self.home.ledger.unfinished() and time.monotonic() < until:
                time.sleep(A_MOMENT)  # real processes take their time
            else:
                rounds += 1
        raise AssertionError("it does not come to rest")

    def serve(self) -> int:
        """One round of the owner's runner; how much moved."""
        if self.plays_supervisors:
            self.end_what_runs(0)
        moves = len(self.runner.step())
        self.hear_the_ledger()
        if self.plays_supervisors:
            for name in NAMES:
                moves += self.begin(self.people.place(name))
        return moves + len(self.home.ledger.unfinished())

    @staticmethod
    def is_submitters(path: str) -> bool:
        return path != WITHDRAWN and path.partition("/")[0] not in OWNERS_NAMES


def of_job(known: dict[str, bytes], name: str) -> dict[str, bytes]:
    """What lies in the directory of a job."""
    return {path[len(name) + 1 :]: content for path, content in known.items() if path.startswith(f"{name}/")}


def height_of(record: JobRecord) -> tuple[int, int]:
    """How high a state is: the least and the most that it may mean; CANCELLED is taken back, or stopped."""
    if record.state is JobState.CANCELLED:
        return (3 if record.position.withdrawn else 5, 6)
    height = HEIGHTS.get(record.state, 5)
    return (height, height)


def told(record: JobRecord) -> str:
    return (
        f"{record.id} {record.state.value} {record.attempt}{' withdrawn' * record.position.withdrawn} {record.findings}"
    )
