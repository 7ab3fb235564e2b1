"""The attacks of the threat model, lines 9 to 12: what a hostile job sees, reaches and changes."""

from __future__ import annotations

import os
import socket
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from syft_job.execution.backends.base import JobHandle
from syft_job.execution.backends.shell import ShellJob
from syft_job.execution.backends.supervisor_files import read_exit_record
from syft_job.execution.command import Command
from syft_job.execution.evidence import ExitRecord
from syft_job.execution.sandboxes import (
    Bubblewrap,
    Sandbox,
    Workspace,
    bare,
    best_available,
    clean_env,
    unavailable_reason,
)
from syft_job.model.resources import ResourceLimits

needs_bubblewrap = pytest.mark.skipif(unavailable_reason() is not None, reason=str(unavailable_reason()))
SECRET = "the-owners-secret-4711"


@pytest.fixture
def place(work_dir: Path) -> Path:
    place = work_dir / "attempt"
    (place / "job" / "outputs").mkdir(parents=True)
    place.chmod(0o711)
    return place


@pytest.fixture
def listener() -> Iterator[int]:
    """A port on this machine that notes nobody: a job must not even reach it."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def run(place: Path, script: str, *argv: str, sandbox: Sandbox | None = None) -> tuple[ExitRecord, str]:
    sandbox = sandbox or best_available()
    workspace = Workspace(place / "job")
    sandbox.prepare(workspace)
    command = Command(
        argv=("/bin/bash", "-c", script, *argv),
        env=clean_env({"SYFT_IS_IN_JOB": "true"}, home=workspace.root),
        stdout=place / "out",
        stderr=place / "err",
        limits=ResourceLimits(wall_seconds=60, grace_seconds=0.5),
        claim=place / "begun",
        exit_record=place / "verdict",
    )
    handle = ShellJob(detach=False).submit(sandbox(command, workspace))
    assert isinstance(handle, JobHandle)
    exit_record = read_exit_record(place / "verdict")
    assert exit_record is not None
    return exit_record, (place / "out").read_text()


@pytest.mark.conformance(83)
@pytest.mark.parametrize(
    "sandbox", [bare, pytest.param(best_available(), marks=needs_bubblewrap)], ids=lambda s: s.name
)
def test_09_no_variable_of_the_owners_shell_is_visible(place: Path, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch):
    for name in ("AWS_SECRET_ACCESS_KEY", "GITHUB_TOKEN", "SSH_AUTH_SOCK", "BASH_ENV", "LD_LIBRARY_PATH", "PYTHONPATH"):
        monkeypatch.setenv(name, SECRET)

    # Its own variables, those of every process above it up to its session's first one, and of the sandbox's first one.
    _, told = run(
        place,
        "env; echo ==; p=$$; while [ $p -gt 1 ]; do cat /proc/$p/environ; p=$(awk '{print $4}' /proc/$p/stat);"
        ' [ "$(ps -o sid= -p $p)" = "$(ps -o sid= -p $$)" ] || break; done 2>/dev/null',
        sandbox=sandbox,
    )
    own, _, above = told.partition("==\n")

    assert "SYFT_IS_IN_JOB=true" in own
    assert "SYFT_IS_IN_JOB=true" in above
    assert SECRET not in told
    names = {line.partition("=")[0] for line in own.splitlines()} - {"_", "SHLVL", "PWD", "OLDPWD"}
    allowed = {"PATH", "LANG", "TZ", "HOME", "TMPDIR", "SYFT_IS_IN_JOB"}
    assert {name for name in names if not name.startswith("LC_")} <= allowed


@needs_bubblewrap
def test_10_no_network_not_even_this_machines_own(place: Path, listener: int):
    _, told = run(
        place,
        "tail -n +3 /proc/net/dev | cut -d: -f1 | tr -d ' ';"
        " (exec 3<>/dev/tcp/127.0.0.1/$0) 2>/dev/null || echo unreachable;"
        " (exec 3<>/dev/udp/192.0.2.1/53) 2>/dev/null || echo unreachable",
        str(listener),
    )

    assert told == "lo\nunreachable\nunreachable\n"


@needs_bubblewrap
def test_10_nothing_of_anybody_is_to_be_seen(place: Path, work_dir: Path, tmp_path: Path):
    neighbour = work_dir / "neighbour"
    neighbour.mkdir(mode=0o777)
    neighbour.chmod(0o777)
    (neighbour / "secret").write_text(SECRET)
    (neighbour / "secret").chmod(0o666)

    _, told = run(
        place,
        'for d in /root /home /srv /mnt /media /opt /boot /run /sys "$@"; do [ -e "$d" ] && echo "seen: $d"; done;'
        " ls -A / | tr '\\n' ' '; echo; ls /etc; grep -rl 4711 /tmp /var /etc 2>/dev/null; exit 0",
        "x", str(neighbour), str(place), str(work_dir), str(tmp_path), str(Path.home()),
    )  # fmt: skip

    assert "seen:" not in told
    assert set(told.splitlines()[0].split()) <= {
        "bin", "dev", "etc", "job", "lib", "lib32", "lib64", "libx32", "proc", "sbin", "tmp", "usr", "var",
    }  # fmt: skip
    assert "shadow" not in told
    assert "ssh" not in told.split()


@needs_bubblewrap
def test_10_only_its_own_processes_are_to_be_seen(place: Path):
    """Nor can it end others: one of the very user that it runs as lives on."""
    user = 65534 if os.geteuid() == 0 else None
    with subprocess.Popen(["sleep", "1000"], user=user, group=user, extra_groups=[] if user else None) as neighbour:
        try:
            _, told = run(place, f"for p in /proc/[0-9]*; do cat $p/comm; done; kill -9 {neighbour.pid}; kill -9 -1")

            assert set(told.split()) <= {"sh", "bash", "cat"}
            assert neighbour.poll() is None
        finally:
            neighbour.kill()


@needs_bubblewrap
@pytest.mark.parametrize(
    "attack",
    [
        "mount -o remount,rw,bind /usr",
        "mount -o remount,rw /",
        "mount --bind /job /usr/share",
        "umount -l /usr",
        "umount -l /job",
        "unshare --user --map-root-user mount -o remount,rw,bind /usr",
        "unshare --user --map-root-user --mount mount --bind /job /usr",
        "unshare --user --pid --fork true",
        "mknod /job/disk b 254 0",
        "chroot /job /bin/true",
        "nsenter --target 1 --mount true && touch /usr/x",
        "touch /usr/x",
        "echo core >/proc/sys/kernel/core_pattern",
        "echo b >/proc/sysrq-trigger",
        "setpriv --reuid=0 true",
        "echo x >/proc/1/mem",
    ],
)
def test_10_there_is_no_way_back_to_the_machine(place: Path, attack: str):
    probe = Path("/usr/x")

    _, told = run(place, f"({attack}) >/dev/null 2>&1 && echo done; touch /usr/x 2>/dev/null && echo OUT; id -u")

    assert told == f"{os.geteuid() or 65534}\n"
    assert not probe.exists()


@needs_bubblewrap
def test_10_no_rights_are_left(place: Path):
    _, told = run(place, "grep -E '^(Cap|NoNewPrivs|Groups)' /proc/self/status")

    rights = dict(line.split(":", 1) for line in told.splitlines())
    assert {rights[name].strip() for name in rights if name.startswith("Cap")} == {"0" * 16}
    assert rights["NoNewPrivs"].strip() == "1"
    if os.geteuid() == 0:
        assert set(rights["Groups"].split()) <= {"65534"}


@needs_bubblewrap
def test_10_a_setuid_program_that_a_job_writes_gives_nothing(place: Path):
    _, told = run(place, "cp /usr/bin/id outputs/id; chmod 6755 outputs/id; outputs/id -u")

    assert told == f"{os.geteuid() or 65534}\n"


@needs_bubblewrap
def test_12_a_link_to_somewhere_else_leads_nowhere(place: Path, work_dir: Path):
    (work_dir / "marker").write_text("unharmed")
    (work_dir / "marker").chmod(0o666)
    os.symlink(work_dir / "marker", place / "job" / "outputs" / "link")
    before = (work_dir / "marker").stat()

    run(place, "echo changed >outputs/link; ln -s ../../.. outputs/up; echo x >outputs/up/x; exit 0")

    assert (work_dir / "marker").read_text() == "unharmed"
    after = (work_dir / "marker").stat()
    assert (after.st_uid, after.st_mode) == (before.st_uid, before.st_mode)  # preparing followed no link either


@needs_bubblewrap
def test_12_claim_verdict_and_logs_are_out_of_reach(place: Path):
    exit_record, told = run(
        place,
        "find / -xdev \\( -name verdict -o -name begun -o -name out \\) -not -path '/usr/*' 2>/dev/null;"
        " echo '{}' >../verdict; echo forged >/job/../begun; exit 7",
    )

    assert exit_record.returncode == 7
    assert told == ""
    assert "forged" not in (place / "begun").read_text()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives a workspace away")
def test_12_what_is_given_to_the_job_is_the_workspace_and_nothing_else(place: Path):
    sandbox = best_available()
    if not isinstance(sandbox, Bubblewrap):
        pytest.skip(str(unavailable_reason()))
    outside = place / "outside"
    outside.write_text("x")
    os.symlink(outside, place / "job" / "link")
    os.mkfifo(place / "job" / "pipe")

    sandbox.prepare(Workspace(place / "job"))

    assert {path.lstat().st_uid for path in (place / "job").rglob("*")} == {65534}
    assert outside.stat().st_uid == 0
    assert place.stat().st_uid == 0


@needs_bubblewrap
def test_10_a_job_reaches_no_terminal_and_no_input(place: Path):
    _, told = run(
        place, "[ -t 0 ] || echo no; cat; (: </dev/tty) 2>/dev/null || echo none; ls -l /proc/self/fd | grep -c socket"
    )

    assert told == "no\nnone\n0\n"


@pytest.mark.parametrize(
    "sandbox", [bare, pytest.param(best_available(), marks=needs_bubblewrap)], ids=lambda s: s.name
)
def test_11_a_job_that_prints_for_ever_is_ended_and_its_log_is_bounded(place: Path, sandbox: Sandbox):
    workspace = Workspace(place / "job")
    sandbox.prepare(workspace)
    command = Command(
        argv=("/usr/bin/yes", "\x1b[2J" * 10),
        env={},
        stdout=place / "out",
        stderr=place / "err",
        limits=ResourceLimits(wall_seconds=1, grace_seconds=0.5, log_bytes=64 * 1024),
        claim=place / "begun",
        exit_record=place / "verdict",
    )

    ShellJob(detach=False).submit(sandbox(command, workspace))

    exit_record = read_exit_record(place / "verdict")
    assert exit_record is not None
    assert (exit_record.timed_out, exit_record.log_cut) == (True, True)
    assert (place / "out").stat().st_size < 65 * 1024


@needs_bubblewrap
def test_10_a_job_that_swaps_its_own_folder_writes_nowhere_else(place: Path, work_dir: Path):
    (work_dir / "victim").mkdir(mode=0o777)

    exit_record, _ = run(
        place, 'rm -rf outputs; ln -s "$0" outputs; echo x >outputs/x; exit 0', str(work_dir / "victim")
    )

    assert exit_record.succeeded
    assert list((work_dir / "victim").iterdir()) == []
    assert stat.S_ISLNK((place / "job" / "outputs").lstat().st_mode)  # what is released later follows no link
