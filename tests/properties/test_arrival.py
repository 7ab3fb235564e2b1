"""Arrival: files that come one by one, in every order, truncated first, between litter. Never early, never back."""

from __future__ import annotations

import random
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from syft_job.model import names
from syft_job.model.states import JobState
from syft_job.testing import Delivery, TwoPeople
from tests.properties.strategies import file_contents, file_names

ORDER = [
    JobState.CREATED, JobState.SUBMITTED, JobState.QUEUED, JobState.RUNNING, JobState.SUCCEEDED, JobState.CANCELLED,
    JobState.REJECTED,
]  # fmt: skip


def height(job) -> tuple[int, int]:
    return job.attempt, ORDER.index(job.state)


def is_a_job(location: Path) -> bool:
    """Whether something is here that nobody takes for a remainder: more than empty files and a sync tool's own."""
    found = [path for path in location.rglob("*") if path.is_file() and not names.is_sync_artefact(path.name)]
    return any(path.stat().st_size or path.name in ("run.sh", "config.yaml") for path in found)


def carry_roughly(delivery: Delivery, chance: random.Random) -> None:
    """As bad transports do: litter, a conflict copy, then a truncated file under its own name."""
    target = delivery.target / delivery.path
    target.parent.mkdir(parents=True, exist_ok=True)
    content = (delivery.source / delivery.path).read_bytes()
    (target.parent / f".syncthing.{target.name}.tmp").write_bytes(content[:1])
    stem, dot, ending = target.name.partition(".")
    (target.parent / f"{stem}.sync-conflict-20260302-103000-ABCDEFG{dot}{ending}").write_bytes(content)
    target.write_bytes(content[: chance.randrange(max(len(content), 1))])


@settings(max_examples=12)
@given(st.dictionaries(file_names, file_contents, min_size=1, max_size=4), st.integers(0, 2**32))
@pytest.mark.conformance(4)
def test_a_submission_arrives_in_any_order(files, seed):
    chance = random.Random(seed)
    with tempfile.TemporaryDirectory() as folder, TwoPeople(Path(folder), apart=True) as people:
        people.submit_code({"main.py": "print(1)\n", **files}, name="N")
        deliveries = people.undelivered()
        chance.shuffle(deliveries)
        config_arrived = False
        for delivery in deliveries:
            is_config = delivery.path.endswith("/config.yaml")
            is_ours = "/job/" in delivery.path
            carry_roughly(delivery, chance)
            if is_ours and is_a_job(people.location("N")):
                job = people.owner_job("N")
                assert job.state is JobState.CREATED or (job.state is JobState.SUBMITTED and not is_config)
                assert job.status == "arriving" or is_config or job.state is JobState.SUBMITTED
                with pytest.raises(ValueError):
                    (job.approve if job.state is JobState.CREATED else job.rerun)()
            people.deliver([delivery])
            config_arrived |= is_config
            if is_ours and not is_a_job(people.location("N")):
                assert len(people.owner.jobs) == 0
            elif is_ours:
                job = people.owner_job("N")
                if config_arrived and job.status == "arriving":
                    assert 0 <= job.record.have < job.record.total
        job = people.owner_job("N")
        assert job.status == "inbox"
        assert job.verify().ok
        job.approve()
        people.deliver()
        assert people.submitters_job("N").status == "approved"


@settings(max_examples=12)
@given(
    st.integers(0, 2**32), st.lists(st.sampled_from(["approve", "reject", "cancel", "rerun", "deposit"]), max_size=6)
)
def test_the_owners_markers_arrive_in_any_order_and_never_move_it_backwards(seed, verbs):
    chance = random.Random(seed)
    with tempfile.TemporaryDirectory() as folder, TwoPeople(Path(folder), apart=True) as people:
        people.submit(name="N")
        people.deliver()
        job = people.owner_job("N")
        result = Path(folder, "r.csv")
        result.write_text("1\n")
        acts = {
            "approve": job.approve,
            "reject": lambda: job.reject("no"),
            "cancel": job.cancel,
            "rerun": job.rerun,
            "deposit": lambda: job.accept_by_depositing_result(result),
        }
        for verb in ["approve", *verbs]:
            try:
                acts[verb]()
            except ValueError:
                continue
        theirs = people.submitters_job("N")
        before = height(theirs)
        deliveries = people.undelivered()
        chance.shuffle(deliveries)
        for delivery in deliveries:
            if (delivery.source / delivery.path).exists():
                carry_roughly(delivery, chance)
                assert height(theirs) >= before
            people.deliver([delivery])
            assert height(theirs) >= before
            before = height(theirs)
        assert height(theirs) == height(job)


def test_a_truncated_permit_hides_no_other(tmp_path):
    with TwoPeople(tmp_path) as people:
        people.submit(name="N")
        job = people.owner_job("N")
        job.approve()
        for _ in range(2):
            job.cancel()
            job.rerun()
        theirs = people.submitters_job("N")
        assert (theirs.state, theirs.attempt) == (JobState.QUEUED, 3)
        second = job.location / "attempts" / "2.json"
        whole = second.read_bytes()
        second.write_bytes(whole[:10])
        assert (theirs.state, theirs.attempt) == (JobState.QUEUED, 2)
        (job.location / "attempts" / "7.json").mkdir()
        assert (theirs.state, theirs.attempt) == (JobState.QUEUED, 2)
        second.write_bytes(whole)
        assert (theirs.state, theirs.attempt) == (JobState.QUEUED, 3)


def test_a_file_of_no_bytes_that_a_transport_dropped_is_no_loss(tmp_path):
    with TwoPeople(tmp_path) as people:
        location = people.submit_code({"main.py": "1\n", "empty.py": ""}, name="N")
        (location / "code" / "empty.py").unlink()
        assert people.owner_job("N").status == "inbox"
        assert people.owner_job("N").verify().ok


def test_a_conflict_copy_of_a_marker_changes_nothing(tmp_path):
    with TwoPeople(tmp_path) as people:
        people.submit(name="N")
        job = people.owner_job("N")
        job.approve()
        yes = (job.location / "approved").read_bytes()
        job.reject("no")
        for name in (
            "approved.sync-conflict-20260302-103000-ABCDEFG",
            "rejected (conflicted copy)",
            "approved.syftconflict",
        ):
            (job.location / name).write_bytes(yes)
        for client in (people.owner, people.submitter):
            assert client.jobs["N"].state is JobState.REJECTED
            assert not client.jobs["N"].findings
