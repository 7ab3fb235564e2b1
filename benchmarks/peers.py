"""The peers: earlier packages called syft-job, each in a virtual environment of its own, and folders in their layouts.

0.1.27 keeps a job in `OWNER/app_data/job/SUBMITTER/NAME/` with empty files `approved` and `done`. 0.1.40 keeps what was
submitted in `inbox/SUBMITTER/v1/NAME/` and what became of it in `review/SUBMITTER/v1/NAME/state.yaml`. What is written
here are such folders in our own words; none of the peers' code is used but by running it.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

from .trees import FIRST, OWNER, SCRIPT, SUBMITTERS, name_of, state_word

MARKERS = "0.1.27"
NEWEST = "0.1.40"
VERSIONS = (MARKERS, NEWEST)
_FORM = 1


def interpreter(cache: Path, version: str) -> Path:
    """The Python that has ``syft-job==version``; its environment is made on first use."""
    base = cache / "peers" / version
    python = base / "bin" / "python"
    mark = base / "complete"
    if not mark.exists():
        shutil.rmtree(base, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", str(base)], check=True)
        install = [str(python), "-m", "pip", "--disable-pip-version-check", "install", "-qq", f"syft-job=={version}"]
        done = subprocess.run(install, capture_output=True, text=True, check=False)
        if done.returncode:
            sys.exit(f"syft-job {version} cannot be installed; try --no-peers\n{done.stderr}")
        mark.touch()
    return python


def tree(cache: Path, version: str, count: int) -> Path:
    """The root of a folder with ``count`` jobs in that version's layout, made if the cache has none."""
    base = cache / "trees" / f"{version}-{count}"
    mark = base / "complete.json"
    form = {"form": _FORM}
    if mark.is_file() and json.loads(mark.read_text()) == form:
        return base / "box"
    shutil.rmtree(base, ignore_errors=True)
    people(base / "box")
    for index in range(count):
        write = _write_markers_job if version == MARKERS else _write_newest_job
        write(base / "box" / OWNER / "app_data" / "job", index)
    mark.write_text(json.dumps(form))
    return base / "box"


def people(root: Path) -> None:
    """The datasites, and in the owner's the folders for submitters."""
    for person in (OWNER, *SUBMITTERS):
        (root / person).mkdir(parents=True)


def forget_reviews(root: Path) -> None:
    """Make all jobs of a 0.1.40 folder new to their owner again."""
    shutil.rmtree(root / OWNER / "app_data" / "job" / "review", ignore_errors=True)


def _write_markers_job(jobs: Path, index: int) -> None:
    submitter, name = SUBMITTERS[index % len(SUBMITTERS)], name_of(index)
    job = jobs / submitter / name
    job.mkdir(parents=True)
    (job / "run.sh").write_bytes(SCRIPT)
    at = (FIRST + timedelta(minutes=index)).isoformat()
    (job / "config.yaml").write_text(f"name: {name}\nsubmitted_at: '{at}'\nsubmitted_by: {submitter}\n")
    state = state_word(index)
    if state != "inbox":
        (job / "approved").touch()
    if state == "done":
        (job / "done").touch()


def _write_newest_job(jobs: Path, index: int) -> None:
    submitter, name = SUBMITTERS[index % len(SUBMITTERS)], name_of(index)
    job = jobs / "inbox" / submitter / "v1" / name
    (job / "code").mkdir(parents=True)
    (job / "run.sh").write_bytes(SCRIPT)
    (job / "code" / "script.sh").write_bytes(SCRIPT)
    at = [
        (FIRST + timedelta(minutes=index, seconds=later)).strftime("'%Y-%m-%dT%H:%M:%S.000001Z'") for later in range(4)
    ]
    (job / "config.yaml").write_text(
        "canonical_name: JobSubmissionMetadata\ncode_path: null\ndatasets: null\ndependencies: []\nentrypoint: null\n"
        "files:\n- script.sh\nheaders: {}\nis_folder_submission: false\njob_type: local\n"
        f"name: {name}\nsubmitted_at: {at[0]}\ntype: bash\nversion: '1'\n"
    )
    review = jobs / "review" / submitter / "v1" / name
    review.mkdir(parents=True)
    state = {"inbox": "pending"}.get(state_word(index), state_word(index))
    has_yes, is_done = state != "pending", state == "done"
    (review / "state.yaml").write_text(
        f"approval_method: {'manual' if has_yes else 'null'}\napproved_at: {at[2] if has_yes else 'null'}\n"
        f"approved_by: {OWNER if has_yes else 'null'}\ncanonical_name: JobState\n"
        f"completed_at: {at[3] if is_done else 'null'}\nreceived_at: {at[1]}\nrejected_at: null\nrejected_by: null\n"
        f"return_code: {'0' if is_done else 'null'}\nreview_reason: null\nstatus: {state}\nversion: '1'\n"
    )


def remove(root: Path, prefix: str) -> None:
    """Take the jobs whose names begin with ``prefix`` away again, in either layout."""
    for job in (root / OWNER).rglob(f"{prefix} *"):
        shutil.rmtree(job, ignore_errors=True)
