"""Attacks on the approval (threats 31 and 34 to 36), found after these threats were closed."""

from __future__ import annotations

import dataclasses
import os
import pty
import select
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from syft_job import JobRunner
from syft_job.cli import delivery
from syft_job.errors import BlockedCategory, ChangedSinceSeen, NotAllowed
from syft_job.execution.sandboxes import unavailable_reason
from syft_job.model.states import JobState
from syft_job.testing import TwoPeople


@pytest.fixture
def people(tmp_path: Path) -> Iterator[TwoPeople]:
    with TwoPeople(tmp_path / "people") as both:
        yield both


@pytest.fixture
def contained(tmp_path: Path) -> Iterator[TwoPeople]:
    if unavailable_reason() is not None:
        pytest.skip("this host has no bubblewrap")
    with TwoPeople(tmp_path / "people", sandbox="bubblewrap") as both:
        yield both


def approve_on_terminal(people: TwoPeople, name: str, before: str, at_the_question: str) -> tuple[int, str]:
    """Call `approve` as at a terminal; something is typed before it begins, and something when it asks."""
    main, other = pty.openpty()
    os.write(main, before.encode())
    argv = [sys.executable, "-m", "syft_job", "--root", str(people.root), "--as", people.owner_email, "approve", name]
    bare = ["--allow-bare"] if people.owner.config.sandbox == "bare" else []
    process = subprocess.Popen([*argv, *bare], stdin=other, stdout=other, stderr=other)
    os.close(other)
    shown = b""
    while True:
        if not select.select([main], [], [], 60)[0]:
            process.kill()
            pytest.fail(f"nothing more was printed: {shown!r}")
        try:
            piece = os.read(main, 65536)
        except OSError:  # EIO: the other side is closed
            break
        if not piece:
            break
        shown += piece
        if at_the_question and b"[y/N]" in shown:
            os.write(main, at_the_question.encode())
            at_the_question = ""
    os.close(main)
    return process.wait(60), shown.decode("utf-8", "replace")


@pytest.mark.parametrize("typed", ["y\n", "yes\n", "y\ny\n", "\ny\n"])
def test_threat_36_what_was_typed_before_the_question_is_no_answer(people: TwoPeople, typed: str):
    """Two jobs in a row, and the key pressed once too often at the first: the second is not approved unseen."""
    people.submit(name="First")
    code, shown = approve_on_terminal(people, "First", before=typed, at_the_question="n\n")
    assert code != 0
    assert "[y/N]" in shown
    assert people.owner_job("First").status == "inbox"
    code, shown = approve_on_terminal(people, "First", before="n\n", at_the_question="y\n")
    assert code == 0, shown
    assert people.owner_job("First").status == "approved"


def test_threat_31_a_blocked_job_that_is_approved_anew_says_nothing_of_before(contained: TwoPeople):
    """Approval, `blocked`, rejection and the review's note together: each decision ends what the earlier one left."""
    contained.submit(name="First")
    job = contained.owner_job("First")
    job.review()
    job.approve()
    bare = JobRunner(dataclasses.replace(contained.owner.config, sandbox="bare"), announce=None)
    assert bare.process_approved_jobs() == []
    assert contained.submitters_job("First").record.blocked is BlockedCategory.SANDBOX
    job.reject("not without a sandbox")
    assert contained.submitters_job("First").record.blocked is None
    assert not (job.location / "blocked").exists()
    job.approve()
    assert bare.process_approved_jobs() == [], "the note about the review allows nothing less"
    job.reject("once more")
    job.approve(allow_bare=True)
    assert [record.state for record in bare.process_approved_jobs()] == [JobState.SUCCEEDED]
    assert contained.owner_job("First").attempt == 3


def test_threat_36_a_note_about_a_review_ends_with_the_job(people: TwoPeople):
    people.submit("echo one\n", name="First")
    job = people.owner_job("First")
    job.review()
    job.approve()
    JobRunner(people.owner.config, announce=None).process_approved_jobs(stream_output=False)
    people.owner_job("First").clean()
    people.submit("echo two\n", name="First")
    with pytest.raises(NotAllowed, match="not reviewed"):
        people.owner_job("First").approve(require_review=True)


def test_threat_36_a_listing_and_a_review_have_to_agree_whichever_is_older(people: TwoPeople):
    people.submit("echo one\n", name="First")
    listed = people.owner_job("First")
    original = {path: path.read_bytes() for path in (listed.location / "config.yaml", listed.location / "run.sh")}
    people.submit("echo two\n", name="Second")
    other = people.owner_job("Second").location
    for path in original:
        path.write_bytes((other / path.name).read_bytes())
    people.owner_job("First").review()
    with pytest.raises(ChangedSinceSeen):
        listed.approve()
    for path, content in original.items():
        path.write_bytes(content)
    with pytest.raises(ChangedSinceSeen):
        listed.approve()
    with pytest.raises(ChangedSinceSeen):
        people.owner_job("First").approve()
    assert people.owner_job("First").status == "inbox"


@pytest.mark.parametrize("is_watched", [True, False])
def test_threat_36_a_reader_who_takes_long_over_the_last_pages_has_read_them(
    monkeypatch: pytest.MonkeyPatch, is_watched: bool
):
    """What is left in the pipe may be a thousand lines, which nobody reads in a pager within a minute."""
    reading, writing = os.pipe()
    text = b"x" * 1000
    os.write(writing, text)
    monkeypatch.setattr(delivery, "READ_WITHIN_S", 0.1)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: is_watched, raising=False)
    reader = threading.Timer(0.6, os.read, (reading, len(text)))
    reader.start()
    with os.fdopen(writing, "w") as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        assert delivery.is_delivered_in_full() is is_watched
        reader.join()
        os.close(reading)
        assert not delivery.is_delivered_in_full(), "the reader is gone"
