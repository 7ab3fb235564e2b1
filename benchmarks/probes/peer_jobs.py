"""Runs under a peer's interpreter: submit, approve and run no-op jobs; prints seconds of each as JSON.

Arguments: root, the submitter's address, the owner's, how many, what their names begin with, ``one`` or ``start``, and
names of jobs to leave alone in a file. ``one`` has them run by the same process, one after the other; with ``start``
a runner that is up in another process (with the peer's own poll interval) does.
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

from syft_job import create_runner, get_client

root, person, email, count, prefix, what = sys.argv[1:7]
skipped = Path(sys.argv[7]).read_text("utf-8").split("\n") if len(sys.argv) > 7 else []
script = "#!/bin/bash\n:\n" if what == "one" else f"#!/bin/bash\ndate +%s.%N >{root}/began\n"
submitter, owner = get_client(root, person), get_client(root, email)
up = None
if what == "start":
    serve = "import sys; from syft_job import create_runner; create_runner(sys.argv[1], sys.argv[2]).run()"
    up = subprocess.Popen([sys.executable, "-c", serve, root, email], stdout=subprocess.DEVNULL)
    time.sleep(3)
runner = create_runner(root, email)
seconds = []
for index in range(int(count)):
    name = f"{prefix} {index:05d}"
    submitter.submit_bash_job(email, script, name)
    if what == "start":
        time.sleep(0.7 * index)  # so that the moments fall anywhere between two polls
    job = next(job for job in owner.jobs if job.name == name)
    job.approve()
    begin = time.time()
    if what == "one":
        with open(os.devnull, "w") as nowhere:
            told, sys.stdout = sys.stdout, nowhere
            runner.process_approved_jobs(stream_output=False, skip_job_names=skipped)
            sys.stdout = told
        seconds.append(time.time() - begin)
    else:
        began = Path(root, "began")
        while not began.exists() or not began.read_text():
            time.sleep(0.005)
        seconds.append(float(began.read_text()) - begin)
        began.unlink()
if up is not None:
    up.terminate()
    up.wait()
print(json.dumps({"seconds": seconds}))
