"""What the command line displays of logs and code: threats 37 and 38."""

from __future__ import annotations

import os
import subprocess
import threading
import time

ADA, OMAR = "ada@example.org", "omar@example.org"


def test_38_what_a_log_conceals_is_written_out_and_reported(people):
    code = "print('\\x1b[8mpassword\\x1b[0m \\x1b[38;5;16mdark\\x1b[0m'); print('10%\\r20%\\r30%')\n"
    people.done("First", code)
    terminal = people.on_terminal(OMAR, "logs", "First").out
    piped = people.ok(OMAR, "logs", "First")
    assert piped.out == "<U+001B>[8mpassword dark\n30%\n"
    for text in (terminal, piped.err):
        assert "[syft-job] concealed text or removed colours: 2 places; overwritten by carriage returns" in text
        assert "--raw" in text
    assert "\x1b[8m" not in terminal
    assert "\x1b[38" not in terminal
    raw = people.ok(OMAR, "logs", "First", "--raw")
    assert raw.out.endswith("10%<U+000D>20%<U+000D>30%\n")
    assert raw.out.startswith("<U+001B>[8mpassword<U+001B>[0m")
    assert raw.err == ""
    told = people.ok(OMAR, "logs", "First", "--json").json
    assert (told["text"], told["concealed"], told["overwritten"]) == (piped.out, 2, 2)


def test_38_following_shows_an_unfinished_line(people):
    wait = "import time\nfor n in range(3):\n    print(f'{n}%', end='\\r', flush=True)\n    time.sleep(1)\n"
    people.submit(code=wait + "print('half', end='', flush=True)\ntime.sleep(600)\n")
    people.ok(OMAR, "approve", "First", "--yes")
    runner = threading.Thread(target=lambda: people.cold(OMAR, "run", "--drain"))
    runner.start()
    while people.ok(OMAR, "show", "First", "--json").json["job"]["state"] != "running":
        time.sleep(0.1)
    command = [people.command, "logs", "First", "--follow"]
    follower = subprocess.Popen(command, env=people._env(OMAR), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert follower.stdout is not None
    seen = b""
    while not seen.endswith(b"half"):  # the job prints no line end, and does not end
        seen += os.read(follower.stdout.fileno(), 4096)
    people.ok(OMAR, "cancel", "First")
    runner.join(60)
    rest, _ = follower.communicate(timeout=60)
    assert b"\r" not in seen + rest
    assert (seen + rest).split(b"\n")[-1] == b"half", "it is printed once"


def test_37_the_submitter_is_warned_and_json_has_the_findings(people):
    source = people.base / "main.py"
    source.write_text("# coding: utf-7\nprint('a\u200bb')\n", "utf-8")
    submitted = people.ok(ADA, "submit", OMAR, str(source), "--name", "First")
    assert "⚠ code/main.py:1: it declares the encoding utf-7" in submitted.out
    as_json = people.ok(ADA, "submit", OMAR, str(source), "--name", "Second", "--json").json
    review = people.ok(OMAR, "review", "First", "--json").json["review"]
    assert as_json["findings"] == review["findings"]
    assert [(one["code"], one["severity"], one["line"]) for one in review["findings"]] == [
        ("encoding", "danger", 1),
        ("invisible", "warning", 2),
    ]
    shown = people.ok(OMAR, "review", "First").out
    assert "IN THE CODE  1 danger, 1 warning\n‼ code/main.py:1: " in shown
