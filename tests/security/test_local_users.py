"""Threat 39: another user of the owner's machine takes over, or reads what is private.

What other users can do is done by other users: a forked child that gives up root. Where these tests do not run as root
that cannot be, and they are skipped.
"""

from __future__ import annotations

import codecs
import os
import shutil
import stat
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from syft_job import JobClient, SyftJobConfig, get_client
from syft_job.doctor import examine
from syft_job.errors import ConfigError, StoreError, SyftJobError, UnreadableJob
from syft_job.runner import JobRunner
from syft_job.testing import OWNER, SUBMITTER, TwoPeople

ADA, EVE = 54_321, 54_322
"""Users without a name: the kernel needs none."""
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as another user")


@pytest.fixture
def people(tmp_path: Path) -> Iterator[TwoPeople]:
    with TwoPeople(tmp_path) as both:
        yield both


@pytest.fixture
def shared_place() -> Iterator[Path]:
    """A directory like /tmp: root's, sticky, and writable by every user."""
    base = Path(tempfile.mkdtemp(prefix="syft-job-test-", dir="/tmp"))
    base.chmod(0o1777)
    yield base
    subprocess.run(["chmod", "-R", "u+rwX", str(base)], check=True)
    shutil.rmtree(base)


def as_user(uid: int, act: Callable[[], object]) -> str:
    """Do something as another user, in a child; returns "" or the error that it ended with.

    What it imports must be imported before: the interpreter may be below /root, where others cannot read.
    """
    codecs.lookup("ascii")
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:  # pragma: no cover - it never returns
        os.close(reading)
        try:
            os.setgroups([])
            os.setresgid(uid, uid, uid)
            os.setresuid(uid, uid, uid)
            act()
            said = ""
        except SyftJobError as error:
            said = f"{type(error).__name__}: {error}"
        except BaseException:  # noqa: BLE001 - told to the parent
            said = traceback.format_exc()
        os.write(writing, said.encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        said = pipe.read()
    os.waitpid(pid, 0)
    return said


def modes_below(*tops: Path) -> dict[Path, int]:
    return {
        path: stat.S_IMODE(path.lstat().st_mode)
        for top in tops
        for path in (top, *top.rglob("*"))
        if not path.is_symlink()
    }


def fresh_owner(people: TwoPeople) -> JobClient:
    """The owner in a new process, as far as it matters: nothing was checked yet."""
    from syft_job.home.home import Home

    client = get_client(people.root, OWNER)
    client.announce = None
    client.home = Home(client.home.path, client.home.root, OWNER)
    client.participant.home = client.home
    return client


# ------------------------------------------------------------------------------------------- home, parents, workspaces


@pytest.mark.parametrize("mode", [0o777, 0o1777, 0o707, 0o722])
@pytest.mark.parametrize("which", ["home", "homes", "checkpoints", "above"])
def test_a_home_that_others_can_write_to_is_refused_with_the_command_that_mends_it(
    people: TwoPeople, tmp_path: Path, which: str, mode: int
):
    """Threat 39: sshd's strictness on home, homes folder, checkpoint and every parent."""
    home = people.owner.home.path
    people.owner.home.make()
    wrong = {"home": home, "homes": home.parent, "checkpoints": home.parent / ".witness", "above": tmp_path}[which]
    wrong.mkdir(exist_ok=True)
    wrong.chmod(mode)
    is_sticky_parent = mode == 0o1777 and which in ("homes", "above") and os.geteuid() == 0
    try:
        owner = fresh_owner(people)
        if is_sticky_parent:
            assert [job.name for job in owner.jobs] == []
            return
        for act in (
            lambda: owner.jobs,
            owner.home.key,
            owner.home.identity,
            owner.rotate_key,
            lambda: JobRunner(owner.config, announce=None).step(),
        ):
            with pytest.raises(StoreError, match=rf"(?s){wrong}.*chmod go-w {wrong}"):
                act()
        rows = [row for row in examine(owner.config) if row.name == "permissions"]
        assert [row.ok for row in rows if str(wrong) in row.told] == [False] * len(rows)
        assert f"chmod go-w {wrong}" in rows[0].advice
    finally:
        wrong.chmod(0o700)
    assert [job.name for job in fresh_owner(people).jobs] == []


@as_root
@pytest.mark.parametrize("what", ["home", "homes"])
def test_a_home_that_another_user_made_first_is_refused(tmp_path: Path, shared_place: Path, what: str, monkeypatch):
    """Threat 39: a pre-made home below a directory that everyone can write to."""
    monkeypatch.setenv("SYFT_JOB_HOME", str(shared_place / "homes"))
    (tmp_path / "box" / OWNER).mkdir(parents=True)
    client = get_client(tmp_path / "box", OWNER)
    wrong = client.home.path if what == "home" else client.home.path.parent
    if what == "home":
        client.home.path.parent.mkdir(mode=0o755)
        client.home.path.mkdir(mode=0o755)
        os.chown(client.home.path, EVE, EVE)
    else:
        assert as_user(EVE, lambda: (shared_place / "homes").mkdir(mode=0o755)) == ""
    with pytest.raises(StoreError, match=rf"{wrong}.*belongs to uid {EVE}"):
        client.home.key()
    assert not list(client.home.path.glob("*"))


@as_root
def test_a_home_below_a_sticky_directory_serves_its_user(people: TwoPeople, shared_place: Path, monkeypatch):
    """Threat 39: a sticky directory of root's (/tmp here) passes where what is below it belongs to the user."""
    own = shared_place
    own.chmod(0o755)
    monkeypatch.setenv("SYFT_JOB_HOME", str(own / "homes"))
    monkeypatch.delenv("SYFT_JOB_WORK", raising=False)
    box = own / "box"
    (box / OWNER).mkdir(parents=True)
    for path in (own, box, box / OWNER):
        os.chown(path, ADA, ADA)

    def use() -> None:
        os.umask(0)
        client = get_client(box, OWNER)
        client.announce = None
        client.setup_ds_job_folder_as_do(SUBMITTER)
        assert list(client.jobs) == []

    assert as_user(ADA, use) == ""
    assert {mode & 0o077 for mode in modes_below(own / "homes").values()} == {0}

    def use_it_too() -> None:
        os.umask(0)
        get_client(box, OWNER).home.make()

    assert "belongs to uid 54321" in as_user(EVE, use_it_too)


@as_root
def test_a_link_in_a_sticky_directory_is_no_way_to_the_home(tmp_path: Path, shared_place: Path, monkeypatch):
    """Threat 39: what is below a sticky directory is opened without following links."""
    (tmp_path / "real").mkdir(mode=0o700)
    (shared_place / "link").symlink_to(tmp_path / "real")
    monkeypatch.setenv("SYFT_JOB_HOME", str(shared_place / "link" / "homes"))
    (tmp_path / "box" / OWNER).mkdir(parents=True)
    with pytest.raises(StoreError, match="symbolic link"):
        get_client(tmp_path / "box", OWNER).home.make()
    assert not list((tmp_path / "real").iterdir())


@as_root
def test_both_the_way_to_a_link_and_the_way_to_its_target_must_be_safe(tmp_path: Path, monkeypatch):
    """Threat 39: links among the parents are resolved component by component."""
    (tmp_path / "box" / OWNER).mkdir(parents=True)
    (tmp_path / "open").mkdir()
    (tmp_path / "open" / "inner").mkdir(mode=0o700)
    (tmp_path / "safe").symlink_to("open/inner")
    monkeypatch.setenv("SYFT_JOB_HOME", str(tmp_path / "safe" / "homes"))
    client = get_client(tmp_path / "box", OWNER)
    (tmp_path / "open").chmod(0o777)
    with pytest.raises(StoreError, match=rf"'{tmp_path}/open'.*chmod go-w"):
        client.home.make()
    (tmp_path / "open").chmod(0o755)
    client.home.make()
    assert (tmp_path / "open" / "inner" / "homes").is_dir()


@as_root
def test_running_as_another_user_than_the_homes_is_refused(tmp_path: Path, monkeypatch):
    """Threat 39: `sudo syft-job run` on a user's home."""
    ada = tmp_path / "ada"
    (tmp_path / "box" / OWNER).mkdir(parents=True)
    ada.mkdir(mode=0o700)
    os.chown(ada, ADA, ADA)
    monkeypatch.setenv("SYFT_JOB_HOME", str(ada / "homes"))
    runner = JobRunner(SyftJobConfig.from_syftbox_folder(tmp_path / "box", OWNER), announce=None)
    with pytest.raises(StoreError, match=rf"belongs to uid {ADA}, and this process runs as root\. Run it as uid {ADA}"):
        runner.step()
    assert not list(ada.iterdir())


@pytest.mark.parametrize("where", ["inside the folder", "the folder", "above the folder", "the home", "in the home"])
def test_workspaces_in_the_shared_folder_or_the_home_are_refused(people: TwoPeople, monkeypatch, where: str):
    """Threat 39: a workspace in the shared folder is everybody's; tidying one that is the home would remove the key."""
    home = people.owner.home.path
    root = people.root
    chosen = {
        "inside the folder": root / "work",
        "the folder": root,
        "above the folder": root.parent,
        "the home": home.parent,
        "in the home": home,
    }[where]
    people.owner.home.make()
    monkeypatch.setenv("SYFT_JOB_WORK", str(chosen))
    if where == "above the folder":  # the workspaces' own folder is below the chosen one, by the home's name
        (root.parent / home.name).symlink_to(root.parent)
    before = sorted(home.rglob("*"))
    with pytest.raises(ConfigError, match=r"SYFT_JOB_WORK.*overlaps"):
        JobRunner(people.owner.config, announce=None).step()
    assert sorted(path for path in home.rglob("*") if path.name != "home.lock") == [
        path for path in before if path.name != "home.lock"
    ]
    assert any(row.name == "permissions" and row.ok is False for row in examine(people.owner.config))


@pytest.mark.parametrize("mode", [0o777, 0o1777])
def test_workspaces_that_others_can_write_to_are_refused(people: TwoPeople, tmp_path: Path, monkeypatch, mode: int):
    """Threat 39: workspaces under a sticky folder."""
    work = tmp_path / "workspaces"
    own = work / people.owner.home.path.name
    own.mkdir(parents=True)
    work.chmod(0o755)
    own.chmod(mode)
    monkeypatch.setenv("SYFT_JOB_WORK", str(work))
    people.submit(name="N")
    people.owner_job("N").approve()
    with pytest.raises(StoreError, match=f"workspaces.*chmod go-w {own}"):
        JobRunner(people.owner.config, announce=None).step()
    assert not list(own.iterdir())


@as_root
def test_workspaces_that_another_user_made_first_are_refused(people: TwoPeople, shared_place: Path, monkeypatch):
    """Threat 39: a local user makes `<SYFT_JOB_WORK>/<home>` before the runner does."""
    monkeypatch.setenv("SYFT_JOB_WORK", str(shared_place))
    own = shared_place / people.owner.home.path.name
    assert as_user(EVE, own.mkdir) == ""
    people.submit(name="N")
    people.owner_job("N").approve()
    with pytest.raises(StoreError, match=f"'{own}' belongs to uid {EVE}"):
        JobRunner(people.owner.config, announce=None).step()
    assert not list(own.iterdir())


# ------------------------------------------------------------------------------------------------------ modes and umask


STORY = """
import os, sys
os.umask(int(sys.argv[1], 8))
from pathlib import Path
from syft_job.runner import JobRunner
from syft_job.testing import TwoPeople
base = Path(sys.argv[2])
with TwoPeople(base, sandbox="bare") as people:
    people.submit('mkdir outputs/inner; echo hello > outputs/inner/a; echo printed', name="N")
    job = people.owner_job("N")
    job.review()
    job.approve(share_outputs=True, share_logs=True)
    runner = JobRunner(people.owner.config, announce=None, poll_interval=0.05)
    runner.run(once=True)
    assert people.submitters_job("N").state == "succeeded", people.owner_job("N").findings
    assert people.submitters_job("N").output_paths
    people.submit("sleep 30", name="Long")
    job = people.owner_job("Long")
    job.review()
    job.approve()
    people.owner.home.pause("someone@example.org")
    while not people.owner.home.ledger.unfinished():
        runner.step()
    import time
    while not list(people.owner.home.path.glob("begun/*")) or people.owner_job("Long").status != "running":
        runner.step()
    people.owner.rotate_key()
    def tell(kind, top):
        for folder, folders, files in os.walk(top):
            for path in (folder, *(os.path.join(folder, name) for name in files)):
                print(kind, oct(os.lstat(path).st_mode & 0o7777)[2:], path)
    tell("private", base / "homes")
    tell("work", people.owner.home.workspaces)
    tell("shared", people.root)
    people.owner_job("Long").cancel()
    while people.owner.home.ledger.unfinished():
        runner.step()
"""


@pytest.mark.parametrize("mask", ["000", "002", "022", "077", "777"])
@pytest.mark.parametrize("user", [pytest.param(0, marks=as_root), pytest.param(ADA, marks=as_root), None])
def test_what_is_made_is_private_whatever_the_umask(tmp_path: Path, shared_place: Path, mask: str, user: int | None):
    """Threat 39: umask 000; and 0777, which closes what is made to its own maker."""
    if user is None and os.geteuid() == 0:
        pytest.skip("done as root and as a user without rights instead")
    base = shared_place
    base.chmod(0o711)
    # The people's own folders, which are not the product's, and the checkout must be reachable for the user.
    for person in (OWNER, SUBMITTER):
        (base / "box" / person).mkdir(parents=True)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SYFT_")}
    environment |= {"HOME": str(base), "PYTHONDONTWRITEBYTECODE": "1"}
    if user:
        for folder, _, _ in os.walk(base):
            os.chown(folder, user, user)
    command = [sys.executable, "-c", STORY, mask, str(base)]
    if user:
        as_them = ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups", "--"]
        if subprocess.run([*as_them, sys.executable, "-c", "import syft_job.testing"], check=False).returncode:
            pytest.skip("the interpreter cannot be reached by a user without rights")
        command = [*as_them, *command]
    environment["SYFT_JOB_WORK"] = str(base / "work")
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    seen = [line.split(" ", 2) for line in done.stdout.splitlines() if line.count(" ") >= 2]
    kinds = {kind for kind, _, _ in seen}
    assert kinds == {"private", "work", "shared"}
    passable = 0o711 if not user and os.geteuid() == 0 else 0o700
    for kind, digits, path in seen:
        mode = int(digits, 8) & 0o777
        is_folder = os.path.isdir(path) if os.path.exists(path) else mode & 0o100
        if kind == "private":
            assert mode == (0o700 if is_folder else 0o600), (digits, path)
        elif kind == "work":
            assert mode in ({passable, 0o700} if mode & 0o100 else {0o600}), (digits, path)
        elif not path.endswith(("box", OWNER, SUBMITTER)) or "app_data" in path:
            assert not mode & 0o022, (digits, path)
            assert mode & 0o600 == 0o600, (digits, path)


def test_a_saved_profile_and_copied_outputs_are_private(tmp_path: Path, people: TwoPeople):
    """Threat 39: `init --save` and `outputs --copy` under umask 000."""
    program = [sys.executable, "-m", "syft_job", "--root", str(people.root)]
    config = tmp_path / "etc" / "syft" / "config.toml"
    (tmp_path / "result").mkdir()
    (tmp_path / "result" / "a.csv").write_text("1\n")
    people.submit(name="N")
    people.owner_job("N").accept_by_depositing_result(tmp_path / "result")
    people.owner_job("N").share_outputs(SUBMITTER)
    copies = tmp_path / "copies" / "of" / "it"
    for words in (
        ["--as", OWNER, "init", "--save"],
        ["--as", SUBMITTER, "outputs", "N", "--copy", str(copies)],
        ["--as", OWNER, "keys", "export", "--private", "--to", str(tmp_path / "exported")],
    ):
        subprocess.run(
            [*program, *words], check=True, umask=0, capture_output=True,
            env={**os.environ, "SYFT_JOB_CONFIG": str(config)},
        )  # fmt: skip
    modes = modes_below(tmp_path / "etc", tmp_path / "copies", tmp_path / "exported")
    assert {path.name for path in modes} >= {"config.toml", "a.csv", "exported"}
    for path, mode in modes.items():
        assert not mode & 0o077, (oct(mode), path)


# -------------------------------------------------------------------------------------------- what other users can read


@as_root
def test_another_local_user_reads_nothing_of_a_running_job(people: TwoPeople):
    """Threat 39: the workspace of root's runner can be passed through, and that is all."""
    people.submit("echo secret; echo secret > outputs/a; sleep 60", name="N")
    people.owner_job("N").approve()
    runner = JobRunner(people.owner.config, announce=None)
    runner.step()
    job = people.owner_job("N")
    work = people.owner.home.attempt_paths(job.id, 1).workspace
    while not (work / "job" / "outputs" / "a").exists():
        runner.step()

    def spy() -> None:
        for path in (work.parent, work, work / "job", work / "job" / "outputs"):
            with pytest.raises(PermissionError):
                os.listdir(path)
        for path in (work / "stdout", work / "stderr", work / "handle.json", work / "job" / "outputs" / "a"):
            with pytest.raises(PermissionError):
                path.read_bytes()
        for path in (work.parent, work):
            with pytest.raises(PermissionError):
                (path / "cancel").touch()

    try:
        assert as_user(EVE, spy) == ""
    finally:
        job.cancel()
        while people.owner.home.ledger.unfinished():
            runner.step()


# ------------------------------------------------------------------------------- links that submitters and owners make


def test_removing_what_a_submitter_replaces_by_a_link_changes_no_mode_elsewhere(tmp_path: Path, monkeypatch):
    """Threat 39: `chmod` that follows a link laid in the inbox, between the look and the act."""
    from syft_job import fs

    inbox, secret = tmp_path / "inbox", tmp_path / "secret"
    inbox.mkdir()
    secret.mkdir()
    (secret / "file").touch()
    secret.chmod(0o500)
    (inbox / "outputs").mkdir()
    look = os.stat

    def look_and_swap(path: Any, **how: Any) -> os.stat_result:
        found = look(path, **how)
        if path == "outputs" and stat.S_ISDIR(found.st_mode):
            (inbox / "outputs").rmdir()
            (inbox / "outputs").symlink_to(secret)
        return found

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError("as a folder without permissions gives it")

    with monkeypatch.context() as patched, fs.open_directory(inbox) as opened, suppress(SyftJobError, OSError):
        patched.setattr(os, "stat", look_and_swap)
        patched.setattr(shutil, "rmtree", refuse)
        fs.remove(opened, "outputs")
    assert not (inbox / "outputs").is_dir() or (inbox / "outputs").is_symlink()
    assert stat.S_IMODE(secret.stat().st_mode) == 0o500
    assert (secret / "file").exists()


def test_making_a_directory_changes_no_mode_through_a_link(tmp_path: Path, monkeypatch):
    """Threat 39: the same where a directory is made: another user puts a link there just after it was not there."""
    from syft_job import fs

    secret = tmp_path / "secret"
    secret.mkdir(mode=0o500)
    make = os.mkdir

    def raced(name: str, mode: int = 0o777, *, dir_fd: int | None = None) -> None:
        (tmp_path / "new").symlink_to(secret)
        make(name, mode, dir_fd=dir_fd)

    with monkeypatch.context() as patched:
        patched.setattr(os, "mkdir", raced)
        with pytest.raises(StoreError):
            fs.make_directory(tmp_path / "new", mode=0o700)
    assert stat.S_IMODE(secret.stat().st_mode) == 0o500


@pytest.mark.parametrize("who", ["owner", "submitter"])
@pytest.mark.parametrize("part", ["job", "outputs", "stdout.txt", "outputs/result/a.csv"])
def test_nothing_is_read_through_a_link_in_the_folder(people: TwoPeople, tmp_path: Path, who: str, part: str):
    """Threat 39: results, logs and files are opened from the shared folder on, component by component."""
    private = tmp_path / "private"
    (private / "result").mkdir(parents=True)
    for name in ("stdout.txt", "stderr.txt", "a.csv", "result/a.csv"):
        (private / name).write_text("the private table")
    (private / "returncode.txt").write_text("77")
    (tmp_path / "result").mkdir()
    (tmp_path / "result" / "a.csv").write_text("1\n")
    people.submit(name="N")
    people.owner_job("N").accept_by_depositing_result(tmp_path / "result")
    people.owner_job("N").share_outputs(SUBMITTER)
    job = people.owner_job("N") if who == "owner" else people.submitters_job("N")
    wrong = job.location if part == "job" else job.location / part
    if wrong.is_dir():
        shutil.rmtree(wrong)
    wrong.unlink(missing_ok=True)
    wrong.symlink_to(private if "." not in part else private / "a.csv")
    assert job.returncode is None
    if part == "job":
        with pytest.raises(UnreadableJob, match="is a link"):
            _ = job.files
    assert "private" not in job.stdout.text + job.stderr.text
    for path in job.output_paths:
        assert "private" not in str(path.resolve())
    copied = subprocess.run(
        [sys.executable, "-m", "syft_job", "--root", str(people.root), "--as", OWNER if who == "owner" else SUBMITTER,
         "outputs", "N", "--copy", str(tmp_path / "copies")],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "private table" not in copied.stdout
    for path in (tmp_path / "copies").rglob("*"):
        assert path.is_dir() or "private" not in path.read_text()


def test_a_log_that_becomes_a_link_after_it_was_found_is_not_read(people: TwoPeople, tmp_path: Path):
    """Threat 39: between the look and the opening, the file or a folder above it is replaced."""
    (tmp_path / "private").mkdir()
    (tmp_path / "private" / "stdout.txt").write_text("the private table")
    location = people.location("Old")
    location.mkdir(parents=True)
    for name, text in {"config.yaml": "name: Old\n", "run.sh": "true\n", "done": "", "stdout.txt": "printed\n"}.items():
        (location / name).write_text(text)
    job = people.submitters_job("Old")
    log = job.stdout
    assert log.text == "printed\n"
    (location / "stdout.txt").unlink()
    (location / "stdout.txt").symlink_to(tmp_path / "private" / "stdout.txt")
    with pytest.raises(SyftJobError, match="link"):
        _ = log.text
    (location / "stdout.txt").unlink()
    os.mkfifo(location / "stdout.txt")
    with pytest.raises(SyftJobError, match="FIFO"):
        _ = log.text
    shutil.rmtree(location)
    location.symlink_to(tmp_path / "private")
    with pytest.raises(SyftJobError, match="link"):
        _ = log.text


def test_a_folder_that_a_submitter_replaced_by_a_link_is_not_watched(people: TwoPeople, tmp_path: Path):
    """Threat 39: file events of a directory elsewhere wake nobody."""
    from syft_job.fs.watch import Watch

    location = people.submit(name="N")
    elsewhere = tmp_path / "elsewhere"
    (elsewhere / "code").mkdir(parents=True)
    shutil.rmtree(location)
    location.symlink_to(elsewhere)
    with Watch(60, root=people.root) as watch:
        assert not watch.add(location)
        assert not watch.add(location / "code")
        assert watch.add(location.parent)


def test_a_reset_neither_follows_nor_stops_at_a_link(people: TwoPeople, tmp_path: Path):
    """Threat 39: a link in the place of a submitter's folder."""
    people.submit(name="N")
    elsewhere = tmp_path / "elsewhere"
    (elsewhere / "job").mkdir(parents=True)
    (people.location("N").parent.parent / "eve@example.org").symlink_to(elsewhere)
    assert JobRunner(people.owner.config, announce=None).reset_all_jobs() == 1
    assert (elsewhere / "job").is_dir()


# ------------------------------------------------------------------------------------ found by attacking this area anew


def test_a_configuration_that_others_can_write_to_is_not_used(tmp_path: Path, monkeypatch):
    """Threat 39: the configuration names the interpreter and the sandbox, so it is as good as the home."""
    from syft_job.config import load_profile

    path = tmp_path / "config.toml"
    (tmp_path / "box").mkdir()
    path.write_text(f'[profiles.default]\nemail = "{OWNER}"\nsyftbox_folder = "{tmp_path}/box"\n')
    monkeypatch.setenv("SYFT_JOB_CONFIG", str(path))
    for mode in (0o666, 0o602):
        path.chmod(mode)
        with pytest.raises(ConfigError, match=rf"other users can change it: '{path}'.*chmod go-w {path}"):
            load_profile()
    path.chmod(0o644)
    assert load_profile() is not None
    if os.geteuid() == 0:
        os.chown(path, EVE, EVE)
        with pytest.raises(ConfigError, match=f"belongs to uid {EVE}"):
            load_profile()


@as_root
def test_a_workspace_is_closed_until_all_of_it_was_given_away(people: TwoPeople, tmp_path: Path, monkeypatch):
    """Threat 39: a process of the shared `nobody` could swap files in a workspace that root is about to chown."""
    from syft_job.execution.sandboxes import Workspace
    from syft_job.execution.sandboxes.bubblewrap import Bubblewrap

    job = tmp_path / "job"
    (job / "code" / "inner").mkdir(parents=True)
    (job / "code" / "inner" / "main.py").write_text("")
    job.chmod(0o700)
    given: list[int] = []
    chown = os.chown

    def watched(*arguments: object, **named: object) -> None:
        given.append(job.stat().st_uid)
        chown(*arguments, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "chown", watched)
    Bubblewrap().prepare(Workspace(root=job))
    monkeypatch.undo()
    assert len(given) >= 4
    assert set(given) == {0}
    assert {path.stat().st_uid for path in (job, *job.rglob("*"))} == {65534}


@as_root
@pytest.mark.parametrize("what", ["home", "workspaces"])
def test_what_another_user_makes_anew_while_a_process_lives_is_refused(
    people: TwoPeople, shared_place: Path, monkeypatch, what: str
):
    """Threat 39: a cleaner removes an old folder from a sticky directory, and another user makes one of that name."""
    variable = "SYFT_JOB_HOME" if what == "home" else "SYFT_JOB_WORK"
    monkeypatch.setenv(variable, str(shared_place))
    owner = get_client(people.root, OWNER)
    owner.announce = None
    if what == "home":
        (people.root / OWNER / "public" / "syft_job" / "key.json").unlink()
    people.submit(name="N")
    owner.open_datasite()
    runner = JobRunner(owner.config, announce=None)
    runner.step()
    own = owner.home.path if what == "home" else owner.home.workspaces
    job = owner.jobs["N"]
    if own.exists():
        shutil.rmtree(own)

    def make() -> None:
        own.mkdir(mode=0o755)
        if what == "home":
            (own / "home.json").write_text("{}")

    assert as_user(EVE, make) == ""
    if what == "home":
        with pytest.raises(StoreError, match=f"'{own}' belongs to uid {EVE}"):
            job.approve()
        assert {path.name for path in own.iterdir()} == {"home.json"}
        return
    said: list[str] = []
    stop = threading.Event()
    serving = JobRunner(owner.config, announce=said.append, poll_interval=0.05)
    shutil.rmtree(own)
    thread = threading.Thread(target=serving.run, args=(stop,))
    thread.start()
    try:
        while owner.home.runner_pid() is None:
            time.sleep(0.01)
        assert as_user(EVE, make) == ""
        job.approve()
        while not serving.blocked_jobs:
            time.sleep(0.01)
        assert f"'{own}' belongs to uid {EVE}" in " ".join(serving.blocked_jobs.values())
        assert not list(own.iterdir())
    finally:
        stop.set()
        thread.join()
