"""run, cancel, rerun, clean, show, logs, history, verify: each done right and done wrong."""

from __future__ import annotations

import json
import signal
import sys
import threading

import pytest

from syft_job.home.home import Home

ADA, OMAR, EVE = "ada@example.org", "omar@example.org", "eve@example.org"


def test_the_way_of_a_job(people):
    people.done("First", "print('counted')\nopen('outputs/n.txt', 'w').write('42')\n", "--share-outputs")
    assert people.ok(OMAR, "logs", "First").out == "counted\n"
    refused = people(ADA, "logs", "First")
    assert refused.code == 1
    assert "did not share" in refused.err
    people.ok(ADA, "outputs", "First", "--copy", "mine")
    assert (people.base / "mine" / "n.txt").read_text() == "42"
    people.ok(OMAR, "share", "First", ADA, "--logs")
    assert people.ok(ADA, "logs", "First").out == "counted\n"
    assert people.ok(ADA, "verify", "First", "--json").json["ok"] is True
    told = people.ok(ADA, "show", "First", "--json").json["job"]
    assert (told["status"], told["state"], told["returncode"]) == ("done", "succeeded", 0)


def test_each_move_is_one_line_and_the_sandbox_is_said(people):
    people.submit()
    people.ok(OMAR, "approve", "First", "--yes")
    out = people.ok(OMAR, "run", "--once").out
    assert "sandbox" in out
    assert len([line for line in out.splitlines() if "'First'" in line]) == 2


def test_a_run_for_programs_gives_one_document_a_line(people):
    people.submit()
    people.ok(OMAR, "approve", "First", "--yes")
    lines = [json.loads(line) for line in people.ok(OMAR, "run", "--drain", "--json").out.splitlines()]
    assert lines[0]["serving"] == OMAR
    assert lines[0]["sandbox"]
    assert len([line for line in lines if "to" in line]) == 2


def test_a_program_hears_of_troubles_too(people):
    people.submit(name="First")
    people.submit("Needy", dep="numpy")
    for name in ("First", "Needy"):
        people.ok(OMAR, "approve", name, "--yes")
    lines = [json.loads(line) for line in people.ok(OMAR, "run", "--once", "--json").out.splitlines()]
    assert any("needs numpy" in line.get("says", "") for line in lines), lines


@pytest.mark.conformance(86)
def test_ctrl_c_ends_the_runner_with_0(people):
    people.ok(OMAR, "init")
    for sent in (signal.SIGINT, signal.SIGTERM):
        ran = people.until_interrupted(OMAR, "run", shows="Ctrl-C", with_signal=sent)
        assert ran.code == 0, ran
        assert "Traceback" not in ran.err


@pytest.mark.conformance(86)
def test_a_folder_that_is_not_there_is_a_message_and_exit_1(people):
    for option in ("--root", "--syftbox-folder"):
        ran = people.cold(None, "--as", OMAR, option, str(people.base / "nowhere"), "run")
        assert ran.code == 1
        assert "nowhere" in ran.err
        assert "Traceback" not in ran.err
    ran = people(None, "run")
    assert ran.code == 1
    assert all(way in ran.err for way in ("--root", "SYFTBOX_FOLDER", "profiles.default"))
    (people.base / "file").write_text("")
    assert people(None, "--as", OMAR, "--root", "file", "list").code == 1


def test_a_second_runner_is_refused(people):
    people.ok(OMAR, "init")
    home = Home.of(people.root, OMAR)
    with home.runner_locked():
        refused = people(OMAR, "run", "--once")
    assert refused.code == 1
    assert "runner" in refused.err.lower()


def test_errors_of_the_job_are_in_its_error_log(people):
    people.done("First", "import sys\nprint('out')\nsys.exit('no such column')\n")
    assert people.ok(OMAR, "logs", "First", "--err").out == "no such column\n"
    told = people.ok(OMAR, "show", "First", "--json").json["job"]
    assert (told["state"], told["returncode"]) == ("failed", 1)


def test_colours_of_a_job_are_shown_on_a_terminal_and_nothing_else(people):
    people.done("First", "print('\\x1b[31mred\\x1b[0m \\x1b[2Jcleared \\x1b]0;title\\x07')\n")
    shown = people.on_terminal(OMAR, "logs", "First").out
    assert "\x1b[31mred" in shown
    piped = people.ok(OMAR, "logs", "First").out
    for out in (shown, piped):
        assert "\x1b[2J" not in out
        assert "\x1b]0" not in out
    assert "\x1b" not in piped


def test_logs_of_what_has_not_run_are_refused(people):
    people.submit()
    ran = people(OMAR, "logs", "First")
    assert (ran.code, ran.out) == (1, "")
    assert "not completed yet" in ran.err


def test_the_owner_follows_a_job_while_it_runs(people):
    people.submit(code="import time\nfor n in range(8):\n    print('tick', n, flush=True)\n    time.sleep(0.2)\n")
    people.ok(OMAR, "approve", "First", "--yes")
    ran = []
    follower = threading.Thread(target=lambda: ran.append(people.cold(OMAR, "logs", "First", "--follow")))
    follower.start()
    people.ok(OMAR, "run", "--drain")
    follower.join(60)
    assert ran[0].code == 0, ran
    assert ran[0].out == "".join(f"tick {number}\n" for number in range(8))


def test_following_ends_when_the_job_is_over_without_logs(people):
    people.submit()
    people.ok(OMAR, "reject", "First", "--reason", "no")
    assert people(OMAR, "logs", "First", "--follow").code == 1


def test_rerun_gives_a_second_attempt(people):
    people.done()
    people.ok(OMAR, "rerun", "First")
    people.ok(OMAR, "run", "--drain")
    told = people.ok(OMAR, "show", "First", "--json").json["job"]
    assert (told["attempt"], told["state"]) == (2, "succeeded")


def test_rerun_of_what_never_ran_is_refused_and_says_what_to_do(people):
    people.submit()
    ran = people(OMAR, "rerun", "First")
    assert ran.code == 1
    assert "approve" in ran.err


def test_cancel_stops_what_is_approved_and_is_calm_about_what_is_over(people):
    people.submit()
    people.ok(OMAR, "approve", "First", "--yes")
    people.ok(OMAR, "cancel", "First", "--reason", "later")
    assert people.ok(OMAR, "show", "First", "--json").json["job"]["status"] == "cancelled"
    again = people.ok(OMAR, "cancel", "First")
    assert "already" in again.out


def test_clean_says_first_and_does_then(people):
    location = people.done()
    people.submit("Second")
    dry = people.ok(OMAR, "clean", "First", "--dry-run", "--json").json
    assert [job["name"] for job in dry["would_clean"]] == ["First"]
    assert location.exists()
    for words in (("clean", "First", "Nothing"), ("clean", "Second"), ("clean", "--dry-run", "Second")):
        assert people(OMAR, *words).code in {1, 3}
    assert location.exists()
    assert people(ADA, "clean", "First").code == 1
    people.ok(OMAR, "clean", "First")
    assert not location.exists()


def test_verify_fails_where_something_was_changed(people):
    location = people.done("First", "open('outputs/n.txt', 'w').write('42')\n", "--share-outputs")
    people.ok(ADA, "verify", "First")
    (location / "outputs" / "n.txt").write_text("43")
    ran = people(ADA, "verify", "First")
    assert ran.code == 1
    assert "n.txt is not what was released" in ran.out
    assert people(ADA, "verify", "First", "--json").json["fails"]


def test_show_says_what_one_may_do_and_why_it_waits(people):
    people.submit(dep="numpy")
    assert "approve, reject, deposit" in people.ok(OMAR, "show", "First").out
    assert people.ok(ADA, "show", "First", "--json").json["job"]["may"] == ["withdraw"]
    people.ok(OMAR, "approve", "First", "--yes")
    people.ok(OMAR, "run", "--once")
    assert "numpy" in people.ok(OMAR, "show", "First", "--json").json["job"]["aside"]


def test_the_global_options_may_stand_anywhere(people):
    people.submit()
    for words in (
        ("--root", str(people.root), "--as", OMAR, "--json", "list"),
        ("list", "--json", "--root", str(people.root), "--as", OMAR),
        ("list", f"--syftbox-folder={people.root}", f"--as={OMAR}", "--json"),
    ):
        assert len(people.ok(None, *words).json["jobs"]) == 1


def test_a_reader_who_leaves_early_hears_no_complaint(people):
    people.submit()
    ran = people.cold(OMAR, argv=("sh", "-c", f"{people.command} review First | true; {people.command} list | head -0"))
    assert "Traceback" not in ran.err
    assert "Exception" not in ran.err


def test_what_takes_long_says_what_it_does_on_a_terminal_only(people):
    code = "import time; from syft_job.cli import console; console.BUSY_AFTER_S = 0.01\n"
    code += "with console.busy('Copying'): time.sleep(1)"
    argv = (sys.executable, "-c", code)
    assert "Copying" in people.on_terminal(OMAR, argv=argv).out
    assert people.cold(OMAR, argv=argv).err == ""
