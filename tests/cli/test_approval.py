"""Threats 31, 34, 35 and 36 at the command line: what completes a review, and what an approval needs."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import select
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

ADA, OMAR, EVE = "ada@example.org", "omar@example.org", "eve@example.org"


def status(people, name: str = "First") -> str:
    return str(people.ok(OMAR, "show", name, "--json").json["job"]["status"])


def digest_of(people, name: str = "First") -> str:
    return str(people.ok(OMAR, "show", name, "--json").json["job"]["digest"])


def is_reviewed(people, name: str = "First") -> bool:
    """Whether a script may approve it: the strictest question, which is asked of a copy of the truth."""
    digest = digest_of(people, name)
    ran = people(OMAR, "approve", name, "--digest", digest)
    if ran.code == 0:
        people.ok(OMAR, "reject", name, "--reason", "only a question")
    else:
        assert "no complete review" in ran.err or "changed since you looked" in ran.err, ran
    return bool(ran.code == 0)


def mark(people, name: str = "First") -> dict[str, Any]:
    return dict(json.loads((people.job(name) / "approved").read_bytes()))


def replace(people, name: str = "First") -> None:
    """Put another submission under the name, as its submitter can."""
    people.submit("Other", code="print('other')\n")
    for part in ("code/code.py", "config.yaml"):
        (people.job(name) / part).write_bytes((people.job("Other") / part).read_bytes())


# Threat 34: short digests


@pytest.mark.parametrize("digits", [1, 8, 16, 63, 65])
def test_threat_34_only_a_whole_digest_is_one(people, digits: int):
    people.submit()
    people.ok(OMAR, "review", "First")
    digest = (digest_of(people) + "0")[:digits]
    ran = people(OMAR, "approve", "First", "--digest", digest, "--unreviewed")
    assert ran.code == 2
    assert "64 hex digits" in " ".join(ran.err.split())
    assert status(people) == "inbox"


def test_threat_34_the_digest_must_be_the_reviewed_one(people):
    people.submit()
    before = digest_of(people)
    people.ok(OMAR, "review", "First")
    replace(people)
    for digest in (before, digest_of(people)):
        for more in ((), ("--yes",), ("--unreviewed",)):
            ran = people(OMAR, "approve", "First", "--digest", digest, *more)
            assert ran.code == 1, (digest, more)
    assert status(people) == "inbox"
    people.ok(OMAR, "review", "First")
    people.ok(OMAR, "approve", "First", "--digest", digest_of(people))
    assert mark(people)["reviewed"] is True


def test_threat_34_a_digest_without_a_review_needs_a_word(people):
    people.submit()
    digest = digest_of(people)
    for more in ((), ("--yes",), ("--json",)):
        assert people(OMAR, "approve", "First", "--digest", digest, *more).code == 1
        assert status(people) == "inbox"
    people.ok(OMAR, "approve", "First", "--digest", digest, "--unreviewed")
    assert mark(people)["reviewed"] is False


def test_threat_34_one_digest_is_of_one_job(people):
    people.submit("First")
    people.submit("Second")
    assert people(OMAR, "approve", "First", "Second", "--digest", digest_of(people)).code == 2


def test_threat_34_the_whole_digest_is_printed(people):
    people.submit()
    digest = digest_of(people)
    assert digest in people.ok(OMAR, "approve", "First", "--yes").out.partition("approved successfully")[2]


# Threat 35: a decoy at the review


def test_threat_35_a_review_of_other_files_ends_with_1_and_counts_for_nothing(people):
    location = people.submit()
    listed = (location / "code" / "code.py").read_bytes()
    (location / "code" / "code.py").write_bytes(listed.replace(b"hello", b"HELLO"))
    ran = people(OMAR, "review", "First")
    assert ran.code == 1
    assert ran.out.count("not reviewable") == 2
    assert "not reviewable" in ran.err
    told = people(OMAR, "review", "First", "--json")
    assert told.code == 1
    assert (told.json["review"]["reviewable"], told.json["review"]["as_listed"]) == (False, False)
    for more in ((), ("--yes",), ("--unreviewed",), ("--json", "--unreviewed")):
        assert people(OMAR, "approve", "First", *more).code == 1, more
    (location / "code" / "code.py").write_bytes(listed)
    ran = people(OMAR, "approve", "First", "--unreviewed")
    assert ran.code == 1
    assert "not reviewable when it was last shown" in ran.err
    people.ok(OMAR, "review", "First")
    people.ok(OMAR, "approve", "First")


# Threat 36: an approval that skips the review


def test_threat_36_every_answer_but_yes_completes_nothing(people):
    people.submit()
    for typed in ("n\n", "\n", "later\n", "\x04", "n\n"):
        ran = people.on_terminal(OMAR, "approve", "First", typed=typed)
        assert ran.code != 0, (typed, ran)
        assert "print('hello')" in ran.out, "it is shown and asked again each time"
        assert "[y/N]" in ran.out
        assert "Traceback" not in ran.out
        assert status(people) == "inbox"
    assert not is_reviewed(people)
    assert people.on_terminal(OMAR, "approve", "First", typed="y\n").code == 0
    assert mark(people)["reviewed"] is True


def test_threat_36_ctrl_c_at_the_question_completes_nothing(people):
    people.submit()
    main, other = pty.openpty()
    process = subprocess.Popen(
        [people.command, "approve", "First"], env=people._env(OMAR), stdin=other, stdout=other, stderr=other
    )
    os.close(other)
    shown = b""
    while b"[y/N]" not in shown:
        assert select.select([main], [], [], 60)[0], shown
        shown += os.read(main, 65536)
    for _ in range(100):  # the interpreter sees one that comes between the question and its read with the next one only
        process.send_signal(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(0.6)
            break
    assert process.returncode not in (0, None)
    os.close(main)
    assert status(people) == "inbox"
    assert not is_reviewed(people)


def test_threat_36_an_earlier_review_of_the_same_digest_stays(people):
    people.submit(code="x = 1\n" * 40_000)
    people.ok(OMAR, "review", "First")
    assert cut_off(people, "review", "First") != 0
    people.ok(OMAR, "approve", "First")


def cut_off(people, *words: str) -> int:
    """Call it with a reader that leaves after the first line; returns the exit code."""
    process = subprocess.Popen(
        [people.command, *words],
        env=people._env(OMAR),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd=people.base,
    )
    assert process.stdout is not None
    os.read(process.stdout.fileno(), 64)
    process.stdout.close()
    return process.wait(60)


@pytest.mark.parametrize("lines", [1, 40_000])
@pytest.mark.parametrize("words", [("review", "First"), ("review", "First", "--json"), ("approve", "First", "--yes")])
def test_threat_36_a_review_that_is_cut_off_is_none(people, lines: int, words: tuple[str, ...]):
    people.submit(code="x = 1\n" * lines)
    assert cut_off(people, *words) != 0
    assert status(people) == "inbox"
    assert not is_reviewed(people)


@pytest.mark.parametrize("into", ["/dev/full", "closed"])
def test_threat_36_a_review_that_cannot_be_written_is_none(people, into: str):
    people.submit()
    redirected = ">&-" if into == "closed" else f"> {into}"
    for words in ("review First", "approve First --yes"):
        ran = people.cold(OMAR, "-c", f"{people.command} {words} {redirected}", argv=("/bin/sh",))
        assert ran.code != 0, (words, ran)
    assert status(people) == "inbox"
    assert not is_reviewed(people)


def test_threat_36_a_review_that_is_interrupted_is_none(people):
    people.submit(code="x = 1\n" * 40_000)
    process = subprocess.Popen(
        [people.command, "review", "First"], env=people._env(OMAR), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    assert process.stdout is not None
    read = os.read(process.stdout.fileno(), 64)
    time.sleep(0.2)  # it waits for room in the pipe
    process.send_signal(signal.SIGINT)
    rest = process.communicate(timeout=60)[0]
    assert process.returncode != 0
    assert b"exactly this" not in read + rest
    assert not is_reviewed(people)


def test_threat_36_a_pipe_that_is_read_to_its_end_completes_a_review(people):
    people.submit(code="x = 1\n" * 40_000)
    assert people.cold(OMAR, "review", "First").out.count("x = 1") == 40_000
    assert is_reviewed(people)


def test_threat_36_a_json_review_completes_one_too(people):
    people.submit()
    people.ok(OMAR, "review", "First", "--json")
    assert is_reviewed(people)


def test_threat_36_several_jobs_need_a_review_each(people):
    for name in ("First", "Second", "Third"):
        people.submit(name, code=f"print('{name}')\n")
    people.ok(OMAR, "review", "First")
    people.ok(OMAR, "review", "Second")
    for more in ((), ("--yes",)):
        ran = people(OMAR, "approve", "First", "Third", *more)
        assert ran.code == 1
        assert "Third" in ran.err
        assert "'ada@example.org/First'" not in ran.err
        assert (status(people, "First"), status(people, "Third")) == ("inbox", "inbox")
    people.ok(OMAR, "approve", "First", "Second")
    assert [mark(people, name)["reviewed"] for name in ("First", "Second")] == [True, True]
    people.ok(OMAR, "approve", "Third", "--unreviewed")
    assert mark(people, "Third")["reviewed"] is False


def test_threat_36_one_job_by_two_names_is_one(people):
    people.submit()
    people.ok(OMAR, "approve", "First", f"{ADA}/First", "--yes")
    assert mark(people)["reviewed"] is True


def test_threat_36_of_several_jobs_one_that_is_refused_is_named(people):
    for name in ("First", "Second"):
        people.submit(name, code=f"print('{name}')\n")
        people.ok(OMAR, "review", name)
    (people.job("First") / "code" / "code.py").write_text("print('FIRST')\n")
    ran = people(OMAR, "approve", "First", "Second", "--json")
    assert ran.code == 1
    assert list(ran.json["refused"]) == [f"{ADA}/First"]
    assert [row["status"] for row in ran.json["jobs"]] == ["inbox", "approved"]


def test_threat_36_require_review_refuses_unreviewed(people):
    people.submit()
    config = people.base / "config.toml"
    config.write_text(
        f'[profiles.default]\nemail="{OMAR}"\nsyftbox_folder="{people.root}"\nrequire_review=true\n', "utf-8"
    )
    env = {"SYFT_JOB_CONFIG": str(config)}
    ran = people(OMAR, "approve", "First", "--unreviewed", env=env)
    assert ran.code == 1
    assert "not reviewed" in ran.err
    people.ok(OMAR, "review", "First", env=env)
    people.ok(OMAR, "approve", "First", "--unreviewed", env=env)
    assert mark(people)["reviewed"] is True


def test_threat_36_the_submitters_own_review_is_none(people):
    people.submit()
    people.ok(ADA, "review", "First")
    assert not is_reviewed(people)


# Threat 31: containment


def test_threat_31_bare_is_said_in_so_many_words(people):
    people.submit()
    people.ok(OMAR, "review", "First")
    ran = people.ok(OMAR, "approve", "First", "--allow-bare")
    assert "without a sandbox" in ran.out
    assert mark(people)["allow"] == {"sandbox": "bare", "network": True}


def test_threat_31_a_blocked_job_says_why_and_what_to_do(people, tmp_path: Path):
    from syft_job.execution.sandboxes import unavailable_reason

    if unavailable_reason() is not None:
        pytest.skip("this host has no bubblewrap")
    people.submit(code=f"open('{tmp_path}/canary', 'w')\n")
    people.ok(OMAR, "approve", "First", "--yes")
    config = people.base / "config.toml"
    config.write_text(f'[profiles.default]\nemail="{OMAR}"\nsyftbox_folder="{people.root}"\nsandbox="bare"\n', "utf-8")
    people(OMAR, "run", "--once", env={"SYFT_JOB_CONFIG": str(config)})
    (finding,) = people.ok(OMAR, "show", "First", "--json").json["job"]["findings"]
    assert "bubblewrap without network" in finding
    assert "--allow-bare" in finding
    assert status(people) == "approved"
    assert not (tmp_path / "canary").exists()
    people.ok(OMAR, "run", "--drain")
    assert status(people) == "done"
