"""Two people and a folder: what the documents promise, as far as nobody runs anything."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

import syft_job
from syft_job import get_client
from syft_job.errors import InvalidTransition, JobTimeoutError
from syft_job.exchange import transitions
from syft_job.exchange.permissions import may_read, may_write
from syft_job.job import JobInfo
from syft_job.jobs import JobsList
from syft_job.model.states import JobState
from syft_job.testing import TwoPeople

NAME = "Data Analysis"
AT = "2026-03-02T10:30:00+00:00"


@pytest.fixture
def people(tmp_path: Path) -> Iterator[TwoPeople]:
    with TwoPeople(tmp_path) as both:
        yield both


@pytest.fixture
def aloud(tmp_path: Path) -> Iterator[TwoPeople]:
    with TwoPeople(tmp_path, announce=print) as both:
        both.submit(name=NAME)
        yield both


@pytest.fixture
def result(tmp_path: Path) -> Path:
    path = tmp_path / "result.csv"
    path.write_text("a,b\n1,2\n")
    return path


def ran(people: TwoPeople, name: str = NAME, stdout: str | None = "printed\n", outputs: bool = True) -> JobInfo:
    """The job as it stands after a run, by the acts that a runner would use."""
    if name not in {job.name for job in people.owner.jobs}:
        people.submit(name=name)
    job, place = people.owner_job(name), people.place(name)
    if job.status == "inbox":
        job.approve()
    attempt = transitions.start(people.owner.participant, place, job.id, job.digest, offered=transitions.BUBBLEWRAP)
    held = people.owner.home.attempt_paths(job.id, attempt).results
    held.mkdir(parents=True)
    if outputs:
        (held / "outputs" / "sub").mkdir(parents=True)
        (held / "outputs" / "r.csv").write_text("1\n")
        (held / "outputs" / "sub" / "s.csv").write_text("2\n")
    if stdout is not None:
        (held / "logs").mkdir()
        for log, content in (("stdout", stdout), ("stderr", "warned\n"), ("returncode", "0\n")):
            (held / "logs" / f"{log}.txt").write_text(content)
    transitions.finish(people.owner.participant, place, job.id, attempt, "succeeded", digest=job.digest)
    return job


@pytest.mark.conformance(1)
def test_the_imports_of_the_documents():
    from syft_job import get_client as found
    from syft_job.job import JobInfo as InfoThere
    from syft_job.job import JobsList as ListThere  # type: ignore[attr-defined, unused-ignore]

    assert found is get_client
    assert (InfoThere, ListThere) == (JobInfo, JobsList)
    assert syft_job.JobInfo is JobInfo
    assert syft_job.JobsList is JobsList


@pytest.mark.conformance(2, 3)
def test_a_job_is_made_of_eight_arguments():
    given: dict[str, Any] = {
        "name": NAME,
        "datasite_owner_email": "omar@example.org",
        "status": "inbox",
        "submitted_by": "ada@example.org",
        "location": Path("/path/to/job"),
        "client": None,
        "current_user_email": "omar@example.org",
        "submitted_at": AT,
    }
    job = JobInfo(**given)
    for name in set(given) - {"client"}:
        assert getattr(job, name) == given[name]
    assert JobInfo(**{name: value for name, value in given.items() if name != "submitted_at"}).submitted_at is None
    for missing in set(given) - {"submitted_at"}:
        with pytest.raises(TypeError):
            JobInfo(**{name: value for name, value in given.items() if name != missing})


@pytest.mark.conformance(2, 38)
def test_a_job_whose_folder_is_gone_can_still_be_made(people: TwoPeople):
    job = JobInfo(
        NAME, people.owner_email, "done", people.submitter_email, people.location(NAME), people.owner, "x@y.org"
    )
    assert (job.name, job.files) == (NAME, [])


@pytest.mark.conformance(4)
def test_a_complete_folder_is_in_the_inbox_and_an_incomplete_one_arriving(people: TwoPeople):
    location = people.submit(name=NAME)
    assert people.owner_job(NAME).status == "inbox"
    (location / "run.sh").unlink()
    assert people.owner_job(NAME).status == "arriving"


@pytest.mark.conformance(7, 8, 9)
def test_a_yes(aloud: TwoPeople, capsys: pytest.CaptureFixture[str]):
    job = aloud.owner_job(NAME)
    job.approve()
    assert capsys.readouterr().out == "✅ Job 'Data Analysis' approved successfully!\n"
    assert (job.location / "approved").is_file()
    assert job.status == aloud.owner_job(NAME).status == aloud.submitters_job(NAME).status == "approved"


@pytest.mark.conformance(10, 17, 26)
def test_what_a_state_does_not_allow_names_job_and_state(people: TwoPeople, result: Path):
    people.submit(name=NAME)
    job = people.owner_job(NAME)
    with pytest.raises(ValueError, match=r"Data Analysis.*inbox"):
        job.rerun()
    job.approve()
    with pytest.raises(ValueError, match=r"Data Analysis.*approved"):
        job.approve()
    with pytest.raises(ValueError, match=r"Data Analysis.*approved"):
        job.rerun()
    job.accept_by_depositing_result(result)
    before = sorted(path.name for path in job.files)
    for verb in (job.approve, lambda: job.accept_by_depositing_result(result), job.rerun):
        with pytest.raises(ValueError, match=r"Data Analysis.*done"):
            verb()
    assert sorted(path.name for path in job.files) == before


@pytest.mark.conformance(12)
def test_the_state_is_checked_before_the_person(people: TwoPeople, result: Path):
    people.submit(name=NAME)
    people.owner_job(NAME).accept_by_depositing_result(result)
    with pytest.raises(ValueError):
        people.submitters_job(NAME).approve()


@pytest.mark.conformance(13, 15, 16, 19)
def test_a_deposited_file(aloud: TwoPeople, result: Path, capsys: pytest.CaptureFixture[str]):
    job = aloud.owner_job(NAME)
    where = job.accept_by_depositing_result(path=str(result))
    assert where == job.location / "outputs" / "result.csv"
    assert where.read_bytes() == result.read_bytes()
    assert capsys.readouterr().out == f"✅ Job '{NAME}' completed successfully! Result deposited at: {where}\n"
    assert (job.location / "done").is_file()
    assert (job.location / "approved").is_file()
    assert job.status == aloud.submitters_job(NAME).status == "done"


@pytest.mark.conformance(14, 16)
def test_a_deposited_folder(people: TwoPeople, tmp_path: Path):
    source = tmp_path / "results_folder"
    (source / "deep").mkdir(parents=True)
    (source / "deep" / "r.csv").write_text("1\n")
    people.submit(name=NAME)
    job = people.owner_job(NAME)
    job.approve()
    where = job.accept_by_depositing_result(source)
    assert where == job.location / "outputs" / "results_folder"
    assert (where / "deep" / "r.csv").read_text() == "1\n"
    assert (source / "deep" / "r.csv").exists()
    assert job.output_paths == [where]


@pytest.mark.conformance(18)
def test_nothing_to_deposit(people: TwoPeople, tmp_path: Path):
    people.submit(name=NAME)
    job = people.owner_job(NAME)
    with pytest.raises(FileNotFoundError):
        job.accept_by_depositing_result(tmp_path / "nothing")
    assert sorted(path.name for path in job.files) == ["config.yaml", "run.sh"]


@pytest.mark.conformance(21)
def test_a_deposit_replaces_what_lay_there(people: TwoPeople, result: Path):
    location = people.submit(name=NAME)
    (location / "outputs" / "result.csv").mkdir(parents=True)
    (location / "outputs" / "other").write_text("x")
    where = people.owner_job(NAME).accept_by_depositing_result(result)
    assert where.read_bytes() == result.read_bytes()


@pytest.mark.conformance(22, 23, 25, 27)
def test_a_rerun_sets_everything_aside(aloud: TwoPeople, capsys: pytest.CaptureFixture[str]):
    job = ran(aloud)
    job.share_logs([aloud.submitter_email])
    capsys.readouterr()
    job.rerun()
    assert capsys.readouterr().out == (
        f"🔄 Job '{NAME}' prepared for rerun! Removed: logs directory, outputs directory, done marker file\n"
    )
    assert job.status == "approved"
    assert not (job.location / "done").exists()
    assert (job.location / "approved").exists()
    assert not {"stdout.txt", "stderr.txt", "returncode.txt", "outputs"} & {path.name for path in job.files}
    for seen in (job, aloud.submitters_job(NAME)):
        assert "printed" not in str(seen.stdout)
        assert seen.returncode is None
    assert (aloud.owner.home.attempt_paths(job.id, 1).results / "logs" / "stdout.txt").exists()


@pytest.mark.conformance(24)
def test_a_rerun_names_only_what_was_there(aloud: TwoPeople, capsys: pytest.CaptureFixture[str]):
    job = ran(aloud, stdout=None, outputs=False)
    capsys.readouterr()
    job.rerun()
    assert capsys.readouterr().out == f"🔄 Job '{NAME}' prepared for rerun! Removed: done marker file\n"
    job.cancel()
    capsys.readouterr()
    job.rerun()
    assert capsys.readouterr().out == f"🔄 Job '{NAME}' prepared for rerun! (No cleanup needed)\n"


@pytest.mark.conformance(26)
def test_what_was_withdrawn_or_cleaned_is_not_run_again(people: TwoPeople):
    people.submit(name=NAME)
    job = people.owner_job(NAME)
    job.approve()
    people.submitters_job(NAME).withdraw("never mind")
    assert job.status == "cancelled"
    with pytest.raises(ValueError, match="withdrawn"):
        job.rerun()
    with pytest.raises(ValueError):
        job.approve()
    job.clean()
    with pytest.raises(ValueError):
        job.rerun()


@pytest.mark.conformance(29, 31, 32, 33)
def test_sharing_with_several_people(people: TwoPeople):
    job = ran(people)
    datasite, others = people.root / people.owner_email, ["eve@example.org", people.submitter_email]
    job.share_logs(others)
    job.share_logs(others)
    for user in others:
        assert may_read(datasite, job.location / "stdout.txt", user)
        assert not may_read(datasite, job.location / "outputs" / "r.csv", user)
        assert not may_write(datasite, job.location / "stdout.txt", user)
    assert str(people.submitters_job(NAME).stdout) == "printed\n"
    assert people.submitters_job(NAME).returncode == 0
    assert people.submitters_job(NAME).output_paths == []
    with pytest.raises(ValueError):
        job.share_outputs([])


@pytest.mark.conformance(35, 36, 37)
def test_outputs(people: TwoPeople):
    people.submit(name=NAME)
    job = people.owner_job(NAME)
    assert job.output_paths == []
    ran(people)
    assert [path.name for path in job.output_paths] == ["r.csv", "sub"]
    assert all(path.exists() for path in job.output_paths)
    job.share_outputs([people.submitter_email])
    assert [path.name for path in people.submitters_job(NAME).output_paths] == ["r.csv", "sub"]
    assert ran(people, "none", outputs=False).output_paths == []


@pytest.mark.conformance(38)
def test_files_of_a_job(people: TwoPeople):
    people.submit_code({"main.py": "1\n"}, name=NAME)
    job = people.owner_job(NAME)
    assert [path.name for path in job.files] == ["code", "config.yaml", "run.sh"]
    job.reject("no")
    job.clean()
    assert job.files == []


@pytest.mark.conformance(39, 40, 41, 42, 43, 44)
def test_logs(people: TwoPeople):
    people.submit(name=NAME)
    job = people.owner_job(NAME)
    assert str(job.stdout) == "No stdout available - job not completed yet"
    assert str(job.stderr) == "No stderr available - job not completed yet"
    ran(people, stdout="\x1b[32mone\x1b[0m\ntwo\nthree\n")
    assert str(job.stdout) == "one\ntwo\nthree\n"
    assert repr(job.stdout) == "one\ntwo\nthree\n"
    assert str(job.stderr) == "warned\n"
    none = ran(people, "silent", stdout=None)
    assert str(none.stdout) == "No stdout file found"
    assert str(none.stderr) == "No stderr file found"
    assert repr(ran(people, "long", stdout="1\n2\n3\n4\n").stdout) == "StdoutViewer(4 lines, 8 chars)"


def given_job(name: str, status: str, owner: str = "omar@example.org", submitter: str = "ada@example.org") -> JobInfo:
    return JobInfo(name, owner, status, submitter, Path("/none") / name, None, owner, AT)  # type: ignore[arg-type]


@pytest.mark.conformance(48, 49, 50)
def test_a_job_as_text():
    for status, emoji in (("inbox", "📥"), ("approved", "✅"), ("done", "🎉"), ("quantum", "❓")):
        assert str(given_job("N", status)) == f"{emoji} N ({status}) -> omar@example.org"
    assert repr(given_job("N", "inbox")) == (
        "JobInfo(name='N', submitted_by='ada@example.org', current_user_email='omar@example.org', status='inbox')"
    )


@pytest.mark.conformance(52, 53, 54, 55, 56)
def test_a_list_of_jobs():
    jobs = JobsList(
        jobs=[given_job(n, s) for n, s in (("a", "inbox"), ("b", "done"), ("c", "done"))], root_email="x@y.org"
    )
    assert (len(jobs), [job.name for job in jobs], jobs[0].name, jobs[-1].name) == (3, ["a", "b", "c"], "a", "c")
    assert jobs["b"] is jobs[1]
    assert isinstance(jobs[1:], JobsList)
    assert [job.name for job in jobs[1:]] == ["b", "c"]
    with pytest.raises(ValueError, match="Nothing"):
        jobs["Nothing"]
    for wrong in (1.0, None, ("a",)):
        with pytest.raises(TypeError):
            jobs[wrong]  # type: ignore[call-overload]
    for index in (3, -4):
        with pytest.raises(IndexError):
            jobs[index]
    assert Counter(job.status for job in jobs) == {"done": 2, "inbox": 1}
    assert repr(jobs) == "JobsList(3 jobs)"
    assert str(JobsList(jobs=[], root_email="x@y.org")) == "📭 No jobs found.\n"


@pytest.mark.conformance(57, 59)
def test_the_overview():
    ours, theirs = "omar@example.org", "abe@example.org"
    jobs = JobsList(
        jobs=[given_job("one", "inbox", theirs), given_job("two", "done", ours), given_job("three", "inbox", ours)],
        root_email=ours,
    )
    lines = str(jobs).splitlines()
    assert lines[0] == "📊 Jobs Overview"
    assert lines.index("👤 omar@example.org") < lines.index("👤 abe@example.org")
    rows = [re.fullmatch(r"\[(\d+)\] (\S+) (.+) \((\w+)\) (\S+)", line) for line in lines]
    shown = [row.groups() for row in rows if row]
    assert len(shown) == 3
    for index, _, name, status, submitter in shown:
        job = jobs[int(index)]
        assert (job.name, job.status, job.submitted_by) == (name, status, submitter)
    assert "Total: 3 jobs" in lines
    assert "📥 inbox: 2" in str(jobs)
    assert "🎉 done: 1" in str(jobs)


@pytest.mark.conformance(62, 63)
def test_the_listing_is_newest_first(people: TwoPeople):
    for name in ("first", "second", "third"):
        people.submit(name=name)
    bad = people.submit(name="bad time")
    config = json.loads((bad / "config.yaml").read_bytes()) | {"submitted_at": "yesterday"}
    (bad / "config.yaml").write_text(json.dumps(config))
    assert isinstance(people.owner.jobs, JobsList)
    assert [job.name for job in people.owner.jobs] == ["third", "second", "first", "bad time"]


@pytest.mark.conformance(64)
def test_a_bash_job(people: TwoPeople):
    location = people.submitter.submit_bash_job(people.owner_email, "echo hi\n", NAME)
    assert location == people.root / people.owner_email / "app_data" / "job" / people.submitter_email / NAME
    assert (location / "run.sh").read_text() == "echo hi\n"
    assert (location / "run.sh").stat().st_mode & 0o111
    said = json.loads((location / "config.yaml").read_bytes())
    assert (said["name"], said["submitted_by"]) == (NAME, people.submitter_email)
    assert datetime.fromisoformat(said["submitted_at"]).utcoffset() is not None


@pytest.mark.conformance(65, 66)
def test_names_are_made_or_refused(people: TwoPeople):
    names = {people.submit(name=name).name for name in ("", "", "  ")}
    assert len(names) == 3
    assert all(re.fullmatch(r"Job - [0-9a-f]{8}", name) for name in names)
    location = people.submit("echo one\n", name=NAME)
    before = {path.name: path.read_bytes() for path in location.iterdir()}
    with pytest.raises(FileExistsError):
        people.submit("echo two\n", name=NAME)
    assert {path.name: path.read_bytes() for path in location.iterdir()} == before


@pytest.mark.conformance(67, 68, 69)
def test_python_jobs(people: TwoPeople, tmp_path: Path):
    submit, owner = people.submitter.submit_python_job, people.owner_email
    single = tmp_path / "it's a test.py"
    single.write_text("print(1)\n")
    location = submit(owner, single, "single")
    assert (location / "code" / "it's a test.py").read_text() == "print(1)\n"
    assert "it" in (location / "run.sh").read_text()
    code = tmp_path / "code"
    code.mkdir()
    (code / "only.py").write_text("1\n")
    assert json.loads((submit(owner, code, "only") / "config.yaml").read_bytes())["entrypoint"] == "only.py"
    (code / "two.py").write_text("2\n")
    with pytest.raises(ValueError):
        submit(owner, code, "unclear")
    assert (
        json.loads((submit(owner, code, "named", entrypoint="two.py") / "config.yaml").read_bytes())["entrypoint"]
        == "two.py"
    )
    (code / "main.py").write_text("0\n")
    (code / "__pycache__").mkdir()
    (code / "__pycache__" / "x.pyc").write_bytes(b"x")
    main = submit(owner, str(code), "main")
    assert json.loads((main / "config.yaml").read_bytes())["entrypoint"] == "main.py"
    assert not (main / "code" / "__pycache__").exists()
    (code / "notes.txt").write_text("x")
    for wrong in ("notes.txt", "absent.py", "../single.py"):
        with pytest.raises(ValueError):
            submit(owner, code, "refused", entrypoint=wrong)
    with pytest.raises(FileNotFoundError):
        submit(owner, tmp_path / "nothing", "refused")
    with pytest.raises(ValueError):
        submit(owner, code / "notes.txt", "refused")
    (code / "link.py").symlink_to("/etc/passwd")
    with pytest.raises(ValueError):
        submit(owner, code, "refused")
    assert {job.name for job in people.owner.jobs} == {"single", "only", "named", "main"}


@pytest.mark.conformance(89)
def test_a_job_object_is_live(people: TwoPeople):
    people.submit(name=NAME)
    job, theirs = people.owner_job(NAME), people.submitters_job(NAME)
    ran(people)
    assert job.status == theirs.status == "done"
    assert [path.name for path in job.output_paths] == ["r.csv", "sub"]


@pytest.mark.conformance(95)
def test_a_no_and_a_change_of_mind(people: TwoPeople):
    people.submit(name=NAME)
    job, theirs = people.owner_job(NAME), people.submitters_job(NAME)
    job.reject("this table is not for sale")
    assert job.status == theirs.status == "rejected"
    assert any("this table is not for sale" in str(said) for said in theirs.history)
    job.approve()
    assert (job.status, job.attempt, theirs.status, theirs.attempt) == ("approved", 2, "approved", 2)


@pytest.mark.conformance(93)
def test_the_workflow_of_the_document(people: TwoPeople, result: Path):
    people.submit(name="New Analysis")
    job = people.owner.jobs["New Analysis"]
    assert job.status == "inbox"
    job.approve()
    assert job.status == "approved"
    ran(people, "New Analysis")
    assert job.status == "done"
    assert [path.name for path in job.output_paths] == ["r.csv", "sub"]
    assert str(job.stdout) == "printed\n"
    job.share_outputs([people.submitter_email])
    job.share_logs([people.submitter_email])
    job.rerun()
    assert job.status == "approved"
    people.submit(name="Later")
    later = people.owner.jobs["Later"]
    later.approve()
    assert later.accept_by_depositing_result(path=result).name == "result.csv"


@pytest.mark.conformance(94)
def test_a_scientists_folder_is_theirs_alone(people: TwoPeople):
    eve = "eve@example.org"
    mine = people.owner.setup_ds_job_folder_as_do(eve)
    datasite = people.root / people.owner_email
    assert may_write(datasite, mine / "job" / "config.yaml", eve)
    assert not may_write(datasite, people.location("N") / "config.yaml", eve)
    assert not may_read(datasite, people.location("N") / "config.yaml", eve)
    for path in (mine.parent / "syft.pub.yaml", mine / "job" / "syft.pub.yaml"):
        assert not may_write(datasite, path, eve)
    people.owner.setup_ds_job_folder_as_do(eve)


@pytest.mark.conformance(61)
def test_waiting_ends_or_says_that_it_did_not(people: TwoPeople):
    people.submit(name=NAME)
    theirs = people.submitters_job(NAME)
    with pytest.raises(JobTimeoutError, match="still inbox"):
        theirs.wait(0)
    people.owner_job(NAME).approve(share_outputs=True)
    ran(people)
    with pytest.raises(TimeoutError):
        theirs.wait(0)  # what was promised has not been released
    transitions.release_promised_results(people.owner.participant, people.place(NAME))
    assert theirs.wait(0) is JobState.SUCCEEDED


def test_silence_is_the_default_of_two_people(people: TwoPeople, capsys: pytest.CaptureFixture[str]):
    people.submit(name=NAME)
    people.owner_job(NAME).approve()
    assert capsys.readouterr().out == ""


def test_the_submitter_cancels_by_withdrawing(people: TwoPeople):
    people.submit(name=NAME)
    theirs = people.submitters_job(NAME)
    theirs.cancel("never mind")
    assert people.owner_job(NAME).status == theirs.status == "cancelled"
    theirs.cancel()
    with pytest.raises(InvalidTransition):
        theirs.withdraw()
    with pytest.raises(InvalidTransition):
        people.owner_job(NAME).approve()


def test_share_with_one_address_as_text(people: TwoPeople):
    job = ran(people)
    job.share_outputs(people.submitter_email)
    assert [path.name for path in people.submitters_job(NAME).output_paths] == ["r.csv", "sub"]


def test_another_owners_client_sees_the_job_and_may_do_nothing(people: TwoPeople):
    people.submit(name=NAME)
    eve = get_client(people.root, "eve@example.org")
    assert eve.jobs[NAME].status == "inbox"
    with pytest.raises(PermissionError):
        eve.jobs[NAME].approve()
