from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from syft_job import fs
from syft_job.exchange import job_reader
from syft_job.exchange.evidence import Evidence, LocalClaim, Statements
from syft_job.exchange.job_directory import open_job
from syft_job.exchange.job_snapshot import failed_record, misnamed_record, record_of, snapshot_of, unreadable_record
from syft_job.exchange.marker_check import MarkerReport
from syft_job.model.job_record import SIGNED_LAYOUT
from syft_job.model.job_ref import JOBS, JobRef
from syft_job.model.states import Fact, FactKind, JobState, Position
from syft_job.testing import TwoPeople

REF = JobRef("omar@example.org", "ada@example.org", "N")


@pytest.fixture
def people(tmp_path: Path) -> Iterator[TwoPeople]:
    with TwoPeople(tmp_path) as both:
        yield both


@pytest.fixture
def evidence(people: TwoPeople) -> Evidence:
    """The evidence about a submitted job, as the owner reads it."""
    people.submit(name="N")
    participant = people.owner.participant
    ref = people.place("N")
    with fs.open_directory(people.root, ref.owner, *JOBS, ref.submitter) as parent_fd:
        directory = open_job(parent_fd, ref, participant)
        evidence = job_reader._gather(directory, participant, full=True)
        os.close(directory.fd)
    return evidence


def test_a_snapshot_follows_from_evidence_alone(evidence: Evidence, people: TwoPeople):
    snapshot = snapshot_of(evidence)
    assert snapshot.record == record_of(evidence)
    assert (snapshot.record.state, snapshot.record.layout) == (JobState.SUBMITTED, SIGNED_LAYOUT)
    assert snapshot.record == job_reader.look(people.root, people.place("N"), people.owner.participant).record


def test_findings_are_without_repetitions_and_bounded(evidence: Evidence):
    record = record_of(evidence._replace(warnings=[f"finding {number % 80}" for number in range(160)]))
    assert len(record.findings) == 51
    assert record.findings[-1] == "and 30 more findings"


def test_a_job_with_a_problem_gets_no_stamp(evidence: Evidence):
    ended = evidence._replace(position=Position(JobState.SUCCEEDED))
    ended.source.directory.stamp = ended.source.directory.stamp or (1, 2, 3)  # type: ignore[assignment]
    assert record_of(ended).stamp is not None
    assert record_of(ended._replace(problem="it is broken")).stamp is None
    assert record_of(ended._replace(is_settled=False)).stamp is None
    assert record_of(evidence).stamp is None, "it is not over"


def test_the_claim_decides_whether_an_attempt_of_this_home_is_running():
    report = MarkerReport([], [])
    recorded = (Fact(FactKind.APPROVED),)
    assert Statements(recorded, report, claim=LocalClaim(1, exists=True)).facts == [
        *recorded,
        Fact(FactKind.RUNNING, 1),
    ]
    assert Statements(recorded, report, claim=LocalClaim(1, exists=False)).facts == [*recorded]


def test_records_of_what_cannot_be_read_name_the_problem():
    assert unreadable_record(REF, "x" * 2000).problem.endswith("…")
    assert "ZeroDivisionError: 1" in failed_record(REF, ZeroDivisionError("1")).problem
    assert misnamed_record(REF._replace(name="a/b")).problem
    assert unreadable_record(REF, "gone").status == "unreadable"
