"""Permission files: which one decides, which pattern in it, and what those of syft_job grant."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path

import pytest

from syft_job.errors import AclError, InvalidName
from syft_job.exchange import permissions
from syft_job.format import permissions as permission_files

OWNER = "omar@example.org"
ADA = "ada@example.org"
EVE = "eve@elsewhere.example"
JOB = f"app_data/job/{ADA}/analysis"

OWNERS_OWN = ["approved", "rejected", "cancelled", "shared", "running", "done", "attempts/1.json"]
CLOSED = [
    "outputs/result.csv",
    "outputs/deep/er/x",
    "outputs",
    "stdout.txt",
    "stderr.txt",
    "returncode.txt",
    "logs/a.txt",
]


@pytest.fixture
def datasite(tmp_path: Path) -> Path:
    folder = tmp_path / OWNER
    folder.mkdir()
    return folder


@pytest.fixture
def set_up(datasite: Path) -> Path:
    put(datasite, "app_data/job", permission_files.datasite_rules())
    return datasite


def put(datasite: Path, folder: str, rules: bytes | str | dict[str, object]) -> Path:
    place = datasite / folder
    place.mkdir(parents=True, exist_ok=True)
    data = (
        rules if isinstance(rules, bytes) else rules.encode() if isinstance(rules, str) else json.dumps(rules).encode()
    )
    file = place / "syft.pub.yaml"
    file.write_bytes(data)
    return file


def rule(pattern: str, **access: list[str]) -> dict[str, object]:
    return {"pattern": pattern, "access": access}


def rules(*listed: dict[str, object], **more: object) -> dict[str, object]:
    return {"rules": list(listed), **more}


# --- Which file, which pattern


def test_without_a_file_only_the_owner_may(datasite):
    for may in (permissions.may_read, permissions.may_write, permissions.may_admin):
        assert not may(datasite, "x", ADA)
        assert may(datasite, "x", OWNER)
    assert "no permission file" in permissions.explain(datasite, "x", ADA).reason


def test_the_nearest_file_decides_alone(datasite):
    put(datasite, ".", rules(rule("**", read=["*"], write=[ADA])))
    assert permissions.may_read(datasite, "a/b/c", EVE)
    put(datasite, "a", rules(rule("nothing", read=["*"])))
    assert not permissions.may_read(datasite, "a/b/c", EVE)
    assert not permissions.may_write(datasite, "a/b/c", ADA)
    assert permissions.may_read(datasite, "b/c", EVE)
    assert permissions.explain(datasite, "a/b/c", EVE).file == "a/syft.pub.yaml"


def test_a_terminal_file_above_ends_the_search(datasite):
    put(datasite, "a", rules(rule("**", read=[ADA]), terminal=True))
    put(datasite, "a/b", rules(rule("**", read=["*"])))
    assert permissions.may_read(datasite, "a/b/c", ADA)
    assert not permissions.may_read(datasite, "a/b/c", EVE)
    put(datasite, "a", rules(rule("**", read=[ADA]), terminal=False))
    assert permissions.may_read(datasite, "a/b/c", EVE)


def test_an_empty_list_of_rules_gives_no_access(datasite):
    put(datasite, ".", rules(rule("**", read=["*"])))
    put(datasite, "a", {"rules": []})
    assert not permissions.may_read(datasite, "a/x", ADA)


MORE_SPECIFIC_FIRST = [
    ("{{.UserEmail}}/**", f"{ADA}/deep/x"),
    (f"{ADA}/deep/x", f"{ADA}/deep/*"),
    (f"{ADA}/deep/*", f"{ADA}/*/*"),
    (f"{ADA}/deep/**", f"{ADA}/*/*"),
    (f"{ADA}/*/*", f"{ADA}/*/**"),
    (f"{ADA}/*/**", f"{ADA}/**"),
    (f"{ADA}/**", "*/*/*"),
    ("*/*/*", "*/**"),
    ("*/**", "**/**"),
    ("**", "**/**"),
    (f"{ADA}/**", "**"),
]


@pytest.mark.parametrize(("first", "second"), MORE_SPECIFIC_FIRST)
@pytest.mark.parametrize("is_reversed", [False, True])
def test_the_most_specific_pattern_decides(datasite, first, second, is_reversed):
    listed = [rule(first, read=[ADA]), rule(second, write=["*"])]
    put(datasite, ".", rules(*(reversed(listed) if is_reversed else listed)))
    answer = permissions.explain(datasite, f"{ADA}/deep/x", ADA)
    assert (answer.read, answer.write, answer.pattern) == (True, False, first)


def test_a_specific_rule_closes_what_a_general_one_opens(datasite):
    put(datasite, ".", rules(rule("**", write=["*"]), rule("secret/**")))
    assert permissions.may_write(datasite, "open/x", ADA)
    assert not permissions.may_read(datasite, "secret/x", ADA)


@pytest.mark.parametrize(
    ("pattern", "fits", "not_"),
    [
        ("*", ["a", ".a", "a.csv"], ["a/b"]),
        ("**", ["a", "a/b", "a/.b/c"], []),
        ("a/**", ["a/b", "a/b/c", "a/.env", "a"], ["b/a", "ab"]),
        ("**/*.csv", ["x.csv", "a/b/x.csv", ".csv", "a/.b/.x.csv"], ["x.csv2", "a.csv/b"]),
        ("a/*/c", ["a/b/c", "a/.b/c"], ["a/c", "a/b/b/c"]),
        ("a/**/c", ["a/c", "a/b/c", "a/b/b/c"], ["a/b", "c"]),
        ("**/b/**", ["b", "a/b", "a/b/c/d"], ["a/c"]),
        ("?.txt", ["a.txt", "..txt"], ["ab.txt", ".txt"]),
        ("[ab]x", ["ax", "bx"], ["cx"]),
        ("[!ab]x", ["cx"], ["ax"]),
        ("*.{csv,json}", ["a.csv", "a.json"], ["a.txt"]),
        ("a.*", ["a.b"], ["a", "axb"]),
        ("/a/./b//", ["a/b"], ["b"]),
        ("A", ["A"], ["a"]),
        ("a**", ["a", "abc"], ["a/b"]),
        ("caf\u00e9", ["cafe\u0301", "caf\u00e9"], ["cafe"]),
        (r"\*", ["*"], ["a"]),
        ("!a", ["!a"], ["b"]),
    ],
)
def test_patterns(datasite, pattern, fits, not_):
    put(datasite, ".", rules(rule(pattern, read=["*"])))
    assert [path for path in [*fits, *not_] if permissions.may_read(datasite, path, ADA)] == fits


@pytest.mark.parametrize(
    ("listed", "ada", "eve"),
    [
        ([ADA], True, False),
        (["Ada@Example.ORG"], True, False),
        (["*"], True, True),
        (["*@example.org"], True, False),
        (["*@*.org"], True, False),
        (["a?a@example.org"], True, False),
        (["*@example"], False, False),
        (["USER"], True, True),
        ([], False, False),
        (["example.org"], False, False),
        ([EVE, "*@example.org"], True, True),
    ],
)
def test_people(datasite, listed, ada, eve):
    put(datasite, ".", rules(rule("**", read=listed)))
    assert (permissions.may_read(datasite, "x", ADA), permissions.may_read(datasite, "x", EVE)) == (ada, eve)


@pytest.mark.parametrize("template", ["{{.UserEmail}}", "{{ .UserEmail }}"])
def test_user_is_the_asking_one_where_the_pattern_has_the_template(datasite, template):
    put(datasite, ".", rules(rule(f"home-{template}/**", write=["USER"])))
    assert permissions.may_write(datasite, f"home-{ADA}/x", ADA)
    assert not permissions.may_read(datasite, f"home-{ADA}/x", EVE)


def test_asking_with_another_spelling_of_the_address_is_asking_as_the_same_person(set_up):
    assert permissions.may_write(set_up, f"{JOB}/config.yaml", "Ada@Example.ORG")


@pytest.mark.parametrize(
    ("level", "expected"),
    [("read", (True, False, False)), ("write", (True, True, False)), ("admin", (True, True, True))],
)
def test_admin_includes_write_includes_read(datasite, level, expected):
    put(datasite, ".", rules(rule("**", **{level: [ADA]})))
    answer = permissions.explain(datasite, "x", ADA)
    assert (answer.read, answer.write, answer.admin) == expected


@pytest.mark.conformance(94)
@pytest.mark.parametrize("name", ["syft.pub.yaml", "SYFT.PUB.yaml"])
def test_permission_files_need_admin(datasite, name):
    put(datasite, ".", rules(rule("a/**", write=[ADA]), rule("b/**", admin=[ADA])))
    assert permissions.may_write(datasite, "a/x", ADA)
    assert permissions.may_read(datasite, f"a/{name}", ADA)
    assert not permissions.may_write(datasite, f"a/deep/{name}", ADA)
    assert permissions.may_write(datasite, f"b/{name}", ADA)
    assert permissions.may_write(datasite, f"a/{name}", OWNER)


@pytest.mark.parametrize(
    "pattern", ["{{.UserHash}}/**", "{{.Year}}/x", "{{upper .UserEmail}}", "{{.UserEmail}}/{{.Date}}", "x}}"]
)
def test_other_templates_are_refused_with_a_clear_error(datasite, pattern):
    data = rules(rule(pattern, read=["USER"]), rule("**", read=["*"]))
    put(datasite, "a", data)
    with pytest.raises(AclError, match=r"only \{\{\.UserEmail\}\} is known"):
        permissions.may_read(datasite, "a/x", ADA)
    with pytest.raises(AclError, match=r"only \{\{\.UserEmail\}\} is known"):
        permission_files.parse(json.dumps(data).encode())
    answer = permissions.explain(datasite, "a/x", ADA)
    assert (answer.read, answer.file) == (False, "a/syft.pub.yaml")
    assert pattern in answer.reason
    assert permissions.may_read(datasite, "a/x", OWNER)
    put(datasite, "a/b", rules(rule("**", read=["*"])))
    assert permissions.may_read(datasite, "a/b/x", ADA), "it lies above the file that decides, and decides nothing"


def test_reasons_are_safe_for_a_terminal(datasite):
    put(datasite, "a\x1b[2J\u202e", rules(rule("x", read=["\x1b"]), rule("\x1b**", read=["*"])))
    for path in ("x", "\x1bx", "y", "b/x"):
        assert permissions.explain(datasite, f"a\x1b[2J\u202e/{path}", ADA).reason.isprintable()
    put(datasite, "a\x1b[2J\u202e", b"\x1b")
    assert permissions.explain(datasite, "a\x1b[2J\u202e/x", ADA).reason.isprintable()


# --- What cannot be parsed gives access to the owner only


BROKEN = [
    b"",
    b"rules: [",
    b"- a",
    b"rules: 5",
    b"{}",
    b"terminal: maybe\nrules: []",
    b"rules: [5]",
    b"rules: [{access: {read: ['*']}}]",
    b"rules: [{pattern: 5, access: {read: ['*']}}]",
    b"rules: [{pattern: '**', access: ['*']}]",
    b"rules: [{pattern: '**', access: {read: '*'}}]",
    b"rules: [{pattern: '**', access: {read: [5]}}]",
    b"rules: [{pattern: '', access: {read: ['*']}}]",
    b"rules: [{pattern: '../**', access: {read: ['*']}}]",
    b"rules: [{pattern: '*a*a*a*a*', access: {read: ['*']}}]",
    b"rules: [{pattern: '{1..99999}', access: {read: ['*']}}]",
    b"rules: [{pattern: '{a,b}{a,b}{a,b}{a,b}', access: {read: ['*']}}]",
    b"rules: [{pattern: '{a/b,c}', access: {read: ['*']}}]",
    b"rules: [{pattern: '**', access: {read: ['*a*a*a*a*']}}]",
    b"rules: [{pattern: '" + b"x" * 513 + b"', access: {read: ['*']}}]",
    b"rules: [{pattern: '**', access: {read: ['*'], read: ['*']}}]",
    b"rules: &r [{pattern: '**', access: {read: ['*']}}]\nmore: *r",
    b"rules: [{pattern: '**', access: {read: ['*']}}]\nmore: !!python/name:os.system ''",
    b"rules: [{pattern: '**', access: {read: ['*']}}]\nmore: " + b"[" * 200 + b"]" * 200,
    b"rules: [{pattern: '**', access: {read: ['*']}}]\nmore: '" + b"x" * permission_files.MAX_FILE_BYTES + b"'",
    b"rules: [{pattern: '**', access: {read: ['*']}}]\nmore: '\xff'",
]


@pytest.mark.parametrize("data", BROKEN)
@pytest.mark.parametrize("below", [False, True])
def test_a_broken_file_gives_access_to_the_owner_only(datasite, data, below):
    put(datasite, ".", rules(rule("**", read=["*"])))
    put(datasite, "a", data)
    if below:
        put(datasite, "a/b", rules(rule("**", read=["*"])))
    answer = permissions.explain(datasite, "a/b/x", ADA)
    assert (answer.read, answer.file) == (False, "a/syft.pub.yaml")
    assert "a/syft.pub.yaml" in answer.reason
    assert not permissions.may_read(datasite, "a/b/x", ADA)
    assert permissions.may_read(datasite, "a/b/x", OWNER)
    assert permissions.may_read(datasite, "c/x", ADA)


def open_rules(path: Path) -> None:
    path.write_text('{"rules": [{"pattern": "**", "access": {"write": ["*"]}}]}')


@pytest.mark.parametrize("kind", ["link", "dangling", "fifo", "folder", "socket"])
def test_what_is_no_regular_file_gives_no_access_and_does_not_block(datasite, tmp_path, kind, monkeypatch):
    put(datasite, ".", rules(rule("**", read=["*"])))
    (datasite / "a").mkdir()
    file = datasite / "a" / "syft.pub.yaml"
    open_rules(tmp_path / "elsewhere.yaml")
    if kind == "link":
        file.symlink_to(tmp_path / "elsewhere.yaml")
    elif kind == "dangling":
        file.symlink_to("nowhere")
    elif kind == "fifo":
        os.mkfifo(file)
    elif kind == "folder":
        file.mkdir()
    else:
        monkeypatch.chdir(file.parent)
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(file.name)
    answer = permissions.explain(datasite, "a/x", ADA)
    assert (answer.read, answer.write, answer.file) == (False, False, "a/syft.pub.yaml")
    assert permissions.may_write(datasite, "a/x", OWNER)


def test_links_on_the_way_are_not_followed(datasite, tmp_path):
    put(datasite, ".", rules(rule("**", read=["*"])))
    (tmp_path / "outside").mkdir()
    open_rules(tmp_path / "outside" / "syft.pub.yaml")
    (datasite / "a").symlink_to(tmp_path / "outside")
    for path in ("a", "a/x", "a/b/x"):
        answer = permissions.explain(datasite, path, ADA)
        assert not answer.read
        assert "link" in answer.reason


def test_a_datasite_that_is_a_link_is_closed(tmp_path, datasite):
    put(datasite, ".", rules(rule("**", read=["*"])))
    (tmp_path / "real@example.org").symlink_to(datasite)
    assert not permissions.may_read(tmp_path / "real@example.org", "x", ADA)


def test_a_fifo_on_the_way_does_not_block(datasite):
    put(datasite, ".", rules(rule("**", read=["*"])))
    os.mkfifo(datasite / "pipe")
    assert permissions.may_read(datasite, "pipe", ADA)
    assert permissions.may_read(datasite, "pipe/x", ADA)


@pytest.mark.parametrize("path", ["..", "../x", "a/../../x", "a/../b", "/etc/passwd", "a\0b", "half\ud800"])
def test_a_path_that_leaves_the_datasite_is_an_error(datasite, path):
    put(datasite, ".", rules(rule("**", read=["*"])))
    for evaluate in (permissions.may_read, permissions.may_write, permissions.explain):
        with pytest.raises(AclError):
            evaluate(datasite, path, ADA)


def test_a_path_may_be_absolute(datasite):
    put(datasite, "a", rules(rule("x", read=[ADA])))
    assert permissions.may_read(datasite, datasite / "a" / "x", ADA)
    assert permissions.may_read(datasite, str(datasite / "a" / "x"), ADA)
    assert not permissions.may_read(datasite, datasite / "a" / "y", ADA)


def test_a_path_too_long_for_the_disk_is_closed(datasite):
    put(datasite, ".", rules(rule("**", read=["*"])))
    assert not permissions.may_read(datasite, "x" * 5_000 + "/y", ADA)


def test_only_a_folder_called_after_an_address_is_a_datasite(tmp_path):
    with pytest.raises(AclError, match="not a datasite"):
        permissions.may_read(tmp_path, "x", ADA)


@pytest.mark.parametrize("user", ["", "*", "USER", "ada", "**", "{{.UserEmail}}", "*@example.org"])
@pytest.mark.conformance(72)
def test_the_user_must_be_an_address(set_up, user):
    with pytest.raises(InvalidName):
        permissions.may_read(set_up, "x", user)


def test_hostile_patterns_are_evaluated_in_bounded_time(datasite):
    put(datasite, ".", rules(rule("/".join(["**", "*a*a*b"] * 20), read=["*"]), rule("*a*a*b", read=["*"])))
    assert not permissions.may_read(datasite, "/".join(["a" * 200] * 15), ADA)
    assert not permissions.may_read(datasite, "a" * 255, ADA)


def test_a_missing_file_can_be_evaluated(set_up):
    assert permissions.may_write(set_up, f"{JOB}/code/new/main.py", ADA)
    assert not (set_up / JOB).exists()


# --- The files of syft_job


def test_our_files_are_the_same_to_readers_of_json_and_yaml():
    for data in (permission_files.datasite_rules(), permission_files.job_rules(ADA, [EVE], ["*"])):
        content = json.loads(data)
        assert set(content) <= {"rules", "terminal"}
        assert all(set(one) == {"pattern", "access"} for one in content["rules"])
        assert all(set(one["access"]) == {"read", "write", "admin"} for one in content["rules"])
        assert {one.pattern for one in permission_files.parse(data).rules} == {
            one["pattern"] for one in content["rules"]
        }


@pytest.mark.conformance(94)
def test_a_datasites_rules_let_a_submitter_write_in_the_own_folder_only(set_up):
    for path in ("config.yaml", "run.sh", "code/main.py", "code/deep/done", "withdrawn", "code/outputs/x"):
        assert permissions.may_write(set_up, f"{JOB}/{path}", ADA)
        assert not permissions.may_read(set_up, f"{JOB}/{path}", EVE)
    for path in (
        f"app_data/job/{EVE}/job/config.yaml",
        "app_data/job/config.yaml",
        "public/x",
        "x",
        f"{ADA}/job/run.sh",
    ):
        assert not permissions.may_read(set_up, path, ADA)
        assert not permissions.may_write(set_up, path, ADA)
    for folder in ("app_data/job", f"app_data/job/{ADA}", JOB, f"{JOB}/code", f"{JOB}/outputs"):
        assert not permissions.may_write(set_up, f"{folder}/syft.pub.yaml", ADA)
        assert permissions.may_write(set_up, f"{folder}/syft.pub.yaml", OWNER)


@pytest.mark.conformance(241)
@pytest.mark.parametrize("with_own_file", [False, True])
def test_threat_19_before_sharing_the_submitter_reads_markers_and_nothing_else_of_the_owner(set_up, with_own_file):
    put(set_up, ".", rules(rule("**", read=["*"], write=["*"])))
    if with_own_file:
        put(set_up, JOB, permission_files.job_rules(ADA))
    for path in OWNERS_OWN:
        assert permissions.may_read(set_up, f"{JOB}/{path}", ADA)
        assert not permissions.may_write(set_up, f"{JOB}/{path}", ADA)
        assert not permissions.may_read(set_up, f"{JOB}/{path}", EVE)
    for path in [*CLOSED, "syft.pub.yaml"]:
        for user in (ADA, EVE):
            assert not permissions.may_read(set_up, f"{JOB}/{path}", user)
            assert not permissions.may_write(set_up, f"{JOB}/{path}", user)


@pytest.mark.parametrize("granted", [[], [ADA], [EVE], [ADA, EVE], ["*"]])
def test_a_jobs_own_rules_leave_the_submitter_what_is_theirs(set_up, granted):
    put(set_up, JOB, permission_files.job_rules(ADA, granted, granted))
    for path in ("config.yaml", "run.sh", "code/main.py", "withdrawn", "notes"):
        assert permissions.may_write(set_up, f"{JOB}/{path}", ADA)
        assert not permissions.may_read(set_up, f"{JOB}/{path}", EVE)


@pytest.mark.conformance(33)
def test_threat_21_a_grant_opens_what_it_says_to_whom_it_says_for_reading(set_up):
    put(set_up, JOB, permission_files.job_rules(ADA, outputs=[ADA], logs=[EVE]))
    can = {
        user: {path for path in CLOSED if permissions.may_read(set_up, f"{JOB}/{path}", user)} for user in (ADA, EVE)
    }
    assert can[ADA] == {"outputs/result.csv", "outputs/deep/er/x", "outputs"}
    assert can[EVE] == {"stdout.txt", "stderr.txt", "returncode.txt"}
    for path in [*CLOSED, *OWNERS_OWN, "syft.pub.yaml"]:
        assert not permissions.may_write(set_up, f"{JOB}/{path}", ADA)
        assert not permissions.may_write(set_up, f"{JOB}/{path}", EVE)
    for other in (f"app_data/job/{ADA}/other", f"app_data/job/{EVE}/analysis"):
        assert not permissions.may_read(set_up, f"{other}/outputs/result.csv", ADA)
        assert not permissions.may_read(set_up, f"{other}/outputs/result.csv", EVE)
    for path in OWNERS_OWN:
        assert not permissions.may_read(set_up, f"{JOB}/{path}", EVE), "a grantee learns nothing but the results"


def test_everybody_is_granted_by_a_star(set_up):
    put(set_up, JOB, permission_files.job_rules(ADA, outputs=["*"]))
    assert permissions.may_read(set_up, f"{JOB}/outputs/x", EVE)
    assert not permissions.may_read(set_up, f"{JOB}/stdout.txt", EVE)
    assert not permissions.may_write(set_up, f"{JOB}/outputs/x", EVE)


@pytest.mark.parametrize("where", ["outputs", "outputs/deep", "code", "attempts"])
def test_threat_20_a_permission_file_among_results_or_code_grants_nothing(set_up, where):
    everything = rules(rule("**", read=["*"], write=["*"], admin=["*"]), terminal=True)
    put(set_up, JOB, permission_files.job_rules(ADA, outputs=[ADA]))
    put(set_up, f"{JOB}/{where}", everything)
    for user in (ADA, EVE):
        assert not permissions.may_write(set_up, f"{JOB}/outputs/deep/x", user)
        assert not permissions.may_write(set_up, f"{JOB}/attempts/1.json", user)
    assert not permissions.may_read(set_up, f"{JOB}/outputs/deep/x", EVE)
    assert not permissions.may_read(set_up, f"{JOB}/{where}/x", EVE)


@pytest.mark.conformance(94)
def test_a_job_called_like_a_permission_file_opens_nothing(set_up):
    (set_up / f"app_data/job/{ADA}/syft.pub.yaml").mkdir(parents=True)
    assert not permissions.may_read(set_up, f"{JOB}/done", ADA)
    assert not permissions.may_write(set_up, f"app_data/job/{ADA}/syft.pub.yaml", ADA)


@pytest.mark.conformance(72)
@pytest.mark.parametrize("who", ["eve", "*@example.org", "USER", "", "{{.UserEmail}}", "eve@x.org\nadmin"])
def test_grants_go_to_addresses(who):
    with pytest.raises(InvalidName):
        permission_files.job_rules(ADA, outputs=[who])
    with pytest.raises(InvalidName):
        permission_files.job_rules(ADA, logs=[who])
    with pytest.raises(InvalidName):
        permission_files.job_rules(who)


def test_grants_are_a_list_and_nobody_spells_an_address_letter_by_letter():
    with pytest.raises(AclError):
        permission_files.job_rules(ADA, outputs=EVE)


def test_the_same_grants_are_the_same_bytes():
    assert permission_files.job_rules(
        "ADA@example.org", [EVE, ADA, "Eve@elsewhere.example"]
    ) == permission_files.job_rules(ADA, [ADA, EVE])
