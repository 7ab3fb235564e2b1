"""What is shown of a job's state is what is so: blocked jobs, reasons, arrival, homes (issue 7, point 8).

Threats 23, 25 and 31 are named where they apply.
"""

from __future__ import annotations

import contextlib
import errno
import io
import json
import os
import shutil
import subprocess
import sys
import threading
import time
import unicodedata
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from syft_job import doctor, fs, get_client
from syft_job.cli import main
from syft_job.errors import BlockedCategory, InvalidTransition, JobTimeoutError, PathMissing, StoreError
from syft_job.exchange import arrival, permissions, transitions
from syft_job.format import markers
from syft_job.format.permissions import datasite_rules
from syft_job.fs.watch import Watch
from syft_job.job import JobInfo
from syft_job.model.blocked_reason import category_of
from syft_job.model.states import JobState
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
    assert people.owner.home.read_blocked(people.owner_job(NAME).id) is None


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
    assert path.exists() is (forgery == "folder")


def test_what_a_submitter_puts_under_the_name_is_no_work_for_the_owner(people):
    """Threat 33: an unapproved job makes the owner remove nothing, and a blocked one no directory."""
    location = people.submit("echo hello\n", NAME)
    (location / "blocked" / "deep").mkdir(parents=True)
    runner(people).step()
    assert (location / "blocked" / "deep").is_dir()
    people.owner_job(NAME).approve()
    (location / "run.sh").write_text("echo HELLO\n")
    runner(people).step()
    assert (location / "blocked" / "deep").is_dir()
    assert people.owner_job(NAME).record.blocked is BlockedCategory.FILES
    assert people.submitters_job(NAME).record.blocked is None


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

    monkeypatch.setattr("syft_job.exchange.transitions.publish_blocked", refuse)
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
    with pytest.raises(JobTimeoutError, match="waits for the approval of omar"):
        people.submitters_job("Asked").wait(timeout=0.01)
    people.owner_job("Asked").approve()
    with pytest.raises(JobTimeoutError, match="waits for the runner of omar"):
        people.submitters_job("Asked").wait(timeout=0.01)
    blocked_job(people)
    runner(people).step((people.place(NAME),))
    with pytest.raises(JobTimeoutError, match=r"blocked \(files\)"):
        people.submitters_job(NAME).wait(timeout=0.01)


# The rule file


def rules_of(people: TwoPeople) -> Path:
    return people.root / OMAR / "app_data" / "job" / "syft.pub.yaml"


def earlier_rules() -> bytes:
    rules = json.loads(datasite_rules())
    rules["rules"] = [rule for rule in rules["rules"] if not rule["pattern"].endswith("/blocked")]
    return (json.dumps(rules, indent=2, sort_keys=True) + "\n").encode()


def test_the_submitter_may_read_blocked_and_not_write_it(people):
    location = people.submit("echo hello\n", NAME)
    datasite = people.root / OMAR
    assert permissions.may_read(datasite, location / "blocked", ADA)
    assert not permissions.may_write(datasite, location / "blocked", ADA)
    assert not permissions.may_read(datasite, location / "blocked", "eve@example.org")


def test_the_runner_replaces_the_rules_of_an_earlier_release_and_no_others(people):
    rules_of(people).write_bytes(earlier_rules())
    assert [check.ok for check in doctor.examine(people.owner.config) if check.name == "datasite"] == [None]
    runner(people).step()
    assert rules_of(people).read_bytes() == datasite_rules()
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


# Arrival


def submit_code(people: TwoPeople, **files: bytes) -> Path:
    return people.submit_code({"main.py": "print(1)\n"} | {k.replace("_", "."): v for k, v in files.items()}, NAME)


def sparse(path: Path) -> None:
    """Make a file a placeholder: as long as before, and nothing of it on the disk."""
    size = path.stat().st_size
    path.unlink()
    with path.open("wb") as file:
        file.truncate(size)


def both(people: TwoPeople) -> list[JobInfo]:
    return [people.owner_job(NAME), people.submitters_job(NAME)]


def test_missing_files_are_named(people):
    """Threat 25: "arriving" says which files have not arrived."""
    location = submit_code(people, **{f"data{n}_csv": b"1\n" for n in range(6)})
    (location / "code" / "data1.csv").unlink()
    for job in both(people):
        assert job.status == "arriving"
        assert "'code/data1.csv' is not here" in job.findings
    assert "'code/data1.csv' is not here" in cli(people, OMAR, "show", NAME)[1]
    assert json.loads(cli(people, OMAR, "show", NAME, "--json")[1])["job"]["missing"] == [
        "'code/data1.csv' is not here"
    ]
    for n in range(6):
        (location / "code" / f"data{n}.csv").unlink(missing_ok=True)
    for job in both(people):
        assert len([finding for finding in job.findings if "is not here" in finding]) == 3
        assert "3 more are not here" in job.findings


def test_a_file_under_the_other_unicode_form_is_named_as_the_twin(people):
    location = submit_code(people, größe_csv=b"1\n")
    there = location / "code" / "größe.csv"
    there.rename(there.with_name(unicodedata.normalize("NFD", there.name)))
    for job in both(people):
        (finding,) = [finding for finding in job.findings if "twin" in finding]
        assert "'gro\\u0308\\xdfe.csv'" in finding
        assert "'gr\\xf6\\xdfe.csv'" in finding


@pytest.mark.parametrize("what", ["hole", "empty", "icloud", "half"])
def test_a_placeholder_is_arriving_and_cannot_be_approved(people, what: str):
    """Threat 25: a cloud client's placeholder, or a file that appears before its content, has not arrived."""
    location = submit_code(people, data_csv=b"1,2,3\n" * 2000)
    path = location / "code" / "data.csv"
    if what == "hole":
        sparse(path)
    elif what == "empty":
        path.write_bytes(b"")
    elif what == "icloud":
        path.rename(path.with_name(".data.csv.icloud"))
    else:
        path.write_bytes(b"1,2,3\n")
    words = {
        "hole": "not downloaded yet",
        "icloud": "not downloaded yet",
        "empty": "empty so far",
        "half": "6 of 12000",
    }
    for job in both(people):
        assert job.status == "arriving"
        assert any(words[what] in finding for finding in job.findings), job.findings
    with pytest.raises(InvalidTransition, match=words[what]):
        people.owner_job(NAME).approve()
    assert "approve" not in json.loads(cli(people, OMAR, "show", NAME, "--json")[1])["job"]["may"]


def test_a_small_placeholder_is_one_too_and_is_noticed_when_it_is_downloaded(people):
    location = submit_code(people, data_csv=b"1")
    sparse(location / "code" / "data.csv")
    listing = people.owner.store
    assert [record.status for record in listing.records()] == ["arriving"]
    (location / "code" / "data.csv").write_bytes(b"1")
    assert [record.status for record in listing.records()] == ["inbox"]


def test_a_file_of_zeros_that_a_sync_tool_wrote_as_a_hole_has_arrived(people):
    location = submit_code(people, zeros_bin=bytes(10_000))
    sparse(location / "code" / "zeros.bin")
    assert [job.status for job in both(people)] == ["inbox", "inbox"]
    people.owner_job(NAME).approve()


def test_sparse_files_cost_a_bounded_amount_of_hashing(people, monkeypatch: pytest.MonkeyPatch):
    """Threat 33: the comparison with zeros is bounded for each job."""
    location = submit_code(people, **{f"z{n}_bin": bytes(1000 + n) for n in range(40)})
    for n in range(40):
        sparse(location / "code" / f"z{n}.bin")
    asked: list[int] = []
    real = arrival._hash_of_zeros.__wrapped__

    def counted(size: int) -> str:
        asked.append(size)
        return real(size)

    monkeypatch.setattr(arrival, "_hash_of_zeros", counted)
    assert people.owner_job(NAME).status == "arriving"
    assert 0 < len(asked) <= 2 * arrival.MAX_ZERO_CHECKS


@pytest.mark.parametrize("content", [b"", b"\0" * 5000])
def test_an_empty_manifest_is_arriving_and_not_unreadable(people, content: bytes):
    """Threat 15, 25: a file appears empty first in several sync tools."""
    location = people.submit("echo hello\n", NAME)
    whole = (location / "config.yaml").read_bytes()
    (location / "config.yaml").write_bytes(content)
    for job in both(people):
        assert job.status == "arriving"
        assert any("has not arrived yet" in finding for finding in job.findings)
    runner(people).step()
    (location / "config.yaml").write_bytes(whole)
    assert [job.status for job in both(people)] == ["inbox", "inbox"]


# What is offered


def test_show_offers_exactly_what_is_allowed(people, tmp_path: Path):
    """Every offered command succeeds, every other one is refused, for both people in several states."""

    def offered(who: str) -> set[str]:
        return set(json.loads(cli(people, who, "show", NAME, "--json")[1])["job"]["may"])

    people.submit("echo hello > outputs/x\n", NAME)
    assert (offered(OMAR), offered(ADA)) == ({"approve", "reject", "deposit"}, {"withdraw"})
    people.owner_job(NAME).approve()
    assert (offered(OMAR), offered(ADA)) == ({"reject", "deposit", "cancel"}, {"withdraw"})
    runner(people).run(drain=True)
    assert (offered(OMAR), offered(ADA)) == ({"rerun", "share", "clean"}, set())
    assert cli(people, OMAR, "clean", NAME, "--what", "results")[0] == 0
    assert offered(OMAR) == {"rerun", "clean"}
    with pytest.raises(PathMissing):
        people.owner_job(NAME).share_outputs(ADA)


def test_show_does_not_offer_to_reject_what_starts_just_now(people):
    people.submit("echo hello\n", NAME)
    people.owner_job(NAME).approve()
    record = people.owner_job(NAME).record
    transitions.start(
        people.owner.participant, record.place, record.id, record.digest, offered=transitions.BARE, host="here"
    )
    may = json.loads(cli(people, OMAR, "show", NAME, "--json")[1])["job"]["may"]
    assert may == ["cancel"]


# Whose folder, whose home


@pytest.mark.parametrize(
    "words",
    [
        ("list",),
        ("show", NAME),
        ("review", NAME),
        ("approve", NAME, "--yes"),
        ("reject", NAME, "--reason", "x"),
        ("run", "--once"),
        ("run", "--print-unit"),
        ("pause",),
        ("clean", NAME),
        ("keys",),
        ("doctor",),
        ("doctor", "--adopt-home"),
        ("submit", OMAR, "main.sh"),
    ],
)
def test_a_mistyped_address_makes_nothing_and_the_meant_one_is_named(
    people, words: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    people.submit("echo hello\n", NAME)
    monkeypatch.chdir(tmp_path)
    Path("main.sh").write_text("echo hello\n")
    homes = tmp_path / "homes"
    before = sorted([*people.root.rglob("*"), *homes.rglob("*")])
    code, _, err = cli(people, "omer@example.org", *words)
    assert code == 1
    assert "There is no datasite for omer@example.org" in err
    assert "Did you mean omar@example.org?" in err
    assert "init --save" in err
    assert sorted([*people.root.rglob("*"), *homes.rglob("*")]) == before


def test_an_address_unlike_all_others_is_told_which_ones_there_are(people):
    err = cli(people, "someone@elsewhere.net", "list")[2]
    assert f"Known here: {ADA}, {OMAR}." in err


def test_init_makes_a_newcomer(people):
    assert cli(people, "eve@example.org", "init")[0] == 0
    assert cli(people, "eve@example.org", "list")[0] == 0


def test_the_python_interface_needs_no_init(people):
    newcomer = get_client(people.root, "eve@example.org")
    newcomer.announce = None
    newcomer.submit_bash_job(OMAR, "echo hello\n", "From Eve")
    assert people.owner_job("From Eve").status == "inbox"


def test_unconfigured_commands_name_the_remedy(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit):
        main(["list"])
    assert "syft-job --root DIR --as ADDRESS init --save" in capsys.readouterr().err


def test_an_owner_without_their_home_is_warned_and_offered_nothing(
    people, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    people.submit("echo hello > outputs/x\n", NAME)
    people.owner_job(NAME).approve(share_outputs=True)
    runner(people).run(drain=True)
    monkeypatch.setenv("SYFT_JOB_HOME", str(tmp_path / "elsewhere"))
    code, _, err = cli(people, OMAR, "list")
    assert code == 0
    assert "is not on this machine" in err
    assert "is not on this machine" in json.loads(cli(people, OMAR, "list", "--json")[1])["notes"][0]
    told = json.loads(cli(people, OMAR, "show", NAME, "--json")[1])["job"]
    assert told["may"] == []
    assert "is not on this machine" in told["warning"]
    checks = json.loads(cli(people, OMAR, "doctor", "--json")[1])["checks"]
    (home,) = [check for check in checks if check["name"] == "home"]
    assert home["ok"] is False
    assert "SYFT_JOB_HOME" in home["advice"]
    assert not cli(people, ADA, "list")[2]


def test_an_owner_without_their_home_is_shown_no_state_that_only_the_submitter_vouches_for(
    people, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Threat 1: a submitter names a key of their own as the owner's and signs `approved` and `done` with it."""
    key = people.submitter.home.key()
    location = people.submit("echo hello\n", NAME)
    manifest = json.loads((location / "config.yaml").read_text())
    manifest["owner_key"] = key.public
    manifest.pop("seal")
    place = people.place(NAME)
    manifest["seal"] = key.sign("config", place, manifest)
    (location / "config.yaml").write_text(json.dumps(manifest))
    digest = people.submitters_job(NAME).digest
    for kind, more in (("approved", {"by": OMAR}), ("done", {"outcome": "succeeded"})):
        forged = markers.make(kind, place, key, digest=digest, attempt=1, **more)
        (location / kind).write_bytes(markers.to_bytes(forged))
    monkeypatch.setenv("SYFT_JOB_HOME", str(tmp_path / "elsewhere"))
    told = json.loads(cli(people, OMAR, "show", NAME, "--json")[1])["job"]
    assert told["state"] == "submitted"


# File events that do not come


def test_refused_watches_are_reported_once_and_the_poll_is_capped(people, lines, monkeypatch: pytest.MonkeyPatch):
    """Threat 27: without file events a job is found by a sweep, however long `--poll` is."""

    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EMFILE, "inotify instance limit reached")

    monkeypatch.setattr("watchdog.observers.inotify.InotifyObserver.schedule", refuse)
    monkeypatch.setattr("syft_job.fs.watch.MAX_BLIND_INTERVAL_S", 0.05)
    serving = JobRunner(people.owner.config, poll_interval=600, announce=lines.append)
    stop = threading.Event()
    thread = threading.Thread(target=serving.run, args=(stop,))
    thread.start()
    try:
        wait_until(lambda: any("inotify instance limit reached" in line for line in lines))
        people.submit("echo hello\n", NAME)
        people.owner_job(NAME).approve()
        people.submitters_job(NAME).wait(timeout=60)
    finally:
        stop.set()
        thread.join()
    assert sum("inotify" in line for line in lines) == 1


def test_a_network_file_system_is_reported_and_the_poll_is_capped(people, lines, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("syft_job.fs.mounts.filesystem_type", lambda _: "nfs4")
    monkeypatch.setattr("syft_job.runner.service.filesystem_type", lambda _: "nfs4")
    JobRunner(people.owner.config, poll_interval=600, announce=lines.append).run(once=True)
    assert [line for line in lines if "nfs4" in line and "every 5 s" in line]
    with Watch(600, remote=True) as watch:
        assert watch.interval == 5
    with Watch(2, remote=True) as watch:
        assert watch.interval == 2
    with Watch(600) as watch:
        assert watch.interval == 600


def wait_until(is_so: Callable[[], bool]) -> None:
    until = time.monotonic() + 60
    while not is_so():
        assert time.monotonic() < until
        time.sleep(0.02)


# The time limit


def test_a_review_shows_the_default_time_limit_of_a_day(tmp_path: Path):
    """Threat 11: a job that asks for no time limit has one, and the reviewer sees it."""
    with TwoPeople(tmp_path, sandbox="bare") as people:
        people.submit("echo hello\n", NAME)
        assert "It is ended after 1d." in str(people.owner_job(NAME).review())
    with TwoPeople(tmp_path / "more", sandbox="bare", time_limit="none") as people:
        people.submit("echo hello\n", NAME)
        assert "It may run for any length of time." in str(people.owner_job(NAME).review())


# Locales that are not UTF-8

ASCII_LOCALE = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}


def command(*words: str, cwd: Path, **env: str) -> subprocess.CompletedProcess[bytes]:
    argv = [sys.executable, "-m", "syft_job", *words]
    return subprocess.run(argv, env=os.environ | env, cwd=cwd, capture_output=True, timeout=90, check=False)


def test_a_path_with_umlauts_works_under_a_locale_that_lacks_them(tmp_path: Path):
    root = tmp_path / "Büro"
    for person in (OMAR, ADA):
        (root / person).mkdir(parents=True)
    words = ("--root", str(root), "--as")
    assert command(*words, OMAR, "init", "--save", cwd=tmp_path, LC_ALL="C.UTF-8").returncode == 0
    (tmp_path / "go.sh").write_text("echo ‘hello’ | cat ─ │\n")
    submitted = command(*words, ADA, "submit", OMAR, "go.sh", "--name", "Größe", cwd=tmp_path, **ASCII_LOCALE)
    assert submitted.returncode == 0, submitted
    listed = command("list", cwd=tmp_path, **ASCII_LOCALE)  # the profile is UTF-8, the locale is not
    assert listed.returncode == 0, listed
    assert b"Gr<U+00F6><U+00DF>e" in listed.stdout
    assert listed.stdout.isascii()
    doctor_ran = command("doctor", "--json", cwd=tmp_path, **ASCII_LOCALE)
    checks = {check["name"]: check for check in json.loads(doctor_ran.stdout)["checks"]}
    assert checks["home"]["ok"] is True
    assert checks["locale"]["ok"] is None
    shown = command("review", "Größe", cwd=tmp_path, **ASCII_LOCALE).stdout
    assert b"1 | echo <U+2018>hello<U+2019> | cat <U+2500> <U+2502>\n" in shown  # nothing looks like another sign
    assert len(list(Path(os.environ["SYFT_JOB_HOME"]).glob("omar*"))) == 1


def test_a_folder_that_cannot_be_named_under_the_locale_is_an_error_with_a_remedy(tmp_path: Path):
    (tmp_path / "Büro" / OMAR).mkdir(parents=True)
    program = (
        "import sys\nfrom syft_job import get_client\nfrom syft_job.errors import ConfigError\n"
        "try: get_client(sys.argv[1].encode().decode('unicode_escape'), 'omar@example.org')\n"
        "except ConfigError as error: print(error)\n"
    )
    argv = [sys.executable, "-c", program, ascii(str(tmp_path / "Büro"))[1:-1]]
    ran = subprocess.run(argv, env=os.environ | ASCII_LOCALE, capture_output=True, text=True, timeout=90, check=False)
    assert ran.returncode == 0, ran
    assert "LC_ALL=C.UTF-8" in ran.stdout


def test_a_folder_whose_name_is_not_utf8_works_and_cannot_be_saved(tmp_path: Path):
    root = os.fsdecode(os.fsencode(tmp_path) + b"/B\xfcro")
    Path(root, OMAR).mkdir(parents=True)
    assert command("--root", root, "--as", OMAR, "init", cwd=tmp_path).returncode == 0
    assert command("--root", root, "--as", OMAR, "list", cwd=tmp_path).returncode == 0
    saved = command("--root", root, "--as", OMAR, "init", "--save", cwd=tmp_path)
    assert saved.returncode == 1
    assert b"is not UTF-8" in saved.stderr
    assert b"Traceback" not in saved.stderr


def test_files_without_blocks_cost_a_bounded_number_of_opens(people, monkeypatch: pytest.MonkeyPatch):
    """Threat 33: ten thousand sparse files do not cost ten thousand opens in each listing."""
    location = submit_code(people, **{f"s{n}_bin": b"1" for n in range(300)})
    for n in range(300):
        sparse(location / "code" / f"s{n}.bin")
    opened: list[str] = []
    real = fs.is_hole

    def counted(place: int, name: str) -> bool:
        opened.append(name)
        return real(place, name)

    monkeypatch.setattr(fs, "is_hole", counted)
    assert [record.status for record in people.owner.store.records()] == ["arriving"]
    assert len(opened) == arrival.MAX_HOLE_CHECKS


def test_a_locked_home_is_no_failing_disk():
    assert category_of(StoreError("The home has been locked for 30 s by another process.")) is BlockedCategory.OTHER
    assert category_of(StoreError("No space left.", errno=28)) is BlockedCategory.STORAGE
    assert category_of(OSError(28, "No space left")) is BlockedCategory.STORAGE
