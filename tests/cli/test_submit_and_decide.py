"""submit, withdraw, outputs, list, review, approve, reject, deposit, share: each done right and done wrong."""

from __future__ import annotations

import os
from pathlib import Path

ADA, OMAR, EVE = "ada@example.org", "omar@example.org", "eve@example.org"


def test_submitted_python_lies_in_the_owners_datasite(people):
    location = people.submit(time="1m", memory="512M", cpus="2", dep="numpy>=2", dataset="heights")
    assert (location / "code" / "code.py").read_text() == "print('hello')\n"
    told = people.ok(OMAR, "review", "First", "--json").json["review"]
    assert told["resources"] == {"cpu_count": 2, "memory": 512 << 20, "time_limit": 60}
    assert (told["dependencies"], told["datasets"]) == (["numpy>=2"], ["heights"])


def test_a_shell_script_becomes_a_bash_job(people):
    script = people.base / "count.sh"
    script.write_text("wc -l data.csv\n")
    ran = people.ok(ADA, "submit", OMAR, str(script), "--json").json
    assert ran["job"]["status"] == "inbox"
    assert (Path(ran["job"]["location"]) / "run.sh").read_text() == "wc -l data.csv\n"
    assert people(ADA, "submit", OMAR, str(script), "--dep", "numpy").code == 2


def test_what_cannot_be_submitted_is_one_line_and_exit_1(people):
    (people.base / "notes.txt").write_text("x")
    people.submit()
    for words, said in (
        (("nobody@example.org", "code.py"), "no datasite"),
        (("no-address", "code.py"), "no-address"),
        ((OMAR, "missing.py"), "missing.py"),
        ((OMAR, "notes.txt"), ".py"),
        ((OMAR, "code.py", "--name", "First"), "First"),
        ((OMAR, "code.py", "--name", "a/b"), "a/b"),
    ):
        ran = people(ADA, "submit", *words)
        assert (ran.code, ran.out) == (1, ""), words
        assert said in ran.err, words
        assert len(ran.err.splitlines()) == 1, words


def test_misuse_is_exit_2(people):
    people.submit()
    for words in (
        (),
        ("fly",),
        ("submit", OMAR),
        ("submit", OMAR, "code.py", "--cpus", "0"),
        ("submit", OMAR, "code.py", "--time", "soon"),
        ("submit", OMAR, "code.py", "--memory", "much"),
        ("reject", "First"),
        ("list", "--status", "flying"),
        ("approve", "First", "--share-with", EVE),
        ("approve", "First", "--digest", "xyz"),
        ("run", "--poll", "0"),
        ("show",),
        ("clean",),
        ("list", "--root"),
    ):
        ran = people(OMAR, *words)
        assert ran.code == 2, (words, ran)
        assert "Traceback" not in ran.err


def test_an_unknown_job_is_exit_3_for_every_verb(people):
    people.submit()
    for words in (
        ("show", "Nothing"),
        ("review", "Nothing"),
        ("approve", "Nothing"),
        ("reject", "Nothing", "--reason", "x"),
        ("deposit", "Nothing", "code.py"),
        ("share", "Nothing", ADA),
        ("withdraw", "Nothing"),
        ("cancel", "Nothing"),
        ("rerun", "Nothing"),
        ("clean", "Nothing"),
        ("logs", "Nothing"),
        ("outputs", "Nothing"),
        ("history", "Nothing"),
        ("verify", "ada@example.org/../x"),
        ("show", "ffffffff"),
    ):
        ran = people(OMAR, *words, "--json")
        assert ran.code == 3, (words, ran)
        assert ran.json["error"]["kind"] == "JobNotFoundError"
        assert ran.err.startswith("syft-job: ")


def test_a_job_is_found_by_name_places_and_id(people):
    people.submit("First")
    people.submit("Second")
    first = next(job for job in people.ok(OMAR, "list", "--json").json["jobs"] if job["name"] == "First")
    for wanted in ("First", f"{ADA}/First", f"{OMAR}/{ADA}/First", first["id"], first["id"][:8]):
        assert people.ok(OMAR, "show", wanted, "--json").json["job"]["id"] == first["id"], wanted


def test_an_ambiguous_name_is_exit_1_and_names_the_candidates(people):
    people.submit("Same")
    people.ok(EVE, "submit", OMAR, "code.py", "--name", "Same")
    ran = people(OMAR, "show", "Same")
    assert ran.code == 1
    assert f"{OMAR}/{ADA}/Same" in ran.err
    assert f"{OMAR}/{EVE}/Same" in ran.err
    assert people(OMAR, "show", f"{EVE}/Same").code == 0


def test_a_name_that_looks_like_anothers_id_is_ambiguous(people):
    people.submit("First")
    first = people.ok(OMAR, "list", "--json").json["jobs"][0]["id"]
    people.ok(EVE, "submit", OMAR, "code.py", "--name", first[:6])
    ran = people(OMAR, "approve", first[:6], "--yes")
    assert ran.code == 1
    assert "Name one of them" in ran.err


def test_a_list_to_a_pipe_is_columns_for_programs(people):
    people.submit("First one")
    people.submit("Second")
    lines = [line.split("\t") for line in people.ok(OMAR, "list").out.splitlines()]
    assert [line[1:5] + line[6:] for line in lines] == [
        ["inbox", "submitted", OMAR, ADA, "Second"],
        ["inbox", "submitted", OMAR, ADA, "First one"],
    ]
    assert people.ok(OMAR, "list", "--status", "done").out == ""
    assert people.ok(OMAR, "--json", "list", "--status", "inbox").json["notes"] == []


def test_a_long_list_on_a_terminal_shows_the_newest_50(people):
    from syft_job import get_client

    client = get_client(people.root, ADA)
    for number in range(53):
        client.submit_bash_job(OMAR, "true\n", f"job {number:03}")
    ran = people.on_terminal(OMAR, "list")
    assert ran.code == 0
    assert "job 052" in ran.out
    assert "job 003" in ran.out
    assert "job 002" not in ran.out
    assert "53 jobs" in ran.out
    assert "list --all" in ran.out
    assert "job 000" in people.on_terminal(OMAR, "list", "--all").out
    assert len(people.ok(OMAR, "list").out.splitlines()) == 53


def test_an_empty_list(people):
    assert people.ok(OMAR, "list").out == ""
    assert "No jobs" in people.on_terminal(OMAR, "list").out
    assert people.ok(OMAR, "list", "--json").json == {"jobs": [], "notes": []}


def test_a_review_shows_every_line_and_approval_follows_it(people):
    people.submit(code="".join(f"line_{number} = {number}\n" for number in range(300)))
    shown = people.ok(OMAR, "review", "First").out
    assert all(f"line_{number} = {number}" in shown for number in range(300))
    assert "sandbox" in shown
    ran = people.ok(OMAR, "approve", "First")
    assert "sandbox" in ran.out
    assert people.ok(OMAR, "show", "First", "--json").json["job"]["status"] == "approved"


def test_what_changed_since_the_review_is_not_approved(people):
    location = people.submit()
    people.ok(OMAR, "review", "First")
    config = (location / "config.yaml").read_bytes()
    people.submit("Other", code="print('other')\n")
    other = people.job("Other")
    for name in ("code/code.py", "config.yaml"):
        (location / name).write_bytes((other / name).read_bytes())
    for words in ((), ("--yes",)):
        ran = people(OMAR, "approve", "First", *words)
        assert ran.code == 1
        assert "changed since you looked" in ran.err
    assert not (location / "approved").exists()
    (location / "config.yaml").write_bytes(config)
    (location / "code" / "code.py").write_text("print('hello')\n")
    people.ok(OMAR, "approve", "First")


def test_what_was_never_reviewed_is_shown_and_needs_a_word(people):
    location = people.submit()
    ran = people(OMAR, "approve", "First")
    assert ran.code == 1
    assert "print('hello')" in ran.out
    assert "--yes" in ran.err
    assert not (location / "approved").exists()


def test_without_a_review_yes_is_enough_and_still_shows_it(people):
    people.submit()
    assert "print('hello')" in people.ok(OMAR, "approve", "First", "--yes").out


def test_a_digest_that_was_reviewed_elsewhere_can_be_approved(people):
    people.submit()
    digest = people.ok(OMAR, "review", "First", "--json").json["review"]["digest"]
    wrong = ("0" if digest[0] != "0" else "1") + digest[1:]
    ran = people(OMAR, "approve", "First", "--digest", wrong)
    assert ran.code == 1
    assert "not" in ran.err
    assert people.ok(OMAR, "approve", "First", "--digest", digest, "--json").json["job"]["status"] == "approved"


def test_json_approval_of_the_unseen_needs_a_word(people):
    people.submit()
    ran = people(OMAR, "approve", "First", "--json")
    assert (ran.code, ran.json["error"]["kind"]) == (1, "NotAllowed")
    assert people(OMAR, "approve", "First", "--json", "--yes").code == 1  # JSON shows no review that could be answered
    told = people.ok(OMAR, "approve", "First", "--json", "--unreviewed").json
    assert told["sandbox"]


def test_a_terminal_is_asked(people):
    location = people.submit()
    ran = people.on_terminal(OMAR, "approve", "First", typed="n\n")
    assert ran.code == 1
    assert "print('hello')" in ran.out
    assert not (location / "approved").exists()


def test_a_terminal_that_says_yes_approves(people):
    location = people.submit()
    ran = people.on_terminal(OMAR, "approve", "First", typed="y\n")
    assert ran.code == 0, ran
    assert (location / "approved").exists()


def test_only_the_owner_decides_and_only_once(people):
    people.submit()
    for words in (
        ("approve", "First", "--yes"),
        ("reject", "First", "--reason", "no"),
        ("deposit", "First", "code.py"),
    ):
        ran = people(ADA, *words)
        assert ran.code == 1, words
        assert "Only the owner" in ran.err
    people.ok(OMAR, "approve", "First", "--yes")
    ran = people(OMAR, "approve", "First", "--yes")
    assert ran.code == 1
    assert "approved, not in the inbox" in ran.err


def test_a_no_tells_its_reason(people):
    people.submit()
    people.ok(OMAR, "reject", "First", "--reason", "too wide")
    assert people.ok(ADA, "show", "First", "--json").json["job"]["status"] == "rejected"
    assert "too wide" in people.ok(ADA, "history", "First").out


def test_a_job_is_withdrawn_by_its_submitter_only(people):
    people.submit()
    assert people(OMAR, "withdraw", "First").code == 1
    people.ok(ADA, "withdraw", "First", "--reason", "a mistake")
    assert people.ok(OMAR, "show", "First", "--json").json["job"]["status"] == "cancelled"


def test_a_deposited_result_is_shared_and_copied(people):
    people.submit()
    (people.base / "answer").mkdir()
    (people.base / "answer" / "table.csv").write_text("a,b\n")
    assert people(OMAR, "deposit", "First", "nothing-here").code == 1
    people.ok(OMAR, "deposit", "First", "answer")
    assert people.ok(ADA, "outputs", "First", "--json").json["outputs"] == []
    people.ok(OMAR, "share", "First", ADA)
    target = people.base / "mine"
    people.ok(ADA, "outputs", "First", "--copy", str(target))
    assert (target / "answer" / "table.csv").read_text() == "a,b\n"
    again = people(ADA, "outputs", "First", "--copy", str(target))
    assert again.code == 1
    assert "already" in again.err


def test_outputs_are_not_copied_into_the_shared_folder(people):
    people.submit()
    people.ok(OMAR, "deposit", "First", "code.py")
    ran = people(OMAR, "outputs", "First", "--copy", str(people.root / OMAR / "copy"))
    assert ran.code == 1
    assert not (people.root / OMAR / "copy").exists()


def test_nothing_is_shared_before_it_is_done(people):
    people.submit()
    ran = people(OMAR, "share", "First", ADA)
    assert ran.code == 1
    assert people(ADA, "outputs", "First", "--copy", str(people.base / "mine")).code == 1


def test_hostile_names_and_code_cannot_move_the_cursor(people):
    code = "print(1)  # \x1b[2J\x1b]0;owned\x07 \u202e gnp\n"
    people.submit(code=code)
    for name in ("bad\x1b[2Jname", "bad\nname", "right\u202eleft"):
        (people.root / OMAR / "app_data" / "job" / ADA / name).mkdir()
    for ran in (
        people.ok(OMAR, "list"),
        people.ok(OMAR, "list", "--json"),
        people.on_terminal(OMAR, "list"),
        people.ok(OMAR, "review", "First"),
        people.on_terminal(OMAR, "review", "First"),
        people.ok(OMAR, "show", "First"),
        people(OMAR, "show", "bad\x1b[2Jname"),
    ):
        assert "\x1b[2J" not in ran.out + ran.err
        assert "\x1b]0" not in ran.out + ran.err
        assert "\u202e" not in ran.out + ran.err
        assert "Traceback" not in ran.out + ran.err
    assert len(people.ok(OMAR, "list").out.splitlines()) == 4
    assert len(people.ok(OMAR, "list", "--json").json["jobs"]) == 4


def test_a_name_that_is_no_text_breaks_no_listing(people):
    people.submit()
    os.mkdir(os.fsencode(people.root / OMAR / "app_data" / "job" / ADA) + b"/not\xffutf8")
    assert "<U+DCFF>" in people.ok(OMAR, "list").out
    assert len(people.ok(OMAR, "list", "--json").json["jobs"]) == 2
