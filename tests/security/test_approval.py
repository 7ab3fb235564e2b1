"""Threats 31, 34, 35 and 36: an approval is of what was reviewed, in full, and for the containment that was shown."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from syft_job import JobRunner, get_client
from syft_job.errors import BlockedCategory, ChangedSinceSeen, InvalidTransition, NotAllowed, NotStarted, StoreError
from syft_job.exchange import listed_files, transitions
from syft_job.execution.sandboxes import detect, host_mounts, unavailable_reason
from syft_job.job import JobInfo
from syft_job.model.events import Event
from syft_job.model.states import JobState
from syft_job.testing import TwoPeople

NAME = "Analysis"
REMEDY = "allow-bare"


@pytest.fixture
def people(tmp_path: Path) -> Iterator[TwoPeople]:
    with TwoPeople(tmp_path / "people") as both:
        yield both


@pytest.fixture
def contained(tmp_path: Path) -> Iterator[TwoPeople]:
    if unavailable_reason() is not None:
        pytest.skip("this host has no bubblewrap")
    with TwoPeople(tmp_path / "people", sandbox="bubblewrap") as both:
        yield both


def bare_runner(people: TwoPeople) -> JobRunner:
    return JobRunner(dataclasses.replace(people.owner.config, sandbox="bare"), announce=None)


def events(people: TwoPeople, job: JobInfo) -> list[str]:
    people.owner.home.ledger.refresh()
    return [line.event for line in people.owner.home.ledger.lines(job.id)]


def approval(people: TwoPeople, job: JobInfo) -> dict[str, Any]:
    lines = people.owner.home.ledger.lines(job.id)
    return dict(next(line for line in reversed(lines) if line.event in ("approve", "permit")).said["mark"])


def is_unclaimed(people: TwoPeople, job: JobInfo) -> bool:
    return not people.owner.home.attempt_paths(job.id, job.attempt).claim.exists()


def record_approval(people: TwoPeople, job: JobInfo, **mark: Any) -> None:
    """Record an approval in the ledger as another release would have."""
    home = people.owner.home
    body: dict[str, Any] = {
        "by": people.owner_email,
        "epoch": home.epoch,
        "method": "manual",
        "share": {},
        "digest": job.digest,
    }
    with home.locked():
        body |= {"attempt": 1, "at": "2026-01-01T00:00:00Z"}
        home.ledger.say(job.id, 1, Event.APPROVED, place=list(people.place(job.name)), mark=body | mark)


# Threat 31: containment weaker than approved


def test_threat_31_what_was_approved_for_bubblewrap_never_runs_bare(contained: TwoPeople, tmp_path: Path):
    contained.submit(f"touch {tmp_path}/canary\n", name=NAME)
    job = contained.owner_job(NAME)
    job.approve()
    runner = bare_runner(contained)
    assert runner.process_approved_jobs() == []
    reason = runner.blocked_jobs[contained.place(NAME)]
    assert "bubblewrap without network" in reason
    assert REMEDY in reason
    assert any("bubblewrap" in finding for finding in job.findings)
    assert job.status == "approved"
    assert events(contained, job) == ["approve"], "no start is recorded"
    assert is_unclaimed(contained, job)
    assert not (tmp_path / "canary").exists()
    ran = JobRunner(contained.owner.config, announce=None).process_approved_jobs()
    assert [record.name for record in ran] == [NAME]


def test_threat_31_the_category_says_that_it_is_the_sandbox(contained: TwoPeople):
    contained.submit(name=NAME)
    job = contained.owner_job(NAME)
    job.approve()
    with pytest.raises(NotStarted) as refused:
        transitions.start(
            contained.owner.participant, contained.place(NAME), job.id, job.digest, offered=transitions.BARE
        )
    assert refused.value.category is BlockedCategory.SANDBOX
    assert events(contained, job) == ["approve"]


def test_threat_31_a_rerun_inherits_the_containment(contained: TwoPeople):
    contained.submit(name=NAME)
    job = contained.owner_job(NAME)
    job.approve()
    JobRunner(contained.owner.config, announce=None).process_approved_jobs()
    job.rerun()
    said = json.loads((job.location / "attempts" / "1.json").read_bytes())
    assert said["allow"] == approval(contained, job)["allow"] == {"sandbox": "bubblewrap", "network": False}
    assert bare_runner(contained).process_approved_jobs() == []
    assert is_unclaimed(contained, job)
    assert len(JobRunner(contained.owner.config, announce=None).process_approved_jobs()) == 1


def test_threat_31_an_attempt_that_was_recorded_is_not_begun_again_under_less(contained: TwoPeople):
    contained.submit(name=NAME)
    job = contained.owner_job(NAME)
    job.approve()
    transitions.start(
        contained.owner.participant, contained.place(NAME), job.id, job.digest, offered=transitions.BUBBLEWRAP
    )
    runner = bare_runner(contained)
    runner.step()
    assert "bubblewrap" in runner.blocked_jobs[contained.place(NAME)]
    assert is_unclaimed(contained, job)
    JobRunner(contained.owner.config, announce=None).run(once=True)
    assert contained.owner_job(NAME).state is JobState.SUCCEEDED


def test_threat_31_an_approval_of_an_earlier_release_is_for_bubblewrap(contained: TwoPeople):
    marks: dict[str, dict[str, Any]] = {"Empty": {"allow": {}}, "Missing": {}}
    for name, mark in marks.items():
        contained.submit(name=name)
        record_approval(contained, contained.owner_job(name), **mark)
        assert contained.owner_job(name).status == "approved"
    assert bare_runner(contained).process_approved_jobs() == []
    assert len(JobRunner(contained.owner.config, announce=None).process_approved_jobs()) == 2


@pytest.mark.parametrize(
    "allow",
    [
        None,
        [],
        "bare",
        {"sandbox": "bare"},
        {"network": True},
        {"sandbox": "none", "network": True},
        {"sandbox": "bare", "network": 1},
        {"sandbox": ["bare"], "network": True},
        {"sandbox": "bare", "network": True, "later": "restriction"},
    ],
    ids=str,
)
def test_threat_31_an_allow_that_is_not_understood_starts_nothing(people: TwoPeople, allow: object):
    people.submit(name=NAME)
    job = people.owner_job(NAME)
    record_approval(people, job, allow=allow)
    for offered in (transitions.BARE, transitions.BUBBLEWRAP):
        with pytest.raises(NotStarted, match="allow") as refused:
            transitions.start(people.owner.participant, people.place(NAME), job.id, job.digest, offered=offered)
        assert refused.value.category is BlockedCategory.APPROVAL
    assert events(people, job) == ["approve"]


def test_threat_31_what_the_folder_says_of_the_containment_counts_for_nothing(contained: TwoPeople):
    contained.submit(name=NAME)
    job = contained.owner_job(NAME)
    job.approve()
    said = json.loads((job.location / "approved").read_bytes())
    for seal in (said["seal"], None):
        forged = said | {"allow": {"sandbox": "bare", "network": True}, "seal": seal}
        (job.location / "approved").write_text(json.dumps(forged))
        assert bare_runner(contained).process_approved_jobs() == []
        assert is_unclaimed(contained, job)


def test_threat_31_running_bare_is_a_decision_of_its_own(contained: TwoPeople):
    contained.submit(name=NAME)
    job = contained.owner_job(NAME)
    job.review()
    job.approve(allow_bare=True)
    bare = {"sandbox": "bare", "network": True}
    assert approval(contained, job)["allow"] == json.loads((job.location / "approved").read_bytes())["allow"] == bare
    assert len(bare_runner(contained).process_approved_jobs()) == 1


def test_threat_31_a_stronger_sandbox_than_approved_is_fine(contained: TwoPeople):
    contained.submit(name=NAME)
    contained.owner_job(NAME).approve(allow_bare=True)
    assert len(JobRunner(contained.owner.config, announce=None).process_approved_jobs()) == 1


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder in which bubblewrap is looked for; empty."""
    folder = tmp_path / "tools"
    folder.mkdir()
    for name in ("setpriv",):
        if (found := shutil.which(name)) is not None:
            (folder / name).symlink_to(found)
    monkeypatch.setattr(host_mounts, "TOOLS", str(folder))
    detect.clear_probe_cache()
    yield folder
    detect.clear_probe_cache()


@pytest.fixture
def uncontained(tmp_path: Path, tools: Path) -> Iterator[TwoPeople]:
    with TwoPeople(tmp_path / "people", sandbox="auto") as both:
        yield both


def test_threat_31_without_a_sandbox_nothing_is_approved_unless_that_is_decided(uncontained: TwoPeople):
    uncontained.submit(name=NAME)
    job = uncontained.owner_job(NAME)
    with pytest.raises(NotAllowed, match="allow_bare=True") as refused:
        job.approve()
    assert "--allow-bare" in refused.value.for_command_line
    assert job.status == "inbox"
    assert events(uncontained, job) == []
    job.approve(allow_bare=True)
    assert len(JobRunner(uncontained.owner.config, announce=None).process_approved_jobs()) == 1


def test_threat_31_only_the_owner_hears_of_the_sandbox(uncontained: TwoPeople):
    uncontained.submit(name=NAME)
    with pytest.raises(NotAllowed, match="Only the owner"):
        uncontained.submitters_job(NAME).approve()


def test_threat_31_a_configuration_that_says_bare_is_the_owners_decision(tmp_path: Path):
    with TwoPeople(tmp_path / "people", sandbox="bare") as people:
        people.submit(name=NAME)
        job = people.owner_job(NAME)
        job.approve()
        assert approval(people, job)["allow"] == {"sandbox": "bare", "network": True}


def test_threat_31_a_configuration_that_was_weakened_after_the_review_needs_another(contained: TwoPeople):
    contained.submit(name=NAME)
    contained.owner_job(NAME).review()
    weaker = get_client(contained.root, contained.owner_email, sandbox="bare")
    with pytest.raises(ChangedSinceSeen, match="bubblewrap without network"):
        weaker.jobs[NAME].approve()
    weaker.jobs[NAME].review()
    weaker.jobs[NAME].approve()


def test_threat_31_a_sandbox_that_breaks_while_the_runner_lives_blocks(tmp_path: Path, tools: Path):
    real = shutil.which("bwrap", path="/usr/bin:/usr/local/bin:/bin")
    if real is None:
        pytest.skip("this host has no bubblewrap")
    program = tools / "bwrap"
    program.symlink_to(real)
    if unavailable_reason() is not None:
        pytest.skip("this host has no bubblewrap")
    with TwoPeople(tmp_path / "people", sandbox="auto") as people:
        runner = JobRunner(people.owner.config, announce=None, poll_interval=0.05)
        for name in ("First", "Second"):
            people.submit(name=name)
        people.owner_job("First").approve()
        assert [record.state for record in runner.process_approved_jobs()] == [JobState.SUCCEEDED]
        job = people.owner_job("Second")
        job.approve()
        for broken in (None, "#!/bin/sh\necho no user namespaces >&2\nexit 1\n"):
            program.unlink(missing_ok=True)
            if broken is not None:
                program.write_text(broken)
                program.chmod(0o755)
            assert runner.process_approved_jobs() == []
            assert "bubblewrap" in runner.blocked_jobs[people.place("Second")]
            assert "doctor" in runner.blocked_jobs[people.place("Second")]
            assert events(people, job) == ["approve"], "neither a start nor a failure"
            assert is_unclaimed(people, job)
        program.unlink()
        program.symlink_to(real)
        assert [record.state for record in runner.process_approved_jobs()] == [JobState.SUCCEEDED]


# Threat 35: a decoy at the review


def decoy(people: TwoPeople, name: str = NAME) -> tuple[JobInfo, bytes]:
    """A job whose script is another one of the same size; returns what its manifest lists."""
    people.submit("echo the listed program\n", name=name)
    job = people.owner_job(name)
    listed = (job.location / "run.sh").read_bytes()
    (job.location / "run.sh").write_bytes(b"echo a harmless program"[: len(listed) - 1] + b"\n")
    return job, listed


def test_threat_35_a_review_of_other_files_says_so_at_the_top_and_at_the_digest(people: TwoPeople):
    job, _ = decoy(people)
    lines = str(job.review()).splitlines()
    marked = [number for number, line in enumerate(lines) if "not reviewable" in line]
    digest = next(number for number, line in enumerate(lines) if job.digest in line)
    assert len(marked) == 2
    assert marked[0] < 5
    assert marked[1] == digest + 1
    assert all("run.sh" in lines[number] for number in marked)
    assert not any("exactly this" in line for line in lines)


def test_threat_35_an_approval_hashes_what_is_listed(people: TwoPeople):
    job, listed = decoy(people)
    with pytest.raises(InvalidTransition, match=r"run\.sh"):
        job.approve()
    assert events(people, job) == []
    assert not (job.location / "approved").exists()
    (job.location / "run.sh").write_bytes(listed)
    job.approve()


def test_threat_35_the_listed_files_after_a_review_of_others_are_not_approved(people: TwoPeople):
    job, listed = decoy(people)
    job.review()
    (job.location / "run.sh").write_bytes(listed)
    for one in (job, people.owner_job(NAME), get_client(people.root, people.owner_email).jobs[NAME]):
        with pytest.raises(NotAllowed, match="not reviewable"):
            one.approve()
    job.review()
    people.owner_job(NAME).approve()
    assert approval(people, job)["reviewed"] is True


def test_threat_35_a_failed_look_does_not_take_a_complete_review_back(people: TwoPeople):
    people.submit("echo the listed program\n", name=NAME)
    job = people.owner_job(NAME)
    job.review()
    listed = (job.location / "run.sh").read_bytes()
    (job.location / "run.sh").write_bytes(listed.upper())
    people.owner_job(NAME).review()
    (job.location / "run.sh").write_bytes(listed)
    people.owner_job(NAME).approve()


@pytest.mark.parametrize("how", ["missing", "link", "longer"])
def test_threat_35_other_ways_to_differ(people: TwoPeople, how: str):
    job, _ = decoy(people)
    script = job.location / "run.sh"
    if how == "longer":
        script.write_bytes(script.read_bytes() * 2)
    else:
        script.unlink()
    if how == "link":
        script.symlink_to("/etc/hostname")
    assert "not reviewable" in str(job.review())
    with pytest.raises((InvalidTransition, NotAllowed, ChangedSinceSeen)):
        job.approve()
    assert events(people, job) == []


def large(people: TwoPeople) -> JobInfo:
    people.submit_code({"main.py": "print(1)\n", **{f"data/{number}.txt": "x" * 60_000 for number in range(80)}}, NAME)
    return people.owner_job(NAME)


def test_threat_35_large_jobs_are_hashed_before_the_home_is_locked(people: TwoPeople, monkeypatch: pytest.MonkeyPatch):
    job = large(people)
    hashed = []

    def watched(look: Any, root: Path) -> list[str]:
        hashed.append(people.owner.home.lock.is_held)
        return original(look, root)

    original = listed_files.hashes_match
    monkeypatch.setattr(listed_files, "hashes_match", watched)
    job.approve()
    assert hashed == [False]
    assert job.status == "approved"


def test_threat_35_a_large_job_that_differs_is_refused(people: TwoPeople):
    job = large(people)
    (job.location / "code" / "data" / "7.txt").write_text("y" * 60_000)
    with pytest.raises(InvalidTransition, match=r"data/7\.txt"):
        job.approve()
    assert events(people, job) == []


@pytest.mark.parametrize("act", ["edit", "remove", "replace"])
def test_threat_35_a_file_that_changes_after_it_was_hashed(
    people: TwoPeople, monkeypatch: pytest.MonkeyPatch, act: str
):
    job = large(people)
    victim = job.location / "code" / "data" / "7.txt"

    def swapped(look: Any, root: Path) -> list[str]:
        differences = original(look, root)
        if act == "edit":
            victim.write_text("y" * 60_000)
        elif act == "remove":
            victim.unlink()
        else:
            (people.root / "other").write_text("x" * 60_000)
            (people.root / "other").replace(victim)
        return differences

    original = listed_files.hashes_match
    monkeypatch.setattr(listed_files, "hashes_match", swapped)
    with pytest.raises((ChangedSinceSeen, InvalidTransition)):
        job.approve()
    assert events(people, job) == []


# Threat 36: an approval that skips the review


def resubmit(people: TwoPeople, script: str = "echo something else\n", name: str = NAME) -> None:
    shutil.rmtree(people.location(name))
    people.submit(script, name=name)


def test_threat_36_another_submission_after_the_review_is_not_approved_by_a_fresh_object(people: TwoPeople):
    people.submit(name=NAME)
    people.owner.jobs[NAME].review()
    resubmit(people)
    for client in (people.owner, get_client(people.root, people.owner_email)):
        with pytest.raises(ChangedSinceSeen, match="last review"):
            client.jobs[NAME].approve()
        with pytest.raises(ChangedSinceSeen):
            client.jobs[NAME].approve(require_review=True)
    assert not (people.location(NAME) / "approved").exists()
    people.owner.jobs[NAME].review()
    people.owner.jobs[NAME].approve()


def test_threat_36_an_object_that_was_listed_before_cannot_approve_what_was_reviewed_since(people: TwoPeople):
    people.submit(name=NAME)
    before = people.owner_job(NAME)
    resubmit(people)
    people.owner_job(NAME).review()
    with pytest.raises(ChangedSinceSeen):
        before.approve()


def test_threat_36_an_approval_without_a_review_says_so_and_is_recorded(tmp_path: Path):
    said: list[str] = []
    with TwoPeople(tmp_path / "people", announce=said.append) as people:
        for name in ("Seen", "Unseen"):
            people.submit(name=name)
        people.owner_job("Seen").review()
        people.owner_job("Seen").approve()
        assert not any("approved without a review" in line for line in said)
        people.owner_job("Unseen").approve()
        assert sum("'Unseen' was approved without a review" in line for line in said) == 1
        for name, is_reviewed in (("Seen", True), ("Unseen", False)):
            job = people.owner_job(name)
            assert approval(people, job)["reviewed"] is is_reviewed
            assert json.loads((job.location / "approved").read_bytes())["reviewed"] is is_reviewed


def test_threat_36_the_warning_does_not_disturb_what_goes_to_stdout(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    with TwoPeople(tmp_path / "people", announce=print) as people:
        people.submit(name=NAME)
        people.owner_job(NAME).approve()
    told = capsys.readouterr()
    assert told.out == f"✅ Job '{NAME}' approved successfully!\n"
    assert "approved without a review" in told.err


def test_threat_36_the_configuration_can_require_a_review(tmp_path: Path):
    with TwoPeople(tmp_path / "people", require_review=True) as people:
        people.submit(name=NAME)
        with pytest.raises(NotAllowed, match="not reviewed"):
            people.owner_job(NAME).approve()
        assert people.owner_job(NAME).status == "inbox"
        people.owner_job(NAME).review()
        people.owner_job(NAME).approve()


def test_threat_36_what_the_submitter_reviews_is_no_review_of_the_owner(tmp_path: Path):
    with TwoPeople(tmp_path / "people", require_review=True) as people:
        people.submit(name=NAME)
        people.submitters_job(NAME).review()
        with pytest.raises(NotAllowed):
            people.owner_job(NAME).approve()


def test_threat_36_a_review_of_one_job_is_none_of_another(tmp_path: Path):
    with TwoPeople(tmp_path / "people", require_review=True) as people:
        for name in ("One", "Two"):
            people.submit("true\n", name=name)
        people.owner_job("One").review()
        with pytest.raises(NotAllowed):
            people.owner_job("Two").approve()


def test_threat_36_notes_of_earlier_releases_are_no_reviews(tmp_path: Path):
    with TwoPeople(tmp_path / "people", require_review=True) as people:
        people.submit(name=NAME)
        job = people.owner_job(NAME)
        job.review()
        (note,) = (people.owner.home.paths.review_notes).iterdir()
        note.unlink()
        (people.owner.home.path / "seen").mkdir()
        (people.owner.home.path / "seen" / note.name).write_text(job.digest + "\n")
        with pytest.raises(NotAllowed, match="not reviewed"):
            job.approve()


@pytest.mark.parametrize("content", ["", "{}", "x", '{"digest": 1, "complete": true, "allow": {}}', "[" * 50])
def test_threat_36_a_note_that_is_damaged_approves_nothing_and_a_review_mends_it(people: TwoPeople, content: str):
    people.submit(name=NAME)
    job = people.owner_job(NAME)
    job.review()
    (note,) = (people.owner.home.paths.review_notes).iterdir()
    note.write_text(content)
    with pytest.raises(StoreError, match="Review it again"):
        people.owner_job(NAME).approve()
    assert events(people, job) == []
    job.review()
    people.owner_job(NAME).approve()


def test_threat_36_a_review_goes_with_its_job(people: TwoPeople):
    people.submit(name=NAME)
    job = people.owner_job(NAME)
    job.review()
    job.reject("no")
    job.clean()
    people.submit("echo anew\n", name=NAME)
    people.owner_job(NAME).approve()
    assert approval(people, people.owner_job(NAME))["reviewed"] is False


def test_threat_36_the_history_tells_of_review_and_containment(people: TwoPeople):
    people.submit(name=NAME)
    job = people.owner_job(NAME)
    job.approve(allow_bare=True)
    for history in (job.history, people.submitters_job(NAME).history):
        (said,) = [str(one) for one in history if "approve" in str(one)]
        assert "without a review" in said
        assert "bare" in said


def test_threat_36_a_review_that_cannot_be_shown_is_none(people: TwoPeople, monkeypatch: pytest.MonkeyPatch):
    people.submit(name=NAME)
    job = people.owner_job(NAME)
    with monkeypatch.context() as broken:
        broken.setattr("syft_job.views.text.review", lambda found: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            job.review()
    with pytest.raises(NotAllowed, match="not reviewed"):
        job.approve(require_review=True)


# A rerun decides about nothing but another attempt


def older(people: TwoPeople) -> JobInfo:
    location = people.location("Old")
    location.mkdir(parents=True)
    (location / "config.yaml").write_text("name: Old\nsubmitted_by: ada@example.org\n")
    (location / "run.sh").write_text("echo fine\n")
    return people.owner_job("Old")


def test_threat_36_a_rerun_of_changed_files_of_the_older_layout_is_refused(people: TwoPeople, tmp_path: Path):
    job = older(people)
    job.approve()
    JobRunner(people.owner.config, announce=None).process_approved_jobs()
    assert job.status == "done"
    (job.location / "run.sh").write_text(f"touch {tmp_path}/canary\n")
    with pytest.raises(InvalidTransition, match="not those that were approved"):
        people.owner_job("Old").rerun()
    (job.location / "run.sh").write_text("echo fine\n")
    people.owner_job("Old").rerun()
    assert len(JobRunner(people.owner.config, announce=None).process_approved_jobs()) == 1


def test_threat_36_what_only_claims_to_be_done_is_not_rerun(people: TwoPeople):
    job = older(people)
    (job.location / "done").touch()
    assert job.status == "done"
    with pytest.raises(InvalidTransition, match="no approval"):
        job.rerun()
    assert events(people, job) == []
