"""A hostile job, and a hostile folder, against the runner that collects (threats 9, 11, 12, 14 to 17, 20, 23)."""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from syft_job import fs
from syft_job.execution import sandboxes
from syft_job.format.manifest import SubmissionLimits
from syft_job.job import JobInfo
from syft_job.model.events import Event
from syft_job.model.states import JobState
from syft_job.runner import JobRunner
from syft_job.testing import TwoPeople
from tests.serving import until

NAME = "Tides"
SANDBOXES = [
    "bare",
    pytest.param(
        "bubblewrap",
        marks=[
            pytest.mark.engine,
            pytest.mark.skipif(sandboxes.unavailable_reason() is not None, reason="no bubblewrap on this host"),
        ],
    ),
]


@pytest.fixture
def people(tmp_path: Path) -> Iterator[TwoPeople]:
    with TwoPeople(tmp_path, sandbox="bare") as both:
        yield both
        calm(both)


@pytest.fixture(params=SANDBOXES)
def either(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[TwoPeople]:
    with TwoPeople(tmp_path, sandbox=request.param) as both:
        yield both
        calm(both)


def calm(people: TwoPeople) -> None:
    """Wait for the supervisors that a failed test left, so that they do not write where the tree is removed."""
    home = people.owner.home
    for claim in (home.paths.claims).iterdir():
        until(partial(is_over, claim))


def is_over(claim: Path) -> bool:
    words = claim.read_text().split()
    return not words or not words[0].isdigit() or b"supervise" not in command_of(words[0])


def command_of(pid: str) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def runner(people: TwoPeople, said: list[str] | None = None) -> JobRunner:
    return JobRunner(people.owner.config, announce=None if said is None else said.append)


def approved(people: TwoPeople, script: str, name: str = NAME, **options: object) -> JobInfo:
    people.submit(script, name, **options)
    job = people.owner_job(name)
    job.approve(share_outputs=True, share_logs=True)
    return job


def is_gone(pid_file: Path) -> bool:
    try:
        state = Path(f"/proc/{int(pid_file.read_text())}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return True
    return state in "ZX"


# What a job leaves as its outputs


OUTPUTS_OF_ANOTHER_KIND = {
    "a file": "rm -r outputs; echo x > outputs",
    "a FIFO": "rm -r outputs; mkfifo outputs",
    "a link to nowhere": "rm -r outputs; ln -s nowhere outputs",
    "a link to itself": "rm -r outputs; ln -s outputs outputs",
    "nothing": "rm -r outputs",
}


@pytest.mark.conformance(82)
@pytest.mark.parametrize("what", OUTPUTS_OF_ANOTHER_KIND)
def test_outputs_of_another_kind_end_that_job_and_no_other(either, what):
    job = approved(either, OUTPUTS_OF_ANOTHER_KIND[what] + "; echo done\n")
    other = approved(either, "echo 1 > outputs/one\n", "Other")
    runner(either).process_approved_jobs(stream_output=False)
    assert job.status == "done"
    assert job.output_paths == []
    assert str(job.stdout) == "done\n"
    assert other.status == "done"
    assert runner(either).process_approved_jobs() == [], "and it is not taken up again"


@pytest.mark.conformance(92)
def test_outputs_that_are_a_link_bring_nothing_of_the_owner_home(either, tmp_path):
    """The sandbox ends with the job; the link it left is followed by nobody afterwards (threats 10, 20)."""
    secret = tmp_path / "private" / "ledger.txt"
    secret.parent.mkdir()
    secret.write_text("what the owner told nobody\n")
    job = approved(either, f"rm -r outputs; ln -s {secret.parent} outputs\n")
    runner(either).process_approved_jobs(stream_output=False)
    assert job.status == "done"
    assert job.output_paths == []
    held = either.owner.home.paths.held_results
    for place in (held, either.root):
        found = subprocess.run(["grep", "-rl", "told nobody", str(place)], capture_output=True, text=True, check=False)
        assert found.stdout == ""


@pytest.mark.conformance(92)
def test_the_owner_s_key_cannot_be_carried_out_through_a_link(either):
    """The runner's own user can read the key; a job that says where it lies must not get it released."""
    home = either.owner.home
    home.key()
    job = approved(either, f"rm -r outputs; ln -s {home.path} outputs\n")
    runner(either).process_approved_jobs(stream_output=False)
    assert job.status == "done"
    assert either.submitters_job(NAME).output_paths == []
    assert not (job.location / "outputs" / "key").exists()


@pytest.mark.conformance(92)
def test_links_devices_rule_files_and_hostile_names_stay_and_are_told(either, tmp_path):
    secret = tmp_path / "secret.txt"
    secret.write_text("secret")
    job = approved(
        either,
        rf"""
        cd outputs; mkdir -p inner; echo good > inner/good.csv
        ln -s {secret} inner/link; ln -s / root; ln -s ../../.. up; mkfifo fifo
        echo rules > syft.pub.yaml; echo rules > inner/SYFT.PUB.YAML
        echo x > "$(printf 'bad\377')"; echo x > "$(printf 'new\nline')"; echo x > CON
        echo x > "$(printf 'a\342\200\256b')"
        """,
    )
    runner(either).process_approved_jobs(stream_output=False)
    assert job.status == "done"
    theirs = either.submitters_job(NAME)
    assert [path.name for path in theirs.output_paths] == ["inner"]
    everything = list((job.location / "outputs").rglob("*"))
    assert [path.name for path in everything if path.is_file() or path.is_symlink()] == ["good.csv"]
    left_out = (either.owner.home.attempt_paths(job.id, 1).results / "left_out.txt").read_text()
    for name in ("link", "root", "up", "fifo", "syft.pub.yaml", "SYFT.PUB.YAML", "bad", "new", "CON"):
        assert name in left_out
    assert theirs.verify().ok


def dig(levels: int) -> str:
    """Python that makes folders in each other."""
    return f"import os\nos.chdir('outputs')\nfor _ in range({levels}):\n    os.mkdir('d')\n    os.chdir('d')\n"


def test_a_deep_tree_costs_its_own_branch_and_nothing_else(either):
    job = approved(either, f'echo good > outputs/good.csv\n/usr/bin/python3 -c "{dig(80)}"\n')
    said: list[str] = []
    runner(either, said).process_approved_jobs(stream_output=False)
    assert job.status == "done"
    assert "good.csv" in [path.name for path in job.output_paths]
    assert any("deeper" in line for line in said)


def test_a_very_deep_tree_does_not_end_the_runner(people):
    """Python's own recursion limit is 1000 (threats 15, 17)."""
    job = approved(people, f'/usr/bin/python3 -c "{dig(1100)}"\n')
    other = approved(people, "echo 1 > outputs/one\n", "Other")
    try:
        runner(people).process_approved_jobs(stream_output=False)
        assert job.status == "done"
        assert other.status == "done"
        assert not people.owner.home.attempt_paths(job.id, 1).workspace.exists()
    finally:
        subprocess.run(["rm", "-rf", str(people.owner.home.workspaces)], check=True)


def test_more_than_the_limit_is_told_and_no_half_file_is_kept(tmp_path):
    with TwoPeople(tmp_path, sandbox="bare", limits=SubmissionLimits(total_bytes=100_000)) as people:
        job = approved(people, "head -c 70000 /dev/zero > outputs/a.bin; head -c 70000 /dev/zero > outputs/b.bin\n")
        said: list[str] = []
        runner(people, said).process_approved_jobs(stream_output=False)
        assert job.status == "done"
        assert any("b.bin" in line for line in said), said
        sizes = {path.name: path.stat().st_size for path in job.output_paths}
        assert sizes == {"a.bin": 70_000}, "a truncated result looks like a whole one"


# What a job prints and how it ends


@pytest.mark.conformance(82)
def test_output_that_is_no_utf_8_is_shown_and_streamed(either):
    job = approved(either, r"printf 'caf\351 \377\376\n'; printf '\200' >&2" + "\n")
    said: list[str] = []
    runner(either, said).process_approved_jobs(stream_output=True)
    assert job.state is JobState.SUCCEEDED
    assert str(job.stdout).startswith("caf")
    for line in said:
        line.encode()


def test_what_is_streamed_to_the_owner_s_terminal_controls_it_not(people):
    """Threat 23: colours may be shown, other escapes are made visible; `print` is the default announcer."""
    approved(people, r"printf '\033]0;your password:\007\033[2J\033[1;1H\033[31mred\033[0m\rhidden\n'" + "\n")
    said: list[str] = []
    runner(people, said).process_approved_jobs(stream_output=True)
    streamed = "".join(said)
    assert "red" in streamed
    for control in ("\x1b]", "\x07", "\x1b[2J", "\x1b[1;1H", "\r"):
        assert control not in streamed, repr(control)


def test_a_job_that_prints_for_ever_fills_no_disk(tmp_path):
    with TwoPeople(tmp_path, sandbox="bare", log_bytes=4096) as people:
        job = approved(people, "yes | head -c 3000000; yes no | head -c 3000000 >&2; exit 4\n")
        runner(people).process_approved_jobs(stream_output=False)
        assert (job.state, job.returncode) == (JobState.FAILED, 4)
        for log in (job.stdout, job.stderr):
            assert "cut here" in str(log)
            assert len(str(log)) < 6000


@pytest.mark.conformance(81)
@pytest.mark.parametrize(
    "script",
    [
        "sleep 1000",
        "printf 'no line end'; sleep 1000",
        "sleep 1000 & sleep 1000 & echo $! > {pid}; wait",
        "(setsid sleep 1000 & echo $! > {pid}); sleep 1000",
        "trap '' TERM INT HUP; echo $BASHPID > {pid}; while :; do sleep 0.2; done",
        "(trap '' TERM; echo $BASHPID > {pid}; while :; do sleep 0.2; done) & wait",
    ],
    ids=["plain", "partial line", "grandchildren", "own session", "ignored TERM", "child ignores TERM"],
)
def test_an_endless_job_ends_with_all_that_it_started(people, tmp_path, script):
    pid = tmp_path / "pid"
    job = approved(people, script.format(pid=pid) + "\n")
    runner(people).process_approved_jobs(timeout=0.7, stream_output=False)
    assert job.state is JobState.TIMED_OUT
    assert job.status == "done"
    assert any("timed out" in str(said) for said in job.history)
    if "setsid" in script and not is_gone(pid):  # bare cannot contain a session of its own, and says so
        os.kill(int(pid.read_text()), 9)
    elif pid.exists():
        until(lambda: is_gone(pid))


@pytest.mark.engine
@pytest.mark.conformance(81)
@pytest.mark.skipif(sandboxes.unavailable_reason() is not None, reason="no bubblewrap on this host")
def test_in_a_sandbox_nothing_outlives_the_job(tmp_path):
    word = f"4{os.getpid()}.5"
    with TwoPeople(tmp_path, sandbox="bubblewrap") as people:
        job = approved(
            people, f"(setsid setsid sleep {word} &); trap '' TERM; (trap '' TERM; sleep {word}) & sleep {word}; wait\n"
        )
        runner(people).process_approved_jobs(timeout=0.7, stream_output=False)
        assert job.state is JobState.TIMED_OUT
        assert word not in all_commands()


def all_commands() -> str:
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found.append(path.read_bytes().replace(b"\0", b" ").decode("utf-8", "replace"))
        except OSError:
            continue
    return "\n".join(found)


@pytest.mark.conformance(83)
def test_the_job_sees_an_allow_list_and_nothing_of_the_shell(tmp_path, monkeypatch, request):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hush")
    monkeypatch.setenv("GITHUB_TOKEN", "hush")
    monkeypatch.setenv("LD_PRELOAD_X", "hush")
    monkeypatch.setenv("BASH_ENV", str(tmp_path / "evil.sh"))
    monkeypatch.setenv("ALLOWED_ONE", "seen")
    (tmp_path / "evil.sh").write_text("echo evil\n")
    known = (
        "PATH LANG TZ HOME TMPDIR PWD SHLVL _ OLDPWD SYFTBOX_FOLDER SYFTBOX_EMAIL SYFT_IS_IN_JOB SYFT_JOB_PYTHON"
        " PYTHONUNBUFFERED PYTHONDONTWRITEBYTECODE ALLOWED_ONE"
    ).split()
    with TwoPeople(tmp_path / "two", sandbox="auto", pass_environment=("ALLOWED_ONE", "NOT_SET")) as people:
        job = approved(people, "env -0 | tr '\\0' '\\n'\n")
        runner(people).process_approved_jobs(stream_output=False)
        seen = dict(line.partition("=")[::2] for line in str(job.stdout).splitlines())
        assert {name for name in seen if not name.startswith("LC_")} <= set(known)
        assert "hush" not in str(job.stdout)
        assert "evil" not in str(job.stdout)
        assert seen["ALLOWED_ONE"] == "seen"
        assert seen["HOME"] != os.environ["HOME"]


# What a submitter does to the folder meanwhile


def swap_for_link(location: Path) -> None:
    location.rename(location.with_name("Moved"))
    location.symlink_to(location.with_name("Moved"))


def swap_for_file(location: Path) -> None:
    location.rename(location.with_name("Moved"))
    location.write_text("no folder\n")


def swap_for_fifo(location: Path) -> None:
    location.rename(location.with_name("Moved"))
    os.mkfifo(location)


def take_away(location: Path) -> None:
    location.rename(location.parent.parent / "Moved")


def swap_parent_for_link(location: Path) -> None:
    location.parent.rename(location.parent.with_name("moved@example.org"))
    location.parent.symlink_to(location.parent.with_name("moved@example.org"))


def undo(location: Path) -> None:
    for place, moved in (
        (location.parent, location.parent.with_name("moved@example.org")),
        (location, location.with_name("Moved")),
        (location, location.parent.parent / "Moved"),
    ):
        if moved.exists():
            place.unlink(missing_ok=True)
            moved.rename(place)


@pytest.mark.parametrize(
    "swap",
    [swap_for_link, swap_for_file, swap_for_fifo, take_away, swap_parent_for_link],
    ids=lambda swap: swap.__name__,
)
@pytest.mark.parametrize("when", ["before it began", "while it runs"])
def test_a_folder_that_is_swapped_while_its_job_runs_stops_nobody_else(people, tmp_path, swap, when):
    """One job is told; all others go on, and on its return its state is right (threats 14, 15, 17)."""
    gate = tmp_path / "gate"
    job = approved(people, f"until [ -e {gate} ]; do sleep 0.05; done; echo kept\n")
    serving = runner(people)
    serving.step()
    if when == "while it runs":
        until(lambda: serving.step() or job.status == "running")
    number = job.id, job.attempt
    swap(job.location)
    gate.touch()
    until(lambda: serving.step() is None or number not in people.owner.home.ledger.unfinished())
    undo(job.location)
    other = approved(people, "true\n", "Other")
    serving.process_approved_jobs(stream_output=False)
    serving.step()
    assert other.status == "done"
    again = people.owner_job(NAME)
    assert again.state is JobState.SUCCEEDED
    assert (again.location / "done").exists()
    until(lambda: serving.step() is None or people.submitters_job(NAME).returncode == 0)


def test_a_folder_that_vanishes_while_it_is_processed_stops_no_other_job(people, tmp_path):
    gate = tmp_path / "gate"
    job = approved(people, f"until [ -e {gate} ]; do sleep 0.05; done\n", "A first")
    other = approved(people, "true\n", "B second")
    kept = tmp_path / "kept"

    def take_it_away() -> None:
        until((job.location / "running").exists)
        job.location.rename(kept)
        gate.touch()

    thief = threading.Thread(target=take_it_away)
    thief.start()
    try:
        records = runner(people).process_approved_jobs(stream_output=False)
    finally:
        gate.touch()
        thief.join()
    assert "B second" in [record.name for record in records]
    assert other.status == "done"
    kept.rename(job.location)
    again = runner(people)
    until(lambda: again.step() is None or people.owner_job("A first").status == "done")


class Counting(JobRunner):
    """A runner that counts its steps; nothing else about it is different."""

    steps = 0

    def _step(self, hints, **how):
        self.steps += 1
        return super()._step(hints, **how)


def test_a_release_that_cannot_be_carried_out_does_not_spin(people, tmp_path):
    """The runner must not wake itself: one failed release per event or sweep, not thousands."""
    gate = tmp_path / "gate"
    job = approved(people, f"until [ -e {gate} ]; do sleep 0.05; done\n")
    serving, stop = Counting(people.owner.config, poll_interval=60, announce=None), threading.Event()
    loop = threading.Thread(target=serving.run, args=(stop,))
    loop.start()
    try:
        until((job.location / "running").exists)
        job.location.rename(tmp_path / "kept")
        gate.touch()
        until(lambda: people.owner.home.ledger.pending_releases() == [(job_id(people), 1)])
        before = serving.steps
        stop.wait(2)
        assert serving.steps - before < 100
    finally:
        gate.touch()
        stop.set()
        loop.join()


def job_id(people: TwoPeople) -> str:
    return next(iter(people.owner.home.ledger.jobs()))


def test_a_verdict_that_cannot_be_read_costs_one_job(people):
    """Bare, a job can write beside itself: its own record may break, the runner may not (threats 12, 15)."""
    job = approved(people, "echo '{{{' > ../verdict; sleep 1000 & exit 0\n")
    other = approved(people, "true\n", "Other")
    serving = runner(people)
    try:
        serving.step()
        until((people.owner.home.attempt_paths(job.id, 1).workspace / "verdict").exists)
        until(lambda: serving.step() is None or other.status == "done")
        assert other.status == "done"
    finally:
        job.cancel()


# LOST, and only then


def test_a_claim_that_is_being_written_is_no_lost_attempt(people, tmp_path):
    """A supervisor creates its claim and then fills it: between the two it is empty, and alive (threat 14)."""
    gate = tmp_path / "gate"
    job = approved(people, f"until [ -e {gate} ]; do sleep 0.05; done\n")
    serving = runner(people)
    until(lambda: serving.step() is None or job.status == "running")
    claim = people.owner.home.attempt_paths(job.id, 1).claim
    content = claim.read_bytes()
    claim.write_bytes(b"")
    try:
        serving.step()
        assert job.status == "running"
    finally:
        claim.write_bytes(content)
        gate.touch()
    until(lambda: serving.step() is None or job.status == "done")
    assert job.state is JobState.SUCCEEDED


def test_an_attempt_of_another_host_is_not_judged_here(people):
    """A runner never judges another host's handle: no verdict yet is no evidence (lifecycle, The runner)."""
    job = approved(people, "true\n")
    home = people.owner.home
    with home.locked():
        home.ledger.say(job.id, 1, Event.STARTED, place=list(people.place(NAME)), host="elsewhere", sandbox="bare")
    with fs.open_directory(home.paths.claims) as begun:
        fs.create_file(begun, f"{job.id}.1", b"4242 77 00000000-0000-4000-8000-000000000000\n", mode=0o600)
    serving = runner(people)
    serving.step()
    serving.step()
    assert job.state is JobState.RUNNING


def test_a_deposit_that_failed_does_not_swallow_the_results_of_the_run(people, tmp_path):
    """What the refused deposit had copied home must not stand for what the job computed (conformance 18, 77)."""
    job = approved(people, "echo computed > outputs/table.csv; echo printed\n")
    folder = tmp_path / "by-hand"
    folder.mkdir()
    (folder / "a.csv").write_text("by hand\n")
    (folder / "b.csv").symlink_to("/etc/passwd")
    with pytest.raises(ValueError, match=r"b\.csv"):
        job.accept_by_depositing_result(folder)
    runner(people).process_approved_jobs(stream_output=False)
    assert [path.name for path in job.output_paths] == ["table.csv"]
    assert str(job.stdout) == "printed\n"
    assert job.returncode == 0
