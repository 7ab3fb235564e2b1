"""Attacks on the submitter's side beyond the ones in `test_submit.py`: threats 41 and 44, and waits without an end."""

from __future__ import annotations

import errno
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from syft_job import SyftJobConfig, fs
from syft_job.errors import ConfigError, SyftJobError, UnreadableJob
from syft_job.exchange.result_tree import copy_tree
from syft_job.format.manifest import SubmissionLimits
from syft_job.testing import TwoPeople
from tests.security.test_submit import NAME, NO_BYTES, command_line, folder_of, share_by_hand


@pytest.fixture
def people(tmp_path: Path) -> Iterator[TwoPeople]:
    with TwoPeople(tmp_path / "people") as both:
        yield both


def shared_tree(people: TwoPeople, tmp_path: Path) -> Path:
    """A job with three shared outputs; returns the folder in which they are."""
    people.submit(name=NAME)
    tree = tmp_path / "res"
    tree.mkdir()
    for name, content in (("a.csv", "a"), ("b.csv", "b"), ("empty.txt", "")):
        (tree / name).write_text(content)
    job = people.owner_job(NAME)
    job.accept_by_depositing_result(tree)
    job.share_outputs([people.submitter_email])
    return people.location(NAME) / "outputs" / "res"


def travelling(people: TwoPeople, code: Path, *include: str) -> set[str]:
    seen = people.submitter.preview_submission(people.owner_email, code, include=list(include))
    return {path.removeprefix("code/") for path, _ in seen.files} - {"run.sh"}


# Threat 41: a copy is everything that `shared` lists, or it is refused


def test_threat_41_a_copy_that_would_lack_a_listed_file_is_refused(people: TwoPeople, tmp_path: Path):
    tree = shared_tree(people, tmp_path)
    (tree / "b.csv").unlink()
    target = tmp_path / "copies"
    target.mkdir()
    with pytest.raises(UnreadableJob, match=r"outputs/res/b\.csv .* has not arrived"):
        people.submitters_job(NAME).copy_outputs(target)
    assert list(target.iterdir()) == []
    ran = command_line(people, "outputs", NAME, "--copy", tmp_path / "more")
    assert ran.returncode == 1
    assert "has not arrived" in ran.stderr


def test_threat_41_an_empty_file_that_the_transport_dropped_is_copied(people: TwoPeople, tmp_path: Path):
    tree = shared_tree(people, tmp_path)
    (tree / "empty.txt").unlink()
    target = tmp_path / "copies"
    target.mkdir()
    copied = people.submitters_job(NAME).copy_outputs(target)
    assert [path.name for path in copied] == ["a.csv", "b.csv", "empty.txt"]
    assert (target / "res" / "empty.txt").read_bytes() == b""
    assert (target / "res" / "empty.txt").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("name", ["..", "../x", ""])
def test_threat_41_each_function_of_disk_refuses_what_is_not_one_name(tmp_path: Path, name: str):
    (tmp_path / "x").write_text("secret")
    inner = tmp_path / "inner"
    inner.mkdir()
    with fs.directory(inner) as opened:
        for act in (lambda: fs.is_hole(opened, name), lambda: fs.open_plain(inner / name, below=inner)):
            with pytest.raises(UnreadableJob, match="not the name of one"):
                act()


def test_threat_41_a_flood_of_unlisted_outputs_is_not_listed_to_its_end(people: TwoPeople, tmp_path: Path):
    """A `shared` without a list of files is for others than the submitter; what they list is bounded."""
    people.submit(name=NAME)
    (tmp_path / "r.csv").write_text("a\n")
    job = people.owner_job(NAME)
    job.accept_by_depositing_result(tmp_path / "r.csv")
    share_by_hand(people, {"who": ["*"]})
    for number in range(60):
        (people.location(NAME) / "outputs" / f"f{number}").touch()
    people.submitter.participant.limits = SubmissionLimits(files=10)
    assert len(people.submitters_job(NAME).output_paths) == 20


# A wait ends


def test_wait_says_why_when_what_was_shared_cannot_be_read(
    people: TwoPeople, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    people.submit(name=NAME)
    (tmp_path / "r.csv").write_text("a\n")
    people.owner_job(NAME).approve(share_outputs=["*"])
    people.owner_job(NAME).accept_by_depositing_result(tmp_path / "r.csv")
    share_by_hand(people, {"who": ["*"], "files": {"../x": {"size": 0, "sha256": NO_BYTES}}})
    with pytest.raises(TimeoutError, match="cannot be told"):
        people.submitters_job(NAME).wait(0.2)
    monkeypatch.setattr("syft_job.job._UNREADABLE_PATIENCE_S", 0.6)
    began = time.monotonic()
    with pytest.raises(UnreadableJob, match="'shared' cannot be read"):
        people.submitters_job(NAME).wait()
    assert time.monotonic() - began < 30
    people.owner_job(NAME).share_outputs(["*"])
    assert people.submitters_job(NAME).wait(20) == "succeeded"


def test_a_key_file_that_cannot_be_read_now_makes_no_job_unreadable(people: TwoPeople, monkeypatch: pytest.MonkeyPatch):
    """An online-only placeholder gives EIO while there is no network."""
    people.submit(name=NAME)
    opened = os.open

    def failing(path: Any, *args: Any, **kwargs: Any) -> int:
        if path == "key.json":
            raise OSError(errno.EIO, os.strerror(errno.EIO), path)
        return opened(path, *args, **kwargs)

    monkeypatch.setattr(os, "open", failing)
    people.owner.participant.forget_keys()
    assert people.owner_job(NAME).status == "inbox"
    assert "config.yaml is sealed" in str(people.owner_job(NAME).verify())


@pytest.mark.parametrize("key", ["files", "total_bytes", "unfinished"])
def test_a_limit_that_no_system_can_count_is_refused(people: TwoPeople, key: str):
    limits: Any = {key: 1 << 63}
    with pytest.raises(ConfigError, match=rf"limits\.{key}: .* too large"):
        SyftJobConfig(people.owner_email, people.root, limits=limits)


def test_an_output_that_goes_away_while_results_are_copied_does_not_lose_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Under bare, a process that a job left behind can remove files while they are brought home."""
    source, target = tmp_path / "from", tmp_path / "to"
    source.mkdir()
    target.mkdir()
    for name in ("a", "b", "c"):
        (source / name).write_text(name)
    copy = fs.copy

    def racing(place: int, name: str, *args: Any, **kwargs: Any) -> fs.Copied:
        if name == "b":
            (source / "b").unlink()
        return copy(place, name, *args, **kwargs)

    monkeypatch.setattr(fs, "copy", racing)
    left_out: list[str] = []
    with fs.directory(source) as reading, fs.directory(target) as writing:
        files = copy_tree(reading, writing, SubmissionLimits(), left_out=left_out)
    assert sorted(files) == ["a", "c"]
    assert left_out == ["'b' was removed while the results were copied"]


# Threat 44: secrets under other names, and patterns that name more than was meant


COPIES = [
    *(".env~", "#.env#", ".#.env", "..env.swp", ".env copy", ".env (1)", ".env - Copy", ".env-prod", ".env_prod"),
    *(".netrc~", ".netrc.bak", ".pgpass.old", ".git-credentials.orig", ".my.cnf.save", ".npmrc~", "secrets.toml.bak"),
    *("credentials.json~", "a.key.bak", "a.key (1)", "id_rsa~", "sub/.ssh.bak/known_hosts"),
    *(".bash_history", ".python_history", ".psql_history", ".Rhistory", ".node_repl_history"),
    *("credentials", "credentials.csv", "accessKeys.csv", "terraform.tfvars", "kubeconfig"),
    *("a/.env/prod", "a/.envs/.production/.django", "a/.secrets/token"),
]
NO_SECRETS = [".env.example", ".env-sample", "history.py", "env", "env.py", "a 2.csv", "b.bak"]


@pytest.mark.parametrize("path", COPIES)
def test_threat_44_copies_and_other_names_of_secrets_stay(people: TwoPeople, tmp_path: Path, path: str):
    code = folder_of(tmp_path, "main.py", *NO_SECRETS)
    (code / path).parent.mkdir(parents=True, exist_ok=True)
    (code / path).write_text("TOKEN=1\n")
    assert travelling(people, code) == {"main.py", *NO_SECRETS}


@pytest.mark.parametrize(
    "text", ["---- BEGIN SSH2 ENCRYPTED PRIVATE KEY ----\n", "# created: x\nAGE-SECRET-KEY-1QYQSZQGPQYQSZQGP\n"]
)
def test_threat_44_other_forms_of_private_keys_stay(people: TwoPeople, tmp_path: Path, text: str):
    code = folder_of(tmp_path, "main.py")
    (code / "notes.txt").write_text(text)
    assert travelling(people, code) == {"main.py"}


def test_threat_44_naming_a_folder_names_no_secret_in_it(people: TwoPeople, tmp_path: Path):
    """The folder was left out by the ignore file; that it is wanted says nothing of the secrets that are in it."""
    code = folder_of(tmp_path, "main.py", "data/x.csv", "data/.env", "data/id_rsa", "data/.aws/config", "data/k.txt")
    (code / "data" / "k.txt").write_text("-----BEGIN PRIVATE KEY-----\n")
    (code / ".syftjobignore").write_text("data/\n")
    for include in ("data/", "data", "data/*", "*", "**", "data/**"):
        assert travelling(people, code, include) == {"main.py", "data/x.csv"}, include
    ran = command_line(people, "--json", "submit", people.owner_email, code, "--include", "data/")
    left_out = {one["path"] for one in json.loads(ran.stdout)["left_out"]}
    assert {"data/.env", "data/id_rsa", "data/.aws/", "data/k.txt"} <= left_out
    named = travelling(people, code, "data/", "data/.env", "id_rsa", "data/.aws", "k.*")
    assert named == {"main.py", "data/x.csv", "data/.env", "data/id_rsa", "data/.aws/config", "data/k.txt"}
    assert "data/.aws/config" in travelling(people, code, "data/.aws/*")


def test_threat_44_an_ignore_file_in_a_folder_counts_there(people: TwoPeople, tmp_path: Path):
    """It was said to be "what stays here", and its patterns were not read."""
    code = folder_of(tmp_path, "main.py", "sub/own.csv", "sub/keep.txt", "sub/deep/own.csv", "own.csv", "sub/a.bin")
    (code / ".syftjobignore").write_text("*.bin\n*.txt\n")
    (code / "sub" / ".syftjobignore").write_text("own.csv\n!keep.txt\n/deep/nothing\n")
    assert travelling(people, code) == {"main.py", "own.csv", "sub/keep.txt"}
    (code / "sub" / ".syftjobignore").write_bytes(b"\xff\xfe")
    with pytest.raises(SyftJobError, match=r"sub/\.syftjobignore cannot be used"):
        travelling(people, code)


@pytest.mark.parametrize("name", [".ssh/keys", ".password-store/work", ".aws/sso/cache", ".gnupg/private-keys-v1.d"])
def test_threat_44_a_folder_inside_a_folder_of_secrets_is_refused(people: TwoPeople, tmp_path: Path, name: str):
    folder = folder_of(tmp_path, f"{name}/main.py") / name
    with pytest.raises(SyftJobError, match="is not submitted: it holds credentials"):
        people.submitter.submit_python_job(people.owner_email, folder, NAME)
    assert not people.location(NAME).exists()


@pytest.mark.parametrize(
    "pair", [("priv\u00e9.csv", "prive\u0301.csv"), ("prive\u0301.csv", "priv\u00e9.csv")], ids=ascii
)
def test_threat_44_an_ignored_name_stays_in_every_unicode_form(
    people: TwoPeople, tmp_path: Path, pair: tuple[str, str]
):
    """macOS spells names in form D, and people type form C."""
    typed, on_disk = pair
    code = folder_of(tmp_path, "main.py", on_disk, f"{on_disk[:-4]}/x.csv")
    (code / ".syftjobignore").write_text(f"{typed}\n/{typed[:-4]}/\n")
    assert travelling(people, code) == {"main.py"}
    assert len(travelling(people, code, typed, f"{typed[:-4]}/x.csv")) == 3


def test_a_sparse_script_is_refused_before_it_is_read(people: TwoPeople, tmp_path: Path):
    script = tmp_path / "run.sh"
    script.write_text("true\n")
    os.truncate(script, 1 << 42)
    with pytest.raises(SyftJobError, match="at most"):
        people.submitter.submit_bash_job(people.owner_email, script, NAME)


# Texts that cannot be signed or read by others (threat 30: nothing is half done, and each refusal is in words)

UNREADABLE_TEXTS = ["\udcff", "half \ud83d", "x" * 70_000]


@pytest.mark.parametrize("reason", UNREADABLE_TEXTS, ids=["bytes", "half", "long"])
@pytest.mark.parametrize("verb", ["reject", "approve", "cancel", "withdraw"])
def test_threat_30_a_reason_that_nobody_could_read_is_refused_before_it_is_said(
    people: TwoPeople, verb: str, reason: str
):
    """It was in the ledger, its marker could never be made, and the runner failed at that job for ever."""
    people.submit(name=NAME)
    job = people.submitters_job(NAME) if verb == "withdraw" else people.owner_job(NAME)
    if verb == "cancel":
        job.approve()
    before = (people.owner_job(NAME).status, len(people.owner_job(NAME).history))
    with pytest.raises(ConfigError, match="reason"):
        getattr(job, verb)(reason)
    assert (people.owner_job(NAME).status, len(people.owner_job(NAME).history)) == before
    assert people.submitters_job(NAME).findings == ()


def test_threat_30_more_people_than_a_marker_holds_are_refused(people: TwoPeople):
    people.submit(name=NAME)
    with pytest.raises(ConfigError, match="fewer people"):
        people.owner_job(NAME).approve(share_outputs=[f"person{number}@example.org" for number in range(3000)])
    assert people.owner_job(NAME).status == "inbox"


@pytest.mark.parametrize("who", ["\udcff", "a@example.org\n*", "nobody", ""])
def test_threat_30_only_an_address_can_be_paused(people: TwoPeople, who: str):
    with pytest.raises(SyftJobError, match="address"):
        people.owner.home.pause(who)
    assert people.owner.home.paused() == frozenset()


def test_threat_30_a_home_directory_of_nobody_is_refused_in_words(
    people: TwoPeople, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    people.submit("~nosuchuser", name=NAME)
    with pytest.raises(ConfigError, match="no home directory"):
        people.submitter.submit_python_job(people.owner_email, "~nosuchuser/x.py")
    with pytest.raises(ConfigError, match="no home directory"):
        SyftJobConfig(people.owner_email, Path("~nosuchuser/box"))
    monkeypatch.setenv("SYFT_JOB_CONFIG", "~nosuchuser/config.toml")
    ran = command_line(people, "list")
    assert ran.returncode == 1
    assert "no home directory" in ran.stderr
    assert "Traceback" not in ran.stderr


@pytest.mark.parametrize(
    "options", [{"resources": {"gpu_type": "\ud800"}}, {"datasets": 5}, {"metadata": {"a": "\ud800"}}], ids=str
)
def test_threat_30_an_option_that_is_no_text_is_refused_in_words(people: TwoPeople, options: dict[str, Any]):
    with pytest.raises(SyftJobError):
        people.submit(name=NAME, **options)
    assert list(people.location(NAME).parent.iterdir()) == []
