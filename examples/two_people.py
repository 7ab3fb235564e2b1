"""The exchange of `syft-job demo`, in Python: Ada submits, Omar approves and runs, Ada reads the results.

Run it with `python examples/two_people.py`; it works in a temporary folder.
"""

import os
import tempfile
from pathlib import Path

ANALYSIS = Path(__file__).with_name("analysis")

with tempfile.TemporaryDirectory() as directory:
    base = Path(directory)
    base.chmod(0o711)  # as root, jobs run as another user, who must reach the workspaces
    os.environ["SYFT_JOB_HOME"] = str(base / "homes")
    os.environ["SYFT_JOB_WORK"] = str(base / "work")
    folder = base / "shared"
    folder.mkdir()

    from syft_job import create_runner, get_client

    # Both open the same folder; each has a datasite in it, and a private home outside it.
    (folder / "omar@example.org").mkdir()
    (folder / "ada@example.org").mkdir()
    omar = get_client(folder, "omar@example.org")
    ada = get_client(folder, "ada@example.org")
    omar.setup_ds_job_folder_as_do("ada@example.org")

    # Ada sends code and its small table to Omar.
    ada.submit_python_job("omar@example.org", ANALYSIS, "Blood pressure")
    print(omar.jobs)

    # Omar reviews everything that would run, and approves exactly that.
    job = omar.jobs["Blood pressure"]
    print(job.review())
    job.approve(share_outputs=True, share_logs=True)
    create_runner(folder, "omar@example.org").process_approved_jobs(stream_output=False)

    # Ada reads what was shared with her, and verifies it.
    answer = ada.jobs["Blood pressure"]
    answer.wait(timeout=30)
    print(answer.stdout)
    for path in answer.output_paths:
        print(path.name, path.stat().st_size, "bytes")
    print(answer.verify())
