"""Submit, approve and wait for jobs that a runner in another process runs; prints seconds as JSON.

Arguments: root, the submitter's address, the owner's, how many, what their names begin with, and what is asked: ``one``
after the other, from the yes to `done`; ``start``, from the yes to the first line of the script; or ``all``, which are
approved while their submitter is paused and then run at once.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

from syft_job.client import JobClient, get_client
from syft_job.model.job_ref import JobRef

NOTHING = "#!/bin/bash\n:\n"
TELLS_TIME = "#!/bin/bash\necho $EPOCHREALTIME >outputs/began\n"
MOST_SECONDS = 180.0
PAUSE = 0.0005


def seen(path: Path) -> float:
    """The moment at which ``path`` was first seen."""
    until = time.time() + MOST_SECONDS
    while not os.path.lexists(path):
        if time.time() > until:
            sys.exit(f"{path} did not come")
        time.sleep(PAUSE)
    return time.time()


def yes_to(owner: JobClient, submitter: JobClient, name: str, script: str) -> tuple[Path, str, float, float]:
    """Submit and approve a job: its folder, its id, and the moments before and after the yes."""
    where = submitter.submit_bash_job(owner.email, script, name)
    job = owner.job_at(JobRef(owner.email, submitter.email, name))
    before = time.time()
    job.approve(allow_bare=True)  # the runner may be one without a sandbox
    return where, job.id, before, time.time()


def main() -> None:
    root, person, email, count, prefix, what = sys.argv[1:7]
    submitter, owner = get_client(root, person), get_client(root, email)
    owner.announce = None
    names = [f"{prefix} {index:05d}" for index in range(int(count))]
    said: dict[str, object] = {}
    if what == "all":
        owner.home.pause(person)
        folders = [yes_to(owner, submitter, name, NOTHING)[0] for name in names]
        begin = time.time()
        owner.home.resume(person)
        for folder in folders:
            seen(folder / "done")
        said["seconds"] = time.time() - begin
    else:
        script = NOTHING if what == "one" else TELLS_TIME
        said["seconds"], said["with_approve"] = spent, whole = [], []
        for name in names:
            folder, job, before, after = yes_to(owner, submitter, name, script)
            end = seen(folder / "done")
            if what == "start":
                end = float((owner.home.attempt_paths(job, 1).results / "outputs" / "began").read_text("ascii"))
            spent.append(end - after)
            whole.append(end - before)
    print(json.dumps(said))


main()
