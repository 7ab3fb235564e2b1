"""init, doctor, demo, and the default client of a process."""

from __future__ import annotations

import filecmp
import os
import shutil
import sys
from pathlib import Path

import pytest

from syft_job import session
from syft_job.errors import ConfigError, PathMissing

ADA, OMAR = "ada@example.org", "omar@example.org"
REPOSITORY = Path(__file__).parents[2]


def test_init_makes_datasite_key_and_rules_and_doing_it_twice_changes_nothing(people):
    shutil.rmtree(people.root / OMAR)
    first = people.ok(OMAR, "init", "--for", ADA, "--json").json
    assert (people.root / OMAR / "app_data" / "job" / ADA).is_dir()
    assert (people.root / OMAR / "app_data" / "job" / "syft.pub.yaml").is_file()
    assert (people.root / OMAR / "public" / "syft_job" / "key.json").is_file()
    assert (Path(first["home"]) / "key").stat().st_mode & 0o777 == 0o600
    assert people.ok(OMAR, "init", "--for", ADA, "--json").json == first


def test_a_saved_profile_is_used_and_not_overwritten(people):
    people.ok(OMAR, "init", "--save")
    assert people.ok(None, "list", "--json").json == {"jobs": [], "notes": []}
    people.ok(OMAR, "init", "--save")
    ran = people(ADA, "init", "--save")
    assert ran.code == 1
    assert "already" in ran.err
    people.ok(ADA, "init", "--save", "--profile", "as ada")
    people.submit()
    assert people.ok(None, "--profile", "as ada", "show", "First", "--json").json["job"]["submitter"] == ADA
    ran = people(None, "--profile", "nobody", "list")
    assert ran.code == 1
    assert "nobody" in ran.err


def test_an_owners_settings_hold_however_the_folder_is_named(people):
    config = Path(os.environ["SYFT_JOB_CONFIG"])
    config.write_text(f"[profiles.default]\nemail='{OMAR}'\nsyftbox_folder='{people.root}'\nsandbox='bare'\n")
    assert session.settings(people.root, OMAR).sandbox == "bare"
    assert session.settings(people.root, ADA).sandbox == "auto"
    assert session.settings().email == OMAR


def test_a_broken_configuration_is_told_with_its_key(people):
    Path(os.environ["SYFT_JOB_CONFIG"]).write_text("[profiles.default]\nemail='x'\nsyftbox_folder='/'\nspeed=1\n")
    ran = people(OMAR, "list")
    assert ran.code == 1
    assert "speed" in ran.err


def test_the_default_client_is_the_last_one_or_the_environments(people, monkeypatch):
    session.forget()
    with pytest.raises(ConfigError, match=r"shared folder and your e-mail address are not configured.*get_client\("):
        session.default_client()
    monkeypatch.setenv("SYFTBOX_FOLDER", str(people.root))
    with pytest.raises(ConfigError, match="Your e-mail address is not configured"):
        session.default_client()
    monkeypatch.setenv("SYFTBOX_EMAIL", OMAR)
    client = session.default_client()
    assert client.email == OMAR
    session.remember(client)
    monkeypatch.setenv("SYFTBOX_FOLDER", str(people.base / "nowhere"))
    assert session.default_client() is client
    session.forget()
    with pytest.raises(PathMissing):
        session.default_client()


def test_doctor_finds_a_folder_in_order(people):
    people.ok(OMAR, "init")
    told = people(OMAR, "doctor", "--json").json
    found = {check["name"]: check for check in told["checks"]}
    for name in ("folder", "clock", "datasite", "home", "key", "interpreter", "disk space", "jobs"):
        assert found[name]["ok"] is True, found[name]
    wrong = [name for name, check in found.items() if check["ok"] is False]
    assert set(wrong) <= {"sandbox"}  # where this host has none
    assert told["ok"] is (not wrong)
    assert "sandbox" in people.on_terminal(OMAR, "doctor").out


def test_doctor_leaves_nothing_behind(people):
    people.ok(OMAR, "init")
    before = sorted(people.root.rglob("*"))
    people(OMAR, "doctor")
    assert sorted(people.root.rglob("*")) == before


def test_doctor_says_what_is_wrong(people):
    home = Path(people.ok(OMAR, "init", "--json").json["home"])
    (home / "key").chmod(0o644)
    (people.root / OMAR / "app_data" / "job" / "syft.pub.yaml").write_text("rules: []\n")
    ran = people(OMAR, "doctor", "--json")
    found = {check["name"]: check for check in ran.json["checks"]}
    assert ran.code == 1
    assert found["key"]["ok"] is False
    assert "chmod 600" in found["key"]["advice"]
    assert found["datasite"]["ok"] is None


def test_doctor_tells_a_copied_home_and_adopts_it(people):
    home = Path(people.ok(OMAR, "init", "--json").json["home"])
    shutil.copytree(home, home.with_name("copy"))
    shutil.rmtree(home)
    home.with_name("copy").rename(home)
    ran = people(OMAR, "doctor")
    assert ran.code == 1
    assert "--adopt-home" in ran.out
    assert people(OMAR, "run", "--once").code == 1
    people(OMAR, "doctor", "--adopt-home")
    people.ok(OMAR, "run", "--once")


def test_doctor_without_anything_yet(people):
    told = people(OMAR, "doctor", "--json").json
    assert {check["name"]: check["ok"] for check in told["checks"]}["home"] is None
    assert people(OMAR, "doctor", "--adopt-home").code == 1


def test_the_demo_tells_the_whole_story(people):
    ran = people.cold(None, "demo", argv=(sys.executable, "-m", "syft_job"))
    assert ran.code == 0, ran
    for words in (
        "$ syft-job submit omar@example.org analysis",
        "by chance alone",
        "Everything holds.",
        "The demo is complete",
        "sandbox",
    ):
        assert words in ran.out, words
    assert "Traceback" not in ran.out + ran.err


@pytest.mark.skipif(os.geteuid() != 0, reason="only root drops to another user to run a job")
def test_the_demo_runs_where_the_temporary_folder_is_closed_to_others(people, tmp_path):
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    ran = people.cold(None, "demo", argv=(sys.executable, "-m", "syft_job"), TMPDIR=str(closed))
    assert ran.code == 0, ran
    assert not list(closed.iterdir())


def test_the_demo_for_programs_and_to_keep(people):
    told = people.ok(None, "demo", "--keep", "--json").json
    folder = Path(told["folder"])
    try:
        assert told["ok"]
        assert (folder / "results" / "report.txt").is_file()
        assert [step["exit"] for step in told["steps"] if "exit" in step] == [0] * 12
    finally:
        shutil.rmtree(folder)


def test_the_examples_hold_the_same_analysis():
    shipped, shown = REPOSITORY / "syft_job" / "cli" / "demo_files" / "analysis", REPOSITORY / "examples" / "analysis"
    assert filecmp.cmp(shipped / "measurements.csv", shown / "measurements.csv", shallow=False)
    assert (shipped / "main.py").read_text().replace("  # noqa: INP001", "") == (shown / "main.py").read_text()


def test_the_example_script_runs(people):
    ran = people.cold(None, argv=(sys.executable, str(REPOSITORY / "examples" / "two_people.py")))
    assert ran.code == 0, ran
    assert "Everything holds." in ran.out


def test_help_names_every_verb_and_the_exit_codes(people):
    out = people.ok(None, "--help").out
    for verb in (
        "init submit withdraw list show review approve reject deposit share run cancel rerun logs outputs"
        " history verify clean doctor demo"
    ).split():
        assert f" {verb} " in out
        assert people.ok(None, verb, "--help").out
    assert "3 not found" in out


def test_a_terminal_that_knows_few_letters_is_enough(people):
    people.submit("Größe")
    ran = people.cold(OMAR, "list", LC_ALL="C", PYTHONIOENCODING="ascii")
    assert ran.code == 0
    assert "Gr<U+00F6>" in ran.out


def test_a_listing_loads_nothing_that_it_does_not_need(people):
    people.submit()
    code = (
        "import sys\nfrom syft_job.cli import main\ntry:\n    main(['list'])\nexcept SystemExit:\n    pass\n"
        "print(*sorted(set(sys.modules) & {'rich', 'jinja2', 'watchdog', 'psutil', 'wcmatch', 'click'}))"
    )
    ran = people.cold(OMAR, argv=(sys.executable, "-c", code))
    assert ran.out.splitlines()[-1] == "", ran
