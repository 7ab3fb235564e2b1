"""The calls of document 002 about a job and a list of jobs, in its order, with a real runner in between."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from syft_job import get_client
from syft_job.exchange.permissions import may_read, may_write
from syft_job.job import JobInfo
from syft_job.model.states import JobState
from syft_job.runner import JobRunner
from syft_job.testing import TwoPeople

EVE = "eve@example.org"
BOTH = "echo tides measured; echo gauge 7 is silent >&2; mkdir outputs/harbour; echo 1.4 > outputs/harbour/mean.txt\n"
LOG_NAMES = ("stdout.txt", "stderr.txt", "returncode.txt")


@pytest.fixture
def people(tmp_path: Path) -> Iterator[TwoPeople]:
    with TwoPeople(tmp_path, announce=print, sandbox="bare") as both:
        yield both


def runner(people: TwoPeople) -> JobRunner:
    return JobRunner(people.owner.config, announce=None)


def finished(people: TwoPeople, script: str = BOTH, name: str = "Tides", **yes: Any) -> JobInfo:
    """A job that was submitted, approved and run, as its owner sees it."""
    people.submit(script, name)
    job = people.owner_job(name)
    job.approve(**yes)
    runner(people).process_approved_jobs(stream_output=False)
    return job


@pytest.mark.conformance(93, 244)
def test_the_complete_example(people, capsys, tmp_path, monkeypatch):
    people.submit("echo first light\n", "Seal Count")
    earlier = finished(people, BOTH, "Harbour Levels")
    assert earlier.status == "done"
    capsys.readouterr()
    some_condition = True

    client = get_client(syftbox_folder_path=people.root, email=people.owner_email, sandbox="bare")
    jobs = client.jobs
    for job in jobs:
        if job.status == "inbox":
            print(f"New job: {job.name}")
            if job.datasite_owner_email == client.config.email:
                job.approve()
        elif job.status == "done":
            for output in job.output_paths:
                print(f"Output: {output.name}")
            print(job.stdout)
            job.share_outputs([people.submitter_email])
            job.share_logs([people.submitter_email])
            if some_condition:
                job.rerun()
    said = capsys.readouterr().out
    assert "New job: Seal Count" in said
    assert "✅ Job 'Seal Count' approved successfully!" in said
    assert "Output: harbour" in said
    assert "tides measured" in said
    assert "🔄 Job 'Harbour Levels' prepared for rerun!" in said
    assert Counter(job.status for job in client.jobs) == {"approved": 2}

    people.submit("echo never run\n", "Data Analysis")  # arrives after the loop
    analysis_job = client.jobs["Data Analysis"]
    analysis_job.approve()
    monkeypatch.chdir(tmp_path)
    Path("results.csv").write_text("gauge,mean\n7,1.4\n")
    result_path = analysis_job.accept_by_depositing_result(path="./results.csv")
    assert result_path == analysis_job.location / "outputs" / "results.csv"
    assert result_path.read_text() == "gauge,mean\n7,1.4\n"
    assert "✅ Job 'Data Analysis' approved successfully!" in capsys.readouterr().out
    assert analysis_job.status == "done"


@pytest.mark.conformance(93, 25, 77, 244)
def test_the_job_workflow(people):
    people.submit(BOTH, "New Analysis")
    jobs = people.owner.jobs
    job = jobs["New Analysis"]
    assert job.status == "inbox"
    job.approve()
    assert job.status == "approved"
    runner(people).process_approved_jobs()
    assert job.status == "done"
    assert [output.name for output in job.output_paths] == ["harbour"]
    assert str(job.stdout) == "tides measured\n"
    job.rerun()
    assert job.status == "approved"
    runner(people).process_approved_jobs()
    assert (job.status, job.attempt) == ("done", 2)


@pytest.mark.conformance(89)
def test_an_object_from_before_the_run_tells_what_is_now(people):
    people.submit(BOTH, "Tides")
    job, theirs = people.owner_job("Tides"), people.submitters_job("Tides")
    job.approve()
    runner(people).process_approved_jobs()
    assert job.status == "done"
    assert [path.name for path in job.output_paths] == ["harbour"]
    assert theirs.status == "done"


@pytest.mark.conformance(22, 23, 25, 27)
def test_rerun_sets_everything_of_the_earlier_run_aside(people, capsys):
    job = finished(people)
    job.share_outputs([people.submitter_email])
    job.share_logs([people.submitter_email])
    first = job.output_paths[0].parent
    capsys.readouterr()
    job.rerun()
    assert (
        capsys.readouterr().out == "🔄 Job 'Tides' prepared for rerun! Removed: logs directory, outputs directory,"
        " done marker file\n"
    )
    left = {path.name for path in job.files}
    assert "approved" in left
    assert left.isdisjoint({"done", "running", "outputs", "logs", "shared", "syft.pub.yaml", *LOG_NAMES})
    assert job.status == "approved"
    assert job.output_paths == []
    assert str(job.stdout) == "No stdout available - job not completed yet"
    assert str(job.stderr) == "No stderr available - job not completed yet"
    assert job.returncode is None
    assert (first / "harbour" / "mean.txt").read_text() == "1.4\n", "held results stay as history"
    assert [record.attempt for record in runner(people).process_approved_jobs()] == [2]
    assert job.status == "done"


@pytest.mark.conformance(24)
def test_rerun_names_only_what_was_there(people, capsys):
    job = finished(people, "true\n")
    capsys.readouterr()
    job.rerun()
    assert "Removed: logs directory, done marker file" in capsys.readouterr().out
    job.cancel()
    capsys.readouterr()
    job.rerun()
    assert capsys.readouterr().out == "🔄 Job 'Tides' prepared for rerun! (No cleanup needed)\n"


@pytest.mark.conformance(26)
def test_rerun_of_what_has_not_run_is_refused(people, tmp_path):
    people.submit(name="Tides")
    job = people.owner_job("Tides")
    with pytest.raises(ValueError, match=r"Tides.*inbox"):
        job.rerun()
    job.approve()
    with pytest.raises(ValueError, match=r"Tides.*approved"):
        job.rerun()
    people.submit(name="Taken Back")
    withdrawn = people.owner_job("Taken Back")
    people.submitters_job("Taken Back").withdraw()
    with pytest.raises(ValueError, match="withdrawn"):
        withdrawn.rerun()
    people.submit(name="By Hand")
    deposited = people.owner_job("By Hand")
    (tmp_path / "answer.csv").write_text("1\n")
    deposited.accept_by_depositing_result(tmp_path / "answer.csv")
    with pytest.raises(ValueError, match="deposited"):
        deposited.rerun()
    done = finished(people, name="Gone")
    done.clean()
    with pytest.raises(ValueError, match="Gone"):
        done.rerun()
    assert deposited.status == "done"
    assert withdrawn.status == "cancelled"


@pytest.mark.conformance(28, 34)
def test_the_submitter_neither_reruns_nor_shares(people):
    job = finished(people)
    before = {path.name: path.stat().st_mtime_ns for path in job.files}
    theirs = people.submitters_job("Tides")
    with pytest.raises(PermissionError):
        theirs.rerun()
    with pytest.raises(PermissionError):
        theirs.share_outputs([people.submitter_email])
    with pytest.raises(PermissionError):
        theirs.share_logs([people.submitter_email])
    assert {path.name: path.stat().st_mtime_ns for path in job.files} == before


def result_paths(job: JobInfo) -> list[Path]:
    return [job.location / "outputs" / "harbour" / "mean.txt", *(job.location / name for name in LOG_NAMES)]


def readable(people: TwoPeople, job: JobInfo, person: str) -> set[str]:
    datasite = people.root / people.owner_email
    return {path.name for path in result_paths(job) if may_read(datasite, path, person)}


@pytest.mark.conformance(29, 30, 31, 33)
def test_sharing_opens_exactly_what_is_shared_to_exactly_those_people(people):
    job = finished(people)
    submitter = people.submitter_email
    assert readable(people, job, submitter) == set()
    assert {path.name for path in job.location.iterdir()}.isdisjoint({"outputs", *LOG_NAMES}), "held at home"
    job.share_outputs([submitter])
    assert readable(people, job, submitter) == {"mean.txt"}
    assert readable(people, job, EVE) == set()
    job.share_logs([EVE])
    assert readable(people, job, EVE) == set(LOG_NAMES)
    assert readable(people, job, submitter) == {"mean.txt"}
    datasite = people.root / people.owner_email
    for person in (submitter, EVE):
        assert not any(may_write(datasite, path, person) for path in result_paths(job))
    theirs = people.submitters_job("Tides")
    assert [path.name for path in theirs.output_paths] == ["harbour"]
    assert str(theirs.stdout) == "No stdout file found"
    assert theirs.returncode is None


@pytest.mark.conformance(32)
def test_sharing_twice_changes_nothing_and_several_people_are_let_in_at_once(people):
    job = finished(people)
    for _ in range(2):
        job.share_outputs([people.submitter_email, EVE])
        job.share_logs([people.submitter_email, EVE])
    for person in (people.submitter_email, EVE):
        assert readable(people, job, person) == {"mean.txt", *LOG_NAMES}
    theirs = people.submitters_job("Tides")
    assert (str(theirs.stdout), str(theirs.stderr), theirs.returncode) == ("tides measured\n", "gauge 7 is silent\n", 0)
    assert job.verify().ok
    assert theirs.verify().ok


@pytest.mark.conformance(35, 36, 37, 41)
def test_outputs_and_logs_before_and_after(people):
    people.submit("mkdir outputs/deep; echo 1 > outputs/deep/er; echo 2 > outputs/top.csv\n", "Tides")
    job = people.owner_job("Tides")
    for _ in ("inbox", "approved"):
        assert job.output_paths == []
        assert str(job.stdout) == "No stdout available - job not completed yet"
        assert str(job.stderr) == "No stderr available - job not completed yet"
        if job.status == "inbox":
            job.approve()
    runner(people).process_approved_jobs()
    assert [path.name for path in job.output_paths] == ["deep", "top.csv"]
    assert all(isinstance(path, Path) and path.exists() for path in job.output_paths)
    job.share_outputs([people.submitter_email])
    assert [path.name for path in job.output_paths] == ["deep", "top.csv"]
    silent = finished(people, "rmdir outputs\n", "Silent")
    assert silent.status == "done"
    assert silent.output_paths == []


@pytest.mark.conformance(38)
def test_files_are_what_lies_in_the_folder(people):
    job = finished(people)
    names = {path.name for path in job.files}
    assert {"config.yaml", "run.sh", "approved", "done"} <= names
    job.clean()
    assert job.files == []


@pytest.mark.conformance(39, 40, 42, 43, 44)
def test_the_viewers_of_a_finished_job(people, tmp_path):
    job = finished(people, r"printf '\033[31mred\033[0m\n'; seq 5 >&2" + "\n")
    assert str(job.stdout) == "red\n"
    assert repr(job.stdout) == "red\n"
    assert str(job.stderr) == "1\n2\n3\n4\n5\n"
    assert repr(job.stderr) == "StderrViewer(5 lines, 10 chars)"
    people.submit(name="By Hand")
    deposited = people.owner_job("By Hand")
    (tmp_path / "answer.csv").write_text("1\n")
    deposited.accept_by_depositing_result(tmp_path / "answer.csv")
    assert str(deposited.stdout) == "No stdout file found"
    assert str(deposited.stderr) == "No stderr file found"


@pytest.mark.conformance(95)
def test_a_rejected_job_does_not_run_until_its_owner_thinks_again(people):
    people.submit(BOTH, "Tides")
    job = people.owner_job("Tides")
    job.reject("which gauges?")
    assert runner(people).process_approved_jobs() == []
    assert job.status == "rejected"
    assert any("which gauges?" in str(said) for said in people.submitters_job("Tides").history)
    job.approve()
    assert (job.status, job.attempt) == ("approved", 2)
    assert [record.state for record in runner(people).process_approved_jobs()] == [JobState.SUCCEEDED]
    assert people.submitters_job("Tides").status == "done"


@pytest.mark.conformance(95)
def test_a_no_to_what_was_approved_stops_it(people):
    people.submit(BOTH, "Tides")
    job = people.owner_job("Tides")
    job.approve()
    job.reject("a second thought")
    assert runner(people).process_approved_jobs() == []
    assert job.status == "rejected"


@pytest.mark.conformance(241)
def test_before_sharing_the_submitter_reads_no_result_and_writes_no_marker(people):
    job = finished(people)
    datasite, submitter = people.root / people.owner_email, people.submitter_email
    assert readable(people, job, submitter) == set()
    owners = ("approved", "rejected", "cancelled", "running", "done", "shared", "attempts/1.json", "syft.pub.yaml")
    for path in [*result_paths(job), *(job.location / name for name in owners)]:
        assert not may_write(datasite, path, submitter), path.name
    assert may_write(datasite, job.location / "config.yaml", submitter), "their own part stays theirs"
    theirs = people.submitters_job("Tides")
    assert theirs.output_paths == []
    assert (str(theirs.stdout), theirs.returncode) == ("No stdout file found", None)


@pytest.mark.conformance(242)
@pytest.mark.parametrize("survivor", ["nothing", "rules", "rules, shared and results"])
def test_grants_end_with_a_rerun_whatever_survives(people, survivor):
    job = finished(people)
    job.share_outputs([people.submitter_email])
    job.share_logs([people.submitter_email])
    kept = {name: (job.location / name).read_bytes() for name in ("syft.pub.yaml", "shared", "stdout.txt")}
    job.rerun()
    if survivor != "nothing":  # a sync tool brings them back
        for name in kept if "shared" in survivor else ["syft.pub.yaml"]:
            (job.location / name).write_bytes(kept[name])
    runner(people).process_approved_jobs()
    assert (job.status, job.attempt) == ("done", 2)
    assert readable(people, job, people.submitter_email) == set()
    theirs = people.submitters_job("Tides")
    assert theirs.output_paths == []
    assert theirs.returncode is None
    assert {path.name for path in job.files}.isdisjoint({"outputs", "shared", *LOG_NAMES})
    job.share_outputs([people.submitter_email])
    assert readable(people, job, people.submitter_email) == {"mean.txt"}


@pytest.mark.conformance(84)
def test_sharing_with_the_submitter_is_a_choice_of_the_call(people):
    for name in ("Kept", "Given"):
        people.submit(BOTH, name)
        people.owner_job(name).approve()
    runner(people).process_approved_jobs(skip_job_names=["Given"])
    runner(people).process_approved_jobs(share_outputs_with_submitter=True, share_logs_with_submitter=True)
    kept, given = people.submitters_job("Kept"), people.submitters_job("Given")
    assert (kept.output_paths, kept.returncode) == ([], None)
    assert [path.name for path in given.output_paths] == ["harbour"]
    assert given.returncode == 0
    assert readable(people, people.owner_job("Kept"), people.submitter_email) == set()
