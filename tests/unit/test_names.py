"""The gate: what may become a path component, and what never does."""

from __future__ import annotations

import pytest

from syft_job.errors import InvalidName, SyftJobError
from syft_job.model import names

BOTH_WAYS = [
    "a/b",
    "a\\b",
    "nul\0",
    "line\nbreak",
    "tab\t",
    "esc\x1b[2J",
    "del\x7f",
    "next\x85line",
    "sep\u2028",
    "par\u2029",
]
HIDDEN = [
    "\u202egnp.exe",
    "zero\u200bwidth",
    "mark\u200f",
    "joi\u200dner",
    "bom\ufeff",
    "half\ud800",
    "non\uffff",
    "soft\xadhyphen",
]
WINDOWS = [
    "con",
    "CON",
    "Prn.txt",
    "aux",
    "nul.tar.gz",
    "com1",
    "LPT9.log",
    "com¹",
    "con .txt",
    "a:b",
    "a<b",
    "a>b",
    "a|b",
    "a?",
    "a*",
]
EDGES = ["", " ", " a", "a ", "a.", "a\u00a0"]


@pytest.mark.conformance(71)
@pytest.mark.parametrize(
    "text",
    [
        *BOTH_WAYS,
        *HIDDEN,
        *WINDOWS,
        *EDGES,
        ".",
        "..",
        "../x",
        "a..b",
        ".hidden",
        "-rf",
        "x" * 81,
        "x" * 300,
        "é" * 41,
        "syft.pub.yaml",
        "Syft.Pub.YAML",
        "job.tmp",
        "my conflicted copy",
        "a.sync-conflict-20260101-000000-ABCDEFG",
    ],
)
def test_threat_16_a_job_name_is_refused(text):
    with pytest.raises(ValueError, match="cannot be the name of a job") as refusal:
        names.normalize_job_name(text)
    assert isinstance(refusal.value, InvalidName)
    assert str(refusal.value).isprintable()
    assert len(str(refusal.value)) < 300


@pytest.mark.parametrize(
    "text",
    [
        "a",
        "Data Analysis",
        'it\'s "quoted"',
        "v1.2",
        "größe",
        "分析",
        "👍 done",
        "con2x",
        "conference",
        "a-b_c",
        "$(echo)",
        "x" * 80,
        "{{.UserEmail}}",
        "[x]",
        "é" * 40,
        "1",
        "~x",
        "done",
        "a!b",
        "a;b",
        "100%",
    ],
)
def test_a_job_name_is_accepted(text):
    assert names.normalize_job_name(text) == text


def test_a_job_name_is_in_composed_form():
    assert names.normalize_job_name("cafe\u0301") == "caf\u00e9"


def test_another_limit_can_be_set():
    assert names.normalize_job_name("x" * 200, limit=200) == "x" * 200
    with pytest.raises(InvalidName, match="at most 5"):
        names.normalize_job_name("x" * 6, limit=5)


@pytest.mark.parametrize("gate", [names.normalize_job_name, names.normalize_address, names.normalize_inner_path])
def test_only_text_is_a_name(gate):
    for nothing in (None, 5, b"ada@example.org"):
        with pytest.raises(InvalidName):
            gate(nothing)


@pytest.mark.parametrize(
    ("text", "folder"),
    [
        ("ada@example.org", "ada@example.org"),
        (" Ada@Example.ORG\n", "ada@example.org"),
        ("me@localhost", "me@localhost"),
        ("ada.b+jobs_1@lab-2.example.org", "ada.b+jobs_1@lab-2.example.org"),
        ("o'hara@example.org", "o'hara@example.org"),
        ("JO\u0301ZEF@example.org", "j\u00f3zef@example.org"),
        ("omar@münchen.example", "omar@münchen.example"),
    ],
)
def test_an_address_names_a_directory(text, folder):
    assert names.normalize_address(text) == folder
    assert names.is_address(folder)
    assert names.is_address(text) is (text == folder)


@pytest.mark.conformance(72)
@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "ada",
        "@",
        "@example.org",
        "ada@",
        "ada@b@c",
        "a b@example.org",
        "ada@exam ple.org",
        "ada@.org",
        "ada@org.",
        "ada@a..b",
        "a..b@example.org",
        ".ada@example.org",
        "-ada@example.org",
        "ada.@example.org",
        "ada@-x.org",
        "ada@x-.org",
        "../ada@example.org",
        "a/b@example.org",
        "a\\b@example.org",
        "ada@example.org/..",
        "*@example.org",
        "ad?@example.org",
        "[a]@example.org",
        "{a,b}@example.org",
        "{{.UserEmail}}@x.org",
        "!ada@example.org",
        "a\x00@example.org",
        "a\n@example.org",
        "a\u202e@example.org",
        "a\u200d@example.org",
        "ａda@example.org",
        "a�@example.org",
        "a" * 80 + "@example.org",
        "ada@example.org.sync-conflict-20260101-000000-ABCDEFG",
        "<ada@example.org>",
        '"ada"@example.org',
        "~a@example.org",
        "ada@example.org, omar@example.org",
        "ada👍@example.org",
        "ada@example.org.tmp",
    ],
)
def test_an_address_is_refused(text):
    with pytest.raises(ValueError, match="e-mail address") as refusal:
        names.normalize_address(text)
    assert isinstance(refusal.value, SyftJobError)
    assert str(refusal.value).isprintable()
    assert not names.is_address(text)


@pytest.mark.parametrize(
    "text",
    [
        "run.sh",
        "code/main.py",
        "code/.env.example",
        "code/-x",
        'code/my "file".py',
        "code/a..b",
        "code/größe/分析.csv",
        "code/$(x)",
        "/".join("abcdefghijkl"),
        "x" * 150,
        "code/page.tmpl",
        "code/a.sync-conflict-1",
        "code/syft.pub.yaml",
        "code/console.py",
    ],
)
def test_a_path_inside_a_job_is_accepted(text):
    assert names.normalize_inner_path(text) == text


@pytest.mark.parametrize(
    "text",
    ["", "/", "/etc/passwd", "../x", "code/../../x", "code/./x", "code//x", "code/", ".", "..", "code/..", "x" * 151]
    + ["/".join("abcdefghijklm"), "code/" + "é" * 73, "a/" * 1_000_000 + "a"]
    + [f"code/{part}" for part in [*BOTH_WAYS[1:], *HIDDEN, *WINDOWS, " a", "a ", "a."]]
    + [f"{part}/x.py" for part in ["aux", "con.d", " a", "a.", "\u202ea"]],
)
def test_threat_16_a_path_inside_a_job_is_refused(text):
    with pytest.raises(ValueError, match="cannot be a path inside a job") as refusal:
        names.normalize_inner_path(text)
    assert len(str(refusal.value)) < 400
    assert str(refusal.value).isprintable()


def test_inner_paths_are_in_composed_form():
    assert names.normalize_inner_path("code/cafe\u0301.py") == "code/caf\u00e9.py"


@pytest.mark.parametrize(
    ("paths", "first"),
    [
        ([], None),
        (["code/a.py", "code/b.py", "run.sh"], None),
        (["code/A/x", "code/a/y"], ("code/A/x", "code/a/y")),
        (["code/x.py", "run.sh", "code/X.PY"], ("code/x.py", "code/X.PY")),
        (["code/caf\u00e9", "code/cafe\u0301"], ("code/caf\u00e9", "code/cafe\u0301")),
        (["straße", "STRASSE"], ("straße", "STRASSE")),
        (["a", "a/b"], ("a", "a/b")),
        (["a/b", "A"], ("a/b", "A")),
        (["a", "a"], ("a", "a")),
        (["a/b/c", "a/B/d", "x"], ("a/b/c", "a/B/d")),
    ],
)
def test_paths_that_collide_on_some_file_system(paths, first):
    assert names.find_collision(paths) == first
    assert names.find_collision(iter(paths)) == first


LITTER = [
    "config.sync-conflict-20260101-120000-ABCDEFG.yaml",
    "approved (Omar's conflicted copy 2026-01-01)",
    "approved.syftconflict.20260101120000",
    "done.syftrejected",
    "~syncthing~config.yaml.tmp",
    ".syncthing.config.yaml.tmp",
    "config.yaml.tmp",
    "config.yaml.tmp4f2a",
    ".config.yaml.1a2b.tmp",
    "movie.part",
    ".DS_Store",
    "desktop.ini",
    "Thumbs.db",
    ".stfolder",
    ".stversions",
    ".~tmp~",
    ".unison.done.123.unison.tmp",
    ".fuse_hidden0000",
    ".nfs000000001",
    "x.crdownload",
    ".dropbox.cache",
    "._config.yaml",
    "config_conflict-20260101-120000.yaml",
    ".~lock.table.ods#",
]


@pytest.mark.parametrize("name", LITTER)
def test_rule_02_a_sync_artefact_is_recognised_by_its_name(name):
    assert names.is_sync_artefact(name)
    assert names.is_sync_artefact(name.upper())
    with pytest.raises(InvalidName):
        names.normalize_job_name(name)


@pytest.mark.parametrize(
    "name",
    [
        "config.yaml",
        "run.sh",
        "code",
        "approved",
        "done",
        "attempts",
        "syft.pub.yaml",
        "stdout.txt",
        "main.py",
        ".env",
        "party",
        "a.parts",
        "partition.py",
        "conflict.py",
        "temperature.csv",
        "thumbs",
        "desktop.init",
        ".gitignore",
        "nfs.py",
        ".nfsrc",
        "unison.py",
    ],
)
def test_ordinary_names_are_no_sync_artefacts(name):
    assert not names.is_sync_artefact(name)


@pytest.mark.parametrize(
    "path",
    [
        "code/__pycache__/a.pyc",
        "code/__pycache__/",
        ".git/HEAD",
        "code/.git",
        ".venv/bin/python",
        "a.pyc",
        "code/run.log",
        "x.tmp",
        "dist/a.whl",
        "code/dist/",
        "code/logs/x.txt",
        "code/.DS_Store",
        "a.sync-conflict-1.py",
        "outputs/syft.pub.yaml",
        "x.tmp12",
    ],
)
def test_what_cannot_be_transported_is_excluded_with_a_reason(path):
    reason = names.exclusion_reason(path)
    assert reason
    assert ": " in reason


@pytest.mark.parametrize(
    "path", ["code/main.py", "code/.gitignore", "code/dist", "logs", "code/page.tmpl", "code/log.txt", "a.pycx"]
)
def test_everything_else_is_submitted(path):
    assert names.exclusion_reason(path) is None


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        ("0123", True),
        ("deadbeef", True),
        ("a" * 32, True),
        ("abc", False),
        ("a" * 33, False),
        ("abcg", False),
        ("ABCD", False),
        ("", False),
        ("abcd\n", False),
        ("٠١٢٣", False),
    ],
)
def test_a_prefix_of_an_id(text, is_one):
    assert names.is_id_prefix(text) is is_one
