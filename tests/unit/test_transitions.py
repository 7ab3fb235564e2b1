from __future__ import annotations

import errno
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from syft_job import fs
from syft_job.errors import InvalidTransition, JobNotFoundError, NotAllowed, StoreError
from syft_job.exchange import transitions
from syft_job.job import JobInfo
from syft_job.model.events import Event
from syft_job.model.states import JobState
from syft_job.model.transitions import Verb
from syft_job.testing import TwoPeople


@pytest.fixture
def people(tmp_path: Path) -> Iterator[TwoPeople]:
    with TwoPeople(tmp_path) as both:
        both.submit(name="N")
        yield both


def test_start_and_finish_may_be_recorded_twice(people: TwoPeople):
    participant, place = people.owner.participant, people.place("N")
    people.owner_job("N").approve()
    job, digest = people.owner_job("N").id, people.owner_job("N").digest
    for _ in range(2):
        assert transitions.start(participant, place, job, digest, offered=transitions.BUBBLEWRAP) == 1
    transitions.finish(participant, place, job, 1, "failed", digest=people.owner_job("N").digest)
    transitions.finish(participant, place, job, 1, "succeeded", digest=people.owner_job("N").digest)
    assert people.owner_job("N").state is people.submitters_job("N").state is JobState.FAILED
    assert [line.event for line in participant.home.ledger.lines(job)] == [
        Event.APPROVED,
        Event.STARTED,
        Event.FINISHED,
    ]


def test_an_attempt_ends_although_its_folder_is_gone(people: TwoPeople):
    import shutil

    participant, place = people.owner.participant, people.place("N")
    job = people.owner_job("N")
    job.approve()
    transitions.start(participant, place, job.id, job.digest, offered=transitions.BUBBLEWRAP)
    blocked_reason = people.root.parent / "aside"
    shutil.move(job.location, blocked_reason)
    transitions.finish(participant, place, job.id, 1, "succeeded", digest=job.digest)
    shutil.move(blocked_reason, job.location)
    assert job.state is JobState.SUCCEEDED
    transitions.restore(participant, place)
    assert people.submitters_job("N").state is JobState.SUCCEEDED


def test_the_runner_cannot_start_what_is_not_approved(people: TwoPeople):
    job = people.owner_job("N")
    with pytest.raises(InvalidTransition):
        transitions.start(
            people.owner.participant, people.place("N"), job.id, job.digest, offered=transitions.BUBBLEWRAP
        )
    with pytest.raises(JobNotFoundError):
        transitions.start(
            people.owner.participant, people.place("M"), job.id, job.digest, offered=transitions.BUBBLEWRAP
        )


def test_another_participant_can_start_and_finish_nothing(people: TwoPeople):
    """The transitions of the runner assume its role; the job must still be in the owner's own datasite."""
    job = people.owner_job("N")
    job.approve()
    with pytest.raises(NotAllowed):
        transitions.start(
            people.submitter.participant, people.place("N"), job.id, job.digest, offered=transitions.BUBBLEWRAP
        )


def test_restore_without_anything_missing_writes_nothing(people: TwoPeople):
    from syft_job import fs

    job = people.owner_job("N")
    job.approve()
    job.cancel()
    job.rerun()
    written: list[str] = []
    with fs.hook_writes(written.append):
        assert transitions.restore(people.owner.participant, people.place("N")) == ()
        assert transitions.restore(people.submitter.participant, people.place("N")) == ()
    assert written == []


def test_a_transaction_releases_the_lock_when_it_refuses(people: TwoPeople):
    for _ in range(3):
        with (
            pytest.raises(InvalidTransition),
            transitions.transaction(people.owner.participant, people.place("N"), Verb.RERUN),
        ):
            pass
    people.owner_job("N").approve()


def test_a_copied_home_is_refused(people: TwoPeople):
    import json

    transitions.require_home(people.owner.participant)
    path = people.owner.home.path / "home.json"
    path.write_text(json.dumps(json.loads(path.read_bytes()) | {"machine": "another"}))
    with pytest.raises(StoreError, match="adopt-home"):
        transitions.require_home(people.owner.participant)


def finished(job: JobInfo, people: TwoPeople) -> None:
    job.approve(share_outputs=True)
    transitions.start(
        people.owner.participant, people.place(job.name), job.id, job.digest, offered=transitions.BUBBLEWRAP
    )
    transitions.finish(people.owner.participant, people.place(job.name), job.id, 1, "succeeded")


VERBS: dict[str, tuple[Event, Callable[[JobInfo, TwoPeople], object], Callable[[JobInfo, Path], object]]] = {
    "approve": (Event.APPROVED, lambda job, people: None, lambda job, result: job.approve()),
    "reject": (Event.REJECTED, lambda job, people: None, lambda job, result: job.reject("not now")),
    "cancel": (Event.CANCELLED, lambda job, people: job.approve(), lambda job, result: job.cancel("enough")),
    "rerun": (Event.ATTEMPT_PERMITTED, finished, lambda job, result: job.rerun()),
    "deposit": (
        Event.DEPOSITED,
        lambda job, people: job.approve(share_outputs=True),
        lambda job, result: job.accept_by_depositing_result(result),
    ),
}


@pytest.mark.parametrize("verb", VERBS)
def test_an_error_of_the_disk_says_whether_the_event_is_recorded(people: TwoPeople, tmp_path: Path, verb: str):
    """The message decides whether a person repeats the command: a rerun that is repeated would run twice."""
    event, before, act = VERBS[verb]
    result = tmp_path / "result.csv"
    result.write_text("1\n")
    seen: Counter[bool] = Counter()
    for failing_from in range(1, 200):
        name = f"N{failing_from}"
        people.submit(name=name)
        job = people.owner_job(name)
        before(job, people)
        job = people.owner_job(name)
        count = 0

        def refuse(what: str, first: int = failing_from) -> None:
            nonlocal count
            count += 1
            if count >= first:
                raise OSError(errno.EROFS, "Read-only file system", what)

        message = ""
        try:
            with fs.hook_writes(refuse):
                act(job, result)
        except StoreError as error:
            message = str(error)
            assert "read-only" in message
            is_recorded = event in people.owner.home.ledger.events(job.id)
            seen[is_recorded] += 1
            assert ("it holds" in message) is is_recorded, (failing_from, message)
        if count < failing_from:
            break
    assert not message
    assert set(seen) == {True, False}
