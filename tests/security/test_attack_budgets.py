"""Threat 33, attacked once more after the merge: budgets of the runner and of a new process. Costs are counted."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from syft_job import JobRunner, fs
from syft_job.testing import TwoPeople
from tests.security.test_budgets import EVE, counted, folder_of, fresh, lay, manifest
from tests.security.test_budgets import people as people  # noqa: PLC0414 - a fixture

HEAVY_BYTES = 1 << 20
MANY = 16


def heavy(people: TwoPeople, number: int) -> Path:
    name = f"Heavy {number}"
    return lay(people, name, manifest(name, metadata={"note": "x" * HEAVY_BYTES}))


def decide(people: TwoPeople, verb: str) -> None:
    """Decide about each heavy job while it is the only one, so that the decision itself is within the budget."""
    decided = []
    for number in range(MANY):
        location = heavy(people, number)
        job = fresh(people).jobs[f"{EVE}/{location.name}"]
        if verb == "reject":
            job.reject("no")
        else:
            job.approve()
        decided.append((location.rename(people.root.parent / location.name), location))
    for elsewhere, location in decided:
        elsewhere.rename(location)


def test_threat_33_file_events_about_rejected_jobs_are_read_within_a_budget(
    people: TwoPeople, monkeypatch: pytest.MonkeyPatch
):
    """Renaming directories of rejected jobs with large manifests made the runner parse all of them in each round."""
    decide(people, "reject")
    place = people.place("Honest")
    eve = [place._replace(submitter=EVE, name=f"Heavy {number}") for number in range(MANY)]
    runner = JobRunner(people.owner.config, announce=None)
    people.owner_job("Honest").approve()
    runner.step()
    with counted(monkeypatch) as hinted:
        for _ in range(5):
            runner.step(hints=[*eve, place])
    assert hinted.bytes < 14 << 20
    # What was over the budget is not forgotten: each rejection that the folder lost is put back in turn.
    markers = [folder_of(people, EVE) / f"Heavy {number}" / "rejected" for number in range(MANY)]
    for marker in markers:
        marker.unlink()
    monkeypatch.setattr("syft_job.exchange.submitter_index.REFILL_SECONDS", 0.001)
    for _ in range(MANY * 2):
        runner.step()
        if all(marker.exists() for marker in markers):
            break
    assert all(marker.exists() for marker in markers)
    runner.run(once=True)
    assert people.owner_job("Honest").status == "done"


@pytest.mark.parametrize("how", ["process_approved_jobs", "once", "drain"])
def test_threat_33_a_new_process_comes_to_all_jobs_that_its_owner_approved(people: TwoPeople, how: str):
    """A new process listed only as many heavy jobs as the budget allows, and ended as if no other one was approved."""
    decide(people, "approve")
    runner = JobRunner(people.owner.config, announce=None)
    if how == "process_approved_jobs":
        assert len(runner.process_approved_jobs(stream_output=False)) == MANY
    else:
        runner.run(once=how == "once", drain=how == "drain")
    assert all((folder_of(people, EVE) / f"Heavy {number}" / "done").exists() for number in range(MANY))


def test_threat_33_a_large_job_whose_files_differ_is_not_copied_at_each_look(tmp_path: Path):
    """Each file event and each sweep copied an approved job anew, up to the one file that its submitter had changed."""
    with TwoPeople(tmp_path) as people:
        people.submit_code({"a.bin": os.urandom(32 << 20), "main.py": "print(1)\n"}, "Large", entrypoint="main.py")
        people.submit(name="Small")
        for name in ("Large", "Small"):
            people.owner_job(name).approve()
        changed = [people.location("Large") / "code/main.py", people.location("Small") / "run.sh"]
        contents = [path.read_bytes() for path in changed]
        for path in changed:
            path.write_bytes(b"#" + path.read_bytes()[1:])
        runner = JobRunner(people.owner.config, announce=None)
        written: list[str] = []
        with fs.hook_writes(written.append):
            for number in range(40):
                runner.step(hints=[people.place("Large")] if number % 2 else None)
        assert sum("create a.bin" in what for what in written) < 10
        assert people.owner_job("Large").record.blocked is not None
        for path, content in zip(changed, contents, strict=True):
            path.write_bytes(content)
        runner.run(drain=True)  # small ones are tried again at once, large ones after a while
        assert people.owner_job("Small").status == "done"
        while people.owner_job("Large").status != "done":
            runner.run(once=True)
