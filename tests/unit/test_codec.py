"""Strict JSON, canonical JSON and bounded YAML."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from syft_job.errors import UnreadableJob
from syft_job.format.codec import MAX_DEPTH, MAX_INTEGER, canonical, dump, load_json, load_yaml

LIMIT = 4 << 20


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "not strict JSON"),
        (b"{", "not strict JSON"),
        (b'{"a": 1} {"b": 2}', "not strict JSON"),
        (b'{"a": 1, "a": 2}', "given twice"),
        (b'{"a": {"b": 1, "b": 1}}', "given twice"),
        (b'{"a": 1.0}', "not an integer"),
        (b'{"a": 1e3}', "not an integer"),
        (b'{"a": NaN}', "not an integer"),
        (b'{"a": -Infinity}', "not an integer"),
        (b'{"a": 9007199254740992}', "larger than"),
        (b'{"a": ' + b"9" * 100_000 + b"}", "larger than"),
        (b'\xef\xbb\xbf{"a": 1}', "not strict JSON"),
        (b'{"a": "\xff"}', "not UTF-8"),
        (b'{"a": "\\ud800"}', "surrogate"),
        (b'{"\\udc00": 1}', "surrogate"),
        (b'{"a": "\n"}', "not strict JSON"),
        (b"[" * 33 + b"]" * 33, "nested deeper"),
        (b"[" * 1_000_000, "nested deeper|not strict JSON"),
        (b'{"a":' * 500_000, "nested deeper|not strict JSON"),
    ],
)
def test_strict_json_refuses_with_a_reason(data: bytes, why: str):
    with pytest.raises(UnreadableJob, match=why):
        load_json(data, limit=LIMIT)


def test_json_just_within_its_limits_is_read():
    assert load_json(b"[" * MAX_DEPTH + b"]" * MAX_DEPTH, limit=64)
    assert load_json(str(MAX_INTEGER).encode(), limit=64) == MAX_INTEGER
    assert load_json(b'"1234"', limit=6) == "1234"
    with pytest.raises(UnreadableJob, match="7 bytes long"):
        load_json(b'"12345"', limit=6)


@pytest.mark.parametrize(
    "data",
    [
        b"a: &x [1]\nb: *x\n",
        b"a: &a [*a]\n",
        b"lol1: &l1 [x, x]\nlol2: &l2 [*l1, *l1]\nlol3: [*l2, *l2]\n",
        b"a: 1\na: 2\n",
        b"? [a]\n: b\n",
        b"a: !!python/object/apply:os.system ['true']\n",
        b"a: !!binary aGVsbG8=\n",
        b"a: 1\n---\nb: 2\n",
        b"a: [1\n",
        b"\x00\x01",
        b"[" * 40 + b"]" * 40,
        b"[" * 1_000_000,
        b"- " * 1_000_000,
    ],
)
def test_yaml_refuses_aliases_tags_and_duplicate_keys(data: bytes):
    with pytest.raises(UnreadableJob):
        load_yaml(data, limit=LIMIT)


@pytest.mark.parametrize(
    "data",
    [b"a: !!bool maybe\n", b"a: !!int ''\n", b"a: !!float ''\n", b"a: !!timestamp soon\n", b"a: !!set {x, y}\n"],
)
def test_yaml_tags_are_refused_and_raise_nothing_else(data: bytes):
    with pytest.raises(UnreadableJob):
        load_yaml(data, limit=LIMIT)


@pytest.mark.parametrize("data", [b'a: 1\n"a": 2\n', b"1: a\n'1': b\n", b"x: {b: 1, b: 2}\n"])
def test_yaml_keys_are_their_text_and_given_once(data: bytes):
    with pytest.raises(UnreadableJob):
        load_yaml(data, limit=LIMIT)


def test_a_sexagesimal_bomb_is_read_or_refused_within_seconds_of_processor_time():
    program = (
        "import resource; resource.setrlimit(resource.RLIMIT_CPU, (2, 2))\n"
        "from syft_job.format.codec import load_yaml\n"
        "from syft_job.errors import UnreadableJob\n"
        "try: load_yaml(b'a: 1' + b':1' * 1_000_000, limit=4 << 20)\n"
        "except UnreadableJob: pass\n"
    )
    assert subprocess.run([sys.executable, "-c", program], env=os.environ, check=False).returncode == 0


def test_yaml_becomes_jsons_types():
    said = load_yaml(
        b"name: Old\nsubmitted_at: 2026-03-02 10:30:00\nday: 2026-03-02\nn: 3\nlist: [a, b]\n", limit=LIMIT
    )
    assert said == {
        "name": "Old",
        "submitted_at": "2026-03-02 10:30:00",
        "day": "2026-03-02",
        "n": 3,
        "list": ["a", "b"],
    }


def test_yaml_over_its_limit_is_refused():
    with pytest.raises(UnreadableJob, match="at most 10"):
        load_yaml(b"a: " + b"b" * 20, limit=10)


def test_dump_is_sorted_indented_and_ends_with_a_newline():
    assert dump({"b": [1], "a": {"d": None, "c": "ä"}}).decode() == (
        '{\n  "a": {\n    "c": "ä",\n    "d": null\n  },\n  "b": [\n    1\n  ]\n}\n'
    )


def test_dump_escapes_what_yaml_readers_treat_as_line_ends():
    data = dump({"a": "x\x7f\x85\u2028\u2029\ufeff\x00y"})
    assert data.isascii()
    assert json.loads(data) == {"a": "x\x7f\x85\u2028\u2029\ufeff\x00y"}
    assert load_yaml(data, limit=LIMIT) == json.loads(data)


def test_canonical_follows_rfc_8785():
    assert canonical({"b": 1, "a": [True, None, "é"]}) == '{"a":[true,null,"é"],"b":1}'.encode()
    # UTF-16 order: the emoji (a surrogate pair, D83D...) comes before U+FB33.
    assert list(json.loads(canonical({"\ufb33": 1, "\U0001f600": 2}))) == ["\U0001f600", "\ufb33"]


@pytest.mark.parametrize("value", [1.5, float("nan"), MAX_INTEGER + 1, -MAX_INTEGER - 1, [1.0], {"a": 0.0}])
def test_canonical_has_no_form_for_floats_and_large_integers(value: object):
    with pytest.raises(UnreadableJob, match="no canonical form"):
        canonical(value)


def test_json_with_very_many_lists_is_refused_before_it_is_parsed(monkeypatch: pytest.MonkeyPatch):
    from syft_job.format import codec

    monkeypatch.setattr(codec, "_STRICT", None)
    with pytest.raises(UnreadableJob, match="more than 200000 lists"):
        codec.load_json(b"[" + b"[]," * 200_000 + b"[]]", limit=4 << 20)
