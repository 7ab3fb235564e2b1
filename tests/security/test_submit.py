"""The submitter's side, attacked: threats 41 to 44, and odd things where a job's files are expected.

Statements of a hostile owner are signed here from docs/reference/format.md alone, with the private key in the home.
"""

from __future__ import annotations

import base64
import dataclasses
import errno
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from syft_job import JobClient, fs
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
    with fs.directory(tmp_path, "inside") as opened:
        for use in (
            lambda: fs.look(opened, name),
            lambda: fs.read(opened, name, limit=10),
            lambda: fs.hash_file(opened, name, most=10),
            lambda: fs.create(opened, name, b""),
            lambda: fs.put(opened, name, b""),
            lambda: fs.put(opened, "plain", b"", temporary=name or "."),
            lambda: fs.rename(opened, "plain", opened, name),
            lambda: fs.rename(opened, name, opened, "plain"),
            lambda: fs.copy(opened, "plain", opened, name, most=10),
            lambda: fs.copy(opened, name, opened, "other", most=10),
            lambda: fs.remove(opened, name),
            lambda: fs.make_new_directory(opened, name),
            lambda: fs.directory(opened, name).__enter__(),
            lambda: fs.directory(opened, name, create=True).__enter__(),
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


# Threat 44: secrets submitted by mistake

SECRETS = [
    ".env",
    ".env.production",
    "prod.env",
    "sub/.ENV",
    ".ssh/id_rsa",
    ".ssh/config",
    "id_ed25519",
    "keys/server.key",
    "store.p12",
    "store.pfx",
    "a.ppk",
    "passwords.kdbx",
    ".aws/credentials",
    "sub/.aws/config",
    ".gnupg/x",
    ".netrc",
    ".pypirc",
    ".npmrc",
    ".docker/config.json",
    ".kube/config",
    ".config/gcloud/x.db",
    "my-credentials.json",
    "service-account.json",
    ".git-credentials",
    "secrets.toml",
]
CACHES = [
    "__pycache__/main.pyc",
    "a.pyc",
    ".mypy_cache/x",
    ".pytest_cache/x",
    ".ruff_cache/x",
    ".ipynb_checkpoints/x",
    "node_modules/x/index.js",
    ".venv/bin/python",
    ".tox/x",
    ".nox/x",
    "x.egg-info/PKG-INFO",
]
VERSION_CONTROL = [".git/config", "sub/.git", ".hg/store", ".svn/entries", ".bzr/x"]
CANNOT_TRAVEL = [".DS_Store", "logs/x", "dist/x.whl", "a.log", "b.tmp", "syft.pub.yaml", "a.sync-conflict-1.py"]
TRAVELS = [
    "main.py",
    ".env.example",
    ".env.sample",
    ".env.template",
    "env/notes.txt",
    "id_rsa.pub",
    ".gitignore",
    ".github/ci.yml",
    "docker/config.json",
    "cert.pem",
    "environment.py",
    "keys.csv",
    "data/credentials.md",
    "venv/notes.txt",
]
PEM = "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEA\n-----END OPENSSH PRIVATE KEY-----\n"


def folder_of(tmp_path: Path, *paths: str, content: str = "1\n") -> Path:
    code = tmp_path / "study"
    for path in paths:
        (code / path).parent.mkdir(parents=True, exist_ok=True)
        (code / path).write_text(content)
    return code


def submitted(location: Path) -> set[str]:
    return {str(path.relative_to(location / "code")) for path in (location / "code").rglob("*") if path.is_file()}


def test_threat_44_secrets_caches_and_version_control_stay_with_a_line_each(tmp_path: Path):
    lines: list[str] = []
    code = folder_of(tmp_path, *SECRETS, *CACHES, *VERSION_CONTROL, *CANNOT_TRAVEL, *TRAVELS)
    with TwoPeople(tmp_path / "people", announce=lines.append) as people:
        location = people.submitter.submit_python_job(people.owner_email, code, NAME)
        assert submitted(location) == set(TRAVELS)
        for path in (*SECRETS, *CACHES, *VERSION_CONTROL, *CANNOT_TRAVEL):
            parts = path.split("/")
            above = ["/".join(parts[:n]) + "/" for n in range(1, len(parts))]
            told = [line for line in lines if any(f": {one}: " in line for one in (path, *above))]
            assert len(told) == 1, path


@pytest.mark.parametrize("name", ["notes.txt", "cert.pem", "helper.py", "account.json"])
def test_threat_44_a_private_key_is_found_by_its_content(people: TwoPeople, tmp_path: Path, name: str):
    code = folder_of(tmp_path, "main.py", "data/x.csv")
    text = json.dumps({"type": "service_account", "private_key": PEM}) if name.endswith(".json") else f"# mine\n{PEM}"
    (code / name).write_text(text)
    seen = people.submitter.preview_submission(people.owner_email, code)
    assert [str(one) for one in seen.left_out] == [f"{name}: it holds a private key"]
    location = people.submitter.submit_python_job(people.owner_email, code, NAME, include=[name])
    assert name in submitted(location), "it was named"


def test_threat_44_what_is_named_travels_but_not_what_cannot(people: TwoPeople, tmp_path: Path):
    code = folder_of(tmp_path, "main.py", *SECRETS, *CACHES, *VERSION_CONTROL, *CANNOT_TRAVEL)
    named = [".env", ".aws/credentials", "sub/.aws/", "__pycache__", "node_modules/x/index.js", ".git", "a.log"]
    location = people.submitter.submit_python_job(people.owner_email, code, NAME, include=named)
    assert submitted(location) == {
        "main.py",
        ".env",
        ".aws/credentials",
        "sub/.aws/config",
        "__pycache__/main.pyc",
        "node_modules/x/index.js",
    }


def test_threat_44_the_entrypoint_is_never_left_out_silently(people: TwoPeople, tmp_path: Path):
    code = folder_of(tmp_path, "main.py", "other.py")
    (code / "main.py").write_text(f'KEY = """{PEM}"""\n')
    with pytest.raises(SyftJobError, match="private key"):
        people.submitter.submit_python_job(people.owner_email, code, NAME, entrypoint="main.py")
    (code / "third.py").write_text("1\n")
    with pytest.raises(SyftJobError, match=r"left out: main\.py"):
        people.submitter.submit_python_job(people.owner_email, code, NAME)
    assert not people.location(NAME).exists()


def test_threat_44_a_single_secret_is_refused(people: TwoPeople, tmp_path: Path):
    for name, content in ((".env", "TOKEN=1\n"), ("id_rsa", "x\n"), ("run.sh", f"cat <<E\n{PEM}E\n"), ("a.key", "x\n")):
        (tmp_path / name).write_text(content)
        with pytest.raises(SyftJobError, match="include=") as refused:
            people.submitter.submit_bash_job(people.owner_email, tmp_path / name, NAME)
        assert f"--include {name}" in refused.value.for_command_line
    (tmp_path / "main.py").write_text(PEM)
    with pytest.raises(SyftJobError, match="private key"):
        people.submitter.submit_python_job(people.owner_email, tmp_path / "main.py", NAME)
    assert not people.location(NAME).exists()
    people.submitter.submit_bash_job(people.owner_email, tmp_path / "run.sh", NAME, include=["run.sh"])
    assert PEM in (people.location(NAME) / "run.sh").read_text()


def test_threat_44_an_environment_is_known_by_what_is_in_it(people: TwoPeople, tmp_path: Path):
    code = folder_of(tmp_path, "main.py", "myenv/pyvenv.cfg", "myenv/lib/x.py", "conda/conda-meta/history")
    seen = people.submitter.preview_submission(people.owner_email, code)
    assert [path for path, _ in seen.files] == ["run.sh", "code/main.py"]
    assert sorted(one.path for one in seen.left_out) == ["conda/", "myenv/"]


def test_threat_44_the_ignore_file_has_gitignore_syntax(people: TwoPeople, tmp_path: Path):
    paths = ["main.py", "a.csv", "keep.csv", "raw/x.bin", "sub/raw/y.bin", "deep/a/b/c.txt", "top.txt", "sub/top.txt"]
    code = folder_of(tmp_path, *paths)
    (code / ".syftjobignore").write_text("# mine\n*.csv\n!keep.csv\nraw/\ndeep/**/c.txt\n/top.txt\n!.env\n")
    (code / ".env").write_text("TOKEN=1\n")
    location = people.submitter.submit_python_job(people.owner_email, code, NAME)
    assert submitted(location) == {"main.py", "keep.csv", "sub/top.txt"}, "and it cannot bring back a secret"
    again = people.submitter.submit_python_job(people.owner_email, code, "Again", include=["a.csv", "raw/x.bin"])
    assert submitted(again) == {"main.py", "keep.csv", "sub/top.txt", "a.csv", "raw/x.bin"}


@pytest.mark.parametrize("content", [b"!\n", b"\xff\xfe", b"x" * 70_000], ids=["pattern", "text", "size"])
def test_threat_44_an_ignore_file_that_cannot_be_read_is_refused(people: TwoPeople, tmp_path: Path, content: bytes):
    code = folder_of(tmp_path, "main.py")
    (code / ".syftjobignore").write_bytes(content)
    with pytest.raises(SyftJobError, match="syftjobignore"):
        people.submitter.submit_python_job(people.owner_email, code, NAME)


def everything_in(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() if path.is_file() else b"" for path in sorted(folder.rglob("*"))}


def test_threat_44_a_dry_run_lists_all_and_writes_nothing(people: TwoPeople, tmp_path: Path):
    code = folder_of(tmp_path, "main.py", ".env", "n/data.csv", ".syftjobignore")
    before = everything_in(people.root), everything_in(people.submitter.home.path.parent)
    ran = command_line(people, "submit", people.owner_email, code, "--dry-run")
    assert ran.returncode == 0, ran.stderr
    for words in ("code/main.py", "code/n/data.csv", "run.sh", ".env: ", "Nothing was written", "3 files"):
        assert words in ran.stdout
    said = json.loads(command_line(people, "--json", "submit", people.owner_email, code, "--dry-run").stdout)
    assert [file["path"] for file in said["files"]] == ["run.sh", "code/main.py", "code/n/data.csv"]
    assert said["total_bytes"] == sum(file["size"] for file in said["files"])
    assert {one["path"] for one in said["left_out"]} == {".env", ".syftjobignore"}
    assert (everything_in(people.root), everything_in(people.submitter.home.path.parent)) == before
    done = json.loads(command_line(people, "--json", "submit", people.owner_email, code, "--name", NAME).stdout)
    assert {one["path"] for one in done["left_out"]} == {".env", ".syftjobignore"}
    assert command_line(people, "submit", "nobody@example.org", code, "--dry-run").returncode == 1
    with_it = command_line(people, "submit", people.owner_email, code, "--dry-run", "--include", ".env")
    assert "code/.env" in with_it.stdout


def test_threat_44_the_size_of_what_is_left_out_costs_nothing(people: TwoPeople, tmp_path: Path, monkeypatch: Any):
    """Counted: no folder below an excluded one is opened, and nothing in it counts against a limit."""
    code = folder_of(
        tmp_path, "main.py", *(f".venv/lib/{n}/x.py" for n in range(200)), *(f"raw/{n}" for n in range(200))
    )
    (code / ".syftjobignore").write_text("raw/\n")
    listed: list[Any] = []
    scandir = os.scandir

    def counted(path: Any) -> Any:
        listed.append(path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", counted)
    seen = people.submitter.preview_submission(people.owner_email, code)
    assert len(listed) == 1
    assert {one.path for one in seen.left_out} == {".venv/", "raw/", ".syftjobignore"}


@pytest.mark.slow
def test_threat_44_a_folder_with_a_huge_environment_can_be_submitted(people: TwoPeople, tmp_path: Path):
    code = folder_of(tmp_path, "main.py")
    for n in range(100):
        (code / "environment" / str(n)).mkdir(parents=True)
        for m in range(1000):
            (code / "environment" / str(n) / str(m)).touch()
    (code / "environment" / "pyvenv.cfg").touch()
    assert submitted(people.submitter.submit_python_job(people.owner_email, code, NAME)) == {"main.py"}


def test_long_names_are_warned_of_and_travel(tmp_path: Path):
    lines: list[str] = []
    long, short = "x" * 121 + ".py", "y" * 110 + ".py"
    code = folder_of(tmp_path, "main.py", long, short)
    with TwoPeople(tmp_path / "people", announce=lines.append) as people:
        location = people.submitter.submit_python_job(people.owner_email, code, NAME)
        assert submitted(location) == {"main.py", long, short}
    assert len([line for line in lines if "124 bytes" in line]) == 1
    assert not [line for line in lines if "yyy" in line]


# Names that are one to some machines


@pytest.mark.parametrize(
    "pair",
    [
        ("caf\u00e9.txt", "cafe\u0301.txt"),
        ("caf\u00e9/a.txt", "cafe\u0301/b.txt"),
        ("README.md", "readme.md"),
        ("Data/a.txt", "data/b.txt"),
        ("stra\u00dfe.txt", "strasse.txt"),
    ],
    ids=ascii,
)
def test_two_names_that_are_one_on_some_machines_are_refused(people: TwoPeople, tmp_path: Path, pair: tuple[str, str]):
    code = folder_of(tmp_path, "main.py", *pair)
    with pytest.raises(SyftJobError, match="one file on some machines") as refused:
        people.submitter.submit_python_job(people.owner_email, code, NAME)
    for path in pair:
        assert ascii(path) in str(refused.value)
    assert not people.location(NAME).exists()


def test_another_unicode_form_alone_is_submitted_in_form_c(people: TwoPeople, tmp_path: Path):
    code = folder_of(tmp_path, "main.py", "cafe\u0301/cre\u0300me.py")
    location = people.submitter.submit_python_job(
        people.owner_email, code, NAME, entrypoint="cafe\u0301/cre\u0300me.py"
    )
    assert submitted(location) == {"main.py", "caf\u00e9/cr\u00e8me.py"}
    assert people.submitters_job(NAME).verify().ok


# What is asked for, in other forms


def test_resources_may_be_a_mapping(people: TwoPeople, tmp_path: Path):
    code = folder_of(tmp_path, "main.py")
    asked = {"time_limit": "1m", "memory": "2G", "cpu_count": 2}
    location = people.submitter.submit_python_job(people.owner_email, code, NAME, resources=asked)
    said = json.loads((location / "config.yaml").read_bytes())["resources"]
    assert said == {"time_limit": 60, "memory": 2 << 30, "cpu_count": 2}


@pytest.mark.parametrize(
    ("resources", "error"),
    [
        ({"time": "1m"}, TypeError),
        ({"time_limit": ["1m"]}, TypeError),
        ({"time_limit": float("inf")}, TypeError),
        ({"time_limit": "inf"}, ValueError),
        ({"time_limit": "1e400"}, ValueError),
        ({"memory": float("nan")}, TypeError),
        ({"cpu_count": 0}, ValueError),
        ({1: 2}, TypeError),
        (["1m"], TypeError),
        ("1m", TypeError),
        (60, TypeError),
    ],
    ids=str,
)
def test_resources_of_another_kind_are_refused_in_words(people: TwoPeople, resources: Any, error: type[Exception]):
    with pytest.raises(SyftJobError, match="resources") as refused:
        people.submitter.submit_bash_job(people.owner_email, "true\n", NAME, resources=resources)
    assert isinstance(refused.value, error)


@pytest.mark.parametrize(
    "limit", [float("inf"), float("nan"), float("-inf"), 1e400, 10**400, 1e300, 0, -1, True, "1h x"]
)
def test_a_time_limit_that_is_no_length_of_time_is_refused(people: TwoPeople, limit: Any):
    with pytest.raises(SyftJobError, match="time_limit"):
        dataclasses.replace(people.owner.config, time_limit=limit)


@pytest.mark.parametrize("text", ["inf", "nan", "1e400", "-inf"])
def test_a_time_limit_in_the_profile_is_refused_with_its_key(people: TwoPeople, text: str):
    config = Path(os.environ["SYFT_JOB_CONFIG"])
    folder = json.dumps(str(people.root))
    lines = f'[profiles.default]\nemail = "{people.owner_email}"\nsyftbox_folder = {folder}\ntime_limit = {text}\n'
    config.write_text(lines)
    ran = subprocess.run(
        [sys.executable, "-m", "syft_job", "list"], capture_output=True, text=True, check=False, timeout=60
    )
    assert ran.returncode == 1
    assert "time_limit" in ran.stderr
    assert "Traceback" not in ran.stderr


@pytest.mark.parametrize("memory", [1 << 64, 10**30])
def test_an_amount_that_no_system_can_count_is_refused(people: TwoPeople, memory: int):
    with pytest.raises(SyftJobError, match="memory"):
        dataclasses.replace(people.owner.config, memory=memory)


def test_a_path_is_not_taken_for_a_script(people: TwoPeople, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    code = folder_of(tmp_path, "main.py")
    monkeypatch.chdir(tmp_path)
    for text in ("study/main.py", str(code / "main.py"), " study/main.py "):
        with pytest.raises(SyftJobError, match=r"that is a file; submit its content with Path\("):
            people.submitter.submit_bash_job(people.owner_email, text, NAME)
    with pytest.raises(SyftJobError, match="submit_python_job"):
        people.submitter.submit_bash_job(people.owner_email, str(code), NAME)
    assert not people.location(NAME).exists()
    people.submitter.submit_bash_job(people.owner_email, "study/main.py\n", NAME)
    people.submitter.submit_bash_job(people.owner_email, "true", "Other")
    people.submitter.submit_bash_job(people.owner_email, Path("study/main.py"), "Third")


# Odd things where files are expected


def odd(path: Path, kind: str) -> None:
    """Put something else in the place of ``path``."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "link":
        path.symlink_to("/etc")
    elif kind == "loop":
        path.symlink_to(path.name)
    elif kind == "huge":
        path.touch()
        os.truncate(path, 1 << 40)
    elif kind == "file":
        path.write_text("x")


@pytest.mark.parametrize("kind", ["fifo", "folder", "link", "loop", "huge", "file", "none"])
@pytest.mark.parametrize("name", ["outputs", "returncode.txt", "shared", "done", "attempts", "config.yaml", "run.sh"])
def test_no_odd_thing_in_a_job_blocks_or_crashes_its_submitter(people: TwoPeople, tmp_path: Path, name: str, kind: str):
    finished(people, tmp_path)
    people.owner_job(NAME).share_logs(["*"])
    odd(people.location(NAME) / name, kind)
    look_at_everything(people)


@pytest.mark.parametrize("kind", ["fifo", "link", "loop", "file", "none"])
def test_a_job_whose_folder_is_something_else_now_ends_in_words(people: TwoPeople, kind: str):
    people.submit(name=NAME)
    job = people.submitters_job(NAME)
    odd(people.location(NAME), kind)
    for look in (lambda: job.files, lambda: job.history, job.verify, lambda: job.returncode):
        try:
            look()
        except SyftJobError as error:
            assert NAME in str(error)
    with pytest.raises((SyftJobError, TimeoutError)):
        job.wait(0)


def test_an_unreadable_folder_keeps_its_errno(people: TwoPeople, monkeypatch: pytest.MonkeyPatch):
    people.submit(name=NAME)
    job = people.submitters_job(NAME)
    opened = os.open

    def failing(path: Any, *args: Any, **kwargs: Any) -> int:
        if path == NAME:
            raise OSError(errno.EIO, os.strerror(errno.EIO), path)
        return opened(path, *args, **kwargs)

    monkeypatch.setattr(os, "open", failing)
    with pytest.raises(SyftJobError, match="Input/output error") as refused:
        job.files  # noqa: B018 - it is a property
    assert refused.value.context["errno"] == errno.EIO


TWINS = [
    ("caf\u00e9.txt", "cafe\u0301.txt"),
    ("caf\u00e9/a.txt", "cafe\u0301/a.txt"),
    ("x/caf\u00e9/a", "x/cafe\u0301/b"),
]


@pytest.mark.parametrize("pair", TWINS, ids=ascii)
def test_a_deposit_with_two_names_in_two_unicode_forms_is_refused(
    people: TwoPeople, tmp_path: Path, pair: tuple[str, str]
):
    people.submit(name=NAME)
    results = folder_of(tmp_path, *pair)
    with pytest.raises(SyftJobError, match="two Unicode forms") as refused:
        people.owner_job(NAME).accept_by_depositing_result(results)
    assert "caf\\xe9" in str(refused.value)
    assert "cafe\\u0301" in str(refused.value)
    assert people.owner_job(NAME).status == "inbox"


def test_a_deposit_is_kept_in_unicode_form_c(people: TwoPeople, tmp_path: Path):
    people.submit(name=NAME)
    results = folder_of(tmp_path, "cafe\u0301/cre\u0300me.csv")
    job = people.owner_job(NAME)
    job.accept_by_depositing_result(results)
    job.share_outputs([people.submitter_email])
    theirs = people.submitters_job(NAME)
    assert [path.name for path in theirs.output_files] == ["cr\u00e8me.csv"]
    assert theirs.verify().ok, str(theirs.verify())
    people.submit(name="Other")
    (tmp_path / "re\u0301sume\u0301.csv").write_text("1\n")
    assert people.owner_job("Other").accept_by_depositing_result(tmp_path / "re\u0301sume\u0301.csv").is_file()


# Found by an attack of our own


def test_threat_44_a_key_in_utf_16_and_a_key_with_a_suffix_stay(people: TwoPeople, tmp_path: Path):
    code = folder_of(tmp_path, "main.py", "id_rsa_work", "id_ed25519.bak", "id_rsa_work.pub")
    (code / "note.txt").write_bytes(PEM.encode("utf-16"))
    seen = people.submitter.preview_submission(people.owner_email, code)
    assert [path for path, _ in seen.files] == ["run.sh", "code/id_rsa_work.pub", "code/main.py"]


@pytest.mark.parametrize("name", [".ssh", ".aws", ".gnupg", ".config/gcloud", ".git"])
def test_threat_44_a_folder_of_secrets_is_not_submitted_as_a_whole(people: TwoPeople, tmp_path: Path, name: str):
    folder = folder_of(tmp_path, f"{name}/main.py") / name
    (tmp_path / "innocent").symlink_to(folder)
    for path in (folder, tmp_path / "innocent"):
        with pytest.raises(SyftJobError, match="is not submitted"):
            people.submitter.submit_python_job(people.owner_email, path, NAME)
    assert not people.location(NAME).exists()


@pytest.mark.parametrize("include", [".env", [5], [None]], ids=str)
def test_include_of_another_kind_is_refused_in_words(people: TwoPeople, tmp_path: Path, include: Any):
    with pytest.raises(SyftJobError, match="include must be a list"):
        people.submitter.submit_python_job(people.owner_email, folder_of(tmp_path, "main.py"), NAME, include=include)


def test_a_script_of_another_kind_and_a_timeout_that_is_no_number_are_refused(people: TwoPeople):
    script: Any = b"true\n"
    with pytest.raises(SyftJobError, match="bytes"):
        people.submitter.submit_bash_job(people.owner_email, script, NAME)
    people.submit(name=NAME)
    with pytest.raises(ValueError, match="timeout"):
        people.submitters_job(NAME).wait(float("nan"))
