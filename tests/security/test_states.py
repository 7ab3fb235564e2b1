"""What is shown of a job's state is what is so: blocked jobs, reasons, arrival, homes (issue 7, point 8).

Threats 23, 25 and 31 are named where they apply.
"""

from __future__ import annotations

import contextlib
import io
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from syft_job import acl, doctor, markers
from syft_job.cli import main
from syft_job.errors import BlockedCategory, JobTimeoutError
from syft_job.lifecycle import JobState
from syft_job.runner import JobRunner
from syft_job.testing import TwoPeople

NAME = "Mean wait"
OMAR, ADA = "omar@example.org", "ada@example.org"


@pytest.fixture
def people(tmp_path: Path) -> Iterator[TwoPeople]:
    with TwoPeople(tmp_path, sandbox="bare") as both:
        yield both


@pytest.fixture
def lines() -> list[str]:
    return []


def runner(people: TwoPeople, lines: list[str] | None = None) -> JobRunner:
    said = [] if lines is None else lines
    return JobRunner(people.owner.config, poll_interval=0.01, announce=said.append)


def blocked_job(people: TwoPeople, name: str = NAME) -> Path:
    """An approved job whose listed file was replaced by other bytes of the same length."""
    location = people.submit("echo hello\n", name)
    people.owner_job(name).approve()
    (location / "run.sh").write_text("echo HELLO\n")
    return location


# Blocked jobs


def test_a_blocked_job_says_so_to_its_submitter_and_why_to_its_owner(people):
    """Threat 31: an approved job that cannot start is blocked, with a reason and a category."""
    location = blocked_job(people)
    runner(people).step()
    theirs, ours = people.submitters_job(NAME), people.owner_job(NAME)
    assert (theirs.status, theirs.record.blocked) == ("approved", BlockedCategory.FILES)
    assert (ours.status, ours.record.blocked) == ("approved", BlockedCategory.FILES)
    assert any("blocked (files)" in finding for finding in theirs.findings)
    assert any("run.sh" in finding for finding in ours.findings)
    body = json.loads((location / "blocked").read_text())
    assert (body["attempt"], body["category"], body["digest"]) == (1, "files", ours.digest)
    assert body.keys() == {"attempt", "category", "digest", "at", "seal"}
    assert theirs.verify().ok is False  # because of run.sh
    assert not any("'blocked'" in failure for failure in theirs.verify().fails)


def test_the_submitter_learns_no_more_than_the_category(people):
    location = blocked_job(people)
    runner(people).step()
    assert "run.sh" not in (location / "blocked").read_text()
    assert not any("run.sh" in finding for finding in people.submitters_job(NAME).findings)


def test_a_blocked_job_is_published_once_and_again_only_when_it_changed(people):
    location = blocked_job(people)
    serving = runner(people)
    serving.step()
    before = (location / "blocked").stat()
    for _ in range(3):
        serving.step()
    runner(people).step()  # another process does not write it again either
    after = (location / "blocked").stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)
    (location / "blocked").unlink()
    serving.step()
    assert people.submitters_job(NAME).record.blocked is BlockedCategory.FILES


def test_the_start_removes_the_marker_and_the_reason(people):
    location = blocked_job(people)
    serving = runner(people)
    serving.step()
    (location / "run.sh").write_text("echo hello\n")
    serving.run(drain=True)
    assert people.submitters_job(NAME).state is JobState.SUCCEEDED
    assert not (location / "blocked").exists()
    assert people.owner_job(NAME).record.blocked is None
    assert people.owner.home.blocked(people.owner_job(NAME).id) is None


@pytest.mark.parametrize("verb", ["reject", "cancel", "withdraw", "deposit", "clean"])
def test_whatever_ends_the_wait_removes_the_marker(people, tmp_path: Path, verb: str):
    location = blocked_job(people)
    serving = runner(people)
    serving.step()
    job = people.owner_job(NAME)
    if verb == "reject":
        job.reject("no")
    elif verb == "cancel":
        job.cancel()
    elif verb == "withdraw":
        people.submitters_job(NAME).withdraw()
        serving.step()
    elif verb == "deposit":
        (tmp_path / "answer.txt").write_text("42")
        job.accept_by_depositing_result(tmp_path / "answer.txt")
    else:
        job.cancel()
        job.clean()
    assert not (location / "blocked").exists()
    if verb != "clean":
        assert people.submitters_job(NAME).record.blocked is None


def test_an_approval_after_a_rejection_does_not_inherit_the_old_reason(people):
    location = blocked_job(people)
    serving = runner(people)
    serving.step()
    people.owner_job(NAME).reject("changed")
    (location / "run.sh").write_text("echo hello\n")
    people.owner_job(NAME).approve()
    assert people.owner_job(NAME).record.blocked is None
    (location / "run.sh").write_text("echo HELLO\n")
    serving.step()  # the same runner, and the same reason as before
    assert people.owner_job(NAME).record.blocked is BlockedCategory.FILES
    assert people.submitters_job(NAME).record.blocked is BlockedCategory.FILES
    assert json.loads((location / "blocked").read_text())["attempt"] == 2


@pytest.mark.parametrize("forgery", ["bare", "unsigned", "own key", "other job", "earlier attempt", "folder"])
def test_a_forged_or_copied_blocked_changes_nothing_and_is_a_finding(people, forgery: str):
    location = people.submit("echo hello\n", NAME)
    people.owner_job(NAME).approve()
    record = people.owner_job(NAME).record
    body = {"digest": record.digest, "attempt": 1, "category": "files", "at": "2026-03-01T09:30Z"}
    path = location / "blocked"
    if forgery == "bare":
        path.write_bytes(b"")
    elif forgery == "unsigned":
        path.write_text(json.dumps(body))
    elif forgery == "own key":
        forged = markers.make(
            "blocked", record.place, people.submitter.home.key(), digest=record.digest, attempt=1, category="files"
        )
        path.write_bytes(markers.to_bytes(forged))
    elif forgery == "other job":
        other = blocked_job(people, "Other")
        runner(people).step((people.place("Other"),))
        shutil.copy(other / "blocked", path)
    elif forgery == "earlier attempt":
        key = people.owner.home.key()
        stale = markers.make("blocked", record.place, key, digest=record.digest, attempt=7, category="files")
        path.write_bytes(markers.to_bytes(stale))
    else:
        path.mkdir()
    for job in (people.owner_job(NAME), people.submitters_job(NAME)):
        assert job.record.blocked is None
        assert job.status == "approved"
        assert any("'blocked'" in finding for finding in job.findings)
    runner(people).run(drain=True)
    assert people.submitters_job(NAME).state is JobState.SUCCEEDED
    assert not path.exists()


def test_a_category_of_a_later_release_is_shown_as_other(people):
    location = people.submit("echo hello\n", NAME)
    people.owner_job(NAME).approve()
    record, key = people.owner_job(NAME).record, people.owner.home.key()
    later = markers.make("blocked", record.place, key, digest=record.digest, attempt=1, category="\x1b[31mmoon")
    (location / "blocked").write_bytes(markers.to_bytes(later))
    assert people.submitters_job(NAME).record.blocked is BlockedCategory.OTHER


def test_a_folder_that_refuses_the_marker_stops_no_other_job(people, lines, monkeypatch: pytest.MonkeyPatch):
    blocked_job(people)
    people.submit("echo second\n", "Second")
    people.owner_job("Second").approve()
    refused = OSError(28, "No space left on device")

    def refuse(*_: object) -> None:
        raise refused

    monkeypatch.setattr("syft_job.acts.publish_blocked", refuse)
    serving = runner(people, lines)
    serving.step()
    serving.step()
    until_done = runner(people)
    until_done.run(once=True)
    assert people.owner_job("Second").state is JobState.SUCCEEDED
    assert sum("cannot be told" in line for line in lines) == 1


def test_doctor_says_blocked_and_why_instead_of_advising_to_run(people):
    blocked_job(people)
    runner(people).step()
    checks = doctor.examine(people.owner.config)
    (found,) = [check for check in checks if check.name == "blocked"]
    assert "run.sh" in found.told
    assert "reject" in found.advice
    (serving,) = [check for check in checks if check.name == "runner"]
    assert serving.ok is None
    assert "wait" not in serving.told


def test_a_wait_says_what_it_waits_for(people):
    people.submit("echo hello\n", "Asked")
    with pytest.raises(JobTimeoutError, match="waits for the approval of omar@example.org"):
        people.submitters_job("Asked").wait(timeout=0.01)
    people.owner_job("Asked").approve()
    with pytest.raises(JobTimeoutError, match="waits for the runner of omar@example.org"):
        people.submitters_job("Asked").wait(timeout=0.01)
    blocked_job(people)
    runner(people).step((people.place(NAME),))
    with pytest.raises(JobTimeoutError, match=r"blocked \(files\)"):
        people.submitters_job(NAME).wait(timeout=0.01)


# The rule file


def rules_of(people: TwoPeople) -> Path:
    return people.root / OMAR / "app_data" / "job" / "syft.pub.yaml"


def earlier_rules() -> bytes:
    rules = json.loads(acl.datasite_rules())
    rules["rules"] = [rule for rule in rules["rules"] if not rule["pattern"].endswith("/blocked")]
    return (json.dumps(rules, indent=2, sort_keys=True) + "\n").encode()


def test_the_submitter_may_read_blocked_and_not_write_it(people):
    location = people.submit("echo hello\n", NAME)
    datasite = people.root / OMAR
    assert acl.may_read(datasite, location / "blocked", ADA)
    assert not acl.may_write(datasite, location / "blocked", ADA)
    assert not acl.may_read(datasite, location / "blocked", "eve@example.org")


def test_the_runner_replaces_the_rules_of_an_earlier_release_and_no_others(people):
    rules_of(people).write_bytes(earlier_rules())
    assert [check.ok for check in doctor.examine(people.owner.config) if check.name == "datasite"] == [None]
    runner(people).step()
    assert rules_of(people).read_bytes() == acl.datasite_rules()
    for own in (b"rules: []\n", b"not yaml: ["):
        rules_of(people).write_bytes(own)
        runner(people).step()
        assert rules_of(people).read_bytes() == own


def test_an_enforced_folder_with_rules_of_an_earlier_release_goes_on(tmp_path: Path):
    with TwoPeople(tmp_path, sandbox="bare", folder="enforced") as people:
        people.submit("echo hello\n", NAME)
        people.owner_job(NAME).approve()
        rules_of(people).write_bytes(earlier_rules())
        runner(people).run(drain=True)
        assert people.owner_job(NAME).state is JobState.SUCCEEDED


# Reasons


def cli(people: TwoPeople, who: str, *words: str) -> tuple[int, str, str]:
    """Call the command line in this process as a program would; returns exit code, stdout, stderr."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), pytest.raises(SystemExit) as ended:
        main(["--root", str(people.root), "--as", who, *words])
    return int(ended.value.code or 0), out.getvalue(), err.getvalue()


@pytest.mark.parametrize("who", [OMAR, ADA])
@pytest.mark.parametrize("verb", ["rejected", "cancelled", "withdrawn"])
def test_a_reason_is_in_show_list_and_json_of_both_sides(people, who: str, verb: str):
    reason = f"too broad \x1b[31m{verb}"
    people.submit("echo hello\n", NAME)
    if verb == "rejected":
        people.owner_job(NAME).reject(reason)
    elif verb == "cancelled":
        people.owner_job(NAME).approve()
        people.owner_job(NAME).cancel(reason)
    else:
        people.submitters_job(NAME).withdraw(reason)
        runner(people).step()
    for words in (("show", NAME), ("list",)):
        code, out, _ = cli(people, who, *words)
        assert code == 0
        assert f"too broad <U+001B>[31m{verb}" in out
    assert json.loads(cli(people, who, "show", NAME, "--json")[1])["job"]["reason"] == reason
    assert json.loads(cli(people, who, "list", "--json")[1])["jobs"][0]["reason"] == reason


@pytest.mark.parametrize("who", [OMAR, ADA])
def test_a_long_reason_is_cut_in_a_list_and_whole_in_show(people, who: str):
    people.submit("echo hello\n", NAME)
    people.owner_job(NAME).reject("long " * 1000)
    listed = cli(people, who, "list")[1]
    assert len(listed) < 500
    assert json.loads(cli(people, who, "show", NAME, "--json")[1])["job"]["reason"] == "long " * 1000
    assert all(len(record.reason) <= 200 for record in people.submitter.store.records())


def test_a_list_shows_the_category_of_a_blocked_job(people):
    blocked_job(people)
    runner(people).step()
    for who in (OMAR, ADA):
        assert "blocked: files" in cli(people, who, "list")[1]
        assert json.loads(cli(people, who, "list", "--json")[1])["jobs"][0]["blocked"] == "files"
        assert "files: submitted files are missing" in cli(people, who, "show", NAME)[1]
