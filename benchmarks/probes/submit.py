"""Runs under anybody's interpreter: submit one-file jobs one after the other and print the seconds of each as JSON.

Arguments: root, the submitter's address, the owner's, how many, and what their names begin with.
"""

import json
import os
import sys
import time
from typing import Any

from syft_job import get_client

root, email, owner, count, prefix = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]), sys.argv[5]
script = "#!/bin/bash\nset -eu\nwc -l data.csv > outputs/lines.txt\necho counted\n"
client = get_client(root, email)
client.submit_bash_job(owner, script, f"{prefix} first")
seconds = []
for index in range(count):
    begin = time.perf_counter()
    client.submit_bash_job(owner, script, f"{prefix} {index:06d}")
    seconds.append(time.perf_counter() - begin)

synced: list[Any] = []
fsync = os.fsync


def counted(descriptor: Any) -> None:
    synced.append(descriptor)
    fsync(descriptor)


os.fsync = counted  # type: ignore[assignment]
job = client.submit_bash_job(owner, script, f"{prefix} counted")
sizes = sorted(path.stat().st_size for path in job.rglob("*") if path.is_file())
print(json.dumps({"seconds": seconds, "syncs": len(synced), "sizes": sizes}))
