"""The submitter's side, attacked: threats 41 to 44, and odd things where a job's files are expected.

Statements of a hostile owner are signed here from docs/reference/format.md alone, with the private key in the home.
"""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from syft_job import JobClient, disk
from syft_job.errors import SyftJobError
from syft_job.testing import TwoPeople

NAME = "Tides"
NO_BYTES = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


@pytest.fixture
def people(tmp_path: Path) -> Iterator[TwoPeople]:
    with TwoPeople(tmp_path / "people") as both:
        yield both


def private_key(client: JobClient) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(base64.b64decode((client.home.path / "key").read_bytes()))


def signed(
    people: TwoPeople, client: JobClient, kind: str, body: dict[str, Any], *, digest: str = "", attempt: int = 0
) -> dict[str, Any]:
    """``body`` with a seal, as format.md §Seals says; for ASCII texts sorted keys are RFC 8785's order."""
    place = {"owner": people.owner_email, "submitter": people.submitter_email, "name": NAME}
    said = {"kind": kind, **place, "digest": digest, "attempt": attempt, "body": body}
    text = json.dumps(said, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    key = private_key(client)
    public = base64.b64encode(key.public_key().public_bytes_raw()).decode()
    signature = base64.b64encode(key.sign(b"syft-job/1\n" + text)).decode()
    return body | {"seal": {"key": public, "sig": signature}}


def put_marker(people: TwoPeople, kind: str, *, attempt: int = 1, file: str | None = None, **fields: Any) -> None:
    """Write a marker that the owner signed, whatever it says."""
    digest = people.owner_job(NAME).digest
    body = {"digest": digest, "attempt": attempt, "at": "2026-03-01T09:30:00Z", **fields}
    target = people.location(NAME) / (file or kind)
    target.parent.mkdir(exist_ok=True)
    target.write_text(json.dumps(signed(people, people.owner, kind, body, digest=digest, attempt=attempt)))


def finished(people: TwoPeople, tmp_path: Path) -> None:
    """A job that is done, with one shared output `r.csv`."""
    people.submit(name=NAME)
    (tmp_path / "r.csv").write_text("a,b\n")
    job = people.owner_job(NAME)
    job.accept_by_depositing_result(tmp_path / "r.csv")
    job.share_outputs([people.submitter_email])


def share_by_hand(people: TwoPeople, outputs: Any, **more: Any) -> None:
    put_marker(people, "shared", outputs=outputs, **more)


def look_at_everything(people: TwoPeople) -> str:
    """Every property of a job that reads the folder; a refusal in words is an answer, anything else is a crash."""
    job = people.submitters_job(NAME)
    seen = [job.status, str(job.findings), str(job.history), str(job.verify()), str(job.output_paths), str(job)]
    for look in (lambda: job.output_files, lambda: job.returncode, lambda: job.files, lambda: job.wait(0)):
        try:
            seen.append(str(look()))
        except SyftJobError as error:
            seen.append(str(error))
    seen += [str(job.stdout), str(job.stderr)]
    return "\n".join(seen)


def command_line(people: TwoPeople, *words: str | Path) -> subprocess.CompletedProcess[str]:
    settings = ["--root", str(people.root), "--as", people.submitter_email]
    command = [sys.executable, "-m", "syft_job", *settings, *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


# Threat 41: a hostile owner writes on the submitter's disk

OUTSIDE = ["../escaped", "/tmp/escaped", "a/../../escaped", "..", ".", "", "a//b", "a/./b", "x\0y", "a\\..\\b", "./a"]


@pytest.mark.parametrize("path", OUTSIDE)
def test_threat_41_a_listed_path_never_leaves_the_outputs(people: TwoPeople, tmp_path: Path, path: str):
    finished(people, tmp_path)
    escaped = people.location(NAME) / "escaped"
    escaped.write_bytes(b"")
    share_by_hand(people, {"who": ["*"], "files": {path: {"size": 0, "sha256": NO_BYTES}}})
    seen = look_at_everything(people)
    assert "'shared' cannot be read and counts for nothing" in seen
    target = tmp_path / "copies" / "here"
    ran = command_line(people, "outputs", NAME, "--copy", target)
    assert ran.returncode == 1, ran
    assert "Traceback" not in ran.stderr
    assert not list((tmp_path / "copies").rglob("*escaped*"))


MALFORMED: list[Any] = [
    {"who": ["*"], "files": {"r.csv": 5}},
    {"who": ["*"], "files": {"r.csv": {"size": "4", "sha256": NO_BYTES}}},
    {"who": ["*"], "files": {"r.csv": {"size": -1, "sha256": NO_BYTES}}},
    {"who": ["*"], "files": {"r.csv": {"size": True, "sha256": NO_BYTES}}},
    {"who": ["*"], "files": {"r.csv": {"size": 4}}},
    {"who": ["*"], "files": {"r.csv": {"size": 4, "sha256": "x"}}},
    {"who": ["*"], "files": ["r.csv"]},
    {"who": "ada@example.org", "files": {}},
    {"who": [5], "files": {}},
    ["r.csv"],
    "r.csv",
    5,
]


@pytest.mark.parametrize("part", MALFORMED, ids=str)
@pytest.mark.parametrize("what", ["outputs", "logs"])
def test_threat_41_a_malformed_but_signed_shared_is_a_finding(people: TwoPeople, tmp_path: Path, what: str, part: Any):
    finished(people, tmp_path)
    put_marker(people, "shared", **{what: part})
    assert "'shared' cannot be read and counts for nothing" in look_at_everything(people)
    assert not people.submitters_job(NAME).verify().ok
    assert people.owner_job(NAME).status == "done", "the owner goes by the ledger"


def test_threat_41_logs_list_nothing_but_logs(people: TwoPeople, tmp_path: Path):
    finished(people, tmp_path)
    put_marker(people, "shared", logs={"who": ["*"], "files": {"config.yaml": {"size": 0, "sha256": NO_BYTES}}})
    assert "which is no log" in look_at_everything(people)


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("approved", {"share": {"outputs": 5}}),
        ("approved", {"share": ["ada@example.org"]}),
        ("approved", {"share": {"outputs": "xada@example.orgx"}}),
        ("approved", {"reason": ["because"]}),
        ("approved", {"at": 5}),
        ("rejected", {"reason": {"a": 1}}),
        ("cancelled", {"by": 5}),
        ("attempt", {"outcome": "exploded"}),
        ("attempt", {"outcome": ["failed"]}),
        ("done", {"outcome": {}}),
    ],
    ids=str,
)
def test_threat_41_no_field_of_a_signed_marker_crashes_a_reader(people: TwoPeople, kind: str, fields: dict[str, Any]):
    people.submit(name=NAME)
    put_marker(people, kind, file="attempts/1.json" if kind == "attempt" else None, **fields)
    seen = look_at_everything(people)
    assert "cannot be read and counts for nothing" in seen
    assert people.submitters_job(NAME).status in ("inbox", "approved")


def test_threat_41_only_what_is_listed_is_copied(people: TwoPeople, tmp_path: Path):
    finished(people, tmp_path)
    outputs = people.location(NAME) / "outputs"
    (outputs / "smuggled.csv").write_text("x")
    ran = command_line(people, "outputs", NAME, "--copy", tmp_path / "mine")
    assert ran.returncode == 0, ran.stderr
    assert [path.name for path in (tmp_path / "mine").rglob("*")] == ["r.csv"]


def listed_folder(people: TwoPeople, tmp_path: Path) -> Path:
    """Outputs in a folder `d`, shared; returns the folder."""
    people.submit(name=NAME)
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "r.csv").write_text("a,b\n")
    job = people.owner_job(NAME)
    job.accept_by_depositing_result(tmp_path / "d")
    job.share_outputs(["*"])
    return people.location(NAME) / "outputs" / "d"


def test_threat_41_unlisted_files_in_a_listed_folder_stay_unseen(people: TwoPeople, tmp_path: Path):
    folder = listed_folder(people, tmp_path)
    (folder / "smuggled.csv").write_text("x")
    assert [path.name for path in people.submitters_job(NAME).output_files] == ["r.csv"]
    (tmp_path / "mine").mkdir()
    people.submitters_job(NAME).copy_outputs(tmp_path / "mine")
    with pytest.raises(SyftJobError, match="exists"):
        people.submitters_job(NAME).copy_outputs(tmp_path / "mine")
    assert [path.name for path in (tmp_path / "mine" / "d").iterdir()] == ["r.csv"]


def test_threat_41_a_released_file_that_differs_is_not_copied(people: TwoPeople, tmp_path: Path):
    folder = listed_folder(people, tmp_path)
    (folder / "r.csv").write_text("c,d\n")
    ran = command_line(people, "outputs", NAME, "--copy", tmp_path / "mine")
    assert ran.returncode == 1
    assert "is not what was released" in ran.stderr
    assert not [path for path in (tmp_path / "mine").rglob("*") if path.is_file()]


@pytest.mark.parametrize("strange", ["link", "folder link", "fifo", "folder", "outputs link"])
def test_threat_41_copying_follows_no_link_and_waits_for_nothing(people: TwoPeople, tmp_path: Path, strange: str):
    secret = tmp_path / "secrets"
    secret.mkdir()
    (secret / "r.csv").write_text("a,b\n")  # even what has the listed content
    folder = listed_folder(people, tmp_path)
    (folder / "r.csv").unlink()
    if strange == "link":
        (folder / "r.csv").symlink_to(secret / "r.csv")
    elif strange == "fifo":
        os.mkfifo(folder / "r.csv")
    elif strange == "folder":
        (folder / "r.csv").mkdir()
    elif strange == "folder link":
        folder.rmdir()
        folder.symlink_to(secret)
    else:
        folder.rmdir()
        folder.parent.rmdir()
        (secret / "d").mkdir()
        (secret / "d" / "r.csv").write_text("a,b\n")
        folder.parent.symlink_to(secret)
    ran = command_line(people, "outputs", NAME, "--copy", tmp_path / "mine")
    assert ran.returncode == 1
    assert "Traceback" not in ran.stderr
    assert not [path for path in (tmp_path / "mine").rglob("*") if path.is_file()]
    look_at_everything(people)


def test_threat_41_a_sparse_terabyte_is_refused_before_the_first_byte(people: TwoPeople, tmp_path: Path):
    finished(people, tmp_path)
    os.truncate(people.location(NAME) / "outputs" / "r.csv", 1 << 40)
    share_by_hand(people, {"who": ["*"], "files": {"r.csv": {"size": 1 << 40, "sha256": NO_BYTES}}})
    (tmp_path / "mine").mkdir()
    with pytest.raises(SyftJobError, match=r"raise limits\.total_bytes"):
        people.submitters_job(NAME).copy_outputs(tmp_path / "mine")
    assert list((tmp_path / "mine").iterdir()) == []


@pytest.mark.parametrize("name", ["", ".", "..", "../x", "a/b", "/etc/passwd", "a\0b"])
def test_threat_41_the_file_layer_refuses_what_is_not_one_name(tmp_path: Path, name: str):
    (tmp_path / "inside").mkdir()
    (tmp_path / "x").write_text("outside")
    (tmp_path / "inside" / "plain").write_text("inside")
    with disk.directory(tmp_path, "inside") as opened:
        for use in (
            lambda: disk.look(opened, name),
            lambda: disk.read(opened, name, limit=10),
            lambda: disk.hash_file(opened, name, most=10),
            lambda: disk.create(opened, name, b""),
            lambda: disk.put(opened, name, b""),
            lambda: disk.put(opened, "plain", b"", temporary=name or "."),
            lambda: disk.rename(opened, "plain", opened, name),
            lambda: disk.rename(opened, name, opened, "plain"),
            lambda: disk.copy(opened, "plain", opened, name, most=10),
            lambda: disk.copy(opened, name, opened, "other", most=10),
            lambda: disk.remove(opened, name),
            lambda: disk.make_new_directory(opened, name),
            lambda: disk.directory(opened, name).__enter__(),
            lambda: disk.directory(opened, name, create=True).__enter__(),
        ):
            with pytest.raises(SyftJobError, match="not the name of one file or folder"):
                use()
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["inside", "plain", "x"]
    assert (tmp_path / "x").read_text() == "outside"


# Threat 42: an outcome that is withheld leaks


def process(people: TwoPeople) -> None:
    from syft_job import create_runner

    runner = create_runner(people.root, people.owner_email, 0.2, sandbox="bare", tell_outcome="when_shared")
    runner.announce = None
    runner.process_approved_jobs(stream_output=False)
    runner.step()


def published(people: TwoPeople) -> dict[str, str]:
    """All that the submitter can read of the owner's files in the job, by name."""
    location = people.location(NAME)
    submitted = ("config.yaml", "run.sh")
    return {
        str(path.relative_to(location)): path.read_text()
        for path in sorted(location.rglob("*"))
        if path.is_file() and path.name not in submitted
    }


@pytest.mark.parametrize("script", ["exit 3\n", "true\n"])
def test_threat_42_a_withheld_outcome_is_in_no_file(tmp_path: Path, script: str):
    with TwoPeople(tmp_path, sandbox="bare", tell_outcome="when_shared") as people:
        people.submit(script, NAME)
        people.owner_job(NAME).approve()
        process(people)
        job = people.owner_job(NAME)
        assert job.status == "done"
        assert set(published(people)) == {"approved", "running"}
        job.rerun()
        files = published(people)
        assert set(files) == {"approved", "attempts/1.json"}
        for name, text in files.items():
            assert not any(word in text for word in ("failed", "succeeded", "outcome", "returncode")), name
        theirs = people.submitters_job(NAME)
        assert (theirs.status, theirs.attempt) == ("approved", 2)
        assert not any(word in str(theirs.history) for word in ("failed", "succeeded"))
        assert theirs.verify().ok, str(theirs.verify())
        process(people)
        people.owner_job(NAME).share_logs([people.submitter_email])
        assert people.submitters_job(NAME).status == "done", "the second attempt's outcome is told with its logs"
        assert "outcome" not in published(people)["attempts/1.json"]
        assert "failed" in str(people.owner_job(NAME).history) or script == "true\n", "the owner's own record keeps it"


def test_an_outcome_that_is_not_withheld_is_in_the_permit(tmp_path: Path):
    with TwoPeople(tmp_path, sandbox="bare") as people:
        finished(people, tmp_path)
        people.submit("exit 3\n", "Other")
        people.owner_job("Other").approve()
        from syft_job import create_runner

        runner = create_runner(people.root, people.owner_email, 0.2, sandbox="bare")
        runner.announce = None
        runner.process_approved_jobs(stream_output=False)
        people.owner_job("Other").rerun()
        permit = json.loads((people.location("Other") / "attempts" / "1.json").read_bytes())
        assert permit["outcome"] == "failed"


# wait() and a release to everybody


def test_wait_returns_when_what_was_promised_to_everybody_is_here(people: TwoPeople, tmp_path: Path):
    people.submit(name=NAME)
    (tmp_path / "r.csv").write_text("a,b\n")
    job = people.owner_job(NAME)
    job.approve(share_outputs=["*"])
    job.accept_by_depositing_result(tmp_path / "r.csv")
    theirs = people.submitters_job(NAME)
    assert theirs.wait(5).value == "succeeded"
    assert [path.name for path in theirs.output_paths] == ["r.csv"]
    shared = people.location(NAME) / "shared"
    content = shared.read_bytes()
    shared.unlink()
    with pytest.raises(TimeoutError):
        theirs.wait(0)
    shared.write_bytes(content)
    theirs.wait(5)


# Threat 43: who signed


def key_file(people: TwoPeople, person: str) -> Path:
    return people.root / person / "public" / "syft_job" / "key.json"


def signed_by(people: TwoPeople, client: JobClient) -> None:
    """A job in the submitter's folder whose config.yaml ``client`` signed."""
    config = people.location(NAME) / "config.yaml"
    body = {key: value for key, value in json.loads(config.read_bytes()).items() if key != "seal"}
    config.write_text(json.dumps(signed(people, client, "config", body)))


@pytest.fixture
def bob(people: TwoPeople) -> JobClient:
    (people.root / "bob@example.org").mkdir()
    client = JobClient(people.owner.config, "bob@example.org", announce=None)
    client.open_datasite()
    return client


def test_threat_43_verify_and_review_say_whose_key_it_is(people: TwoPeople):
    people.submit(name=NAME)
    theirs, ours = people.submitters_job(NAME).verify(), people.owner_job(NAME).verify()
    assert theirs.ok
    assert ours.ok
    assert any("your own key" in line for line in theirs.holds)
    assert any(f"the key published by {people.submitter_email}" in line for line in ours.holds)
    assert f"the key published by {people.submitter_email}" in str(people.owner_job(NAME).review())
    people.submitter.rotate_key()
    assert any(f"an earlier key of {people.submitter_email}" in line for line in people.owner_job(NAME).verify().holds)
    assert people.owner_job(NAME).verify().ok


def test_threat_43_anothers_key_does_not_pass_for_the_submitters(people: TwoPeople, bob: JobClient):
    people.submit(name=NAME)
    signed_by(people, bob)
    for job in (people.owner_job(NAME), people.submitters_job(NAME)):
        found = job.verify()
        assert not found.ok
        assert not any("config.yaml" in line for line in found.holds)
        assert any("not one of" in line and "bob@example.org publishes it" in line for line in found.fails), str(found)
    review = str(people.owner_job(NAME).review())
    assert f"not one of the keys of {people.submitter_email}; bob@example.org publishes it" in review
    assert "not a key of ada@example.org" in review.partition("WOULD RUN")[0]
    ran = command_line(people, "verify", NAME)
    assert ran.returncode == 1
    assert "bob@example.org publishes it" in ran.stdout


def test_threat_43_a_key_that_nobody_publishes_is_said_to_be_unknown(people: TwoPeople):
    people.submit(name=NAME)
    key_file(people, people.submitter_email).unlink()
    found = people.owner_job(NAME).verify()
    assert any("publishes no usable key here" in line for line in found.fails)
    assert not found.ok
    assert "publishes no usable key here" in str(people.owner_job(NAME).review())


def test_threat_43_the_owners_key_that_a_job_was_sent_to_is_compared(people: TwoPeople, bob: JobClient):
    people.submit(name=NAME)
    config = people.location(NAME) / "config.yaml"
    body = {key: value for key, value in json.loads(config.read_bytes()).items() if key != "seal"}
    body["owner_key"] = base64.b64encode(private_key(bob).public_key().public_bytes_raw()).decode()
    config.write_text(json.dumps(signed(people, people.submitter, "config", body)))
    found = people.submitters_job(NAME).verify()
    assert any(f"not one of the keys of {people.owner_email}; bob@example.org" in line for line in found.fails)


def other_spelling(text: str) -> str:
    """The same bytes in another base64 text: the bits that padding leaves over are set."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    bare = text.rstrip("=")
    other = bare[:-1] + alphabet[alphabet.index(bare[-1]) + 1] + "=" * (len(text) - len(bare))
    assert other != text
    assert base64.b64decode(other) == base64.b64decode(text)
    return other


@pytest.mark.parametrize("field", ["key", "sig"])
def test_threat_43_another_spelling_of_a_seal_does_not_verify(people: TwoPeople, field: str):
    people.submit(name=NAME)
    config = people.location(NAME) / "config.yaml"
    said = json.loads(config.read_bytes())
    said["seal"][field] = other_spelling(said["seal"][field])
    config.write_text(json.dumps(said))
    for job in (people.owner_job(NAME), people.submitters_job(NAME)):
        assert "config.yaml carries no valid seal" in job.verify().fails
    assert "not sealed" in str(people.owner_job(NAME).review())


def test_threat_43_a_key_that_was_given_up_keeps_its_warning_in_every_spelling(people: TwoPeople):
    people.submit(name=NAME)
    said = json.loads((people.location(NAME) / "config.yaml").read_bytes())
    people.submitter.rotate_key(compromised=True)
    assert "gave up the key" in str(people.owner_job(NAME).review())
    said["seal"]["key"] = other_spelling(said["seal"]["key"])
    (people.location(NAME) / "config.yaml").write_text(json.dumps(said))
    assert "carries no valid seal" in str(people.owner_job(NAME).review())


def test_threat_43_a_key_file_in_another_spelling_is_refused(people: TwoPeople):
    file = key_file(people, people.owner_email)
    said = json.loads(file.read_bytes())
    for change in ("key", "seal"):
        changed = json.loads(json.dumps(said))
        if change == "key":
            changed["key"] = changed["seal"]["key"] = other_spelling(said["key"])
        else:
            changed["seal"]["sig"] = other_spelling(said["seal"]["sig"])
        file.write_text(json.dumps(changed))
        with pytest.raises(SyftJobError, match=r"key\.json"):
            people.submit(name=NAME)


SMALL_ORDER = [0, 1, 2**255 - 20, 0x05FC536D880238B13933C6D305ACDFD5F098EFF289F4C345B027B2C28F95E826]


@pytest.mark.parametrize("y", [*SMALL_ORDER, 2**255 - 19, 2**255 - 18, 2**255 - 1], ids=hex)
def test_threat_43_a_key_under_which_anything_verifies_is_no_key(people: TwoPeople, y: int):
    """With the identity point as the key, R = identity and S = 0 sign every statement."""
    people.submit(name=NAME)
    config = people.location(NAME) / "config.yaml"
    said = json.loads(config.read_bytes())
    for sign in (0, 1 << 255):
        point = base64.b64encode((y | sign).to_bytes(32, "little")).decode()
        for r in (y | sign, 1):
            nothing = base64.b64encode(r.to_bytes(32, "little") + bytes(32)).decode()
            config.write_text(json.dumps(said | {"seal": {"key": point, "sig": nothing}}))
            assert "config.yaml carries no valid seal" in people.owner_job(NAME).verify().fails
