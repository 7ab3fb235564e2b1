"""Two replicas; files travel in any order: never early, never refused, never backwards (threats 25 to 28)."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from syft_job import doctor
from syft_job.errors import InvalidTransition
from syft_job.model.states import JobState
from syft_job.runner import JobRunner
from syft_job.testing import Delivery, TwoPeople

NAME = "Tides"
ORDER = ["arriving", "inbox", "approved", "running", "done"]


@pytest.fixture
def people(tmp_path: Path) -> Iterator[TwoPeople]:
    with TwoPeople(tmp_path, apart=True, sandbox="bare") as both:
        yield both


def submit(people: TwoPeople, canary: Path) -> None:
    code = f"open({str(canary)!r}, 'a').write('ran\\n')\n"
    code += "open('outputs/mean.csv', 'w').write('1.4\\n')\nprint('measured')\n"
    people.submit_code({"main.py": code, "lib/tools.py": "x = 1\n", "data/rows.csv": "1\n2\n", "data/empty": ""}, NAME)


def owner_sees(people: TwoPeople) -> str:
    return next((job.status for job in people.owner.jobs if job.name == NAME), "arriving")


def submitter_sees(people: TwoPeople) -> str:
    return people.submitters_job(NAME).status


def roughly(delivery: Delivery, chance: random.Random) -> None:
    """What sync tools do before a file is whole: a temporary name, a part of it, a conflict copy beside it."""
    content = (delivery.source / delivery.path).read_bytes()
    target = delivery.target / delivery.path
    target.parent.mkdir(parents=True, exist_ok=True)
    way = chance.randrange(4)
    if way == 0:
        target.with_name(f".syncthing.{target.name}.tmp").write_bytes(content[: len(content) // 2])
    elif way == 1 and content:
        target.write_bytes(content[: chance.randrange(len(content))])
    elif way == 2:
        stem, dot, suffix = target.name.rpartition(".")
        copy = f"{stem or suffix}.sync-conflict-20260301-120000-ABCDEFG{dot}{suffix if stem else ''}"
        target.with_name(copy).write_bytes(content)


def expect_incomplete(people: TwoPeople, pieces: list[Delivery]) -> None:
    """While a byte is missing, nothing can be approved; a `config.yaml` that is cut short cannot even be read."""
    lacking = [
        piece.path for piece in pieces if content_of(piece.target / piece.path) != content_of(piece.source / piece.path)
    ]
    if not any(path for path in lacking if not path.endswith("/empty")):  # an empty file may be dropped on the way
        return
    config = next(piece for piece in pieces if piece.path.endswith("config.yaml"))
    is_cut = config.path in lacking and (config.target / config.path).exists()
    assert owner_sees(people) == ("unreadable" if is_cut else "arriving"), lacking
    here = [job for job in people.owner.jobs if job.name == NAME]
    if here:
        with pytest.raises(InvalidTransition):
            here[0].approve()


def content_of(path: Path) -> bytes | None:
    return path.read_bytes() if path.exists() else None


@pytest.mark.conformance(4)
@pytest.mark.parametrize("seed", range(6))
def test_a_job_arrives_piece_by_piece_runs_once_and_comes_back(people, tmp_path, seed):
    chance = random.Random(seed)
    canary = tmp_path / "canary"
    submit(people, canary)
    serving = JobRunner(people.owner.config, announce=None)
    pieces = people.undelivered()
    chance.shuffle(pieces)
    for delivery in pieces:
        roughly(delivery, chance)
        serving.step()
        expect_incomplete(people, pieces)
        people.deliver([delivery])
        serving.step()
        expect_incomplete(people, pieces)
    people.deliver()
    assert owner_sees(people) == "inbox"
    assert not canary.exists()

    people.owner_job(NAME).approve(share_outputs=True, share_logs=True)
    assert [record.name for record in serving.process_approved_jobs(stream_output=False)] == [NAME]
    assert canary.read_text() == "ran\n"
    back, seen = people.undelivered(), [submitter_sees(people)]
    chance.shuffle(back)
    for delivery in back:
        roughly(delivery, chance)
        seen.append(submitter_sees(people))
        people.deliver([delivery])
        seen.append(submitter_sees(people))
    ranks = [ORDER.index(status) for status in seen]
    assert ranks == sorted(ranks), seen
    people.deliver()
    theirs = people.submitters_job(NAME)
    assert theirs.wait(20) is JobState.SUCCEEDED
    assert [path.read_text() for path in theirs.output_paths] == ["1.4\n"]
    assert (str(theirs.stdout), theirs.returncode) == ("measured\n", 0)
    assert theirs.verify().ok, str(theirs.verify())


def test_a_file_of_the_right_size_and_other_bytes_is_not_run(people, tmp_path):
    """Some tools lay the whole length first and fill it later."""
    canary = tmp_path / "canary"
    submit(people, canary)
    main = next(item for item in people.undelivered() if item.path.endswith("main.py"))
    people.deliver()
    landed = people.owners_root / main.path
    content = landed.read_bytes()
    landed.write_bytes(bytes(len(content)))
    with pytest.raises(InvalidTransition, match=r"code/main\.py"):
        people.owner_job(NAME).approve()
    landed.write_bytes(content)
    people.owner_job(NAME).approve()
    landed.write_bytes(bytes(len(content)))
    serving = JobRunner(people.owner.config, announce=None)
    assert serving.process_approved_jobs() == []
    assert any("code/main.py" in finding for finding in people.owner_job(NAME).findings)
    landed.write_bytes(content)
    assert [record.name for record in serving.process_approved_jobs()] == [NAME]
    assert canary.read_text() == "ran\n"


@pytest.mark.parametrize("kind", ["approved", "done", "rejected", "cancelled", "withdrawn"])
def test_a_conflict_copy_of_a_marker_changes_nothing(people, kind):
    people.submit("true\n", NAME)
    people.deliver()
    people.owner_job(NAME).approve()
    location = people.location(NAME)
    yes = (location / "approved").read_bytes()
    for name in (f"{kind}.sync-conflict-20260301-120000-ABCDEFG", f"{kind} (conflicted copy)", f".{kind}.tmp"):
        (location / name).write_bytes(yes)
    assert people.owner_job(NAME).status == "approved"
    people.deliver()
    assert submitter_sees(people) == "approved"
    JobRunner(people.owner.config, announce=None).process_approved_jobs()
    people.deliver()
    assert submitter_sees(people) == "done"


def test_markers_that_a_late_sync_deletes_or_brings_again_move_nothing_backwards(people, tmp_path):
    canary = tmp_path / "canary"
    submit(people, canary)
    people.deliver()
    job = people.owner_job(NAME)
    job.approve()
    serving = JobRunner(people.owner.config, announce=None)
    serving.process_approved_jobs()
    old = {name: (job.location / name).read_bytes() for name in ("done", "running") if (job.location / name).exists()}
    people.deliver()
    job.rerun()
    for name, content in old.items():  # a stale attempt comes back from the other side
        (job.location / name).write_bytes(content)
    assert job.status == "approved"
    serving.step()
    serving.process_approved_jobs()
    assert (job.status, job.attempt) == ("done", 2)
    people.deliver()
    serving.step()
    people.deliver()
    theirs = people.submitters_job(NAME)
    assert (theirs.status, theirs.attempt) == ("done", 2)
    assert canary.read_text() == "ran\nran\n"


def test_doctor_says_where_no_file_event_arrives(people, monkeypatch):
    """A folder without them looks like any other until somebody asks; the runner's sweep does not need them."""
    checks = {check.name: check for check in doctor.examine(people.owner.config)}
    assert checks["file events"].ok is True
    monkeypatch.setattr("syft_job.fs.watch.MAX_WATCHES", 0)
    monkeypatch.setattr("syft_job.doctor.EVENT_SECONDS", 0.1)
    checks = {check.name: check for check in doctor.examine(people.owner.config)}
    assert checks["file events"].ok is None
    assert "none arrives" in checks["file events"].told
    assert "sweep" in checks["file events"].advice


@pytest.mark.parametrize("claimed", ["1999-01-01T00:00:00+00:00", "2099-01-01T00:00:00+00:00"])
def test_a_clock_that_is_years_off_changes_nothing(people, claimed, monkeypatch):
    monkeypatch.setattr("syft_job.exchange.submission.now", lambda: claimed)
    people.submit("true\n", NAME)
    people.deliver()
    people.owner_job(NAME).approve()
    assert JobRunner(people.owner.config, announce=None).process_approved_jobs()[0].state is JobState.SUCCEEDED
    people.deliver()
    assert submitter_sees(people) == "done"


def test_a_withdrawal_that_arrives_after_the_end_unsays_nothing(people):
    people.submit("true\n", NAME)
    people.deliver()
    people.owner_job(NAME).approve()
    people.submitters_job(NAME).withdraw()
    JobRunner(people.owner.config, announce=None).process_approved_jobs()
    people.deliver()
    assert people.owner_job(NAME).status == "done"
    assert submitter_sees(people) == "done"
