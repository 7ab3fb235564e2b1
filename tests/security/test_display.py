"""Threats 37, 38 and 23: what is displayed is what there is.

Code, names and logs that other people wrote are displayed with everything invisible written out; what a reader could
misread is a finding with file and line; a log hides nothing without a report.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from syft_job.errors import SyftJobError
from syft_job.format.source_checks import FindingCode, Severity, check_file
from syft_job.testing import TwoPeople

INVISIBLE = {
    "variation selectors": "\U000e0100\ufe01",
    "Hangul fillers": "\u3164\u115f\uffa0",
    "unassigned": "\U000e0fff\u0378",
    "private use": "\ue000",
    "tags": "\U000e0041",
    "odd spaces": "\u00a0\u2003\u3000",
    "zero width": "\u200b\u2060\u034f",
    "bidi": "\u202e\u2066",
    "blank symbol": "\u2800",
}


@pytest.fixture
def people(tmp_path: Path) -> Iterator[TwoPeople]:
    with TwoPeople(tmp_path) as both:
        yield both


def reviewed(people: TwoPeople, files: dict[str, str | bytes]) -> str:
    people.submit_code(files, name="N")
    return str(people.owner_job("N").review())


def found_in(people: TwoPeople, files: dict[str, str | bytes]) -> dict[FindingCode, list[str]]:
    """By code, the locations of the findings in a review of a job made of ``files``."""
    people.submit_code(files, name="N")
    found: dict[FindingCode, list[str]] = {}
    for finding in people.owner_job("N").review().found.findings:
        found.setdefault(finding.code, []).append(str(finding.location))
    return found


# Threat 37: invisible code


@pytest.mark.parametrize("hidden", INVISIBLE.values(), ids=INVISIBLE)
def test_37_a_review_writes_out_what_is_invisible_and_names_the_line(people: TwoPeople, hidden: str):
    shown = reviewed(people, {"main.py": f"print(1)\ncode = '{hidden}'\n"})
    for character in hidden:
        assert character not in shown
        assert f"<U+{ord(character):04X}>" in shown
    assert "code/main.py:2: " in shown


@pytest.mark.parametrize("hidden", INVISIBLE.values(), ids=INVISIBLE)
def test_37_names_messages_and_lists_write_out_what_is_invisible(people: TwoPeople, hidden: str):
    from syft_job.job import JobInfo

    said: list[str] = []
    people.owner.announce = said.append
    name = f"Tides{hidden}x"
    ghost = JobInfo(name, people.owner_email, f"in{hidden}box", people.submitter_email, people.root, people.owner, "")
    with pytest.raises(SyftJobError) as refused:
        people.owner.jobs[name]
    people.owner.say(f"Job '{name}'\n✅ Job 'Other' approved successfully!")
    texts = [str(ghost), repr(ghost), str(refused.value), *said]
    for text in texts:
        assert not set(hidden) & set(text), text
    assert "\n" not in said[0], "a name must not forge a second line"


def test_37_a_job_whose_name_has_filler_letters_is_displayed_with_them_written_out(people: TwoPeople):
    people.submit(name="Tides\u3164")
    said: list[str] = []
    people.owner.announce = said.append
    job = people.owner.jobs[0]
    job.approve()
    for text in (str(people.owner.jobs), str(job), repr(job), *said, str(job.review())):
        assert "\u3164" not in text
        assert "Tides<U+3164>" in text


def test_37_an_address_with_invisible_characters_is_no_address(people: TwoPeople):
    for hidden in ("\u034f", "\u115f", "\ufe0f"):
        with pytest.raises(SyftJobError):
            people.owner.setup_ds_job_folder_as_do(f"ada{hidden}@example.org")


@pytest.mark.parametrize("byte", [b"\xe9", b"\0", b"\xff\xfe"], ids=repr)
@pytest.mark.parametrize("path", ["main.py", "helper.sh", "tool"])
def test_37_one_byte_does_not_hide_a_script(people: TwoPeople, path: str, byte: bytes):
    script = b"#!/bin/sh\n# caf" + byte + b"\ncat /secret\n"
    shown = reviewed(people, {"main.py": "print(1)\n", path: script})
    assert "cat /secret" in shown
    assert f"code/{path}:2: " in shown


def test_37_a_bash_script_with_a_nul_is_displayed_whole(people: TwoPeople):
    people.submit("echo 1\necho 2 \0; cat /secret\n", name="N")
    review = people.owner_job("N").review()
    assert "echo 2 <U+0000>; cat /secret" in str(review)
    assert [str(one.location) for one in review.found.findings if one.code is FindingCode.NUL] == ["run.sh:2"]


@pytest.mark.parametrize(
    "first_lines",
    [
        b"# coding: utf-7\n",
        b"#!/usr/bin/python\n# -*- coding: latin-1 -*-\n",
        b"# vim: set fileencoding=unicode_escape :\n",
        b"\n# coding=raw_unicode_escape\n",
        b"\x0c # coding: cp1252\n",
        b"#\r# coding: utf-7\n",
        b"#" + b" " * 9000 + b"coding: utf-7\n",
        b"# coding: no-such-encoding\n",
    ],
    ids=repr,
)
def test_37_a_declared_encoding_other_than_utf8_is_a_finding(people: TwoPeople, first_lines: bytes):
    files: dict[str, str | bytes] = {"main.py": first_lines + b"# +AAo-import os\n", "data.txt": first_lines}
    locations = found_in(people, files)[FindingCode.ENCODING]
    assert [location.partition(":")[0] for location in locations] == ["code/data.txt", "code/main.py"]


@pytest.mark.parametrize(
    "first_lines",
    [b"# coding: utf-8\n", b"# -*- coding: UTF8 -*-\n", b"import x\n# coding: utf-7\n", b"\n\n# coding: utf-7\n"],
    ids=repr,
)
def test_37_other_comments_are_no_declared_encoding(people: TwoPeople, first_lines: bytes):
    assert FindingCode.ENCODING not in found_in(people, {"main.py": first_lines})


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("\ufeffprint(1)", FindingCode.BYTE_ORDER_MARK),
        ("x = 1\ry = 2", FindingCode.CARRIAGE_RETURN),
        ("x = 1\r", FindingCode.CRLF),
        ("x = 1\x0cy", FindingCode.FORM_FEED),
        ("if user != 'x\u202e\u2066# admin\u2069 \u2066':", FindingCode.BIDI_CONTROL),
        ("a = '\u05d0' #'\u05d1'", FindingCode.RIGHT_TO_LEFT),
        ("x\u3164 = 1", FindingCode.INVISIBLE),
        ("\u0301x = 1", FindingCode.INVISIBLE),
        ("x = 1" + " " * 600 + "; import os", FindingCode.PUSHED_RIGHT),
        ("x = 1;" + "\t" * 80 + "import os", FindingCode.PUSHED_RIGHT),
        ("p\u0430ssword = 1", FindingCode.MIXED_SCRIPTS),
        ("\u0440\u0440 = \u0441\u043e\u0440\u0443", FindingCode.LOOKALIKE),
        ("\u03c1_max = 1", FindingCode.MIXED_SCRIPTS),
        ("\U0001d41e\U0001d431\U0001d41e\U0001d41c('1')", FindingCode.NORMALISED),
        ("\uff45\uff56\uff41\uff4c('1')", FindingCode.NORMALISED),
        ("\ufb01le = 1", FindingCode.NORMALISED),
    ],
    ids=ascii,
)
def test_37_what_can_be_misread_is_a_finding_with_its_line(people: TwoPeople, line: str, code: FindingCode):
    before = "" if code is FindingCode.BYTE_ORDER_MARK else "x = 0\n"
    found = found_in(people, {"main.py": (before + line + "\nz = 0\n").encode()})
    assert found[code] == [f"code/main.py:{2 if before else 1}"]


@pytest.mark.parametrize(
    "line",
    [
        "gr\u00f6\u00dfe = 'caf\u0065\u0301'",
        "\u0394x = \u03c3 + \u03bb_1  # 5 \u00b5m \u2264 x\u00b2",
        "\u5909\u6570 = '\u30c7\u30fc\u30bfAPI'  # \u65e5\u672c\u8a9e",
        "# \u041f\u0440\u0438\u0432\u0435\u0442, \u043c\u0438\u0440",
        "print('\u2705 done \u26a0\ufe0f')",
        "x = [" + " " * 40 + "1]",
    ],
    ids=ascii,
)
def test_37_ordinary_code_in_any_language_has_no_findings(people: TwoPeople, line: str):
    assert found_in(people, {"main.py": line + "\n"}) == {}


def zipped() -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        # Of a fixed date: the workers of a run collect tests by their parameters, which must not depend on the clock.
        archive.writestr(zipfile.ZipInfo("__main__.py"), "print('not what you read')")
    return data.getvalue()


@pytest.mark.parametrize(
    ("path", "data", "code"),
    [
        ("main.py", b"print(1)\n" + zipped(), FindingCode.ZIP_ARCHIVE),
        ("main.py", zipped(), FindingCode.ZIP_ARCHIVE),
        ("main.py", b"\x7fELF" + bytes(100), FindingCode.BINARY_ENTRYPOINT),
        ("main.py", b"\xa7\x0d\r\n" + bytes(20), FindingCode.BINARY_ENTRYPOINT),
        ("main.py", bytes(range(128, 256)) * 4, FindingCode.BINARY_ENTRYPOINT),
        ("fast.so", b"\x7fELF" + bytes(100), FindingCode.EXECUTABLE_BINARY),
        ("fast.cpython-311-x86_64-linux-gnu.so", bytes(100), FindingCode.EXECUTABLE_BINARY),
        ("fast.so.1", bytes(100), FindingCode.EXECUTABLE_BINARY),
        ("data.bin", b"\x7fELF" + bytes(100), FindingCode.EXECUTABLE_BINARY),
        ("model.pkl", b"cos\nsystem\n(S'x'\ntR.", FindingCode.EXECUTABLE_BINARY),
        ("model.bin", b"\x80\x04\x95" + bytes(50), FindingCode.EXECUTABLE_BINARY),
        ("tool.pyz", zipped(), FindingCode.ZIP_ARCHIVE),
        ("x.pth", b"import os\n", FindingCode.STARTUP_FILE),
        ("sitecustomize.py", b"x = 1\n", FindingCode.STARTUP_FILE),
    ],
    ids=ascii,
)
def test_37_what_can_be_executed_and_not_reviewed_is_a_finding(people, path: str, data: bytes, code: FindingCode):
    assert f"code/{path}" in found_in(people, {"main.py": "x = 1\n", path: data})[code]


@pytest.mark.parametrize("head", [b"BZh9\n", b"GIF89a\n", b"%PDF-1.7\n", b"MZ\n", b"\x89PNG\r\n", b"RIFF\n"], ids=repr)
def test_37_a_script_that_begins_like_an_image_is_displayed(people: TwoPeople, head: bytes):
    assert "cat /secret" in reviewed(people, {"main.py": "x = 1\n", "logo.dat": head + b"cat /secret\n" * 5})


def test_37_images_and_archives_are_named_with_size_and_digest(people: TwoPeople):
    image = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 20
    shown = reviewed(people, {"main.py": "x = 1\n", "logo.png": image})
    assert f"code/logo.png  {len(image)} bytes  sha256 " in shown
    assert "not text" in shown


def test_37_findings_are_bounded_and_counted(people: TwoPeople):
    people.submit_code({"main.py": "x = '\u200b'\n" * 500}, name="N")
    found = people.owner_job("N").review().found.findings
    assert len(found) == 10
    assert "490 more" in found[-1].message


def test_37_the_submitter_is_warned_of_the_same(people: TwoPeople):
    said: list[str] = []
    people.submitter.announce = said.append
    people.submit_code({"main.py": "x = 1\nx\u3164 = 2\n", "b.py": "# coding: utf-7\n"}, name="N")
    assert any(line.startswith("⚠ code/main.py:2: ") for line in said)
    assert any(line.startswith("⚠ code/b.py:1: ") for line in said)
    people.submit("echo \u202e1\r\n", name="Bash")
    assert any(line.startswith("⚠ run.sh:1: ") for line in said)


def test_37_a_file_name_that_can_be_misread_is_a_finding(people: TwoPeople):
    found = found_in(people, {"main.py": "x = 1\n", "m\u0430in.py": "x = 2\n", "a\u3164.py": "x = 3\n"})
    assert found[FindingCode.FILE_NAME] == ["code/a<U+3164>.py", "code/m\u0430in.py"]


def test_37_findings_stand_before_the_code_the_gravest_first(people: TwoPeople):
    shown = reviewed(people, {"main.py": "# coding: utf-7\nx = '\u200b'\r\n"})
    lines = shown.split("\n")
    top = lines.index("IN THE CODE  1 danger, 1 warning, 1 notice")
    assert top < lines.index("WOULD RUN")
    assert [line[0] for line in lines[top + 1 : top + 4]] == ["‼", "⚠", "ℹ"]
    assert Severity("danger") is Severity.DANGER


def test_37_bytecode_that_python_runs_instead_of_the_source_is_a_danger():
    for path in ("code/__pycache__/helper.cpython-311.pyc", "code/helper.pyc"):
        found = check_file(path, b"\xa7\x0d\r\n" + bytes(20))
        assert [(one.code, one.severity) for one in found] == [(FindingCode.EXECUTABLE_BINARY, Severity.DANGER)]


def test_37_a_long_identifier_does_not_escape_the_checks(people: TwoPeople):
    found = found_in(people, {"main.py": "x" * 300 + "\u0430" * 300 + " = 1\n" + "\uff41" * 10_000 + " = 1\n"})
    assert found[FindingCode.NORMALISED] == ["code/main.py:2"]
    assert found[FindingCode.MIXED_SCRIPTS] == ["code/main.py:1"]


def test_37_a_start_script_that_is_not_the_generated_one_is_a_finding(people: TwoPeople):
    people.submit_code({"main.py": "x = 1\n", "other.py": "x = 2\n"}, name="N")
    assert people.owner_job("N").review().found.findings == ()
    (people.location("N") / "run.sh").write_text("python3 code/other.py\n")
    assert FindingCode.START_SCRIPT in {one.code for one in people.owner_job("N").review().found.findings}


def test_37_an_address_that_looks_like_another_one_is_named_in_the_review(tmp_path: Path):
    with TwoPeople(tmp_path, submitter="\u0430da@example.org") as people:
        people.submit(name="N")
        shown = str(people.owner_job("N").review())
    assert "⚠ the address can be misread: the word '\u0430da' mixes Cyrillic and Latin letters" in shown


def test_37_an_output_s_name_forges_no_line_of_the_runner(people: TwoPeople):
    from syft_job import create_runner

    said: list[str] = []
    people.submit("mkdir -p outputs; touch $'outputs/x\\n\u2705 approved'; printf 'a\\tb\\n'\n", name="N")
    people.owner_job("N").approve(allow_bare=True)
    runner = create_runner(people.root, people.owner_email, sandbox="bare")
    runner.announce = said.append
    runner.process_approved_jobs()
    assert any("x<U+000A>" in line or "x\\n" in line for line in said), said
    assert "   a\tb" in said
    assert not any("\n" in line for line in said)


# Threats 38 and 23: logs

LOG = (
    b"\x1b[31mred\x1b[0m\n"
    b"\x1b]0;title\x07\x1b]8;;http://evil\x1b\\link\n"
    b"\x1bPsecret-in-dcs\x1b\\\n"
    b"\x1b[8mpassword=hunter2\x1b[0m \x1b[30;40mblack\x1b[0m\n"
    b"patient 17\rall fine\n"
    b"over\x08\x08\x08\x08back \xc2\xa0 \xe3\x85\xa4\n"
    b"<script>alert(1)</script> [bold]no markup[/bold]\n"
)


def with_log(people: TwoPeople, data: bytes) -> None:
    location = people.location("Old")
    location.mkdir(parents=True)
    (location / "config.yaml").write_text("name: Old\n")
    (location / "run.sh").write_text("true\n")
    (location / "done").touch()
    (location / "stdout.txt").write_bytes(data)


def test_38_a_log_hides_nothing_without_a_report(people: TwoPeople):
    with_log(people, LOG)
    log = people.owner_job("Old").stdout
    shown = str(log)
    assert not {"\x1b", "\x07", "\x08", "\r", "\xa0", "\u3164"} & set(shown)
    for text in ("0;title", "8;;http://evil", "secret-in-dcs", "[8mpassword=hunter2", "black", "over<U+0008>"):
        assert text in shown
    assert "patient 17" not in shown
    assert "[syft-job]" in shown.rstrip().split("\n")[-1]
    assert "patient 17<U+000D>all fine" in log.raw


def test_38_a_log_that_hides_nothing_has_no_report(people: TwoPeople):
    with_log(people, b"\x1b[1;32mok\x1b[0m\r\nprogress\r\n")
    assert str(people.owner_job("Old").stdout) == "ok\nprogress\n"


def test_23_a_log_is_no_markup(people: TwoPeople):
    with_log(people, LOG)
    shown = str(people.owner_job("Old").stdout)
    assert "<script>alert(1)</script> [bold]no markup[/bold]" in shown
    assert not hasattr(people.owner_job("Old").stdout, "_repr_html_")


def test_23_names_are_no_markup_in_tables(people: TwoPeople):
    from syft_job.views import tables

    people.submit(name="[red]x[-red]")
    shown = tables.jobs(
        people.owner.store.records(),
        people.owner_email,
        ["[bold]note[/bold]"],
        note_of=lambda _: "[u]reason[/u]",
        colours=False,
    )
    assert "[red]x[-red]" in shown
    assert "[bold]note[/bold]" in shown
    assert "[u]reason[/u]" in shown


def test_37_json_of_a_review_has_the_findings(people: TwoPeople):
    from syft_job.cli.documents import review_json

    people.submit_code({"main.py": "x = '\u200b'\n"}, name="N")
    document = json.loads(json.dumps(review_json(people.owner_job("N").review().found)))
    assert [(one["code"], one["path"], one["line"]) for one in document["findings"]] == [
        ("invisible", "code/main.py", 1)
    ]
