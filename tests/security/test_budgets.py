"""Threat 33: one submitter cannot stall the others, whatever lies in their folder. Costs are counted, not timed."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
import unicodedata
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import pytest

from syft_job import JobClient, JobRunner, SubmissionLimits, get_client
from syft_job.doctor import examine
from syft_job.errors import JobNotFoundError
from syft_job.model.events import Event
from syft_job.testing import TwoPeople

EVE = "eve@example.org"
"""The hostile submitter: writes directories of her own making into her folder of the owner's datasite."""
RUN = b"true\n"
FILES = 100


@pytest.fixture
def people(tmp_path: Path) -> Iterator[TwoPeople]:
    with TwoPeople(tmp_path, limits=SubmissionLimits(files=FILES)) as both:
        (both.root / EVE).mkdir()
        both.owner.setup_ds_job_folder_as_do(EVE)
        both.submit(name="Honest")
        yield both


class Reads:
    """What was asked of the disk: bytes that were read, directory entries that were listed, files that were opened."""

    def __init__(self) -> None:
        self.bytes = 0
        self.entries = 0
        self.opened: Counter[str] = Counter()


@contextmanager
def counted(monkeypatch: pytest.MonkeyPatch) -> Iterator[Reads]:
    reads = Reads()
    read, readv, scandir, listdir, open_ = os.read, os.readv, os.scandir, os.listdir, os.open

    class Scan:
        def __init__(self, where: Any) -> None:
            self.inner = scandir(where)

        def __enter__(self) -> Self:
            return self

        def __exit__(self, *_: object) -> None:
            self.inner.close()

        def __iter__(self) -> Iterator[os.DirEntry[str]]:
            for entry in self.inner:
                reads.entries += 1
                yield entry

        def close(self) -> None:
            self.inner.close()

    def count_read(descriptor: int, size: int) -> bytes:
        data = read(descriptor, size)
        reads.bytes += len(data)
        return data

    def count_readv(descriptor: int, buffers: Any) -> int:
        got = readv(descriptor, buffers)
        reads.bytes += got
        return got

    def count_listdir(where: Any = ".") -> list[str]:
        found = listdir(where)
        reads.entries += len(found)
        return found

    def count_open(path: Any, *arguments: Any, **more: Any) -> int:
        reads.opened[os.fspath(path)] += 1
        return open_(path, *arguments, **more)

    with monkeypatch.context() as patch:
        patch.setattr(os, "read", count_read)
        patch.setattr(os, "readv", count_readv)
        patch.setattr(os, "scandir", Scan)
        patch.setattr(os, "listdir", count_listdir)
        patch.setattr(os, "open", count_open)
        yield reads


def folder_of(people: TwoPeople, who: str) -> Path:
    return people.location("Honest").parent.with_name(who)


def lay(people: TwoPeople, name: str, config: bytes, who: str = EVE) -> Path:
    location = folder_of(people, who) / name
    location.mkdir(parents=True)
    (location / "run.sh").write_bytes(RUN)
    (location / "config.yaml").write_bytes(config)
    return location


def manifest(job: str, paths: Any = (), **more: Any) -> bytes:
    entry = {"size": len(RUN), "sha256": hashlib.sha256(RUN).hexdigest()}
    fields: dict[str, Any] = {
        "format": 1,
        "nonce": "n",
        "name": job,
        "submitted_by": EVE,
        "submitted_at": "2026-03-02T10:30:00Z",
        "type": "bash",
        "files": {"run.sh": entry} | dict.fromkeys(paths, entry),
    }
    return json.dumps(fields | more).encode()


def age(location: Path) -> None:
    """Make what is in a directory look as if it had not changed for a while."""
    for path in [*location.rglob("*"), location]:
        os.utime(path, (time.time() - 100,) * 2)


def fresh(people: TwoPeople, email: str | None = None) -> JobClient:
    """A client without memory of earlier listings, as in a new process."""
    return get_client(people.root, email or people.owner_email, limits=SubmissionLimits(files=FILES))


def assert_others_go_on(people: TwoPeople) -> None:
    """Listings of everybody, a sweep of the runner and `doctor` all come to an honest submitter's job."""
    for email in (people.owner_email, people.submitter_email, "bystander@example.org"):
        jobs = fresh(people, email).jobs
        assert jobs[f"{people.submitter_email}/Honest"].status in ("inbox", "done")
        assert str(jobs)
    if people.owner_job("Honest").status == "inbox":
        people.owner_job("Honest").approve()
    assert people.owner_job("Honest").status in ("approved", "running", "done")
    runner = JobRunner(people.owner.config, announce=None)
    runner.run(once=True)
    assert people.owner_job("Honest").status == "done"
    assert all(check.told for check in examine(people.owner.config))


def nested(people: TwoPeople, inside: str) -> None:
    location = lay(people, "Deep", manifest("Deep") if inside != "older" else b"name: Deep\n")
    here = os.open(location, os.O_RDONLY)
    for name in (*(inside.split("/") if inside != "older" else ()), *(["d"] * 1100)):
        if not os.path.isdir(f"/proc/self/fd/{here}/{name}"):
            os.mkdir(name, dir_fd=here)
        inner = os.open(name, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = inner
    os.close(here)


@pytest.mark.parametrize("inside", ["code", "d", "attempts", "outputs", "older"])
def test_nested_folders_stop_nobody(people: TwoPeople, inside: str):
    nested(people, inside)
    try:
        assert_others_go_on(people)
        job = fresh(people).jobs["Deep"]
        assert job.status
        assert job.findings is not None
    finally:
        remove_deep(folder_of(people, EVE) / "Deep")


def remove_deep(top: Path) -> None:
    """`shutil.rmtree` recurses in some versions of Python."""
    os.system(f"rm -rf '{top}'")


MARKS = "\u0301" * 100_000


@pytest.mark.parametrize(
    "where",
    [
        {"paths": [f"code/e{MARKS}.py"]},
        {"paths": ["code/" + "\u1112\u1161\u11ab" * 60_000]},
        {"entrypoint": "e" + MARKS},
        {"name": "e" + MARKS, "submitted_by": "a" + MARKS, "submitted_at": "2026" + MARKS},
        {"type": MARKS},
        {"needs": [MARKS]},
        {"owner_key": MARKS},
        {"resources": {"memory": "1" * 100_000}},
        {"resources": {"time_limit": "1h" + " " * 100_000}},
        {"resources": {"gpu_type": MARKS}},
        {"dependencies": [MARKS]},
        {"format": [[MARKS]]},
        {MARKS: 1, "files": None},
    ],
    ids=lambda where: "-".join(key[:12] for key in where if key.isascii()),
)
def test_no_text_is_normalised_or_kept_before_its_length_is_checked(
    people: TwoPeople, monkeypatch: pytest.MonkeyPatch, where: dict[str, Any]
):
    lay(people, "Marks", manifest("Marks", where.pop("paths", ()), **where))
    longest = [0]
    normalize = unicodedata.normalize

    def note(form: Any, text: str) -> str:
        longest.append(len(text))
        return normalize(form, text)

    monkeypatch.setattr(unicodedata, "normalize", note)
    jobs = fresh(people).jobs
    assert max(longest) <= 1000
    record = jobs["Marks"].record
    assert len(record.problem) + len(str(record.submitted_at)) + sum(map(len, record.findings)) < 10_000
    assert len(str(jobs)) < 10_000
    assert_others_go_on(people)


def test_no_rule_of_a_permission_file_is_normalised_before_its_length_is_checked(
    people: TwoPeople, monkeypatch: pytest.MonkeyPatch
):
    from syft_job.errors import AclError
    from syft_job.format import permissions

    asked: list[int] = []
    normalize = unicodedata.normalize

    def note(form: Any, text: str) -> str:
        asked.append(len(text))
        return normalize(form, text)

    monkeypatch.setattr(unicodedata, "normalize", note)
    marks = "\u0301" * 20_000
    for rule in (
        {"pattern": f"a{marks}", "access": {}},
        {"pattern": "{{" + " " * 20_000 + "}}", "access": {}},
        {"pattern": "a", "access": {"read": [f"a{marks}"]}},
    ):
        with pytest.raises(AclError):
            permissions.parse(json.dumps({"rules": [rule]}).encode())
    assert max(asked, default=0) <= 1000


def test_files_of_the_older_layout_are_hashed_once_per_change_in_lists(
    people: TwoPeople, monkeypatch: pytest.MonkeyPatch
):
    location = lay(people, "Old", b"name: Old\n")
    (location / "data.bin").write_bytes(b"x" * 1_000_000)
    age(location)
    time.sleep(0.1)
    client = fresh(people)
    monkeypatch.setattr(client.participant, "_settles", 0.01)
    with counted(monkeypatch) as first:
        digest = client.jobs["Old"].digest
    assert first.bytes > 1_000_000
    with counted(monkeypatch) as again:
        for _ in range(5):
            assert client.jobs["Old"].digest == digest
    assert again.bytes < 100_000
    with (location / "data.bin").open("r+b") as file:
        file.write(b"y")
    os.utime(location / "data.bin", (time.time() - 100,) * 2)
    with counted(monkeypatch) as changed:
        assert client.jobs["Old"].digest != digest
    assert changed.bytes > 1_000_000
    with counted(monkeypatch) as reviewed:
        people.owner_job("Old").review()
    assert reviewed.bytes > 1_000_000, "a review hashes each time"


def test_sparse_files_of_the_older_layout_are_not_hashed_in_lists(people: TwoPeople, monkeypatch: pytest.MonkeyPatch):
    for number in range(3):
        location = lay(people, f"Sparse {number}", b"name: Sparse\n")
        os.truncate(location / "run.sh", 1 << 28)
    with counted(monkeypatch) as reads:
        client = fresh(people)
        records = client.store.records()
        client.store.records()
        JobRunner(people.owner.config, announce=None).step()
    assert reads.bytes < 40 << 20
    assert sum("not been hashed" in " ".join(record.findings) for record in records) == 3
    assert any(record.name == "Honest" for record in records)


def test_manifests_without_format_are_read_up_to_256_kib(people: TwoPeople):
    for name, config in (
        ("yaml", b"name: x\nnote: " + b"x" * (256 << 10)),
        ("json", json.dumps({"name": "x", "note": "x" * (256 << 10)}).encode()),
        ("values", b"a:\n" + b"- a\n" * 50_000),
    ):
        lay(people, name, config)
    lay(people, "large", manifest("large", metadata={"note": "x" * (300 << 10)}))
    jobs = fresh(people).jobs
    assert [jobs[name].status for name in ("yaml", "json", "values")] == ["unreadable"] * 3
    assert jobs["large"].status == "inbox"


def test_what_exceeds_the_budget_is_named_and_looked_at_in_turn(people: TwoPeople, monkeypatch: pytest.MonkeyPatch):
    for number in range(30):
        lay(people, f"Heavy {number}", manifest("Heavy", metadata={"note": "x" * (1 << 20)}))
    client = fresh(people)
    seen: set[str] = set()
    monotonic, later = time.monotonic, [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: monotonic() + later[0])
    for transaction in range(30):
        later[0] += 10
        with counted(monkeypatch) as reads:
            jobs = client.jobs
        assert reads.bytes < 12 << 20, "about the base and one job"
        assert jobs["Honest"].status == "inbox"
        names = {record.name for record in client.store.records()} if transaction > 20 else {job.name for job in jobs}
        if transaction == 0:
            assert len(names) < 20
            assert "budget" in str(jobs)
            assert EVE in str(jobs)
            assert any("budget" in check.told for check in examine(people.owner.config))
        seen |= names
        if len(seen) == 31:
            break
    assert len(seen) == 31, "each job is looked at in the end"
    assert_others_go_on(people)


def test_another_process_begins_elsewhere(people: TwoPeople):
    """A command line that lists once never continues, so each new process begins at another job."""
    for number in range(30):
        lay(people, f"Heavy {number}", manifest("Heavy", metadata={"note": "x" * (1 << 20)}))
    seen: set[str] = set()
    for _ in range(60):
        seen |= {record.name for record in fresh(people).store.records()}
    assert len(seen) == 31


@pytest.mark.parametrize("inside", ["", "code", "attempts", "outputs", "logs", "deep/er"])
@pytest.mark.parametrize("older", [False, True])
def test_a_folder_with_many_entries_is_not_read_to_its_end(
    people: TwoPeople, monkeypatch: pytest.MonkeyPatch, inside: str, older: bool
):
    config = b"name: Many\n" if older else manifest("Many", ["code/a.py"])
    location = lay(people, "Many", config) / inside
    location.mkdir(parents=True, exist_ok=True)
    for number in range(4000):
        (location / f"{number}.json").touch()
    with counted(monkeypatch) as reads:
        assert fresh(people).jobs["Many"].status
    assert reads.entries < 3 * (FILES + 1000) + 500
    assert_others_go_on(people)


def test_a_flooded_folder_does_not_take_back_what_was_decided(people: TwoPeople):
    people.owner_job("Honest").reject("no")
    location = people.location("Honest")
    for number in range(2000):
        (location / f"{number}").touch()
    assert fresh(people).jobs["Honest"].status == "rejected"
    assert fresh(people, people.submitter_email).jobs["Honest"].status == "rejected"


@pytest.mark.parametrize("kind", [RecursionError, MemoryError, AssertionError, ValueError, KeyError, OSError])
def test_an_exception_while_one_job_is_looked_at_becomes_its_row(
    people: TwoPeople, monkeypatch: pytest.MonkeyPatch, kind: type[Exception]
):
    lay(people, "Broken", manifest("Broken", nonce="explode"))
    sha256 = hashlib.sha256

    def explode(data: bytes = b"", **more: Any) -> Any:
        if b"explode" in bytes(data):
            raise kind("boom")
        return sha256(data, **more)

    monkeypatch.setattr(hashlib, "sha256", explode)
    assert_others_go_on(people)
    job = fresh(people).jobs["Broken"]
    assert job.status == "unreadable"
    assert "boom" in " ".join(job.findings)
    assert kind is OSError or kind.__name__ in " ".join(job.findings)


def test_waiting_jobs_above_the_limit_are_counted_and_not_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    with TwoPeople(tmp_path, limits=SubmissionLimits(unfinished=3)) as people:
        for number in range(12):
            people.submit(name=f"job {number:02}")
        people.owner.job_at(people.place("job 05")).reject("no")
        client = get_client(people.root, people.owner_email, limits=SubmissionLimits(unfinished=3))
        with counted(monkeypatch) as first:
            jobs = client.jobs
        assert {job.name for job in jobs} == {"job 00", "job 01", "job 02", "job 05"}
        assert first.opened["config.yaml"] <= 10, "the others are counted only"
        assert "8 more jobs of ada@example.org" in str(jobs)
        with counted(monkeypatch) as again:
            client.store.records()
        assert again.opened["config.yaml"] <= 4
        with pytest.raises(JobNotFoundError, match="8 more jobs"):
            jobs["job 11"]
        with pytest.raises(IndexError, match="8 more jobs"):
            jobs[4]
        with pytest.raises(JobNotFoundError, match="8 more jobs"):
            jobs[0:2]["job 11"]
        jobs["job 00"].reject("no")
        assert {job.name for job in client.jobs if job.status == "inbox"} == {"job 01", "job 02", "job 03"}
        client.job_at(people.place("job 09")).approve()
        assert client.jobs["job 09"].status == "approved", "one above the limit that was decided is listed"
        shutil.rmtree(people.location("job 10"))
        assert "6 more jobs" in str(client.jobs) or "5 more jobs" in str(client.jobs)


def test_a_submitters_own_list_is_not_limited(tmp_path: Path):
    with TwoPeople(tmp_path, limits=SubmissionLimits(unfinished=3)) as people:
        for number in range(8):
            people.submit(name=f"job {number}")
        assert len(people.submitter.jobs) == 8
        assert people.submitter.jobs["job 7"].status == "inbox"
        assert len(people.owner.jobs) == 3
        stranger = get_client(people.root, "bystander@example.org", limits=SubmissionLimits(unfinished=3))
        assert len(stranger.jobs) == 3


def test_the_limit_of_waiting_jobs_hides_no_decided_job(tmp_path: Path):
    with TwoPeople(tmp_path, limits=SubmissionLimits(unfinished=2)) as people:
        for number in range(8):
            people.submit(name=f"job {number}")
            if number % 2:
                people.owner.job_at(people.place(f"job {number}")).reject("no")
        for email in (people.owner_email, "bystander@example.org"):
            jobs = get_client(people.root, email, limits=SubmissionLimits(unfinished=2)).jobs
            assert sum(job.status == "rejected" for job in jobs) == 4
            assert sum(job.status == "inbox" for job in jobs) == 2


def test_ten_thousand_ordinary_jobs_stay_within_the_budget(monkeypatch: pytest.MonkeyPatch):
    """The arithmetic of the budget, without a disk: ordinary costs leave the base untouched, in any number."""
    from syft_job.exchange import sweep_budget
    from syft_job.fs import METER

    now = [0.0]
    spent = METER
    monkeypatch.setattr(time, "thread_time", lambda: now[0])
    for is_decided, most in ((True, 0), (False, 10_000)):
        ordinary = sweep_budget.SweepBudget(most_undecided=most)
        ordinary.start()
        for _ in range(10_000):
            spent.bytes += 16_000
            spent.entries += 60
            now[0] += 0.0008
            ordinary.charge_job(is_decided=is_decided)
        assert not ordinary.used_up
        assert ordinary.base_used() < 0.05


@pytest.mark.parametrize("what", ["bytes", "entries", "time"])
def test_each_kind_of_cost_uses_the_budget_up(monkeypatch: pytest.MonkeyPatch, what: str):
    from syft_job.exchange import sweep_budget
    from syft_job.fs import METER

    now = [0.0]
    monkeypatch.setattr(time, "thread_time", lambda: now[0])
    hostile = sweep_budget.SweepBudget(most_undecided=2000)
    hostile.start()
    jobs = 0
    while not hostile.used_up and jobs < 1000:
        jobs += 1
        METER.bytes += (4 << 20) * (what == "bytes")
        METER.entries += 20_000 * (what == "entries")
        now[0] += 0.2 * (what == "time")
        hostile.charge_job(is_decided=False)
    assert hostile.used_up
    assert jobs <= 16


def test_the_runner_reads_undecided_jobs_within_a_budget(people: TwoPeople, monkeypatch: pytest.MonkeyPatch):
    for number in range(30):
        lay(people, f"Heavy {number}", manifest("Heavy", metadata={"note": "x" * (1 << 20)}))
    runner = JobRunner(people.owner.config, announce=None)
    people.owner_job("Honest").approve()
    place = people.place("Honest")
    eve = [place._replace(submitter=EVE, name=f"Heavy {number}") for number in range(30)]
    with counted(monkeypatch) as swept:
        runner.step()
    assert swept.bytes < 14 << 20
    with counted(monkeypatch) as hinted:
        for _ in range(5):
            runner.step(hints=[*eve, place])
    assert hinted.bytes < 14 << 20
    runner.run(once=True)
    assert people.owner_job("Honest").status == "done"


def test_jobs_of_all_submitters_come_in_turn():
    from syft_job.model.job_ref import JobRef
    from syft_job.runner.queue import in_turn

    eve = [JobRef("o", "eve", str(number)) for number in range(3)]
    ada, bea = JobRef("o", "ada", "x"), JobRef("o", "bea", "y")
    assert in_turn([*eve, ada, bea]) == [eve[0], ada, bea, eve[1], eve[2]]


def test_many_submitters_folders_are_bounded_and_said(people: TwoPeople, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("syft_job.exchange.job_index.MAX_SUBMITTERS", 20)
    client = fresh(people)
    assert client.jobs["Honest"].status == "inbox"
    for number in range(50):
        folder_of(people, f"a{number}@example.org").mkdir()
    with counted(monkeypatch) as reads:
        jobs = client.jobs
    assert jobs["Honest"].status == "inbox", "one that is known stays known"
    assert reads.entries < 200
    assert "more than 20 submitters" in str(jobs)


def test_a_submitters_folder_with_many_entries_is_bounded_and_said(people: TwoPeople, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("syft_job.exchange.submitter_index.MAX_DIRECTORIES", 50)
    for number in range(200):
        (folder_of(people, EVE) / f"d{number}").mkdir(parents=True)
    client = fresh(people)
    for _ in range(2):
        with counted(monkeypatch) as reads:
            jobs = client.jobs
        assert reads.entries < 400
        assert "more than 50 entries" in str(jobs)
        assert jobs["Honest"].status == "inbox"


def test_hints_above_the_budget_are_not_remembered(people: TwoPeople):
    """File events can name any number of jobs; the next sweep comes to them by itself."""
    for number in range(12):
        lay(people, f"Heavy {number}", manifest("Heavy", metadata={"note": "x" * (1 << 20)}))
    runner = JobRunner(people.owner.config, announce=None)
    place = people.place("Honest")
    runner.step()
    eve = [place._replace(submitter=EVE, name=f"Heavy {number % 12}") for number in range(5000)]
    eve += [place._replace(submitter=EVE, name=f"None {number}") for number in range(5000)]
    runner.step(hints=eve)
    assert len(runner._scheduler._again) == 0


def test_the_ledger_names_the_jobs_that_it_speaks_of(people: TwoPeople):
    from syft_job.model.job_ref import JobRef

    ledger = people.owner.home.ledger
    names = ['quote " and \\ backslash', "umlaut ü", "plain", '"place":["a","b","c"]']
    mark = 0
    for number, name in enumerate(names):
        place = JobRef(people.owner_email, EVE, name)
        mark = ledger.end
        ledger.say(f"{number:032x}", 1, Event.REJECTED, place=list(place), mark={"reason": f'"place":{list(place)}'})
    ledger.say("f" * 32, 1, Event.REJECTED, place=[people.owner_email, people.submitter_email, "other"])
    assert ledger.names_of(people.owner_email, EVE) == frozenset(names)
    assert ledger.names_of(people.owner_email, EVE, since=mark) == frozenset(names[-1:])
    assert ledger.names_of(people.owner_email, "nobody@example.org") == frozenset()


def test_many_datasites_share_what_may_be_used_up(people: TwoPeople, monkeypatch: pytest.MonkeyPatch):
    for owner in range(6):
        jobs = people.root / f"owner{owner}@example.org" / "app_data" / "job" / EVE
        for number in range(12):
            (jobs / f"Heavy {number}").mkdir(parents=True)
            (jobs / f"Heavy {number}" / "config.yaml").write_bytes(
                manifest("Heavy", metadata={"note": "x" * (1 << 20)})
            )
    with counted(monkeypatch) as reads:
        assert fresh(people).jobs["Honest"].status == "inbox"
    assert reads.bytes < 60 << 20, "four bases and a little of each further one; all would be 72 MiB"


def test_looking_again_at_once_does_not_pay_again_for_what_is_expensive(
    people: TwoPeople, monkeypatch: pytest.MonkeyPatch
):
    for number in range(30):
        lay(people, f"Heavy {number}", manifest("Heavy", metadata={"note": "x" * (1 << 20)}))
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    client = fresh(people)
    first = {record.name for record in client.store.records()}
    with counted(monkeypatch) as reads:
        for _ in range(10):
            assert {record.name for record in client.store.records()} == first
        people.submit(name="Second")
        assert client.jobs["Second"].status == "inbox", "others pay nothing for it"
    assert reads.bytes < 1 << 20
    now[0] += 10
    assert len(client.store.records()) > len(first) + 1


def test_what_the_owner_decides_is_seen_at_once_whatever_the_budget(people: TwoPeople, monkeypatch: pytest.MonkeyPatch):
    for number in range(30):
        lay(people, f"Heavy {number}", manifest("Heavy", metadata={"note": "x" * (1 << 20)}))
    monkeypatch.setattr(time, "monotonic", lambda: 1000.0)
    client = fresh(people)
    name = next(record.name for record in client.store.records() if record.submitter == EVE)
    client.jobs[name].reject("no")
    assert {record.name: record.status for record in client.store.records()}[name] == "rejected"
