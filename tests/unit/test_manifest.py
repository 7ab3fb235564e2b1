from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

import syft_job
from syft_job.errors import UnreadableJob
from syft_job.format import manifest, markers
from syft_job.format.codec import dump
from syft_job.format.manifest import FileEntry, JobResources, JobSpec, SubmissionLimits
from syft_job.format.signing import Key
from syft_job.model.job_ref import JobRef
from syft_job.model.units import Duration, Memory

PLACE = JobRef("omar@example.org", "ada@example.org", "Data Analysis")
SHA = hashlib.sha256(b"echo\n").hexdigest()
ENTRY = {"size": 5, "sha256": SHA}
NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)


def said(**more: Any) -> dict[str, Any]:
    plain = {
        "format": 1,
        "nonce": "n",
        "name": "Data Analysis",
        "submitted_by": "ada@example.org",
        "submitted_at": "2026-03-02T10:30:00Z",
        "type": "bash",
        "files": {"run.sh": ENTRY},
        "command": ["bash", "run.sh"],
    }
    return {key: value for key, value in (plain | more).items() if value is not ...}


def test_a_plain_spec_is_read():
    asked = manifest.parse(dump(said(metadata={"n": 1}, resources={"time_limit": 60, "memory": 1024})))
    assert (asked.name, asked.type, asked.nonce, asked.format) == ("Data Analysis", "bash", "n", 1)
    assert asked.files == {"run.sh": FileEntry(5, SHA)}
    assert asked.metadata == {"n": 1}
    assert asked.resources.time_limit == Duration.parse("60s")
    assert asked.total_bytes == 5


@pytest.mark.parametrize(
    "more",
    [
        {"format": 2},
        {"format": "1"},
        {"format": True},
        {"format": None},
        {"format": []},
        {"needs": ["teleport"]},
        {"needs": {"a": 1}},
        {"type": "perl"},
        {"type": ["bash"]},
        {"type": ...},
        {"name": 5},
        {"submitted_at": 5},
        {"submitted_by": None},
        {"nonce": ...},
        {"files": ...},
        {"files": []},
        {"files": {}},
        {"files": {"run.sh": SHA}},
        {"files": {"run.sh": {"size": -1, "sha256": SHA}}},
        {"files": {"run.sh": {"size": True, "sha256": SHA}}},
        {"files": {"run.sh": {"size": "5", "sha256": SHA}}},
        {"files": {"run.sh": {"size": 5, "sha256": SHA.upper()}}},
        {"files": {"run.sh": {"size": 5, "sha256": SHA + "\n"}}},
        {"files": {"run.sh": {"size": 5, "sha256": 5}}},
        {"files": {"code/a.py": ENTRY}},
        {"files": {"run.sh": ENTRY, "other.txt": ENTRY}},
        {"files": {"run.sh": ENTRY, "approved": ENTRY}},
        {"files": {"run.sh": ENTRY, "code": ENTRY}},
        {"files": {"run.sh": ENTRY, "code/../../x": ENTRY}},
        {"files": {"run.sh": ENTRY, "/code/x": ENTRY}},
        {"files": {"run.sh": ENTRY, "code//x": ENTRY}},
        {"files": {"run.sh": ENTRY, "code/x\n": ENTRY}},
        {"files": {"run.sh": ENTRY, "code/e\u0301": ENTRY}},
        {"files": {"run.sh": ENTRY, "code/A.py": ENTRY, "code/a.py": ENTRY}},
        {"files": {"run.sh": ENTRY, "code/a": ENTRY, "code/a/b": ENTRY}},
        {"files": {"run.sh": ENTRY, "code/" + "x/" * 12 + "y": ENTRY}},
        {"files": {"run.sh": {"size": (1 << 30) + 1, "sha256": SHA}}},
        {"entrypoint": "main.py"},
        {"entrypoint": 5},
        {"owner_key": 5},
        {"seal": []},
        {"retry": []},
        {"metadata": []},
        {"after": {"a": 1}},
        {"after": [1]},
        {"command": "bash run.sh"},
        {"dependencies": "numpy"},
        {"dependencies": [1]},
        {"resources": []},
        {"resources": {"memory": "much"}},
        {"resources": {"memory": []}},
        {"resources": {"memory": 0}},
        {"resources": {"memory": True}},
        {"resources": {"cpu_count": 0}},
        {"resources": {"cpu_count": True}},
        {"resources": {"time_limit": {"h": 1}}},
        {"resources": {"time_limit": -5}},
        {"resources": {"gpu_type": 5}},
        {"type": "python"},
    ],
    ids=str,
)
def test_a_spec_that_cannot_be_a_job_is_unreadable(more: dict[str, Any]):
    with pytest.raises(UnreadableJob):
        manifest.parse(dump(said(**more)))


@pytest.mark.parametrize("data", [b"", b"\n", b"[]", b"- a\n", b"5", b"null", b"hello", b"\x00", b"{", b"%", b"\xff"])
def test_what_holds_no_mapping_is_unreadable(data: bytes):
    with pytest.raises(UnreadableJob, match=r"config\.yaml"):
        manifest.parse(data)


@pytest.mark.parametrize(
    "data",
    [
        b'{"format": 1, "name": "a", "name": "b"}',
        b'{"format": 1,}',
        b'"format": 1\nname: x\n',
        b"format: 1\nname: x\n",
        b"{format: 1}\n",
        b'\xef\xbb\xbf{"format": 1}',
    ],
)
def test_what_carries_a_format_gets_no_second_chance_as_yaml(data: bytes):
    with pytest.raises(UnreadableJob):
        manifest.parse(data)


@pytest.mark.parametrize(
    "data",
    [b"name: !!bool x\n", b"name: a\nname: b\n"],
    ids=["tag", "twice"],
)
def test_an_older_spec_that_yaml_cannot_stand_is_unreadable(data: bytes):
    with pytest.raises(UnreadableJob):
        manifest.parse(data)


def test_limits_are_the_owners():
    many = {"run.sh": ENTRY, "code/a": ENTRY, "code/b": ENTRY}
    assert manifest.parse(dump(said(files=many)), SubmissionLimits(files=3, total_bytes=15)).total_bytes == 15
    with pytest.raises(UnreadableJob, match="3 files; at most 2"):
        manifest.parse(dump(said(files=many)), SubmissionLimits(files=2))
    with pytest.raises(UnreadableJob, match="15 bytes together; at most 14"):
        manifest.parse(dump(said(files=many)), SubmissionLimits(total_bytes=14))
    with pytest.raises(UnreadableJob, match="at most 100"):
        manifest.parse(dump(said()), SubmissionLimits(config_bytes=100))


def test_four_mebibytes_are_read_and_one_byte_more_is_not():
    data = dump(said())
    assert manifest.parse(data + b" " * ((4 << 20) - len(data))).nonce == "n"
    with pytest.raises(UnreadableJob, match="4194305 bytes long"):
        manifest.parse(data + b" " * ((4 << 20) + 1 - len(data)))


def test_unknown_fields_survive():
    asked = manifest.parse(dump(said(colour="blue", plan={"steps": [1, 2]})))
    assert asked.extra == {"colour": "blue", "plan": {"steps": [1, 2]}}
    again = manifest.parse(dump(asked.to_json()))
    assert again == asked


def test_a_sealed_spec_verifies_for_its_place_only():
    key = Key.generate()
    data = manifest.parse(dump(said())).sealed(PLACE, key)
    assert manifest.submitters_key(data, PLACE, SubmissionLimits()) == key.public
    for other in (PLACE._replace(name="x"), PLACE._replace(owner="eve@example.org")):
        assert manifest.submitters_key(data, other, SubmissionLimits()) is None
    changed = json.loads(data) | {"nonce": "m"}
    assert manifest.submitters_key(dump(changed), PLACE, SubmissionLimits()) is None
    for junk in (b"", b"[]", b'{"seal": 5}', b"seal: {key: a, sig: b}\nx: 1.5\n", b"\xff"):
        assert manifest.submitters_key(junk, PLACE, SubmissionLimits()) is None


def test_the_id_depends_on_the_place_and_every_byte():
    data = dump(said())
    ids = {
        manifest.job_id(PLACE, data),
        manifest.job_id(PLACE, data + b" "),
        manifest.job_id(PLACE._replace(name="x"), data),
        manifest.job_id(PLACE._replace(owner="eve@example.org"), data),
        manifest.job_id(PLACE._replace(submitter="eve@example.org"), data),
    }
    assert len(ids) == 5
    assert all(len(job) == 32 and int(job, 16) >= 0 for job in ids)


def test_the_work_is_the_same_whoever_asks_and_whenever():
    one = manifest.parse(dump(said()))
    other = manifest.parse(dump(said(nonce="m", name="x", submitted_by="eve@example.org", metadata={"a": 1})))
    assert manifest.work_digest(one) == manifest.work_digest(other)
    changed = manifest.parse(dump(said(files={"run.sh": {"size": 6, "sha256": SHA}})))
    assert manifest.work_digest(changed) != manifest.work_digest(one)
    assert manifest.work_digest(manifest.parse(dump(said(datasets=["a"])))) != manifest.work_digest(one)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (None, None),
        ("", None),
        ("yesterday", None),
        ("2099-01-01T00:00:00Z", NOW),
        ("9999-12-31T23:59:59-23:59", NOW),
        ("0001-01-01T00:00:00+00:00", datetime(1, 1, 1, tzinfo=UTC)),
        ("2026-03-02T10:30:00", datetime(2026, 3, 2, 10, 30, tzinfo=UTC)),
        ("2026-03-02T10:30:00+02:00", datetime(2026, 3, 2, 8, 30, tzinfo=UTC)),
    ],
)
def test_a_claimed_time_is_never_later_than_now(text: str | None, expected: datetime | None):
    seconds = expected.timestamp() if expected is not None else float("-inf")
    assert manifest.timestamp(text, latest=NOW.timestamp()) == seconds


def test_an_older_spec_is_read_leniently():
    asked = manifest.parse(
        b"name: Old\nsubmitted_by: eve@example.org\nsubmitted_at: 2026-03-02T10:30:00+00:00\ncolour: blue\n"
    )
    assert (asked.format, asked.name, asked.type, asked.files) == (0, "Old", "bash", {})
    assert asked.extra == {"colour": "blue"}
    assert manifest.parse(b"entrypoint: main.py\n").type == "python"
    assert manifest.parse(b'{"name": "x", "dependencies": 5}').dependencies == ()


def test_resources_are_read_from_text_and_refuse_nonsense():
    text: dict[str, Any] = {"memory": "2G", "time_limit": "2h30m"}
    wish = JobResources(cpu_count=2, **text)
    assert wish.memory == Memory.parse("2G")
    assert wish.to_json() == {"cpu_count": 2, "memory": Memory.parse("2G").bytes, "time_limit": 9000}
    assert JobResources().to_json() == {}
    wrong: dict[str, Any]
    for wrong in ({"cpu_count": 0}, {"gpu_count": 1.5}, {"memory": "0"}, {"time_limit": 0}, {"memory": "lots"}):
        with pytest.raises(ValueError):
            JobResources(**wrong)


def test_a_nonce_is_new_each_time():
    assert len({manifest.new_nonce() for _ in range(100)}) == 100


def test_the_fields_are_those_of_the_format():
    written = set(JobSpec("n", "s", "t", "bash", {}, seal={}).to_json())
    assert written == set(
        "format nonce name submitted_by submitted_at owner_key type entrypoint command dependencies files resources"
        " datasets retry after metadata needs seal".split()
    )


@pytest.mark.parametrize(
    "path",
    ["../x", "a/../../x", "/etc/passwd", "a//b", "./a", "a/.", "", "a/", "a\0b", "a\nb", "x/" * 40 + "y", "n" * 300],
)
def test_manifests_and_markers_refuse_the_same_paths(path: str):
    with pytest.raises(UnreadableJob):
        manifest.parse(dump(said(files={"run.sh": ENTRY, "code/" + path: ENTRY})))
    body = {"digest": SHA, "attempt": 1, "outputs": {"who": ["*"], "files": {path: ENTRY}}}
    with pytest.raises(UnreadableJob):
        markers.parse("shared", dump(body), limit=1 << 20)


def test_paths_are_validated_in_one_place_only():
    """Every untrusted path is an `InnerPath`; nothing else in these packages looks for ``..`` by itself.

    But for `exchange/permissions.py`: the path that its caller asks about is nobody else's.
    """
    package = Path(syft_job.__file__).parent
    modules = [*(package / "exchange").rglob("*.py"), *(package / "format" / "manifest").rglob("*.py")]
    modules.append(package / "format" / "markers.py")
    checking = [path.name for path in modules if '".."' in path.read_text("utf-8")]
    assert checking == ["permissions.py"]
