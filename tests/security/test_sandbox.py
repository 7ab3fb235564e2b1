"""Threat 32: what a sandbox binds of the owner's machine, what it hides, and what stands in command lines."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from syft_job import doctor
from syft_job.errors import ConfigError
from syft_job.execution import sandboxes
from syft_job.execution.backends.base import CliCommand, JobDryRun, JobHandle, JobStatus
from syft_job.execution.backends.shell import ShellJob
from syft_job.execution.command import Command
from syft_job.execution.plan import plan_for
from syft_job.execution.sandboxes import SYSTEM_PYTHON, Workspace, host_mounts, namespaces
from syft_job.job import JobInfo
from syft_job.model.states import JobState
from syft_job.runner import JobRunner
from syft_job.testing import TwoPeople
from tests.serving import until

pytestmark = [
    pytest.mark.engine,
    pytest.mark.skipif(sandboxes.unavailable_reason() is not None, reason="no bubblewrap on this host"),
]
SECRET = "the-owners-secret-4711"
# A job that lists what it can see below each of its arguments; what it may not list it names too.
LOOK = """
import os, sys
def failed(error): print("closed", error.filename)
for top in TOPS:
    for folder, folders, files in os.walk(top, onerror=failed):
        for name in folders + files:
            print("seen", os.path.join(folder, name))
print("ran", sys.executable, sys.prefix)
"""


@pytest.fixture(scope="session")
def portable_python() -> Iterator[Path]:
    """The prefix of a whole Python that can be copied anywhere: `bin/python3` and its library, outside the system."""
    prefix = Path(tempfile.mkdtemp(prefix="syft-job-python-", dir="/var/tmp"))
    prefix.chmod(0o755)
    query = "import sys, sysconfig; print(sysconfig.get_path('stdlib')); print(sys.version_info[1])"
    asked = subprocess.run([SYSTEM_PYTHON, "-I", "-c", query], capture_output=True, text=True, check=True)
    library, minor = asked.stdout.split()
    (prefix / "bin").mkdir()
    shutil.copy(SYSTEM_PYTHON, prefix / "bin" / "python3")
    left_out = shutil.ignore_patterns("test", "tests", "idlelib", "site-packages", "dist-packages", "config-*", "*.pyc")
    shutil.copytree(library, prefix / "lib" / f"python3.{minor}", ignore=left_out)
    yield prefix
    shutil.rmtree(prefix)


@pytest.fixture
def user_home(work_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The home directory of an owner that the jobs' user can pass, with secrets in it."""
    home = work_dir / "user"
    for folder in (".ssh", ".local/share", "project"):
        (home / folder).mkdir(parents=True)
        (home / folder / "secret").write_text(SECRET)
    monkeypatch.setenv("HOME", str(home))
    return home


def copied(portable: Path, prefix: Path) -> Path:
    """Copy the Python to ``prefix``; the returned program is there."""
    shutil.copytree(portable, prefix, symlinks=True, dirs_exist_ok=True)
    return prefix / "bin" / "python3"


def python_job(people: TwoPeople, name: str = "Look", **code: str) -> JobInfo:
    people.submit_code({"main.py": code.get("main", "print('ran')\n")}, name)
    job = people.owner_job(name)
    job.approve()
    return job


def run_job(people: TwoPeople, job: JobInfo) -> str:
    runner(people).process_approved_jobs(stream_output=False)
    assert job.state is JobState.SUCCEEDED, str(job.stderr)
    return str(job.stdout)


def runner(people: TwoPeople) -> JobRunner:
    return JobRunner(people.owner.config, poll_interval=0.05, announce=None)


def looked(people: TwoPeople, *tops: Path) -> list[str]:
    return run_job(people, python_job(people, main=f"TOPS = {[str(top) for top in tops]!r}\n{LOOK}")).splitlines()


# An interpreter is shown without what is beside it


def linked_in_local_bin(home: Path, portable: Path) -> tuple[Path, set[str]]:
    program = home / ".local" / "bin" / "python"
    program.parent.mkdir()
    program.symlink_to(SYSTEM_PYTHON)
    return program, {".local", ".local/bin", ".local/bin/python"}


def pyenv(home: Path, portable: Path) -> tuple[Path, set[str]]:
    program = copied(portable, home / ".pyenv" / "versions" / "3.99.1")
    program.with_name("python").symlink_to("python3")
    return program.with_name("python"), {".pyenv"}


def uv_beside_the_homes(home: Path, portable: Path) -> tuple[Path, set[str]]:
    copied(portable, home / ".local" / "share" / "uv" / "python" / "cpython-3.99")
    link = home / ".local" / "bin" / "python3.99"
    link.parent.mkdir()
    link.symlink_to("../share/uv/python/cpython-3.99/bin/python3")
    return link, {".local/share/uv", ".local/bin"}


def installed_in_local(home: Path, portable: Path) -> tuple[Path, set[str]]:
    return copied(portable, home / ".local"), {".local/bin", ".local/lib"}


def installed_in_the_home_directory(home: Path, portable: Path) -> tuple[Path, set[str]]:
    return copied(portable, home), {"bin", "lib"}


def environment_in_a_project(home: Path, portable: Path) -> tuple[Path, set[str]]:
    base = copied(portable, home / "pythons" / "one")
    subprocess.run([base, "-m", "venv", "--without-pip", home / "project"], check=True)
    return home / "project" / "bin" / "python", {"pythons", *PROJECT_PARTS}


PROJECT_PARTS = {f"project/{part}" for part in ("bin", "lib", "lib64", "include", "pyvenv.cfg")}


@pytest.mark.parametrize(
    "layout",
    [
        linked_in_local_bin,
        pyenv,
        uv_beside_the_homes,
        installed_in_local,
        installed_in_the_home_directory,
        environment_in_a_project,
    ],
)
def test_32_an_interpreter_is_shown_without_what_is_beside_it(
    user_home: Path, portable_python: Path, layout: Callable[[Path, Path], tuple[Path, set[str]]]
):
    program, shown = layout(user_home, portable_python)
    with TwoPeople(user_home / ".local" / "share", sandbox="bubblewrap", python=program) as people:
        people.submit("echo held > outputs/x\n", "Other")
        lines = looked(people, user_home)

    assert any(line.startswith(f"ran {program} ") for line in lines), "the configured program itself runs"
    seen = {str(Path(line.partition(" ")[2]).relative_to(user_home)) for line in lines if line.startswith("seen ")}
    parents = {str(parent) for part in shown for parent in Path(part).parents}
    assert {path for path in seen - parents if not any(Path(path).is_relative_to(part) for part in shown)} == set()
    assert not any("secret" in Path(path).name and "lib" not in path for path in seen)


def test_32_a_bash_job_is_shown_no_interpreter(user_home: Path, portable_python: Path):
    program = copied(portable_python, user_home / "python")
    with TwoPeople(user_home / "two", sandbox="bubblewrap", python=program) as people:
        people.submit(f'echo "[${{SYFT_JOB_PYTHON-unset}}]"; [ -e {user_home} ] && echo seen; exit 0\n', "Bash")
        job = people.owner_job("Bash")
        job.approve()
        assert run_job(people, job) == "[unset]\n"


# An interpreter that cannot be shown so is refused by name


def refused(people: TwoPeople, program: Path, *words: str) -> None:
    """Doctor, review and start each name the program and the reason, and nothing of the job runs."""
    checks = {check.name: check for check in doctor.examine(people.owner.config)}
    assert checks["interpreter"].ok is False
    job = python_job(people)
    terms = plan_for(people.owner.config)
    serving = runner(people)
    assert serving.process_approved_jobs(stream_output=False) == []
    assert job.state is JobState.QUEUED
    warnings = " ".join(terms.warnings)
    for told in (checks["interpreter"].told, str(job.review()), warnings, *serving.blocked_jobs.values()):
        for word in (str(program), *words):
            assert word in " ".join(told.split()), told


def test_32_an_environment_around_the_home_is_refused_by_name(user_home: Path, work_dir: Path):
    subprocess.run([SYSTEM_PYTHON, "-m", "venv", "--without-pip", user_home / ".local"], check=True)
    program = user_home / ".local" / "bin" / "python"
    with TwoPeople(user_home / ".local" / "share", sandbox="bubblewrap", python=program) as people:
        refused(people, program, str(user_home / ".local"), "contains the")


def test_32_an_environment_around_the_users_other_data_is_refused_wherever_the_home_is(
    user_home: Path, work_dir: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.delenv("XDG_DATA_HOME")
    subprocess.run([SYSTEM_PYTHON, "-m", "venv", "--without-pip", user_home / ".local"], check=True)
    program = user_home / ".local" / "bin" / "python"
    with TwoPeople(work_dir / "two", sandbox="bubblewrap", python=program) as people:
        refused(people, program, "contains a folder of this user's data")


def test_32_an_environment_that_is_the_home_directory_is_refused_by_name(user_home: Path):
    subprocess.run([SYSTEM_PYTHON, "-m", "venv", "--without-pip", user_home], check=True)
    program = user_home / "bin" / "python"
    with TwoPeople(user_home / "two", sandbox="bubblewrap", python=program) as people:
        refused(people, program, f"{user_home} is the home directory")


@pytest.mark.parametrize("sandbox", ["bare", "bubblewrap"])
def test_32_an_interpreter_in_the_shared_folder_is_refused_and_never_started(work_dir: Path, sandbox: str):
    program = work_dir / "two" / "box" / "ada@example.org" / "bin" / "python"
    with TwoPeople(work_dir / "two", sandbox=sandbox, python=program) as people:
        program.parent.mkdir(parents=True)
        checkpoint = work_dir / "started"
        program.write_bytes(b"\n#!/bin/sh\ntouch " + os.fsencode(checkpoint) + b"\n")
        program.chmod(0o755)
        refused(people, program, "is inside the shared folder")
        assert not checkpoint.exists()


def test_32_a_link_into_the_shared_folder_is_refused_too(work_dir: Path):
    program = work_dir / "python"
    with TwoPeople(work_dir / "two", sandbox="bubblewrap", python=program) as people:
        target = people.submitters_root / "ada@example.org" / "python3"
        shutil.copy(SYSTEM_PYTHON, target)
        program.symlink_to(target)
        refused(people, program, "is inside the shared folder")


def test_32_an_interpreter_that_everybody_can_replace_is_refused(work_dir: Path, portable_python: Path):
    program = copied(portable_python, work_dir / "python")
    program.chmod(0o777)
    with TwoPeople(work_dir / "two", sandbox="bubblewrap", python=program) as people:
        refused(people, program, "chmod o-w")
        program.chmod(0o755)
        program.parent.chmod(0o777)
        with pytest.raises(ConfigError, match="chmod o-w"):
            sandboxes.usable_interpreter(program)


@pytest.mark.parametrize("sandbox", ["bare", "bubblewrap"])
@pytest.mark.parametrize("kind", ["a named pipe", "a directory", "a script", "a loop of links", "no Python"])
def test_32_what_is_no_interpreter_is_refused_at_once(work_dir: Path, sandbox: str, kind: str):
    program = work_dir / "python"
    if kind == "a named pipe":
        os.mkfifo(program, 0o755)
    elif kind == "a directory":
        program.mkdir()
    elif kind == "a script":
        program.write_text('#!/bin/sh\nexec /usr/bin/python3 "$@"\n')
        program.chmod(0o755)
    elif kind == "a loop of links":
        program.symlink_to(program)
    else:
        shutil.copy("/bin/true", program)
    with pytest.raises(ConfigError, match=f"configured, {program}, cannot be used under {sandbox}"):
        sandboxes.usable_interpreter(program, sandboxes.get_sandbox(sandbox))


def test_32_what_the_owner_mends_lets_the_job_start_without_a_new_runner(work_dir: Path, portable_python: Path):
    program = work_dir / "python" / "bin" / "python3"
    with TwoPeople(work_dir / "two", sandbox="bubblewrap", python=program) as people:
        job = python_job(people)
        serving = runner(people)
        assert serving.process_approved_jobs(stream_output=False) == []
        copied(portable_python, work_dir / "python")
        until(lambda: bool(serving.process_approved_jobs(stream_output=False)))
        assert job.state is JobState.SUCCEEDED


# Declared data


@pytest.mark.parametrize(
    ("shown", "reason"),
    [
        ("", "contains the"),
        ("box", "is the shared folder"),
        ("homes", "is the folder of all homes"),
        ("link", "contains"),
    ],
)
def test_32_data_that_contains_a_protected_place_is_refused(work_dir: Path, shown: str, reason: str):
    with TwoPeople(work_dir / "two", sandbox="bubblewrap") as people:
        (work_dir / "two" / "link").symlink_to(work_dir)
        protected = plan_for(people.owner.config).host.protected
        workspace = Workspace(work_dir, (work_dir / "two" / shown,), None, protected)
        with pytest.raises(ConfigError, match=f"cannot be shown to jobs: .*{reason}"):
            sandboxes.get_sandbox("bubblewrap")(Command(argv=("true",), env={}), workspace)


def test_32_data_inside_a_home_is_refused(work_dir: Path):
    with TwoPeople(work_dir / "two", sandbox="bubblewrap") as people:
        protected = plan_for(people.owner.config).host.protected
        workspace = Workspace(work_dir, (people.owner.home.paths.held_results,), None, protected)
        with pytest.raises(ConfigError, match="is inside"):
            sandboxes.get_sandbox("bubblewrap")(Command(argv=("true",), env={}), workspace)


def test_32_a_link_in_the_shared_folder_is_not_followed_to_data(work_dir: Path):
    with TwoPeople(work_dir / "two", sandbox="bubblewrap") as people:
        link = people.root / "ada@example.org" / "data"
        link.symlink_to("/srv")
        protected = plan_for(people.owner.config).host.protected
        with pytest.raises(ConfigError, match="symbolic link"):
            sandboxes.get_sandbox("bubblewrap")(
                Command(argv=("true",), env={}), Workspace(work_dir, (link,), None, protected)
            )


def test_32_data_in_the_owners_datasite_is_shown_and_nothing_beside_it(work_dir: Path):
    with TwoPeople(work_dir / "two", sandbox="bubblewrap") as people:
        data = people.root / "omar@example.org" / "private" / "table.csv"
        data.parent.mkdir()
        data.write_text("a,b\n")
        protected = plan_for(people.owner.config).host.protected
        told = started(Workspace(Path("/usr"), (data,), None, protected), f"cat {data}; find {people.root} -type f")
        assert told.split() == ["a,b", str(data)]


def started(workspace: Workspace, script: str, **env: str) -> str:
    from syft_job.execution.backends.private_argv import open_private_arguments

    command = sandboxes.get_sandbox("bubblewrap")(Command(argv=("/bin/sh", "-c", script), env=env), workspace)
    with open_private_arguments(command) as ready:
        done = subprocess.run(
            ready.argv,
            env=dict(command.env or {}),
            pass_fds=ready.pass_fds,
            capture_output=True,
            check=False,
            text=True,
        )
    return done.stdout + done.stderr


# What the system's own folders contain


@pytest.fixture
def in_the_system() -> Iterator[Path]:
    """A directory in /usr, which each sandbox shows."""
    if not os.access("/usr/local", os.W_OK):
        pytest.skip("only root can make a directory in /usr")
    place = Path(tempfile.mkdtemp(prefix="syft-job-test-", dir="/usr/local"))
    place.chmod(0o755)
    yield place
    shutil.rmtree(place)


def test_32_protected_places_in_the_system_are_masked(
    in_the_system: Path, portable_python: Path, monkeypatch: pytest.MonkeyPatch
):
    home = in_the_system / "people" / "omar"
    program = copied(portable_python, home / ".pyenv" / "versions" / "3.99.1")
    (home / "secret").write_text(SECRET)
    work = in_the_system / "work"
    work.mkdir(mode=0o711)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("SYFT_JOB_WORK", str(work))
    with TwoPeople(in_the_system / "two", sandbox="bubblewrap", python=program) as people:
        people.submit("echo held > outputs/x\n", "Other")
        lines = looked(people, in_the_system)
        job = python_job(people, "Write", main=WRITE.format(places=[str(home), str(people.root), str(work)]))
        assert run_job(people, job) == "closed\n" * 3

    paths = [Path(line.partition(" ")[2]) for line in lines if line.startswith("seen ")]
    shown = {str(path.relative_to(in_the_system)) for path in paths}
    python = "people/omar/.pyenv/versions/3.99.1"
    parents = {str(parent) for parent in Path(python).parents} | {python, "work", "two", "two/box", "two/homes"}
    assert {path for path in shown - parents if not path.startswith(f"{python}/")} == set()


WRITE = """
for place in {places}:
    try:
        open(place + "/x", "w")
    except OSError:
        print("closed")
"""


@pytest.mark.parametrize("home", ["/usr", "/usr/bin", "/bin"])
def test_32_a_home_directory_among_the_systems_programs_is_an_error(
    tmp_path: Path, home: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("HOME", home)
    with pytest.raises(ConfigError, match=r"the home directory is .* which holds the system's programs"):
        sandboxes.get_sandbox("bubblewrap")(Command(argv=("true",), env={}), Workspace(tmp_path))


def test_32_a_service_without_a_home_directory_can_run_jobs(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HOME", "/")
    assert started(Workspace(Path("/usr")), "echo ran") == "ran\n"


# Command lines


@pytest.mark.parametrize("sandbox", ["bare", "bubblewrap"])
def test_32_no_value_of_the_environment_stands_in_a_command_line(
    work_dir: Path, sandbox: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("TOKEN_OF_THE_OWNER", SECRET)
    with TwoPeople(work_dir / "two", sandbox=sandbox, pass_environment=("TOKEN_OF_THE_OWNER",)) as people:
        people.submit('echo "$TOKEN_OF_THE_OWNER"; ls /proc/self/fd; while [ ! -e go ]; do sleep 0.02; done\n', "Token")
        job = people.owner_job("Token")
        job.approve()
        serving = runner(people)
        serving.step()
        workspace = next(people.owner.home.workspaces.iterdir())
        until(lambda: (workspace / "stdout").exists() and SECRET in (workspace / "stdout").read_text())
        lines = command_lines()
        (workspace / "job" / "go").touch()
        assert any(str(workspace) in line for line in lines), "the supervisor was looked at"
        assert [line for line in lines if SECRET in line] == []
        until(lambda: bool(serving.step()) and job.state.is_terminal)
        assert job.state is JobState.SUCCEEDED
        assert str(job.stdout).split()[1:] == ["0", "1", "2", "3"], "3 is the directory that ls reads"


def command_lines() -> list[str]:
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found.append(path.read_bytes().replace(b"\0", b" ").decode("utf-8", "replace"))
        except OSError:
            continue  # it ended meanwhile
    return found


# A sandbox that does not work, or works no more


@pytest.fixture
def broken_bwrap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], None]]:
    """Call it, and from then on bubblewrap fails as it does where AppArmor forbids user namespaces."""

    def break_it() -> None:
        tools = tmp_path / "tools"
        tools.mkdir(exist_ok=True)
        (tools / "bwrap").write_text("#!/bin/sh\necho 'bwrap: setting up uid map: Permission denied' >&2\nexit 1\n")
        (tools / "bwrap").chmod(0o755)
        (tools / "setpriv").unlink(missing_ok=True)
        (tools / "setpriv").symlink_to(shutil.which("setpriv") or "/usr/bin/setpriv")
        for folder in (tmp_path, *tmp_path.parents):  # the jobs' user must be able to start it
            if folder.stat().st_uid == os.geteuid() and folder != Path("/"):
                folder.chmod(folder.stat().st_mode | 0o011)
        monkeypatch.setattr(host_mounts, "TOOLS", str(tools))

    yield break_it
    sandboxes.clear_probe_cache()


@pytest.mark.parametrize(
    ("switch", "value", "words"),
    [
        ("kernel/apparmor_restrict_unprivileged_userns", "1", ("AppArmor", "userns,")),
        ("kernel/unprivileged_userns_clone", "0", ("kernel.unprivileged_userns_clone=1",)),
        ("user/max_user_namespaces", "0", ("user.max_user_namespaces=",)),
    ],
)
def test_32_the_switch_that_forbids_the_sandbox_is_named_with_its_remedy(
    work_dir: Path,
    tmp_path: Path,
    broken_bwrap: Callable[[], None],
    monkeypatch: pytest.MonkeyPatch,
    switch: str,
    value: str,
    words: tuple[str, ...],
):
    proc = tmp_path / "proc"
    (proc / switch).parent.mkdir(parents=True)
    (proc / switch).write_text(f"{value}\n")
    monkeypatch.setattr(namespaces, "PROC_SYS", proc)
    broken_bwrap()
    with TwoPeople(work_dir / "two", sandbox="auto") as people:
        told = next(check for check in doctor.examine(people.owner.config) if check.name == "sandbox")
        people.submit(name="Job")
        review = " ".join(str(people.owner_job("Job").review()).split())
    assert told.ok is False
    for word in ("setting up uid map: Permission denied", *words):
        assert word in f"{told.told} {told.advice}"
        assert word in review


def test_32_a_switch_that_allows_the_sandbox_is_not_blamed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(namespaces, "PROC_SYS", tmp_path)
    assert namespaces.forbidden_reason() is None
    (tmp_path / "kernel").mkdir()
    (tmp_path / "kernel" / "apparmor_restrict_unprivileged_userns").write_text("0\n")
    assert namespaces.forbidden_reason() is None


def test_32_a_bubblewrap_that_starts_nothing_and_reports_success_is_not_one(
    tmp_path: Path, broken_bwrap: Callable[[], None]
):
    broken_bwrap()
    (tmp_path / "tools" / "bwrap").write_text("#!/bin/sh\nexit 0\n")
    assert "instead of b'inside'" in str(sandboxes.unavailable_reason())


def test_32_an_attempt_without_a_sandbox_has_not_succeeded_whatever_its_exit_code(work_dir: Path):
    handle = ShellJob(detach=False).submit(Command(argv=("/bin/true",), contained=True))
    assert isinstance(handle, JobHandle)
    assert ShellJob().status(handle).status is JobStatus.FAILED


@pytest.mark.parametrize("choice", ["auto", "bubblewrap"])
def test_32_a_runner_whose_sandbox_breaks_starts_nothing_without_it(
    work_dir: Path, broken_bwrap: Callable[[], None], choice: str
):
    with TwoPeople(work_dir / "two", sandbox=choice) as people:
        serving = runner(people)
        people.submit(name="Before")
        people.owner_job("Before").approve()
        assert len(serving.process_approved_jobs(stream_output=False)) == 1
        people.submit(name="After")
        job = people.owner_job("After")
        job.approve()
        broken_bwrap()
        assert serving.process_approved_jobs(stream_output=False) == []
        assert job.state is JobState.QUEUED
        assert not people.owner.home.attempt_paths(job.id, 1).claim.exists()
        assert "Permission denied" in " ".join(serving.blocked_jobs.values())


def test_32_a_sandbox_that_fails_at_the_start_is_not_the_jobs_own_failure(work_dir: Path):
    """It worked when it was tried: the failure comes between."""
    with TwoPeople(work_dir / "two", sandbox="bubblewrap") as people:
        serving = JobRunner(people.owner.config, poll_interval=0.05, announce=None, backend=BreaksOnce())
        assert serving.terms.is_contained
        job = python_job(people, main="print('ran')\n")
        announced: list[str] = []
        serving.announce = announced.append
        serving.process_approved_jobs(stream_output=False)
        assert job.state is JobState.FAILED
        assert "ran" not in str(job.stdout).split()
        assert "nothing of the job ran" in str(job.stderr)
        assert any("its sandbox could not be set up" in line for line in announced)
        assert any("its sandbox could not be set up" in str(said) for said in job.history)


class BreaksOnce(ShellJob):
    """The first command's sandbox binds what is gone once it is bound."""

    _commands: int = 0

    def _submit(self, command: Command | CliCommand, *, dry_run: bool) -> JobHandle | JobDryRun:
        self._commands += 1
        if self._commands == 1 and isinstance(command, Command):
            at = command.argv.index("--args")
            argv = (*command.argv[:at], "--ro-bind", "/no/such/place", "/x", *command.argv[at:])
            command = replace(command, argv=argv)
        return super()._submit(command, dry_run=dry_run)


def test_32_a_job_cannot_claim_that_its_sandbox_failed(work_dir: Path):
    with TwoPeople(work_dir / "two", sandbox="bubblewrap") as people:
        people.submit('for n in 3 4 5 6 7 8 9; do eval "exec $n<&- $n>&-"; done; exit 1\n', "Claims")
        job = people.owner_job("Claims")
        job.approve()
        runner(people).process_approved_jobs(stream_output=False)
        assert job.state is JobState.FAILED
        assert "could not be set up" not in str(job.history) + str(job.stderr)
