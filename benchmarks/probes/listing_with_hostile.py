"""List as one person and print seconds and how many jobs of others than one submitter were listed, as JSON.

Arguments: root, e-mail address, the submitter who does not count, how often to list again.
"""

from __future__ import annotations

import json
import sys
import time
from statistics import median


def main() -> None:
    root, email, hostile, again = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
    import cryptography.hazmat.primitives.asymmetric.ed25519  # noqa: F401 - "after imports"

    from syft_job import get_client

    begin, begin_cpu = time.perf_counter(), time.process_time()
    client = get_client(root, email)
    records = client.store.records()
    first, first_cpu = time.perf_counter() - begin, time.process_time() - begin_cpu
    others = sum(record.submitter != hostile for record in records)
    seconds, cpu_seconds = [], []
    for _ in range(again):
        begin, begin_cpu = time.perf_counter(), time.process_time()
        records = client.store.records()
        seconds.append(time.perf_counter() - begin)
        cpu_seconds.append(time.process_time() - begin_cpu)
        others = min(others, sum(record.submitter != hostile for record in records))
    said = {"first": first, "first_cpu": first_cpu, "again": median(seconds), "again_cpu": median(cpu_seconds)}
    print(json.dumps(said | {"others": others, "listed": len(records)}))


main()
