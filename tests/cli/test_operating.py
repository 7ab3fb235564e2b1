"""What an operator does: pause and resume, run with options, print a unit, clean by age and size, keys, doctor."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from syft_job.errors import ConfigError
from syft_job.format.signing import Key, fingerprint
from syft_job.home.home import Home
from syft_job.views import templates
from tests.serving import until

ADA, OMAR, EVE = "ada@example.org", "omar@example.org", "eve@example.org"
WAITS = "import pathlib, time\nwhile not pathlib.Path({gate!r}).exists():\n    time.sleep(0.05)\n"


def state(people, name: str = "First") -> str:
    return str(people.ok(OMAR, "show", name, "--json").json["job"]["state"])


@contextmanager
def running(people, *words: str) -> Iterator[subprocess.Popen[str]]:
    """A runner in a process of its own, with whatever sandbox; it is gone at the end."""
    with subprocess.Popen(
        [people.command, "run", "--poll", "0.2", *words],
        env=people._env(OMAR),
        cwd=people.base,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def read_until(process: subprocess.Popen[str], words: str) -> str:
    """What it printed up to the line with ``words``."""
    assert process.stdout is not None
    seen = ""
    for line in process.stdout:
        seen += line
        if words in line:
            return seen
    raise AssertionError(seen)


@pytest.fixture
def bare(people) -> None:
    """No sandbox, so that a job can see the test's files."""
    Path(os.environ["SYFT_JOB_CONFIG"]).write_text(
        f"[profiles.default]\nemail='{OMAR}'\nsyftbox_folder='{people.root}'\nsandbox='bare'\n"
    )


@pytest.mark.usefixtures("bare")
def test_without_a_sandbox_review_approval_start_and_doctor_say_so_in_red(people):
    """Under bare a job could touch the ledger, the keys and other jobs, so it is said beforehand (threats 10, 12)."""
    people.submit()
    for words in (("review", "First"), ("approve", "First", "--yes"), ("run", "--drain"), ("doctor",)):
        shown = people.on_terminal(OMAR, *words).out
        assert "NO SANDBOX" in shown, words
        before = shown.partition("NO SANDBOX")[0]
        assert max(before.rfind("\x1b[1;31m"), before.rfind("\x1b[31m")) > before.rfind("\x1b[0m"), words
        for gap in ("network", "ledger"):
            assert gap in shown, words


# pause, resume


def test_a_paused_job_stays_approved_until_it_is_resumed(people):
    people.submit()
    people.ok(OMAR, "approve", "First", "--yes")
    for who in ((), (ADA,)):
        people.ok(OMAR, "pause", *who)
        assert "⏸ paused" in people.ok(OMAR, "run", "--drain").out
        assert state(people) == "queued"
        people.ok(OMAR, "resume", *who)
    people.ok(OMAR, "run", "--drain")
    assert state(people) == "succeeded"


def test_only_the_paused_submitter_waits(people):
    people.submit()
    source = people.base / "code.py"
    people.ok(EVE, "submit", OMAR, str(source), "--name", "Hers")
    for name in ("First", "Hers"):
        people.ok(OMAR, "approve", name, "--yes")
    assert people.ok(OMAR, "pause", ADA, "--json").json == {"paused": [ADA]}
    people.ok(OMAR, "run", "--drain")
    assert (state(people), state(people, "Hers")) == ("queued", "succeeded")


def test_who_is_paused_is_said_wherever_one_looks(people):
    people.ok(OMAR, "init")
    people.ok(OMAR, "pause", ADA)
    assert ADA in people.ok(OMAR, "list").err
    assert ADA in people.ok(OMAR, "list", "--json").json["notes"][0]
    assert ADA in people.ok(OMAR, "run", "--once").out
    checks = {check["name"]: check for check in people(OMAR, "doctor", "--json").json["checks"]}
    assert checks["paused"]["ok"] is None
    assert ADA in checks["paused"]["told"]
    people.ok(OMAR, "resume", ADA)
    assert people.ok(OMAR, "list").err == ""


def test_resuming_one_while_all_are_paused_is_refused(people):
    people.ok(OMAR, "pause")
    ran = people(OMAR, "resume", ADA)
    assert ran.code == 1
    assert "All submitters are paused" in ran.err
    assert "syft-job resume" in ran.err
    assert people(OMAR, "pause", "no address").code == 1


def test_resuming_wakes_a_runner(people):
    people.submit()
    people.ok(OMAR, "approve", "First", "--yes")
    people.ok(OMAR, "pause")
    with running(people, "--poll", "3600") as process:
        assert "⏸ paused" in read_until(process, "Ctrl-C")
        until(lambda: Home.of(people.root, OMAR).runner_pid() == process.pid)
        people.ok(OMAR, "resume")
        until(lambda: state(people) == "succeeded")


# run


def test_jobs_go_on_without_the_runner_and_end_with_it_if_asked(people, bare, tmp_path):
    gate = tmp_path / "gate"
    people.submit(code=WAITS.format(gate=str(gate)))
    people.ok(OMAR, "approve", "First", "--yes")
    try:
        for options, sent in (((), signal.SIGTERM), (("--stop-jobs",), signal.SIGTERM)):
            with running(people, *options) as process:
                read_until(process, "Ctrl-C")
                until(lambda: state(people) == "running")
                process.send_signal(sent)
                assert process.wait(60) == 0
            if not options:
                assert state(people) == "running"
    finally:
        gate.touch()
    assert state(people) == "cancelled"
    home = Home.of(people.root, OMAR)
    home.ledger.refresh()
    assert home.ledger.unfinished() == []
    cancelled = json.loads((people.job("First") / "cancelled").read_text())
    assert "runner was stopped" in cancelled["reason"]
    assert list(home.workspaces.iterdir()) == []


def test_what_was_ended_with_the_runner_keeps_its_results_and_can_run_again(people, bare, tmp_path):
    gate = tmp_path / "gate"
    people.submit(code="print('so far', flush=True)\n" + WAITS.format(gate=str(gate)))
    people.ok(OMAR, "approve", "First", "--yes")
    with running(people, "--stop-jobs") as process:
        until(lambda: state(people) == "running")
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
    gate.touch()
    held = next((Home.of(people.root, OMAR).path / "held").iterdir())
    assert (held / "logs" / "returncode.txt").exists()
    people.ok(OMAR, "rerun", "First")
    people.ok(OMAR, "run", "--drain")
    assert state(people) == "succeeded"


def test_no_more_run_at_once_than_asked(people, bare, tmp_path):
    code = (
        "import os, time\n"
        f"os.mkdir({str(tmp_path / 'busy')!r})\n"  # fails if another one is at it
        f"time.sleep(0.3)\nos.rmdir({str(tmp_path / 'busy')!r})\n"
    )
    for name in ("First", "Second", "Third"):
        people.submit(name, code)
        people.ok(OMAR, "approve", name, "--yes")
    people.ok(OMAR, "run", "--drain", "--jobs", "1")
    assert {state(people, name) for name in ("First", "Second", "Third")} == {"succeeded"}
    assert people(OMAR, "run", "--once", "--jobs", "0").code == 2


def script(people, text: str) -> str:
    program = people.base / "note it"
    program.write_text(f"#!/bin/sh\n{text}")
    program.chmod(0o755)
    return shlex.quote(str(program))


def test_another_program_is_told_the_id_and_one_word(people):
    told = people.base / "told"
    program = script(people, f'printf "%s|" "$@" >>{told}; echo >>{told}; env >{people.base}/env\n')
    location = people.submit("a; touch hacked")
    people.ok(OMAR, "approve", "a; touch hacked", "--yes", "--share-outputs")
    job = people.ok(OMAR, "show", "a; touch hacked", "--json").json["job"]["id"]
    people.ok(OMAR, "run", "--drain", "--notify", f"{program} 'two words'", env={"SECRET": "do not tell"})
    lines = sorted(told.read_text().splitlines())
    assert lines == sorted(f"two words|{job}|{word}|" for word in ("running", "succeeded", "released"))
    assert "SECRET" not in (people.base / "env").read_text()
    assert location.exists()


def test_a_program_that_fails_or_is_missing_holds_nothing_up_and_is_told_once(people):
    for name in ("First", "Second"):
        people.submit(name)
        people.ok(OMAR, "approve", name, "--yes")
    ran = people.ok(OMAR, "run", "--drain", "--notify", script(people, "exit 3\n"))
    assert ran.err.count("ended with 3") == 1
    assert (state(people), state(people, "Second")) == ("succeeded", "succeeded")
    for wrong in ("/nowhere/program", "", "'open"):
        ran = people(OMAR, "run", "--once", "--notify", wrong)
        assert ran.code == 1, wrong
        assert "Traceback" not in ran.err


def test_programs_are_told_of_a_release_in_the_lines_too(people):
    people.submit()
    people.ok(OMAR, "approve", "First", "--yes", "--share-outputs")
    lines = [json.loads(line) for line in people.ok(OMAR, "run", "--drain", "--json").out.splitlines()]
    moves = [line for line in lines if "to" in line]
    assert [(move["from"], move["to"], move["reason"] == "released") for move in moves][1:] == [
        ("running", "succeeded", False),
        ("succeeded", "succeeded", True),
    ]


# A unit for systemd


def unit(people, *options: str) -> str:
    return str(people.ok(OMAR, "run", "--print-unit", *options).out)


def test_the_unit_runs_this_runner_for_this_folder_and_person(people):
    text = unit(people, "--jobs", "3", "--poll", "60", "--notify", "/bin/echo 50% $HOME")
    start = next(line for line in text.splitlines() if line.startswith("ExecStart="))
    words = [word.replace("%%", "%").replace("$$", "$") for word in shlex.split(start.removeprefix("ExecStart="))]
    assert words[0] == sys.executable
    after = words[words.index("syft_job") + 1 :]
    assert after[:5] == ["--root", str(people.root), "--as", OMAR, "run"]
    assert after[5:-1] == ["--poll", "60", "--jobs", "3", "--notify"]
    assert shlex.split(after[-1]) == ["/bin/echo", "50%", "$HOME"]
    assert "KillMode=process" in text
    assert f'Environment="SYFT_JOB_HOME={os.environ["SYFT_JOB_HOME"]}"' in text
    assert "TimeoutStopSec" not in text
    assert "TimeoutStopSec" in unit(people, "--stop-jobs")


def test_what_the_unit_says_works(people):
    start = next(line for line in unit(people).splitlines() if line.startswith("ExecStart="))
    ran = people.cold(None, "--once", argv=shlex.split(start.removeprefix("ExecStart=")))
    assert ran.code == 0, ran
    assert OMAR in ran.out


def test_a_unit_is_for_a_runner_that_goes_on(people):
    for option in ("--once", "--drain", "--json"):
        assert people(OMAR, "run", "--print-unit", option).code == 2


def test_no_name_can_add_a_line_to_a_unit():
    assert templates.unit_word('a "b" \\ 5% $HOME') == '"a \\"b\\" \\\\ 5%% $HOME"'
    assert templates.unit_argument("$HOME") == '"$$HOME"'
    for text in ("a\nExecStartPre=x", "a\rb", "a\x00b", "a\u2028b"):
        with pytest.raises(ConfigError):
            templates.unit_word(text)


def test_systemd_understands_the_unit(people):
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd is not installed here")
    path = people.base / "syft-job.service"
    path.write_text(unit(people, "--stop-jobs", "--notify", "/bin/echo 'a b' 50% \"$x\" \\"[:-2]))
    ran = subprocess.run(
        ["systemd-analyze", "--user", "verify", "--man=no", str(path)],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"XDG_RUNTIME_DIR": str(people.base)},
    )
    ours = [line for line in ran.stderr.splitlines() if path.name in line]
    assert (ran.returncode, ours) == (0, []), ran


# clean


def home_of(people) -> Home:
    home = Home.of(people.root, OMAR)
    home.ledger.refresh()
    return home


def test_clean_needs_to_be_told_what(people):
    for words in (
        (),
        ("--what", "results"),
        ("--what", "jobs"),
        ("--what", "ledger"),
        ("--older-than", "soon"),
        ("--keep-size", "much"),
    ):
        assert people(OMAR, "clean", *words).code == 2, words


def test_results_go_by_age_and_only_at_home(people):
    people.done("First", "open('outputs/n.txt', 'w').write('42')\n", "--share-outputs")
    location = people.done("Second", "open('outputs/n.txt', 'w').write('43')\n")
    assert people.ok(OMAR, "clean", "--what", "results", "--older-than", "1h", "--json").json["removed"] == []
    dry = people.ok(OMAR, "clean", "--what", "results", "--older-than", "0", "--dry-run", "--json").json
    assert (len(dry["would_remove"]), dry["removed"]) == (2, [])
    assert len(list((home_of(people).path / "held").iterdir())) == 2
    done = people.ok(OMAR, "clean", "--what", "results", "--older-than", "0", "--json").json
    assert done["freed"] == dry["would_free"] > 0
    assert list((home_of(people).path / "held").iterdir()) == []
    assert location.exists()
    # What was given stays, is not unsaid by the runner, and is still genuine.
    people.ok(OMAR, "run", "--drain")
    people.ok(ADA, "outputs", "First", "--copy", "mine")
    assert (people.base / "mine" / "n.txt").read_text() == "42"
    people.ok(ADA, "verify", "First")
    assert "removed" in people.ok(OMAR, "history", "Second").out
    refused = people(OMAR, "share", "Second", ADA)
    assert refused.code == 1
    assert "rerun" in refused.err
    assert not (location / "shared").exists()


def test_a_shared_result_that_is_gone_at_home_is_not_overwritten_by_nothing(people):
    location = people.done("First", "open('outputs/n.txt', 'w').write('42')\n", "--share-outputs")
    people.ok(OMAR, "clean", "First", "--what", "results")
    (location / "shared").unlink()
    people.ok(OMAR, "run", "--once")
    assert (location / "outputs" / "n.txt").read_text() == "42"


def test_a_deposit_stays_in_the_folder_when_it_goes_at_home(people):
    location = people.submit()
    (people.base / "answer.txt").write_text("42")
    people.ok(OMAR, "deposit", "First", "answer.txt")
    done = people.ok(OMAR, "clean", "First", "--what", "results", "--json").json
    assert len(done["removed"]) == 1
    (location / "done").unlink()
    people.ok(OMAR, "run", "--once")
    assert (location / "done").exists()
    assert (location / "outputs" / "answer.txt").read_text() == "42"


def test_by_size_the_oldest_go_first_and_jobs_go_whole(people):
    for name in ("First", "Second"):
        people.done(name, f"open('outputs/n.txt', 'w').write('{name}' * 1000)\n")
    people.submit("Third")
    done = people.ok(OMAR, "clean", "--what", "jobs", "--keep-size", "0", "--json").json
    assert {one["name"] for one in done["removed"]} == {f"{ADA}/First", f"{ADA}/Second"}
    assert [(one["name"], one["why"]) for one in done["needed"]] == [(f"{ADA}/Third", "it is inbox")]
    assert not people.job("First").exists()
    assert people.job("Third").exists()
    assert list((home_of(people).path / "held").iterdir()) == []


def test_what_runs_or_is_owed_stays(people, bare, tmp_path):
    gate = tmp_path / "gate"
    people.submit(code=WAITS.format(gate=str(gate)))
    people.ok(OMAR, "approve", "First", "--yes")
    with running(people) as process:
        until(lambda: state(people) == "running")
        process.kill()
    kinds = [word for kind in ("results", "workspaces", "history", "jobs") for word in ("--what", kind)]
    done = people.ok(OMAR, "clean", *kinds, "--older-than", "0", "--keep-size", "0", "--json").json
    assert done["removed"] == []
    people.ok(OMAR, "cancel", "First")  # over for the folder; its processes may still be dying
    gate.touch()
    done = people.ok(OMAR, "clean", *kinds, "--older-than", "0", "--json").json
    assert all(one["what"] == "history" for one in done["removed"])
    people.ok(OMAR, "run", "--drain")
    assert state(people) == "cancelled"


def test_leftovers_go_and_claims_and_ledger_stay(people):
    location = people.done()
    people.done("Second")
    home = home_of(people)
    job = people.ok(OMAR, "show", "First", "--json").json["job"]["id"]
    (home.workspaces / f"{job}.1" / "job").mkdir(parents=True)
    (home.workspaces / f"{job}.1" / "job" / "left").write_text("x" * 5000)
    claims = sorted((home.paths.claims).iterdir())
    seen = len(list((home.paths.review_notes).iterdir()))
    shutil.rmtree(location)  # gone from the folder, by whatever hand
    before = (home.path / "ledger.jsonl").read_bytes()
    ran = people.ok(OMAR, "clean", "--what", "workspaces", "--what", "history")
    assert "4.9 KiB" in ran.out
    assert list(home.workspaces.iterdir()) == []
    assert len(list((home.paths.review_notes).iterdir())) == seen - 1
    assert sorted((home.paths.claims).iterdir()) == claims
    assert (home.path / "ledger.jsonl").read_bytes() == before


def test_nothing_is_forgotten_while_the_folder_is_away(people):
    people.done()
    home = home_of(people)
    jobs = people.root / OMAR / "app_data"
    jobs.rename(people.base / "away")
    done = people.ok(OMAR, "clean", "--what", "history", "--json").json
    assert done["removed"] == []
    assert "away" in done["needed"][0]["why"]
    assert list((home.paths.review_notes).iterdir())


# keys


def test_a_public_key_is_exported(people):
    made = people.ok(OMAR, "init", "--json").json
    told = people.ok(OMAR, "keys", "export", "--json").json
    assert (told["key"], told["fingerprint"]) == (made["key"], fingerprint(made["key"]))
    assert people.ok(OMAR, "keys", "export").out.split() == [OMAR, made["key"], *made["fingerprint"].split()]
    people.ok(OMAR, "keys", "export", "--to", "key.txt")
    assert made["key"] in (people.base / "key.txt").read_text()
    ran = people(EVE, "keys", "export")
    assert ran.code == 1
    assert "init" in ran.err


def test_a_private_key_goes_into_a_closed_file_outside_the_shared_folder(people):
    made = people.ok(OMAR, "init", "--json").json
    told = people.ok(OMAR, "keys", "export", "--private", "--to", "backup", "--json").json
    saved = people.base / "backup"
    assert saved.stat().st_mode & 0o777 == 0o600
    assert Key.from_bytes(saved.read_bytes()).public == made["key"]
    assert told["private"] is None
    (people.base / "link").symlink_to(people.root)
    for target in ("backup", str(people.root / "backup"), "link/backup"):
        before = sorted(people.root.rglob("*"))
        ran = people(OMAR, "keys", "export", "--private", "--to", target)
        assert ran.code == 1, target
        assert sorted(people.root.rglob("*")) == before
    secret = saved.read_text().strip()
    shown = people.on_terminal(OMAR, "keys", "export", "--private")
    assert shown.code == 1
    assert secret not in shown.out
    assert secret in people.on_terminal(OMAR, "keys", "export", "--private", "--yes").out
    assert people.ok(OMAR, "keys", "export", "--private").out.strip() == secret


def test_keys_are_listed_and_changed(people):
    first = people.ok(OMAR, "init", "--json").json
    assert people.ok(OMAR, "keys").out.splitlines() == [OMAR, f"present  {first['fingerprint']}  {first['key']}"]
    people.submit()
    rotated = people.ok(OMAR, "keys", "rotate", "--json").json
    assert rotated == people.ok(OMAR, "keys", "list", "--json").json
    assert rotated["key"] != first["key"]
    [earlier] = rotated["earlier"]
    assert (earlier["key"], earlier["compromised"], earlier["held"]) == (first["key"], False, True)
    exported = people.ok(OMAR, "keys", "export", "--json").json
    assert exported["fingerprint"] == rotated["fingerprint"]
    told = people.ok(OMAR, "keys", "export", "--private", "--to", "backup").out
    assert rotated["fingerprint"] in told
    assert "keys" in told.splitlines()[1]
    shown = people.ok(OMAR, "keys", "rotate", "--compromised").out
    assert shown.count(", compromised") == 2
    assert f"was {rotated['fingerprint']} and is" in shown
    assert "gave up the key" in people.ok(ADA, "show", "First").out
    assert people(ADA, "verify", "First").code == 1
    assert checks_of(people)["key"]["ok"] is True


def test_options_of_another_word_about_keys_are_misuse(people):
    people.ok(OMAR, "init")
    for words in (("rotate", "--private"), ("list", "--to", "x"), ("export", "--compromised"), ("--compromised",)):
        assert people(OMAR, "keys", *words).code == 2, words
    assert people(OMAR, "keys", "away").code == 2
    for word in ("list", "rotate", "export"):
        ran = people(EVE, "keys", word)
        assert ran.code == 1
        assert "init" in ran.err


def test_doctor_says_which_home_is_too_old_and_init_mends_what_was_brought_back(people):
    home = Path(people.ok(OMAR, "init", "--json").json["home"])
    published = people.root / OMAR / "public" / "syft_job" / "key.json"
    earlier = published.read_bytes()
    shutil.copytree(home, people.base / "backup")
    people.ok(OMAR, "keys", "rotate")
    newer = published.read_bytes()
    published.write_bytes(earlier)
    found = checks_of(people)["key"]
    assert (found["ok"], "earlier key" in found["told"]) == (False, True)
    people.cold(OMAR, "init")
    assert published.read_bytes() == newer
    (home / "keys").chmod(0o755)
    assert "chmod 700" in checks_of(people)["key"]["advice"]
    (home / "keys").chmod(0o700)
    (home / "key").rename(people.base / "key")
    assert "not in this home" in people.cold(OMAR, "doctor").out
    (people.base / "key").rename(home / "key")
    shutil.rmtree(home)
    shutil.copytree(people.base / "backup", home)
    people.cold(OMAR, "doctor", "--adopt-home")
    found = {check["name"]: check for check in json.loads(people.cold(OMAR, "doctor", "--json").out)["checks"]}["key"]
    assert found["ok"] is False
    assert "Restore the newer one" in found["told"]
    ran = people.cold(OMAR, "run", "--once")
    assert ran.code == 1
    assert "Restore the newer one" in ran.err


# doctor


def checks_of(people) -> dict[str, dict[str, Any]]:
    return {check["name"]: check for check in people(OMAR, "doctor", "--json").json["checks"]}


def test_doctor_reports_approved_jobs_that_nobody_runs(people):
    people.ok(OMAR, "init")
    assert checks_of(people)["runner"]["ok"] is None
    people.submit()
    people.ok(OMAR, "approve", "First", "--yes")
    ran = people(OMAR, "doctor", "--json")
    found = {check["name"]: check for check in ran.json["checks"]}["runner"]
    assert (ran.code, ran.json["ok"], found["ok"]) == (1, False, False)
    assert "1 approved" in found["told"]
    with Home.of(people.root, OMAR).runner_locked():
        assert checks_of(people)["runner"] == {"name": "runner", "ok": True, "told": f"process {os.getpid()}"} | {
            "advice": None
        }
    people.ok(OMAR, "pause", ADA)
    assert checks_of(people)["runner"]["ok"] is None


def test_a_number_that_a_dead_runner_left_is_no_runner(people):
    people.submit()
    people.ok(OMAR, "approve", "First", "--yes")
    (Home.of(people.root, OMAR).path / "runner.pid").write_text(f"{os.getpid()}\n")
    assert checks_of(people)["runner"]["ok"] is False
