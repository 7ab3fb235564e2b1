"""Saying yes, attacked: forged, copied, replayed and removed markers, changed bytes, restored homes (threats 1, 2, 13).

Jobs run bare and touch a canary, so that a run that must not happen cannot go unseen.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from syft_job.format import markers
from syft_job.job import JobInfo
from syft_job.model.states import JobState
from syft_job.runner import JobRunner
from syft_job.testing import TwoPeople

NAME = "Tides"
RUNNER = """
import sys
from syft_job.runner import create_runner
runner = create_runner(sys.argv[1], sys.argv[2], sandbox="bare")
runner.announce = None
print([record.name for record in runner.process_approved_jobs()])
"""


@pytest.fixture
def people(tmp_path: Path) -> Iterator[TwoPeople]:
    with TwoPeople(tmp_path, sandbox="bare") as both:
        yield both


@pytest.fixture
def canary(tmp_path: Path) -> Path:
    """A file outside the folder, with a line for each time that the job ran."""
    return tmp_path / "canary"


def runs(canary: Path) -> int:
    return len(canary.read_text().splitlines()) if canary.exists() else 0


def submit(people: TwoPeople, canary: Path, name: str = NAME, word: str = "ran") -> Path:
    return people.submit(f"echo {word} >> {canary}\n", name)


def serve(people: TwoPeople) -> list[str]:
    """Two sweeps and a call that runs everything approved, by a runner that knows nothing yet; who was started."""
    runner = JobRunner(people.owner.config, announce=None)
    before = len(started(people))
    runner.step()
    runner.process_approved_jobs()
    runner.step()
    return started(people)[before:]


def started(people: TwoPeople) -> list[str]:
    """The names of all attempts that ever started, as the ledger on the disk has them."""
    ledger = people.owner.home.path / "ledger.jsonl"
    lines = ledger.read_text().splitlines() if ledger.exists() else []
    return [said["place"][2] for line in lines if (said := json.loads(line)).get("event") == "start"]


def serve_elsewhere(people: TwoPeople) -> subprocess.CompletedProcess[str]:
    """The same in a process of its own, which remembers nothing of this one's ledger."""
    argv = [sys.executable, "-c", RUNNER, str(people.root), people.owner_email]
    return subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60)


def sealed(people: TwoPeople, kind: str, name: str = NAME, attempt: int = 1, **said: object) -> bytes:
    """A marker that is right in all but its key, which is the submitter's."""
    job = people.owner_job(name)
    place, key = people.place(name), people.submitter.home.key()
    return markers.to_bytes(markers.make(kind, place, key, digest=job.digest, attempt=attempt, **said))


# A yes that nobody gave


def bare_file(people: TwoPeople, location: Path) -> None:
    (location / "approved").touch()


def some_text(people: TwoPeople, location: Path) -> None:
    (location / "approved").write_text("yes, by omar@example.org\n")


def unsealed(people: TwoPeople, location: Path) -> None:
    said = {"by": people.owner_email, "digest": people.owner_job(NAME).digest, "attempt": 1, "method": "manual"}
    (location / "approved").write_text(json.dumps(said))


def wrong_key(people: TwoPeople, location: Path) -> None:
    (location / "approved").write_bytes(sealed(people, "approved", by=people.owner_email))


def stolen_key_name(people: TwoPeople, location: Path) -> None:
    """Sealed by the submitter, with the owner's public key written into the seal."""
    said = json.loads(sealed(people, "approved", by=people.owner_email))
    said["seal"]["key"] = people.owner.home.key().public
    (location / "approved").write_text(json.dumps(said))


def of_another_job(people: TwoPeople, location: Path) -> None:
    other = people.submit("true\n", "Other")
    people.owner_job("Other").approve()
    shutil.copy(other / "approved", location / "approved")
    people.owner_job("Other").cancel()


def with_its_digest_changed(people: TwoPeople, location: Path) -> None:
    other = people.submit("true\n", "Other")
    people.owner_job("Other").approve()
    said = json.loads((other / "approved").read_bytes())
    said["digest"] = people.owner_job(NAME).digest
    (location / "approved").write_text(json.dumps(said))
    people.owner_job("Other").cancel()


def own_permit(people: TwoPeople, location: Path) -> None:
    (location / "attempts").mkdir()
    (location / "attempts" / "1.json").write_bytes(sealed(people, "attempt", by="rerun"))
    wrong_key(people, location)


def everything_at_once(people: TwoPeople, location: Path) -> None:
    own_permit(people, location)
    for kind in ("running", "cancelled", "rejected"):
        (location / kind).write_bytes(sealed(people, kind))
    (location / "done").write_bytes(sealed(people, "done", outcome="succeeded"))


YESES = [
    bare_file,
    some_text,
    unsealed,
    wrong_key,
    stolen_key_name,
    of_another_job,
    with_its_digest_changed,
    own_permit,
    everything_at_once,
]


@pytest.mark.conformance(5, 74, 76)
@pytest.mark.parametrize("forge", YESES, ids=lambda forge: forge.__name__)
def test_a_yes_that_the_owner_did_not_give_runs_nothing(people, canary, forge):
    location = submit(people, canary)
    forge(people, location)
    assert serve(people) == []
    assert runs(canary) == 0
    job = people.owner_job(NAME)
    assert job.state is JobState.SUBMITTED
    if (location / "approved").exists():
        assert any("'approved'" in finding for finding in job.findings), "it is told, not hidden"
    job.approve()  # the owner can still decide
    assert serve(people) == [NAME]
    assert runs(canary) == 1


@pytest.mark.conformance(74)
def test_a_yes_carried_to_another_name_or_submission_runs_nothing(people, canary):
    location = submit(people, canary)
    people.owner_job(NAME).approve()
    shutil.copytree(location, location.with_name("Twin"))
    assert serve(people) == [NAME]
    assert runs(canary) == 1
    assert people.owner_job("Twin").state is not JobState.QUEUED
    everything = location.with_name("aside")
    location.rename(people.root / "aside")
    submit(people, canary, word="again")  # the same name, the old owner's files laid over it
    for name in ("approved", "done", "running", "attempts"):
        if (people.root / "aside" / name).exists():
            shutil.copy(people.root / "aside" / name, location / name)
    assert serve(people) == []
    assert runs(canary) == 1
    job = people.owner_job(NAME)
    assert job.state is JobState.SUBMITTED
    assert not everything.exists()


@pytest.mark.conformance(74)
def test_a_yes_to_an_earlier_version_is_none_to_this_one(people, canary):
    """Another `config.yaml` is another submission: it waits in the inbox, and the old yes is told as such."""
    location = submit(people, canary)
    people.owner_job(NAME).approve()
    yes = (location / "approved").read_bytes()
    shutil.rmtree(location)
    submit(people, canary)
    (location / "approved").write_bytes(yes)
    assert serve(people) == []
    job = people.owner_job(NAME)
    assert (job.status, runs(canary)) == ("inbox", 0)
    assert any("earlier version" in finding for finding in job.findings)


@pytest.mark.conformance(74, 75)
def test_one_changed_byte_of_config_is_another_submission(people, canary):
    location = submit(people, canary)
    people.owner_job(NAME).approve()
    config = (location / "config.yaml").read_bytes()
    (location / "config.yaml").write_bytes(config + b"\n")
    assert serve(people) == []
    assert runs(canary) == 0
    assert people.owner_job(NAME).state is not JobState.QUEUED
    (location / "config.yaml").write_bytes(config)
    assert serve(people) == [NAME]
    assert runs(canary) == 1


@pytest.mark.conformance(74)
def test_the_yes_that_a_deposit_writes_starts_nothing(people, canary, tmp_path):
    location = submit(people, canary)
    (tmp_path / "answer.csv").write_text("1\n")
    people.owner_job(NAME).accept_by_depositing_result(tmp_path / "answer.csv")
    for name in ("done", "outputs"):
        target = location / name
        shutil.rmtree(target) if target.is_dir() else target.unlink()
    assert serve(people) == []
    assert runs(canary) == 0
    job = people.owner_job(NAME)
    assert (job.state, job.status) == (JobState.SUCCEEDED, "done")
    assert (location / "done").exists()
    assert (location / "outputs" / "answer.csv").read_text() == "1\n"


def test_a_permit_of_an_earlier_attempt_opens_no_further_one(people, canary):
    location = submit(people, canary)
    job = people.owner_job(NAME)
    job.approve()
    serve(people)
    job.rerun()
    serve(people)
    assert (runs(canary), job.attempt) == (2, 2)
    permit = (location / "attempts" / "1.json").read_bytes()
    (location / "attempts" / "2.json").write_bytes(permit)
    said = json.loads(permit) | {"attempt": 2}
    (location / "attempts" / "3.json").write_text(json.dumps(said))
    (location / "done").unlink()
    serve(people)
    assert (runs(canary), job.attempt, job.state) == (2, 2, JobState.SUCCEEDED)
    assert (location / "done").exists()


# What comes back after it was cleaned or removed


def test_a_finished_job_that_comes_back_after_clean_stays_over(people, canary, tmp_path):
    location = submit(people, canary)
    people.owner_job(NAME).approve()
    approved = shutil.copytree(location, tmp_path / "kept")
    serve(people)
    people.owner_job(NAME).clean()
    shutil.copytree(approved, location)
    assert serve(people) == []
    assert runs(canary) == 1
    assert people.owner_job(NAME).status == "done"


def test_a_withdrawn_job_that_comes_back_after_clean_without_its_withdrawal_stays_over(people, canary, tmp_path):
    """`clean` is the owner's last word: nothing that was cleaned runs (threat 1)."""
    location = submit(people, canary)
    people.owner_job(NAME).approve()
    approved = shutil.copytree(location, tmp_path / "kept")
    people.submitters_job(NAME).withdraw()
    people.owner_job(NAME).clean()
    shutil.copytree(approved, location)
    assert serve(people) == []
    assert runs(canary) == 0


def test_what_reset_removed_does_not_run_when_its_folder_comes_back(people, canary, tmp_path):
    """The owner removed it; a sync tool or its submitter lays the old bytes, and the old yes, back (threat 1)."""
    location = submit(people, canary)
    people.owner_job(NAME).approve()
    approved = shutil.copytree(location, tmp_path / "kept")
    assert JobRunner(people.owner.config, announce=None).reset_all_jobs() == 1
    shutil.copytree(approved, location)
    assert serve(people) == []
    assert runs(canary) == 0


# The owner's markers, removed or defaced


def delete(path: Path, people: TwoPeople) -> None:
    path.unlink()


def empty(path: Path, people: TwoPeople) -> None:
    path.unlink()
    path.touch()


def garbage(path: Path, people: TwoPeople) -> None:
    path.unlink()
    path.write_bytes(b"\xff\xfe{{{")


def other_key(path: Path, people: TwoPeople) -> None:
    said = json.loads(path.read_bytes())
    outcome = {"outcome": "succeeded"} if path.name == "done" else {}
    path.unlink()
    path.write_bytes(sealed(people, path.name, attempt=said["attempt"], **outcome))


def folder(path: Path, people: TwoPeople) -> None:
    path.unlink()
    (path / "deep").mkdir(parents=True)
    (path / "deep" / "x").touch()


def fifo(path: Path, people: TwoPeople) -> None:
    path.unlink()
    os.mkfifo(path)


def link(path: Path, people: TwoPeople) -> None:
    kept = people.root / "kept"
    path.rename(kept)
    path.symlink_to(kept)


DEFACINGS = [delete, empty, garbage, other_key, folder, fifo, link]


def make_approved(people: TwoPeople, canary: Path) -> JobInfo:
    """Approved, and not startable, so that the marker is all there is to see."""
    location = submit(people, canary)
    job = people.owner_job(NAME)
    job.approve()
    (location / "run.sh").write_text("echo evil\n")
    return job


def make_rejected(people: TwoPeople, canary: Path) -> JobInfo:
    submit(people, canary)
    job = people.owner_job(NAME)
    job.approve()
    job.reject("no")
    return job


def make_cancelled(people: TwoPeople, canary: Path) -> JobInfo:
    submit(people, canary)
    job = people.owner_job(NAME)
    job.approve()
    job.cancel()
    return job


def make_done(people: TwoPeople, canary: Path) -> JobInfo:
    submit(people, canary)
    job = people.owner_job(NAME)
    job.approve()
    serve(people)
    return job


MAKERS = {"approved": make_approved, "rejected": make_rejected, "cancelled": make_cancelled, "done": make_done}


@pytest.mark.parametrize("attack", DEFACINGS, ids=lambda attack: attack.__name__)
@pytest.mark.parametrize("kind", MAKERS)
def test_an_owner_s_marker_cannot_be_unsaid_and_is_put_back(people, canary, kind, attack):
    job = MAKERS[kind](people, canary)
    before, ran = job.state, runs(canary)
    attack(job.location / kind, people)
    assert job.state is before
    serve(people)
    assert job.state is before
    assert runs(canary) == ran
    theirs = people.submitters_job(NAME)
    assert theirs.state is before, f"'{kind}' is not back for its submitter"
    assert (job.location / kind).is_file()
    assert not (job.location / kind).is_symlink()


def test_a_removed_running_is_put_back_while_the_job_runs(people, tmp_path):
    gate = tmp_path / "gate"
    people.submit(f"until [ -e {gate} ]; do sleep 0.05; done\n", NAME)
    job = people.owner_job(NAME)
    job.approve()
    runner = JobRunner(people.owner.config, announce=None)
    try:
        for_state(runner, job, JobState.RUNNING)
        (job.location / "running").unlink()
        runner.step()
        runner.step()
        assert (job.location / "running").exists()
    finally:
        gate.touch()
        for_state(runner, job, JobState.SUCCEEDED)


def for_state(runner: JobRunner, job: JobInfo, state: JobState) -> None:
    """Step until the job is there; the suite's time limit ends an endless loop."""
    pause = threading.Event()
    while not (job.state is state and (state is not JobState.RUNNING or (job.location / "running").exists())):
        runner.step()
        pause.wait(0.02)


def test_removed_permits_are_put_back(people, canary):
    """Without them a submitter's view falls back to an earlier attempt."""
    job = make_done(people, canary)
    job.rerun()
    serve(people)
    shutil.rmtree(job.location / "attempts")
    serve(people)
    assert (job.attempt, runs(canary)) == (2, 2)
    assert people.submitters_job(NAME).attempt == 2
    assert (job.location / "attempts" / "1.json").exists()


@pytest.mark.parametrize("attack", [delete, empty, garbage], ids=lambda attack: attack.__name__)
def test_a_defaced_shared_is_put_back(people, canary, attack):
    job = make_done(people, canary)
    job.share_logs([people.submitter_email])
    attack(job.location / "shared", people)
    serve(people)
    assert people.submitters_job(NAME).returncode == 0


# A listed byte changes after the yes


def edit_same_size(location: Path) -> None:
    main = location / "code" / "main.py"
    main.write_bytes(main.read_bytes().replace(b"approved", b"attacked"))


def edit_run(location: Path) -> None:
    (location / "run.sh").write_text("#!/bin/bash\nexec python3 code/../../evil.py\n")


def append_blank(location: Path) -> None:
    with (location / "code" / "main.py").open("ab") as main:
        main.write(b"\n")


def truncate(location: Path) -> None:
    (location / "code" / "main.py").write_bytes(b"")


def remove(location: Path) -> None:
    (location / "code" / "part" / "rows.txt").unlink()


def rename(location: Path) -> None:
    (location / "code" / "part" / "rows.txt").rename(location / "code" / "part" / "lines.txt")


def change_case(location: Path) -> None:
    (location / "code" / "main.py").rename(location / "code" / "Main.py")


def swap_for_link(location: Path) -> None:
    main = location / "code" / "main.py"
    kept = location.parent.parent / "elsewhere.py"
    shutil.copy(main, kept)
    main.unlink()
    main.symlink_to(kept)


def swap_folder_for_link(location: Path) -> None:
    kept = location.parent.parent / "elsewhere"
    shutil.copytree(location / "code", kept)
    shutil.rmtree(location / "code")
    (location / "code").symlink_to(kept)


def swap_for_fifo(location: Path) -> None:
    (location / "code" / "main.py").unlink()
    os.mkfifo(location / "code" / "main.py")


def swap_for_folder(location: Path) -> None:
    (location / "code" / "main.py").unlink()
    (location / "code" / "main.py").mkdir()


def sparse_terabyte(location: Path) -> None:
    os.truncate(location / "code" / "main.py", 1 << 40)


CHANGES: dict[Callable[[Path], None], str] = {
    edit_same_size: "code/main.py",
    edit_run: "run.sh",
    append_blank: "code/main.py",
    truncate: "code/main.py",
    remove: "code/part/rows.txt",
    rename: "code/part/rows.txt",
    change_case: "code/main.py",
    swap_for_link: "code/main.py",
    swap_folder_for_link: "code",
    swap_for_fifo: "code/main.py",
    swap_for_folder: "code/main.py",
    sparse_terabyte: "code/main.py",
}


def submit_files(people: TwoPeople, canary: Path) -> Path:
    code = f"open({str(canary)!r}, 'a').write('approved\\n')\n"
    return people.submit_code({"main.py": code, "part/rows.txt": "1\n2\n"}, NAME)


@pytest.mark.conformance(75)
@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_what_changed_after_the_yes_never_runs_and_goes_on_when_it_is_back(people, canary, change, tmp_path):
    location = submit_files(people, canary)
    good = shutil.copytree(location, tmp_path / "good")
    people.owner_job(NAME).approve()
    change(location)
    assert serve(people) == []
    assert runs(canary) == 0
    job = people.owner_job(NAME)
    assert job.status == "approved"
    assert any(CHANGES[change] in finding for finding in job.findings), job.findings
    for name in ("code", "run.sh"):
        path = location / name
        shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
        source = good / name
        shutil.copytree(source, path) if source.is_dir() else shutil.copy(source, path)
    assert serve(people) == [NAME]
    assert canary.read_text() == "approved\n"
    assert not [finding for finding in job.findings if "not started" in finding]


@pytest.mark.conformance(75)
def test_a_racing_writer_never_gets_its_bytes_run(people, canary):
    """A file flips between two contents of one size while the runner copies: the good one runs, or nothing."""
    location = submit_files(people, canary)
    people.owner_job(NAME).approve()
    good = (location / "code" / "main.py").read_bytes()
    evil = good.replace(b"approved", b"attacked")
    over = threading.Event()

    def flip() -> None:
        order = random.Random(7)
        while not over.is_set():
            content = order.choice((good, evil, evil))
            path = location / "code" / "main.py"
            if order.random() < 0.5:
                path.write_bytes(content)
            else:
                (location / "code" / ".new").write_bytes(content)
                (location / "code" / ".new").rename(path)

    racer = threading.Thread(target=flip)
    racer.start()
    try:
        runner = JobRunner(people.owner.config, announce=None)
        for _ in range(40):
            runner.process_approved_jobs(stream_output=False)
    finally:
        over.set()
        racer.join()
    (location / "code" / "main.py").write_bytes(good)
    serve(people)
    assert canary.read_text() == "approved\n"


def test_what_is_not_listed_is_not_copied(people, tmp_path):
    seen = tmp_path / "seen"
    location = people.submit(f"find . | sort > {seen}\n", NAME)
    (location / "code").mkdir()
    for extra in ("code/extra.py", ".hidden", "run.sh.bak", "code/.pth"):
        (location / extra).write_text("evil\n")
    people.owner_job(NAME).approve()
    assert serve(people) == [NAME]
    assert seen.read_text().split() == [".", "./outputs", "./run.sh"]


# The home, restored from a backup


def run_once_after_backup(people: TwoPeople, canary: Path, tmp_path: Path) -> Path:
    """A backup from between yes and run; then the job runs. The backup would run it again."""
    submit(people, canary)
    people.owner_job(NAME).approve()
    backup = tmp_path / "backup"
    shutil.copytree(people.owner.home.path, backup, symlinks=True)
    serve(people)
    assert runs(canary) == 1
    for name in ("done", "running"):  # the submitter's part in it
        (people.location(NAME) / name).unlink(missing_ok=True)
    return backup


def test_a_home_restored_in_place_starts_nothing_until_it_is_adopted(people, canary, tmp_path):
    backup = run_once_after_backup(people, canary, tmp_path)
    home = people.owner.home.path
    shutil.rmtree(home)
    shutil.copytree(backup, home)
    done = serve_elsewhere(people)
    assert runs(canary) == 1, done.stdout
    assert done.returncode != 0
    assert "adopt" in done.stderr


def test_a_home_restored_into_its_old_folder_starts_nothing(people, canary, tmp_path):
    """As `rsync --delete backup/ home/` does: the folder stays, every file in it is another one (threat 13)."""
    backup = run_once_after_backup(people, canary, tmp_path)
    home = people.owner.home.path
    for entry in home.iterdir():
        shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
    shutil.copytree(backup, home, dirs_exist_ok=True)
    done = serve_elsewhere(people)
    assert runs(canary) == 1, done.stdout


def test_a_copy_of_the_home_elsewhere_starts_nothing(people, canary, tmp_path, monkeypatch):
    backup = run_once_after_backup(people, canary, tmp_path)
    elsewhere = tmp_path / "other-homes" / people.owner.home.path.name
    shutil.copytree(backup, elsewhere)
    monkeypatch.setenv("SYFT_JOB_HOME", str(elsewhere.parent))
    done = serve_elsewhere(people)
    assert runs(canary) == 1, done.stdout
    assert done.returncode != 0
    assert "adopt" in done.stderr


def test_after_adoption_an_old_yes_starts_nothing_and_the_reason_is_told(people, canary):
    submit(people, canary)
    people.owner_job(NAME).approve()
    people.owner.home.adopt()
    assert serve(people) == []
    assert runs(canary) == 0
    job = people.owner_job(NAME)
    assert any("adopted" in finding for finding in job.findings)
    job.reject("anew")
    job.approve()
    assert serve(people) == [NAME]
    assert runs(canary) == 1


def test_a_home_without_the_key_that_is_published_runs_nothing(people, canary):
    """Somebody else's fresh home for the same address is not the owner."""
    submit(people, canary)
    people.owner_job(NAME).approve()
    shutil.rmtree(people.owner.home.path)
    done = serve_elsewhere(people)
    assert done.returncode != 0
    assert "already published" in done.stderr
    assert runs(canary) == 0
